"""Tables that suit the terminal: which columns fold, and which are left out, when it is narrow.

A cell is text with Rich markup. A table that goes into a pipe is ``WIDE``: one line a record, nothing cut or folded.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDE = 10_000
# Columns whose cells take several lines when the terminal is narrow: prose first, names if that is not enough.
_PROSE = {
    *("as", "audiences", "file", "holds", "name", "note", "receiver", "rule", "schedule", "transform", "value"),
    *("passed", "url", "what happened", "why"),
}
_WHOLE_WORDS = {"transform"}  # of the prose: folded between words alone, as a part of a word would be no value
_NAMES = {"activation", "and", "audience", "identity", "profile_id", "reason", "snapshot"}
_LEAST_REST = 48  # columns of the terminal that a cut column needs to say something
_LEAST = 8  # columns of the terminal that a folded cell keeps


def tabulate(
    console: Console, headings: Sequence[str], lines: Iterable[Sequence[str]], numbers: Sequence[str]
) -> Table:
    """A table that is folded as little as the terminal allows."""
    body = list(lines)
    if fits(console, headings, body):
        return _table(headings, body, numbers, ())
    table = _table(headings, body, numbers, _PROSE)
    narrow = _widths(console, table).minimum > console.width
    return _table(headings, body, numbers, _PROSE | _NAMES) if narrow else table


def fitted(
    console: Console,
    lines: Sequence[Mapping[str, str]],
    numbers: Sequence[str],
    spare: Sequence[str],
    short: Mapping[str, Sequence[str]] = MappingProxyType({}),
    rest: str = "",
) -> tuple[Table, tuple[str, ...]]:
    """A table of lines (heading to cell) and its headings, which is made narrower, step by step, until it fits.

    The steps are those of ``spare``: a heading that is in ``short`` gets the cells there, another one is left out. The
    column ``rest``, of plain text, is cut to the room beside the others, or left out when only steps of ``numbers``
    would give room.
    """
    if console.width >= WIDE:
        shown = [{name: escape(cell) if name == rest else cell for name, cell in line.items()} for line in lines]
        return tabulate(console, list(lines[0]), _cells(shown, list(lines[0])), numbers), tuple(lines[0])
    whole = [{name: cell for name, cell in line.items() if name != rest} for line in lines]
    if rest in lines[0]:
        cheap = [heading for heading in spare if heading not in numbers]
        narrow, room = _narrowed(console, whole, numbers, cheap, short, console.width - _LEAST_REST - 2)
        if room >= 0:
            room += _LEAST_REST
            whole = [each | {rest: cut(line[rest], room)} for each, line in zip(narrow, lines, strict=True)]
            return tabulate(console, list(whole[0]), _cells(whole, list(whole[0])), numbers), tuple(whole[0])
    narrow, _ = _narrowed(console, whole, numbers, spare, short, console.width)
    return tabulate(console, list(narrow[0]), _cells(narrow, list(narrow[0])), numbers), tuple(narrow[0])


def _narrowed(
    console: Console,
    lines: Sequence[dict[str, str]],
    numbers: Sequence[str],
    spare: Sequence[str],
    short: Mapping[str, Sequence[str]],
    width: int,
) -> tuple[list[dict[str, str]], int]:
    """The lines after as few steps as make them fit into a width, and the room left; below 0 when they do not fit."""
    body = list(lines)
    for heading in (*spare, None):
        headings = list(body[0])
        room = width - _widths(console, _table(headings, _cells(body, headings), numbers, ())).maximum
        if room >= 0 or heading is None:
            break
        if heading in short:
            body = [line | {heading: cell} for line, cell in zip(body, short[heading], strict=True)]
        else:
            body = [{name: cell for name, cell in line.items() if name != heading} for line in body]
    return body, room


def cut(text: str, width: int) -> str:
    """Plain text, cut to a width, as markup."""
    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    return escape(shown.plain)


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
    body = list(lines)
    for place, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if heading in numbers else "left"
        if heading in folded and heading in _WHOLE_WORDS:
            longest = max(len(word) for text in (heading, *(line[place] for line in body)) for word in text.split())
            table.add_column(heading, justify=justify, width=longest)
        elif heading in folded:
            table.add_column(heading, justify=justify, overflow="fold", min_width=_LEAST)
        else:
            table.add_column(heading, justify=justify, overflow="ellipsis", no_wrap=True)
    for line in body:
        table.add_row(*line)
    return table


def _widths(console: Console, table: Table) -> Measurement:
    """The width of the table in characters: the minimum, and with nothing folded."""
    return console.measure(table, options=console.options.update(max_width=WIDE))
