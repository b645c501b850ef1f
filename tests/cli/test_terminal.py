"""What a person sees: tables that fit the terminal, a progress bar on longer work, errors that say whose they are (SPEC
9).
"""

import contextlib
import io
import logging
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from support.doc_pages import ROOT, Terminal
from support.shop import Shop, invoke, person
from support.watched_bar import WatchedBar

from muster.cli.process import clock, logs, progress
from muster.cli.show import tables

RUNS = [
    {
        "run": f"20261121T05000{n}Z-0123456789",
        "activation": "crm/newsletter",
        "status": "failed",
        "note": "why it failed",
    }
    for n in range(3)
]


def rendered(width: int, spare: tuple[str, ...]) -> list[str]:
    """The lines of a table of runs on a terminal of that width."""
    console = Console(width=width, file=io.StringIO())
    table, _ = tables.fitted(console, RUNS, (), spare)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]


def test_columns_go_until_the_table_fits() -> None:
    """A table that is too wide loses its spare columns, in order, rather than fold its lines."""
    assert rendered(80, ("note", "status"))[0].split() == ["run", "activation", "status", "note"]
    assert rendered(60, ("note", "status"))[0].split() == ["run", "activation", "status"]
    assert rendered(45, ("note", "status"))[0].split() == ["run", "activation"]
    assert all(len(rendered(width, ("note", "status"))) == len(RUNS) + 1 for width in range(43, 120))


def test_prose_is_folded_before_names() -> None:
    """Where nothing can be spared, prose takes several lines, and names only if that is not enough."""
    folded = rendered(66, ())
    assert all(any(run["run"] in line for line in folded) for run in RUNS)
    assert all("crm/newsletter" in line for line in folded if "20261121" in line)
    assert any("newsletter" not in line for line in rendered(50, ()) if "20261121" in line)


def test_addresses_are_folded_before_names() -> None:
    """V11: a long url, and what a check found there, take several lines; the destination is whole."""
    console = Console(width=80)
    line = ["crm-events", "https://crm.example.com/v1/lists/{audience.alias}", "ok", "connected, credentials not tried"]
    with console.capture() as captured:
        console.print(tables.tabulate(console, ("destination", "url", "result", "passed"), [line], ()))
    assert captured.get().splitlines()[1].split()[0] == "crm-events"


def test_no_line_is_wider_than_the_terminal(tmp_path: Path) -> None:
    """Lists, plans and reports fit terminals of 80 and of 100 columns."""
    assert invoke("init", str(tmp_path / "shop")).code == 0
    for columns in (80, 100):
        terminal = Terminal(tmp_path / "shop", columns)
        for command in (
            "plan --at 2026-11-20T05:00",
            f"run --at 2026-11-20T05:{columns - 70}",
            "runs list",
            "audiences list",
            "schedule list",
            "presets list",
            "presets show uid2",
        ):
            typed = terminal.type(f"muster {command}").split("\n")
            tabled = [line for line in typed if not line.startswith(("  ", "error:", "warning:", "2026-"))]
            assert max(len(line) for line in tabled) <= columns, command
        listed = terminal.type("muster presets list").split("\n")  # what is typed is whole
        assert [line.split()[-1][:4] for line in listed if line.startswith("salesforce_marketing_cloud ")] == ["2026"]
        assert any(line.startswith("email_hash ") for line in typed)
        assert any("hash_unless_hashed(sha256_base64)" in line for line in typed)
        assert {"plain", "underscores"} <= {line.split()[-1] for line in typed if line}


def test_a_line_in_a_pipe_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe nothing is left out, cut or folded, however long it is, and lines have no spaces at their ends."""
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it for its workers
    shop = Shop(tmp_path)
    shop.audience("all", where=True, name="A name " * 60)
    shop.crm()
    shop.day("2026-11-20", [person("a")])
    lines = shop.ok("audiences", "list").out.splitlines()
    assert len(lines) == 2
    assert "A name " * 59 in lines[1]
    (heading, run) = shop.ok("runs", "list").out.splitlines()
    assert heading.split() == [
        "run",
        "activation",
        "scheduled",
        "export",
        "trigger",
        "status",
        "realized",
        "exited",
        "excluded",
    ]
    assert heading == heading.rstrip()
    assert "2026-11-20T05:00:00Z" in run


def test_an_error_says_which_activation_failed(tmp_path: Path) -> None:
    """SPEC 10: where an export failed is a part of its message, said once; a place is named as the config names it."""
    shop = Shop(tmp_path)
    shop.audience("all", where=True)
    shop.crm(url="out")
    (tmp_path / "out").write_text("no folder")
    shop.profiles("2026-11-20", [person("a")])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert (result.code, result.err) == (1, "error: crm/all: out: is a file; expected a folder\n")


def test_the_demo_does_not_warn_of_its_own_instants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E1: the warning of an --at ahead of the clock is for those who typed it, not for who runs the demo before its
    days.
    """
    monkeypatch.setattr(clock, "now", lambda: datetime(2025, 1, 1, tzinfo=UTC))
    result = invoke("demo", str(tmp_path / "demo"), "--sample", "shop")
    assert (result.code, result.err) == (0, "")
    assert "more than a day ahead" in invoke("-C", str(tmp_path / "demo"), "plan", "--at", "2026-11-22").err


class Screen(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def shown(monkeypatch: pytest.MonkeyPatch, *, patience: float, quiet: bool = False) -> str:
    """What a bar writes while two of five exports are done and a warning is logged."""
    screen = Screen()
    monkeypatch.setattr(progress, "_PATIENCE", patience)
    monkeypatch.setattr(progress, "Progress", WatchedBar)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    logs.set_up(quiet=False, verbose=0, form="text")
    drawn = patience < 1 and not quiet
    with progress.bar("running", Console(file=screen, force_terminal=True, width=100), quiet=quiet):
        if drawn:
            WatchedBar.newest.draw(1)
        logging.getLogger("muster").info("export 3 of 5: crm/newsletter", extra={"done": 2, "of": 5})
        logging.getLogger("muster").warning("mind this")
        if drawn:
            WatchedBar.newest.draw(1)
    return screen.getvalue()


def test_the_bar_tells_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: while messages are sent the bar has how many of all, the rate, the refused ones and the time left."""
    screen = Screen()
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(progress, "Progress", WatchedBar)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    logs.set_up(quiet=False, verbose=0, form="text")
    with progress.bar("running", Console(file=screen, force_terminal=True, width=120), quiet=False):
        step = {"done": 12_300, "of": 100_000, "step": "sending", "rate": 1250.0, "refused": 3, "left": 70.2}
        logging.getLogger("muster").info("sending", extra=step)
        WatchedBar.newest.draw(1)
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    for told in ("sending", "12300/100000", "1.2 k messages/s  3 refused", "0:01:10 left"):
        assert told in words, words


COMMAND = """
import logging, sys
from support.watched_bar import WatchedBar
from muster.cli.process import logs, progress
from muster.cli.show import terminal
progress._PATIENCE = float(sys.argv[1])
progress.Progress = WatchedBar
logs.set_up(quiet=False, verbose=0, form="text")
with progress.bar("running", terminal.err(), quiet=False):
    for done in range(4):
        step = {"done": done, "of": 80, "step": f"exporting crm/us-{done}"}
        logging.getLogger("muster").info("export %d of 80", done + 1, extra=step)
        if progress._PATIENCE < 1:
            WatchedBar.newest.draw(0.2)
        logging.getLogger("muster.export").info("written", extra={"rows": 1_050_000})
    if progress._PATIENCE < 1:
        WatchedBar.newest.draw(0.2)
"""


def on_screen(patience: float, columns: int) -> str:
    """What a process shows on a terminal while it exports, without colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-c", COMMAND, str(patience)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while chunk := os.read(ours, 10_000):
                written += chunk
    os.close(ours)
    assert running.returncode == 0, written.decode()
    return re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", written.decode())


def test_the_bar_tells_rows_rate_and_time_left() -> None:
    """SPEC 9: which step of how many, the rows so far and a second, and the time that is left; of a step without rows
    no rows.
    """
    written = on_screen(0.01, 100)
    assert re.search(r"exporting crm/us-0 .* 0/80 +0:00:00", written)
    assert re.search(r"exporting crm/us-3 .* 3/80 +3\.[12] M rows  \d\.\d M rows/s +0:00:\d\d left", written), written
    assert "4.2 M rows" in written


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_the_bar_fits_the_terminal(columns: int) -> None:
    """The numbers are never cut: the words give way."""
    lines = re.split("[\r\n]+", on_screen(0.01, columns))
    assert max(map(len, lines)) <= columns
    assert any(re.search(r"3/80 +3\.[12] M rows  \d\.\d M rows/s +0:00:\d\d left", line) for line in lines), lines


def test_work_that_is_soon_done_leaves_the_screen_alone() -> None:
    """SPEC 9: nothing in the first second."""
    assert on_screen(30, 100) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *(
            (0, "0"),
            (1, "1"),
            (999, "999"),
            (999.4, "999"),
            (999.5, "1.0 k"),
            (1000, "1.0 k"),
            (12_345, "12.3 k"),
            (99_949, "99.9 k"),
        ),
        *(
            (99_950, "100 k"),
            (999_499, "999 k"),
            (999_500, "1.0 M"),
            (3_149_999, "3.1 M"),
            (1e9, "1.0 G"),
            (4.5e12, "4500 G"),
        ),
    ],
)
def test_counts_are_short(number: float, text: str) -> None:
    """Rows are shown with two or three digits and a letter."""
    assert progress.counted(number) == text


def test_longer_work_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: on a terminal work that takes its time shows a bar with the step that it is at; logs come out
    above it.
    """
    written = shown(monkeypatch, patience=0.01)
    assert "export 3 of 5: crm/newsletter" in written
    assert "━" in written
    assert "warning: mind this\n" in written


def test_short_or_quiet_work_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: work that takes less than a second shows nothing, and none with -q."""
    assert shown(monkeypatch, patience=30) == "warning: mind this\n"
    assert shown(monkeypatch, patience=0.01, quiet=True) == "warning: mind this\n"


def test_columns_are_shortened_where_there_are_shorter_cells() -> None:
    """A spare column that has shorter cells gets those, and is not left out."""
    lines = [{"run": "20261120T050000Z-6e61df94f4", "trigger": "after evaluation", "status": "failed"}]
    short = {"run": ["20261120T05"], "trigger": ["evaluation"]}
    for width, shown in ((60, "after evaluation"), (40, "after evaluation"), (36, "evaluation"), (20, "")):
        console = Console(width=width, file=io.StringIO())
        table, headings = tables.fitted(console, lines, (), ("run", "trigger"), short if shown else {})
        with console.capture() as captured:
            console.print(table)
        assert shown in captured.get()
        assert ("trigger" in headings) == bool(shown)


def test_the_rest_of_a_line_is_cut_to_the_room_there_is() -> None:
    """The last column takes what room the others leave, as plain text, or goes when that is too little."""
    told = "[bold] no such [column] in the snapshot of today, nor yesterday"
    lines = [{"run": "1", "status": "failed", "error": told}]
    for width, shown in (
        (80, told),
        (62, "[bold] no such [column] in the snapshot of today"),
        (60, ""),
    ):
        console = Console(width=width, file=io.StringIO())
        table, headings = tables.fitted(console, lines, (), (), rest="error")
        with console.capture() as captured:
            console.print(table)
        assert ("error" in headings) == bool(shown)
        assert shown in captured.get()
