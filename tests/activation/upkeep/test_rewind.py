"""Records that a rewind changes, looked at in the ledger itself (S8, E9)."""

import sqlite3
from contextlib import closing
from pathlib import Path

from support.shop import Shop, evaluated_shop

WRONG, OLDER, TO = "2062-01-01T05:00:00Z", "2061-01-01T05:00:00Z", "2026-11-21T04:00:00Z"


def ledger(shop: Shop) -> sqlite3.Connection:
    return sqlite3.connect(shop.root / ".muster/ledger.sqlite")


def failures_after_rewind(shop: Shop, *rows: tuple[str, str]) -> list[tuple[str, str, str]]:
    """The failures that are left of (audience, instant) after a rewind; the message is the instant of before."""
    with closing(ledger(shop)) as connection, connection:
        connection.executemany("INSERT INTO failures VALUES (?, ?, ?)", [(*row, row[1]) for row in rows])
    shop.ok("state", "rewind", "--to", TO)
    with closing(ledger(shop)) as connection:
        return list(connection.execute("SELECT * FROM failures ORDER BY audience, at"))


def test_the_newest_failure_becomes_one_of_the_instant(tmp_path: Path) -> None:
    """E9, S8: an audience that failed later than T is failed at T, with its newest reason; earlier failures stay."""
    before = "2026-11-20T01:00:00Z"
    found = failures_after_rewind(evaluated_shop(tmp_path), ("x", before), ("x", TO), ("x", OLDER), ("x", WRONG))
    assert found == [("x", before, before), ("x", TO, WRONG)]


def test_failures_that_an_evaluation_mended_do_not_come_back(tmp_path: Path) -> None:
    """E9, S8: where the audience's newest evaluation came after its failures, it is not failed at T."""
    shop = evaluated_shop(tmp_path)
    shop.evaluate(WRONG, "--no-exports")
    before = "2026-11-20T01:00:00Z"
    assert failures_after_rewind(shop, ("all", before), ("all", TO), ("all", OLDER)) == [("all", before, before)]


def test_a_failure_after_the_newest_evaluation_stays_one(tmp_path: Path) -> None:
    """E9, S8: where the audience failed after its newest evaluation, it is failed at T."""
    shop = evaluated_shop(tmp_path)
    shop.evaluate(OLDER, "--no-exports")
    assert failures_after_rewind(shop, ("all", WRONG)) == [("all", TO, WRONG)]


def test_pruned_evaluations_are_ones_of_before_the_instant(tmp_path: Path) -> None:
    """S8, E6: evaluations that were pruned after a wrong clock do not hide the one that became one of T."""
    shop = evaluated_shop(tmp_path)
    shop.set(retention={"evaluations": {"count": 1}})
    for year in ("2062", "2063", "2064", "2065"):
        shop.evaluate(f"{year}-01-01T05:00Z", "--no-exports")
    shop.ok("prune", "--at", WRONG)
    with closing(ledger(shop)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO pruned VALUES ('all', '2063-06-01T00:00:00Z')")
    shop.ok("state", "rewind", "--to", TO)
    assert shop.run("2026-11-21T05:00Z").err == ""
    assert shop.lines("crm/crm_all_20261121T050000Z.csv") == ["a,a@x.com,realized"]


def test_a_rewind_of_no_state_makes_none(tmp_path: Path) -> None:
    """S8: without a state there is nothing to rewind, and no state is made."""
    shop = Shop(tmp_path)
    assert shop.ok("state", "rewind", "--to", TO).out == f"nothing is later than {TO}: the state is as it was\n"
    assert not (tmp_path / ".muster").exists()
