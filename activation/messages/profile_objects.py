"""Messages of ``payload: profile``: one object a profile, of attributes, audiences and identities (V5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from muster.activation.frames.columns import EXITED, ID, PROFILE_ID, REALIZED
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.messages.identity_maps import IDENTITY_MAP
from muster.activation.messages.json_parts import Json, enclosed, object_of, quoted
from muster.activation.messages.unmapped import unmapped_time
from muster.activation.profile_changes.people import IS_WITHDRAWAL, ToldAudience, sent, status, time
from muster.activation.values.message_json import message_json
from muster.activation.values.scalars import TIMESTAMP_FORMAT

SEGMENT_MEMBERSHIP, UPS = "segmentMembership", "ups"
_TIME, _STATUS, _NAME = "lastQualificationTime", "status", "name"


@dataclass
class _Object:
    """Attributes below one part of targets, in mapping order."""

    members: "dict[str, _Object | Json]" = field(default_factory=dict)


_Tree: TypeAlias = "_Object | Json"


def profile_object(
    layout: Layout, told: Sequence[ToldAudience], unmapped: Sequence[str], kept: Sequence[str], *, names: bool
) -> pl.Expr:
    """The object of each person, over a part of the people: String.

    The frame has ``identityMap`` too, and a time of each unmapped audience. ``kept`` are the targets of which people
    have what was sent; ``names`` adds the names of mapped audiences.
    """
    joined = (pl.col(status(place)).fill_null(value=False) for place in range(len(told)))
    leaves = pl.col(IS_WITHDRAWAL) | ~pl.any_horizontal(*joined, pl.lit(value=False))
    attributes = _nested((each.column.name, _attribute(each, layout, kept, leaves)) for each in layout.fields)
    audiences = _audiences(told, unmapped, names=names)
    identities = Json((pl.col(IDENTITY_MAP),), may_be_null=True)
    members = [*attributes, (SEGMENT_MEMBERSHIP, audiences), (IDENTITY_MAP, identities)]
    return object_of(members).expr


def _attribute(of: Field, layout: Layout, kept: Sequence[str], leaves: pl.Expr) -> Json:
    """A mapped value: of a kept target what was last sent, where a message has exits alone (X12).

    Of other targets a withdrawal has nothing (V3).
    """
    newest, name = json_of(of, layout), of.column.name
    if of.role == "profile_id":
        return Json((newest,), may_be_null=True)
    if name in kept:
        return Json((pl.when(leaves).then(sent(name)).otherwise(newest),), may_be_null=True)
    return Json((pl.when(~pl.col(IS_WITHDRAWAL)).then(newest),), may_be_null=True)


def json_of(of: Field, layout: Layout) -> pl.Expr:
    """The JSON of a field of the profile alone, as it is now: String, null for null."""
    if of.role == "attribute":
        return message_json(pl.col(of.value_column), of.dtype)
    if of.column.is_plain:
        return profile_id_json(layout)
    return message_json(of.expr, of.dtype)


def profile_id_json(layout: Layout) -> pl.Expr:
    """The profile id: a number where the snapshot has numbers, and the id is spelled as one of them is (D1)."""
    text, dtype = pl.col(ID), layout.snapshot.schema[PROFILE_ID]
    as_text = message_json(text, pl.String())
    if not dtype.is_integer():
        return as_text
    return pl.when(text.cast(dtype, strict=False).cast(pl.String) == text).then(text).otherwise(as_text)


def _nested(values: Iterable[tuple[str, Json]]) -> list[tuple[str, Json]]:
    """Values nested by the dots of their targets; siblings come together where the first of them stands."""
    root = _Object()
    for target, value in values:
        *parents, last = target.split(".")
        node = root
        for parent in parents:
            below = node.members.setdefault(parent, _Object())
            if isinstance(below, Json):
                raise TypeError(f"the target {target!r} lies below another one")
            node = below
        node.members[last] = value
    return [(key, _json(below)) for key, below in root.members.items()]


def _json(node: _Tree) -> Json:
    """A value, or an object of attributes, which is left out where none of them has a value."""
    if isinstance(node, Json):
        return node
    return object_of([(key, _json(below)) for key, below in node.members.items()], empty_is_null=True)


def _audiences(told: Sequence[ToldAudience], unmapped: Sequence[str], *, names: bool) -> Json:
    """The told audiences that a message has something of, then unmapped ones that the profile is a member of.

    One that was taken out is unmapped to whomever it does not have to be told of. One whose id is the name of a mapped
    audience is left out: a receiver would take it for that.
    """
    texts = [_told(place, audience, names=names) for place, audience in enumerate(told)]
    mapped = {audience.shown for audience in told if audience.is_mapped}
    taken_out = {audience.shown: place for place, audience in enumerate(told) if not audience.is_mapped}
    for place, audience in enumerate(unmapped):
        if audience in mapped:
            continue
        entry = _entry(audience, pl.col(unmapped_time(place)), quoted(REALIZED), "")
        is_told = pl.col(status(taken_out[audience])).is_not_null() if audience in taken_out else pl.lit(value=False)
        texts.append(pl.when(~is_told).then(entry))
    return enclosed(f'{{"{UPS}":{{', texts, "}}", empty_is_null=True)


def _told(place: int, audience: ToldAudience, *, names: bool) -> pl.Expr:
    said = pl.col(status(place))
    name = f',"{_NAME}":{quoted(audience.name)}' if names and audience.is_mapped else ""
    word = pl.when(said).then(pl.lit(quoted(REALIZED))).otherwise(pl.lit(quoted(EXITED)))
    return pl.when(said.is_not_null()).then(_entry(audience.shown, pl.col(time(place)), word, name))


def _entry(shown: str, at: pl.Expr, word: pl.Expr | str, name: str) -> pl.Expr:
    """An audience's key and value; null without a time."""
    opening = pl.lit(f'{quoted(shown)}:{{"{_TIME}":"')
    said = pl.lit(word) if isinstance(word, str) else word
    return pl.concat_str(opening, time_text(at), pl.lit(f'","{_STATUS}":'), said, pl.lit(f"{name}}}"))


def time_text(at: pl.Expr) -> pl.Expr:
    """An instant as ISO 8601 in UTC with ``Z``, with as many digits below seconds as it needs (M7)."""
    return at.dt.replace_time_zone(None).dt.to_string(TIMESTAMP_FORMAT)
