"""A workspace whose delivered sets an older muster wrote, by sources: how it was made, and how it is opened.

`tests/golden/workspace-2855ace.tar.gz` holds what the commit 2855ace left after two days, the last one that named the
columns of delivered sets by sources. It is never made again with newer code. It was made so, with that commit in a
folder of its own:

    git archive 2855ace | tar -x -C /tmp/old
    PYTHONPATH=.:tests python -m support.older_deliveries /tmp/old tests/golden/workspace-2855ace.tar.gz
"""

import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.old_workspace import nobodys, process
from support.shop import STATUS, Shop, identities

ARCHIVE = Path(__file__).parents[1] / "golden/workspace-2855ace.tar.gz"
HASHED = {"source": "email", "target": "mail", "transform": ["trim", "lower", "sha256"]}
LOWER = {"source": "identity_map.Email", "target": "mail", "transform": ["lower"]}
WHO = {"source": "profile_id", "target": "who", "transform": ["upper"]}
# The settings of each destination; each has one activation, ``all``.
MAPPINGS: dict[str, dict[str, Any]] = {
    "plain": {"mapping": ["profile_id", {"source": "email", "target": "mail"}, STATUS], "deduplicate": ["email"]},
    "hashed": {"mapping": ["profile_id", HASHED, STATUS], "deduplicate": ["email"]},
    "unmapped": {"mapping": ["profile_id", STATUS], "deduplicate": ["email"]},
    "ids": {"mapping": [LOWER, WHO, STATUS]},
    "harmless": {
        "mapping": ["profile_id", {"source": "email", "target": "mail", "mandatory": True}, STATUS],
        "csv": {"sanitize_formulas": True},
    },
}
# By day: e-mail, another address. On the 21st d comes and e leaves; on the 22nd b leaves, and c has another address.
PEOPLE: dict[str, dict[str, tuple[str, str]]] = {
    "20": {"a": ("A@x.com", "a@y.com"), "b": ("=b@x.com", "b@y.com"), "c": ("c@x.com", "c@y.com"), "e": ("-e", "e")},
    "21": {
        "a": ("A@x.com", "a@y.com"),
        "b": ("=b@x.com", "b@y.com"),
        "c": ("c@x.com", "c@y.com"),
        "d": ("d@x.com", "d@x.com"),
    },
    "22": {"a": ("A@x.com", "a@y.com"), "c": ("new@x.com", "c@y.com"), "d": ("d@x.com", "d@x.com")},
}


def configure(shop: Shop, mappings: Mapping[str, dict[str, Any]] = MAPPINGS) -> None:
    """Write the destinations."""
    for name, settings in mappings.items():
        entry = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
        shop.destination(name, activations=[entry], **settings)


def furnish(root: Path) -> Shop:
    """The config, without any data."""
    shop = Shop(root, workspace="old", evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="true")
    configure(shop)
    return shop


def people(day: str) -> list[dict[str, Any]]:
    """The profiles of a day. Identities stay as they were on the first day."""
    first = {name: mail for each in PEOPLE.values() for name, (mail, _) in reversed(each.items())}
    first["c"] = "c@x.com"
    return [
        {"profile_id": name, "email": mail, "contact": contact, "identity_map": identities(Email=[first[name]])}
        for name, (mail, contact) in PEOPLE[day].items()
    ]


def _make(checkout: Path, archive: Path) -> None:
    """Let an older checkout work for two days, and keep what it left."""
    with tempfile.TemporaryDirectory() as folder:
        shop = furnish(Path(folder) / "old")
        muster = process(checkout, "muster.cli.main", shop)
        for day in ("20", "21"):
            shop.profiles(f"2026-11-{day}", people(day))
            assert muster("run", "--at", f"2026-11-{day}T06:00Z") == 0
        with tarfile.open(archive, "w:gz") as made:
            made.add(shop.root, "old", filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without the name of who made it, and without the cached config, which holds for one folder alone."""
    return None if member.name.endswith("config.checked") else nobodys(member)


if __name__ == "__main__":
    _make(Path(sys.argv[1]), Path(sys.argv[2]))
