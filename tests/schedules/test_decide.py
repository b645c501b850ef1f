"""Decisions to run activations that send messages (S4, V1, V11)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from muster.activation.errors import RefusedError
from muster.activation.model.exports import Export, Sending, Superseded
from muster.activation.model.messages import MappedAudience, MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, Schedule, Trigger, Workspace
from muster.schedules import decide
from muster.schedules.due import History, observe

ZONE = ZoneInfo("UTC")


def utc(text: str) -> datetime:
    """``21T17:00`` is that time of November 2026."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


@dataclass
class Past:
    """What happened before."""

    results: History = field(default_factory=History)
    evaluated: dict[str, list[str]] = field(default_factory=dict)  # by audience

    def history(self, activation: AnyActivation) -> History:  # noqa: ARG002  # as a protocol has them, here and below
        return self.results

    def evaluations(self, audience: str, since: datetime) -> Sequence[datetime]:  # noqa: ARG002
        return [utc(each) for each in self.evaluated.get(audience, [])]

    def counter(self, activation: AnyActivation, trigger: Trigger, slot: datetime) -> int:  # noqa: ARG002
        return 0


def sends(kind: Any, id_: str = "readers", **changed: Any) -> MessageActivation:
    """An activation that sends messages about two audiences."""
    audiences = (MappedAudience("one", "One"), MappedAudience("two", "Two"))
    given = {"id": id_, "destination": "crm", "destination_name": "CRM", "mapping": (), "kind": "http"}
    return MessageActivation(**(given | {"audiences": audiences, "schedule": Schedule(kind, ZONE)} | changed))


def exports(id_: str) -> Activation:
    """An activation that exports files after each evaluation."""
    schedule = Schedule("after_evaluation", ZONE)
    return Activation(
        id=id_,
        destination="files",
        destination_name="Files",
        audience="one",
        export="full",
        schedule=schedule,
        url="exports",
        format="csv",
        mapping=(),
    )


def situation(past: Past, at: str, *activations: MessageActivation, files: Sequence[Activation] = ()) -> Any:
    """The situation of a command, with activations that earlier commands have seen."""
    workspace = Workspace(
        **dict.fromkeys(("root", "profiles", "state"), mock.sentinel.unused),
        name="shop",
        zone=ZONE,
        audiences={},
        activations=tuple(files),
        destinations={},
        message_activations=activations,
    )
    return decide.Situation(workspace, observe({}, workspace.all_activations, utc("20T00:00")), past, utc(at))


def test_a_slot_for_each_instant_of_evaluation() -> None:
    """V1, S4: any mapped audience that was evaluated makes a slot, one for each instant."""
    past = Past(evaluated={"one": ["20T02:00", "21T02:00"], "two": ["20T02:00", "20T14:00"], "other": ["21T04:00"]})
    activation = sends("after_evaluation")
    [found] = decide.after_evaluation(situation(past, "21T09:00", activation))
    assert found == Sending(
        activation, "after_evaluation", utc("21T02:00"), "shop", superseded=Superseded(2, utc("20T14:00"))
    )


def test_each_run_is_asked_for_with_slots_of_the_clock_and_alone() -> None:
    """V1: `each_run` is scheduled; `evaluate` asks for it, and not for times of the day."""
    clock = sends("at", "clock", schedule=Schedule("every", ZONE, hours=12))
    found = situation(Past(), "21T09:00", sends("each_run"), clock)
    assert [(each.key, each.scheduled) for each in decide.scheduled(found)] == [
        ("crm/readers", utc("21T09:00")),
        ("crm/clock", utc("21T00:00")),
    ]
    assert [each.key for each in decide.each_run(found)] == ["crm/readers"]


def test_both_kinds_in_the_order_of_destinations() -> None:
    """S4: exports and sendings are decided alike; the kind of the activation says which it is."""
    past = Past(evaluated={"one": ["21T02:00"]})
    found = decide.after_evaluation(
        situation(past, "21T09:00", sends("after_evaluation"), files=[exports("a"), exports("b")])
    )
    assert [(type(each), each.key) for each in found] == [
        (Sending, "crm/readers"),
        (Export, "files/a"),
        (Export, "files/b"),
    ]


def test_a_disabled_one_is_never_due() -> None:
    """SPEC 2: ``enabled: false`` switches messages off, too."""
    assert not decide.scheduled(situation(Past(), "21T09:00", sends("each_run", enabled=False)))


def test_on_demand_sends_everybody() -> None:
    """V11: a request for messages is a full run, whatever the schedule; a window and ``enabled: false`` refuse it."""
    activation = sends("each_run")
    asked = situation(Past(), "21T09:00", activation).workspace
    [found] = decide.on_demand(asked, ["crm/readers"], utc("21T09:00"), lambda _: 3)
    assert isinstance(found, Sending)
    assert (found.is_resync, found.mode, found.counter) == (True, "full", 3)
    ended = sends("each_run", schedule=Schedule("each_run", ZONE, end=utc("21T00:00")))
    for refused in (ended, sends("each_run", enabled=False)):
        with pytest.raises(RefusedError, match="nothing was sent"):
            decide.on_demand(
                situation(Past(), "21T09:00", refused).workspace, ["crm/readers"], utc("21T09:00"), lambda _: 0
            )
    with pytest.raises(RefusedError, match="did you mean 'crm/readers'"):
        decide.on_demand(asked, ["crm/reader"], utc("21T09:00"), lambda _: 0)
