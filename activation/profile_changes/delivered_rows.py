"""The delivered rows of an activation that sends messages: the columns of their file, read by today's audiences (V2).

One row for each profile that a receiver was told of, or that a receiver refused:

profile_id, profile_number   String, UInt32: as in other files of the state
status(i), time(i)           Boolean, Datetime(us, UTC): what the receiver was last told of a told audience
held(i)                      List(String): identifiers that were last told as realized (M5)
ids, ids_digest              the identities last sent, as in ``profile_changes.people``, and their digest
sent(target)                 String: the JSON of the value last sent under a kept target
values_digest, mapping       UInt64: digest of the values last sent, and of the mapping that made them
maybe_status(i), maybe_time(i), maybe_held(i), maybe_ids, maybe_sent
                             what may have been sent beside, where no answer settled it; ``maybe_sent`` is a list of
                             structs with a String for each kept target
owed                         String: the trigger of a message that is still to be sent
tries, refusal, refused_offer  UInt16, String, UInt64: runs that refused, the reason of the last one, what was offered
pending_since                Datetime(us, UTC): when a change that waits for others was first seen (V7)

Columns without any value are left out. ``made``, beside the file in the ledger, is JSON:

audiences    list of {audience, alias, name, is_mapped, backfilled}: the told audiences by place; mapped ones first;
             backfilled once all members were sent (V4)
mapping      the mapping (``mapping_record``); id_column, deduplicate; fingerprint: the digest ``mapping`` of its rows
             (as text, since JSON has no numbers of 64 bits)
kept         list of kept targets; namespaces: those of the identities, null for all; numbering: that of profile_number
"""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, PROFILE_NUMBER, ROW_TYPE, TIME_TYPE
from muster.activation.model.history import StoredFile
from muster.activation.profile_changes.people import (
    HELD_DTYPE,
    IDS,
    IDS_DIGEST,
    IDS_TYPE,
    PENDING_SINCE,
    VALUES_DIGEST,
    held,
    sent,
    status,
    time,
)
from muster.activation.state.files import State
from muster.activation.values.identities import DIGEST_TYPE

MAPPING, OWED, TRIES, REFUSAL, REFUSED_OFFER = "mapping", "owed", "tries", "refusal", "refused_offer"
MAYBE_IDS, MAYBE_SENT = "maybe_ids", "maybe_sent"
AUDIENCES, KEPT, FINGERPRINT, BACKFILLED, NUMBERING = "audiences", "kept", "fingerprint", "backfilled", "numbering"
NAMESPACES, IS_MAPPED = "namespaces", "is_mapped"
SLIM = (IDS_DIGEST, VALUES_DIGEST, MAPPING, OWED, TRIES, REFUSED_OFFER, PENDING_SINCE)  # of everybody
Made = Mapping[str, Any]


def maybe_status(place: int) -> str:
    """The column with what may have been told of an audience."""
    return f"maybe_status:{place}"


def maybe_time(place: int) -> str:
    """The column with the qualification time that may have been told."""
    return f"maybe_time:{place}"


def maybe_held(place: int) -> str:
    """The column with identifiers that may have been told as realized."""
    return f"maybe_held:{place}"


def of_places(places: int) -> dict[str, pl.DataType]:
    """The columns that rows have for each told audience."""
    kinds = ((status, pl.Boolean()), (time, TIME_TYPE), (held, HELD_DTYPE))
    maybe = ((maybe_status, pl.Boolean()), (maybe_time, TIME_TYPE), (maybe_held, HELD_DTYPE))
    return {name(place): dtype for place in range(places) for name, dtype in (*kinds, *maybe)}


def sent_type(kept: Iterable[str]) -> pl.DataType:
    """The type of ``maybe_sent``: lists of the values under all kept targets."""
    return pl.List(pl.Struct({name: pl.String() for name in kept}))


def schema(made: Made) -> dict[str, pl.DataType]:
    """All columns of rows with such a record, in their order."""
    kept = made[KEPT]
    return {
        PROFILE_ID: pl.String(),
        PROFILE_NUMBER: ROW_TYPE(),
        **of_places(len(made[AUDIENCES])),
        IDS: IDS_TYPE,
        MAYBE_IDS: IDS_TYPE,
        IDS_DIGEST: DIGEST_TYPE(),
        **{sent(name): pl.String() for name in kept},
        **({MAYBE_SENT: sent_type(kept)} if kept else {}),
        VALUES_DIGEST: DIGEST_TYPE(),
        MAPPING: DIGEST_TYPE(),
        OWED: pl.String(),
        TRIES: pl.UInt16(),
        REFUSAL: pl.String(),
        REFUSED_OFFER: DIGEST_TYPE(),
        PENDING_SINCE: TIME_TYPE,
    }


def named(made: Made, place: int) -> tuple[str, str | None]:
    """The audience at a place, and its alias: the name under which the receiver knows it."""
    audience = made[AUDIENCES][place]
    return audience["audience"], audience["alias"]


def columns_today(present: Iterable[str], before: Made, made: Made, former: Mapping[str, str]) -> dict[str, pl.Expr]:
    """Each column of today's rows over a file of rows with the columns ``present``, by name (X12, V4).

    ``former`` names the kept target of before that one of today continues. What was not known is null.
    """
    places = {named(before, place): place for place in range(len(before[AUDIENCES]))}
    found: dict[str, pl.Expr] = {}
    names = {*present}
    for place in range(len(made[AUDIENCES])):
        then = places.get(named(made, place))
        for kind in (status, time, held, maybe_status, maybe_time, maybe_held):
            if then is not None and kind(then) in names:
                found[kind(place)] = pl.col(kind(then))
    found |= {sent(name): pl.col(sent(then)) for name, then in former.items() if sent(then) in names}
    if MAYBE_SENT in names and made[KEPT]:
        fields = (
            (pl.element().struct.field(former[name]) if name in former else pl.lit(None, pl.String())).alias(name)
            for name in made[KEPT]
        )
        found[MAYBE_SENT] = pl.col(MAYBE_SENT).list.eval(pl.struct(*fields))
    types = schema(made)
    of_all = (name for name in types if name in names and name.partition(":")[0] == name and name != MAYBE_SENT)
    found |= {name: pl.col(name) for name in of_all}
    if before[NUMBERING] != made[NUMBERING]:
        found.pop(PROFILE_NUMBER, None)
    return {name: found.get(name, pl.lit(None, dtype)).alias(name) for name, dtype in types.items()}


def unchanged_names(made: Made) -> dict[str, str]:
    """The kept targets, each of which continues itself."""
    return {name: name for name in made[KEPT]}


def read_rows(
    state: State, stored: StoredFile, before: Made, made: Made, former: Mapping[str, str] | None = None
) -> pl.LazyFrame:
    """The rows of a file with the columns of ``schema``; ``StateError`` when the file is damaged."""
    frame = state.read(stored)
    names = engine.schema_of(frame).names()
    return frame.select(
        columns_today(names, before, made, unchanged_names(made) if former is None else former).values()
    )


def no_rows(made: Made) -> pl.LazyFrame:
    """Rows of nobody."""
    return pl.LazyFrame(schema=schema(made))


def without_empty_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows as a file has them: without columns that hold no value at all."""
    always = {PROFILE_ID, PROFILE_NUMBER}
    return frame.select(name for name in frame.columns if name in always or frame[name].null_count() < frame.height)
