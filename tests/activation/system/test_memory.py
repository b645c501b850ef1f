"""How much memory a command may use (docs/config.md: ``memory_limit``)."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from muster.activation.system import memory
from muster.activation.system.memory import Budget

GIB = 1 << 30


def groups(folder: Path, listed: str, **limits: str) -> Any:
    """A machine of 16 GiB whose control groups say this."""
    (folder / "proc").write_text(listed)
    for place, limit in limits.items():
        file = folder / "sys" / place.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIB // 4096}
    return mock.patch.multiple(memory, _GROUPS=folder / "proc", _ROOT=folder / "sys", os=mock.Mock(sysconf=sizes.get))


V2, V1 = "memory.max", "memory.limit_in_bytes"


@pytest.mark.parametrize(
    ("listed", "limits", "expected"),
    [
        pytest.param("0::/\n", {}, 2 * GIB, id="no groups: two gibibytes of sixteen"),
        pytest.param("0::/\n", {V2: "max"}, 2 * GIB, id="a group without a limit"),
        pytest.param("0::/\n", {V2: str(2 * GIB)}, GIB, id="a container"),
        pytest.param("0::/a/b\n", {f"a__b__{V2}": "max", f"a__{V2}": str(GIB)}, GIB // 2, id="a group above"),
        pytest.param("9:pids:/x\n7:cpu,memory:/x\n", {f"memory__x__{V1}": str(3 * GIB)}, 3 * GIB // 2, id="version 1"),
        pytest.param(
            "7:memory:/of/the/host\n",
            {f"memory__{V1}": str(2 * GIB)},
            GIB,
            id="a container that sees its own root alone",
        ),
        pytest.param("7:memory:/\n", {f"memory__{V1}": "9223372036854771712"}, 2 * GIB, id="version 1 without a limit"),
        pytest.param("", {}, 2 * GIB, id="nothing said"),
    ],
)
def test_the_limit_is_half_of_what_the_group_has(
    tmp_path: Path, listed: str, limits: dict[str, str], expected: int
) -> None:
    """``memory_limit``: without one, half of what the machine or the control group has, and at most 2 GiB."""
    with groups(tmp_path, listed, **limits):
        assert Budget().limit == expected


def test_a_limit_that_was_given_counts() -> None:
    """``memory_limit``: what is asked for comes before what the machine has."""
    assert Budget(GIB).limit == GIB


def test_what_is_kept_is_counted() -> None:
    """``memory_limit``: values are kept as long as there is room for them, and for making them."""
    budget = Budget(GIB)
    assert budget.admits(200 << 20)
    budget.take(300 << 20)
    assert not budget.admits(200 << 20)
    budget.take(GIB)
    assert budget.left == 0
