"""The pages of help: all commands on one screen, an example for each command, the global options told once (SPEC 9)."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from support.doc_pages import Terminal
from support.receiver import Receiver
from support.shop import invoke
from typer.core import TyperGroup

from muster.cli import commands
from muster.cli.app import app
from muster.cli.process import clock
from muster.cli.show.examples import EXAMPLES, OF_MESSAGES, OF_SOURCES
from muster.cli.show.front_page import FRONT_PAGE
from muster.cli.show.help_page import global_options

commands.load()
ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)


def command_names(group: TyperGroup, before: str = "") -> Iterator[str]:
    """Every command by its words, groups included."""
    for name, command in group.commands.items():
        yield f"{before}{name}"
        if isinstance(command, TyperGroup):
            yield from command_names(command, f"{before}{name} ")


FIRST = {  # what an example needs to be there
    "prune": "echo 'retention: {evaluations: {count: 1}}' >> muster.yml",
    "state restore": "muster state backup muster-state.tar",
    "baseline move": "sed -i 's/audience: newsletter,/audience: newsletter, id: new-name,/' destinations/crm.yml",
}
NAMES = list(command_names(ROOT))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample workspaces after their two days."""
    folder = tmp_path_factory.mktemp("help") / "demo"
    assert invoke("demo", str(folder)).code == 0
    return folder


def test_every_command_is_on_the_front_page_once() -> None:
    """SPEC 9: the groups of `muster --help` have every command, and no other."""
    shown = [name for side in (FRONT_PAGE.left, FRONT_PAGE.right) for lines in side.values() for name, _ in lines]
    assert sorted(shown) == sorted(ROOT.commands)


@pytest.mark.parametrize("columns", [80, 140])
def test_the_front_page_fits_a_small_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """`muster --help` takes 24 lines of 80 columns at most, and a command a line; `muster help` and `-q --help` print
    the page too.
    """
    monkeypatch.setenv("COLUMNS", str(columns))
    page = invoke("--help").out
    lines = page.rstrip("\n").split("\n")
    assert len(lines) <= 24
    assert max(map(len, lines)) <= columns
    for side in (FRONT_PAGE.left, FRONT_PAGE.right):
        for name, does in (line for group in side.values() for line in group):
            assert any(f"  {name} " in line and f"  {does}" in line for line in lines), name
    assert invoke("help").out == page == invoke("-q", "--help").out.rstrip("\n") + "\n"


def test_the_global_options_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`muster help options` describes what every command takes; no other page does, and each says where they are."""
    monkeypatch.setenv("COLUMNS", "140")
    page = invoke("help", "options").out
    told = ["--workspace FOLDER", "-q, --quiet", "-v, --verbose", "--wait SECONDS", "--log-format", "--memory-limit"]
    assert all(words in page for words in (*told, "--allow-insecure-state", "--version"))
    with typer.Context(ROOT, info_name="muster") as ctx:
        assert len(global_options(ROOT, ctx).boxes["Options"]) == len(ROOT.get_params(ctx))
    for name in NAMES:
        other = invoke("help", *name.split()).out
        assert not any(words in other for words in told), name
        assert "`muster help options`" in other.replace("\n", " "), name


def test_every_command_has_an_example() -> None:
    """The table of examples has every command and group, and no other."""
    assert sorted(EXAMPLES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_its_examples(name: str) -> None:
    """`muster COMMAND --help` and `muster help COMMAND` print one page, with the examples of that command."""
    page = invoke(*name.split(), "--help").out
    assert page.rstrip("\n") == invoke("help", *name.split()).out.rstrip("\n")
    for example in EXAMPLES[name]:
        assert example in page
        assert example.startswith(f"muster {name}")


def test_the_examples_run(demo: Path, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example is a command line that succeeds after the demo: in the shop, the loyalty club or the magazine."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 21, 17, 30, tzinfo=UTC))
    monkeypatch.setenv("RECEIVER_PORT", str(receiver.port))
    magazine = tmp_path / "magazine"
    invoke("init", "--sample", "magazine", str(magazine))
    invoke("-C", str(magazine), "evaluate", "--at", "2026-11-21T02:00")
    for name, examples in EXAMPLES.items():
        sample = demo / "loyalty" if name in OF_SOURCES else magazine if name in OF_MESSAGES else demo
        here = shutil.copytree(sample, tmp_path / name.replace(" ", "-"), ignore=shutil.ignore_patterns("loyalty"))
        if name in FIRST:
            Terminal(here).type(FIRST[name])
        for example in examples:
            terminal = Terminal(here)
            printed = terminal.type(f"{example}; echo $?")
            assert printed.split("\n")[-1] == "0", f"{example}\n{printed}"


def test_help_for_an_unknown_command_names_the_nearest() -> None:
    """SPEC 10: `muster help rns` is one message, exit 2."""
    result = invoke("help", "rns")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: there is no command 'rns'; did you mean 'runs' or 'run'?\n"


@pytest.mark.parametrize("columns", [30, 79, 80])
@pytest.mark.parametrize(
    ("environment", "titles", "names"),
    [
        ({"FORCE_COLOR": "1", "TERM": "xterm"}, "\x1b[1mDaily\x1b[0m", "\x1b[1;36m  run"),
        ({"FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": "1"}, "\x1b[1mDaily\x1b[0m", "\x1b[1m  run"),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, "Daily", "  run"),
        ({}, "Daily", "  run"),
    ],
)
def test_the_front_page_is_styled_for_terminals(
    monkeypatch: pytest.MonkeyPatch, columns: int, environment: dict[str, str], titles: str, names: str
) -> None:
    """SPEC 9: titles are bold and commands coloured on a terminal alone, and NO_COLOR is honoured; the text is one."""
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    plain = invoke("--help").out
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    page = invoke("--help").out
    assert f"\n{titles}" in page
    assert f"\n{names}" in page
    assert re.sub(r"\x1b\[[0-9;]*m", "", page) == plain
    assert all(line == line.rstrip() for line in plain.split("\n"))
    assert ("Start" in plain.split("\n")) == (columns < 80)
