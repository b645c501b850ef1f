"""The columns of the people to send: one row for each profile that a receiver is to be told of (V2, V3).

A *told audience* is an audience under the name that the receiver has for it: mapped ones in config order, then those
that were taken out, which only withdrawals tell. ``status(i)`` and the like are about the told audience at place ``i``.
What an uncertain message may have told counts as told, here and below (V2). A *kept* target is one of ``kept_names``:
it is mandatory, or its values are keys of ``deduplicate`` (X12).

muster:row      UInt32: the profile in the roster
profile_id      String
profile_number  UInt32: the number that the state keeps of the profile; null without one
trigger         String: the first of consent, membership, identity, attributes; else resync (V11)
is_withdrawal   Boolean: consent was withdrawn, or the profile is forgotten or gone: the message has what was last sent
was_refused     Boolean: refused in an earlier run, so that its entries go last (V10)
is_counted      Boolean: false for an id that became an alias, beside a survivor who counts (P11, X10)
is_forgotten    Boolean: no file that outlives the run has the id (G8)
pending_since   Datetime(us, UTC): when the change was first seen, of ``max_age`` (V7); null without it
status(i)       Boolean: what the message says: True realized, False exited, null nothing
time(i)         Datetime(us, UTC): last_qualification_time that the message says
is_told(i)      Boolean: this audience has to be told of the profile; others go along where a message has all audiences
is_new(i)       Boolean: the status in this audience changed, or there is a newer qualification: not values alone (V6)
ids             List(Struct(namespace String, id String)): the identities now, sorted; null for a withdrawal
ids_sent        List(Struct(namespace String, id String)): the identities last sent; null where nothing was sent
sent(target)    String: the JSON of the value last sent under a kept target; null where nothing is known, or null was
now(target)     String: the JSON of the value now under a kept target; null for null, and for a withdrawal
values_digest   UInt64: of the mapped values now; ids_digest UInt64: of the identities now; both null for a withdrawal
offer           UInt64: equal in two runs that would tell the profile the same, by the same requests (V10)

Of requests that tell an identity of one namespace (``MessageActivation.identity_column``, M5)
held(i)         List(String): identifiers, as they were written, that were last told as realized
leaves(i)       List(String): those of them that go out as exits: no member holds them any more. An entry for each

Of other declared requests: the receiver knows a profile by the values of kept targets
withdraws(i)    Boolean: an exit goes out under the values ``sent``: of a profile that leaves, or is sent anew under
                another key; not where a member has the key (M3)
also(i)         List(Struct(target String, ...)): other values that may have been sent under the kept targets, if it is
                not known what arrived: an exit goes out under each of them. Null where there is none

For declared requests, realized entries are those of a place with ``status(i)`` and ``is_told(i)``. A profile without
any entry, if it does not wait for others, is excluded as a duplicate.
"""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import TIME_TYPE
from muster.activation.mapping.kept import UNMAPPED, Kept
from muster.activation.mapping.layout import Layout

TRIGGER = "trigger"
TRIGGERS = ("consent", "membership", "identity", "attributes")
RESYNC = "resync"  # of members who are sent by request alone, or as the mapping changed and is resent
IS_WITHDRAWAL = "is_withdrawal"
WAS_REFUSED = "was_refused"
IS_COUNTED = "is_counted"
IS_FORGOTTEN = "is_forgotten"
IDS = "ids"
IDS_SENT = "ids_sent"
IDS_TYPE = pl.List(pl.Struct({"namespace": pl.String(), "id": pl.String()}))
VALUES_DIGEST = "values_digest"
IDS_DIGEST = "ids_digest"
OFFER = "offer"
PENDING_SINCE = "pending_since"
STATUS_DTYPE, TIME_DTYPE, HELD_DTYPE = pl.Boolean(), TIME_TYPE, pl.List(pl.String())


@dataclass(frozen=True)
class ToldAudience:
    """An audience under the name that the receiver has for it."""

    audience: str
    alias: str | None
    name: str
    is_mapped: bool  # False: taken out of the activation, so that only withdrawals tell it (V4)

    @property
    def shown(self) -> str:
        """The alias, or the id where there is none: what messages call the audience (V5)."""
        return self.alias or self.audience


def kept_names(layout: Layout) -> tuple[str, ...]:
    """The targets of which rows keep the values last sent (X12): of mandatory columns, and of keys.

    A source of ``deduplicate`` that is not mapped is kept under a name that begins with ``key:``.
    """
    return tuple(name_of(each) for each in layout.kept if each.field.role != "identity")


def name_of(kept: Kept) -> str:
    """The name under which rows keep what was sent in a column."""
    return kept.target if kept.position is not None else f"{UNMAPPED}{kept.field.column.source}"


def status(place: int) -> str:
    """The column with what a message says of the told audience at a place."""
    return f"status:{place}"


def time(place: int) -> str:
    """The column with the qualification time that a message says of the told audience at a place."""
    return f"time:{place}"


def is_told(place: int) -> str:
    """The column for whether the told audience at a place has to be told of the profile."""
    return f"is_told:{place}"


def is_new(place: int) -> str:
    """The column for whether the status in the told audience at a place is new, or its qualification is (V6)."""
    return f"is_new:{place}"


def held(place: int) -> str:
    """The column with the identifiers that were last told as realized in the audience at a place (M5)."""
    return f"held:{place}"


def leaves(place: int) -> str:
    """The column with the identifiers that go out as exits in the audience at a place (M5)."""
    return f"leaves:{place}"


def withdraws(place: int) -> str:
    """The column for whether an exit goes out in the audience at a place, under the values last sent (X12, M3)."""
    return f"withdraws:{place}"


def also(place: int) -> str:
    """The column with other values that may have been sent and go out as exits in the audience at a place (V2)."""
    return f"also:{place}"


def sent(target: str) -> str:
    """The column with the JSON of the value last sent under a target."""
    return f"sent:{target}"


def now(target: str) -> str:
    """The column with the JSON of the value under a target now."""
    return f"now:{target}"
