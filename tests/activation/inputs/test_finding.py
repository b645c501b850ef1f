"""What a glob matches on this machine (D2): as Python's own, but for what is hidden and what cannot be read."""

from pathlib import Path

import pytest

from muster.activation.inputs.finding import matches

FILES = [
    "a/1.parquet",
    "a/2.PARQUET",
    "a/b/3.parquet",
    "a/b/c=x/4",
    "[d]/5.parquet",
    "e",
    ".f/6.parquet",
    "a/_7.parquet",
]
PATTERNS = [
    "*",
    "a/*",
    "*/*.parquet",
    "**/*.parquet",
    "**/*",
    "**/b/*",
    "**/**/?.parquet",
    "a/[12].*",
    "[[]d]/*",
    "*/b/c=*/4",
    "a/b/*/nothing",
    "nothing/*",
    "e/*",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_globs_match_as_pythons_own(pattern: str, tmp_path: Path) -> None:
    """D2: `*`, `?`, `[...]`, and `**` for any number of folders; each match once, sorted."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/again").symlink_to("..")
    names = (each for each in tmp_path.glob(pattern) if ".f" not in each.parts and not each.name.startswith("_"))
    assert matches(tmp_path / pattern, str(tmp_path / pattern)) == sorted(set(names))


def test_a_hidden_folder_that_is_named_is_looked_into(tmp_path: Path) -> None:
    """D2: a name that starts with `.` or `_` is looked at where the path itself has it."""
    (tmp_path / ".f").mkdir()
    (tmp_path / ".f/6.parquet").touch()
    assert matches(tmp_path / ".f/*", "") == [tmp_path / ".f/6.parquet"]
    assert matches(tmp_path / "*/6.parquet", "") == []
