"""Sending an outbox (V8, V9, V10, V13)."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from support.outboxes import (
    OK,
    REFUSED,
    FakeClock,
    FakeEndpoint,
    Planned,
    by_person,
    persons_in,
    refusing,
    reopened,
    told,
    written,
)

from muster.activation.endpoints.protocol import Answer, Outgoing
from muster.activation.model.messages import Rate
from muster.activation.outbox.outcomes import Outcomes
from muster.activation.outbox.pace import LONGEST_WISH, Pace, Starts
from muster.activation.outbox.reading import Outbox
from muster.activation.outbox.send import send_outbox
from muster.activation.outbox.settle import settle

Rule = Callable[[Outgoing, int], Answer]
ONE = Pace(in_flight=1)


def _send(outbox: Outbox, endpoint: FakeEndpoint, pace: Pace | None = None) -> Outcomes:
    endpoint.clock = endpoint.clock or FakeClock()
    return send_outbox(outbox, endpoint, pace or Pace(), clock=endpoint.clock)


def _tens(requests: int, size: int = 4) -> list[list[int]]:
    return [list(range(number * size, (number + 1) * size)) for number in range(requests)]


def test_bodies_are_joined_of_parts_and_texts(tmp_path: Path) -> None:
    """V6: a body has its parts and lists of texts between them, null texts left out, and the id of its request."""
    endpoint = FakeEndpoint()
    outcomes = _send(written(tmp_path, [[0, 1, 2], [3, 4]], each=1), endpoint, ONE)
    assert [json.loads(each.body) for each in endpoint.sent] == [
        {"request": "crm.all.1-1-0", "data": [{"id": "p0"}, {"id": "p1"}, {"id": "p2"}], "keys": ["k1", "k2"]},
        {"request": "crm.all.1-1-1", "data": [{"id": "p3"}, {"id": "p4"}], "keys": ["k4"]},
    ]
    assert [(each.method, each.url) for each in endpoint.sent] == [("POST", "https://crm.example/profiles")] * 2
    assert {*by_person(outcomes).values()} == {"accepted"}
    assert (outcomes.messages, outcomes.requests, outcomes.answers) == (5, 2, {"accepted": 2})


def test_halves_have_bodies_of_their_own(tmp_path: Path) -> None:
    """V8, V10: a half has the parts of its request, the texts of its entries, its own id and its own key."""
    endpoint = FakeEndpoint(refusing(2))
    _send(written(tmp_path, [[0, 1, 2]]), endpoint, ONE)
    assert [json.loads(each.body) for each in endpoint.sent[1:]] == [
        {"request": "crm.all.1-1-0.0", "data": [{"id": "p0"}, {"id": "p1"}], "keys": ["k1"]},
        {"request": "crm.all.1-1-0.1", "data": [{"id": "p2"}], "keys": ["k2"]},
    ]
    assert len({each.key for each in endpoint.sent}) == 3


def test_a_key_is_of_the_bytes(tmp_path: Path) -> None:
    """V8: equal requests of one comparison have one key, also when they are written anew."""
    keys = []
    for name in ("a", "b"):
        endpoint = FakeEndpoint()
        _send(written(tmp_path / name, [[0, 1], [2]]), endpoint, ONE)
        keys.append([each.key for each in endpoint.sent])
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]


# The order of requests


def test_phases_are_barriers(tmp_path: Path) -> None:
    """V9: every request of a phase is answered, halves and repeats too, before the first of the next one is sent."""
    exits = [Planned(persons, 0) for persons in _tens(7)]
    realized = [Planned([person + 100 for person in persons], 1) for persons in _tens(7)]

    def rule(outgoing: Outgoing, tries: int) -> Answer:
        return Answer("failing", "503") if tries == 1 and 9 in persons_in(outgoing) else refusing(3)(outgoing, tries)

    endpoint = FakeEndpoint(rule)
    outcomes = _send(written(tmp_path, exits + realized), endpoint)
    order = [min(persons_in(each)) >= 100 for each in endpoint.sent]
    assert order == sorted(order)
    assert by_person(outcomes)[3] == "refused"
    assert [*by_person(outcomes).values()].count("accepted") == 55


def test_few_refused_exits_are_halved_before_the_next_phase(tmp_path: Path) -> None:
    """V9, V10: all that may be sent was answered: refused exits are halved, as no realized message may go before."""
    endpoint = FakeEndpoint(refusing(0))
    outcomes = _send(written(tmp_path, [Planned([0, 1]), Planned([2, 3], 1)]), endpoint)
    assert [persons_in(each) for each in endpoint.sent] == [[0, 1], [0], [1], [2, 3]] or [
        persons_in(each) for each in endpoint.sent
    ] == [[0, 1], [1], [0], [2, 3]]
    assert by_person(outcomes) == {0: "refused", 1: "accepted", 2: "accepted", 3: "accepted"}


def test_a_profile_is_in_one_request_at_a_time(tmp_path: Path) -> None:
    """V8: requests with one profile follow one another; others overtake them."""
    plan = [[0, 1], [1, 2], [2, 3], [4, 5], [6, 7], [0, 4]] * 5
    endpoint = FakeEndpoint()
    outcomes = _send(written(tmp_path, plan), endpoint)
    assert outcomes.messages == 60
    positions = [number for number, each in enumerate(endpoint.sent) if 1 in persons_in(each)]
    assert len(positions) == 10


# Refused requests


@pytest.mark.parametrize("bad", [[0], [7], [0, 7], [3, 4], [1, 2, 5, 6], list(range(8))])
def test_culprits_are_found_by_halving(tmp_path: Path, bad: list[int]) -> None:
    """V10: a refused request of several is halved until the culprits are alone; everybody else is accepted."""
    endpoint = FakeEndpoint(refusing(*bad))
    outcomes = _send(written(tmp_path, [list(range(8))]), endpoint)
    assert {person for person, outcome in by_person(outcomes).items() if outcome == "refused"} == {*bad}
    assert {reason for *_, outcome, reason in told(outcomes) if outcome == "refused"} == {"422"}
    assert outcomes.error is None
    assert len(endpoint.sent) == _tries(range(8), {*bad}) == outcomes.requests


def _tries(entries: range, bad: set[int]) -> int:
    """How many requests it takes to find the culprits in one."""
    if not bad & {*entries} or len(entries) == 1:
        return 1
    middle = entries.start + (len(entries) + 1) // 2
    return 1 + _tries(range(entries.start, middle), bad) + _tries(range(middle, entries.stop), bad)


def test_nothing_is_halved_before_five_are_answered(tmp_path: Path) -> None:
    """V10: a refused request is not halved before five requests were answered."""
    endpoint = FakeEndpoint(refusing(0))
    _send(written(tmp_path, _tens(9)), endpoint, ONE)
    halves = [number for number, each in enumerate(endpoint.sent) if len(persons_in(each)) < 4]
    assert min(halves) >= 5


def test_five_refused_requests_are_a_wrong_template(tmp_path: Path) -> None:
    """V10: if five were sent and none accepted, the run fails and refuses nobody; no sixth is sent."""
    endpoint = FakeEndpoint(lambda *_: REFUSED)
    outcomes = _send(written(tmp_path, _tens(9)), endpoint)
    assert len(endpoint.sent) == 5
    assert {*by_person(outcomes).values()} == {"unsent"}
    assert "5 requests were refused (422) and none was accepted" in str(outcomes.error)
    assert (outcomes.messages, outcomes.requests, outcomes.answers) == (20, 5, {"refused": 5})


def test_five_refused_requests_of_one_profile_are_a_wrong_template(tmp_path: Path) -> None:
    """V10: nobody is refused alone either, while it may be the template."""
    endpoint = FakeEndpoint(lambda *_: REFUSED)
    outcomes = _send(written(tmp_path, _tens(6, 1)), endpoint)
    assert len(endpoint.sent) == 5
    assert {*by_person(outcomes).values()} == {"unsent"}


def test_people_who_were_refused_before_say_nothing_of_the_template(tmp_path: Path) -> None:
    """V10: five refused requests are no wrong template where one holds only people who were refused before."""
    endpoint = FakeEndpoint(lambda *_: REFUSED)
    outcomes = _send(written(tmp_path, _tens(5, 2), refused_before=[8, 9]), endpoint)
    assert outcomes.error is None
    assert {*by_person(outcomes).values()} == {"refused"}
    assert len(endpoint.sent) == 15


def test_an_accepted_request_acquits_the_template(tmp_path: Path) -> None:
    """V10: once one request was accepted, everybody who is refused alone is refused."""
    endpoint = FakeEndpoint(lambda outgoing, _: OK if 0 in persons_in(outgoing) else REFUSED)
    outcomes = _send(written(tmp_path, _tens(9, 1)), endpoint)
    assert [*by_person(outcomes).values()] == ["accepted", *["refused"] * 8]
    assert outcomes.error is None


def test_results_by_position(tmp_path: Path) -> None:
    """V10: of an accepted request those entries are refused that the answer names, with their reasons."""
    endpoint = FakeEndpoint(lambda *_: Answer("accepted", refused={1: "bad_email"}, refused_count=2))
    outcomes = _send(written(tmp_path, _tens(2)), endpoint)
    assert [(person, reason) for _, person, outcome, reason in told(outcomes) if outcome == "refused"] == [
        (1, "bad_email"),
        (5, "bad_email"),
    ]
    assert outcomes.refused_count == 4
    assert len(endpoint.sent) == 2


def test_answers_that_refuse_every_entry_may_be_a_wrong_template(tmp_path: Path) -> None:
    """V10: five requests of which no entry was accepted are a wrong template, however the answers say so."""
    endpoint = FakeEndpoint(lambda *_: Answer("accepted", refused=dict.fromkeys(range(4), "bad")))
    outcomes = _send(written(tmp_path, _tens(6)), endpoint)
    assert {*by_person(outcomes).values()} == {"unsent"}
    assert outcomes.error


def test_one_profile_that_is_too_large_is_refused_unsent(tmp_path: Path) -> None:
    """V7: one profile that is too large alone is refused, with that reason, and nothing is sent of it."""
    endpoint = FakeEndpoint()
    outcomes = _send(written(tmp_path, [Planned([0]), Planned([1], is_too_large=True), Planned([2])]), endpoint)
    assert [(person, outcome, reason) for _, person, outcome, reason in told(outcomes)] == [
        (0, "accepted", None),
        (1, "refused", "too_large"),
        (2, "accepted", None),
    ]
    assert (outcomes.messages, outcomes.requests, len(endpoint.sent)) == (2, 2, 2)


# Tries


@pytest.mark.parametrize("meaning", ["throttled", "failing", "lost", "unsent"])
def test_what_may_pass_is_tried_again(tmp_path: Path, meaning: str) -> None:
    """V10: a request that was not answered well is tried again with the same bytes and key."""
    answers: Rule = lambda _, tries: Answer(meaning, "503") if tries < 3 else OK  # type: ignore[arg-type]  # noqa: E731
    endpoint = FakeEndpoint(answers)
    outcomes = _send(written(tmp_path, [[0, 1]]), endpoint)
    assert by_person(outcomes) == {0: "accepted", 1: "accepted"}
    assert len(endpoint.sent) == 3
    assert len({(each.id, each.key, each.body) for each in endpoint.sent}) == 1
    assert (outcomes.requests, outcomes.resent, outcomes.answers) == (1, 0, {"accepted": 1})


@pytest.mark.parametrize(
    ("meaning", "outcome"),
    [("throttled", "unsent"), ("unsent", "unsent"), ("failing", "uncertain"), ("lost", "uncertain")],
)
def test_after_the_last_try_the_run_fails(tmp_path: Path, meaning: str, outcome: str) -> None:
    """V2, V10: at most ``retries`` more tries; then the run fails, nobody is refused, the rest is not sent."""
    endpoint = FakeEndpoint(lambda outgoing, _: OK if 0 in persons_in(outgoing) else Answer(meaning, "why"))  # type: ignore[arg-type]
    outcomes = _send(written(tmp_path, _tens(20, 2)), endpoint, Pace(in_flight=1, retries=2))
    assert [*by_person(outcomes).values()] == ["accepted"] * 2 + [outcome] * 2 + ["unsent"] * 36
    assert len(endpoint.sent) == 4
    assert str(outcomes.error) == "why, in 3 tries of a request; the rest stays due"
    assert outcomes.messages == (2 if outcome == "unsent" else 4)


def test_a_lost_answer_is_not_made_good_by_a_throttled_one(tmp_path: Path) -> None:
    """V2: a message that was sent once without an answer stays uncertain, whatever later tries met."""
    endpoint = FakeEndpoint(lambda _, tries: Answer("lost", "time-out") if tries == 1 else Answer("throttled", "429"))
    outcomes = _send(written(tmp_path, [[0]]), endpoint, Pace(retries=1))
    assert by_person(outcomes) == {0: "uncertain"}


def test_pauses_grow_and_a_wish_is_kept(tmp_path: Path) -> None:
    """V10: tried again with back-off; the time that the receiver asks for is waited, by all requests."""
    clock = FakeClock()
    endpoint = FakeEndpoint(lambda _, tries: Answer("failing", "500") if tries < 5 else OK, clock=clock)
    _send(written(tmp_path / "a", [[0]]), endpoint)
    pauses = [after - before for before, after in zip(endpoint.times, endpoint.times[1:], strict=False)]
    assert len(pauses) == 4
    assert all(0.75 * 0.5 * 2**n <= pause <= 1.26 * 0.5 * 2**n for n, pause in enumerate(pauses))

    clock = FakeClock()
    wish = Answer("throttled", "429", retry_after=7.0)
    endpoint = FakeEndpoint(lambda outgoing, tries: wish if tries == 1 and 0 in persons_in(outgoing) else OK)
    endpoint.clock = clock
    _send(written(tmp_path / "b", [[0], [1], [2]]), endpoint, ONE)
    assert endpoint.times == [0.0, 7.0, 7.0, 7.0]


def test_a_receiver_that_asks_for_very_long_is_left_alone(tmp_path: Path) -> None:
    """V10: a wish longer than five minutes is kept by the next command: the run ends as failed, at once."""
    endpoint = FakeEndpoint(lambda *_: Answer("throttled", "429", retry_after=LONGEST_WISH + 1))
    outcomes = _send(written(tmp_path, [[0], [1]]), endpoint, ONE)
    assert len(endpoint.sent) == 1
    assert {*by_person(outcomes).values()} == {"unsent"}
    assert "asked to wait 301 seconds" in str(outcomes.error)


def test_any_other_answer_ends_the_run(tmp_path: Path) -> None:
    """V2, V10: a fatal answer ends the run at once; its request is uncertain, nobody is refused."""
    endpoint = FakeEndpoint(lambda outgoing, _: Answer("fatal", "403") if 4 in persons_in(outgoing) else OK)
    outcomes = _send(written(tmp_path, _tens(9)), endpoint, ONE)
    assert len(endpoint.sent) == 2
    assert [*by_person(outcomes).values()] == ["accepted"] * 4 + ["uncertain"] * 4 + ["unsent"] * 28
    assert outcomes.error == (
        "the receiver answers 403: it does not allow this (see `auth`); nothing more was sent, and the rest stays due"
    )
    assert outcomes.answers == {"accepted": 1, "fatal": 1}


def test_a_request_that_never_went_out_is_not_uncertain(tmp_path: Path) -> None:
    """V2: where credentials or a certificate fail, the run ends and nobody was told anything."""
    endpoint = FakeEndpoint(lambda *_: Answer("fatal", "no token", sent=False))
    outbox = written(tmp_path, [[0], [1]])
    outcomes = _send(outbox, endpoint, ONE)
    assert {*by_person(outcomes).values()} == {"unsent"}
    assert (outcomes.messages, outcomes.requests, outcomes.answers) == (0, 0, {"unsent": 1})
    assert {*by_person(settle(reopened(outbox))).values()} == {"unsent"}


# Streams


def test_only_refused_records_are_repeated(tmp_path: Path) -> None:
    """V10: of a batch of a stream those records alone are sent again that were not taken."""

    def rule(_: Outgoing, tries: int) -> Answer:
        return [Answer("accepted", again=(1, 3), refused={0: "bad"}), Answer("accepted", again=(0,)), OK][tries - 1]

    endpoint = FakeEndpoint(rule)
    outcomes = _send(written(tmp_path, [[0, 1, 2, 3]], is_stream=True), endpoint)
    assert [persons_in(each) for each in endpoint.sent] == [[0, 1, 2, 3], [1, 3], [1]]
    assert endpoint.sent[1].records == endpoint.sent[0].records[1::2]
    assert endpoint.sent[0].records[2].data == b'{"id":"p2"}'
    assert by_person(outcomes) == {0: "refused", 1: "accepted", 2: "accepted", 3: "accepted"}
    assert (outcomes.requests, outcomes.messages) == (1, 4)


def test_records_that_are_never_taken_stay_due(tmp_path: Path) -> None:
    """V10: records that every try left out are uncertain after the last one, and the run failed."""
    endpoint = FakeEndpoint(lambda _, tries: Answer("accepted", "slow down", again=(1,) if tries == 1 else (0,)))
    outcomes = _send(written(tmp_path, [[0, 1]], is_stream=True), endpoint, Pace(retries=2))
    assert by_person(outcomes) == {0: "accepted", 1: "uncertain"}
    assert str(outcomes.error) == "slow down, in 3 tries of a request; the rest stays due"


def test_a_batch_that_fails_is_split(tmp_path: Path) -> None:
    """V10: a refused batch of a stream is halved as any request, also what was left of it."""
    answers = {0: Answer("accepted", again=(1, 2, 3))}

    def rule(outgoing: Outgoing, _: int) -> Answer:
        return answers.pop(len(endpoint.sent) - 1, None) or refusing(2)(outgoing, 1)

    endpoint = FakeEndpoint(rule)
    outcomes = _send(written(tmp_path, [[0, 1, 2, 3]], is_stream=True), endpoint, ONE)
    assert [persons_in(each) for each in endpoint.sent] == [[0, 1, 2, 3], [1, 2, 3], [1, 2], [3], [1], [2]]
    assert by_person(outcomes) == {0: "accepted", 1: "accepted", 2: "refused", 3: "accepted"}


# The pace


def test_a_rate_is_kept(tmp_path: Path) -> None:
    """V13: in no period there are more tries than the rate allows, over all threads, repeats included."""
    endpoint = FakeEndpoint(
        lambda outgoing, tries: Answer("unsent") if tries == 1 and 3 in persons_in(outgoing) else OK
    )
    _send(written(tmp_path, _tens(23, 1)), endpoint, Pace(rate=Rate(5, 2.0)))
    times = sorted(endpoint.times)
    assert len(times) == 24
    assert all(later - before > 2.0 for before, later in zip(times, times[5:], strict=False))
    assert times[-1] == pytest.approx(4 * 2.04, abs=1.5)


def test_a_rate_goes_on_from_run_to_run(tmp_path: Path) -> None:
    """V13: the rate is that of the destination, also where a command sends several runs there."""
    clock, starts, rate = FakeClock(), Starts(Rate(2, 1.0)), Rate(2, 1.0)
    times = list[float]()
    for name in ("a", "b"):
        endpoint = FakeEndpoint(clock=clock)
        outbox = written(tmp_path / name, _tens(3, 1))
        send_outbox(outbox, endpoint, Pace(1, rate=rate), starts=starts, clock=clock)
        times += endpoint.times
    assert all(later - before > 1.0 for before, later in zip(times, times[2:], strict=False))


def test_as_many_requests_are_under_way_as_may_be(tmp_path: Path) -> None:
    """V8: ``in_flight`` requests are sent at a time, no more; five until one is answered."""
    import threading  # noqa: PLC0415

    gate = threading.Barrier(3, timeout=20)

    def rule(outgoing: Outgoing, _: int) -> Answer:
        if 0 not in persons_in(outgoing):
            gate.wait()
        return OK

    endpoint = FakeEndpoint(rule)
    _send(written(tmp_path, _tens(10, 1)), endpoint, Pace(in_flight=3))
    assert endpoint.most_busy == 3
    assert math.isclose(len(endpoint.sent), 10)
