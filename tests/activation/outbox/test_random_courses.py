"""Random outboxes, receivers and kills: nobody is lost, only the bad are refused, order is kept (V8 to V10)."""

from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.outboxes import (
    OK,
    FakeClock,
    FakeEndpoint,
    Killed,
    Planned,
    persons_in,
    reopened,
    told,
    written,
)
from support.random_histories import MORE
from support.shop import quick_folder

from muster.activation.endpoints.protocol import Answer, Meaning, Outgoing
from muster.activation.outbox import answer_log
from muster.activation.outbox.outcomes import Outcomes
from muster.activation.outbox.pace import Pace
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.settle import settle

PASSING: tuple[Meaning, ...] = ("throttled", "failing", "lost", "unsent")


@dataclass
class World:
    """A receiver that refuses some, fails at times, and ends the process at times."""

    bad: frozenset[int]
    is_by_position: bool
    is_stream: bool
    script: list[str]  # what the next tries meet: a meaning, ``kill`` or ``again``; then all is well
    arrived: list[Outgoing] = field(default_factory=list)  # taken
    answered: set[str] = field(default_factory=set)  # ids whose answer the sender has
    known: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)

    def rule(self, outgoing: Outgoing, _: int) -> Answer:
        """Take a request, or not."""
        assert outgoing.id not in self.answered, "an answered request was sent again"
        if not outgoing.records:
            same = self.known.setdefault(outgoing.id, (outgoing.key, outgoing.body, len(outgoing.records)))
            assert same == (outgoing.key, outgoing.body, len(outgoing.records)), "a repeat with other bytes"
        met = self.script.pop() if self.script else ""
        persons = persons_in(outgoing)
        if met == "kill":
            raise Killed
        if met == "taken and kill" and not self.bad & {*persons}:
            self.arrived.append(outgoing)
            raise Killed
        if met in {"throttled", "unsent", "failing"}:
            return Answer(met)  # type: ignore[arg-type]
        if met == "again" and self.is_stream and len(persons) > 1 and not self.bad & {*persons}:
            self.arrived.append(Outgoing(outgoing.id, outgoing.key, records=outgoing.records[1:]))
            return Answer("accepted", again=(0,))
        if self.bad & {*persons} and not self.is_by_position:
            self.answered.add(outgoing.id)
            return Answer("refused", "422")
        self.arrived.append(outgoing)
        if met == "lost":
            return Answer("lost", "time-out")
        self.answered.add(outgoing.id)
        refused = {place: "bad" for place, person in enumerate(persons) if person in self.bad}
        return Answer("accepted", refused=refused) if refused else OK


@st.composite
def _plans(draw: st.DrawFn) -> list[Planned]:
    """Requests of up to two phases, with everybody in one request, or some in several."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=9))
    first, plan, phase_from = 0, list[Planned](), draw(st.integers(0, 9))
    for number, size in enumerate(sizes):
        persons = list(range(first, first + size))
        plan.append(Planned(persons, int(number >= phase_from), is_too_large=size == 1 and draw(st.booleans())))
        first += size
    if draw(st.booleans()):
        plan.append(Planned(sorted(draw(st.sets(st.integers(0, first - 1), min_size=1, max_size=4))), plan[-1].phase))
    return plan


_MET = st.sampled_from(["", "", "kill", "taken and kill", "again", *PASSING])


def _through(outbox: Outbox, world: World, pace: Pace) -> Outcomes:
    """Send, again after each kill."""
    while True:
        endpoint = FakeEndpoint(world.rule, clock=FakeClock())
        try:
            return send_outbox(outbox, endpoint, pace, clock=endpoint.clock)
        except Killed:
            outbox = reopened(outbox)


@settings(max_examples=20 * MORE, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    plan=_plans(),
    bad=st.frozensets(st.integers(0, 40), max_size=4),
    script=st.lists(_MET, max_size=12),
    in_flight=st.integers(1, 4),
    is_stream=st.booleans(),
    is_by_position=st.booleans(),
)
def test_every_entry_has_its_outcome(
    plan: list[Planned],
    bad: frozenset[int],
    script: list[str],
    in_flight: int,
    *,
    is_stream: bool,
    is_by_position: bool,
) -> None:
    """V2, V8, V9, V10: whatever is met, kills too, everybody good arrives, the bad alone are refused, and an answered
    request is never sent again. Phases are barriers, and the log alone tells who was accepted.
    """
    with quick_folder() as folder:
        outbox = written(folder / "state", plan, each=3, is_stream=is_stream)
        world = World(bad, is_by_position, is_stream, list(script))
        outcomes = _through(outbox, world, Pace(in_flight, retries=100))
        found = told(outcomes)
        assert len(found) == outbox.entry_count
        phases = [plan[int(each.id.split("-")[2].split(".")[0])].phase for each in world.arrived]
        assert phases == sorted(phases)
        if outcomes.error:
            assert {outcome for *_, outcome, _ in found} == {"unsent"}
            assert not world.arrived or is_by_position
            return
        for number, person, outcome, reason in found:
            is_refused = person in bad or plan[number].is_too_large
            assert (outcome == "refused", reason is not None) == (is_refused, is_refused)
            assert is_refused or outcome == "accepted"
        reached = {person for each in world.arrived for person in persons_in(each)}
        assert reached >= {person for _, person, outcome, _ in found if outcome == "accepted"}
        for (*_, outcome, reason), (*_, settled, why) in zip(found, told(settle(reopened(outbox))), strict=True):
            # Who was refused alone before five requests were answered may be given up only as sending ends.
            assert (settled, why) == (outcome, reason) or (outcome, settled) == ("refused", "unsent")


@settings(max_examples=20 * MORE, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    plan=_plans(),
    bad=st.frozensets(st.integers(0, 40), max_size=3),
    kill=st.integers(0, 12),
    cut=st.floats(0, 1),
    in_flight=st.integers(1, 4),
)
def test_settling_agrees_with_what_happened(
    plan: list[Planned], bad: frozenset[int], kill: int, cut: float, in_flight: int
) -> None:
    """V2, V8: after a kill, and a log that lost its unsynced end, nobody who arrived counts as never sent, and whoever
    counts as accepted arrived.
    """
    with quick_folder() as folder, mock.patch("muster.activation.outbox.settle.boot") as boot:
        boot.return_value = "this"
        outbox = written(folder / "state", plan)
        world = World(bad, is_by_position=False, is_stream=False, script=["kill", *[""] * kill])
        endpoint = FakeEndpoint(world.rule, clock=FakeClock())
        try:
            send_outbox(outbox, endpoint, Pace(in_flight), clock=endpoint.clock)
        except Killed:
            _lose_unsynced(outbox.folder, cut)
            boot.return_value = "another"
        arrived = {
            (int(each.id.split("-")[2].split(".")[0]), who) for each in world.arrived for who in persons_in(each)
        }
        for number, person, outcome, _ in told(settle(reopened(outbox))):
            assert outcome != "accepted" or (number, person) in arrived
            assert outcome != "unsent" or (number, person) not in arrived


def _lose_unsynced(folder: Path, share: float) -> None:
    """Cut the log somewhere behind its last note, as a power cut does: the note is on the disk before it is used."""
    path = folder / answer_log.LOG
    content = path.read_bytes()
    synced = content.index(b"\n", content.rindex(b'"noted"')) + 1 if b'"noted"' in content else len(content)
    path.write_bytes(content[: synced + int(share * (len(content) - synced))])
