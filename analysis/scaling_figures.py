"""Figures of scaling.py, as PNG and PDF. Needs matplotlib and numpy."""
import textwrap

from matplotlib import ticker

from figures import (BLUE, GREEN, GREY, ORANGE, PINK, draw_phase_links,
                     pyplot, save)
from scaling_reports import ALL, AXES, PARTS
from scaling_studies import (ALL_PHASES, PHASES, accounts, operators, rows,
                             shares, subject)

STYLES = [(BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PINK, "D"),
          ("#56B4E9", "v"), ("#D55E00", "P"), ("#000000", "*")]
COLOURS = list(zip(PARTS, (BLUE, ORANGE, GREY), ("", "//", "..")))
LINES = ("-", "-.", (0, (6, 1)))
SHOWN = 6       # operators by themselves
LETTERS = 13    # of a legend, to an inch
LINE = 0.24     # of a legend, in inches


def _save(figure, folder, name):
    """Both kinds; the paths."""
    for kind in ("png", "pdf"):
        yield save(figure, folder, name, kind)


def _wrapped(figure, text):
    """In as many lines as the figure's width asks for."""
    return "\n".join(textwrap.wrap(text, int(
        LETTERS * figure.get_figwidth() * 0.85)))


def _titled(figure, text):
    figure.suptitle(_wrapped(figure, text), fontsize=11)


def _panels(down, across, labels, height=3.4, width=3.7):
    """The figure, its axes row by row, and the axes of a legend with these
    labels, below."""
    inches = width * across
    columns = max(1, min(len(labels), int(
        LETTERS * inches / (max(map(len, labels)) + 8))))
    lines = -(-len(labels) // columns)
    heights = [height] * down + [LINE * (lines + 1)]
    figure = pyplot.figure(figsize=(inches, sum(heights) + 0.5),
                           layout="constrained")
    grid = figure.add_gridspec(down + 1, across, height_ratios=heights)
    axes = [[figure.add_subplot(grid[i, j]) for j in range(across)]
            for i in range(down)]
    below = figure.add_subplot(grid[down, :])
    below.axis("off")

    def legend(handles):
        below.legend(handles, labels, loc="center", ncol=columns, fontsize=9)
    return figure, axes, legend


def _rank_axis(axes, counts):
    """Ranks in log scale; those that ran are its ticks."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(ranks) for ranks in counts])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlabel("ranks (host)")
    axes.grid(True, alpha=0.25)


def _line(axes, at, points, dots=False):
    """The at-th line over the ranks, with the range of the runs; points:
    {ranks: Spread}. Its handle for a legend."""
    colour, mark = STYLES[at % len(STYLES)]
    line = LINES[at // len(STYLES) % len(LINES)]
    spreads = list(points.values())
    if dots:
        return axes.plot(list(points), [one.median for one in spreads], ":",
                         color=colour, linewidth=2)
    return axes.errorbar(
        list(points), [one.median for one in spreads], color=colour,
        marker=mark, linestyle=line, markersize=5, capsize=3,
        yerr=[[one.median - one.least for one in spreads],
              [one.most - one.median for one in spreads]])


def _counts(studies):
    return sorted({ranks for study in studies for ranks in study.points})


def _subject(studies):
    """What ran in all of them."""
    return subject(*(study.firsts() for study in studies))


# --- Speed-up and efficiency ---

SAID = {"strong": ("Strong scaling", "Speed-up: time on the fewest ranks / "
                   "time"),
        "weak": ("Weak scaling", "Speed-up: work per second / that on the "
                 "fewest ranks")}


def _draw_speedup(axes, found):
    """found: rows of each study. The handles."""
    handles = [_line(axes, at, {row.ranks: row.speedup for row in made})
               for at, made in enumerate(found)]
    for made in found:
        ideal, = axes.plot([row.ranks for row in made],
                           [row.ideal for row in made], "--", color=GREY)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%.3g"))
    return [*handles, ideal]


def _draw_efficiency(axes, found):
    for at, made in enumerate(found):
        _line(axes, at, {row.ranks: row.efficiency.scaled(100)
                         for row in made})
    axes.axhline(100, color=GREY, linestyle="--")
    axes.set_ylim(0, max(110, axes.get_ylim()[1]))


def draw_scaling(studies, folder):
    """Speed-up above efficiency, a column for each phase."""
    kind = studies[0].kind
    phases = [phase for phase in PHASES
              if any(rows(study, phase) for study in studies)]
    if not phases:
        return
    figure, (upper, lower), legend = _panels(
        2, len(phases), [study.label for study in studies] + ["ideal"])
    for phase, top, low in zip(phases, upper, lower):
        found = [rows(study, phase) for study in studies]
        handles = _draw_speedup(top, found)
        _draw_efficiency(low, found)
        top.set_title(phase)
        for axes in (top, low):
            _rank_axis(axes, _counts(studies))
    upper[0].set_ylabel("speed-up, times (host)")
    lower[0].set_ylabel("parallel efficiency, % (host)")
    legend(handles)
    name, said = SAID[kind]
    _titled(figure, f"{name}, host times: {_subject(studies)}. {said}; "
            "bars: least and most of the runs.")
    yield from _save(figure, folder, f"scaling_{kind}")


# --- Exchange ---

def draw_shares(studies, folder):
    """Exchange and wait against ranks, a panel for each phase."""
    found = {phase: [shares(study, phase) for study in studies]
             for phase in ALL_PHASES}
    phases = [phase for phase in ALL_PHASES if any(found[phase])]
    if not phases:
        return
    figure, (row,), legend = _panels(
        1, len(phases), [study.label for study in studies]
        + ["dotted: exchange alone"], 3.8, 3.4)
    for phase, axes in zip(phases, row):
        handles = []
        for at, points in enumerate(found[phase]):
            handles.append(_line(axes, at, {
                ranks: spreads[2].scaled(100)
                for ranks, spreads in points.items()}))
            _line(axes, at, {ranks: spreads[0].scaled(100)
                             for ranks, spreads in points.items()}, True)
        _rank_axis(axes, _counts(studies))
        axes.set_ylim(0, 103)
        axes.set_title(phase)
    row[0].set_ylabel("exchange and wait, % of host time")
    legend([*handles, *axes.plot([], [], ":", color="black", linewidth=2)])
    kind = studies[0].kind
    _titled(figure, "Part of the ranks' host time that is exchange or wait, "
            f"{SAID[kind][0].lower()}: {_subject(studies)}. Bars: least and "
            "most of the runs.")
    yield from _save(figure, folder, f"exchange_{kind}")


# --- Operators ---

def largest(found):
    """[(name, {ranks: seconds of PARTS})] of operators: the largest ones,
    then the others as one."""
    def size(name):
        return max(map(sum, found[name].values()))
    names = sorted((name for name in found if name != ALL), key=size,
                   reverse=True)
    if len(names) <= SHOWN + 1:
        return [(name, found[name]) for name in names]
    rest = {}
    for name in names[SHOWN:]:
        for ranks, parts in found[name].items():
            rest[ranks] = [a + b for a, b in
                           zip(rest.get(ranks, (0, 0, 0)), parts)]
    return [*((name, found[name]) for name in names[:SHOWN]),
            (f"{len(names) - SHOWN} others", rest)]


def _draw_bars(axes, counts, points, factors):
    """A bar for each number of ranks; the handles of the parts."""
    handles, bottom = [], [0.0] * len(counts)
    for part, (_, colour, hatch) in enumerate(COLOURS):
        high = [factors[ranks] * points[ranks][part] if ranks in points
                else 0.0 for ranks in counts]
        handles.append(axes.bar(
            range(len(counts)), high, bottom=bottom, color=colour,
            hatch=hatch, edgecolor="white", width=0.75))
        bottom = [a + b for a, b in zip(bottom, high)]
    axes.set_xticks(range(len(counts)), [str(ranks) for ranks in counts])
    axes.set_xlim(-0.6, len(counts) - 0.4)
    axes.set_ylim(0, 1.06 * max(max(bottom), 1e-12))
    axes.grid(True, axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    return handles


def draw_operators(study, phase, folder):
    """Host time by operator: a panel for each, a bar for each number of
    ranks. Operators share one scale; all together have another."""
    found = operators(study, phase)
    if not found:
        return
    counts = sorted(found[ALL])
    some = largest(found)
    if len(some) == 1:
        some = []   # all there is
    strong = study.kind == "strong"
    factors = {ranks: 1e3 * (study.run(ranks).working() if strong else 1)
               for ranks in counts}
    down = 2 if len(some) > 3 else 1
    across = -(-(len(some) + 1) // down)
    figure, axes, legend = _panels(down, across, list(PARTS), 2.9,
                                   max(3.2, 0.42 * len(counts) + 0.8,
                                       6.4 / across))
    flat = [one for row in axes for one in row]
    top = 0
    for one, (name, points) in zip(flat, [(ALL, found[ALL]), *some]):
        handles = _draw_bars(one, counts, points, factors)
        one.set_title(f"all of {phase}" if name == ALL else name)
        one.set_xlabel("ranks (host)")
        if name != ALL:
            top = max(top, one.get_ylim()[1])
    for one in flat[1:len(some) + 1]:
        one.set_ylim(0, top)
    for one in flat[len(some) + 1:]:
        one.axis("off")
    for row in axes:
        row[0].set_ylabel("ms of all ranks, host" if strong
                          else "ms of a rank, host")
    legend(handles)
    way = ("the ranks' times added up, so that ideal bars are of one height"
           if strong else "mean over the ranks")
    _titled(figure, f"Host time of {phase} by operator, {study.kind} "
            f"scaling: {study.subject()}; {way}.")
    yield from _save(figure, folder, f"operators_{study.name}_{phase}")


# --- Links ---

UNITS = ((1e6, "million words"), (1e3, "thousand words"), (1, "words"))


def draw_links(study, run, phase, folder):
    """Heat map of the words that each link carried, in the account."""
    links = run.links[phase]
    top = max((max(links[axis], default=0) / links["lines_" + axis]
               for axis in AXES))
    if top == 0:
        return
    scale, unit = next(one for one in UNITS if top >= one[0] or one[0] == 1)
    used = [axis for axis in AXES if links[axis]]
    # Cores are squares, unless the grid is much longer than wide.
    high = min(5.5, max(2.4, 4.2 * links["lines_x"] / links["lines_y"]))
    figure, (row,) = pyplot.subplots(
        1, len(used), figsize=(1.5 + 4.5 * len(used), 1.3 + high),
        squeeze=False, layout="constrained")
    draw_phase_links(figure, row, {"links": links}, scale, phase,
                     f"{unit}, emulated")
    for axes in row:
        axes.set_xlabel("column of emulated cores")
        axes.set_ylabel("row of emulated cores")
        axes.set_aspect("auto")
        for axis in axes.xaxis, axes.yaxis:
            axis.set_major_locator(ticker.MaxNLocator(6, integer=True,
                                                      min_n_ticks=1))
    _titled(figure, f"Load of the emulated links in {phase}: "
            f"{subject([run])}, {run.facets['device']}")
    figure.supxlabel(_wrapped(figure, (
        "Words of 32 bits on a link, both ways, counted over each cut of the "
        "core grid; all parallel lines are shown with their mean.")),
        fontsize=9)
    yield from _save(figure, folder, f"links_{study.name}_{phase}")


def draw(studies, folder):
    """All of them; yields the path of each."""
    for kind in SAID:
        same = [study for study in studies if study.kind == kind]
        if same:
            yield from draw_scaling(same, folder)
            yield from draw_shares(same, folder)
    for study in studies:
        for phase in ALL_PHASES:
            yield from draw_operators(study, phase, folder)
    for study, run in accounts(studies):
        for phase in run.links:
            yield from draw_links(study, run, phase, folder)
