"""Sizes as people write them, as an option and in muster.yml."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shop import Shop, invoke

from muster.activation.config.sizes import LEAST_MEMORY, parse_memory
from muster.cli.arguments import hoist
from muster.runs import open_workspace

UNITS = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
SHOWN = st.decimals(min_value=0, max_value=10**15, places=3, allow_nan=False)


@given(SHOWN, st.sampled_from(sorted(UNITS)), st.sampled_from(["", " "]), st.sampled_from([str, str.lower, str.upper]))
def test_a_size_is_its_number_times_its_unit(number: Decimal, unit: str, between: str, case: type[str]) -> None:
    """A number with or without a fraction, and a unit in any letter case, binary or decimal: whole bytes, never too
    few.
    """
    text, size = f"{number}{between}{case(unit)}", int(number * UNITS[unit])
    if size >= LEAST_MEMORY:
        assert parse_memory(text) == size
    else:
        with pytest.raises(ValueError, match="too little memory; expected at least 256MiB"):
            parse_memory(text)


@given(st.integers(min_value=LEAST_MEMORY, max_value=10**18 - 1))
def test_plain_bytes(size: int) -> None:
    """Without a unit a number is bytes."""
    assert parse_memory(f" {size} ") == size


@pytest.mark.parametrize(
    "text",
    ["", "GiB", "2G", "2Gi", "-2GiB", "+2GiB", "2,5GiB", "1e9", "2GiB GiB", "2  GiB", "0x10GiB", "٢GiB", "∞", "2.GiB"],
)
def test_what_is_no_size(text: str) -> None:
    """Units that can be read in two ways, signs and anything else are refused with examples."""
    with pytest.raises(ValueError, match="is not a size; expected one such as 2GiB or 500MB"):
        parse_memory(text)


def shop(root: Path, **settings: str | int) -> Shop:
    """A workspace without activations."""
    made = Shop(root, **settings)
    made.profiles("2026-11-20", [{"profile_id": "a"}])
    return made


def limit(root: Path, *options: str) -> int | None:
    """The limit of this workspace once it is open."""
    given_option = options[1] if options else None
    return open_workspace(root, memory_limit=given_option).config.memory_limit


def test_the_option_comes_before_the_key(tmp_path: Path) -> None:
    """No limit by default; the key of muster.yml, else; the option before it."""
    assert limit(shop(tmp_path / "none").root) is None
    root = shop(tmp_path / "some", memory_limit="1.5 GiB").root
    assert limit(root) == 3 << 29
    assert limit(root, "--memory-limit", "500MB") == 500_000_000
    assert limit(shop(tmp_path / "bytes", memory_limit=300_000_000).root) == 300_000_000


def test_the_option_stands_anywhere(tmp_path: Path) -> None:
    """`--memory-limit` is a global option: before or after the command, with a space or with `=`."""
    assert hoist(["run", "--memory-limit", "2GiB", "--at", "x"]) == ["--memory-limit", "2GiB", "run", "--at", "x"]
    root = str(shop(tmp_path / "shop").root)
    for words in (
        ["--memory-limit", "2GiB", "plan"],
        ["plan", "--memory-limit", "2GiB"],
        ["plan", "--memory-limit=2 GiB"],
    ):
        result = invoke("-C", root, *words, "--at", "2026-11-20T06:00Z")
        assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2G", "'2G' is not a size; expected one such as 2GiB or 500MB"),
        ("100MB", "'100MB' is too little memory; expected at least 256MiB"),
    ],
)
def test_mistakes_are_said_with_their_place(tmp_path: Path, text: str, reason: str) -> None:
    """SPEC 10: in muster.yml with file, line and key; as an option with its name; exit 2."""
    written = shop(tmp_path / "key", memory_limit=text)
    result = invoke("-C", str(written.root), "plan")
    assert (result.code, result.err) == (2, f"error: muster.yml:4: memory_limit: {reason}\n")
    result = invoke("-C", str(shop(tmp_path / "option").root), "plan", "--memory-limit", text)
    assert (result.code, result.err) == (2, f"error: option '--memory-limit': {reason}; see `muster --help`\n")
