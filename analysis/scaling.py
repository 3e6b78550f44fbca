#!/usr/bin/env python3
"""How waferllm scales with ranks, of reports of real runs (waferllm run
--report FILE --profile) alone: tables, files of numbers and figures of strong
and weak scaling. See README."""
import argparse
import os
import sys

import scaling_numbers
from bench_tables import number
from compare import paragraph
from output import drawing
from scaling_reports import ALL, ScalingError, find_reports, read_run
from scaling_studies import (ALL_PHASES, PHASES, UNITS, group, operators,
                             rows, shares)

COUNTS = 6    # of ranks, beside each other
LEAST = 0.01  # of a phase, to be shown by itself
LABEL, FIGURE = 22, 9


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        print(f"scaling: {message}", file=sys.stderr)
        sys.exit(2)


def parse():
    """The command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("reports", metavar="REPORT", nargs="*",
                        help="a report (.json; .h5 with h5py), or a folder "
                        "of them")
    parser.add_argument("--weak", metavar="REPORT", action="append",
                        default=[], help="the same, of weak scaling; as often "
                        "as wanted. Without it these are the runs whose model "
                        "grows with their ranks")
    parser.add_argument("--out", metavar="DIR", default=".",
                        help="where figures and numbers go (default: here)")
    parser.add_argument("--no-figures", action="store_true")
    args = parser.parse_args()
    if not args.reports + args.weak:
        parser.error("no reports are named; see --help")
    return args


# --- The page ---

def show_points(study):
    """What grew in weak scaling."""
    first = study.firsts()[0]
    print(f"{'':<8}{'ranks':>6}{'prefill':>10}{'decode':>10}{'work/rank':>11}"
          "   model")
    for ranks in study.ranks():
        run = study.run(ranks)
        work = (run.work["prefill"] / ranks
                / (first.work["prefill"] / first.ranks))
        print(f"{'':<8}{ranks:>6}{run.facets['prefill']:>10}"
              f"{run.facets['decode']:>10}{work:>11.3f}"
              f"   {run.facets['model']}, {run.parameters / 1e6:.4g} M")


def show_phase(study, phase):
    """Speed-up and efficiency of a phase."""
    made = rows(study, phase)
    without = [str(ranks) for ranks in study.ranks()
               if ranks not in {row.ranks for row in made}]
    if without:
        print(f"{phase:<8}left out: ranks {', '.join(without)}, for "
              "there or elsewhere it took no time")
    if not made:
        return
    print(f"{phase:<8}{'ranks':>6}{'grid':>8}{'runs':>5}{'s':>9}{'least':>9}"
          f"{'most':>9}{UNITS[phase] + '/s':>9}{'speed-up':>9}{'effic.':>8}")
    for row in made:
        run = study.run(row.ranks)
        grid = "x".join(map(str, run.rank_grid))
        if run.working() < run.ranks:
            grid += "*"
        print(f"{'':<8}{row.ranks:>6}{grid:>8}"
              f"{len(study.points[row.ranks]):>5}"
              f"{number(row.seconds.median):>9}"
              f"{number(row.seconds.least):>9}{number(row.seconds.most):>9}"
              f"{number(row.rate.median / 1e9):>9}"
              f"{row.speedup.median:>9.2f}"
              f"{100 * row.efficiency.median:>7.1f}%")


def show_by_ranks(title, lines):
    """lines: [(label, {ranks: number})], a column for each of the ranks."""
    counts = sorted({ranks for _, points in lines for ranks in points})
    for first in range(0, len(counts), COUNTS):
        some = counts[first:first + COUNTS]
        print(f"{title:<{LABEL}}" + "".join(
            f"{ranks:>{FIGURE}}" for ranks in some))
        for label, points in lines:
            print(f"  {label:<{LABEL - 2}}" + "".join(
                f"{number(points[ranks]) if ranks in points else '-':>{FIGURE}}"
                for ranks in some))


def show_shares(study):
    """Exchange and wait of each phase."""
    lines = []
    for phase in ALL_PHASES:
        found = shares(study, phase)
        for at, part in enumerate(("exchange", "wait")):
            if found:
                lines.append((f"{phase} {part}",
                              {ranks: 100 * spreads[at].median
                               for ranks, spreads in found.items()}))
    show_by_ranks("% of host time, ranks", lines)


def show_operators(study, phase):
    """Milliseconds of each operator."""
    found = {name: {ranks: 1e3 * sum(parts) for ranks, parts in
                    points.items()}
             for name, points in operators(study, phase).items()}
    if len(found) < 3:  # all, and the one that is all
        return
    total = found.pop(ALL)
    lines, small = [], []
    for name, points in found.items():
        large = any(points[ranks] >= LEAST * total[ranks] for ranks in points)
        (lines if large else small).append((name, points))
    lines.sort(key=lambda line: -max(line[1].values()))
    if len(small) == 1:
        lines += small
    elif small:
        lines.append((f"{len(small)} others", {
            ranks: sum(points.get(ranks, 0) for _, points in small)
            for ranks in total}))
    show_by_ranks(f"{phase}, ms host", [*lines, (ALL, total)])


def show(study):
    """All of a study."""
    label = "" if study.label == study.name else f" ({study.label})"
    print(paragraph(f"{study.name}{label}: {study.kind} scaling, host times, "
                    f"medians of the runs of a point: {study.subject()}"))
    if study.kind == "weak":
        show_points(study)
    for phase in PHASES:
        show_phase(study, phase)
    if any(run.working() < run.ranks for run in study.runs()):
        print("* the other ranks idle")
    if any(shares(study, phase) for phase in ALL_PHASES):
        show_shares(study)
        for phase in ALL_PHASES:
            show_operators(study, phase)
    print()


EXPLAINED = (
    "Speed-up: work per second over that on the fewest ranks; of strong "
    "scaling, where the work is the same, the time there over the time. "
    "Efficiency: work per second of a rank over the same. Work: prefill 2 x "
    "weights of the layers x tokens; decode bytes of the weights of layers "
    "and head x steps; load bytes of the parameters. Shares and operators: "
    "means over the ranks.")


# --- All ---

def draw(studies, folder):
    """The figures, if they can be drawn."""
    scaling_figures = drawing("scaling", "scaling_figures")
    if scaling_figures:
        for path in scaling_figures.draw(studies, folder):
            print(f"figure {path}")


def note(what, paths):
    """Says it of the files, if any, in one line."""
    if paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        print(f"scaling: {paths[0]}{more}: {what}", file=sys.stderr)


def whole(runs):
    """Those that no signal cut short, with a note on the others."""
    note("cut short by a signal, passed over",
         [run.path for run in runs if run.signal])
    return [run for run in runs if not run.signal]


def scale(args):
    """Reads, shows and writes all."""
    weak, passed = find_reports(args.weak)
    others, also_passed = find_reports(args.reports)
    taken = {os.path.realpath(path) for path in weak}
    named_weak = whole([read_run(path) for path in weak])
    runs = whole([read_run(path) for path in others
                  if os.path.realpath(path) not in taken])
    studies = group(runs, named_weak)
    os.makedirs(args.out, exist_ok=True)
    note("HDF5, not read without h5py", passed + also_passed)
    note("no profile (run --profile), so not among operators and shares",
         [run.path for run in runs + named_weak if run.profile is None])
    for study in studies:
        show(study)
    print(paragraph(EXPLAINED))
    for path in scaling_numbers.write(studies, args.out):
        print(f"numbers {path}")
    if not args.no_figures:
        draw(studies, args.out)


def main():
    """Exit status 0; 2 if a report or a file is not as it should be."""
    try:
        scale(parse())
    except (ScalingError, OSError) as why:
        print(f"scaling: {why}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
