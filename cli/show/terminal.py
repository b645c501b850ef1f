"""The terminal: lines, tables, errors and JSON. The only module that prints.

Text of data and config is shown and never acted on: control characters stand as escapes, markup is escaped.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from textwrap import TextWrapper
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from muster.cli.show import tables, times
from muster.cli.show.printable import one_line, printable


class _Terminal(Console):
    """A console on which text of data and config cannot make the terminal do anything."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Text with markup: control characters are escaped before Rich adds colours."""
        return super().render_str(printable(text), **options)


def out() -> Console:
    """Standard output, as wide as the terminal or the variable COLUMNS says; a pipe is as wide as a record needs."""
    is_limited = sys.stdout.isatty() or "COLUMNS" in os.environ
    return _Terminal(highlight=False, emoji=False, width=None if is_limited else tables.WIDE)


@cache
def err() -> Console:
    """Standard error."""
    return _Terminal(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def say(text: str = "") -> None:
    """Print a line as it is."""
    out().print(text, markup=False, soft_wrap=True)


def styled(text: str) -> None:
    """Print a line with Rich markup."""
    out().print(text, soft_wrap=True)


def clipped(text: str) -> None:
    """Print a line as it is, cut to the width of the terminal."""
    console = out()
    console.print(tables.cut(text, console.width), soft_wrap=True)


def hanging(text: str) -> None:
    """Print a line with two spaces before it, wrapped between words to the width of the terminal, then with four."""
    _wrapped(text, "  ", "    ")


def item(text: str) -> None:
    """Print an item of a list after a hyphen, wrapped between words to the width of the terminal."""
    _wrapped(text, "- ", "  ")


def _wrapped(text: str, first: str, next_ones: str) -> None:
    """Print text wrapped between words to the width of the terminal, with these beginnings of its lines."""
    console = out()
    wrapped = TextWrapper(
        console.width, initial_indent=first, subsequent_indent=next_ones, break_long_words=False, break_on_hyphens=False
    )
    console.print("\n".join(wrapped.wrap(text.strip())), markup=False, soft_wrap=True)


def dim(text: str) -> None:
    """Print a line that matters less than the others."""
    styled(f"[dim]{escape(text)}[/]")


def prose(text: str) -> None:
    """Print a sentence with Rich markup, wrapped between words."""
    out().print(text)


def note(text: str) -> None:
    """Print a remark beside the result, on stderr."""
    err().print(text, markup=False)


def as_json(value: object) -> None:
    """Print one JSON document and nothing else (SPEC 9); characters that the locale lacks are escaped as JSON does."""
    has_all = (sys.stdout.encoding or "utf").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not has_all) + "\n")


def error(problem: BaseException, *, verbose: bool, prefix: str = "") -> None:
    """Print an error on stderr, with ``prefix`` before each line but indented ones; details with ``-v``."""
    from muster.runs import without_secrets  # help and tables need it not

    for line in without_secrets(str(problem)).splitlines() or [type(problem).__name__]:
        err().print(escape(line) if line.startswith("  ") else f"[bold red]error:[/] {escape(prefix + line)}")
    if verbose:
        for detail in getattr(problem, "__notes__", []):
            err().print(f"  {escape(without_secrets(detail))}")


def _show(table: Table) -> None:
    """Print a table without the spaces that fill up its last column."""
    console = out()
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().rstrip("\n").split("\n"):
        console.file.write(f"{line.rstrip()}\n")


def zone_of_times(zone: ZoneInfo | None) -> None:
    """Print the line that names the zone of times above it; nothing in UTC, which each time names."""
    if line := zone and times.footer(zone):
        dim(line)


def fitted(
    lines: Sequence[Mapping[str, str]],
    *,
    numbers: Sequence[str],
    spare: Sequence[str],
    short: Mapping[str, Sequence[str]] | None = None,
    below: str = "",
    cut: bool = False,
    timed: str = "",
    zone: ZoneInfo | None = None,
) -> Sequence[str]:
    """Print a table of lines (heading to cell, with markup) that fits the terminal; returns the headings of it.

    Where it is too narrow, the columns of ``spare`` are left out, in order, or shortened to the cells of ``short``. Of
    a column ``below`` that is left out, each cell is a line under the table. With ``cut`` that column is plain text,
    and cut to the room that there is. The column ``timed`` has times of ``zone``.
    """
    console = out()
    table, headings = tables.fitted(console, lines, numbers, spare, short or {}, below if cut else "")
    _show(table)
    under = [f"  {line['activation']}: {line[below]}" for line in lines if line[below]] if below else []
    for text in dict.fromkeys(under) if below not in headings else ():
        styled(tables.cut(text, console.width) if cut else text)
    zone_of_times(zone if timed in headings else None)
    return headings


def rows(
    headings: Sequence[str],
    lines: Iterable[Sequence[object]],
    *,
    numbers: Sequence[str] = (),
    empty: str = "nothing",
    zone: ZoneInfo | None = None,
) -> None:
    """Print a plain table, whose times are of ``zone``, or the sentence ``empty`` when it has no lines."""
    body = [[cell(value) for value in line] for line in lines]
    if not body:
        say(empty)
        return
    _show(tables.tabulate(out(), headings, body, numbers))
    zone_of_times(zone)


def records(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print lines of plain text as a table, or where that is too wide each as a block of ``heading: text``."""
    console, body = out(), [[escape(one_line(text)) for text in line] for line in lines]
    names = [escape(one_line(heading)) for heading in headings]
    if tables.fits(console, names, body):
        _show(tables.tabulate(console, names, body, ()))
        return
    for number, line in enumerate(body, start=1):
        styled(f"[bold]row {number}[/]")
        _show(tables.pairs(zip(names, line, strict=True)))


def cell(value: object) -> str:
    """A value as a cell of a table, with markup escaped."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def details(pairs: Mapping[str, object], zone: ZoneInfo | None = None) -> None:
    """Print one thing, a line for each key; its times are of ``zone``."""
    _show(tables.pairs((key.replace("_", " "), _value(value)) for key, value in pairs.items()))
    zone_of_times(zone)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{escape(str(key))}: {_value(inner)}" for key, inner in value.items()) or "-"
    if isinstance(value, list):
        return "\n".join(map(_item, value)) or "-"
    return cell(value)


def _item(item: object) -> str:
    if isinstance(item, dict):
        return ", ".join(f"{key.replace('_', ' ')} {cell(inner)}" for key, inner in item.items())
    return cell(item)
