"""Builds of profiles put into a state by hand, for tests of what looks after their files (P10)."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime

import polars as pl
from support.shop import Shop

from muster.activation.model.history import Build
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger import baselines_table, builds_table, evaluations_table
from muster.activation.state.ledger.database import Ledger

KINDS = ("aliases", "ids")


@contextmanager
def ledger_of(shop: Shop) -> Iterator[Ledger]:
    """The ledger, to look into and to change."""
    with closing(Ledger.open(shop.root / ".muster/ledger.sqlite", writing=True)) as ledger:
        yield ledger


def build(shop: Shop, number: int, at: str, policy: str = "default") -> Build:
    """Record a build of an instant, with a view and a graph that say which build they are of."""
    state, instant = State(shop.root / ".muster", 0o600), datetime.fromisoformat(at)
    with ledger_of(shop) as ledger:
        before = builds_table.list_all(ledger, policy)
        name = state_paths.build_name(instant, {state_paths.build_in(f.path)[1] for each in before for f in each.files})
        frame = pl.DataFrame({"profile_id": [f"{policy}-{number}"]})
        view = state.write(frame, state_paths.view_file(policy, name))
        graph = {kind: state.write(frame, state_paths.graph_file(policy, name, kind)) for kind in KINDS}
        made = Build(policy, number, instant, f"inputs of {number}", (view,), graph, {"profiles": 1})
        with ledger.transaction():
            builds_table.put(ledger, made)
    return made


def builds(shop: Shop, policy: str = "default") -> dict[int, tuple[str, bool, bool]]:
    """The builds of a policy by number: the instant, and whether it has a view and a graph."""
    with ledger_of(shop) as ledger:
        found = builds_table.list_all(ledger, policy)
    return {each.number: (f"{each.at:%d %H}", each.view is not None, each.graph is not None) for each in found}


def files(shop: Shop) -> list[str]:
    """The files of builds in the state."""
    return [name for name in sorted(shop.tree(".muster")) if name.split("/")[1] in state_paths.OF_BUILDS]


def use(shop: Shop, audience: str, number: int, policy: str = "default") -> None:
    """Let the newest evaluation of an audience have judged the profiles of a build."""
    with ledger_of(shop) as ledger:
        evaluation = evaluations_table.newest(ledger, audience)
        assert evaluation
        record = evaluation.inputs | {"build": {"policy": policy, "number": number}}
        with ledger.transaction():
            evaluations_table.put(ledger, [replace(evaluation, inputs=record)], evaluation.at)


def deliver(shop: Shop, key: str, number: int, policy: str = "default") -> None:
    """Let a delivered set have the ids of a build."""
    with ledger_of(shop) as ledger:
        baseline = baselines_table.get(ledger, *key.split("/"))
        assert baseline
        with ledger.transaction():
            baselines_table.put(ledger, replace(baseline, policy=policy, build=number))
