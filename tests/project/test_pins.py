"""What make installs is pinned in requirements/: all of it, with hashes, and in agreement with pyproject.toml."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
PINNED = sorted(FOLDER.glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name != "bench"}
DEPENDENCIES = [Requirement(line) for line in PROJECT["dependencies"]]
DEVELOPED = [Requirement(line) for line in chain(PROJECT["dependencies"], *EXTRAS.values())]
BUILT = [Requirement(line) for line in (FOLDER / "build.in").read_text().splitlines() if not line.startswith("#")]


def pins(path: Path) -> dict[str, set[Requirement]]:
    """The requirements of a pinned file, by name: two of one name hold for different Pythons."""
    found: dict[str, set[Requirement]] = {}
    for line in path.read_text().replace("\\\n", "").splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line.partition("--hash")[0])
            found.setdefault(requirement.name, set()).add(requirement)
    return found


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_every_line_pins_one_release_by_its_hashes(path: Path) -> None:
    """A pinned file holds releases with their hashes alone: no range, no option, no address of a registry."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w.<>=!' ]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


@pytest.mark.parametrize(
    ("name", "asked"),
    [("dev", DEVELOPED + BUILT), ("oldest", DEVELOPED + BUILT), ("demo", DEPENDENCIES + BUILT)],
    ids=["dev", "oldest", "demo"],
)
def test_what_pyproject_asks_for_is_pinned(name: str, asked: list[Requirement]) -> None:
    """Whatever pyproject.toml and build.in ask for is pinned within its range; `make pins` repairs it."""
    pinned = pins(FOLDER / f"{name}.txt")
    for each in asked:
        found = pinned.get(canonicalize_name(each.name), set())
        assert found, f"{each.name} is not in {name}.txt"
        for pin in found:
            (version,) = pin.specifier
            assert each.specifier.contains(version.version, prereleases=True), f"{name}.txt: {pin}, expected {each}"


@pytest.mark.parametrize("name", ["demo", "bench"])
def test_one_venv_holds_them_all(name: str) -> None:
    """demo.txt and bench.txt pin no other release of a package than dev.txt does."""
    developed = pins(FOLDER / "dev.txt")
    assert {
        package: found
        for package, found in pins(FOLDER / f"{name}.txt").items()
        if package in developed and not found <= developed[package]
    } == {}


def test_the_oldest_pins_are_the_lower_bounds() -> None:
    """A lower bound of pyproject.toml is one that the tests run with: its release, or the first that followed it."""
    pinned = pins(FOLDER / "oldest.txt")
    for each in DEVELOPED:
        (lowest,) = (bound.version for bound in each.specifier if bound.operator == ">=")
        for pin in filter(_is_for_us, pinned[canonicalize_name(each.name)]):
            (version,) = pin.specifier
            assert f"{version.version}.".startswith(f"{lowest}."), f"{each}: the oldest that installs is {version}"


def _is_for_us(pin: Requirement) -> bool:
    """Whether a Python that muster supports installs a pin: another may need a later release of a package."""
    versions = [f"3.{minor}.0" for minor in (11, 12, 13)]
    return any(pin.marker is None or pin.marker.evaluate({"python_full_version": each}) for each in versions)


def test_what_builds_muster_is_pinned_too() -> None:
    """The build backend of pyproject.toml is the one of build.in: without build isolation nothing else is fetched."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(asked) <= {str(each) for each in BUILT}
    assert "--no-build-isolation" in (ROOT / "Makefile").read_text()
