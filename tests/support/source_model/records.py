"""What sources hold at an instant: rows that count, with cleaned identities (P1, P2)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from support.source_model.words import (
    File,
    Identity,
    MergePolicy,
    Namespace,
    Record,
    Row,
    Setup,
    Source,
    age,
    as_bytes,
)

NOBODY = {"null", "none", "undefined", "anonymous", "invalid", "unknown", "nan", "0", "n/a"}


def clean(namespace: Namespace, raw: object) -> str | None:
    """P2: an identity as it counts, or None."""
    if raw is None:
        return None
    text = str(raw).strip()
    for step in namespace.normalize:
        text = {"trim": str.strip, "lower": str.lower}[step](text)
    if not text or len(text) > 1024 or text.lower() in NOBODY or text in namespace.blocked:
        return None
    if any(_is_like(text, pattern) for pattern in namespace.blocked_like):
        return None
    if namespace.pattern is not None and not re.fullmatch(namespace.pattern, text):
        return None
    return text


def _is_like(text: str, pattern: str) -> bool:
    """SQL's LIKE."""
    steps = {"%": ".*", "_": "."}
    return bool(re.fullmatch("".join(steps.get(each, re.escape(each)) for each in pattern), text, re.DOTALL))


def policy_sources(setup: Setup, policy: MergePolicy) -> list[Source]:
    """P8: the record sources of a policy, in the order in which ties count."""
    names = policy.sources if policy.sources is not None else tuple(sorted(setup.sources))
    if policy.precedence is not None:
        names = tuple(each for each in names if each in policy.precedence)
    return [setup.sources[each] for each in names if setup.sources[each].kind == "records"]


def policy_events(setup: Setup, policy: MergePolicy) -> list[Source]:
    """P9: the event sources of a policy."""
    names = policy.sources if policy.sources is not None else tuple(sorted(setup.sources))
    return [setup.sources[each] for each in names if setup.sources[each].kind == "events"]


def records_at(setup: Setup, source: Source, files: Sequence[File], at: datetime) -> list[Record]:
    """P1: the records or events that count at an instant."""
    if source.kind == "events":
        assert source.timestamp
        rows = [row for file in files for row in file.rows if row[source.timestamp] <= at]
        return [_record(setup, source, row, row[source.timestamp]) for row in rows]
    if source.mode == "changes":
        return list(_changes(setup, source, files, at))
    newest = max((each for each in files if age(each.at) <= at), key=lambda each: age(each.at))
    made = [_record(setup, source, row, _updated(source, row) or newest.at) for row in newest.rows]
    return [each for each in made if each.primary]


def _updated(source: Source, row: Row) -> Any:
    return row.get(source.updated_at) if source.updated_at else None


def _changes(setup: Setup, source: Source, files: Sequence[File], at: datetime) -> Iterator[Record]:
    """P1: of each primary identity the newest row, ties the last in file name and row order; less what is deleted."""
    newest: dict[Identity, Record] = {}
    for file in sorted((each for each in files if age(each.at) <= at), key=lambda each: each.name.encode()):
        for row in file.rows:
            time = _updated(source, row)
            record = _record(setup, source, row, time)
            if record.primary is None or time > at:
                continue
            before = newest.get(record.primary)
            if before is None or age(before.time) <= time:
                newest[record.primary] = record
    for record in newest.values():
        if not (source.deleted and record.row.get(source.deleted)):
            yield record


def _record(setup: Setup, source: Source, row: Row, time: datetime | None) -> Record:
    found = [list(_identities(setup.namespaces, column, namespace, row)) for column, namespace in source.fields]
    identities = sorted({each for column in found for each in column}, key=as_bytes)
    return Record(source, next(iter(found[0]), None), tuple(identities), time, row)


def _identities(namespaces: Mapping[str, Namespace], column: str, namespace: str, row: Row) -> Iterator[Identity]:
    value = row.get(column)
    if namespace:
        pairs = [(namespace, each) for each in (value if isinstance(value, list) else [value])]
    else:  # an identity map
        pairs = [(each["namespace"], each["id"]) for each in value or ()]
    for name, each in pairs:
        text = clean(namespaces.get(name, Namespace(name)), each) if name else None
        if text is not None:
            yield name, text
