"""SPEC 9: what `status` knows of activations that are switched off, and of inputs that grow old (D2)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop, at, person

from muster import runs
from muster.activation.model.workspace import Workspace
from muster.activation.state.ledger import evaluations_table
from muster.runs import OpenWorkspace
from muster.runs.sessions import lock


@pytest.fixture
def workspace(tmp_path: Path) -> OpenWorkspace:
    """An evaluated workspace, whose evaluation recorded that profiles were a day old, and events two hours."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm()
    shop.profiles("2026-11-20", [person("a")])
    shop.events([{"profile_id": "a", "timestamp": at("2026-11-20T00:00Z")}])
    shop.evaluate("2026-11-20T02:00Z")
    workspace = runs.open_workspace(tmp_path)
    with lock(workspace) as locked, locked.ledger.transaction():
        (found,) = evaluations_table.list_all(locked.ledger)
        aged = replace(found, inputs=found.inputs | {"ages": {"profiles": 86400, "events": 7200}})
        evaluations_table.put(locked.ledger, [aged], found.at)
    return workspace


def changed(workspace: OpenWorkspace, change: Callable[[Workspace], Workspace]) -> OpenWorkspace:
    """The workspace with another config."""
    return replace(workspace, as_written=change(workspace.as_written))


def limited(**limits: timedelta) -> Callable[[Workspace], Workspace]:
    """A change of config that limits the ages of inputs."""

    def change(config: Workspace) -> Workspace:
        sources: dict[str, Any] = {
            name: replace(getattr(config, name), max_age=limit) for name, limit in limits.items()
        }
        return replace(config, **sources)

    return change


def test_inputs_grow_older_after_the_evaluation(workspace: OpenWorkspace) -> None:
    """An input is as old as it was at the newest evaluation, and the time since; at exactly ``max_age`` it is fresh."""
    limits = limited(profiles=timedelta(hours=30), events=timedelta(hours=5))
    for moment, stale in (
        ("04:00", set()),
        ("05:00", set()),
        ("05:00:01", {"events"}),
        ("08:00:01", {"profiles", "events"}),
    ):
        found = runs.status(changed(workspace, limits), now=at(f"2026-11-20T{moment}Z"))
        assert {each.kind for each in found.evaluation.inputs if each.is_stale} == stale
    assert [each.age for each in found.evaluation.inputs] == [
        timedelta(hours=30, seconds=1),
        timedelta(hours=8, seconds=1),
    ]
    assert not found.is_sound


def test_without_a_limit_nothing_is_stale(workspace: OpenWorkspace) -> None:
    """Ages are told, but nothing is stale without ``max_age``."""
    found = runs.status(workspace, now=at("2027-11-20T04:00Z"))
    assert len(found.evaluation.inputs) == 2
    assert not any(each.is_stale for each in found.evaluation.inputs)


def test_a_disabled_activation_is_neither_late_nor_next(workspace: OpenWorkspace) -> None:
    """``enabled: false``: the activation is shown as disabled, and has no next slot."""

    def switched_off(config: Workspace) -> Workspace:
        return replace(config, activations=tuple(replace(each, enabled=False) for each in config.activations))

    (found,) = runs.status(changed(workspace, switched_off), now=at("2026-11-20T06:00Z")).activations
    assert (found.state, found.next) == ("disabled", None)
