"""What is installed: one import name, `muster`, from a wheel, an sdist and a checkout, beside whatever a user has."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("activation", "cli", "runs", "sample_data", "schedules")


@dataclass(frozen=True)
class Place:
    """A virtual environment with muster in it, which borrows from this one what muster needs."""

    folder: Path

    @property
    def packages(self) -> Path:
        """Where packages are installed."""
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))

    def run(self, *command: str, at: Path, code: int = 0, path: str = "") -> str:
        """What a program of the environment prints, started in a folder, with a `PYTHONPATH`."""
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.folder / "bin" / command[0]), *command[1:]],
            cwd=at,
            env=variables | ({"PYTHONPATH": path} if path else {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def python(self, program: str, at: Path, *arguments: str) -> str:
        """What a program in Python prints."""
        return self.run("python", "-c", program, *arguments, at=at)


def place(folder: Path, *installed: str) -> Place:
    """A new environment: nothing is fetched, and the checkout that this one has is not seen."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=300)
    made = Place(folder)
    (made.packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-qq", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", *installed], check=True, timeout=300, cwd=folder)
    return made


def build(source: Path, into: Path, *kinds: str) -> list[Path]:
    """The archives that hatchling makes of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", into, *(f"--target={kind}" for kind in kinds)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=300)
    return sorted(into.iterdir())


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel of the checkout."""
    wheel, sdist = sorted(build(ROOT, tmp_path_factory.mktemp("dist"), "sdist", "wheel"), key=lambda path: path.suffix)[
        ::-1
    ]
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An environment with the wheel."""
    return place(tmp_path_factory.mktemp("installed") / "venv", str(archives[1]))


def content(wheel: Path) -> dict[str, int]:
    """The files of a wheel, with their checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist()}


def test_the_wheel_holds_each_module_once(archives: tuple[Path, Path]) -> None:
    """A wheel holds `muster` and what is said about it, every file of the folders of the checkout, and nothing else."""
    files = content(archives[1])
    assert {name.split("/")[0] for name in files} == {"muster", "muster_activation-0.1.0.dist-info"}
    assert "muster/py.typed" in files
    expected = {
        f"muster/{path.relative_to(ROOT)}"
        for folder in SHORT
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in files if name.startswith("muster/")} == expected | {
        "muster/__init__.py",
        "muster/py.typed",
    }


def test_an_sdist_makes_the_same_wheel(archives: tuple[Path, Path], tmp_path: Path) -> None:
    """A wheel that is built from the sdist has the files of the one that is built from the checkout, to the byte."""
    with tarfile.open(archives[0]) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    (wheel,) = build(source, tmp_path / "dist", "wheel")
    assert content(wheel) == content(archives[1])


def test_a_strangers_modules_do_no_harm(installed: Place, tmp_path: Path) -> None:
    """With a user's own `cli.py` and the like first on `PYTHONPATH`, commands work and never meet them."""
    strange = tmp_path / "strange"
    strange.mkdir()
    for name in SHORT:
        (strange / f"{name}.py").write_text("raise SystemExit('a stranger was imported')\n")
    assert installed.run("muster", "--version", at=tmp_path, path=str(strange)).startswith("muster 0.1.0")
    installed.run("muster", "init", "shop", at=tmp_path, path=str(strange))
    ran = installed.run("muster", "-C", "shop", "run", "--at", "2026-11-20T05:00", at=tmp_path, path=str(strange))
    assert "succeeded" in ran
    assert "stranger" in installed.run("python", "-c", "import cli", at=tmp_path, path=str(strange), code=1)


NAMES = """
import importlib.util, json, pathlib, pkgutil, sys
import muster
modules = ["muster", *(each.name for each in pkgutil.walk_packages(muster.__path__, "muster."))]
files = {name: str(pathlib.Path(importlib.util.find_spec(name).origin).resolve()) for name in modules}
short = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"files": files, "short": short}))
"""


def test_nothing_has_two_names(installed: Place, tmp_path: Path) -> None:
    """Where muster is installed, each of its files is one module below `muster`, and no short name leads to any."""
    found = json.loads(installed.python(NAMES, tmp_path, *SHORT))
    assert found["short"] == []
    assert len(found["files"]) > 200
    assert len(set(found["files"].values())) == len(found["files"])
    assert all(Path(path).is_relative_to(installed.packages.resolve()) for path in found["files"].values())


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    """`pip install --editable` installs a path to the checkout and the command, and no copy of any folder."""
    editable = place(tmp_path / "venv", "--editable", str(ROOT))
    assert {path.name for path in editable.packages.iterdir()} == {
        "_muster_activation.pth",
        "borrowed.pth",
        "muster_activation-0.1.0.dist-info",
    }
    assert editable.run("muster", "--version", at=tmp_path).startswith("muster 0.1.0")
    origin = editable.python("import muster.cli.main as main; print(main.__file__)", tmp_path).strip()
    assert Path(origin).resolve() == ROOT / "cli/main.py"


def test_types_reach_those_who_import(installed: Place, tmp_path: Path) -> None:
    """mypy checks what a program does with muster by muster's own annotations: py.typed is installed."""
    program = "from datetime import UTC, datetime\nfrom muster.activation.instants import iso\n\niso({})\n"
    (tmp_path / "right.py").write_text(program.format("datetime.now(UTC)"))
    (tmp_path / "wrong.py").write_text(program.format("7"))
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache"]
    for name, expected in (("right", 0), ("wrong", 1)):
        done = subprocess.run(
            [*command, "--python-executable", installed.folder / "bin/python", tmp_path / f"{name}.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expected, done.stdout
        assert ("arg-type" in done.stdout) == bool(expected)
