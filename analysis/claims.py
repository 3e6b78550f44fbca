"""The authors' headline ratios, and the published cells they follow from."""
from compare import paragraph
from published import half_unit, matches, read_cells, read_claims
from runs import bench_result
from tables import build

SAME = 0.01    # a ratio this near to the one said is the one meant
NEAR = 0.05

# Figure 10 of the paper: sizes of its GEMVs and its largest grid.
GEMV_SIZES = (2048, 8192, 16384)
GEMV_GRID = "720x720"


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
    up, down = cell.source, other
    published = float(up["value"]) / float(down["value"])
    ours = cell.ours() / float(down["value"])
    text = f"{up['value']} / {down['value']}"
    if unit == "milliseconds":
        published, ours = 1 / published, 1 / ours
        text = f"{down['value']} / {up['value']}"
    names = [c["grid"] for c in (up, down) if "grid" in c]
    if names:
        text += " (" + " / ".join(dict.fromkeys(names)) + ")"
    return Ratio(published, ours, text)


def _best(cells, value):
    """Of each model the one with the greatest value."""
    best = {}
    for cell in cells:
        model = (cell.source if hasattr(cell, "source") else cell)["model"]
        if model not in best or value(cell) > value(best[model]):
            best[model] = cell
    return list(best.values())


def _ratios(way, table, content):
    """All ratios that a way speaks of. A cell's quantity is its own."""
    cells = [cell for cell in table.cells
             if matches(cell.source, **_where(way))]
    if "over" not in way:
        return [Ratio(float(cell.published), cell.ours(), str(cell.published))
                for cell in cells
                if matches(cell.source, **{key: way[key] for key in ("gpus",)
                                           if key in way})]
    cells = [cell for cell in cells if cell.source["system"] == "WaferLLM"]
    wanted = {"system": way["over"]}
    if "gpus" in way:
        wanted["gpus"] = way["gpus"]
    others = [cell for cell in content["cells"] if matches(cell, **wanted)
              and cell.get("quantity") != "energy ratio"]
    grids = way.get("grids", "same")
    if grids == "best":
        cells = _best(cells, lambda cell: cell.source["value"])
        others = _best(others, lambda cell: cell["value"])
    return [_divide(cell, other, content["unit"]) for cell in cells
            for other in others if _alike(cell.source, other, grids)]


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


def _judge(claim, tables, contents):
    """(how far off, ratios, way) of the nearest way; the first wins."""
    best = None
    for way in claim["ways"]:
        ratios = _ratios(way, tables[way["table"]], contents[way["table"]])
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


def _gemv_gain(runs):
    """How much the tree gains over a chain of all cores, for each size."""
    made = [[runs.bench("gemv", GEMV_GRID, "wse2", k=k, n=k, groups=groups)
             for groups in (1, None)] for k in GEMV_SIZES]
    return lambda: sorted(
        bench_result(chain)["cycles"] / bench_result(tree)["cycles"]
        for chain, tree in made)


def _without_cells(claim, gains):
    text = "does not follow from a printed cell"
    if claim.get("kernel") in gains:
        found = gains[claim["kernel"]]()
        return (f"{text}; ours {found[0]:.1f} to {found[-1]:.1f} on "
                f"{GEMV_GRID}, sides of {GEMV_SIZES[0]} to {GEMV_SIZES[-1]}, "
                "the tree against one chain of all cores (bench --groups 1)")
    return text + "; ours not yet: the other kernels come later"


def _with_cells(found):
    off, taken, way = found
    return (f"{_verdict(off, way)}: "
            f"{_to([f'{ratio.published:.4g}' for ratio in taken])} from table "
            f"{way['table']}, {_to([ratio.made_of for ratio in taken])}"
            f"; ours {_to([f'{ratio.ours:.4g}' for ratio in taken])}")


def start(folder, runs):
    """Starts what the claims need; the result is for show()."""
    claims = read_claims(folder)["claims"]
    names = sorted({str(way["table"]) for claim in claims
                    for way in claim["ways"]})
    tables = dict(zip(names, build(folder, runs, names)))
    contents = {name: read_cells(folder, "table" + name) for name in names}
    return claims, tables, contents, {"gemv": _gemv_gain(runs)}


def show(started):
    """Prints every claim with what it follows from."""
    claims, tables, contents, gains = started
    print(paragraph(
        "Headlines: what the authors say in words, in times, and the "
        "published cells it follows from (to 1% or the rounding; nearly: to "
        "5%). ours: WaferLLM's cells by our account, the others as "
        "published."))
    for claim in claims:
        found = _judge(claim, tables, contents)
        text = (_with_cells(found) if found
                else _without_cells(claim, gains))
        said = _to([str(figure) for figure in claim["times"]])
        print(paragraph(f"{said}: {claim['text']} ({claim['by']})", "  "))
        print(paragraph(text + ".", "      "))
        if "why" in claim:
            print(paragraph(f"Note: {claim['why']}.", "      "))
    print()
