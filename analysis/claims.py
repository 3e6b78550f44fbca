"""The authors' headline ratios, and the published cells they follow from."""
from compare import Cell, paragraph
from published import half_unit, matches, read_cells, read_claims
from runs import bench_results
from tables import build

SAME = 0.01    # a ratio this near to the one said is the one meant
NEAR = 0.05

# Figures 9 and 10 of the paper: for each kernel the sides of the operands, our
# algorithm and those that it is compared with; the largest grid.
KERNELS = {"gemm": ((2048, 4096, 8192), "meshgemm", ("summa", "cannon")),
           "gemv": ((2048, 8192, 16384), "ktree", ("pipeline",))}
GRID = "720x720"


class Ratio:
    """One ratio: of the published cells, of ours, and what it is made of."""

    def __init__(self, published, ours, made_of):
        self.published, self.ours, self.made_of = published, ours, made_of


def _where(way):
    wanted = dict(way.get("where", {}))
    wanted.update({key: way[key] for key in ("quantity",) if key in way})
    return wanted


def _alike(cell, other, grids):
    """Whether two cells are of the same work, and grid if both have one."""
    keys = ["model", "prompt_tokens", "new_tokens", "k"]
    if grids == "same":
        keys.append("grid")
    return all(cell[key] == other[key]
               for key in keys if key in cell and key in other)


def _divide(cell, other, unit):
    """WaferLLM's cell against another system's; less time is better."""
    up, down = cell.source, other.source
    published = float(up["value"]) / float(down["value"])
    ours = cell.ours() / other.ours()
    text = f"{up['value']} / {down['value']}"
    if unit == "milliseconds":
        published, ours = 1 / published, 1 / ours
        text = f"{down['value']} / {up['value']}"
    names = [c["grid"] for c in (up, down) if "grid" in c]
    if names:
        text += " (" + " / ".join(dict.fromkeys(names)) + ")"
    return Ratio(published, ours, text)


def _best(cells):
    """Of each model the one with the greatest value."""
    best = {}
    for cell in cells:
        model = cell.source["model"]
        if model not in best or cell.published > best[model].published:
            best[model] = cell
    return list(best.values())


def _ratios(way, cells, unit):
    """All ratios that a way speaks of. A cell's quantity is its own."""
    found = [cell for cell in cells if matches(cell.source, **_where(way))]
    gpus = {key: way[key] for key in ("gpus",) if key in way}
    if "over" not in way:
        return [Ratio(float(cell.published), cell.ours(), str(cell.published))
                for cell in found if matches(cell.source, **gpus)]
    found = [cell for cell in found if cell.source["system"] == "WaferLLM"]
    others = [cell for cell in cells
              if matches(cell.source, system=way["over"], **gpus)
              and cell.source.get("quantity") != "energy ratio"]
    grids = way.get("grids", "same")
    if grids == "best":
        found, others = _best(found), _best(others)
    return [_divide(cell, other, unit) for cell in found for other in others
            if _alike(cell.source, other.source, grids)]


def _take(way, ratios, times):
    """The ratios that stand for the one or two said; their number, too."""
    if way["take"] == "mean":
        def mean(of):
            return sum(of(ratio) for ratio in ratios) / len(ratios)
        return [Ratio(mean(lambda r: r.published), mean(lambda r: r.ours),
                      f"mean of {len(ratios)}")]
    if way["take"] == "one":
        return [min(ratios, key=lambda r: abs(r.published - float(times[0])))]
    ends = [min, max] if way["take"] == "range" else [max]
    return [end(ratios, key=lambda r: r.published) for end in ends]


def _off(said, ratio):
    """How far the ratio is from what was said; 0 if it rounds to it."""
    if abs(ratio.published - float(said)) <= half_unit(said):
        return 0.0
    return abs(ratio.published / float(said) - 1)


def _judge(claim, tables):
    """(how far off, ratios, way) of the nearest way; the first wins."""
    best = None
    for way in claim["ways"]:
        ratios = _ratios(way, *tables[way["table"]])
        if not ratios:
            continue
        taken = _take(way, ratios, claim["times"])
        off = max(map(_off, claim["times"], taken))
        if best is None or off < best[0] - SAME:
            best = off, taken, way
    return best


def _verdict(off, way):
    if off > NEAR:
        return "does not follow"
    across = " only across grids" if "grids" in way else ""
    return ("follows" if off <= SAME else "nearly follows") + across


def _to(figures):
    return " to ".join(figures)


def _gain(runs, kernel):
    """Starts what tells how much our algorithm of the kernel gains over the
    others; the result gives a text."""
    sizes, own, others = KERNELS[kernel]
    made = []
    for size in sizes:
        shape = {"m": size} if kernel == "gemm" else {}
        made.append(runs.bench(kernel, GRID, "wse2", k=size, n=size,
                               algo=",".join((own, *others)), **shape))

    def text():
        cycles = [{result["algo"]: result["cycles"]
                   for result in bench_results(future)} for future in made]
        return ", ".join(
            f"{min(gains):.1f} to {max(gains):.1f} ({own} against {other})"
            for other in others
            for gains in [[found[other] / found[own] for found in cycles]])
    return text


def _without_cells(claim, gains):
    text = "does not follow from a printed cell"
    if claim.get("kernel") not in gains:
        return text
    sizes = KERNELS[claim["kernel"]][0]
    return (f"{text}; ours {gains[claim['kernel']]()} on {GRID}, sides of "
            f"{sizes[0]} to {sizes[-1]}; other grids: sweeps.py")


def _with_cells(found):
    off, taken, way = found
    return (f"{_verdict(off, way)}: "
            f"{_to([f'{ratio.published:.4g}' for ratio in taken])} from table "
            f"{way['table']}, {_to([ratio.made_of for ratio in taken])}"
            f"; ours {_to([f'{ratio.ours:.4g}' for ratio in taken])}")


def _table(folder, runs, name):
    """(all cells of a published table, its unit); ours of a cell that is not
    compared is what was published."""
    content = read_cells(folder, "table" + name)
    cells = [cell for table in build(folder, runs, [name])
             for cell in table.cells]
    compared = [cell.source for cell in cells]
    cells += [Cell(source, "", lambda c=source: float(c["value"]))
              for source in content["cells"] if source not in compared]
    return cells, content["unit"]


def start(folder, runs):
    """Starts what the claims need; the result is for show()."""
    claims = read_claims(folder)["claims"]
    names = sorted({str(way["table"]) for claim in claims
                    for way in claim["ways"]})
    tables = {name: _table(folder, runs, name) for name in names}
    return claims, tables, {kernel: _gain(runs, kernel) for kernel in KERNELS}


def show(started):
    """Prints every claim with what it follows from."""
    claims, tables, gains = started
    print(paragraph(
        "Headlines: what the authors say in words, in times, and the "
        "published cells it follows from (to 1% or the rounding; nearly: to "
        "5%). ours: WaferLLM, T10 and Ladder by our account, GPUs as "
        "published."))
    for claim in claims:
        found = _judge(claim, tables)
        text = (_with_cells(found) if found
                else _without_cells(claim, gains))
        said = _to([str(figure) for figure in claim["times"]])
        print(paragraph(f"{said}: {claim['text']} ({claim['by']})", "  "))
        print(paragraph(text + ".", "      "))
        if "why" in claim:
            print(paragraph(f"Note: {claim['why']}.", "      "))
    print()
