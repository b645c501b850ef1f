"""Columns of the rows that an export writes and records, beside ``__row``, ``status`` and ``last_qualification_time``.

__identity   String: the identity that the row is about, where a namespace is mapped (M5)
o0, o1...    of the key column's type or String: the values of ``Layout.keys`` that an exited row carries (X12)
sent_with    String: the transforms with which the person's ids were last written (``sent_transforms``)
"""

IDENTITY = "__identity"
SENT_WITH = "sent_with"


def exit_key(position: int) -> str:
    """The name of the column with an exited row's value of the key at this position of ``Layout.keys`` (X12)."""
    return f"o{position}"
