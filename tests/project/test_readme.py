"""The README is true: its session, its workspace, its cron line and its tables."""

import re
from pathlib import Path

from support.doc_pages import ROOT, Terminal, blocks, prose, run_page
from support.shop import invoke

from muster.activation import errors

README = ROOT / "README.md"


def test_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    """The commands of the README run as they stand there, on the data that it makes, and print what it shows."""
    run_page(README, Terminal(tmp_path, columns=128))


def test_the_workspace_has_20_lines() -> None:
    """The README's workspace is whole and at most 20 lines long."""
    written = blocks(README, "yaml")
    assert [block.file for block in written] == ["muster.yml", "audiences/drivers.yml", "destinations/crm.yml"]
    assert sum(len(block.lines) for block in written) <= 20


def test_the_cron_line_works(tmp_path: Path) -> None:
    """The command of the README's cron line runs a workspace, and says nothing when all is well."""
    (line,) = blocks(README, "crontab")[0].lines
    schedule, command = line.split(" muster ")
    assert len(schedule.split()) == 5
    invoke("init", str(tmp_path / "shop"))
    words = [str(tmp_path / "shop") if word == "/srv/acme" else word for word in command.split()]
    result = invoke(*words, "--at", "2026-11-20T05:00")
    assert (result.code, result.out) == (0, "")


def test_the_exit_codes_are_all_there() -> None:
    """SPEC 9: the README lists every exit code."""
    listed = re.findall(r"^\| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    found = {int(code) for codes in listed for code in codes.split(", ")}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MusterError)]
    assert found == {0, 130, 143} | {kind.exit_code for kind in kinds}


def test_the_make_targets_exist() -> None:
    """Every `make ...` in the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", prose(README)))
    assert named
    assert named <= targets
