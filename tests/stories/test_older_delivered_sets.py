"""Delivered sets that an older muster wrote, by sources, are read by the mapping of their last run (X12)."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.old_workspace import opened
from support.older_deliveries import ARCHIVE, HASHED, LOWER, MAPPINGS, WHO, configure, people
from support.shop import STATUS, Shop


@pytest.fixture
def old(tmp_path: Path) -> Shop:
    """The workspace as the older muster left it after two days."""
    return opened(tmp_path, ARCHIVE)


def sha(text: str) -> str:
    """The hash in a column with HASHED."""
    return hashlib.sha256(text.encode()).hexdigest()


def day_after(shop: Shop, **settings: dict[str, Any]) -> dict[str, list[str]]:
    """The rows that each destination is sent on the 22nd, with these settings in the place of its own."""
    configure(shop, MAPPINGS | settings)
    shop.profiles("2026-11-22", people("22"))
    shop.run("2026-11-22T06:00Z")
    files = {name: f"{name}/{name}_all_20261122T050000Z.csv" for name in MAPPINGS}
    return {name: shop.lines(file) for name, file in files.items()}


def test_unchanged_settings_send_nobody_again(old: Shop) -> None:
    """X3, X8, X12: only who left goes out, with what the older muster had sent, also where it was hashed or sanitized;
    c, whose address alone changed, does not.
    """
    assert day_after(old) == {
        "plain": ["b,=b@x.com,exited"],
        "hashed": [f"b,{sha('=b@x.com')},exited"],
        "unmapped": ["b,exited"],
        "ids": ["=b@x.com,B,exited"],
        "harmless": ["b,'=b@x.com,exited"],
    }
    for name in MAPPINGS:
        old.ok("reconcile", f"{name}/all", "--at", "2026-11-22T07:00Z")
    old.ok("state", "check")


def test_what_was_sent_belongs_to_the_target(old: Shop) -> None:
    """X12: where source, transforms, namespace, or sanitizing changed since the older muster's run, exits have what it
    sent, and members whose keys are written otherwise are sent anew, with an exit of the old.
    """
    found = day_after(
        old,
        plain={
            "mapping": ["profile_id", {"source": "contact", "target": "mail"}, STATUS],
            "deduplicate": ["contact"],
        },
        hashed={"mapping": ["profile_id", HASHED | {"transform": ["trim", "lower"]}, STATUS], "deduplicate": ["email"]},
        unmapped={"mapping": ["profile_id", {"source": "email", "mandatory": True}, STATUS], "deduplicate": ["email"]},
        ids={"mapping": [LOWER | {"transform": []}, WHO | {"transform": []}, STATUS]},
        harmless={"mapping": MAPPINGS["harmless"]["mapping"]},
    )
    assert found == {
        "plain": [
            *("a,A@x.com,exited", "a,a@y.com,realized", "b,=b@x.com,exited"),
            *("c,c@x.com,exited", "c,c@y.com,realized"),  # d's two addresses are one
        ],
        "hashed": [
            *(f"a,{sha('a@x.com')},exited", "a,a@x.com,realized", f"b,{sha('=b@x.com')},exited"),
            *(f"c,{sha('c@x.com')},exited", "c,new@x.com,realized"),
            *(f"d,{sha('d@x.com')},exited", "d,d@x.com,realized"),
        ],
        "unmapped": ["b,,exited"],  # the address was never in a file
        "ids": ["a@x.com,A,exited", "A@x.com,a,realized", "=b@x.com,B,exited"],
        "harmless": ["b,'=b@x.com,exited"],
    }


def test_older_runs_are_replayed(old: Shop, tmp_path: Path) -> None:
    """F3, X12: exits that an older muster recorded by sources come out with the bytes that were delivered."""
    for run in old.runs():
        replayed = old.ok("replay", run["run_id"], "--to", str(tmp_path / run["run_id"]))
        assert "the bytes that were delivered" in replayed.out


def test_what_no_run_records_is_taken_by_source(old: Shop) -> None:
    """X12: where the ledger has lost the record of the last run, the columns of today's mapping tell what can be known:
    nobody is sent again.
    """
    with closing(sqlite3.connect(old.root / ".muster/ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE runs SET recipe = NULL")
    assert day_after(old)["plain"] == ["b,=b@x.com,exited"]
