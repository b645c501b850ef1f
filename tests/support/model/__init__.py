"""A second opinion on what muster must deliver, written from SPEC alone: dicts and loops, one small step a rule.

Nothing here knows how the tool works. A snapshot is a dict of people, memberships are a dict of (status, time), a
delivered set is a dict of what each profile was last sent; an export is a list of rows. Where SPEC leaves a choice
open, the choice is named below:

- An audience with a rule and a feed (X6): a feed row later than the evaluation moves the membership that the
  evaluation found, so that a row which repeats it changes nothing (as D4 says of feeds); the next evaluation starts
  from what the feed made of it (E5).
- A delivered profile that has no membership any more at all is exited at ``at`` (X3d).
- A key with a null part is a null key (M3). A desired profile "holds" the key of its newest values and, as long as it
  is not sent again, the key that was last sent: the receiver stores it under that one (M3, X12).
- Among integer ids the exit of an id that is no number (of a day with text ids) stands before all numbers; ids of one
  number, `010` and `10`, stand by their UTF-8 bytes (M6).
- A profile that is in delivered, is realized but excluded now, and is taken for an exit is counted as that exit
  (X10: each once).
"""

from support.model.files import csv
from support.model.shop import Done, Shop
from support.model.words import (
    EXITED,
    ID,
    REALIZED,
    STATUS,
    TIME,
    Activation,
    Audience,
    Column,
    Message,
    Policy,
    Row,
    Snapshot,
)

__all__ = [
    "EXITED",
    "ID",
    "REALIZED",
    "STATUS",
    "TIME",
    "Activation",
    "Audience",
    "Column",
    "Done",
    "Message",
    "Policy",
    "Row",
    "Shop",
    "Snapshot",
    "csv",
]
