"""The times in file names: ``{date}``, ``{local_datetime:%Y%m%d_%H%M}`` and their kin (F1).

A time placeholder is the run's scheduled time, in UTC or in the zone of the schedule, written by a pattern of
directives. What a pattern says of a time decides whether two runs can share a name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial

TIMES = {  # each placeholder that takes a pattern, with its pattern when none is written
    "date": "%Y%m%d",
    "datetime": "%Y%m%dT%H%M%SZ",
    "local_date": "%Y%m%d",
    "local_datetime": "%Y%m%dT%H%M%S%z",
}
TIMESTAMP = "timestamp"  # takes no pattern
DIRECTIVES = "YymdHMSjz"
LISTED = " ".join(f"%{each}" for each in DIRECTIVES)
DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "j": 3}  # of a directive's value

_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_PIECE = re.compile(r"%(.)|[^A-Za-z0-9._+-]", re.DOTALL)  # the sign of an offset is kept


@dataclass(frozen=True)
class Said:
    """What a template says of a run's time: directives in UTC, and in the zone of the schedule."""

    utc: frozenset[str]
    local: frozenset[str]

    @property
    def nothing(self) -> bool:
        """Whether the template has no time."""
        return not (self.utc or self.local)

    @property
    def names_instants(self) -> bool:
        """Whether no two instants can share a name. A local time without its offset occurs twice when clocks change."""
        return self.tells("S", "z") or _tells(self.utc, "S")

    def tells(self, *finest: str) -> bool:
        """Whether year, day, hour, minute and the ``finest`` directives are said, all in UTC or all in local time."""
        return _tells(self.local, *finest) or _tells(self.utc, *finest)

    @property
    def names_dates(self) -> bool:
        """Whether year and day are said, in UTC or in local time."""
        return any(_has_date(each) for each in (self.utc, self.local))


def _has_date(said: frozenset[str]) -> bool:
    return bool(said & {"Y", "y"}) and ("j" in said or said >= {"m", "d"})


def _tells(said: frozenset[str], *finest: str) -> bool:
    return _has_date(said) and said >= {"H", "M", *finest}


@lru_cache(maxsize=4096)
def placeholder_name(placeholder: str) -> str:
    """The name in a placeholder: what stands before the pattern, if there is one."""
    return placeholder.partition(":")[0]


@lru_cache(maxsize=4096)
def pattern_of(placeholder: str) -> str | None:
    """The pattern in force of a time placeholder; None for other placeholders."""
    name, has_pattern, pattern = placeholder.partition(":")
    return pattern if has_pattern and name in TIMES else TIMES.get(name)


def pattern_mistake(placeholder: str) -> str:
    """The mistake in the pattern of a time placeholder such as ``date:%Y``, or nothing."""
    name, has_pattern, pattern = placeholder.partition(":")
    if not has_pattern or name not in TIMES:
        return ""
    found = _DIRECTIVE.findall(pattern)
    if not found:
        return f"{{{placeholder}}} has no directive in its pattern; write {{{name}:{from_letters(pattern)}}}"
    if wrong := next((each for each in found if not each or each not in DIRECTIVES), None):
        return f"%{wrong} in {{{placeholder}}} is not known; a pattern takes {LISTED}"
    if "" in found:
        return f"{{{placeholder}}} has a '%' that begins no directive; a pattern takes {LISTED}"
    if "/" in pattern:
        parts = "/".join(f"{{{name}:{part}}}" for part in pattern.split("/") if part)
        return f"{{{placeholder}}} has a '/' in its pattern, and values make no folders; write {parts}"
    return ""


@lru_cache(maxsize=4096)
def said_by(placeholders: frozenset[str]) -> Said:
    """What the placeholders of a template say of a run's time."""
    said: dict[bool, set[str]] = {True: set(), False: set()}
    for placeholder in placeholders:
        pattern = pattern_of(placeholder)
        if pattern is not None:
            said[_is_local(placeholder)].update(_DIRECTIVE.findall(pattern))
        elif placeholder == TIMESTAMP:
            said[False].update("YmdHMS")
    return Said(frozenset(said[False]), frozenset(said[True]))


def _is_local(placeholder: str) -> bool:
    return placeholder.startswith("local_")


def time_values(placeholders: frozenset[str], instant: datetime, zone: tzinfo) -> dict[str, str]:
    """The value of each time placeholder at an instant, cleaned; ``zone`` is that of the schedule."""
    utc, local = instant.astimezone(UTC), instant.astimezone(zone)
    return {
        **{
            placeholder: _written(pattern, partial(_value, time=local if _is_local(placeholder) else utc))
            for placeholder, pattern in _patterns(placeholders)
        },
        TIMESTAMP: str(int(utc.timestamp())),
    }


def symbols(placeholders: frozenset[str], digit: str, offset: str, timestamp: str) -> dict[str, str]:
    """The value of each time placeholder with ``digit`` in the place of each digit of the time.

    Names that differ in these are never equal at one instant, whatever the zones of their schedules.
    """

    def symbol(directive: str) -> str:
        return offset if directive == "z" else digit * DIGITS[directive]

    patterns = _patterns(placeholders)
    return {**{placeholder: _written(pattern, symbol) for placeholder, pattern in patterns}, TIMESTAMP: timestamp}


@lru_cache(maxsize=4096)
def _patterns(placeholders: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The time placeholders among these, with their patterns."""
    return tuple((each, pattern) for each in placeholders if (pattern := pattern_of(each)) is not None)


def _written(pattern: str, value: Callable[[str], str]) -> str:
    """A pattern with the value of each directive; what is beside them is cleaned."""
    return _PIECE.sub(lambda match: value(match[1]) if match[1] else "_", pattern)


def _value(directive: str, time: datetime) -> str:
    return _offset(time) if directive == "z" else f"{_PARTS[directive](time):0{DIGITS[directive]}}"


_PARTS: dict[str, Callable[[datetime], int]] = {
    "Y": lambda time: time.year,
    "y": lambda time: time.year % 100,
    "m": lambda time: time.month,
    "d": lambda time: time.day,
    "H": lambda time: time.hour,
    "M": lambda time: time.minute,
    "S": lambda time: time.second,
    "j": lambda time: time.timetuple().tm_yday,
}


def _offset(time: datetime) -> str:
    """The offset from UTC: ``+0900``; with seconds where a zone had them."""
    offset = time.utcoffset() or timedelta()
    sign, seconds = "-" if offset < timedelta() else "+", int(abs(offset).total_seconds())
    return f"{sign}{seconds // 3600:02}{seconds // 60 % 60:02}" + (f"{seconds % 60:02}" if seconds % 60 else "")


# Patterns of letters, such as YYYYMMdd_HHmmss, that other programs write

_LETTERS = re.compile(r"'[^']*'|([A-Za-z])\1*|.", re.DOTALL)
_LETTERS_OF_DATES = re.compile(r"Y{4}|y{4}|YY|yy|MM|DD|dd|HH|hh|mm|SS|ss")
_OF_LETTERS = {
    "Y": "Y",
    "y": "Y",
    "D": "d",
    "d": "d",
    "H": "H",
    "h": "H",
    "k": "H",
    "S": "S",
    "s": "S",
    "Z": "z",
    "X": "z",
}


def from_letters(pattern: str) -> str:
    """The pattern of directives that means what a pattern of letters such as ``YYYYMMdd_HHmmss`` means."""
    made, hours_before = "", False
    for match in _LETTERS.finditer(pattern):
        text, letter = match[0], match[1]
        if letter in ("M", "m"):  # MM behind hours is minutes, as some programs write
            made += "%M" if letter == "m" or hours_before else "%m"
        elif letter in ("Y", "y"):
            made += "%y" if len(text) == 2 else "%Y"
        elif letter == "D" and len(text) == 3:
            made += "%j"
        elif letter in _OF_LETTERS:
            made += f"%{_OF_LETTERS[letter]}"
            hours_before = hours_before or _OF_LETTERS[letter] == "H"
        elif letter:
            made += text if len(text) == 1 else ""
        else:
            made += text.strip("'")
    return made if "%" in made else "%Y%m%d_%H%M%S"


def letters_of_dates(text: str) -> str:
    """The pattern of directives for text that is a pattern of letters such as ``YYYY-MM-DD`` alone, or nothing."""
    letters = set(_LETTERS_OF_DATES.findall(text))
    return from_letters(text) if letters and _LETTERS_OF_DATES.sub("", text).strip("-_.: T") == "" else ""
