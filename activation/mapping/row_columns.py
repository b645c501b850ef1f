"""Columns of the rows that an export writes and records, beside the profile's number, membership status and time.

muster:identity  String: the identity that a realized row is about, where a namespace is mapped (M5)
s0, s1...        of the column's type or String: what an exited row carries in the column at this position of the
                 mapping, as it was written (X12)
muster:as_sent   Boolean: an exited row of a merge or a split, which has what was sent and null elsewhere (P11); absent
                 where no row is one

Rows that an older muster recorded have others, which ``mapping.earlier_rows`` reads.
"""

import re

from muster.activation.frames.columns import INTERNAL

IDENTITY = f"{INTERNAL}identity"
AS_SENT = f"{INTERNAL}as_sent"
_SENT = re.compile(r"s(\d+)")


def exit_value(position: int) -> str:
    """The name of the column with an exited row's value of the column at this position of the mapping (X12)."""
    return f"s{position}"


def position_of(name: str) -> int | None:
    """The position in the mapping of a column of exits' values; None for another column."""
    found = _SENT.fullmatch(name)
    return int(found[1]) if found else None
