"""Spellings of other dialects of SQL, each refused with the spelling that works here (E2, SPEC 10).

All of them are refused later too, but there with a message about what Polars made of them.
"""

import re
from collections.abc import Sequence

from muster.activation.sql.tokens import END, SqlError, Token

_LATER, _APART, _DAY = "INTERVAL '30 days'", "NOW() - seen < INTERVAL '30 days'", "CURRENT_DATE"
_IN_LIST, _FIELD, _ABSENT = "'x' = ANY(tags)", "person.name", "email IS NULL"
# How to write what other dialects have a function for; `tags`, `seen` and the like stand for the user's columns.
FUNCTIONS = {
    **dict.fromkeys(("DATEADD", "DATE_ADD", "TIMESTAMPADD", "TIMESTAMP_ADD"), f"seen + {_LATER}"),
    **dict.fromkeys(("DATESUB", "DATE_SUB", "TIMESTAMP_SUB"), f"seen - {_LATER}"),
    "MAKE_INTERVAL": "INTERVAL '30 days'",
    **dict.fromkeys(("ADD_DAYS", "ADD_MONTHS"), "seen + INTERVAL '1 month'"),
    **dict.fromkeys(("DATEDIFF", "DATE_DIFF", "TIMESTAMPDIFF", "TIMESTAMP_DIFF", "AGE", "MONTHS_BETWEEN"), _APART),
    **dict.fromkeys(("TODAY", "CURDATE", "SYSDATE"), _DAY),
    **dict.fromkeys(("GETDATE", "SYSTIMESTAMP"), "NOW()"),
    **dict.fromkeys(("TO_DATE", "STR_TO_DATE", "PARSE_DATE"), "DATE(day, '%Y-%m-%d')"),
    **dict.fromkeys(("TO_TIMESTAMP", "PARSE_TIMESTAMP"), "STRPTIME(day, '%Y-%m-%d %H:%M:%S')"),
    **dict.fromkeys(("TO_CHAR", "DATE_FORMAT", "FORMAT_DATE"), "STRFTIME(seen, '%Y-%m-%d')"),
    **dict.fromkeys(("CONTAINS", "INCLUDES"), f"{_IN_LIST} for a list, name LIKE '%x%' for text"),
    **dict.fromkeys(("LIST_CONTAINS", "LIST_HAS", "ARRAY_HAS", "HAS", "MEMBER_OF"), _IN_LIST),
    **dict.fromkeys(("LEN", "STRLEN"), "LENGTH(name), for a list ARRAY_LENGTH(tags)"),
    **dict.fromkeys(("SIZE", "CARDINALITY", "LIST_LENGTH", "LIST_SIZE", "ARRAY_SIZE"), "ARRAY_LENGTH(tags)"),
    **dict.fromkeys(("ELEMENT_AT", "LIST_EXTRACT", "LIST_ELEMENT"), "tags[1], which is the first"),
    **dict.fromkeys(("ISNULL", "IS_NULL", "ISNA", "ISEMPTY", "IS_EMPTY"), _ABSENT),
    **dict.fromkeys(("ISNOTNULL", "IS_NOT_NULL"), "email IS NOT NULL"),
    **dict.fromkeys(("NVL", "ZEROIFNULL"), "COALESCE(points, 0)"),
    "IIF": "IF(vip, 1, 0), or CASE WHEN ... THEN ... ELSE ... END",
    **dict.fromkeys(("UCASE", "TOUPPER", "TO_UPPER"), "UPPER(name)"),
    **dict.fromkeys(("LCASE", "TOLOWER", "TO_LOWER"), "LOWER(name)"),
    **dict.fromkeys(("INSTR", "CHARINDEX", "LOCATE"), "STRPOS(name, 'x')"),
    **dict.fromkeys(("STARTSWITH", "STRSTARTSWITH"), "STARTS_WITH(name, 'x')"),
    **dict.fromkeys(("ENDSWITH", "STRENDSWITH"), "ENDS_WITH(name, 'x')"),
    **dict.fromkeys(("REGEXP_MATCHES", "REGEXP_CONTAINS", "REGEXP_MATCH", "MATCHES"), "REGEXP_LIKE(name, '^A')"),
    **dict.fromkeys(("JSON_EXTRACT", "JSON_VALUE", "GET_JSON_OBJECT", "STRUCT_EXTRACT", "GET_FIELD"), _FIELD),
    **dict.fromkeys(("CONVERT", "TO_NUMBER", "TO_VARCHAR", "STR", "INT", "FLOAT"), "CAST(points AS DOUBLE)"),
    **dict.fromkeys(("INAUDIENCE", "IN_AUDIENCE", "INSEGMENT", "IN_SEGMENT"), "audience.<id>"),
}
_PARTS_OF_SEARCH = {
    "CONTAINS": "'{0}' = ANY({1}) for a list, {1} LIKE '%{0}%' for text",
    "INCLUDES": "'{0}' = ANY({1}) for a list, {1} LIKE '%{0}%' for text",
    "HAS": "'{0}' = ANY({1})",
    "STARTSWITH": "STARTS_WITH({1}, '{0}')",
    "ENDSWITH": "ENDS_WITH({1}, '{0}')",
}
_SPAN = re.compile(r"\d+(?:\.\d+)?\s*[A-Za-z]+")
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_UNIT = re.compile(r"(second|minute|hour|day|week|month|quarter|year|sec|min|s|m|h|d|w|mon|y)s?", re.IGNORECASE)
_DAYS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "y": "year"}
_WORDS = ("AND", "OR", "NOT", "IN", "ANY", "BETWEEN", "WHEN", "THEN", "ELSE", "CASE", "ARRAY", "INTERVAL")
_CLOCKS = ("NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "CURRENT_DATE")


def check_spellings(found: Sequence[Token]) -> None:
    """``SqlError`` for a spelling that other dialects have; the message has the one to write."""
    openers: list[Token] = []  # the word before each bracket that is open
    for position, token in enumerate(found):
        before, after = _at(found, position - 1), _at(found, position + 1)
        if token.is_symbol("(", "["):
            if token.is_symbol("[") and after.kind == "text" and _is_name(before):
                raise SqlError(_field(found, position - 1, after.value))
            openers.append(before)
        elif token.is_symbol(")", "]"):
            openers.pop()
        elif token.is_word("IN") and after.is_symbol("["):
            raise SqlError("IN needs its values in round brackets, as in IN ('a', 'b')")
        elif token.is_word("IN") and after.is_identifier and not (openers and openers[-1].is_word("POSITION")):
            _check_in(found, position)
        elif token.kind == "word" and after.kind == "text" and before.is_identifier:
            _check_search(found, position)
        elif token.is_symbol("-", "+"):
            _check_span(found, position)


def arrow(found: Sequence[Token]) -> str:
    """The message for ``loyalty -> 'tier' = 'gold'``, where the arrow takes all that follows it for a name."""
    for position, token in enumerate(found):
        if token.is_symbol("->", "->>") and _at(found, position + 1).kind == "text":
            return _field(found, position - 1, _at(found, position + 1).value)
    return "a field is written with a dot, as in person.name"


def field_hint(found: Sequence[Token]) -> str:
    """A hint for ``loyalty["tier"]``, which takes the column ``tier`` as the number of an element; else nothing."""
    for position, token in enumerate(found):
        inside, close = _at(found, position + 1), _at(found, position + 2)
        if token.is_symbol("[") and inside.kind == "name" and close.is_symbol("]"):
            return f"; {_field(found, position - 1, inside.value)}"
    return ""


def _at(found: Sequence[Token], position: int) -> Token:
    return found[position] if 0 <= position < len(found) else END


def _path(found: Sequence[Token], end: int) -> str:
    """The dotted name that ends at a position, as the user wrote it."""
    start = end
    while _at(found, start - 1).is_symbol(".") and _at(found, start - 2).is_identifier:
        start -= 2
    return "".join(
        token.value if token.kind == "name" and _PLAIN.fullmatch(token.value) else str(token)
        for token in found[start : end + 1]
    )


def _field(found: Sequence[Token], end: int, name: str) -> str:
    """The message for a field that is not written with a dot."""
    plain = name.removeprefix("$.") or name
    quoted = plain if _PLAIN.fullmatch(plain.replace(".", "")) else f'"{plain}"'
    return f"a field is written with a dot: {_path(found, end)}.{quoted}"


def _check_in(found: Sequence[Token], position: int) -> None:
    """``SqlError`` for ``'x' IN tags``: a list in a column is searched with ANY."""
    end = position + 1
    while _at(found, end + 1).is_symbol(".") and _at(found, end + 2).is_identifier:
        end += 2
    if _at(found, end + 1).is_symbol("("):  # a function: its name may be one to refuse
        return
    item_at = position - 2 if _at(found, position - 1).is_word("NOT") else position - 1
    item = _path(found, item_at) if _at(found, item_at).is_identifier else str(_at(found, item_at))
    negation = "NOT " if item_at < position - 1 else ""
    raise SqlError(
        f"IN needs values in brackets, as in IN ('a', 'b'); for a list in a column write "
        f"{negation}{item} = ANY({_path(found, end)})"
    )


def _check_search(found: Sequence[Token], position: int) -> None:
    """``SqlError`` for ``tags CONTAINS 'x'`` and the like."""
    form = _PARTS_OF_SEARCH.get(found[position].value.upper().replace("_", ""))
    if form:
        sought, column = str(found[position + 1])[1:-1], _path(found, position - 1)
        raise SqlError(f"{found[position].value.upper()} is no operator here; write {form.format(sought, column)}")


def _check_span(found: Sequence[Token], position: int) -> None:
    """``SqlError`` for ``CURRENT_DATE - 30``, ``NOW() - '30 days'`` and ``seen + 30 days``."""
    amount, unit = _at(found, position + 1), _at(found, position + 2)
    is_unit = unit.kind == "word" and _UNIT.fullmatch(unit.value)
    is_bare = amount.kind == "number" and not unit.is_symbol("*", "/") and _clock(found, position) is not None
    is_text = amount.kind == "text" and not unit.is_symbol("::") and _SPAN.fullmatch(amount.value)
    if amount.kind == "number" and is_unit and not _at(found, position - 1).is_word("INTERVAL"):
        span = f"{amount.value} {_DAYS.get(unit.value.lower(), unit.value)}"
    elif is_bare:
        span = f"{amount.value} days"
    elif is_text and _clock(found, position) is not None:
        span = amount.value
    else:
        return
    raise SqlError(f"a span of time is written with INTERVAL: {_before(found, position)}INTERVAL '{span}'")


def _clock(found: Sequence[Token], position: int) -> int | None:
    """The position of ``NOW()`` or the like that stands before a position."""
    called = _at(found, position - 1).is_symbol(")") and _at(found, position - 2).is_symbol("(")
    start = position - (3 if called else 1)
    return start if _at(found, start).is_word(*_CLOCKS) else None


def _before(found: Sequence[Token], position: int) -> str:
    """The sign at a position, with the clock or the name before it: ``CURRENT_DATE - ``."""
    start = _clock(found, position)
    if start is not None:
        left = "".join(map(str, found[start:position])).upper()
    else:
        left = _path(found, position - 1) if _is_name(_at(found, position - 1)) else ""
    return f"{left} {found[position].value} ".lstrip()


def _is_name(token: Token) -> bool:
    """Whether a token names a column or a field, and is no word of SQL that comes before a bracket or a sign."""
    return token.is_identifier and not token.is_word(*_WORDS)
