"""The published tables and what we have for each of their cells. Building a
table starts its runs; its cells wait for them."""
from compare import Cell, Table, percent
from published import LIFTED, lifted_context, lifted_note, matches, read_cells
from runs import bench_result, watts
from speed_tables import (FULL, LIMIT_CALIBRATED, STEP, phase_of, run_of,
                          systems, table2, table3, table4, wafer)

# Greatest relative errors: of a cell, and of the mean over the pool of
# those that the devices were calibrated on.
POOLS = {"calibrated": 0.03}
LIMIT_RATIO = 0.10
LIMIT_ENERGY = 0.05
LIMIT_ENERGY_GEMV = 0.10

A100_WATTS = 400.0   # each, the board's; see the notes of table 6
GEMV_SIDES = range(120, 751, 30)  # the wafer has 750 columns


# --- Table 5: lengths ---

def _longest(future, quantity):
    kv = future.result()["kv"]
    if quantity == "ratio":
        return kv["longest_shift"] / max(1, kv["longest_concat"])
    return kv["longest_" + quantity]


def table5(folder, runs):
    """How long a generation can get."""
    content = read_cells(folder, "table5")
    cells = []
    for cell in wafer(content):
        request = (cell["model"], 1, STEP, cell["prefill_grid"],
                   cell["decode_grid"])
        full, own = runs.request(*request), runs.request(*request, False)
        ratio = cell["quantity"] == "ratio"
        cells.append(Cell(
            cell, f"{cell['model']} {cell['quantity']}",
            lambda c=cell, f=full: float(_longest(f, c["quantity"])),
            LIMIT_RATIO if ratio else None,
            extras=lambda c=cell, f=own: [
                f"{_longest(f, c['quantity']):.0f}"]))
    return Table(
        "table 5", content["what"] + " (WSE-2)", content["unit"],
        FULL + " Ours after a prompt of one token. The ratio is judged.",
        ["GQA"], cells, below=lambda: [
            "The ratio is about the number of rows, whatever a row holds. The "
            "lengths depend on what else lies in a core's memory, of which "
            "the paper says nothing; ours counts weights, embedding, head, "
            "buffers and the kernels' program."])


# --- Tables 6 to 8: energy ---

def _gpu(content, cell, quantity):
    """The published cell of the same GPUs and work."""
    same = {key: cell[key] for key in ("gpus", "model", "k")
            if key in cell}
    return next(c for c in content["cells"]
                if matches(c, quantity=quantity, **same))


def _error(made, cell):
    """Of a GEMV's milliseconds."""
    return 1e3 * bench_result(made)["seconds"] / float(cell["value"]) - 1


def _best_side(made, times):
    """The side whose worst error over the times is the least. made: {side:
    {k: future}}."""
    return min(made, key=lambda side: max(
        abs(_error(made[side][cell["k"]], cell)) for cell in times))


def _explain_sides(made, times):
    best = _best_side(made, times)
    worst = max(abs(_error(made[best][cell["k"]], cell)) for cell in times)
    yield (f"No grid is printed. Of the squares of {GEMV_SIDES[0]} to "
           f"{GEMV_SIDES[-1]} in steps of {GEMV_SIDES.step}, {best}x{best} "
           "fits both sizes best and is shown; the wafer is "
           f"{GEMV_SIDES[-1]} columns wide, and a kernel by itself may have "
           "all of them.")
    if worst > LIMIT_ENERGY_GEMV:
        yield (f"No square fits both to {100 * LIMIT_ENERGY_GEMV:.0f}%: with "
               "the constants that table 4 asks for a GEMV takes longer than "
               "table 6 says.")
    for side in made:
        if side % 120 == 0 or side == best:
            yield f"{side}x{side}: " + ", ".join(
                f"k={cell['k']} {_milliseconds(made, side, cell):.5f} ms "
                f"({percent(_error(made[side][cell['k']], cell))})"
                for cell in times)


def _milliseconds(made, side, cell):
    return 1e3 * bench_result(made[side][cell["k"]])["seconds"]


def _gemv_ratio(made, times, cell, joules):
    """Joules of the GPUs over ours, on the grid that fits best."""
    report = made[_best_side(made, times)][cell["k"]].result()
    return joules / (watts(report) * report["results"][0]["seconds"])


def table6(folder, runs):
    """One GEMV against A100s."""
    content = read_cells(folder, "table6")
    times = wafer(content)
    made = {side: {cell["k"]: runs.bench("gemv", f"{side}x{side}", "wse2",
                                         k=cell["k"], n=cell["n"])
                   for cell in times} for side in GEMV_SIDES}
    cells = [Cell(cell, f"k={cell['k']} WSE-2 ms",
                  lambda c=cell: _milliseconds(
                      made, _best_side(made, times), c))
             for cell in times]
    for cell in content["cells"]:
        if not matches(cell, quantity="energy ratio"):
            continue
        gpu = _gpu(content, cell, "milliseconds")
        joules = float(gpu["value"]) / 1e3 * cell["gpus"] * A100_WATTS
        cells.append(Cell(
            cell, f"k={cell['k']} ratio {cell['gpus']} A100",
            lambda c=cell, j=joules: _gemv_ratio(made, times, c, j),
            LIMIT_ENERGY_GEMV, rounding=True))
    return Table("table 6", content["what"], "energy: A100 / WSE-2",
                 f"A100s: published times, {A100_WATTS:.0f} W each.", [],
                 cells, below=lambda: _explain_sides(made, times))


def _bottom_up(future, phase):
    """Joules of a token by the constants of multiply-adds, memory, links and
    static power."""
    made = future.result()["phases"][phase]
    return made["energy"]["bottom_up_j"] / made["tokens"]


def _energy_table(folder, runs, name, phase):
    """Table 7 or 8."""
    content = read_cells(folder, name)
    made = {cell["model"]: run_of(folder, runs, cell, phase)
            for cell in wafer(content)}
    cells = [Cell(cell, f"{cell['model']} tokens/s",
                  lambda f=made[cell["model"]]: phase_of(f, phase,
                                                       "tokens_per_s"))
             for cell in wafer(content)]
    for cell in content["cells"]:
        if not matches(cell, quantity="energy ratio"):
            continue
        speed = float(_gpu(content, cell, "tokens/s")["value"])
        joules = cell["gpus"] * A100_WATTS / speed
        future = made[cell["model"]]
        cells.append(Cell(
            cell, f"{cell['model']} ratio {cell['gpus']} A100",
            lambda f=future, j=joules: j * phase_of(f, phase, "tokens_per_s")
            / watts(f.result()), LIMIT_ENERGY, rounding=True,
            extras=lambda f=future, j=joules: [
                f"{j / _bottom_up(f, phase):.2f}"]))
    return Table(
        f"table {name[-1]}", content["what"], "energy: A100 / WSE-2",
        f"A100s: published speeds, {A100_WATTS:.0f} W each; the wafer: its "
        "whole power over our time. A ratio is as published, too, if it "
        "rounds to the digits printed. by work: with ours counted bottom-up, "
        "against the A100s' 400 W all the same.", ["by work"], cells)


def table7(folder, runs):
    """Energy of prefill."""
    return _energy_table(folder, runs, "table7", "prefill")


def table8(folder, runs):
    """Energy of decode."""
    return _energy_table(folder, runs, "table8", "decode")


# --- WSE-3 ---

def _bench_label(cell):
    sizes = [f"{key}={cell[key]}" for key in ("m", "k") if key in cell]
    return " ".join([cell["grid"], sizes[0],
                     *(f"{key} {cell[key]}" for key in ("hops", "groups")
                       if key in cell)])


def _bench_table(folder, runs, name, limit=LIMIT_CALIBRATED):
    content = read_cells(folder, name)
    cells = []
    for cell in wafer(content):
        sizes = {key: cell[key] for key in ("m", "k", "n", "hops", "groups")
                 if key in cell}
        future = runs.bench(cell["kernel"], cell["grid"], "wse3", **sizes)
        cells.append(Cell(cell, _bench_label(cell),
                          lambda f=future: float(bench_result(f)["cycles"]),
                          limit))
    return Table(name.replace("_", " "), content["what"], content["unit"],
                 f"Published: {content['source']}.", [], cells,
                 pool="calibrated" if limit else "")


def wse3(folder, runs):
    """Kernels on a WSE-3: four tables."""
    return [_bench_table(folder, runs, "wse3_gemm"),
            _bench_table(folder, runs, "wse3_gemv"),
            _bench_table(folder, runs, "wse3_groups", None),
            _bench_table(folder, runs, "wse3_shift")]


BUILDERS = {"2": table2, "3": table3, "4": table4, "systems": systems,
            "5": table5, "6": table6, "7": table7, "8": table8, "wse3": wse3}


def _lifted(table):
    """The models of the table that ran beyond their own context."""
    longest = {}
    for cell in table.cells:
        model = cell.source.get("model")
        tokens = (cell.source.get("prompt_tokens", 1)
                  + cell.source.get("new_tokens", STEP))
        longest[model] = max(longest.get(model, 0), tokens)
    return [model for model in LIFTED
            if lifted_context(model, longest.get(model, 0))]


def build(folder, runs, names):
    """The tables of these names, with their runs started."""
    made = []
    for name in names:
        table = BUILDERS[name](folder, runs)
        made += table if isinstance(table, list) else [table]
    for table in made:
        table.notes += [lifted_note(model) for model in _lifted(table)]
    return made
