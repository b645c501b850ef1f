"""The page of `muster --help`: it is printed without Typer and Rich, which take several times as long to load.

Tests hold that it names every command once and fits a terminal of 24 lines and 80 columns.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

Line = tuple[str, str]  # what is typed, and what it does

_TWO_COLUMNS = 80  # characters that the groups need beside each other
_BOLD, _BOLD_CYAN = "\x1b[1m", "\x1b[1;36m"
_END = "\x1b[0m"


class FrontPage(NamedTuple):
    """The commands in groups that stand in two columns, each with what it does in a few words."""

    usage: str
    does: str
    left: Mapping[str, Sequence[Line]]  # title to lines
    right: Mapping[str, Sequence[Line]]
    end: str


FRONT_PAGE = FrontPage(
    usage="Usage: muster [OPTIONS] COMMAND [ARGS]...",
    does="Activate audiences in batch: read Parquet snapshots, write who joined or left.",
    left={
        "Start": [
            ("demo", "a sample shop's story"),
            ("init", "a workspace of your own"),
        ],
        "Daily": [
            ("run", "all that is due (cron)"),
            ("evaluate", "who is in each audience"),
            ("export", "full files, on demand"),
            ("resync", "messages about all"),
        ],
        "Check": [
            ("validate", "YAML, rules and data"),
            ("verify", "delivered files"),
            ("reconcile", "what receivers hold"),
            ("destinations", "can files go there?"),
            ("presets", "what receivers expect"),
            ("policies", "what may go where"),
            ("sources", "what sources give"),
            ("graph", "who is one person"),
        ],
    },
    right={
        "Look": [
            ("status", "last night, on a screen"),
            ("plan", "what `run` would do"),
            ("preview", "what a file would hold"),
            ("runs", "what was sent, left out"),
            ("audiences", "sizes and changes"),
            ("evaluations", "list, forget the newest"),
            ("schedule", "next times, a crontab"),
        ],
        "State": [
            ("baseline", "what was delivered last"),
            ("replay", "a run's files, again"),
            ("redeliver", "files lost there, again"),
            ("prune", "remove old history"),
            ("profiles", "show, forget a person"),
            ("state", "check, repair, back up"),
            ("help", "`muster help options`"),
        ],
    },
    end=(
        "`muster COMMAND --help` shows a command's options and an example, `muster help options` the options that "
        "every command takes: -C FOLDER, -q, -v and others."
    ),
)


def show(page: FrontPage = FRONT_PAGE) -> None:
    """Print the page: at most 24 lines on a terminal of 80 columns."""
    width, (bold, name) = _width(), _styles()
    left, right = (_lines(groups, bold, name) for groups in (page.left, page.right))
    groups = _beside(page, left, right) if width >= _TWO_COLUMNS else chain(left, right)
    usage = (_styled(line, bold) for line in _wrapped(page.usage, width))
    for line in (*usage, "", *_wrapped(page.does, width), "", *groups, "", *_wrapped(page.end, width)):
        sys.stdout.write(f"{line.rstrip()}\n")


def _width() -> int:
    """The columns of the terminal, or as many as the variable COLUMNS says."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    for descriptor in range(3):  # the output may be a pipe to a pager
        try:
            return os.get_terminal_size(descriptor).columns or _TWO_COLUMNS
        except OSError:
            continue
    return _TWO_COLUMNS


def _styles() -> tuple[str, str]:
    """The styles of titles and of commands; no style where the output is no terminal, or one without styles."""
    forced = os.environ.get("FORCE_COLOR")
    is_terminal = sys.stdout.isatty() if forced is None else bool(forced)
    if not is_terminal or os.environ.get("TERM", "").lower() in {"dumb", "unknown"}:
        return "", ""
    return _BOLD, _BOLD if os.environ.get("NO_COLOR") else _BOLD_CYAN


def _styled(text: str, style: str) -> str:
    return f"{style}{text}{_END}" if style else text


def _lines(groups: Mapping[str, Sequence[Line]], bold: str, name: str) -> Iterator[str]:
    """Groups of commands one below the other, each under its title; all lines are equally long on the terminal."""
    typed_room, does_room = _rooms(groups)
    for title, group in groups.items():
        yield _styled(title, bold) + " " * (typed_room + does_room - len(title))
        for typed, does in group:
            yield f"{_styled(f'  {typed:<{typed_room - 4}}', name)}  {does:<{does_room}}"


def _rooms(groups: Mapping[str, Sequence[Line]]) -> tuple[int, int]:
    """The characters that the longest command takes, with two spaces on each side, and the longest text beside one."""
    typed, does = zip(*(line for group in groups.values() for line in group), strict=True)
    return max(map(len, typed)) + 4, max(map(len, does))


def _beside(page: FrontPage, left: Iterable[str], right: Iterable[str]) -> Iterator[str]:
    """Two columns of lines, of which either may be the longer."""
    filling = " " * sum(_rooms(page.left))
    return (f"{one or filling}  {other}" for one, other in zip_longest(left, right, fillvalue=""))


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most ``width`` characters, broken at spaces."""
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
