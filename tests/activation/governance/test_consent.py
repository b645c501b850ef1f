"""Consent of everybody at once: one pass over the newest snapshot, a Boolean by number for each policy (G4, G5)."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, person

from muster.activation.comparison import compare
from muster.activation.errors import DataError, RefusedError
from muster.activation.export.left_out import left_out
from muster.activation.governance import consent
from muster.activation.redelivery.material import gather_material
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table
from muster.runs import open_workspace
from muster.runs.sessions import read

T = TypeVar("T")
LATER = datetime(2026, 11, 21, 5, tzinfo=UTC)


def shop_of(root: Path, **policies: str) -> Shop:
    """A shop with these consent policies, all of which apply to `crm`."""
    shop = Shop(root)
    for name, condition in policies.items():
        shop.write(f"policies/{name}.yml", {"actions": ["email_targeting"], "consent": condition})
    shop.audience("all", where="true")
    activations = [
        {"audience": "all", "id": each, "export": each, "schedule": {"at": "05:00"}} for each in ("full", "incremental")
    ]
    mapping = ["profile_id", STATUS]
    shop.destination("crm", mapping=mapping, activations=activations, marketing_actions=["email_targeting"])
    return shop


def people(*rows: tuple[str, Any, Any]) -> list[dict[str, Any]]:
    return [person(name, ok=ok, points=points) for name, ok, points in rows]


def within(shop: Shop, work: Callable[[Session], T]) -> T:
    """The result of work in a session of the shop on the second day."""
    return read(open_workspace(shop.root), LATER, work)


def let_through(session: Session) -> dict[str, list[str]]:
    """Whom each policy lets through to `crm`, by id of the policy."""
    activation = session.workspace.activation("crm/full")
    assert activation
    found = session.consent.let_through(activation)
    ids = session.opened.numbering.ids
    return {name: ids.head(len(each)).filter(each).to_list() for name, each in found.items()}


def test_policies_are_judged_once_in_one_pass(tmp_path: Path) -> None:
    """G4: two activations with three policies read the snapshot once, for all policies in use; a disabled one is none
    of them, and whoever is in no snapshot any more is let through by none.
    """
    shop = shop_of(tmp_path, ok="ok", rich="points > 1", alike="ok")
    shop.write("policies/off.yml", {"actions": ["email_targeting"], "consent": "nothing = 1", "enabled": False})
    shop.profiles("2026-11-20", people(("gone", True, 2), ("a", True, 2)))
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", people(("c", True, None), ("b", None, 2), ("a", True, 2)))
    with mock.patch.object(consent, "_judged", wraps=consent._judged) as judged:  # noqa: SLF001  # counts passes
        shop.run("2026-11-21T05:00Z")
    assert [[text for text, _ in call.args[0]] for call in judged.call_args_list] == [["ok", "points > 1"]]
    assert within(shop, let_through) == {"alike": ["a", "c"], "ok": ["a", "c"], "rich": ["a", "b"]}


def test_now_is_the_instant_of_the_export(tmp_path: Path) -> None:
    """G5, E2: ``now()`` in a policy is the instant of the export, in the workspace's zone, and timestamps are local."""
    shop = shop_of(tmp_path, until="until > now()")
    shop.set(timezone="Asia/Tokyo")
    rows = [person(name, until=datetime(2026, 11, 21, 5, minute, tzinfo=UTC)) for name, minute in (("a", 1), ("b", 0))]
    shop.profiles("2026-11-20", rows)
    assert within(shop, let_through) == {"until": ["a"]}


def test_a_snapshot_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """D2, G4: consent that belongs to other people than those who were found is refused."""
    shop = shop_of(tmp_path, ok="ok")
    shop.profiles("2026-11-20", people(("b", True, 1), ("a", False, 1)))

    def work(session: Session) -> None:
        _ = session.opened.roster
        shop.profiles("2026-11-20", people(("a", True, 1), ("c", True, 1)))
        let_through(session)

    with pytest.raises(DataError):
        within(shop, work)


def test_members_who_are_left_out_are_counted(tmp_path: Path) -> None:
    """G6: how many members each policy leaves out today; of who is gone, and of others, none counts."""
    shop = shop_of(tmp_path, ok="ok", rich="points > 1")
    shop.profiles("2026-11-20", people(("gone", False, 0), ("a", True, 2), ("b", False, 0), ("c", True, 0)))
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", people(("a", True, 2), ("b", False, 0), ("c", True, 0), ("later", False, 0)))

    def work(session: Session) -> dict[str, int]:
        activation = session.workspace.activation("crm/full")
        assert activation
        return left_out(activation, session)

    assert within(shop, work) == {"ok": 1, "rich": 2}


def test_who_is_unchanged_and_consents_is_not_looked_at(tmp_path: Path) -> None:
    """G4: consent switches no shortcut off: only who newly withdraws, or is news, is looked at one by one."""
    shop = shop_of(tmp_path, ok="ok")
    looked_at: list[int] = []

    def looking(others: pl.DataFrame, *arguments: Any, **options: Any) -> Any:
        looked_at.append(others.height)
        return original(others, *arguments, **options)

    original = compare._look_at  # noqa: SLF001  # counts people
    with mock.patch.object(compare, "_look_at", looking):
        for day, withdrew in (("2026-11-20", "d"), ("2026-11-21", "d"), ("2026-11-22", "cd")):
            shop.profiles(day, people(*((name, name not in withdrew, 1) for name in "abcd")))
            if day == "2026-11-20":
                shop.evaluate(f"{day}T02:00Z")
            shop.run(f"{day}T05:00Z")
    assert looked_at == [1], "c, who exits"
    assert shop.sent("crm/incremental") == ["c,exited"]
    assert [run["excluded_by"] for run in shop.runs("crm/incremental")] == [{"consent:ok": 1}] * 3


def test_what_is_wanted_as_recorded_is_made_all_the_same(tmp_path: Path) -> None:
    """G4: a replay for an audit reads the rows of then; any other is refused while somebody in it is left out."""
    shop = shop_of(tmp_path, ok="ok")
    shop.profiles("2026-11-20", people(("a", True, 1), ("b", True, 1)))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    run_id = shop.runs("crm/full")[-1]["run_id"]
    shop.profiles("2026-11-21", people(("a", True, 1), ("b", False, 1)))

    def work(session: Session) -> int:
        run = runs_table.get(session.ledger, run_id)
        assert run
        with pytest.raises(RefusedError, match="hold 1 profile that policy 'ok' leaves out today"):
            gather_material(run, session)
        return gather_material(run, session, as_recorded=True).rows.height

    assert within(shop, work) == 2
