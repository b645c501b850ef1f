import operator
from datetime import UTC, date, datetime, time, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.sql.parse import Parsed, parse
from muster.activation.sql.rewrite import IN_A_MEASURE
from muster.activation.sql.tokens import MAX_CHARACTERS, MAX_TOKENS, SqlError, tokens, written

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # 17:00 in Berlin


def local(text: str) -> datetime:
    """A naive local time."""
    return datetime.fromisoformat(text)


def parsed(text: str, at: datetime = AT, zone: ZoneInfo = BERLIN, **names: str) -> Parsed:
    return parse(text, at, zone, names)


def value(text: str, at: datetime = AT, zone: ZoneInfo = BERLIN) -> object:
    """What an expression without columns gives."""
    return pl.select(parse(text, at, zone).expr).item()


def refused(text: str, **options: bool) -> str:
    with pytest.raises(SqlError) as error:
        parse(text, AT, BERLIN, **options)
    return str(error.value)


INSTANTS = [
    ("now()", local("2026-11-21 17:00:00")),
    ("NOW()", local("2026-11-21 17:00:00")),
    ("Now ( )", local("2026-11-21 17:00:00")),
    ("now /* the instant */ ()", local("2026-11-21 17:00:00")),
    ("CURRENT_TIMESTAMP", local("2026-11-21 17:00:00")),
    ("current_timestamp()", local("2026-11-21 17:00:00")),
    ("LOCALTIMESTAMP", local("2026-11-21 17:00:00")),
    ("localtimestamp ( )", local("2026-11-21 17:00:00")),
    ("CURRENT_DATE", date(2026, 11, 21)),
    ("current_date()", date(2026, 11, 21)),
    ("CURRENT_TIME", time(17)),
    ("LocalTime", time(17)),
    ("now() - INTERVAL '30 days'", local("2026-10-22 17:00:00")),
    ("CURRENT_DATE - INTERVAL '1 month'", date(2026, 10, 21)),
    ("CASE WHEN true THEN CURRENT_DATE END", date(2026, 11, 21)),
    ("EXTRACT(hour FROM now())", 17),
]


@pytest.mark.parametrize(("text", "expected"), INSTANTS, ids=[text for text, _ in INSTANTS])
def test_instant_functions_are_the_evaluation_in_the_workspace_zone(text: str, expected: object) -> None:
    """E2: ``now()`` and its like are the instant of evaluation in the workspace's zone, in every spelling."""
    assert value(text) == expected


@pytest.mark.parametrize("at", [datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2071, 6, 1, tzinfo=UTC)])
@pytest.mark.parametrize("text", ["now()", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP"])
def test_instant_functions_follow_at(text: str, at: datetime) -> None:
    """E1: the instant comes from ``--at``, whatever the machine's clock says."""
    assert value(text, at, ZoneInfo("UTC")) == at.replace(tzinfo=None)


DAYS = [
    f"TIMESTAMP '2026-11-{clock}'"
    for clock in ("20 12:00:00", "21 00:00:00", "21 00:00:01", "21 17:00:00", "22 00:00:00")
]
COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}


@pytest.mark.parametrize(
    "moment", [*DAYS, "now()", "CURRENT_TIMESTAMP", "now() - INTERVAL '17 hours'", "LOCALTIMESTAMP - INTERVAL '1 day'"]
)
def test_an_instant_is_compared_with_a_day(moment: str) -> None:
    """E2: ``now()`` and timestamps are compared with ``DATE '...'`` as its midnight, with every operator and in every
    place.
    """
    when, day = value(moment), local("2026-11-21")
    assert isinstance(when, datetime)
    for sign, compare in COMPARISONS.items():
        expected = compare(when, day)
        assert value(f"{moment} {sign} DATE '2026-11-21'") == expected
        assert value(f"NOT (CURRENT_DATE {sign} {moment})") != compare(day, when)
        assert value(f"CASE WHEN {moment} {sign} '2026-11-21'::date THEN true ELSE false END AND true") == expected
    assert value(f"{moment} BETWEEN DATE '2026-11-21' AND CURRENT_DATE + INTERVAL '1 day'") == (
        day <= when <= day + timedelta(days=1)
    )
    assert value(f"DATE '2026-11-21' NOT BETWEEN {moment} AND now()") == (
        not when <= day <= local("2026-11-21 17:00:00")
    )
    assert value(f"{moment} IN (DATE '2020-01-01', DATE '2026-11-21')") == (when == day)


@pytest.mark.parametrize(
    "text", ["now() > DATE '2026-11-21' literal", 'now() > CURRENT_DATE "literal"', "now() literal", "a literal"]
)
def test_a_name_is_refused_whatever_it_is(text: str) -> None:
    """E2: a rule gives one value without a name, also where the name is one that Polars gives."""
    assert "is followed by 'literal'; expected an operator between them" in refused(text)


def test_a_long_list_may_end_with_null() -> None:
    """E2: a list of literals is read once, however long it is, and whatever literals they are."""
    assert parsed("a IN (" + ", ".join(map(str, range(5_100))) + ", NULL)")


WIDE = [
    ("EXTRACT(month FROM now()) * 100 + DAY(now())", 1121),
    ("EXTRACT(millisecond FROM TIMESTAMP '2026-11-20 10:00:05.678901')", 5678.901),
    ("EXTRACT(time FROM TIMESTAMP '2026-11-20 10:00:05')", time(10, 0, 5)),
    ("DATE_PART('year', now()) * 10000000", 20_260_000_000),
    ("MINUTE(now()) - 100", -100),
    ("LENGTH('abc') - 5", -2),
    ("-OCTET_LENGTH('abc')", -3),
    ("BIT_LENGTH('abc') - 25", -1),
    ("STRPOS('abc', 'z') - 1", -1),
    ("POSITION('b' IN 'abc') - 3", -1),
    ("DAYOFWEEK(now()) * 100", 600),
    ("BIT_COUNT(3) - LENGTH(SUBSTR('abc', LENGTH('a') + 1))", 0),
    ("EXTRACT(hour FROM now())::VARCHAR || ':'", "17:"),
    ("LENGTH('abc')::SMALLINT - 4", -1),
    ("ARRAY_LENGTH(STRING_TO_ARRAY('a,b', ',')) - 3", -1),
    ("QUARTER(now()) BETWEEN 4 AND 200 AND WEEK(now()) * 10 = 470", True),
]


@pytest.mark.parametrize(("text", "expected"), WIDE, ids=[text for text, _ in WIDE])
def test_what_functions_count_does_not_wrap_around(text: str, expected: object) -> None:
    """E2: lengths, places and parts of dates are whole numbers of 64 bits, though Polars gives them 8, 16 or 32."""
    assert value(text) == expected


def test_current_date_is_the_zones_date() -> None:
    """E2: ``CURRENT_DATE`` is the date of the instant in the workspace's zone."""
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert value("CURRENT_DATE", late, BERLIN) == date(2026, 11, 22)
    assert value("CURRENT_DATE", late, ZoneInfo("America/New_York")) == date(2026, 11, 21)


@pytest.mark.parametrize(
    "text", ["now() > t", "a = 1 AND current_timestamp() > t", "t BETWEEN now() - INTERVAL '1 day' AND now()"]
)
def test_the_same_text_and_instant_give_the_same_expression(text: str) -> None:
    """E1: parsing twice at one instant gives one expression; the clock moved on between the two."""
    assert parsed(text).expr.meta.eq(parsed(text).expr)


UNTOUCHED = [
    ("s = 'now()'", "now()"),
    ("s = 'CURRENT_DATE'", "CURRENT_DATE"),
    ("s = 'it''s now()'", "it's now()"),
    ("s = '-- now()' -- now() in a comment", "-- now()"),
    ("s = '/* */' /* now() /* CURRENT_DATE */ ' */", "/* */"),
    ("s = '\"now\"'", '"now"'),
    ("/* ' */ s = 'x' -- '", "x"),
    ("s = 'audience.x'", "audience.x"),
    ("s = 'a\\'", "a\\"),
    ("s = ''", ""),
]


@pytest.mark.parametrize(("text", "expected"), UNTOUCHED)
def test_nothing_is_put_into_literals_and_comments(text: str, expected: str) -> None:
    """E2: what stands in string literals and comments stays as it is."""
    frame = pl.DataFrame({"s": [expected, "other"]})
    assert frame.filter(parsed(text).expr)["s"].to_list() == [expected]


NAMES = ["now", "current_date", "CURRENT_TIMESTAMP", "localtime", "select", "a b", 'a"b', "audience x", "Größe", "1st"]


@pytest.mark.parametrize("name", NAMES)
def test_quoted_names_are_columns(name: str) -> None:
    """E2: a quoted name is a column, also when it is called like a function or keyword."""
    quoted = '"' + name.replace('"', '""') + '"'
    assert parsed(f"{quoted} = 1").columns == {name}


def test_fields_called_like_functions_are_fields() -> None:
    """E2: only a word that is no field is an instant or a reference."""
    frame = pl.DataFrame({"x": [{"current_date": 1, "audience": {"y": 2}}]})
    assert frame.select(parsed("x.current_date = 1 AND x.audience.y = 2").expr).item()
    assert parsed("now = 1").columns == {"now"}


LITERALS = [
    ("TIMESTAMP '2020-01-01 10:00:00'", local("2020-01-01 10:00:00")),
    ("timestamp '2020-01-01T10:00:00'", local("2020-01-01 10:00:00")),
    ("TIMESTAMP '2020-01-01'", local("2020-01-01 00:00:00")),
    ("TIMESTAMP '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMP '2020-07-01T10:00:00Z'", local("2020-07-01 12:00:00")),
    ("TIMESTAMP '2020-01-01T10:00:00+05:30'", local("2020-01-01 05:30:00")),
    ("TIMESTAMP '2020-01-01 10:00:00.25-08'", local("2020-01-01 19:00:00.250000")),
    ("DATETIME '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMPTZ '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMPTZ '2020-01-01T10:00:00'", local("2020-01-01 10:00:00")),
    ("TIMESTAMP WITH TIME ZONE '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMP WITHOUT TIME ZONE '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMP(3) '2020-01-01T10:00:00Z'", local("2020-01-01 11:00:00")),
    ("TIMESTAMP('2020-01-01T10:00:00Z')", local("2020-01-01 11:00:00")),
    ("CAST('2020-01-01T10:00:00Z' AS TIMESTAMP)", local("2020-01-01 11:00:00")),
    ("CAST(('2020-01-01T10:00:00Z') AS TIMESTAMP)", local("2020-01-01 11:00:00")),
    ("'2020-01-01T10:00:00Z'::timestamp", local("2020-01-01 11:00:00")),
    ("('2020-01-01T10:00:00Z')::DATETIME", local("2020-01-01 11:00:00")),
    ("'2020-01-01T10:00:00'::timestamp", local("2020-01-01 10:00:00")),
    ("CAST('2020-01-01T23:30:00Z' AS DATE)", date(2020, 1, 2)),
    ("CAST('2020-01-01T23:30:00Z' AS TIME)", time(0, 30)),
    ("TIMESTAMP '2026-10-25T00:30:00Z'", local("2026-10-25 02:30:00")),  # the clock change: 02:30 twice
    ("TIMESTAMP '2026-10-25T01:30:00Z'", local("2026-10-25 02:30:00")),
    ("TIMESTAMP '2026-03-29T01:30:00Z'", local("2026-03-29 03:30:00")),
    ("DATE '2024-02-29'", date(2024, 2, 29)),
    ("DATE('2024-02-29')", date(2024, 2, 29)),
    ("TIME '17:00'", time(17)),
    ("'2020-01-01T10:00:00Z'", "2020-01-01T10:00:00Z"),
]


@pytest.mark.parametrize(("text", "expected"), LITERALS, ids=[text for text, _ in LITERALS])
def test_literals_with_an_offset_become_local_time(text: str, expected: object) -> None:
    """E2: date and time literals are local time in the workspace's zone, converted when they carry an offset."""
    assert value(text) == expected


IMPOSSIBLE = [
    ("DATE '2026-02-30'", "'2026-02-30' is not a date"),
    ("DATE '2026-02-03T10:00:00'", "is not a date"),
    ("DATE '20260203'", "is not a date"),
    ("TIMESTAMP '2026-02-30 10:00:00'", "is not a timestamp"),
    ("TIMESTAMP '2026-02-20 25:00:00'", "is not a timestamp"),
    ("TIMESTAMP 'now'", "is not a timestamp"),
    ("DATE 'today'", "is not a date"),
    ("TIME '25:00'", "is not a time of day"),
    ("TIME '10:00+01:00'", "without an offset"),
    ("TIMESTAMP '9999-12-31T23:30:00Z'", "outside the years"),
    ("a + INTERVAL 'x' > b", "interval"),
]


@pytest.mark.parametrize(("text", "words"), IMPOSSIBLE)
def test_an_impossible_literal_is_an_error(text: str, words: str) -> None:
    """SPEC 10: a literal that names no date or time is an error that shows it."""
    assert words in refused(f"t > {text}")


REFUSED = [
    ("SUM(a) > 1", "SUM"),
    ("avg(a) > 1", "AVG"),
    ("COUNT(*) > 1", "COUNT"),
    ("count (a) > 1", "COUNT"),
    ("MIN(a) = 1", "GREATEST and LEAST"),
    ("first(a) = 1", "FIRST"),
    ("LAST_VALUE(a) = 1", "LAST_VALUE"),
    ("median(a) = 1", "MEDIAN"),
    ("stddev(a) = 1", "STDDEV"),
    ("corr(a, b) = 1", "CORR"),
    ("string_agg(a) = 'x'", "STRING_AGG"),
    ("array_agg(a) IS NULL", "ARRAY_AGG"),
    ("ROW_NUMBER() = 1", "ROW_NUMBER"),
    ("rank() OVER (ORDER BY a) = 1", "RANK"),
    ("lag(a) = 1", "LAG"),
    ("abs(a) OVER (PARTITION BY b) = 1", "OVER"),
    ("abs(a) OVER () = 1", "OVER"),
    ("lower(a) FILTER (WHERE b) = 'x'", "FILTER"),
    ("abs(a) IGNORE NULLS = 1", "IGNORE NULLS"),
    ("a IN (SELECT 1)", "SELECT"),
    ("(SELECT 1) = 1", "SELECT"),
    ("EXISTS (SELECT 1)", "EXISTS"),
    ("UNNEST(a) = 1", "UNNEST"),
    ("generate_series(1, 3) = 1", "GENERATE_SERIES"),
    ("COLUMNS('a') = 1", "COLUMNS"),
    ("*", "'*'"),
    ("a.* = 1", "'*'"),
    ("lower(*) = 'x'", "'*'"),
    ('"*" = 1', '"*"'),
    ('"^a.*$" = 1', '"^a.*$"'),
    ("a AS b", "AS is not allowed"),
    ("a = 1 AS b", "AS is not allowed"),
    ("a b", "'b'"),
    ("DISTINCT a", "DISTINCT"),
    ("read_csv('x') = 1", "READ_CSV"),
    ("read_parquet('x') = 1", "READ_PARQUET"),
    ("random() > 0.5", "RANDOM"),
    ("uuid() = 'x'", "UUID"),
    ("current_user() = 'x'", "CURRENT_USER"),
    ("date_trunc('month', t) > t", "DATE_TRUNC"),
    ("t AT TIME ZONE 'UTC' > t", "AT TIME ZONE"),
    ("EXTRACT(EPOCH FROM t) > 1", "EPOCH"),
    ("EXTRACT(timezone FROM t) > 1", "TIMEZONE"),
    ("CAST(a AS JSON) IS NULL", "JSON"),
    ("a > ANY(b)", "ANY is allowed after '='"),
    ("a > ALL(b)", "ALL"),
    ("a COLLATE x = 'y'", "COLLATE"),
    ("a SIMILAR TO 'x'", "Similar To"),
    ("a IS UNKNOWN", "Is Unknown"),
    ("a LIKE 'x' ESCAPE '!'", "ESCAPE"),
    ("lwoer(a) = 'x'", "unknown function LWOER; did you mean 'LOWER'"),
    ("nosuchthing(a)", "unknown function NOSUCHTHING"),
    ('"lower"(a) = 1', '"lower" is a quoted name'),
    ("a.lower(b) = 1", "LOWER(person.name)"),
    ("lower() = 'x'", "LOWER needs arguments"),
    ("greatest() = 1", "GREATEST needs arguments"),
    ("lower(a, b) = 'x'", "lower(a, b) does not fit"),
    ("now(3) > t", "NOW takes no arguments"),
    ("ſum(a) = 1", "SUM"),  # upper-cased it is SUM
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_not_listed_is_refused_by_name(text: str, words: str) -> None:
    """E2: operations are allowed by list; aggregates, windows, subqueries, ``*``, aliases, files and the rest are
    refused by name.
    """
    assert words in refused(text)


MALFORMED = [
    ("", "empty"),
    ("  \n ", "empty"),
    ("-- only a comment", "empty"),
    ("a = 1; b = 2", "';' is not allowed"),
    ("a = 1;", "';' is not allowed"),
    ("a =", "missing after '='"),
    ("a = 1 AND", "missing after 'AND'"),
    ("AND a = 1", "missing before 'AND'"),
    ("a = = 1", "missing before '='"),
    ("(a OR ) AND b", "missing after 'OR'"),
    ("a = (1", "never closed; expected ')'"),
    ("a = 1)", "')' has no opening bracket"),
    ("a[1) = 1", "')' has no opening bracket"),
    ("s = 'abc", "'abc is never closed"),
    ('"abc', '"abc is never closed'),
    ("a = 1 /* never", "never closed"),
    ("CASE WHEN a THEN 1", "expected END"),
    ("a = $1", "'$'"),
    ("a = {fn now()}", "'{'"),
    ("s = E'\\n'", "no prefix"),
    ("1_000 = a", "not a number"),
    ('"" = 1', "no name"),
    ("order = 1", 'needs quotes: "order"'),
    ("user = 1", 'needs quotes: "user"'),
    ("a BETWEEN 1", "no SQL expression"),
    ("audience", "audience is written audience.<id>"),
    ("audience.2024-buyers", 'with quotes when it is not a plain name: audience."2024-id"'),
    ("identity_map = 'x'", "identity_map.<namespace>"),
    ("audience. = 1", "audience is written"),
]


@pytest.mark.parametrize(("text", "words"), MALFORMED, ids=[text for text, _ in MALFORMED])
def test_a_text_that_is_no_expression_is_explained(text: str, words: str) -> None:
    """SPEC 10: a syntax error says what is wrong and where."""
    message = refused(text)
    assert words in message
    assert "Ident {" not in message


def test_references_are_told_apart_from_columns() -> None:
    """E2: ``audience.<id>`` and ``identity_map.<namespace>`` are references, quoted or not; the rest are columns."""
    rule = parsed(
        'audience.vip AND NOT audience."delorean-owners" AND "identity_map"."E-mail"[1] = email AND x.audience.y'
    )
    assert rule.audiences == {"vip", "delorean-owners"}
    assert rule.namespaces == {"E-mail"}
    assert rule.columns == {"email", "x"}


@pytest.mark.parametrize("text", ["audience.vip", "identity_map.Email[1] = 'x'", '"audience"."vip"'])
def test_a_measure_sees_one_event(text: str) -> None:
    """E3: an event measure's ``where`` refers to neither audiences nor identities; an event column may be called so."""
    assert "sees one event" in refused(text, alone=IN_A_MEASURE)
    assert parse("audience = 'x'", AT, BERLIN, alone=IN_A_MEASURE).columns == {"audience"}


RENAMED = [
    "views >= 3",
    '"views" >= 3',
    "views >= 3 AND EXTRACT(year FROM d) = 2020",
    "year >= 3 AND EXTRACT(year FROM d) = year AND year(d) = 2020 AND date > CAST(d AS DATE) AND d > DATE '2020-01-01'",
    "x.views = views AND s = 'views'",
    "CAST(s AS int) = int AND d - INTERVAL '1' day > d",
]


@pytest.mark.parametrize("text", RENAMED)
def test_measures_are_renamed_where_they_are_columns(text: str) -> None:
    """E2: a measure's name is its column; the same word as a type, a part, a field or text is not."""
    names = {name: f"muster:measure:{name}" for name in ("views", "year", "date", "int", "day")}
    rule, plain = parsed(text, **names), parsed(text)
    used = plain.columns & names.keys()
    assert rule.columns == plain.columns
    assert set(rule.expr.meta.root_names()) == {names.get(name, name) for name in plain.columns}
    assert used


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30))
def test_a_text_literal_is_the_text(content: str) -> None:
    """E2: the text between quotes reaches Polars as it is, whatever it looks like."""
    assert value("'" + content.replace("'", "''") + "'") == content


WORDS = ["now()", "CURRENT_DATE", "audience.x", "'", '"', "--", "/*", "*/", ";", "x", " "]


@given(st.lists(st.sampled_from([word for word in WORDS if word not in ("/*", "*/")]), max_size=8).map("".join))
def test_a_comment_says_nothing(content: str) -> None:
    """E2: a comment changes nothing."""
    inline = content.replace("\n", " ")
    expected = parsed("a = 1").expr
    assert parsed(f"a /* {inline} */ = 1").expr.meta.eq(expected)
    assert parsed(f"a = -- {inline}\n 1 -- {inline}").expr.meta.eq(expected)


@given(st.lists(st.sampled_from(WORDS), max_size=8).map("".join))
def test_the_lexer_keeps_every_literal(content: str) -> None:
    """E2: writing the tokens anew keeps literals and quoted names, and reading that again changes nothing."""
    text = "'" + content.replace("'", "''") + "' = \"" + content.replace('"', '""') + 'x" AND now() > t'
    found = tokens(text)
    again = tokens(written(found))
    assert [(token.kind, token.value) for token in found] == [(token.kind, token.value) for token in again]
    assert (found[0].value, found[2].value) == (content, f"{content}x")


SOUP = [
    *["(", ")", "[", "]", ",", ".", "=", "<", ">", "+", "-", "*", "/", "%", "|", "~", ":"],
    "::",
    "||",
    "'x'",
    "1",
    "1.5",
    '"a b"',
    "a",
    "b",
    "t",
    "AND",
    "OR",
    "NOT",
    "IN",
]
SOUP += [
    "IS",
    "NULL",
    "LIKE",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "INT",
    "DATE",
    "INTERVAL",
    "'1 day'",
]
SOUP += [
    "now",
    "CURRENT_DATE",
    "EXTRACT",
    "year",
    "FROM",
    "lower",
    "sum",
    "audience",
    "identity_map",
    "ANY",
    "abs",
    "true",
    "ARRAY",
    "OVER",
]


@given(st.lists(st.sampled_from(SOUP), min_size=1, max_size=14).map(" ".join))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    """E1, SPEC 10: whatever is written, it is refused with a message, or it means the same every time."""
    try:
        first = parsed(text)
    except SqlError:
        return
    assert first.expr.meta.eq(parsed(text).expr)


def test_a_text_that_is_too_long_is_an_error() -> None:
    """SPEC 10: the length of an expression is limited."""
    assert str(MAX_CHARACTERS) in refused("a = 1" + " " * MAX_CHARACTERS)


DEEP = [
    "(" * 5000 + "a" + ")" * 5000,
    "NOT " * 3000 + "a",
    "- " * 3000 + "a = 1",
    " OR ".join(["a = 1"] * 2000),
    " + ".join(["a"] * 20_000) + " = 1",
    " || ".join(["a"] * 1000) + " = 'x'",
    "a" + "::int" * 10_000 + " = 1",
    "abs(" * 5000 + "a" + ")" * 5000,
    "CASE WHEN a THEN " * 2000 + "1" + " END" * 2000,
    "CASE " + "WHEN a THEN 1 " * 1000 + "END = 1",
    "a" + ".b" * 5000,
    "[" * 5000 + "1" + "]" * 5000,
]


@pytest.mark.parametrize("text", DEEP, ids=[text[:20] for text in DEEP])
def test_an_expression_that_nests_too_deep_is_an_error(text: str) -> None:
    """SPEC 10: an expression that would exhaust a stack is refused with a message."""
    assert refused(text)


def nested(form: str, times: int, inner: str = "a") -> str:
    """A form applied to itself."""
    for _ in range(times):
        inner = form.format(inner)
    return inner


REPEATING = {
    "BETWEEN": nested("({} BETWEEN 1 AND 2)", 38),
    "BETWEEN in a chain": "a" + " BETWEEN 1 AND 2" * 16,
    "NULLIF": nested("NULLIF({}, 0)", 38),
    "SPLIT_PART": nested("SPLIT_PART({}, 'a', 1)", 12),
    "CASE x": nested("CASE {} WHEN 1 THEN 2 WHEN 3 THEN 4 WHEN 5 THEN 6 END", 20),
    "an index": nested("x[{}]", 38),
    "a part of a time": nested("EXTRACT(millisecond FROM {})", 38),
    "IN": nested("({} IN (b, 2))", 38),
    "NOT IN": nested("({} NOT IN (b, 2, 3, 4))", 15),
    "IN in a chain": "a" + " IN (b, 2)" * 290,
    "IN and BETWEEN": "a" + " IN (b, 2) BETWEEN 1 AND 2" * 20,
    "IN in a CASE": nested("CASE WHEN true THEN {} IN (b, 2) END IN (b, 2)", 20),
    "padding": nested("LPAD(s, {})", 30),
}


@pytest.mark.parametrize("text", REPEATING.values(), ids=REPEATING.keys())
def test_what_polars_would_repeat_for_ever_is_an_error(text: str) -> None:
    """SPEC 10: an expression that doubles with each level, since Polars repeats operands, is refused at once."""
    started = process_time()
    assert "nests too deep" in refused(text)
    assert process_time() - started < 10  # seconds of work; where it is let through they never end


EVERYDAY = {
    "BETWEEN": " AND ".join(f"(a BETWEEN {n} AND {n + 5} OR b NOT BETWEEN 1 AND 2)" for n in range(24)),
    "IN": " AND ".join("a IN (b, 2, 3) AND s NOT IN ('x', s2)" for _ in range(24)),
    "CASE x": "CASE a " + " ".join(f"WHEN {n} THEN 'x'" for n in range(100)) + " END = 'x'",
    "days": "d IN (" + ", ".join(["DATE '2026-11-21'"] * 250) + ")",
    "parts": nested("SPLIT_PART({}, '/', 2)", 4, "s") + " = 'x'",
    "choices": nested("NULLIF(COALESCE({}, 0), 1)", 4) + " = 2",
}


@pytest.mark.parametrize("text", EVERYDAY.values(), ids=EVERYDAY.keys())
def test_what_polars_repeats_is_fine_side_by_side(text: str) -> None:
    """E2: what repeats an operand may stand any number of times beside others, and a few times inside another."""
    assert parsed(text).columns


def test_long_lists_are_fine() -> None:
    """SPEC 10: the limits leave room for long lists and for hundreds of conditions."""
    numbers = ", ".join(str(number) for number in range(-MAX_TOKENS, MAX_TOKENS))
    assert parsed(f"a IN ({numbers})").columns == {"a"}
    assert parsed(" OR ".join(f"s LIKE '%{number}%'" for number in range(250))).columns == {"s"}


def test_panics_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: a panic of Polars while it parses is an error with a message."""

    def panic(text: str) -> pl.Expr:
        raise pl.exceptions.PanicException(text)

    monkeypatch.setattr(pl, "sql_expr", panic)
    assert "Polars cannot read this expression" in refused("never_parsed_before = 1")


def test_an_operation_that_polars_brings_later_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """E2: the list decides on what Polars made of a text, too: an operation that is not on it does not pass."""
    for expression, words in (
        (pl.col("a").shift(1), "SHIFT"),
        (pl.col("a").sum(), "aggregate"),
        (pl.col("a").rank(), "RANK"),
    ):
        monkeypatch.setattr(pl, "sql_expr", lambda _, made=expression: made)
        assert words in refused("never_parsed_before = 1")
