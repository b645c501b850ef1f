"""muster against the model, on random worlds of messages: what a receiver gets, whatever it answers (V1 to V11)."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from support import against_messages, message_worlds
from support.against_messages import Log, entries
from support.kills import Victim
from support.message_worlds import Day, Mood, World
from support.model import EXITED, REALIZED
from support.random_histories import MORE
from support.receiver import CUT, LOST, Received, Receiver, Say
from support.shop import Result, Shop, quick_folder

SAID = {"200": Say(200), "503": Say(503), "429": Say(429), "401": Say(401), "lost": LOST, "cut": CUT}


@pytest.mark.parametrize("seed", range(MORE))
def test_profiles_are_told_what_the_model_says(seed: int, receiver: Receiver) -> None:
    """V1 to V5, V7, V8, V10, V11: on each day each profile is told exactly what the contract's rules, told one by one,
    say; whatever the receiver answers, it ends with exactly the members.
    """
    play(message_worlds.world(seed), receiver)


@pytest.mark.parametrize("seed", range(MORE))
def test_lists_are_told_what_the_model_says(seed: int, receiver: Receiver) -> None:
    """V6, V9, M5: where requests are about one audience and one status, and people are known by an identity."""
    play(message_worlds.world(seed, keyed=True), receiver)


@pytest.mark.parametrize("seed", range(MORE))
def test_kills_lose_nobody(seed: int, receiver: Receiver) -> None:
    """V8: whether the next command finds all as it was or not, each profile is told what the model says, repeats have
    the same key and bytes, nothing older comes after something newer, and the receiver ends with exactly the members.
    """
    play(message_worlds.world(seed, keyed=seed % 2 == 1, days=5, kills=True), receiver)


def play(given: World, receiver: Receiver) -> None:
    """Put the command and the model through a world."""
    expected, log = message_worlds.messenger(given), Log(given.days[0].setup.keyed)
    turn = 0
    with quick_folder() as folder, message_worlds.shop(folder, given) as shop:
        for day in given.days:
            _live(shop, day, receiver, turn)
            if day.snapshot:
                expected.shop.snapshots.append(day.snapshot)  # type: ignore[attr-defined]  # it is a list
            expected.shop.messages += day.said
            expected.setup = day.setup
            if day.evaluate:
                shop.ok("evaluate", "--at", day.at.isoformat(), "--no-exports", "--allow-empty-memberships")
                expected.shop.evaluate(day.at)
            if day.forget:
                shop.ok("profiles", "forget", day.forget, "--even-unknown")
                expected.forget(day.forget, expected.shop.snapshot(day.at))
            if day.retry and expected.rows:
                shop.ok("runs", "retry", "out/a")
                expected.retry()
            if day.kill is not None and not _kill(shop, day, receiver, expected, log):
                turn += 1
                expected.retry()  # the request's config is another
            elif day.kill is None:
                _run(shop, day, receiver, expected, log)
        _compare_members(given.days[-1], expected, receiver, log)


def _live(shop: Shop, day: Day, receiver: Receiver, turn: int) -> None:
    message_worlds.configure(shop, day.setup, receiver.port, turn)
    if day.snapshot:
        shop.profiles(day.snapshot.at.strftime("%Y-%m-%dT%H"), message_worlds.table(day.snapshot))
    if day.said:
        rows = [(each.audience, each.profile, each.status, each.time, each.until) for each in day.said]
        shop.feed(rows, name=f"feed-{day.at:%Y%m%d%H}")


def _run(shop: Shop, day: Day, receiver: Receiver, expected: Any, log: Log) -> None:
    _set(receiver, day.mood)
    start = len(receiver.requests)
    command = ["resync", "out/a"] if day.resync else ["run"]
    case = expected.case(day.at, resync=day.resync)
    result = shop.muster(*command, "--at", day.at.isoformat(), "--allow-empty-memberships", "--json")
    requests = receiver.requests[start:]
    run = _recorded(result)
    log.check(requests, day.setup, killed=False)
    options = against_messages.options_of(case, ())
    try:
        against_messages.take(expected, case, requests, run)
        if day.mood == Mood() and not day.setup.patience:
            against_messages.compare_counts(case, options, requests, run)
        assert result.code == int(_fails(requests, run, case.setup.keyed)), result.err
    except AssertionError as error:
        raise AssertionError(
            f"{day.at:%Y-%m-%d}, {command[0]}, {day.mood}\n{day.setup}\n{_in_short(run)}\n{error}"
        ) from error


def _kill(shop: Shop, day: Day, receiver: Receiver, expected: Any, log: Log) -> bool:
    """Kill the run, and go on or not; whether the config stays as it is for the next command."""
    assert day.kill is not None
    _set(receiver, day.mood)
    start = len(receiver.requests)
    case = expected.case(day.at, resync=day.resync)
    command = ["resync", "out/a"] if day.resync else ["run"]
    receiver.stand_still(day.kill)
    arguments = [*command, "--at", day.at.isoformat(), "--allow-empty-memberships"]
    victim = Victim(shop.root, *arguments, variables={})
    while victim.is_working and not receiver.stands.wait(0.005):
        pass
    was_killed = receiver.stands.is_set()
    if was_killed:
        victim.kill()
    receiver.go_on()
    with suppress(AssertionError):  # whether it did well shows in the run
        victim.ended(5)
    _wait(receiver)
    before = receiver.requests[start:]
    log.check(before, day.setup, killed=True)
    try:
        if was_killed and not day.resumes:
            against_messages.take_killed(expected, case, before)
            return False
        shop.muster(*arguments)
        after = receiver.requests[start + len(before) :]
        log.check(after, day.setup, killed=True)
        runs = [run for run in shop.runs() if run["scheduled_time"] == day.at.strftime("%Y-%m-%dT%H:%M:%SZ")]
        assert len(runs) <= 1, runs
        against_messages.take(expected, case, [*before, *after], runs[0] if runs else None)
    except AssertionError as error:
        found = [(run["status"], run["error"]) for run in shop.runs()]
        raise AssertionError(f"{day.at:%Y-%m-%d}, {day.mood}, killed after {day.kill}: {found}\n{error}") from error
    return True


def _wait(receiver: Receiver) -> None:
    until = time.monotonic() + 5
    while any(each.answered is None for each in receiver.requests) and time.monotonic() < until:
        time.sleep(0.002)


def _in_short(run: Mapping[str, Any] | None) -> dict[str, Any]:
    wanted = ("status", "error", "received", "exported", "excluded_by", "by_trigger", "messages", "requests")
    return {key: run[key] for key in wanted} if run else {}


def _recorded(result: Result) -> Mapping[str, Any] | None:
    runs = result.json["runs"] if result.out else []
    assert len(runs) <= 1, result.out
    return runs[0] if runs else None


def _fails(requests: list[Received], run: Mapping[str, Any] | None, keyed: bool) -> bool:
    """V10: whether an exit was refused, or something else was not settled in the end."""
    last: dict[tuple[str, ...], Any] = {}
    for each in entries(requests, keyed=keyed):
        last[each.profile, each.name, each.status, each.identifier] = each
    wrong = [each for each in last.values() if each.request.status not in {200, 400}]
    unsettled = [each for each in last.values() if each.request.status == 400 and not each.alone]
    exits = [each for each in last.values() if each.request.status == 400 and _is_exit(each)]
    return bool(wrong or unsettled or exits or (run and run["status"] == "failed"))


def _is_exit(entry: against_messages.Entry) -> bool:
    return entry.status == EXITED or f'"status":"{EXITED}"' in entry.text


def _set(receiver: Receiver, mood: Mood) -> None:
    receiver.script = [SAID[each] for each in mood.script]
    receiver.default = SAID[mood.always or "200"]

    def poisoned(request: Received) -> Say | None:
        told = entries([request], keyed=request.path.startswith("/lists/"))
        return Say(400) if any(each.profile in mood.poison for each in told) else None

    receiver.rule = None if mood.always else poisoned


def _compare_members(last: Day, expected: Any, receiver: Receiver, log: Log) -> None:
    """Whoever applies the accepted messages in order has exactly the members."""
    case = expected.case(last.at)
    keyed = case.setup.keyed
    if keyed and "identity" not in case.setup.triggers:
        return  # nobody is told of another address
    held: dict[str, set[str]] = {name: set() for _, name in case.setup.places}
    for each in entries(receiver.accepted, keyed=keyed):
        told = {each.name: each.status} if keyed else _states(each)
        unmapped = told.keys() - log.names[each.request.number]  # V5: told along, and never taken back
        told = {name: status for name, status in told.items() if status == EXITED or name not in unmapped}
        for name, status in told.items():
            if name in held:
                who = each.identifier if keyed else each.profile
                held[name] = held[name] | {who} if status == REALIZED else held[name] - {who}
    wanted = {
        place[1]: set().union(*(case.identifiers(each) for each in members)) if keyed else set(members)
        for place, members in case.desired.items()
    }
    assert held == wanted, f"the receiver has {held}, not {wanted}"


def _states(entry: against_messages.Entry) -> dict[str, str]:
    ups = entry.request.json[[each["id"] for each in entry.request.json].index(entry.profile)]["segmentMembership"]
    return {name: each["status"] for name, each in ups["ups"].items()}


def play_until(given: World, receiver: Receiver, days: int) -> None:
    """The first days of a world alone: to look for the day that matters."""
    play(replace(given, days=given.days[:days]), receiver)
