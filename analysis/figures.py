"""Figures of accounts of waferllm, as PNG. Needs matplotlib and numpy."""
import os

import matplotlib
import numpy

from runs import bench_result

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 (after the choice of Agg)

# Okabe and Ito's palette, told apart by colour-blind readers.
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
GREY = "#8C8C8C"
MARKS = "os^"

SIDES = range(360, 721, 60)
GEMM_SIZES = (2048, 4096, 8192)
GEMV_SIZES = (2048, 8192, 16384)
REQUEST = ("llama3-8b", 4096, 4096, "660x660", "360x360", False)
SUBJECT = "LLaMA3-8B, 4096 tokens in, 4096 out, WSE-2"


def save(figure, folder, name, kind="png"):
    """Writes the figure as NAME.kind; its path."""
    path = os.path.join(folder, f"{name}.{kind}")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return path


# --- Cycles against the grid's side ---

def _sweep(runs, kernel, sizes):
    """{size: futures over SIDES} of square operands."""
    def one(side, size):
        shape = {"k": size, "n": size}
        if kernel == "gemm":
            shape["m"] = size
        return runs.bench(kernel, f"{side}x{side}", "wse2", **shape)
    return {size: [one(side, size) for side in SIDES] for size in sizes}


def _draw_sweep(axes, title, sweep):
    for (size, futures), colour, mark in zip(sweep.items(),
                                             (BLUE, ORANGE, GREEN), MARKS):
        results = [bench_result(future) for future in futures]
        axes.plot(SIDES, [result["cycles"] for result in results],
                  color=colour, marker=mark, label=f"n = {size // 1024}K")
        axes.plot(SIDES, [result["comm_cycles"] for result in results], ":",
                  color=colour, linewidth=2)
    axes.set_title(title)
    axes.set_xlabel("cores on a side of the grid")
    axes.set_ylabel("cycles on the critical path")
    axes.set_xticks(list(SIDES))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(ncol=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def draw_grid_side(runs, folder):
    """Cycles of GEMM and GEMV against the side of the grid."""
    gemm = _sweep(runs, "gemm", GEMM_SIZES)
    gemv = _sweep(runs, "gemv", GEMV_SIZES)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 5.2),
                                            layout="constrained")
    _draw_sweep(left, "MeshGEMM, [n][n] x [n][n], f16", gemm)
    _draw_sweep(right, "MeshGEMV, [1][n] x [n][n], f16", gemv)
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    figure.suptitle("Emulated cycles on a WSE-2; dotted: of them exchange "
                    "that no arithmetic hides")
    return save(figure, folder, "cycles_by_grid")


# --- Operators ---

LEAST = 0.005  # of a phase's cycles, to be shown by itself


def _cycles_of(phase):
    """[(operator, arithmetic, exchange)], cycles, least first; what takes
    less than a share of LEAST is put together."""
    rows = sorted(((row["operator"], row["compute_cycles"],
                    row["comm_cycles"]) for row in phase["operators"]),
                  key=lambda row: row[1] + row[2])
    small = [row for row in rows if row[1] + row[2] < LEAST * phase["cycles"]]
    if len(small) < 2:
        return rows
    rest = (f"{len(small)} others", sum(row[1] for row in small),
            sum(row[2] for row in small))
    return [rest, *rows[len(small):]]


def _draw_operators(axes, phase, scale, unit):
    """One bar for each operator, longest on top; cycles divided by scale."""
    names, compute, comm = zip(*_cycles_of(phase))
    compute, comm = numpy.array(compute) / scale, numpy.array(comm) / scale
    axes.barh(names, compute, color=BLUE, label="arithmetic")
    axes.barh(names, comm, left=compute, color=ORANGE, hatch="//",
              edgecolor="white", label="exchange that no arithmetic hides")
    axes.set_xlim(left=0)
    axes.set_xlabel(unit)
    axes.grid(True, axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", fontsize=9)


def draw_operators(runs, folder):
    """Arithmetic against exchange, operator by operator."""
    phases = runs.request(*REQUEST).result()["phases"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.8),
                                            layout="constrained")
    _draw_operators(left, phases["prefill"], 1e6, "million cycles")
    left.set_title(f"prefill, {REQUEST[3]} cores")
    decode = phases["decode"]
    _draw_operators(right, decode, 1e3 * decode["tokens"],
                    "thousand cycles for a token")
    right.set_title(f"decode, {REQUEST[4]} cores")
    figure.suptitle(f"Where emulated cycles go: {SUBJECT}")
    return save(figure, folder, "operators")


# --- Links ---

def _draw_links(axes, words, lines, axis, top):
    """The load of each link of one axis over the grid. words: over each cut,
    all lines together; shared out evenly over the lines."""
    load = numpy.array(words, dtype=float) / lines
    image = (numpy.tile(load, (lines, 1)) if axis == "x"
             else numpy.tile(load[:, None], (1, lines)))
    drawn = axes.imshow(image, cmap="cividis", vmin=0, vmax=top,
                        interpolation="nearest", aspect="equal")
    axes.set_xlabel("core column")
    axes.set_ylabel("core row")
    return drawn


def draw_phase_links(figure, row, phase, scale, name, unit):
    """Both axes of a phase, words divided by scale. A grid one core wide
    has links along one alone."""
    links = phase["links"]
    load = {axis: (numpy.array(links[axis], dtype=float) / scale,
                   links["lines_" + axis]) for axis in "xy" if links[axis]}
    top = max((words / lines).max() for words, lines in load.values())
    ways = {"x": "row", "y": "column"}
    for axes, axis in zip(row, load):
        drawn = _draw_links(axes, *load[axis], axis, top)
        axes.set_title(f"{name}: links along a {ways[axis]}")
    figure.colorbar(drawn, ax=list(row), label=unit)


def draw_links(runs, folder):
    """Heat map of the words that each link carried."""
    phases = runs.request(*REQUEST).result()["phases"]
    figure, rows = pyplot.subplots(2, 2, figsize=(9.5, 8.6),
                                   layout="constrained")
    draw_phase_links(figure, rows[0], phases["prefill"], 1e6, "prefill",
                      "million words on a link, both ways")
    draw_phase_links(figure, rows[1], phases["decode"],
                      1e3 * phases["decode"]["tokens"], "decode",
                      "thousand words on a link for a token, both ways")
    figure.suptitle(f"Load of the links: {SUBJECT}")
    figure.supxlabel("Words of 32 bits, counted over each cut of the grid; "
                     "parallel lines are taken to be equally loaded.",
                     fontsize=9)
    return save(figure, folder, "links")


# --- Energy ---

PARTS = (("arithmetic_j", "arithmetic", BLUE, ""),
         ("sram_j", "local memory", ORANGE, "//"),
         ("links_j", "links", GREEN, ".."),
         ("static_j", "static", PINK, "xx"))


def _stack(axes, at, energy, scale):
    """One bar of the bottom-up parts, joules times scale; its height."""
    bottom = 0
    for key, name, colour, hatch in PARTS:
        axes.bar(at, energy[key] * scale, bottom=bottom, color=colour,
                 hatch=hatch, edgecolor="white", width=0.6, label=name)
        bottom += energy[key] * scale
    return bottom


def _draw_energy(axes, phase, title):
    """Both counts of a phase, in J or kJ."""
    envelope = phase["energy"]["envelope_j"]
    scale, unit = (1e-3, "kJ") if envelope >= 1e3 else (1, "J")
    axes.bar(0, envelope * scale, color=GREY, width=0.6)
    for at, high in ((0, envelope * scale),
                     (1, _stack(axes, 1, phase["energy"], scale))):
        axes.annotate(f"{high:.3g}", (at, high), ha="center", va="bottom")
    axes.set_xticks([0, 1], ["power\nx time", "by work"])
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylabel(unit)
    axes.set_title(f"{title}, {1e3 * phase['seconds']:.0f} ms")
    axes.margins(y=0.1)


def _draw_shares(axes, phases, names):
    """What the bottom-up energy of each phase is made of."""
    for at, name in enumerate(names):
        energy = phases[name]["energy"]
        _stack(axes, at, energy, 100 / energy["bottom_up_j"])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("% of the energy by work")
    axes.set_title("by work: parts")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[len(PARTS) - 1::-1], labels[len(PARTS) - 1::-1],
                loc="upper center", bbox_to_anchor=(0.5, -0.09), ncol=2,
                fontsize=9)


def draw_energy(runs, folder):
    """Energy of each phase, counted both ways."""
    phases = runs.request(*REQUEST).result()["phases"]
    names = ("prefill", "transition", "decode")
    figure, row = pyplot.subplots(
        1, 4, figsize=(11.5, 5), layout="constrained",
        gridspec_kw={"width_ratios": [1, 1, 1, 1.6]})
    for axes, name in zip(row, names):
        _draw_energy(axes, phases[name], name)
    _draw_shares(row[3], phases, names)
    figure.suptitle(f"Emulated energy: {SUBJECT}. Power x time: the whole "
                    "device's")
    return save(figure, folder, "energy")


def draw(runs, folder):
    """Draws all into the folder; yields the path of each."""
    os.makedirs(folder, exist_ok=True)
    for one in (draw_grid_side, draw_operators, draw_links, draw_energy):
        yield one(runs, folder)
