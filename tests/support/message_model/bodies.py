"""The JSON of `payload: profile`, as V5 says it."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from support.message_model.words import Place, Setup
from support.model.files import text
from support.model.words import Identity, Value

Shown = tuple[Place, str, tuple[datetime, ...]]  # a mapped audience, its status, the times that are right


def profile_texts(
    setup: Setup,
    values: Sequence[Mapping[str, Value]],
    shown: Sequence[Sequence[Shown]],
    others: Sequence[tuple[str, datetime]],
    ids: Iterable[frozenset[Identity]],
) -> tuple[str, ...]:
    """Every JSON that is right: of one of these values, orders of audiences and sets of identities."""
    found = []
    for some, order, held in itertools.product(values, shown, ids):
        for times in itertools.product(*(each[2] for each in order)):
            states = [(place, status, time) for (place, status, _), time in zip(order, times, strict=True)]
            found.append(as_json(profile_object(setup, some, states, others, held)))
    return tuple(dict.fromkeys(found))


def as_json(found: Any) -> str:
    """V5: UTF-8, keys in their order, no spaces."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def profile_object(
    setup: Setup,
    values: Mapping[str, Value],
    states: Sequence[tuple[Place, str, datetime]],
    others: Sequence[tuple[str, datetime]],
    ids: frozenset[Identity],
) -> dict[str, Any]:
    """V5: mapped attributes nested by the dots of their targets, segmentMembership, identityMap; nothing absent."""
    found: dict[str, Any] = {}
    for column in setup.mapping:
        if (value := values.get(column.target)) is not None:
            *folders, last = column.target.split(".")
            inner = found
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner[last] = value
    ups: dict[str, Any] = {}
    for (audience, name), status, time in states:
        ups[name] = {"lastQualificationTime": text(time), "status": status}
        ups[name] |= {"name": f"The {audience}"} if setup.names and (audience, name) in setup.places else {}
    for audience, time in sorted(others):
        ups[audience] = {"lastQualificationTime": text(time), "status": "realized"}
    if ups:
        found["segmentMembership"] = {"ups": ups}
    if ids:
        found["identityMap"] = identity_map(ids)
    return found


def identity_map(ids: frozenset[Identity]) -> dict[str, list[dict[str, str]]]:
    """V5: by namespace, sorted by namespace and id."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, each in sorted(ids, key=lambda pair: (pair[0].encode(), pair[1].encode())):
        found.setdefault(name, []).append({"id": each})
    return found
