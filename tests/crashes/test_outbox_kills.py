"""The sender of an outbox killed by SIGKILL while a real receiver takes its requests: counted at the receiver (V8)."""

import random
from collections import defaultdict
from pathlib import Path

import pytest
from support.kills import begun
from support.outbox_process import settled, work
from support.outboxes import Planned, written
from support.random_histories import MORE
from support.receiver import CUT, LOST, Receiver, Rule, Say, refusing

KILLS = 14 * min(MORE, 20)
IN_FLIGHT = 4
PEOPLE = 5  # in a request


def _bad(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("id") in {"p7", "p8", "p44"}


def _refusing_and(met: list[Say]) -> Rule:
    """A rule that refuses the bad ones, and answers other requests with what is met first."""
    refuses = refusing(_bad, status=422)
    return lambda request: refuses(request) or (met.pop() if met else None)


@pytest.mark.parametrize("seed", range(1 if MORE == 1 else 2))
def test_kills_while_messages_are_sent(tmp_path: Path, receiver: Receiver, seed: int) -> None:
    """V8, V10: after each kill the next command goes on. Everybody is taken, once or under one key with the same bytes;
    no answered request is sent again; only the refused are refused; exits are answered before realized messages go.
    """
    chance = random.Random(seed)  # noqa: S311  # which moments, no secret
    kills = 0
    while kills < KILLS:
        requests = [range(number * PEOPLE, (number + 1) * PEOPLE) for number in range(24)]
        plan = [Planned(persons, int(number > 11)) for number, persons in enumerate(requests)]
        folder = tmp_path / f"state-{kills}"
        outbox = written(folder, plan, url=receiver.url("/profiles"))
        receiver.reset()
        met = chance.choices([Say(429, headers={"Retry-After": "0"}), LOST, CUT, Say()], k=3)
        receiver.rule = _refusing_and(met)
        known = dict[int, str]()
        kills_here = 0
        while True:
            receiver.stand_still(chance.randrange(14))
            process, pipe = begun(work, folder, outbox.run, IN_FLIGHT)
            while process.is_alive() and not receiver.stands.wait(0.005):
                pass
            if process.is_alive():
                process.kill()
                process.join()
                kills_here += 1
                receiver.go_on()
                known |= {person: outcome for _, person, outcome, _ in settled(folder, outbox.run)}
                continue
            outcomes, resent, error = pipe.recv()
            process.join()
            break
        kills += kills_here
        _check(receiver, outcomes, known)
        assert error is None
        assert resent <= kills_here * IN_FLIGHT * PEOPLE


def _check(receiver: Receiver, outcomes: list[tuple[int, int, str, str | None]], known: dict[int, str]) -> None:
    bodies, taken, order = defaultdict[str, set[bytes]](set), set[str](), list[bool]()
    for request in receiver.requests:
        bodies[request.key].add(request.body)
        if request.accepted:
            ids = {each["id"] for each in request.json["data"]}
            taken |= ids
            order.append(any(int(each[1:]) >= 12 * PEOPLE for each in ids))
    assert order == sorted(order), "a realized message went before the exits were answered"
    assert all(len(each) == 1 for each in bodies.values()), "one key with several bodies"
    assert taken == {f"p{person}" for person in range(24 * PEOPLE)} - {"p7", "p8", "p44"}
    assert {person: outcome for _, person, outcome, _ in outcomes} == {
        person: "refused" if person in {7, 8, 44} else "accepted" for person in range(24 * PEOPLE)
    }
    assert all(outcome != "accepted" or f"p{person}" in taken for person, outcome in known.items())
