"""Names and dtypes of the columns that cross modules. A frame that comes from outside is checked where it enters.

All names start with ``__`` where a user's column could stand beside them.
"""

from collections.abc import Iterable

import polars as pl
import polars.selectors as cs

ID = "__id"  # String: the profile id as text (D1)
ROW = "__row"  # UInt32: a profile's row in the roster of the command; state files name it ``roster_row``
ROW_TYPE = pl.UInt32
EVENT_TIME = "__time"  # Datetime(us, UTC): when an event happened (D3)
PROFILE_ID = "profile_id"
STATUS = "status"  # String: realized | exited
TIME = "last_qualification_time"  # Datetime(us, UTC)
AUDIENCE_ID = "audience_id"
REALIZED, EXITED = "realized", "exited"
TIME_TYPE = pl.Datetime("us", "UTC")
STATUS_TYPE = pl.Enum([REALIZED, EXITED])  # of frames in memory: a byte a row; files have text

# memberships: what an evaluation leaves for one audience, sorted by profile_id, one row a profile (E5, E8)
MEMBERSHIPS = pl.Schema({AUDIENCE_ID: pl.String(), PROFILE_ID: pl.String(), STATUS: pl.String(), TIME: TIME_TYPE})


def column(name: str) -> pl.Expr:
    """A user's column by its exact name: ``pl.col`` would take ``*`` and ``^...$`` for patterns."""
    return cs.by_name(name).as_expr() if _is_pattern(name) else pl.col(name)


def struct_field(struct: pl.Expr, name: str, names: Iterable[str]) -> pl.Expr:
    """A field of a struct, whose fields are ``names``, by its exact name: one that looks like a pattern is reached by its place."""
    if not _is_pattern(name):
        return struct.struct.field(name)
    places = {each: str(place) for place, each in enumerate(names)}
    return struct.struct.rename_fields(list(places.values())).struct.field(places[name])


def _is_pattern(name: str) -> bool:
    return name == "*" or name.startswith("^")
