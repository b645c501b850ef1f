"""Measures told in plain Python: which events count, and what a function makes of them (E3)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Event = tuple[str, int, str | None, float | None, int | None]  # profile, days ago, type, amount, points
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.integers(-2, 6),
        st.sampled_from(["view", "buy", None]),
        st.none() | st.floats(-1e6, 1e6) | st.just(math.nan),
        st.none() | st.integers(-(2**63), 2**63 - 1),
    ),
    max_size=12,
)
CONDITIONS: dict[str | None, Callable[[Event], bool]] = {
    None: lambda _: True,
    "type = 'view'": lambda one: one[2] == "view",
    "amount > 0": lambda one: (one[3] is not None and one[3] > 0) or (one[3] is not None and math.isnan(one[3])),
    "type = 'view' OR points < 0": lambda one: one[2] == "view" or (one[4] is not None and one[4] < 0),
}


def _exact_sum(values: Sequence[Any], column: str | None) -> float:
    """The sum as the measure has it: whole numbers are not made floats before they are added."""
    return math.fsum(values) if column == "amount" else sum(values)


def naive(events: Sequence[Event], function: str, column: str | None) -> object:
    """The measure of events that count, told in Python."""
    position = {"type": 2, "amount": 3, "points": 4, None: 0}[column]
    pairs = [
        (-one[1], None if isinstance(one[position], float) and math.isnan(one[position]) else one[position])
        for one in events
    ]
    values = [value for _, value in pairs if value is not None]
    match function:
        case "count":
            return len(pairs)
        case "count_distinct":
            return len(set(values))
        case "sum":
            return _exact_sum(values, column)
        case "avg":
            return _exact_sum(values, column) / len(values) if values else None
        case "min" | "max":
            return ({"min": min, "max": max}[function])(values) if values else None
        case "first":
            ties = [value for time, value in pairs if time == min(time for time, _ in pairs)]
            return None if None in ties or not ties else min(ties)
        case _:
            ties = [value for time, value in pairs if value is not None and time == max(time for time, _ in pairs)]
            return max(ties, default=None)


def counting(events: Sequence[Event], profile: str, where: str | None, days: int | None) -> list[Event]:
    """The events that count, told in Python."""
    of_profile = [one for one in events if one[0] == profile and one[1] >= 0 and CONDITIONS[where](one)]
    return [one for one in of_profile if days is None or one[1] <= days]


FUNCTIONS = [
    ("count", None),
    *((f, c) for f in ("count_distinct", "min", "max", "first", "last") for c in ("type", "amount", "points")),
]
FUNCTIONS += [(function, column) for function in ("sum", "avg") for column in ("amount", "points")]
