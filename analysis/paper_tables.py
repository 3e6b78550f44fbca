#!/usr/bin/env python3
"""Compares the published measurements of WaferLLM with our account of them,
cell by cell, and draws figures. See README."""
import argparse
import sys

import claims
import compare
import published
import runs
import tables
from output import drawing

HEADLINES = "headlines"
NAMES = [*tables.BUILDERS, HEADLINES]


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waferllm", metavar="PATH",
                        help="the program (default: the one of this tree, or "
                        "in the PATH)")
    parser.add_argument("--published", metavar="DIR",
                        default=published.directory(),
                        help="the published cells (default: %(default)s)")
    parser.add_argument("--tables", metavar="LIST", default=",".join(NAMES),
                        help="which, with commas between (default: all, "
                        "%(default)s)")
    parser.add_argument("--out", metavar="DIR", default=".",
                        help="where figures go (default: here)")
    parser.add_argument("--no-figures", action="store_true")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if a cell is beyond its "
                        "limit")
    args = parser.parse_args()
    args.tables = args.tables.split(",")
    for name in args.tables:
        if name not in NAMES:
            parser.error(f"--tables: {name} is not one of "
                         + ", ".join(NAMES))
    return args


def draw(args, made):
    """The figures, if they can be drawn."""
    figures = drawing("paper_tables", "figures")
    if figures:
        for path in figures.draw(made, args.out):
            print(f"figure {path}")


def compare_all(args, program):
    """Starts all runs, prints all tables; the exit status."""
    with runs.Runs(program) as made:
        found = tables.build(args.published, made,
                             [n for n in args.tables if n != HEADLINES])
        started = (claims.start(args.published, made)
                   if HEADLINES in args.tables else None)
        for table in found:
            compare.show(table)
        if started:
            claims.show(started)
        if not args.no_figures:
            draw(args, made)
        beyond = compare.outside(found, tables.POOLS)
        print(f"{made.count()} dry runs; {len(beyond)} beyond their limits")
        for line in beyond:
            print(compare.paragraph(line, "  "))
    return 1 if beyond and args.check else 0


def main():
    """Exit status 0; 1 if cells are beyond limits and --check is given; 2 if
    a run or a file fails."""
    args = parse()
    program = runs.find_program(args.waferllm)
    if not program:
        print("paper_tables: no waferllm; name it with --waferllm PATH",
              file=sys.stderr)
        return 2
    try:
        return compare_all(args, program)
    except (runs.RunError, published.PublishedError, OSError) as why:
        print(f"paper_tables: {why}", file=sys.stderr)
    except KeyError as why:
        print(f"paper_tables: a published cell or a report has no {why}",
              file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
