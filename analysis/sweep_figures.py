"""Figures of the studies of sweeps.py, as PNG. Needs matplotlib and numpy."""
import math

from matplotlib import ticker

from figures import BLUE, GREEN, GREY, ORANGE, PINK, pyplot, save
from sweep_studies import (GROUPS_WORDS, LETTERS, TREES, algorithms,
                           best_groups, limit_text, pick, size_text, values,
                           verdict_text)

RED, SKY, BLACK = "#D55E00", "#56B4E9", "#000000"  # more of figures' palette

# Colour and mark of each algorithm.
STYLES = {"meshgemm": (BLUE, "o"), "cannon": (ORANGE, "s"),
          "summa": (GREEN, "^"), "allgather": (PINK, "D"),
          "ktree": (BLUE, "o"), "pipeline": (ORANGE, "s"),
          "ring": (GREEN, "^"), "ktree1": (PINK, "D"), "ktree3": (SKY, "v"),
          "ktree4": (RED, "P"), "binary": (BLACK, "*")}
OTHER = (GREY, "x")


def _shade(i, n):
    """The i-th of n colours in order, none of them too pale."""
    return pyplot.get_cmap("viridis")(0.9 * (1 - (i + 1) / n))


def _panels(rows, columns, title, height=5.0):
    figure, axes = pyplot.subplots(rows, columns, squeeze=False,
                                   figsize=(max(8, 4 * columns), height),
                                   layout="constrained")
    figure.suptitle(title)
    return figure, axes


def _draw_lines(axes, rows, x, exchange):
    """Cycles against a label, a line for each algorithm; dotted: exchange."""
    for name in algorithms(rows):
        colour, mark = STYLES.get(name, OTHER)
        mine = sorted(pick(rows, algo=name), key=lambda row: row[x])
        at = [row[x] for row in mine]
        axes.plot(at, [row["cycles"] for row in mine], color=colour,
                  marker=mark, markersize=5, label=name)
        if exchange:
            axes.plot(at, [row["comm_cycles"] for row in mine], ":",
                      color=colour, linewidth=2)
    axes.set_yscale("log")
    axes.grid(True, which="both", alpha=0.25)


def _draw_sides(study, folder, title):
    rows = study.rows()
    sizes = values(rows, "size")
    figure, (row,) = _panels(1, len(sizes), title)
    for axes, size in zip(row, sizes):
        _draw_lines(axes, pick(rows, size=size), "side", True)
        axes.set_title(f"n = {size_text(size)}")
        axes.set_xlabel("cores on a side of the grid")
        axes.set_xticks(values(rows, "side"))
    row[0].set_ylabel("cycles on the critical path")
    low, high = row[0].get_ylim()
    row[0].set_ylim(low, high * (high / low) ** 0.2)  # room for the legend
    row[0].legend(fontsize=8, ncol=2, loc="upper left")
    return save(figure, folder, study.name)


def draw_gemm(study, folder):
    """Cycles of GEMM against the side of the grid."""
    return _draw_sides(study, folder, "GEMM, [n][n] x [n][n], f16: emulated "
                       f"cycles on {study.device}; dotted: of them exchange "
                       "that no arithmetic hides")


def draw_gemv(study, folder):
    """Cycles of GEMV against the side of the grid."""
    return _draw_sides(study, folder, "GEMV, [1][n] x [n][n], f16: emulated "
                       f"cycles on {study.device}; dotted: of them exchange "
                       "that no arithmetic hides")


# --- Levels ---

# Where the others stand beside the levels of the tree.
BESIDE = {"ring": -2, "pipeline": -1, "binary": 0}


def _name_lines(axes, ends):
    """Names of lines at their right ends, {name: (x, y)}, in log scale, none
    on another."""
    low, high = axes.get_ylim()
    apart, last = (high / low) ** 0.04, 0
    for name, (x, y) in sorted(ends.items(), key=lambda item: item[1][1]):
        last = max(y, last * apart)
        axes.annotate(name, (x, last), xytext=(6, 0), va="center",
                      textcoords="offset points", fontsize=8)


def _draw_levels(axes, rows):
    """Cycles against the levels of the tree, a line for each length; the
    others beside them to the left."""
    lines, ends = values(rows, "line"), {}
    for i, line in enumerate(lines):
        colour = _shade(i, len(lines))
        mine = {row["algo"]: row["cycles"] for row in pick(rows, line=line)}
        trees = sorted((TREES[name], cycles) for name, cycles in mine.items()
                       if name in TREES)
        axes.plot([k for k, _ in trees], [cycles for _, cycles in trees],
                  color=colour, marker="o", markersize=5)
        if trees:
            ends[str(line)] = trees[-1]
        for name, at in BESIDE.items():
            if name in mine:
                axes.plot([at], [mine[name]], STYLES[name][1], color=colour,
                          markersize=5)
    axes.set_yscale("log")
    _name_lines(axes, ends)
    ticks = {**BESIDE, **{str(k): k for k in TREES.values()}}
    axes.set_xticks(list(ticks.values()), list(ticks), fontsize=8)
    axes.set_xlim(min(BESIDE.values()) - 0.5, max(TREES.values()) + 0.9)
    axes.grid(True, which="both", alpha=0.25)


def draw_levels(study, folder):
    """Levels of the tree against the latency of an all-reduce."""
    rows = study.rows()
    some = values(rows, "words")
    figure, (upper, lower) = _panels(
        2, len(some), "All-reduce of a vector on a line of cores, emulated "
        f"on {study.device}", 8)
    for top, low, words in zip(upper, lower, some):
        mine = pick(rows, words=words)
        _draw_lines(top, mine, "line", False)
        top.set_xscale("log", base=2)
        top.set_xticks(values(rows, "line"))
        top.xaxis.set_major_formatter(ticker.ScalarFormatter())
        top.tick_params(axis="x", labelrotation=45)
        top.set_title(f"{words} word{'' if words == 1 else 's'}")
        top.set_xlabel("cores of the line")
        _draw_levels(low, mine)
        low.set_xlabel("levels of the tree, K; numbers: cores of the line")
    upper[0].set_ylabel("cycles")
    lower[0].set_ylabel("cycles")
    upper[0].legend(fontsize=8)
    return save(figure, folder, study.name)


# --- Groups ---

def _draw_group_counts(axes, rows):
    """Cycles over the least against the group count over the root."""
    sides = values(rows, "side")
    for i, side in enumerate(sides):
        best = best_groups(rows, side).cycles
        mine = sorted(pick(rows, side=side), key=lambda row: row["groups"])
        axes.plot([row["groups"] / math.sqrt(side) for row in mine],
                  [row["cycles"] / best for row in mine],
                  color=_shade(i, len(sides)), marker="o", markersize=4,
                  label=str(side))
    axes.axvline(1, color=GREY, linestyle="--")
    axes.set_xlabel("groups / square root of the line")
    axes.set_ylabel("cycles / least cycles")
    axes.grid(True, alpha=0.25)
    axes.legend(title="cores", fontsize=8)


def draw_groups(study, folder):
    """The best group counts against the square root."""
    rows = study.rows()
    found = [best_groups(rows, side) for side in values(rows, "side")]
    sides = [best.side for best in found]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.8),
                                            layout="constrained")
    _draw_group_counts(left, rows)
    right.errorbar(sides, [best.groups for best in found], fmt="o",
                   color=BLUE, capsize=4,
                   yerr=[[best.groups - best.low for best in found],
                         [best.high - best.groups for best in found]],
                   label="best; bars: within 1% of it")
    right.plot(sides, [math.sqrt(side) for side in sides], "--", color=GREY,
               label="square root")
    right.set_xticks(sides)
    right.set_ylim(bottom=0)
    right.set_xlabel("cores of the line")
    right.set_ylabel("groups")
    right.grid(True, alpha=0.25)
    right.legend()
    figure.suptitle("Groups of the two-level tree, all-reduce of "
                    f"{GROUPS_WORDS} words on a line of cores, emulated on "
                    f"{study.device}")
    return save(figure, folder, study.name)


# --- Verdicts ---

def draw_plmr(study, folder):
    """The verdicts as a table."""
    rows = study.rows()
    colours = {True: "#CCE8DC", False: "#F6CDB5", None: "white"}
    figure, axes = pyplot.subplots(figsize=(9, 1.3 + 0.25 * len(rows)),
                                   layout="constrained")
    axes.axis("off")
    table = axes.table(
        [["limit", "", *(limit_text(rows, letter) for letter in LETTERS)],
         *([row["kernel"], row["algo"],
            *(verdict_text(row, letter) for letter in LETTERS)]
           for row in rows)],
        cellColours=[["white"] * 6,
                     *(["white", "white",
                        *(colours[row[letter + "_ok"]] for letter in LETTERS)]
                       for row in rows)],
        colLabels=["kernel", "algorithm", *LETTERS], loc="center",
        cellLoc="center")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.3)
    axes.set_title(f"{study.title}, on {study.device}", fontsize=11)
    figure.supxlabel("; ".join(f"{letter}: {text}"
                               for letter, text in LETTERS.items()),
                     fontsize=8)
    return save(figure, folder, study.name)


DRAWERS = {"gemm": draw_gemm, "gemv": draw_gemv, "levels": draw_levels,
           "groups": draw_groups, "plmr": draw_plmr}
