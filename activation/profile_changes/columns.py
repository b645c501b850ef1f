"""Columns of the frames that decide whom a run of messages tells: one row a profile, beside ``comparison.columns``.

Of a told audience at place ``i``, ``status(i)``, ``time(i)`` and ``maybe_status(i)`` are what was sent, as in rows.
"""

PROFILE_NUMBER = "profile_number"  # UInt32: null for a profile whose number the state does not keep
VALUES_NOW = "values_now"  # UInt64: digest of the mapped values; null for a profile that the snapshot lacks
IDS_NOW = "ids_digest_now"  # UInt64: digest of the identities that trigger; null where they are not compared
WITHDRAWN = "withdrawn"  # Boolean: no consent, forgotten, or gone from the snapshot (V3)
IS_DESIRED = "is_desired"  # Boolean: desired in a mapped audience
WAS_SENT = "was_sent"  # Boolean: rows hold an audience as realized
IDENTIFIERS = "identifiers"  # List(String): the ids of the mapped namespace as they are written (M5)
HELD_DIFFERS = "held_differs"  # Boolean: identifiers now are not those that were told (M5); null where not known
KEPT_DIFFERS = "kept_differs"  # Boolean: a kept value is known, and another one than now (X12)
HAS_ENTRY = "has_entry"  # Boolean: a request tells the profile; else a member has what it is known by (M3, M5)
IS_OWED = "is_owed"  # Boolean: a message is still to be sent, though nothing may have changed since
LEFT_OUT = "left_out"  # String: the reason why a member whom nobody was told of is told nothing
LEAVES = "leaves"  # Boolean: exits from an audience
IS_UNCERTAIN = "is_uncertain"  # Boolean: it is not known what arrived (V2)
HAS_ROW = "has_row"  # Boolean: there is a delivered row; else null
IS_REGROUPED = "is_regrouped"  # Boolean: of a merge or a split that a delivered id took part in (P11)


def member(place: int) -> str:
    """Boolean: realized in the mapped audience at a place."""
    return f"member:{place}"


def has_left(place: int) -> str:
    """Boolean: exited in the memberships of the audience at a place, so that the exit has a time of its own."""
    return f"has_left:{place}"


def since(place: int) -> str:
    """Datetime(us, UTC): last_qualification_time in the audience at a place."""
    return f"since:{place}"


def reason(place: int) -> str:
    """String: why a member of the audience at a place is not desired."""
    return f"reason:{place}"


def desired(place: int) -> str:
    """Boolean: a member of the audience at a place, without a reason against."""
    return f"desired:{place}"


def holds(place: int) -> str:
    """Boolean: the receiver was, or may have been, told that the profile is in the audience at a place."""
    return f"holds:{place}"


def joins(place: int) -> str:
    """Boolean: desired in the audience at a place, and not told so yet, or with another qualification time."""
    return f"joins:{place}"


def exits(place: int) -> str:
    """Boolean: held in the audience at a place, and to be told as exited."""
    return f"exits:{place}"


def changed(trigger: str) -> str:
    """Boolean: what a trigger looks for has changed."""
    return f"changed:{trigger}"
