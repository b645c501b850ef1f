"""The columns of frames that cross packages: names and dtypes as constants, checked where a frame enters.

Names that stand beside a user's columns begin with ``INTERNAL``; a user's column with such a name cannot be used. The
frames are:

- *profiles*: ``ID``, and the snapshot's own columns; one row a profile (D1);
- *events*: ``ID``, ``EVENT_TIME``, and the event columns; one row an event (D3);
- *memberships*: the columns of ``MEMBERSHIPS``, sorted by ``PROFILE_ID``; one row a profile that is or was a member,
  of one audience at one instant (E5, E8);
- *rows by number*: ``ROW`` in the place of ``ID``, for frames that are joined with the roster of the command.
"""

from collections.abc import Iterable

import polars as pl
import polars.selectors as cs

INTERNAL = "muster:"  # the beginning of names that no column of an input file may have

ID = f"{INTERNAL}id"  # String: the profile id as text (D1)
ROW = f"{INTERNAL}row"  # ROW_TYPE: a profile's row in the roster of the command
EVENT_TIME = f"{INTERNAL}time"  # TIME_TYPE: the instant of an event (D3)
PROFILE_ID = "profile_id"  # String
AUDIENCE_ID = "audience_id"  # String
PROFILE_NUMBER = "profile_number"  # ROW_TYPE, in state files: null for a profile whose number the state did not keep
STATUS = "status"  # String in files, STATUS_TYPE in memory
TIME = "last_qualification_time"  # TIME_TYPE
REALIZED, EXITED = "realized", "exited"

ROW_TYPE = pl.UInt32
TIME_TYPE = pl.Datetime("us", "UTC")
STATUS_TYPE = pl.Enum([REALIZED, EXITED])  # of frames in memory: one byte a row

MEMBERSHIPS = pl.Schema({AUDIENCE_ID: pl.String(), PROFILE_ID: pl.String(), STATUS: pl.String(), TIME: TIME_TYPE})


def column(name: str) -> pl.Expr:
    """A user's column by its exact name; ``pl.col`` would take ``*`` and ``^...$`` for patterns."""
    return cs.by_name(name).as_expr() if _is_pattern(name) else pl.col(name)


def struct_field(struct: pl.Expr, name: str, names: Iterable[str]) -> pl.Expr:
    """A struct's field by its exact name, also if the name looks like a pattern; ``names`` are all fields in order."""
    if not _is_pattern(name):
        return struct.struct.field(name)
    positions = {each: str(position) for position, each in enumerate(names)}
    return struct.struct.rename_fields(list(positions.values())).struct.field(positions[name])


def _is_pattern(name: str) -> bool:
    return name == "*" or name.startswith("^")
