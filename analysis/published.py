"""Published measurements: reads data/published/*.json (see data/README)."""
import json
import os
from decimal import Decimal


# Models that the study ran beyond their own context: how it calls them, their
# context, and what it lifted that to; tokens.
LIFTED = {"llama2-13b": ("LLaMA2-13B", 4096, 8192)}


class PublishedError(Exception):
    """A file of published cells that cannot be used, in one line."""


def directory():
    """Where the files lie: in the source tree, or as they are installed."""
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    source = os.path.join(top, "data", "published")
    return source if os.path.isdir(source) else os.path.join(top, "published")


def _load(path, key):
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file, parse_float=Decimal, parse_int=Decimal)
    except (OSError, ValueError) as why:
        raise PublishedError(f"{path}: {why}") from None
    if not isinstance(content, dict):
        raise PublishedError(f"{path}: not an object")
    for name, kind in (("source", str), ("what", str), ("unit", str),
                       (key, list)):
        if not isinstance(content.get(name), kind):
            raise PublishedError(f"{path}: no \"{name}\"")
    return content


def _plain(value):
    """Whole numbers that name a cell as int; the rest as it is."""
    if isinstance(value, Decimal) and value == int(value):
        return int(value)
    return value


def _cell(cell, where):
    """A cell as a dict; its "value" stays a Decimal, digits as printed."""
    if not isinstance(cell, dict):
        raise PublishedError(f"{where}: not an object")
    if not isinstance(cell.get("value"), Decimal) or cell["value"] <= 0:
        raise PublishedError(f"{where}: \"value\" is not a number above 0")
    if not isinstance(cell.get("system"), str):
        raise PublishedError(f"{where}: no \"system\"")
    return {key: value if key == "value" else _plain(value)
            for key, value in cell.items()}


def read_cells(folder, name):
    """The file's content; "cells" is a list of dicts."""
    path = os.path.join(folder, name + ".json")
    content = _load(path, "cells")
    content["cells"] = [_cell(cell, f"{path}: cell {i + 1}")
                        for i, cell in enumerate(content["cells"])]
    return content


def read_claims(folder):
    """The file headlines.json."""
    path = os.path.join(folder, "headlines.json")
    content = _load(path, "claims")
    for i, claim in enumerate(content["claims"]):
        if not all(key in claim for key in ("text", "by", "times", "ways")):
            raise PublishedError(f"{path}: claim {i + 1}: no \"text\", "
                                 "\"by\", \"times\" or \"ways\"")
    return content


def lifted_context(model, tokens):
    """The context that the study lifted the model's to, where a request of so
    many tokens needs that; None: the model's own will do."""
    _, own, context = LIFTED.get(model, ("", 0, 0))
    return context if own < tokens else None


def lifted_note(model):
    """A line that says so."""
    name, own, context = LIFTED[model]
    return (f"{name}: context lifted from {own:,} to {context:,} tokens, as "
            "the paper did.")


def half_unit(value):
    """Half a unit of the last digit that was printed."""
    return float(Decimal(5).scaleb(value.as_tuple().exponent - 1))


def matches(cell, **wanted):
    """Whether the cell has all these; a list means any of its members."""
    for key, value in wanted.items():
        if isinstance(value, list):
            if cell.get(key) not in value:
                return False
        elif cell.get(key) != value:
            return False
    return True
