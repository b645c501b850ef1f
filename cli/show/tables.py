"""Tables that suit the terminal: which columns fold, and which are left out, when it is narrow.

A cell is text with Rich markup. A table that goes into a pipe is ``WIDE``: one line a record, nothing cut or folded.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

WIDE = 10_000
# Columns whose cells take several lines when the terminal is narrow: prose first, names if that is not enough.
_PROSE = {"audiences", "file", "holds", "name", "note", "schedule", "what happened"}
_NAMES = {"activation", "audience", "profile_id", "reason", "snapshot"}
_LEAST = 8  # columns of the terminal that a folded cell keeps


def tabulate(
    console: Console, headings: Sequence[str], lines: Iterable[Sequence[str]], numbers: Sequence[str]
) -> Table:
    """A table that is folded as little as the terminal allows."""
    body = list(lines)
    if console.width >= WIDE:
        return _table(headings, body, numbers, ())
    table = _table(headings, body, numbers, _PROSE)
    narrow = _widths(console, table).minimum > console.width
    return _table(headings, body, numbers, _PROSE | _NAMES) if narrow else table


def fitted(
    console: Console, lines: Sequence[Mapping[str, str]], numbers: Sequence[str], spare: Sequence[str]
) -> tuple[Table, tuple[str, ...]]:
    """A table of lines (heading to cell) and its headings; those in ``spare`` are left out, in order, until it fits."""
    headings = list(lines[0])
    for heading in spare if console.width < WIDE else ():
        if _widths(console, _table(headings, _cells(lines, headings), numbers, ())).maximum <= console.width:
            break
        headings.remove(heading)
    return tabulate(console, headings, _cells(lines, headings), numbers), tuple(headings)


def fits(console: Console, headings: Sequence[str], lines: Sequence[Sequence[str]]) -> bool:
    """Whether a table is no wider than the terminal with nothing folded or cut."""
    return console.width >= WIDE or _widths(console, _table(headings, lines, (), ())).maximum <= console.width


def pairs(lines: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values, a line or more for each name."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(name, value)
    return table


def _cells(lines: Sequence[Mapping[str, str]], headings: Sequence[str]) -> list[list[str]]:
    return [[line[heading] for heading in headings] for line in lines]


def _table(
    headings: Sequence[str], lines: Iterable[Sequence[str]], numbers: Sequence[str], folded: Collection[str]
) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading in numbers else "left"
        if heading in folded:
            table.add_column(heading, justify=justify, overflow="fold", min_width=_LEAST)
        else:
            table.add_column(heading, justify=justify, overflow="ellipsis", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def _widths(console: Console, table: Table) -> Measurement:
    """The width of the table in characters: the minimum, and with nothing folded."""
    return console.measure(table, options=console.options.update(max_width=WIDE))
