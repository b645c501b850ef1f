"""Bodies of messages built in plain Python with the json module, as V5 to V7 say: what Polars' texts must equal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from urllib.parse import quote

from support.told_people import RUN, SINCE, Person

from muster.activation.messages.requests import request_id

Row = Mapping[str, Any]
_EXACT = ("\ue000", "\ue001")  # around digits that are no text


@dataclass(frozen=True)
class Entry:
    """What one element of a list over profiles is about."""

    person: int
    place: int | None
    is_exit: bool
    kind: str
    values: Mapping[str, Any]  # of names


@dataclass(frozen=True)
class Request:
    """A request of the plain construction."""

    method: str
    url: str
    body: str
    people: tuple[int, ...]


def plain(value: Any) -> Any:
    """A value of a profile as JSON has it: instants as text, no infinities, objects without keys of null (M7, V6)."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Decimal):
        return f"{_EXACT[0]}{value}{_EXACT[1]}"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if plain(each) is not None}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def instant(value: datetime) -> str:
    """An instant in UTC, with 0, 3 or 6 digits below seconds."""
    of = value.astimezone(UTC)
    digits = (
        ""
        if not of.microsecond
        else f".{of.microsecond // 1000:03}"
        if of.microsecond % 1000 == 0
        else (f".{of.microsecond:06}")
    )
    return f"{of:%Y-%m-%dT%H:%M:%S}{digits}Z".rjust(len("2026-01-01T00:00:00Z") + len(digits), "0")


def dumped(value: Any) -> str:
    """Compact JSON with exact decimals."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace(f'"{_EXACT[0]}', "").replace(f'{_EXACT[1]}"', "")


# Whole profiles (V5)


def profile_object(
    person: Person,
    row: Row,
    targets: Sequence[tuple[str, str]],
    shown: Sequence[tuple[str, str]],
    unmapped: Mapping[str, Mapping[str, datetime]],
    *,
    kept: Sequence[str] = (),
    names: bool = False,
) -> dict[str, Any]:
    """The object of a profile: ``targets`` with their columns, ``shown`` with id or alias and name of audiences."""
    found: dict[str, Any] = {}
    for target, source in targets:
        value = plain(row.get(source))
        has_exits_alone = person.withdrawn or not any(person.status.values())
        if source != "profile_id" and has_exits_alone and target in kept:
            value = json.loads(person.sent[target]) if target in person.sent else None
        elif source != "profile_id" and person.withdrawn:
            value = None
        if value is not None:
            node = found
            *parents, last = target.split(".")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = value
    found = _in_order(found, [target.split(".") for target, _ in targets])
    ups = {
        shown[place][0]: {
            "lastQualificationTime": instant(person.times.get(place, SINCE)),
            "status": "realized" if person.status[place] else "exited",
        }
        | ({"name": shown[place][1]} if names else {})
        for place in sorted(person.status)
    }
    if not person.withdrawn:
        for audience in sorted(unmapped):
            if person.id in unmapped[audience] and audience not in {name for name, _ in shown}:
                since = instant(unmapped[audience][person.id])
                ups[audience] = {"lastQualificationTime": since, "status": "realized"}
    identities: dict[str, list[dict[str, str]]] = {}
    for namespace, each in sorted((person.ids_sent if person.withdrawn else person.ids) or []):
        identities.setdefault(namespace, []).append({"id": each})
    return (
        found
        | ({"segmentMembership": {"ups": ups}} if ups else {})
        | ({"identityMap": identities} if identities else {})
    )


def _in_order(found: dict[str, Any], paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Keys in the order in which targets name them first, whichever of them have values."""
    ordered = dict.fromkeys(path[0] for path in paths if path[0] in found)
    return {
        key: _in_order(found[key], below)
        if (below := [path[1:] for path in paths if path[0] == key and len(path) > 1])
        else found[key]
        for key in ordered
    }


# Declared requests (V6)


@dataclass(frozen=True)
class Tree:
    """What a request is declared as, by kind of change."""

    request: Mapping[str, Any]
    method: Mapping[str, str]
    url: str
    targets: frozenset[str]

    def of(self, declared: Mapping[str, Any], kind: str) -> Any:
        """The shape of a kind."""
        for each in (kind, "realized" if kind == "changed" else "", ""):
            if each in declared:
                return declared[each]
        return None


def names_in(node: Any, *, in_each: bool = False) -> Iterator[tuple[str, bool]]:
    """The names of a tree, and whether they stand in a list over profiles."""
    if isinstance(node, str) and node.startswith("=") and not node.startswith("=="):
        yield node[1:], in_each
    elif isinstance(node, list):
        for each in node:
            yield from names_in(each, in_each=in_each)
    elif isinstance(node, dict):
        inside = in_each or set(node) == {"each", "as"}
        for each in node.values():
            yield from names_in(each, in_each=inside)


def filled(node: Any, entries: Sequence[Entry], entry: Entry, request: str) -> Any:
    """A tree with its values: those of one entry, and lists over all entries of the request."""
    if isinstance(node, str) and node.startswith("="):
        if node.startswith("=="):
            return node[1:]
        return request if node == "=request.id" else entry.values[node[1:]]
    if isinstance(node, list):
        return [filled(each, entries, entry, request) for each in node]
    if isinstance(node, dict):
        if set(node) == {"each", "as"}:
            return [filled(node["as"], entries, each, request) for each in entries]
        pairs = {key: filled(each, entries, entry, request) for key, each in node.items()}
        return {key: value for key, value in pairs.items() if value is not None}
    return None if isinstance(node, float) and not isfinite(node) else node


def requests(
    tree: Tree, entries: Sequence[Entry], key: Sequence[str], most: int, largest: int | None, *, first: int = 0
) -> list[Request]:
    """Entries packed into requests, in the order in which requests are filled: full ones first, then the others."""
    opened: dict[str, list[Entry]] = {}
    done: list[tuple[int, list[Entry]]] = []
    began: dict[str, int] = {}
    longest = request_id(*RUN, 10**9)

    def body(of: Sequence[Entry], request: str) -> str:
        return dumped(filled(tree.of(tree.request, of[0].kind), of, of[0], request))

    for number, entry in enumerate(entries):
        about = _key(tree, entry, key)
        group = opened.get(about)
        if group is not None and (largest is not None and len(body([*group, entry], longest).encode()) > largest):
            done.append((began[about], opened.pop(about)))
            group = None
        if group is None:
            opened[about], began[about] = [], number
        opened[about].append(entry)
        if len(opened[about]) >= most:
            done.append((began[about], opened.pop(about)))
    rest = [(began[about], group) for about, group in opened.items()]
    ordered = [group for _, group in [*sorted(done, key=lambda each: each[0]), *sorted(rest, key=lambda each: each[0])]]
    return [
        Request(
            tree.of(tree.method, group[0].kind) or "POST",
            url_of(tree.url, group[0]),
            body(group, request_id(*RUN, number)),
            tuple(each.person for each in group),
        )
        for number, group in enumerate(ordered, start=first)
    ]


def _key(tree: Tree, entry: Entry, key: Sequence[str]) -> str:
    """What entries of one request share."""
    shape = tree.of(tree.request, entry.kind)
    outside = [dumped(entry.values[name]) for name, in_each in names_in(shape) if not in_each and name != "request.id"]
    about = {"audience": entry.place, "status": entry.is_exit, "namespace": None}
    method, configured = tree.of(tree.method, entry.kind), [about[each] for each in key]
    return json.dumps([shape, method, url_of(tree.url, entry), outside, configured])


def url_of(url: str, entry: Entry) -> str:
    """A url with its values percent-encoded."""
    for name, value in entry.values.items():
        if "{" + name + "}" in url:
            text = value if isinstance(value, str) and not value.startswith(_EXACT[0]) else dumped(value)
            url = url.replace("{" + name + "}", quote(text, safe=""))
    return url


def kind_of(person: Person, place: int) -> str:
    """The kind of change of a person in an audience."""
    if not person.status[place]:
        return "exited"
    is_new = person.new is None or place in person.new
    return "realized" if is_new else "changed"


def is_too_large(tree: Tree, entry: Entry, largest: int | None) -> bool:
    """Whether no request can hold an entry."""
    shape = tree.of(tree.request, entry.kind)
    body = dumped(filled(shape, [entry], entry, request_id(*RUN, 10**9)))
    return largest is not None and len(body.encode()) > largest
