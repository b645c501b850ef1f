"""The functions that a rule may use, as a list; all other words are refused by name (E2).

This is the first of two checks, of the words that the user wrote: some leave no trace in the operations that Polars
parses (``last_value(x)`` becomes ``x``). ``sql.operations`` checks the operations.
"""

import re
from collections.abc import Mapping, Sequence

from muster.activation.errors import did_you_mean
from muster.activation.sql import spellings
from muster.activation.sql.tokens import END, SqlError, Token

_MATHS = """ABS CEIL CEILING FLOOR ROUND TRUNC TRUNCATE SIGN DIV MOD POW POWER SQRT CBRT EXP LN LOG LOG2 LOG10 LOG1P PI
    SIN COS TAN COT ASIN ACOS ATAN ATAN2 DEGREES RADIANS SIND COSD TAND COTD ASIND ACOSD ATAND ATAN2D
    BIT_AND BIT_OR BIT_XOR BIT_NOT BIT_COUNT"""
_TEXT = """LOWER UPPER INITCAP LENGTH CHAR_LENGTH CHARACTER_LENGTH OCTET_LENGTH BIT_LENGTH CONCAT CONCAT_WS
    LEFT RIGHT LPAD RPAD TRIM LTRIM RTRIM SUBSTR SUBSTRING POSITION STRPOS STARTS_WITH ENDS_WITH REPLACE REVERSE
    SPLIT_PART STRING_TO_ARRAY REGEXP_LIKE REGEXP_REPLACE NORMALIZE"""
_PARTS = "DATE_PART EXTRACT YEAR QUARTER MONTH WEEK DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR HOUR MINUTE SECOND"
_TIMES = f"DATE TIMESTAMP DATETIME TIME STRPTIME STRFTIME {_PARTS}"
_COUNTS = "LENGTH CHAR_LENGTH CHARACTER_LENGTH OCTET_LENGTH BIT_LENGTH POSITION STRPOS BIT_COUNT ARRAY_LENGTH"
_CHOICES = "COALESCE IFNULL NULLIF IF GREATEST LEAST CAST TRY_CAST SAFE_CAST XOR"
_LISTS = """ARRAY_LENGTH ARRAY_CONTAINS ARRAY_GET ARRAY_LOWER ARRAY_UPPER ARRAY_SUM ARRAY_MEAN ARRAY_TO_STRING
    ARRAY_UNIQUE ARRAY_REVERSE"""
FUNCTIONS = frozenset(f"{_MATHS} {_TEXT} {_TIMES} {_CHOICES} {_LISTS}".split())

NARROW = frozenset(f"{_COUNTS} {_PARTS}".split())  # functions whose results have 8, 16 or 32 bits in Polars
CASTS = frozenset({"CAST", "TRY_CAST", "SAFE_CAST"})
INSTANTS = frozenset({"NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIME"})
_OPERATORS = "AND OR NOT IN BETWEEN LIKE ILIKE RLIKE REGEXP CASE WHEN THEN ELSE FROM FOR ANY SOME IS INTERVAL"
_BEFORE_BRACKETS = frozenset(_OPERATORS.split())

_AGGREGATE = "it aggregates over rows; declare a measure under `events:` instead"
_EXTREME = f"{_AGGREGATE}, or use GREATEST and LEAST for the largest and smallest of several values"
_IN_ORDER = f"{_AGGREGATE}, with first(...) or last(...)"
_WINDOW = "it depends on other rows; a rule sees one profile or event at a time"
_ROWS = "it makes several rows; a rule gives one value per row, and searches a list with 'x' = ANY(tags)"
_FILE = "it reads files; a rule sees only its row"
_CHANCE = "its value changes from call to call; the same inputs must give the same result"
_SESSION = "it depends on the session; the same inputs must give the same result"


def _named(words: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), reason)


REFUSED: Mapping[str, str] = {
    **_named(
        "SUM AVG MEAN COUNT MEDIAN MODE STDDEV STDEV STDDEV_SAMP STDEV_SAMP STDDEV_POP VARIANCE VAR VAR_SAMP VAR_POP",
        _AGGREGATE,
    ),
    **_named(
        "QUANTILE_CONT QUANTILE_DISC APPROX_QUANTILE APPROX_COUNT_DISTINCT CORR COVAR COVAR_SAMP COVAR_POP ANY_VALUE",
        _AGGREGATE,
    ),
    **_named("STRING_AGG ARRAY_AGG LISTAGG GROUP_CONCAT BOOL_AND BOOL_OR EVERY GROUPING", _AGGREGATE),
    **_named("MIN MAX", _EXTREME),
    **_named("FIRST LAST", _IN_ORDER),
    **_named(
        "ROW_NUMBER RANK DENSE_RANK PERCENT_RANK CUME_DIST NTILE LAG LEAD FIRST_VALUE LAST_VALUE NTH_VALUE", _WINDOW
    ),
    **_named("UNNEST EXPLODE FLATTEN GENERATE_SERIES RANGE", _ROWS),
    **_named("READ_CSV READ_PARQUET READ_JSON READ_NDJSON READ_IPC SCAN_CSV SCAN_PARQUET GLOB", _FILE),
    **_named("RANDOM RAND UUID GEN_RANDOM_UUID NEWID", _CHANCE),
    **_named("CURRENT_USER SESSION_USER USER VERSION", _SESSION),
    "EXISTS": "a rule has no subqueries",
    "COLUMNS": "it stands for several columns; name one",
    "DATE_TRUNC": "use CAST(... AS DATE) for the day, or EXTRACT for year, month and the like",
    "ALL": "use NOT, or list the values with IN (...)",
}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z\u00b5]+)?")
_LENGTHS = {  # days, by the start of a unit's name
    "q": 92.0,
    "mo": 31.0,
    "w": 7.0,
    "d": 1.0,
    "h": 1 / 24,
    "mil": 0.0,
    "mic": 0.0,
    "mi": 1 / 1440,
    "ms": 0.0,
    "m": 1 / 1440,
    "s": 1 / 86400,
    "u": 0.0,
    "n": 0.0,
}
_LONGEST = 3_660_000.0  # days
_CLAUSES = {  # with the next word, because columns may have these names
    ("OVER", "("): f"OVER is not allowed in a rule: {_WINDOW}",
    ("FILTER", "("): f"FILTER is not allowed in a rule: {_AGGREGATE}",
    ("WITHIN", "GROUP"): f"WITHIN GROUP is not allowed in a rule: {_AGGREGATE}",
    ("IGNORE", "NULLS"): f"IGNORE NULLS is not allowed in a rule: {_WINDOW}",
    ("RESPECT", "NULLS"): f"RESPECT NULLS is not allowed in a rule: {_WINDOW}",
    ("AT", "TIME"): "AT TIME ZONE is not allowed: every timestamp is local time in the workspace's zone already",
}


_ONE_PROFILE = "it aggregates over rows, and this expression sees one profile"
_WITHOUT_MEASURES = {  # the longest reasons first
    _EXTREME: f"{_ONE_PROFILE}; use GREATEST and LEAST for the largest and smallest of several values",
    _IN_ORDER: _ONE_PROFILE,
    _AGGREGATE: _ONE_PROFILE,
}


def check_words(found: Sequence[Token], *, has_measures: bool = True) -> None:
    """``SqlError`` names a function that is not listed, or a clause that a rule cannot have.

    Without ``has_measures``, as of a mapped column or a consent policy, the message advises no measure.
    """
    try:
        _check_words(found)
    except SqlError as error:
        message = str(error)
        reason = next((each for each in _WITHOUT_MEASURES if message.endswith(each)), "")
        if has_measures or not reason:
            raise
        told = message.removesuffix(reason).replace(" in a rule: ", " here: ")
        raise SqlError(f"{told}{_WITHOUT_MEASURES[reason]}") from None


def _check_words(found: Sequence[Token]) -> None:
    openers: list[Token] = []  # the word before each bracket that is open
    for before, token, after in zip((END, *found), found, (*found[1:], END), strict=False):
        if token.is_symbol("(", "["):
            openers.append(before)
        elif token.is_symbol(")", "]"):
            _check_closing(before, openers.pop())
        elif token.is_symbol("*"):
            _check_star(before, after)
        elif before.is_word("INTERVAL") and token.kind in ("text", "number"):
            _check_interval(f"{token.value} {after.value}")
        elif token.is_identifier:
            _check_word(before, token, after, openers[-1] if openers else END)


def _check_star(before: Token, after: Token) -> None:
    if before is END or after is END or before.is_symbol("(", ",", ".", "[") or after.is_symbol(")", ","):
        raise SqlError("'*' is not allowed: it stands for all columns; name one")


def _check_word(before: Token, token: Token, after: Token, opener: Token) -> None:
    if token.kind == "word" and not before.is_symbol("."):
        _check_clause(before, token, after, opener)
    if after.is_symbol("("):
        _check_call(before, token)


def _check_clause(before: Token, token: Token, after: Token, opener: Token) -> None:
    reason = _CLAUSES.get((token.value.upper(), after.value.upper()))
    if reason and after.kind in ("word", "symbol"):
        raise SqlError(reason)
    if token.is_word("SELECT"):
        raise SqlError("SELECT is not allowed: a rule has no subqueries; refer to another audience as audience.<id>")
    if token.is_word("AS") and not opener.is_word(*CASTS):
        raise SqlError("AS is not allowed: a rule gives one value, without a name")
    if token.is_word("DISTINCT") and not before.is_word("IS", "NOT"):
        raise SqlError("DISTINCT is not allowed: a rule sees one row at a time")
    if token.is_word("COLLATE"):
        raise SqlError("COLLATE is not allowed: text is compared by its characters; use LOWER to ignore case")


def _check_call(before: Token, token: Token) -> None:
    name = token.value.upper()
    if token.kind == "name":
        raise SqlError(f'"{token.value}" is a quoted name and cannot be called; functions are written without quotes')
    if before.is_symbol("."):
        raise SqlError(
            f"{token.value}(...) cannot be called on a field; write the function first, as in LOWER(person.name)"
        )
    if before.is_word("AS") or before.is_symbol("::"):  # CAST(x AS VARCHAR(3))
        return
    if name in ("ANY", "SOME") and not before.is_symbol("=", "=="):
        raise SqlError(f"{name} is allowed after '=' only, as in 'x' = ANY(tags)")
    if name in REFUSED:
        raise SqlError(f"{name} is not allowed in a rule: {REFUSED[name]}")
    if name not in FUNCTIONS | INSTANTS | _BEFORE_BRACKETS:
        written = spellings.FUNCTIONS.get(name)
        hint = f"; here it is written {written}" if written else did_you_mean(name, FUNCTIONS)
        raise SqlError(f"unknown function {name}{hint}")


def _check_interval(written: str) -> None:
    """``SqlError`` for an interval longer than 10,000 years, on which Polars overflows."""
    days = 0.0
    for number, unit in _AMOUNT.findall(written):
        days += float(number) * next(
            (length for name, length in _LENGTHS.items() if unit.lower().startswith(name)), 366.0
        )
    if days > _LONGEST:
        raise SqlError("the interval is too long; at most 10,000 years are allowed")


def _check_closing(before: Token, opener: Token) -> None:
    """``SqlError`` for a function without arguments, on some of which Polars panics."""
    if before.is_symbol("(") and opener.value.upper() in FUNCTIONS - {"PI"}:
        raise SqlError(f"{opener.value.upper()} needs arguments")
