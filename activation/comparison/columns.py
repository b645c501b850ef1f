"""Columns of the frames that a comparison works on, one row a profile, beside ``muster:row``.

Each frame has a part of them: ``sides`` makes the first two groups, ``reasons`` and ``changes`` add the others. Values
of mapped columns that a reason asks for stand beside them in their ``Field.value_column``.
"""

# The profile in the memberships and in the snapshot
MEMBER = "member"  # Boolean: realized
HAS_EXITED = "has_exited"  # Boolean: exited in the memberships
PRESENT = "present"  # Boolean: in the snapshot
RANK = "rank"  # UInt64: ascending in the order of M6
DIGEST_NOW = "digest_now"  # UInt64: of the identity map (X3c); null where identities are not compared
IDS_NOW = "ids_now"  # List(String): ids in the mapped namespace, untransformed (M5)

# Marks: what is known of the profile beside the snapshot that values are of. Boolean; null for a profile that got its
# number since. A frame has those of ``People.marks`` alone, and ``FORGOTTEN`` where somebody is.
FORGOTTEN = "forgotten"  # forgotten (G8), whether the snapshot has the profile or not
IN_NEWEST = "in_newest"  # in the newest snapshot, where values are of an older one (X7, G5)
CONSENTS = "consents:"  # prefix of ``consents``
REGROUPED = "regrouped"  # of a merge or a split, since the last delivery, that a delivered id took part in (P11)

# The profile in the delivered set; null for a profile that was not delivered
WAS_DELIVERED = "was_delivered"  # Boolean, never null
TIME_SENT = "time_sent"  # Datetime(us, UTC): last_qualification_time
DIGEST_SENT = "digest_sent"  # UInt64

# Decisions
REASON = "reason"  # String: the name of the reason for which a member is not desired; null for none
DESIRED = "desired"  # Boolean: a member without a reason
INCLUDED = "included"  # Boolean: desired, and goes out as a realized row
SENT_ANEW = "sent_anew"  # Boolean: a key is written otherwise, as the mapping makes it in another way now (X12)
VALUES_CHANGED = "values_changed"  # Boolean: a value that ``changes`` asks for differs from what was sent (X3e)
IDENTITY_CHANGED = "identity_changed"  # Boolean: included for changed identities alone (X3c)
EXITS = "exits"  # Boolean: delivered, no longer desired, and goes out as an exited row (X3d)
CONSIDERED = "considered"  # Boolean: counted as received (X10)
ROW_TIME = "row_time"  # Datetime(us, UTC): last_qualification_time of the row
OUTCOME = "outcome"  # String: the name of the reason for which a considered profile has no row; null if it has one


# Delivered ids that became aliases since, where there are any
SURVIVOR = "survivor"  # UInt32: the row of the profile that such an id was merged into; null for all others


def consents(policy: str) -> str:
    """The mark for whether a consent policy, named by its id, lets the profile through (G4)."""
    return f"{CONSENTS}{policy}"


def now(position: int) -> str:
    """The column with what the column at this position of ``Layout.kept`` would have today.

    Of an identity column it is a list, with an element for each of ``ids_now``.
    """
    return f"now{position}"


def sent(position: int) -> str:
    """The column with what was last sent in the column at this position of ``Layout.kept``, in the type of then (X12).

    It is a list where ``Kept.holds_lists``, with an element for each row; null where nothing is known.
    """
    return f"sent{position}"


def sent_key(position: int) -> str:
    """The column with the ``key_text`` of ``sent``, where ``Kept.has_key_texts``."""
    return f"sent_key{position}"


def is_known(position: int) -> str:
    """The Boolean column for whether it is known what was sent in the column at this position of ``Layout.kept``.

    Null for profiles that were not delivered.
    """
    return f"known{position}"


def key(number: int) -> str:
    """The column with a part of a key, of the column at this place in ``Layout.identifying``: its ``key_text``."""
    return f"key{number}"
