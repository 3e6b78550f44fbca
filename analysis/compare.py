"""Cells of a table beside ours: errors, limits, and how they are printed."""
import textwrap
from dataclasses import dataclass, field
from typing import Callable, List, Optional

from published import half_unit

WIDTH = 80
LABEL = 28
COLUMN = 10


@dataclass
class Cell:
    """One published number, source as read from its file. ours() waits for
    the run. limit: the greatest relative error allowed, None: the cell is
    shown, not judged. rounding: what rounds to the digits printed is right,
    too. extras() gives the texts of the further columns."""
    source: dict
    label: str
    ours: Callable[[], float]
    limit: Optional[float] = None
    rounding: bool = False
    extras: Callable[[], List[str]] = list

    @property
    def published(self):
        """A Decimal with the digits printed."""
        return self.source["value"]

    def error(self):
        """Relative: 0.05 is ours 5% higher."""
        return self.ours() / float(self.published) - 1

    def within(self):
        """Whether the cell keeps its limit."""
        if self.limit is None or abs(self.error()) <= self.limit:
            return True
        return self.rounding and (abs(self.ours() - float(self.published))
                                  <= half_unit(self.published))


@dataclass
class Table:
    """A table: what stands above the cells, notes that are lines of their own,
    the cells, further rows as texts, and what is said below (both made when it
    is printed). pool: the mean of
    its errors is judged with those of the other tables of the same pool."""
    name: str
    title: str
    unit: str
    intro: str = ""
    columns: List[str] = field(default_factory=list)
    cells: List[Cell] = field(default_factory=list)
    rows: Callable[[], List[List[str]]] = list
    below: Callable[[], List[str]] = list
    pool: str = ""
    notes: List[str] = field(default_factory=list)

    def judged(self):
        """The cells with a limit."""
        return [cell for cell in self.cells if cell.limit is not None]


def percent(error):
    """A relative error for people."""
    return f"{100 * error:+.1f}%"


def number(value, like):
    """value with as many digits after the point as the Decimal like; one more
    if that has but two digits."""
    parts = like.as_tuple()
    more = len(parts.digits) <= 2
    return f"{value:.{max(0, more - parts.exponent)}f}"


def paragraph(text, indent=""):
    """The text in lines of WIDTH."""
    return textwrap.fill(text, WIDTH, initial_indent=indent,
                         subsequent_indent=indent)


def row(label, columns):
    """One line: the label to the left, the columns to the right of it."""
    left = min(LABEL, WIDTH - COLUMN * len(columns))
    return (f"{label:<{left}}"
            + "".join(f"{text:>{COLUMN}}" for text in columns)).rstrip()


def _cell_line(cell):
    mark = "" if cell.within() else "*"
    return row(cell.label, [
        str(cell.published), number(cell.ours(), cell.published),
        mark + percent(cell.error()), *cell.extras()])


def summary(cells):
    """Mean and worst of the cells' errors, as text."""
    errors = [abs(cell.error()) for cell in cells]
    worst = max(cells, key=lambda cell: abs(cell.error()))
    return (f"{len(cells)} cells: mean |error| "
            f"{100 * sum(errors) / len(errors):.1f}%, worst "
            f"{percent(worst.error())} ({worst.label})")


def show(table):
    """Prints it."""
    print(paragraph(f"{table.name}: {table.title}"))
    if table.intro:
        print(paragraph(table.intro, "  "))
    for note in table.notes:
        print(paragraph(note, "  "))
    if table.cells:
        print(row(table.unit, ["published", "ours", "error", *table.columns]))
    for cell in table.cells:
        print(_cell_line(cell))
    judged = table.judged()
    if judged:
        print(paragraph("judged: " + summary(judged), "  "))
    for line in table.rows():
        print(row(line[0], line[1:]))
    for text in table.below():
        print(paragraph(text, "  "))
    print()


def outside(tables, pools):
    """What does not keep its limit, a line each. pools: the greatest mean
    |error| of the judged cells of each pool."""
    lines = []
    for table in tables:
        lines += [f"{table.name}, {cell.label}: published {cell.published}, "
                  f"ours {number(cell.ours(), cell.published)}, "
                  f"{percent(cell.error())}, limit {100 * cell.limit:.0f}%"
                  for cell in table.judged() if not cell.within()]
    for pool, limit in pools.items():
        cells = [cell for table in tables if table.pool == pool
                 for cell in table.judged()]
        if not cells:
            continue
        mean = sum(abs(cell.error()) for cell in cells) / len(cells)
        if mean > limit:
            lines.append(f"{pool}: mean |error| {100 * mean:.1f}%, limit "
                         f"{100 * limit:.0f}%")
    return lines
