"""The columns of the people to send: one row for each profile that a receiver is to be told of (V2, V3).

A *told audience* is an audience under the name that the receiver has for it: mapped ones in config order, then those
that were taken out, which only withdrawals tell. ``status(i)`` and the like are about the told audience at place ``i``.

muster:row      UInt32: the profile in the roster
profile_id      String
trigger         String: the first of consent, membership, identity, attributes (V11)
is_withdrawal   Boolean: consent was withdrawn, or the profile is forgotten or gone: the message has what was last sent
was_refused     Boolean: refused in an earlier run, so that its entries go last (V10)
status(i)       Boolean: what the message says: True realized, False exited, null nothing
time(i)         Datetime(us, UTC): last_qualification_time that the message says
is_told(i)      Boolean: this audience has to be told of the profile; others go along where a message has all audiences
ids             List(Struct(namespace String, id String)): the identities now, sorted; null for a withdrawal
ids_sent        List(Struct(namespace String, id String)): the identities last sent; null where nothing was
held(i)         List(String): the identifiers in the one mapped namespace that were last told as realized (M5)
sent(target)    String: the JSON of the value last sent under a target that is mandatory, deduplicates or identifies;
                null where nothing is known
values_digest   UInt64: of the mapped values now; ids_digest UInt64: of the identities now; both null for a withdrawal
"""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames.columns import TIME_TYPE

TRIGGER = "trigger"
TRIGGERS = ("consent", "membership", "identity", "attributes")
IS_WITHDRAWAL = "is_withdrawal"
WAS_REFUSED = "was_refused"
IDS = "ids"
IDS_SENT = "ids_sent"
IDS_TYPE = pl.List(pl.Struct({"namespace": pl.String(), "id": pl.String()}))
VALUES_DIGEST = "values_digest"
IDS_DIGEST = "ids_digest"
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


def status(place: int) -> str:
    """The column with what a message says of the told audience at a place."""
    return f"status:{place}"


def time(place: int) -> str:
    """The column with the qualification time that a message says of the told audience at a place."""
    return f"time:{place}"


def is_told(place: int) -> str:
    """The column for whether the told audience at a place has to be told of the profile."""
    return f"is_told:{place}"


def held(place: int) -> str:
    """The column with the identifiers that were last told as realized in the audience at a place (M5)."""
    return f"held:{place}"


def sent(target: str) -> str:
    """The column with the JSON of the value last sent under a target."""
    return f"sent:{target}"
