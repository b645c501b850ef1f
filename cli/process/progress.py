"""The progress bar: on a terminal, once work has taken a second (SPEC 9). The bar shows steps that `muster.runs` logs.

A log record moves it with ``extra={"done": 3, "of": 10}`` (the fourth of ten begins), and with ``{"rows": 3_100_000}``
(so many more were written); ``{"step": "exporting crm/us"}`` is shown in place of the message. While messages are sent,
``{"rate": 1250.0, "refused": 3, "left": 80.0}`` says how many a second, how many were refused, and the seconds left.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

_PATIENCE = 1.0  # seconds
_NUMBERS = 66  # columns of a terminal that everything but the words may take


class Rows(ProgressColumn):
    """``3.1 M rows  1.2 M rows/s``: how many rows so far, and a second; nothing while there are none."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        rows = task.fields["rows"]
        if not rows:
            return Text("")
        per_second = f"  {counted(rows / task.elapsed)} rows/s" if task.elapsed else ""
        return Text(f"{counted(rows)} rows{per_second}", no_wrap=True)


class Messages(ProgressColumn):
    """``1.2 k messages/s  3 refused``: while messages are sent; nothing else."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        rate, refused = task.fields["rate"], task.fields["refused"]
        if rate is None:
            return Text("")
        told = f"  {counted(refused)} refused" if refused else ""
        return Text(f"{counted(rate)} messages/s{told}", no_wrap=True)


class TimeLeft(TimeElapsedColumn):
    """``0:00:07 left``, estimated from the steps that are done; before the first, the time elapsed."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        left = task.fields["left"]
        if left is None and (not task.completed or not task.total or not task.elapsed):
            return super().render(task)
        if left is None:
            left = (task.elapsed or 0) / task.completed * ((task.total or 0) - task.completed)
        seconds = round(left)
        return Text(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left", style="progress.remaining")


class Steps(ProgressColumn):
    """``12/80``; nothing while the number of steps is unknown."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.total else "")


def counted(number: float) -> str:
    """A number with about three digits: ``950``, ``12.3 k``, ``3.1 M``."""
    for unit in ("", " k", " M", " G"):
        if number < 999.5 or unit == " G":
            break
        number /= 1000
    return f"{number:.{0 if not unit or number >= 99.95 else 1}f}{unit}"


class _Steps(logging.Handler):
    """Moves the bar at each log record with a step or rows."""

    def __init__(self, bar: Progress) -> None:
        super().__init__(logging.INFO)
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record's step."""
        task = self._bar.tasks[0]
        self._bar.update(task.id, rows=task.fields["rows"] + getattr(record, "rows", 0))
        if (total := getattr(record, "of", None)) is not None:
            words = getattr(record, "step", record.getMessage())
            self._bar.update(task.id, completed=getattr(record, "done", 0), total=total, description=words)
            rate, refused, left = (getattr(record, name, None) for name in ("rate", "refused", "left"))
            self._bar.update(task.id, rate=rate, refused=refused, left=left)


@contextmanager
def bar(label: str, console: Console, *, quiet: bool) -> Iterator[None]:
    """A bar on stderr while the block runs; none when stderr is a pipe."""
    if quiet or not sys.stderr.isatty() or not console.is_interactive:
        yield
        return
    room = Column(no_wrap=True, overflow="ellipsis", max_width=max(12, console.width - _NUMBERS))
    words = TextColumn("{task.description}", markup=False, table_column=room)
    numbers = [kind(table_column=Column(no_wrap=True)) for kind in (Steps, Rows, Messages, TimeLeft)]
    progress = Progress(words, BarColumn(bar_width=12), *numbers, console=console, transient=True)
    progress.add_task(label, total=None, rows=0, rate=None, refused=None, left=None)
    timer, steps = Timer(_PATIENCE, progress.start), _Steps(progress)
    timer.daemon = True
    logging.getLogger("muster").addHandler(steps)
    timer.start()
    try:
        yield
    finally:
        logging.getLogger("muster").removeHandler(steps)
        timer.cancel()
        timer.join()
        progress.stop()
