"""The progress bar: on a terminal, once work has taken a second (SPEC 9). It shows the steps that the jobs log."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

_PATIENCE = 1.0  # seconds


class _Steps(logging.Handler):
    """Moves the bar on at each log record with ``extra={"done": 3, "of": 10}``."""

    def __init__(self, bar: Progress) -> None:
        super().__init__(logging.INFO)
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        """Show the step."""
        total = getattr(record, "of", None)
        if total is not None:
            self._bar.update(self._bar.task_ids[0], completed=getattr(record, "done", 0), total=total, description=record.getMessage())


@contextmanager
def bar(what: str, console: Console, *, quiet: bool) -> Iterator[None]:
    """A bar on stderr while the work inside goes on; nothing when that is a pipe."""
    if quiet or not sys.stderr.isatty() or not console.is_interactive:
        yield
        return
    words = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=48))
    columns = words, BarColumn(), TimeElapsedColumn()
    progress = Progress(*columns, console=console, transient=True)
    progress.add_task(what, total=None)
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
