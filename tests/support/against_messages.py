"""What a receiver got, compared with the model (V2 to V11), and with what any receiver may rely on (V8, V9)."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from support.message_model import ACCEPTED, REFUSED, UNCERTAIN, UNSENT, Case, Message, Messenger, Row, Setup
from support.message_model.messenger import after_entries
from support.message_model.words import Entry as ModelEntry
from support.message_model.words import Group
from support.model import EXITED, REALIZED
from support.receiver import Received

Options = dict[str, list[tuple[Row, Message | None]]]


@dataclass(frozen=True)
class Entry:
    """What one request says of one profile."""

    profile: str
    request: Received
    text: str = ""  # where the payload is the profile
    name: str = ""  # where requests are keyed: of the audience at the receiver
    status: str = ""
    identifier: str = ""
    alone: bool = False  # in its request


def entries(requests: Iterable[Received], *, keyed: bool) -> list[Entry]:
    """The entries of requests, in order of arrival; every body is as V5 or the declared tree has it."""
    found: list[Entry] = []
    for request in requests:
        body = request.body.decode()
        if keyed:
            found += _of_tree(request, json.loads(body))
            continue
        objects = json.loads(body)
        assert isinstance(objects, list), "V5: an array, whatever their number"
        assert body == _compact(objects), "V5: no spaces"
        found += [Entry(each["id"], request, _compact(each), alone=len(objects) == 1) for each in objects]
    return found


def _of_tree(request: Received, body: Mapping[str, Any]) -> list[Entry]:
    name, status, told = body["list"], body["status"], body["data"]
    assert unquote(request.path) == f"/lists/{name}/users", "V6: the url has the alias"
    assert request.path.count("/") == 3, "V6: nothing from data can add structure"
    assert request.method == {REALIZED: "POST", EXITED: "DELETE"}[status]
    return [
        Entry(each["id"], request, name=name, status=status, identifier=each["mail"], alone=len(told) == 1)
        for each in told
    ]


def _compact(found: Any) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Log:
    """All that arrived at the receiver, command by command, and what it may rely on."""

    keyed: bool
    names: dict[int, frozenset[str]] = field(default_factory=dict)  # of mapped audiences, by number of request
    seen: dict[str, Received] = field(default_factory=dict)  # the first request with a key
    newest: dict[str, list[str]] = field(default_factory=dict)  # keys of a profile in the order in which they came

    def check(self, requests: Sequence[Received], setup: Setup, *, killed: bool, resumed: bool = False) -> None:
        """V8, V9, V7: of the requests of one command."""
        self.names |= dict.fromkeys((each.number for each in requests), frozenset(name for _, name in setup.places))
        for request in requests:
            assert request.headers.get("content-length") == str(len(request.body)), "V5"
            assert request.key, "V8: an Idempotency-Key"
            first = self.seen.setdefault(request.key, request)
            assert (first.body, first.path, first.method) == (request.body, request.path, request.method), (
                "V8: one key, one request"
            )
        told = entries(requests, keyed=self.keyed)
        for number, count in Counter(id(each.request) for each in told).items():
            assert count <= setup.limit, f"V7: {count} entries in a request, {number}"
        for each in told:
            keys = self.newest.setdefault(each.profile + each.name + each.status + each.identifier, [])
            if each.request.key in keys:
                assert keys[-1] == each.request.key, (
                    f"V8: {each.profile} was told something older after something newer"
                )
            else:
                keys.append(each.request.key)
        self._check_flight(told)
        if not killed and not resumed:
            self._check_once(told)
            if self.keyed:
                _check_phases(requests, told)

    def _check_flight(self, told: Sequence[Entry]) -> None:
        """V8: never two requests under way with the same profile."""
        by_profile: dict[str, list[Received]] = {}
        for each in told:
            by_profile.setdefault(each.profile, []).append(each.request)
        for profile, requests in by_profile.items():
            for one in requests:
                for other in requests:
                    if other.number > one.number and one.answered is not None:
                        assert one.answered <= other.arrived, f"V8: two requests at once with {profile}"

    def _check_once(self, told: Sequence[Entry]) -> None:
        """V8: what was answered with acceptance is not sent again."""
        done: set[tuple[str, ...]] = set()
        for each in told:
            what = (each.profile, each.text, each.name, each.status, each.identifier)
            assert what not in done, f"V8: {each.profile} was accepted and sent again"
            if each.request.status == 200:
                done.add(what)


def _check_phases(requests: Sequence[Received], told: Sequence[Entry]) -> None:
    """V9: all exits are answered before the first realized message goes out."""
    status = {each.request.number: each.status for each in told}
    exits = [each for each in requests if status.get(each.number) == EXITED]
    starts = [each for each in requests if status.get(each.number) == REALIZED]
    if exits and starts:
        last = max(each.answered or each.arrived for each in exits)
        assert last <= min(each.arrived for each in starts), "V9: exits first"


# One run


def take(model: Messenger, case: Case, requests: Sequence[Received], run: Mapping[str, Any] | None) -> None:
    """Compare what arrived with what the model says, and let the model know the answers; None: no run was recorded."""
    failed = run is not None and run["status"] != "succeeded"
    told = entries(requests, keyed=case.setup.keyed)
    options = options_of(case, {each.profile for each in told})
    for profile, possible in options.items():
        of_profile = [each for each in told if each.profile == profile]
        waits = model.may_wait(profile, case)
        model.note_waiting(profile, case.at, is_due=any(message for _, message in possible), is_told=bool(of_profile))
        if case.setup.keyed:
            _take_groups(model, case, profile, possible, of_profile, failed=failed, waits=waits)
        else:
            _take_texts(model, profile, possible, of_profile, failed=failed, waits=waits)
    if run is None:
        assert not requests, "a run that sent something is recorded"


def take_killed(model: Messenger, case: Case, requests: Sequence[Received]) -> None:
    """Of a run that was killed and is replaced: whom it told what the model says, and what perhaps became of it."""
    told = entries(requests, keyed=case.setup.keyed)
    for profile, possible in options_of(case, {each.profile for each in told}).items():
        of_profile = [each for each in told if each.profile == profile]
        rows: list[Row] = [row for row, message in possible if message is None and not of_profile]
        for row, message in possible:
            if message is not None and not case.setup.keyed:
                rows += _after_kill(row, message, of_profile)
            elif message is not None:
                rows += _groups_after_kill(case, row, message, of_profile)
        assert rows, f"{profile} was told {of_profile}, not\n{_shown(possible)}"
        model.keep(profile, rows)


def _after_kill(row: Row, message: Message, told: Sequence[Entry]) -> list[Row]:
    if any(each.text not in message.texts for each in told):
        return []
    found = [row, row.uncertain(message.told)] if not any(each.request.status == 200 for each in told) else []
    if told:
        found = [row.uncertain(message.told)]
    if any(each.request.status == 200 for each in told):
        found.append(row.accepted(message.told))
    if any(each.request.status == 400 for each in told):
        found += [row, *(row.refused_with(message.told) if told[-1].alone else ())]
    return found


def _groups_after_kill(case: Case, row: Row, message: Message, told: Sequence[Entry]) -> list[Row]:
    names = _places(case, [(row, message)])
    if any(each.name not in names for each in told):
        return []
    keys: dict[Group, frozenset[str]] = {}
    for each in told:
        group = (names[each.name], each.status)
        keys[group] = keys.get(group, frozenset()) | {each.identifier}
    if not _fits(message, keys, failed=True, waits=False):
        return []
    expected = {(group, key) for group, (_, most) in message.groups.items() for key in most}
    arrived = {(group, key) for group, found in keys.items() for key in found}
    outcomes = {entry: _possible_outcomes(entry, names, told) for entry in expected | arrived}
    return after_entries(row, message, outcomes)


def _possible_outcomes(entry: ModelEntry, names: Mapping[str, Any], told: Sequence[Entry]) -> frozenset[str]:
    of_entry = [each for each in told if ((names[each.name], each.status), each.identifier) == entry]
    found = {UNCERTAIN} if of_entry else {UNCERTAIN, UNSENT}
    for each in of_entry:
        found |= {ACCEPTED} if each.request.status == 200 else set()
        found |= {UNSENT} if each.request.status == 400 else set()
        found |= {REFUSED} if each.request.status == 400 and each.alone else set()
    return frozenset(found)


def options_of(case: Case, profiles: Iterable[str]) -> Options:
    """What each profile that the model or the receiver knows may be told."""
    known = {*case.snapshot.people, *case.rows, *profiles}
    return {profile: case.possible(profile) for profile in sorted(known)}


def _take_texts(
    model: Messenger,
    profile: str,
    possible: list[tuple[Row, Message | None]],
    told: Sequence[Entry],
    *,
    failed: bool,
    waits: bool,
) -> None:
    texts = {each.text for each in told}
    assert len(texts) <= 1, f"{profile} was told two things: {texts}"
    if not texts:
        silent = [each for each in possible if each[1] is None or failed or (waits and not each[1].exits)]
        assert silent, f"{profile} was not told:\n{_shown(possible)}"
        model.keep(profile, [row for row, _ in silent])
        return
    [text] = texts
    right = [(row, message) for row, message in possible if message and text in message.texts]
    assert right, f"{profile} was told\n  {text}\nnot\n{_shown(possible)}"
    outcomes = outcome([each.request for each in told], alone=told[-1].alone, failed=failed)
    model.settle(profile, right, outcomes)


def _shown(possible: Sequence[tuple[Row, Message | None]]) -> str:
    lines: list[str] = []
    for row, message in possible:
        if message is None:
            lines.append("  nothing")
        lines += [f"  {text}" for text in (message.texts if message else ())]
        lines += [f"  {group}: {keys}" for group, keys in (message.groups.items() if message else ())]
        lines += [f"  perhaps {group}: {keys}" for group, keys in (message.optional.items() if message else ())]
        lines.append(f"    of {row}")
    return "\n".join(lines)


def outcome(requests: Sequence[Received], *, alone: bool, failed: bool) -> frozenset[str]:
    """What an outsider knows of the outcome of a message from the answers to its requests (V2, V10)."""
    last = requests[-1]
    unsettled = any(each.status is None or (each.status or 0) >= 500 for each in requests)
    if last.status == 200:
        return frozenset({ACCEPTED})
    if last.status == 400:
        refused = {REFUSED} if alone else set()
        return frozenset(refused | ({UNSENT} if failed else set()) | ({UNCERTAIN} if unsettled else set()))
    if last.status == 429:
        return frozenset({UNSENT, UNCERTAIN} if unsettled else {UNSENT})
    return frozenset({UNCERTAIN})


def _take_groups(
    model: Messenger,
    case: Case,
    profile: str,
    possible: list[tuple[Row, Message | None]],
    told: Sequence[Entry],
    *,
    failed: bool,
    waits: bool,
) -> None:
    names = _places(case, possible)
    by_group: dict[Group, list[Entry]] = {}
    for each in told:
        assert each.name in names, f"{profile} was told of {each.name}, an audience that it has nothing to do with"
        by_group.setdefault((names[each.name], each.status), []).append(each)
    keys = {group: frozenset(each.identifier for each in found) for group, found in by_group.items()}
    right = [(row, message) for row, message in possible if _fits(message, keys, failed=failed, waits=waits)]
    assert right, f"{profile} was told {keys}, not\n{_shown(possible)}"
    if not told:
        model.keep(profile, [row for row, _ in right])
        return
    outcomes = {
        (group, key): outcome(
            [each.request for each in found if each.identifier == key], alone=_is_alone(found, key), failed=failed
        )
        for group, found in by_group.items()
        for key in keys[group]
    }
    model.settle_entries(profile, right, outcomes)


def _is_alone(found: Sequence[Entry], key: str) -> bool:
    return [each for each in found if each.identifier == key][-1].alone


def _places(case: Case, possible: Sequence[tuple[Row, Message | None]]) -> dict[str, Any]:
    places = {place for _, message in possible if message for place, _ in (*message.groups, *message.optional)}
    return {place[1]: place for place in (*places, *case.setup.places)}


def _fits(message: Message | None, keys: Mapping[Group, frozenset[str]], *, failed: bool, waits: bool) -> bool:
    if message is None:
        return not keys
    for group, (least, most) in message.groups.items():
        found = keys.get(group, frozenset())
        if not (failed or (waits and group[1] == REALIZED)) and not least <= found:
            return False
        if not found <= most:
            return False
    optional = message.optional
    return all(
        group in message.groups or (group in optional and each <= optional[group][1]) for group, each in keys.items()
    )


# Counts


def compare_counts(case: Case, options: Options, requests: Sequence[Received], run: Mapping[str, Any] | None) -> None:
    """V11: of a run to a calm receiver that refuses nobody, where the model is sure of each profile."""
    sure = {profile: each[0][1] for profile, each in options.items() if len(each) == 1}
    if len(sure) < len(options):
        return
    messages = {profile: message for profile, message in sure.items() if message is not None}
    told = entries(requests, keyed=case.setup.keyed)
    if run is None:
        assert not any(message.groups or message.texts for message in messages.values()), "a run had to be recorded"
        return
    found: dict[str, Any] = {
        "audience": None,
        "audiences": [audience for audience, _ in case.setup.places],
        "messages": len(told),
        "requests": len(requests),
        "resent": 0,
        "received": run["exported"] + run["excluded"],
        "excluded": sum(run["excluded_by"].values()),
    }
    if not case.setup.keyed:
        leaving = sum(message.leaves for message in messages.values())
        found |= {"exported": len(messages), "exited": leaving, "realized": len(messages) - leaving}
        reasons = Counter(why for each, why in case.excluded().items() if each not in messages)
        reasons["forgotten"] = run["excluded_by"].get("forgotten", 0)  # who is in no evaluation any more is not counted
        found["excluded_by"] = {why: count for why, count in reasons.items() if count}
    wrong = {key: (run[key], each) for key, each in found.items() if run[key] != each}
    assert not wrong, f"told and right: {wrong}"
    if case.setup.keyed:
        return
    counted = run["by_trigger"]
    assert sum(counted.values()) == len(messages), f"{counted} of {len(messages)}"
    for trigger in ("consent", "membership", "identity", "attributes", "resync"):
        least = sum(message.trigger == {trigger} for message in messages.values())
        most = sum(trigger in message.trigger for message in messages.values())
        assert least <= counted.get(trigger, 0) <= most, f"{trigger}: {counted}, not {least} to {most}"
