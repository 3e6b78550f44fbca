#!/usr/bin/env python3
"""Compares the algorithms of each kernel as the WaferLLM paper does: cycles
against the grid, levels and groups of the tree, PLMR verdicts. See README."""
import argparse
import os
import sys

import runs
import sweep_claims
import sweep_studies
from output import drawing, write_csv

NAMES = list(sweep_studies.BUILDERS)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message):
        print(f"sweeps: {message}", file=sys.stderr)
        sys.exit(2)


def numbers(text):
    """Whole numbers above 0 with commas between, in order."""
    try:
        found = sorted({int(word) for word in text.split(",")})
    except ValueError:
        found = [0]
    if found[0] < 1:
        raise argparse.ArgumentTypeError(
            f"\"{text}\" is not a list of numbers such as 360,720")
    return found


def studies(text):
    """Names with commas between."""
    found = text.split(",")
    for name in found:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(
                f"\"{name}\" is not one of {', '.join(NAMES)}")
    return found


def parse():
    """The command line."""
    parser = Parser(description=__doc__)
    parser.add_argument("--waferllm", metavar="PATH",
                        help="the program (default: the one of this tree, or "
                        "in the PATH)")
    parser.add_argument("--device", metavar="D", default="wse2",
                        help="as waferllm has it (default: %(default)s)")
    parser.add_argument("--only", metavar="LIST", type=studies,
                        default=NAMES, help="which, with commas between "
                        f"(default: all, {','.join(NAMES)})")
    parser.add_argument("--sides", metavar="LIST", type=numbers,
                        help="sides of the grids and lengths of the lines "
                        "(default: 360 to 720, lines from 16)")
    parser.add_argument("--sizes", metavar="LIST", type=numbers,
                        help="sides of the operands (default: 2048 to 8192, "
                        "for GEMV to 16384)")
    parser.add_argument("--out", metavar="DIR", default=".",
                        help="where figures and numbers go (default: here)")
    parser.add_argument("--no-figures", action="store_true")
    return parser.parse_args()


def draw(found, folder):
    """The figures, if they can be drawn."""
    sweep_figures = drawing("sweeps", "sweep_figures")
    for study in found if sweep_figures else ():
        path = sweep_figures.DRAWERS[study.name](study, folder)
        print(f"figure {path}")


def sweep(args, program):
    """Starts all runs, shows and writes what they give."""
    os.makedirs(args.out, exist_ok=True)
    choice = sweep_studies.Choice(args.device, args.sides, args.sizes)
    with runs.Runs(program) as made:
        found = [sweep_studies.BUILDERS[name](made, choice)
                 for name in NAMES if name in args.only]
        written = []
        for study in found:
            sweep_studies.show(study)
            written.append(write_csv(
                args.out, study.name, study.columns(), study.rows()))
        sweep_claims.show({study.name: study for study in found})
        print(f"{made.count()} dry runs")
        for path in written:
            print(f"numbers {path}")
        if not args.no_figures:
            draw(found, args.out)


def main():
    """Exit status 0; 2 if a run or a file fails."""
    args = parse()
    program = runs.find_program(args.waferllm)
    if not program:
        print("sweeps: no waferllm; name it with --waferllm PATH",
              file=sys.stderr)
        return 2
    try:
        sweep(args, program)
    except (runs.RunError, OSError) as why:
        print(f"sweeps: {why}", file=sys.stderr)
        return 2
    except (KeyError, TypeError) as why:
        print(f"sweeps: a report is not as it should be: {why}",
              file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
