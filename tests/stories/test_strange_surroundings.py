"""Strange files and surroundings (SPEC 10): pipes and devices as YAML, low limits, missing folders and variables."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.shop import Shop, evaluated_shop

ROOT = Path(__file__).parents[2]
NAMES = ["muster.yml", "audiences/odd.yml", "destinations/odd.yml"]


def under(shop: Shop, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`muster` as a process that a shell starts: ``$@`` in the script is the command."""
    command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), *arguments]
    return subprocess.run(
        ["bash", "-c", script, "bash", *command], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def pipe(path: Path) -> None:
    """A named pipe that nobody writes to."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """A link to a device without end."""
    path.symlink_to("/dev/zero")


def listener(path: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as each:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        try:
            each.bind(path.name)
        finally:
            os.chdir(here)


def large(path: Path) -> None:
    """A file of a byte too much."""
    path.write_bytes(b"#" * 10_000_001)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (pipe, "is a pipe; expected a YAML file"),
        (device, "is a device; expected a YAML file"),
        (listener, "is a socket; expected a YAML file"),
        (large, "has 10.0 MB; expected a YAML file of at most 10 MB"),
    ],
)
def test_yaml_that_is_no_file_is_refused_at_once(tmp_path: Path, name: str, make: object, words: str) -> None:
    """10: a pipe, a device, a socket or a file over 10 MB is refused by name, and nothing waits for it."""
    shop = evaluated_shop(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    assert callable(make)
    make(tmp_path / name)
    refused = under(shop, 'timeout 60 "$@"', "validate")
    assert refused.returncode == 2
    assert refused.stderr == f"error: {name}: cannot be read: {words}\n"


def test_yaml_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    """10: 10 MB exactly are not over 10 MB."""
    shop = evaluated_shop(tmp_path)
    text = (tmp_path / "muster.yml").read_bytes()
    (tmp_path / "muster.yml").write_bytes(text + b"#" * (10_000_000 - len(text)))
    shop.ok("runs", "list")


@pytest.mark.parametrize("limit", ["-v 300000", "-v 600000", "-v 1000000", "-d 100000", "-n 20"])
def test_low_limits_are_named(tmp_path: Path, limit: str) -> None:
    """10: a limit under which muster cannot work is told with what is needed: no fault of muster, no damaged file."""
    shop = evaluated_shop(tmp_path)
    refused = under(shop, f'ulimit {limit}; exec "$@"', "run", "--at", "2026-11-20T06:00Z")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert f"(ulimit {limit})" in refused.stderr
    assert "muster needs at least" in refused.stderr
    assert not shop.files()
    assert under(shop, '"$@"', "run", "--at", "2026-11-20T06:00Z").returncode == 0


@pytest.mark.parametrize("limit", [80_000, 100_000])
def test_memory_that_ends_before_anything_is_loaded_is_named(tmp_path: Path, limit: int) -> None:
    """10: where not even muster's own modules fit, one message names the memory."""
    shop = evaluated_shop(tmp_path)
    refused = under(shop, f'ulimit -v {limit}; exec "$@"', "run", "--at", "2026-11-20T06:00Z")
    assert refused.returncode in {1, 2}
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert "ulimit -v" in refused.stderr


@pytest.mark.parametrize(
    "script",
    [
        'env -u HOME "$@"',
        'LANG=C LC_ALL=C "$@"',
        'TMPDIR=/nonexistent "$@"',
        '"$@" <&-',
        'ulimit -n 64; "$@"',
        'env -i "$@"',
        'ulimit -v 2000000; "$@"',
    ],
)
def test_strange_surroundings_do_not_matter(tmp_path: Path, script: str) -> None:
    """9: a command does its work without a home, a locale, a temporary folder, standard input, or many open files."""
    shop = evaluated_shop(tmp_path)
    done = under(shop, script, "run", "--at", "2026-11-20T06:00Z")
    assert (done.returncode, done.stderr) == (0, "")
    assert shop.sent("crm/all") == ["a,a@x.com,realized"]


@pytest.mark.parametrize(
    "setting",
    [
        "POLARS_MAX_THREADS=0",
        "POLARS_ROW_GROUP_PREFETCH_SIZE=0",
        "POLARS_DEFAULT_LINEARIZER_BUFFER_SIZE=0",
        "POLARS_ENGINE_AFFINITY=gpu",
    ],
)
def test_variables_with_which_polars_fails_are_named(tmp_path: Path, setting: str) -> None:
    """10: a variable with which every file looks damaged, or nothing ends, is told by its name."""
    shop = evaluated_shop(tmp_path)
    refused = under(shop, f'{setting} timeout 60 "$@"', "run", "--at", "2026-11-20T06:00Z")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: the environment variable {setting.partition('=')[0]} is ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ['PYTHONWARNINGS=error "$@"', 'PYTHONDEVMODE=1 "$@"'])
def test_pythons_own_warnings_find_nothing(tmp_path: Path, script: str) -> None:
    """10: no traceback, also where Python tells of whatever was left open."""
    shop = evaluated_shop(tmp_path)
    done = under(shop, script, "runs", "list")
    assert (done.returncode, done.stderr) == (0, "")
