"""What the programs write: files of numbers, and figures where they can be
drawn."""
import csv
import importlib
import os
import sys


def write_csv(folder, name, columns, lines):
    """NAME.csv, a dict for each of the lines; its path."""
    path = os.path.join(folder, name + ".csv")
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return path


def drawing(program, module):
    """The module that draws a program's figures; None, and a line, where
    there is no matplotlib."""
    try:
        return importlib.import_module(module)
    except ImportError as why:
        print(f"{program}: no figures: {why} (see --no-figures)",
              file=sys.stderr)
        return None
