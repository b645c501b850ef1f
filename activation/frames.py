"""Names and dtypes of the columns that cross modules. A frame that comes from outside is checked where it enters.

All names start with ``__`` where a user's column could stand beside them.
"""

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
    return cs.by_name(name).as_expr() if name == "*" or name.startswith("^") else pl.col(name)
