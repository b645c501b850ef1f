"""What a command loads before it answers (SPEC 9: muster is called by hand and by cron, often for nothing)."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.doc_pages import ROOT
from support.event_shop import EventShop
from support.receiver import Receiver
from support.shop import evaluated_shop, invoke

# Each of these takes longer to load than a person should wait for a page of help, or than the page itself takes.
NEVER = (
    *("polars", "polars_hash", "pyarrow", "pydantic", "pydantic_core", "yaml", "cronsim", "filelock", "numpy"),
    *("asyncio", "sqlite3", "ssl", "http", "email", "zipfile", "importlib.metadata", "zoneinfo", "multiprocessing"),
    *(
        "csv",
        "rich.markdown",
        "rich.syntax",
        "rich.traceback",
        "rich.progress",
        "pygments",
        "markdown_it",
        "typer.rich_utils",
    ),
    *(
        "muster.activation.config.workspace",
        "muster.activation.state.ledger.database",
        "muster.activation.state.files",
        "muster.activation.state.folder",
        "muster.schedules",
        "muster.sample_data",
        "muster.runs.opening",
        "muster.runs.work",
    ),
)
NOT_FOR_THE_FRONT_PAGE = ("typer", "rich", "dataclasses", "inspect", "logging", "muster.cli.app", "muster.activation")
# A command that finds nothing to do, or tells what was done, needs neither data nor YAML once the config was checked.
NOT_FOR_NOTHING = (
    *(
        "polars",
        "polars_hash",
        "pyarrow",
        "pydantic",
        "pydantic_core",
        "yaml",
        "numpy",
        "asyncio",
        "ssl",
        "email",
        "importlib.metadata",
        "csv",
    ),
    *("rich.progress", "rich.markdown", "rich.syntax", "typer.rich_utils", "typer._adapters", "multiprocessing"),
    *(
        "muster.activation.config.workspace",
        "muster.activation.rules.audiences",
        "muster.activation.session",
        "muster.activation.state.files",
        "muster.runs.work",
        "muster.cli.process.progress",
        "muster.cli.commands.state",  # another command
    ),
)
# Typer reads values with Pydantic, which asks for plugins; a rendered refusal may tell a time.
TYPERS_OWN = {
    "pydantic",
    "pydantic_core",
    "asyncio",
    "ssl",
    "email",
    "zipfile",
    "importlib.metadata",
    "zoneinfo",
    "csv",
}

LOADED = """
import json, os, sys
from muster.cli.main import main
sys.argv[0] = "muster"
try:
    main()
except SystemExit:
    os.write(1, b"\\0" + json.dumps(sorted(sys.modules)).encode())
"""


def loaded(*arguments: str) -> set[str]:
    """The modules that a process has loaded when the command is done."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    said, _, modules = done.stdout.rpartition("\0")
    assert said or done.stderr
    return set(json.loads(modules))


def below(names: tuple[str, ...], modules: set[str]) -> list[str]:
    """Those modules that are one of the names, or inside one."""
    return sorted(
        module for module in modules if module.startswith(tuple(f"{name}." for name in names)) or module in names
    )


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_front_page_is_shown_at_once(option: str) -> None:
    """`muster --help` loads nothing that takes its time: neither Rich nor Typer, not even dataclasses."""
    assert below(NEVER + NOT_FOR_THE_FRONT_PAGE, loaded(option)) == []


@pytest.mark.parametrize(
    "command", ["run --help", "runs show -h", "runs", "--version", "", "nonsense", "run --nonsense", "-q --help"]
)
def test_help_and_refusals_load_nothing_that_works(command: str) -> None:
    """Help for a command, and what is wrong with a command line, need none of what does the work."""
    assert below(tuple(set(NEVER) - TYPERS_OWN), loaded(*command.split())) == []


def test_nothing_to_do_loads_nothing_that_does_it(tmp_path: Path) -> None:
    """S2, S7: a `run` with nothing due, and `runs list`, load neither Polars nor Pydantic nor YAML once the config is
    remembered.
    """
    here = ("-C", str(evaluated_shop(tmp_path).root))
    loaded(*here, "run", "--at", "2026-11-20T02:01Z")  # remembers it as this process sees it
    for command in (("run", "--at", "2026-11-20T02:02Z"), ("runs", "list"), ("baseline", "show", "--json")):
        assert below(NOT_FOR_NOTHING, loaded(*here, *command)) == []


def test_nothing_to_send_loads_nothing_that_does_it(tmp_path: Path, receiver: Receiver) -> None:
    """V1: nor does a `run` whose activations that send messages have nothing to send."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    shop.send("2026-11-20", "a")
    here = ("-C", str(tmp_path))
    loaded(*here, "run", "--at", "2026-11-20T06:00Z")
    assert below(NOT_FOR_NOTHING, loaded(*here, "run", "--at", "2026-11-20T06:05Z")) == []


def test_what_was_done_is_told_without_schedules(tmp_path: Path) -> None:
    """A command that lists what the ledger holds asks for no fire times, and so loads nothing that computes them."""
    here = ("-C", str(evaluated_shop(tmp_path).root))
    loaded(*here, "run", "--at", "2026-11-20T02:01Z")
    for command in (("runs", "list"), ("evaluations", "list"), ("baseline", "show", "--json")):
        assert below(("cronsim", "muster.schedules"), loaded(*here, *command)) == []


def test_what_must_not_be_loaded_exists() -> None:
    """A module that was moved would be looked for in vain."""
    for name in NEVER + NOT_FOR_THE_FRONT_PAGE + NOT_FOR_NOTHING:
        assert find_spec(name) or name == "numpy", name


def test_each_page_names_its_parts() -> None:
    """A command's page has its usage, what it does, its arguments and options; a group's its commands; each says what
    holds for all.
    """
    export = invoke("export", "--help").out
    assert "Usage: muster export [OPTIONS] {DESTINATION/ACTIVATION}..." in export
    for words in (
        "Export full files of the newest evaluation",
        "╭─ Arguments ─",
        "The activations to export.  [required]",
        "╭─ Options ─",
        "--at TIME",
        "╭─ Examples ─",
        "muster export crm/newsletter",
        "may come before or after it",
    ):
        assert words in export
    runs = invoke("runs", "--help").out
    for words in (
        "Show past runs",
        "╭─ Commands ─",
        "rejects  List every profile that a run left out, with the reason.",
    ):
        assert words in runs
    assert invoke("runs").out == runs.rstrip("\n") + "\n"
