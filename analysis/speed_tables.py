"""Tables 2 to 4: the speed of a model, by WaferLLM and by other systems on a
wafer, and what we have for each cell (see tables.py)."""
from compare import Cell, Table, number, percent
from published import matches, read_cells

# Greatest relative errors of a cell.
LIMIT_CALIBRATED = 0.06
LIMIT_LONG = 0.08
LIMIT_SHORT = 0.20     # requests of 128 new tokens
LIMIT_BASELINE = 0.30  # T10 and Ladder

FULL = ("Ours with attention as one head of the model's full width, as the "
        "published kernels had it; GQA: ours with the model's own heads.")
BASELINES = ("T10", "Ladder")
BASELINE_GRID = "660x660"  # of both phases in table 2
SHORT = 128  # new tokens; what comes before decode takes longer
STEP = 2     # new tokens, of which prefill gives one: a step of decode


def _cells(content, *systems):
    return [cell for cell in content["cells"]
            if matches(cell, system=list(systems))]


def wafer(content):
    return _cells(content, "WaferLLM")


def _gpus(content, heads=()):
    """The GPUs' rows as published; heads are the columns' names."""
    rows = {}
    for cell in content["cells"]:
        if "gpus" in cell:
            name = f"{cell['model']} {cell['system']} {cell['gpus']} A100"
            rows.setdefault(name, []).append(str(cell["value"]))
    return [["GPUs, as published", *heads],
            *([name, *values] for name, values in rows.items())]


def _label(cell, rest):
    """Of a cell of a model; the system is told if it is not WaferLLM."""
    system = "" if cell["system"] == "WaferLLM" else cell["system"] + " "
    return f"{cell['model']} {system}{rest}"


# --- Tables 2 to 4: speed of a model ---

def phase_of(future, phase, key):
    return future.result()["phases"][phase][key]


def _requests(cell, runs):
    """The runs of a cell of table 2: full heads, the model's own."""
    system = cell["system"].lower()
    grids = (cell.get("prefill_grid", BASELINE_GRID),
             cell.get("decode_grid", BASELINE_GRID))
    return [runs.request(cell["model"], cell["prompt_tokens"],
                         cell["new_tokens"], *grids, full, system)
            for full in (True, False)]


def _request_cell(cell, runs, limit, more):
    """A cell of table 2, and its run. more() gives columns of that run."""
    full, own = _requests(cell, runs)
    name = f"{cell['prompt_tokens']}/{cell['new_tokens']}"
    return full, Cell(
        cell, _label(cell, name),
        lambda: full.result()["tokens_per_s_request"], limit,
        extras=lambda: [number(own.result()["tokens_per_s_request"],
                               cell["value"]), *more(full)])


def _from_two(cells, cell):
    """(seconds before the first step, seconds of a step) by a cell of a short
    generation and the longer one of its system and prompt, as published;
    None: there are not two."""
    pair = [other for other in cells
            if matches(other, **{key: cell[key] for key in
                                 ("system", "model", "prompt_tokens")})]
    if len(pair) != 2 or cell["new_tokens"] > SHORT:
        return None
    (a, x), (b, y) = [(c["new_tokens"], c["new_tokens"] / float(c["value"]))
                      for c in pair]
    step = (y - x) / (b - a)
    return x - a * step, step


def _explain_short(cells, futures):
    """Why the requests of 128 tokens differ."""
    yield ("The requests of 128 tokens consist mostly of what comes before "
           "decode. Two published cells of one prompt tell how long that "
           "took; ours is prefill and transition. No constant was added to "
           "bring them together.")
    for cell, future in zip(cells, futures):
        found = _from_two(cells, cell)
        if not found:
            continue
        phases = future.result()["phases"]
        prefill = phases["prefill"]["seconds"]
        move = phases["transition"]["seconds"]
        bare = (cell["new_tokens"] / (prefill + phases["decode"]["seconds"])
                / float(cell["value"]) - 1)
        yield (f"{cell['model']}, prompt {cell['prompt_tokens']}: published "
               f"{1e3 * found[0]:.0f} ms, ours "
               f"{_longer(prefill + move - found[0])} "
               f"({1e3 * prefill:.0f} prefill, {1e3 * move:.0f} transition); "
               f"with no transition the cell would be {percent(bare)}.")
    yield ("8B is slow for its grid: 660 columns cut 4096 channels in tiles "
           "of 7, as 600 do, so that a step does as much work and there are "
           "more of them (compare table 3). The published prefill lost less "
           "by it.")


def _longer(seconds):
    return (f"{1e3 * abs(seconds):.0f} ms "
            f"{'more' if seconds > 0 else 'less'}")


def _request_table(folder, runs):
    """WaferLLM's cells of table 2, and the GPUs'."""
    content = read_cells(folder, "table2")
    cells = wafer(content)
    made = [_request_cell(
        cell, runs, LIMIT_SHORT if cell["new_tokens"] <= SHORT else LIMIT_LONG,
        lambda full: [f"{1e3 * phase_of(full, phase, 'seconds'):.1f}"
                      for phase in ("prefill", "transition")])
            for cell in cells]
    heads = [f"{c['prompt_tokens']}/{c['new_tokens']}"
             for c in cells if c["model"] == cells[0]["model"]]
    return Table(
        "table 2", content["what"] + " (WSE-2)", content["unit"],
        FULL + " Prefill and transition: ours, in ms.",
        ["GQA", "prefill", "transit."], [cell for _, cell in made],
        lambda: _gpus(content, heads),
        lambda: _explain_short(cells, [f for f, _ in made]))


def _explain_grid(folder, cells):
    """Why T10 and Ladder are run on that grid."""
    alone = _cells(read_cells(folder, "table4"), *BASELINES)
    yield (f"Their grids are not printed. Ours have {BASELINE_GRID} in both "
           "phases: the decode rates that two published cells of one prompt "
           "tell equal table 4's on that grid for 8B; for 13B they are a "
           "tenth lower, as on a larger grid.")
    for cell in alone:
        if cell["grid"] != BASELINE_GRID:
            continue
        rates = [1 / found[1] for found in
                 (_from_two(cells, c) for c in cells
                  if matches(c, system=cell["system"], model=cell["model"]))
                 if found]
        yield (_label(cell, "decode: ")
               + ", ".join(number(rate, cell["value"]) for rate in rates)
               + f" tokens/s; table 4: {cell['value']}")


def _baseline_request_table(folder, runs):
    """T10's and Ladder's cells of table 2."""
    content = read_cells(folder, "table2")
    cells = _cells(content, *BASELINES)
    made = [_request_cell(
        cell, runs, LIMIT_BASELINE,
        lambda full: [f"{phase_of(full, 'prefill', 'seconds'):.1f}"])
            for cell in cells]
    return Table(
        "table 2", f"the same of {' and '.join(BASELINES)}", content["unit"],
        "Prefill: ours, in seconds.", ["GQA", "prefill"],
        [cell for _, cell in made],
        below=lambda: _explain_grid(folder, cells))


def table2(folder, runs):
    """End to end: two tables."""
    return [_request_table(folder, runs),
            _baseline_request_table(folder, runs)]


def _grids(folder, like):
    """Prefill and decode grids of tables 3 and 4 in pairs, so that one run
    serves a cell of each; of the cell's model and system."""
    wanted = {key: like[key] for key in ("model", "system")}
    prefill, decode = ([cell["grid"] for cell in
                        read_cells(folder, name)["cells"]
                        if matches(cell, **wanted)]
                       for name in ("table3", "table4"))
    n = max(len(prefill), len(decode))
    return [(prefill[min(i, len(prefill) - 1)],
             decode[min(i, len(decode) - 1)]) for i in range(n)]


def run_of(folder, runs, cell, phase, full_heads=True):
    """The run with the cell's grid in that phase. Decode takes one step, the
    one behind the whole prompt."""
    which = 0 if phase == "prefill" else 1
    grids = next(pair for pair in _grids(folder, cell)
                 if pair[which] == cell["grid"])
    return runs.request(cell["model"], cell["prompt_tokens"], STEP, *grids,
                        full_heads, cell["system"].lower())


def _phase_cell(folder, runs, cell, phase, limit):
    """A cell of table 3 or 4."""
    full, own = (run_of(folder, runs, cell, phase, heads)
                 for heads in (True, False))
    return Cell(cell, _label(cell, cell["grid"]),
                lambda: phase_of(full, phase, "tokens_per_s"), limit,
                extras=lambda: [number(phase_of(own, phase, "tokens_per_s"),
                                       cell["value"])])


def _phase_tables(folder, runs, name, phase, intro, explain=None):
    """Table 3 or 4: WaferLLM and the GPUs, then T10 and Ladder. explain()
    says something of the latter's cells."""
    content = read_cells(folder, name)
    ours = [_phase_cell(folder, runs, cell, phase, LIMIT_CALIBRATED)
            for cell in wafer(content)]
    others = [_phase_cell(folder, runs, cell, phase, LIMIT_BASELINE)
              for cell in _cells(content, *BASELINES)]
    title = f"table {name[-1]}"
    return [
        Table(title, content["what"] + " (WSE-2)", content["unit"],
              f"{FULL} {intro}", ["GQA"], ours, lambda: _gpus(content),
              pool="calibrated"),
        Table(title, f"the same of {' and '.join(BASELINES)}",
              content["unit"], "", ["GQA"], others,
              below=lambda: explain(others) if explain else [])]


def _falls(values):
    """Whether each is less than the one before."""
    return all(a > b for a, b in zip(values, values[1:]))


def _explain_slower(cells):
    """Whether more cores make prefill slower."""
    holds, texts = True, []
    for system in BASELINES:
        for model in dict.fromkeys(cell.source["model"] for cell in cells):
            mine = [cell for cell in cells
                    if matches(cell.source, system=system, model=model)]
            if not mine:
                continue
            rows = [[float(cell.published) for cell in mine],
                    [cell.ours() for cell in mine]]
            holds = holds and all(map(_falls, rows))
            change = [percent(row[-1] / row[0] - 1) for row in rows]
            texts.append(f"{model} {system} published {change[0]}, ours "
                         f"{change[1]}")
    yield (f"{' and '.join(BASELINES)} get slower with more cores, from each "
           f"grid to the next: {'holds' if holds else 'does not hold'}. From "
           f"the first to the last: {'; '.join(texts)}.")


def table3(folder, runs):
    """Prefill: two tables."""
    return _phase_tables(folder, runs, "table3", "prefill", "",
                         _explain_slower)


def table4(folder, runs):
    """Decode: two tables."""
    return _phase_tables(folder, runs, "table4", "decode",
                         "Ours is the one step after a prompt of 4096 tokens "
                         "(--prompt-tokens 4096 -n 2).")


# --- All systems ---

# Megatron has no more than a channel of 4096 on a core.
SYSTEMS = (("waferllm", "660x660"), ("t10", "660x660"), ("ladder", "660x660"),
           ("waferllm", "64x64"), ("megatron", "64x64"))


def systems(_, runs):
    """Our account of each system. Megatron has no published cells."""
    made = {(name, grid): runs.request("llama3-8b", 4096, STEP, grid, grid,
                                       False, name)
            for name, grid in SYSTEMS}

    def rows():
        yield ["tokens/s", "prefill", "decode", "kB/core"]
        for (name, grid), future in made.items():
            yield [f"{name} {grid}",
                   *(f"{phase_of(future, phase, 'tokens_per_s'):.1f}"
                     for phase in ("prefill", "decode")),
                   f"{_fullest(future) / 1e3:.0f}"]

    def below():
        future = made["megatron", "64x64"]
        room = phase_of(future, "prefill", "sram")["room_bytes"]
        yield ("kB/core: memory of the fullest core. Megatron cuts matrices "
               "in one dimension, over all cores as a line: here each of 4096 "
               "has one of the 4096 channels. A core would need "
               f"{_fullest(future) / 1e6:.0f} MB; it has {room / 1e3:.0f} kB.")
    return Table("systems", "our account of all systems, LLaMA3-8B with its "
                 "own heads, 4096 tokens (WSE-2)", "tokens/s",
                 rows=rows, below=below)


def _fullest(future):
    """Bytes of the fullest core in either phase."""
    return max(phase_of(future, phase, "sram")["peak_bytes"]
               for phase in ("prefill", "decode"))
