"""The studies of sweeps.py: which benches they are made of, their rows, their
tables. Building a study starts its runs; its rows wait for them."""
import math
from dataclasses import dataclass, field
from typing import Callable, List

from compare import WIDTH, paragraph
from runs import bench_results

# As in figures 9 and 10 of the paper.
SIDES = (360, 420, 480, 540, 600, 660, 720)
SIZES = {"gemm": (2048, 4096, 8192), "gemv": (2048, 8192, 16384)}

# All-reduce: lengths of the lines, words of the vectors.
LINES = (16, 32, 64, 128, 256, 512, 720)
WORDS = (1, 16, 256)

# Of the two-level tree: words of the vector, about what a core of 360 has of
# 8192 halves; the group counts that are tried, in square roots of the line.
GROUPS_WORDS = 12
GROUPS_TRIED = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5,
                1.75, 2.0, 2.5, 3.0)
GROUPS_NEAR = 0.01  # group counts this near to the best are as good

# The verdicts: of which kernels, and what each works on.
PLMR_SIDE, PLMR_SIZE, PLMR_WORDS = 720, 8192, 12
PLMR_KERNELS = ("gemm", "gemm-t", "gemv", "allreduce")
LETTERS = {"P": "share of the cores that work, at the least",
           "L": "cycles of hops and stages", "M": "bytes in the fullest core",
           "R": "router paths of a core"}

# The K of each tree.
TREES = {"ktree1": 1, "ktree": 2, "ktree3": 3, "ktree4": 4}

# What is kept of a report's row.
FIELDS = ("cycles", "compute_cycles", "comm_cycles", "efficiency",
          "peak_share", "routes", "sram_peak_bytes", "path_hops", "stages",
          "word_hops")
VERDICTS = ("ok", "figure", "limit")


@dataclass
class Choice:
    """What the command line asks for; None: as in the paper."""
    device: str = "wse2"
    sides: tuple = None
    sizes: tuple = None


@dataclass
class Study:
    """One study. points: (labels, future) for each run. table() prints the
    rows. keys: the labels that tell rows of one algorithm apart."""
    name: str
    title: str
    device: str
    keys: tuple
    table: Callable = None
    points: List = field(default_factory=list)
    made: List = None

    def rows(self):
        """A flat dict for each algorithm of each run."""
        if self.made is None:
            self.made = [{**labels, **_flat(result)}
                         for labels, future in self.points
                         for result in bench_results(future)]
        return self.made

    def columns(self):
        """The names of what a row has."""
        return [*self.keys, "algo", *FIELDS,
                *(f"{letter}_{what}" for letter in LETTERS
                  for what in VERDICTS)]


def _flat(result):
    """A result without its tree; verdicts that do not apply are None."""
    row = {key: result[key] for key in ("algo", *FIELDS)}
    for letter in LETTERS:
        verdict = result["plmr"][letter] or {}
        for what in VERDICTS:
            row[f"{letter}_{what}"] = verdict.get(what)
    return row


def algorithms(rows):
    """Their names in the order of the reports."""
    return list(dict.fromkeys(row["algo"] for row in rows))


def values(rows, key):
    """What the rows have there, each once, in order."""
    return sorted({row[key] for row in rows})


def pick(rows, **wanted):
    """The rows that have all these."""
    return [row for row in rows
            if all(row[key] == value for key, value in wanted.items())]


def size_text(size):
    """2048 as 2K."""
    return str(size) if size % 1024 else f"{size // 1024}K"


# --- Tables ---

def _line(label, cells):
    """One line: the label to the left, the cells in equal columns."""
    room = 10
    width = min(14, (WIDTH - room) // max(1, len(cells)))
    print((f"{label:<{room}}"
           + "".join(f"{cell:>{width}}" for cell in cells)).rstrip())


def _cycles(row):
    return str(row["cycles"])


def _cycles_and_exchange(row):
    """And the share of them that is exchange that no arithmetic hides."""
    share = 100 * row["comm_cycles"] / max(1, row["cycles"])
    return f"{_cycles(row)} {share:3.0f}"


def _by_algorithm(study, heads, cell):
    """A line for each pair of labels, a column for each algorithm."""
    rows = study.rows()
    names = algorithms(rows)
    first, second = study.keys
    _line(heads, names)
    for one in values(rows, first):
        for two in values(rows, second):
            found = {row["algo"]: row for row in
                     pick(rows, **{first: one, second: two})}
            _line(f"{size_text(one):>4} {two:>4}", [
                cell(found[name]) if name in found else "-"
                for name in names])


def show(study):
    """Prints it."""
    print(paragraph(f"{study.title}, on {study.device}"))
    study.table(study)
    print()


# --- Cycles against the grid's side ---

def _side_study(runs, choice, name, title):
    """GEMM or GEMV of square operands."""
    study = Study(name, title, choice.device, ("size", "side"),
                  lambda study: _by_algorithm(study, "   n side",
                                              _cycles_and_exchange))
    for size in choice.sizes or SIZES[name]:
        shape = {"k": size, "n": size}
        if name == "gemm":
            shape["m"] = size
        for side in choice.sides or SIDES:
            study.points.append((
                {"size": size, "side": side},
                runs.bench(name, f"{side}x{side}", choice.device, algo="all",
                           **shape)))
    return study


def gemm(runs, choice):
    """Cycles of the GEMMs."""
    return _side_study(runs, choice, "gemm",
                       "GEMM, [n][n] x [n][n], f16: cycles, and what % of them "
                       "is exchange that no arithmetic hides")


def gemv(runs, choice):
    """Cycles of the GEMVs."""
    return _side_study(runs, choice, "gemv",
                       "GEMV, [1][n] x [n][n], f16: cycles, and what % of them "
                       "is exchange that no arithmetic hides")


# --- Levels ---

def levels(runs, choice):
    """Levels of the tree against the latency of an all-reduce."""
    study = Study("levels", "All-reduce of a vector on a line of cores by "
                  "levels of the tree (ktree has two): cycles",
                  choice.device, ("words", "line"),
                  lambda study: _by_algorithm(study, "words line", _cycles))
    for words in WORDS:
        for line in choice.sides or LINES:
            study.points.append((
                {"words": words, "line": line},
                runs.bench("allreduce", f"{line}x{line}", choice.device,
                           words=words, algo="all")))
    return study


# --- Groups ---

def _tried(side):
    """Group counts for a line."""
    root = math.sqrt(side)
    return sorted({min(side, max(1, round(part * root)))
                   for part in GROUPS_TRIED})


@dataclass
class Best:
    """The group counts of one side: least cycles, first of those that have
    them; least and most that are nearly as good; the square root's."""
    side: int
    groups: int
    low: int
    high: int
    cycles: int
    root: int
    root_cycles: int


def best_groups(rows, side):
    """What the sweep found for the side."""
    mine = sorted(pick(rows, side=side), key=lambda row: row["groups"])
    best = min(mine, key=lambda row: row["cycles"])
    near = [row["groups"] for row in mine
            if row["cycles"] <= (1 + GROUPS_NEAR) * best["cycles"]]
    root = round(math.sqrt(side))
    return Best(side, best["groups"], min(near), max(near), best["cycles"],
                root, pick(mine, groups=root)[0]["cycles"])


def _groups_table(study):
    rows = study.rows()
    _line("   side", ["root", "best", "near best", "cycles", "root's",
                      "loss"])
    for side in values(rows, "side"):
        best = best_groups(rows, side)
        loss = 100 * (best.root_cycles / max(1, best.cycles) - 1)
        _line(f"{side:>7}", [
            best.root, best.groups, f"{best.low}..{best.high}", best.cycles,
            best.root_cycles, f"{loss:.1f}%"])


def groups(runs, choice):
    """The best number of groups of the two-level tree."""
    study = Study("groups", "Groups of the two-level tree, all-reduce of "
                  f"{GROUPS_WORDS} words on a line: the square root of the "
                  "line, the best of those tried, those within "
                  f"{100 * GROUPS_NEAR:.0f}% of it; cycles of the best and "
                  "of the root", choice.device, ("side", "groups"),
                  _groups_table)
    for side in choice.sides or SIDES:
        for count in _tried(side):
            study.points.append((
                {"side": side, "groups": count},
                runs.bench("allreduce", f"{side}x{side}", choice.device,
                           words=GROUPS_WORDS, groups=count, algo="ktree")))
    return study


# --- Verdicts ---

def _figure(value):
    """In full; shares with three digits."""
    return f"{value:.3g}" if value < 1 else f"{value:.0f}"


def verdict_text(row, letter):
    """ok or FAILS, and the figure; - where nothing is judged."""
    if row[letter + "_ok"] is None:
        return "-"
    return (f"{'ok' if row[letter + '_ok'] else 'FAILS'} "
            + _figure(row[letter + "_figure"]))


def limit_text(rows, letter):
    """The letter's limit, which all rows share."""
    limit = next((row[letter + "_limit"] for row in rows
                  if row[letter + "_limit"] is not None), None)
    if limit is None:
        return "-"
    return f"{'>=' if letter == 'P' else '<='} {_figure(limit)}"


def _plmr_table(study):
    rows = study.rows()
    print(f"{'kernel':<11}{'algorithm':<13}"
          + "".join(f"{letter:>14}" for letter in LETTERS))
    print(f"{'limit':<24}"
          + "".join(f"{limit_text(rows, letter):>14}" for letter in LETTERS))
    for row in rows:
        print(f"{row['kernel']:<11}{row['algo']:<13}"
              + "".join(f"{verdict_text(row, letter):>14}"
                        for letter in LETTERS))
    for letter, text in LETTERS.items():
        print(f"  {letter}: {text}")


def _plmr_work(kernel, size):
    """Arguments of the kernel's bench."""
    if kernel == "allreduce":
        return {"words": PLMR_WORDS}
    shape = {"k": size, "n": size}
    return shape if kernel == "gemv" else {"m": size, **shape}


def plmr(runs, choice):
    """The verdicts of every algorithm on one grid."""
    side = (choice.sides or [PLMR_SIDE])[-1]
    size = (choice.sizes or [PLMR_SIZE])[-1]
    study = Study("plmr", f"PLMR on {side}x{side} cores, n = "
                  f"{size_text(size)}, vectors of {PLMR_WORDS} words",
                  choice.device, ("kernel", "side", "size", "words"),
                  _plmr_table)
    for kernel in PLMR_KERNELS:
        work = _plmr_work(kernel, size)
        study.points.append((
            {"kernel": kernel, "side": side, "size": work.get("k", ""),
             "words": work.get("words", "")},
            runs.bench(kernel, f"{side}x{side}", choice.device, algo="all",
                       **work)))
    return study


BUILDERS = {"gemm": gemm, "gemv": gemv, "levels": levels, "groups": groups,
            "plmr": plmr}
