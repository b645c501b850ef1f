"""Replace words of a rule before Polars parses them (E1, E2).

The instant of evaluation replaces ``now()`` and similar words, for which Polars would read the machine's clock.
Literals with an offset become local time, because Polars would ignore the offset. References to audiences, identity
namespaces and measures become plain columns.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from muster.activation.frames.columns import INTERNAL
from muster.activation.sql.functions import INSTANTS, NARROW
from muster.activation.sql.tokens import END, SqlError, Token, name, text, word

# Prefixes of the columns that a rule reads beside those of the profiles:
AUDIENCE = f"{INTERNAL}audience:"  # Boolean, one column for each audience that a rule refers to
IDENTITY = f"{INTERNAL}identity:"  # List(String), one column for each namespace
MEASURE = f"{INTERNAL}measure:"  # one column for each distinct measure
_WIDE_PARTS = frozenset({"MILLISECOND", "MICROSECOND", "NANOSECOND", "TIME"})
IN_A_MEASURE = "a measure, which sees one event at a time; use it in the audience's where"

T = TypeVar("T")
Replacement = tuple[int, list[Token]]  # how many tokens to replace, and their replacement
Rewrite = Callable[[Sequence[Token], int], Replacement | None]  # of the tokens from a position on

_PREFIXES = {"audience": AUDIENCE, "identity_map": IDENTITY}
_TIMESTAMPS = ("TIMESTAMP", "DATETIME", "TIMESTAMPTZ")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def rewrite(found: Sequence[Token], rewrites: Sequence[Rewrite]) -> list[Token]:
    """The tokens after the first rewrite that applies at each position, from left to right."""
    out: list[Token] = []
    position = 0
    while position < len(found):
        for each in rewrites:
            if (replacement := each(found, position)) is not None:
                break
        else:
            replacement = 1, [found[position]]
        out += replacement[1]
        position += replacement[0]
    return out


def widened(found: Sequence[Token]) -> list[Token]:
    """The tokens with casts to 64 bits after narrow functions: ``EXTRACT(month FROM d) * 100`` overflows 8 bits."""
    out: list[Token] = []
    narrow: list[bool] = []  # one for each open bracket
    for before, token, after in zip((END, *found), found, (*found[1:], END), strict=False):
        out.append(token)
        if token.is_symbol("(", "["):
            narrow.append(token.is_symbol("(") and before.is_word(*NARROW) and not _is_wide(before, after))
        elif token.is_symbol(")", "]") and narrow.pop():
            out += [Token("symbol", "::"), word("BIGINT")]
    return out


def _is_wide(function: Token, part: Token) -> bool:
    """Whether EXTRACT takes a fraction of seconds, or the time of day: their results are wide already."""
    return function.is_word("EXTRACT", "DATE_PART") and part.value.upper().rstrip("S") in _WIDE_PARTS


def meanings(at: datetime, zone: ZoneInfo, renamed: Mapping[str, str], *, alone: str = "") -> list[Rewrite]:
    """The rewrites for one instant (aware) and zone.

    ``alone`` says, for messages, which expression may not refer to audiences and identities (E3); empty if it may.
    """
    local = at.astimezone(zone).replace(tzinfo=None)
    refer = partial(_no_reference, alone) if alone else _reference
    return [
        refer,
        _field,
        partial(_instant, local),
        partial(_literal, zone),
        partial(_cast_literal, zone),
        partial(_renamed, renamed),
    ]


def _peek(found: Sequence[Token], position: int) -> Token:
    return found[position] if 0 <= position < len(found) else END


def _reference(found: Sequence[Token], position: int) -> Replacement | None:
    """Replace ``audience.<id>`` and ``identity_map.<namespace>`` by one column each."""
    if not _starts_reference(found, position):
        return None
    root, member = found[position].value, _peek(found, position + 2)
    if _peek(found, position + 1).is_symbol(".") and member.is_identifier:
        return 3, [name(_PREFIXES[root] + member.value)]
    what = "id" if root == "audience" else "namespace"
    raise SqlError(f'{root} is written {root}.<{what}>, with quotes when it is not a plain name: {root}."2024-{what}"')


def _no_reference(alone: str, found: Sequence[Token], position: int) -> Replacement | None:
    if _starts_reference(found, position) and _peek(found, position + 1).is_symbol("."):
        root = found[position].value
        written = f"{root}.{_peek(found, position + 2).value}"
        raise SqlError(f"{written} is not allowed in {alone}")
    return None


def _starts_reference(found: Sequence[Token], position: int) -> bool:
    return (
        found[position].is_identifier
        and found[position].value in _PREFIXES
        and not _peek(found, position - 1).is_symbol(".")
    )


def _field(found: Sequence[Token], position: int) -> Replacement | None:
    """Quote a struct field, so that its name is not taken for a keyword or an instant."""
    if found[position].is_identifier and _peek(found, position - 1).is_symbol("."):
        return 1, [name(found[position].value)]
    return None


def _instant(local: datetime, found: Sequence[Token], position: int) -> Replacement | None:
    """Replace ``now()`` and the other words of ``INSTANTS`` by a literal of the evaluation's instant."""
    token, called = found[position], _peek(found, position + 1).is_symbol("(")
    if not token.is_word(*INSTANTS) or (token.is_word("NOW") and not called):
        return None
    if called and not _peek(found, position + 2).is_symbol(")"):
        raise SqlError(f"{token.value.upper()} takes no arguments")
    return (3 if called else 1), _moment(token, local)


def _moment(token: Token, local: datetime) -> list[Token]:
    if token.is_word("CURRENT_DATE"):
        return [word("DATE"), text(local.date().isoformat())]
    if token.is_word("CURRENT_TIME", "LOCALTIME"):
        return [word("TIME"), text(local.time().isoformat("auto"))]
    return _timestamp(local)


def _timestamp(local: datetime) -> list[Token]:
    return [word("TIMESTAMP"), text(local.isoformat(" ", "auto"))]


def _literal(zone: ZoneInfo, found: Sequence[Token], position: int) -> Replacement | None:
    """Replace ``DATE '...'``, ``TIMESTAMP '...'``, ``TIME '...'`` in all spellings by literals in local time."""
    kind = found[position]
    if not kind.is_word("DATE", "TIME", *_TIMESTAMPS):
        return None
    end = _literal_end(found, position)
    if end is None:
        return None
    value = found[end - 1] if found[end - 1].kind == "text" else found[end - 2]
    return end - position, _converted(kind, value.value, zone)


def _literal_end(found: Sequence[Token], position: int) -> int | None:
    """The position after a literal that starts with a type's name; None if the name is a function or a column."""
    if _peek(found, position + 1).is_symbol("(") and _peek(found, position + 2).kind == "text":
        return position + 4 if _peek(found, position + 3).is_symbol(")") else None
    after = position + 1
    if (
        _peek(found, after).is_symbol("(")
        and _peek(found, after + 1).kind == "number"
        and _peek(found, after + 2).is_symbol(")")
    ):
        after += 3  # TIMESTAMP(6) '...'
    if _peek(found, after).is_word("WITH", "WITHOUT"):
        after += 3  # TIMESTAMP WITH TIME ZONE '...'
    return after + 1 if _peek(found, after).kind == "text" else None


def _converted(kind: Token, value: str, zone: ZoneInfo) -> list[Token]:
    if kind.is_word("DATE"):
        return [word("DATE"), text(_checked_date(value))]
    if kind.is_word("TIME"):
        return [word("TIME"), text(_checked_time(value))]
    moment = _parsed(datetime.fromisoformat, value)
    if moment is None:
        raise SqlError(
            f"{value!r} is not a timestamp; expected TIMESTAMP '2026-11-21 17:00:00', with or without an offset"
        )
    return _timestamp(_local(moment, zone, value))


def _checked_date(value: str) -> str:
    if not _DATE.fullmatch(value) or _parsed(date.fromisoformat, value) is None:
        raise SqlError(f"{value!r} is not a date; expected DATE '2026-11-21'")
    return value


def _checked_time(value: str) -> str:
    moment = _parsed(time.fromisoformat, value)
    if moment is None or moment.tzinfo is not None:
        raise SqlError(f"{value!r} is not a time of day; expected TIME '17:00:00', without an offset")
    return moment.isoformat("auto")


def _parsed(parse: Callable[[str], T], value: str) -> T | None:
    try:
        return parse(value.strip())
    except ValueError:
        return None


def _local(moment: datetime, zone: ZoneInfo, value: str) -> datetime:
    if moment.tzinfo is None:
        return moment
    try:
        return moment.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise SqlError(f"{value!r} is outside the years 1 to 9999 in {zone.key}") from None


def _cast_literal(zone: ZoneInfo, found: Sequence[Token], position: int) -> Replacement | None:
    """Remove the offset of a literal that is cast: ``'2026-11-21T17:00:00+01:00'::timestamp``, or in a CAST."""
    if found[position].kind != "text":
        return None
    after = position + 1
    while _peek(found, after).is_symbol(")"):
        after += 1
    moment = _parsed(datetime.fromisoformat, found[position].value)
    cast, kind = _peek(found, after), _peek(found, after + 1)
    if moment is None or moment.tzinfo is None or not (cast.is_word("AS") or cast.is_symbol("::")):
        return None
    local = _local(moment, zone, found[position].value)
    if kind.is_word("DATE"):
        return 1, [text(local.date().isoformat())]
    if kind.is_word("TIME"):
        return 1, [text(local.time().isoformat("auto"))]
    return (1, [text(local.isoformat(" ", "auto"))]) if kind.is_word(*_TIMESTAMPS) else None


def _renamed(renamed: Mapping[str, str], found: Sequence[Token], position: int) -> Replacement | None:
    """Replace a measure by its column; ``parse`` checks that the word could not be anything else."""
    token = found[position]
    if not token.is_identifier or token.value not in renamed or _is_structural(found, position):
        return None
    return 1, [name(renamed[token.value])]


def _is_structural(found: Sequence[Token], position: int) -> bool:
    """Whether an unquoted word is the name of a type, a function, a unit or a part of a date, not of a column."""
    token, before, after = found[position], _peek(found, position - 1), _peek(found, position + 1)
    if token.kind == "name":
        return False
    if after.is_symbol("(") or after.kind == "text" or before.is_word("AS", "INTERVAL") or before.is_symbol("::"):
        return True
    if before.is_symbol("(") and after.is_word("FROM"):
        return _peek(found, position - 2).is_word("EXTRACT")
    return before.kind in ("text", "number") and _peek(found, position - 2).is_word("INTERVAL")
