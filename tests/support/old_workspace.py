"""A workspace that an older muster worked with for two days: how it was made, and how it is opened.

`tests/golden/workspace-e2364f4.tar.gz` holds what the commit e2364f4 left, the last one before the code moved into
packages, `workspace-c1c7e5c.tar.gz` what c1c7e5c left, the last one that numbered profiles anew each night,
`workspace-59003d7.tar.gz` what 59003d7 left, the last one of schema 6, `workspace-1a9d801.tar.gz` what 1a9d801 left,
the last one of schema 7, and `workspace-8c37198.tar.gz` what 8c37198 left, the last one of schema 8. They are never
made again with newer code. They were made so, with that commit in a folder of its own (`cli.main` was the module of the
first two):

    git archive e2364f4 | tar -x -C /tmp/old
    PYTHONPATH=.:tests python -m support.old_workspace /tmp/old tests/golden/workspace-e2364f4.tar.gz
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml
from support.shop import STATUS, Shop

ARCHIVES = [Path(__file__).parents[1] / f"golden/workspace-{commit}.tar.gz" for commit in ("e2364f4", "c1c7e5c")]
SCHEMA_6 = Path(__file__).parents[1] / "golden/workspace-59003d7.tar.gz"  # the last one before people were forgotten
SCHEMA_7 = Path(__file__).parents[1] / "golden/workspace-1a9d801.tar.gz"  # the last one before profiles from sources
SCHEMA_8 = Path(__file__).parents[1] / "golden/workspace-8c37198.tar.gz"  # the last one before destinations of messages
IN_THE_WAY = "out/lake/lake_listed_20261121T060000Z.parquet"
# Who has which e-mail address and is a VIP, day by day. On the 21st b is none any more, e has an address at last, and f
# comes with that of c. On the 22nd the profile of a is deleted, b is a VIP again, c has another address and e none.
# On the 23rd g comes.
PEOPLE: dict[str, list[tuple[str, str | None, bool]]] = {
    "20": [
        *(("a", "a@x.com", True), ("b", "b@x.com", True), ("c", "c@x.com", True), ("d", "d@x.com", False)),
        *(("e", None, True),),
    ],
    "21": [
        *(("a", "a@x.com", True), ("b", "b@x.com", False), ("c", "c@x.com", True), ("d", "d@x.com", False)),
        *(("e", "e@x.com", True), ("f", "c@x.com", True)),
    ],
    "22": [
        *(("b", "b@x.com", True), ("c", "c2@x.com", True), ("d", "d@x.com", False), ("e", None, True)),
        *(("f", "c@x.com", True),),
    ],
    "23": [
        *(("b", "b@x.com", True), ("c", "c2@x.com", True), ("d", "d@x.com", False), ("e", None, True)),
        *(("f", "c@x.com", True), ("g", "g@x.com", True)),
    ],
}
# Who came to the list and left it before an evaluation of that day.
FEED = {
    "20": [("listed", "a", "realized", "2026-11-20T01:00Z"), ("listed", "b", "realized", "2026-11-20T01:00Z")],
    "21": [("listed", "b", "exited", "2026-11-21T01:00Z"), ("listed", "c", "realized", "2026-11-21T01:00Z")],
    "22": [("listed", "d", "realized", "2026-11-22T01:00Z")],
    "23": [("listed", "a", "exited", "2026-11-23T01:00Z")],
}
KILLED = 137
# A command that is killed when its first file is to appear.
KILLED_COMMAND = """
import os, sys
sys.addaudithook(lambda event, _: os._exit(137) if event == "os.link" else None)
from {main} import main
main()
"""


def furnish(root: Path) -> Shop:
    """The config, without any data: a CRM and a data lake, with an activation of each kind."""
    shop = Shop(
        root, workspace="old", evaluation={"schedule": {"at": "02:00"}}, memberships={"path": "data/memberships"}
    )
    shop.audience("vip", where="vip")
    shop.audience("listed", source="memberships")
    shop.destination(
        "crm",
        mapping=["profile_id", {"source": "email", "mandatory": True}, STATUS],
        deduplicate=["email"],
        activations=[
            {"audience": "vip", "export": "incremental", "schedule": {"at": "05:00"}},
            {
                "audience": "vip",
                "id": "everybody",
                "export": "full",
                "schedule": {"at": "05:00"},
                "file_name": "all the VIPs",
                "format": "json",
            },
            {"audience": "vip", "id": "now", "schedule": "on_demand"},
        ],
    )
    shop.destination(
        "lake",
        format="parquet",
        mapping=["profile_id", STATUS],
        activations=[{"audience": "listed", "export": "incremental", "schedule": "after_evaluation"}],
    )
    return shop


def day(shop: Shop, number: str, muster: Callable[..., int]) -> None:
    """One day: the inputs come, cron runs ``muster`` in the morning, and somebody asks for everybody at seven.

    On the 21st a stranger's file stands where a file of the lake must go, so that its run fails; it is taken away on
    the 22nd. The request of the 21st is killed when it delivers, and is to be finished by the next command.

    ``muster`` takes the arguments of a command, and whether to kill it; it returns the exit code.
    """
    rows = [{"profile_id": name, "email": email, "vip": vip} for name, email, vip in PEOPLE[number]]
    shop.profiles(f"2026-11-{number}", rows)
    shop.feed(FEED[number], name=f"2026-11-{number}")
    in_the_way = shop.root / IN_THE_WAY
    if number == "21":
        in_the_way.write_text("a stranger's\n")
    else:
        in_the_way.unlink(missing_ok=True)
    assert muster("run", "--at", f"2026-11-{number}T06:00Z") == (1 if number == "21" else 0)
    asked = ("export", "crm/now", "--at", f"2026-11-{number}T07:00Z")
    assert muster(*asked, killed=number == "21") == (KILLED if number == "21" else 0)


def process(checkout: Path, main: str, shop: Shop) -> Callable[..., int]:
    """What runs a command of a checkout in a process of its own; ``main`` is the module of its command."""

    def muster(*arguments: str, killed: bool = False) -> int:
        program = KILLED_COMMAND.format(main=main) if killed else f"from {main} import main; main()"
        command = [sys.executable, "-c", program, "-C", str(shop.root), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        return subprocess.run(command, env=environment, cwd=checkout, capture_output=True, check=False).returncode

    return muster


def opened(folder: Path, archive: Path) -> Shop:
    """The workspace of an archive: after two days with an older muster."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    shop = Shop.__new__(Shop)
    shop.root = folder / "old"
    shop.settings = yaml.safe_load((shop.root / "muster.yml").read_text())
    return shop


def _make(checkout: Path, archive: Path) -> None:
    """Let an older checkout work for two days, and keep what it left."""
    with tempfile.TemporaryDirectory() as folder:
        shop = furnish(Path(folder) / "old")
        for number in ("20", "21"):
            day(shop, number, process(checkout, "muster.cli.main", shop))
        with tarfile.open(archive, "w:gz") as made:
            made.add(shop.root, "old", filter=nobodys)


def nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the name of who made it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    _make(Path(sys.argv[1]), Path(sys.argv[2]))
