"""A small night is delivered byte for byte as an earlier muster delivered it."""

import json
from pathlib import Path

import pytest
from support.golden_night import GOLDEN, WORKSPACES, delivered


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_files_are_those_of_before(workspace: str, tmp_path: Path) -> None:
    """E1: the same inputs and ``--at`` give the same bytes, whatever became faster or simpler since.

    A rule that changes on purpose needs other digests for the files that it changes, and a line in the changelog.
    """
    before, now = json.loads(GOLDEN.read_text())[workspace], delivered(tmp_path, workspace)
    told = {name: "is new" if name not in before else "differs" for name in now if now[name] != before.get(name)}
    told |= dict.fromkeys(before.keys() - now.keys(), "is missing")
    assert not told, "\n".join(f"{name} {what}" for name, what in sorted(told.items()))
