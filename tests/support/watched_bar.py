"""A progress bar that a test has in hand: with a clock that the test moves, and drawn when the test says so."""

import threading
from typing import Any

from rich.progress import Progress


class WatchedBar(Progress):
    """The bar of `muster.cli.process.progress`; ``now`` is the time of all of them, in seconds."""

    now = 0.0
    newest: "WatchedBar"

    def __init__(self, *columns: Any, **options: Any) -> None:
        super().__init__(*columns, get_time=lambda: WatchedBar.now, **options)
        self._started = threading.Event()
        WatchedBar.newest = self

    def start(self) -> None:
        """Show the bar, and let those go on who wait for that."""
        super().start()
        self._started.set()

    def draw(self, seconds: float) -> None:
        """Wait until the bar is shown, let so many seconds pass on its clock, and draw it."""
        assert self._started.wait(300), "the bar never came"
        WatchedBar.now += seconds
        self.refresh()
