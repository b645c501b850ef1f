from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.model.workspace import Audience, Measure, ProfilesSource, SourceLocation, Workspace
from muster.activation.rules.audiences import (
    RuleError,
    audience_column,
    bind_rule,
    clashes,
    explain,
    identity_column,
    problems,
)
from muster.activation.rules.order import in_order, with_references
from muster.activation.sql.tokens import SqlError
from muster.activation.values.known_columns import Columns
from muster.activation.values.local_times import localise

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)  # 17:00 in Berlin


def local(text: str) -> datetime:
    """A naive local time."""
    return datetime.fromisoformat(text)


PLACE = SourceLocation("audiences/fans.yml", 3, "where")
MEASURES = {"views": ("muster:measure:views", pl.Int64()), "seen": ("muster:measure:seen", pl.Datetime("us"))}
ANN, BOB, CAT = range(3)

PROFILES = pl.DataFrame(
    {
        "profile_id": [1, 2, 3],
        "name": ["Ann", "Bob", None],
        "email": ["ann@x.com", "", "cat_1@y.org"],
        "country": ["US", "DE", "US"],
        "birth_year": [1980, 1995, None],
        "score": [1.5, -2.0, None],
        "price": ["10.50", "7.00", None],
        "vip": [True, False, None],
        "born": [date(1980, 2, 29), date(1995, 12, 31), None],
        "signup": [local("2026-11-20 23:30:00"), local("2026-11-21 15:59:00"), local("2025-01-01 00:00:00")],
        "login": [datetime(2026, 7, 1, 22, 30, tzinfo=UTC), datetime(2026, 11, 21, 16, 30, tzinfo=UTC), None],
        "wakes": [time(6, 30), time(9), None],
        "stay": [timedelta(hours=2), timedelta(days=3), None],
        "tags": [["a", "b"], [], None],
        "counts": [[3, 1], [5], None],
        "pair": [[1, 2], [3, 4], None],
        "person": [
            {"name": {"first": "Ann"}, "since": local("2020-01-01 12:00:00")},
            {"name": {"first": "Bob"}, "since": None},
            None,
        ],
        "plan": ["gold", "free", None],
        "joined": ["2020-01-31", "2021-06-30", None],
        "flags": [5, 2, None],
        "nothing": [None, None, None],
    },
    schema_overrides={
        "price": pl.Decimal(10, 2),
        "login": pl.Datetime("ms", "America/New_York"),
        "signup": pl.Datetime("ns"),
        "plan": pl.Categorical(),
        "pair": pl.Array(pl.Int64, 2),
        "flags": pl.Int8,
    },
    strict=False,
)
GIVEN = {
    audience_column("delorean-owners"): [True, False, False],
    audience_column("all"): [True, True, True],
    identity_column("Email"): [["ann@x.com", "a@b.c"], [], ["cat@y.org"]],
    "muster:measure:views": [3, 0, 1],
    "muster:measure:seen": [local("2026-11-01 00:00:00"), None, None],
}


def audience(where: str | None, name: str = "fans", **options: object) -> Audience:
    return Audience(name, name.title(), where, location=PLACE, **options)


def members(where: str, frame: pl.DataFrame = PROFILES) -> list[int]:
    """The rows that a rule takes, computed as an evaluation does."""
    rule = bind_rule(audience(where), Columns(frame.schema), MEASURES, AT, BERLIN)
    given = pl.DataFrame(GIVEN)[: frame.height] if frame is PROFILES else frame.select(GIVEN.keys())
    plain = frame.drop(GIVEN.keys(), strict=False)
    matches = (
        localise(plain.lazy(), rule.columns, BERLIN)
        .with_columns(given)
        .with_columns(rule.expr.alias("match"))
        .collect()["match"]
    )
    assert matches.null_count() == 0
    return [row for row, match in enumerate(matches) if match]


def failure(where: str, measures: Mapping[str, tuple[str, pl.DataType]] = MEASURES, **options: object) -> str:
    with pytest.raises(RuleError) as error:
        bind_rule(audience(where), Columns(PROFILES.schema), measures, AT, BERLIN, **options)
    message = str(error.value)
    assert message.startswith("audiences/fans.yml:3: where: ")
    assert " ".join(where.split())[:60] in message
    return message


ACCEPTED = [
    ("true", [ANN, BOB, CAT]),
    ("1 = 1", [ANN, BOB, CAT]),
    ("false", []),
    ("country = 'US'", [ANN, CAT]),
    ("country <> 'US'", [BOB]),
    ("country = 'US' AND birth_year < 1990", [ANN]),
    ("NOT (country = 'US')", [BOB]),
    ("country = 'DE' OR vip", [ANN, BOB]),
    ("vip", [ANN]),
    ("NOT vip", [BOB]),
    ("vip XOR (country = 'DE')", [ANN, BOB]),
    ("vip IS NULL", [CAT]),
    ("vip IS NOT NULL", [ANN, BOB]),
    ("vip IS TRUE", [ANN]),
    ("name IS DISTINCT FROM 'Ann'", [BOB, CAT]),
    ("name IS NOT DISTINCT FROM NULL", [CAT]),
    ("name = NULL", []),
    ("nothing = 1 OR nothing IS NULL", [ANN, BOB, CAT]),
    ("birth_year IN (1980, 1995)", [ANN, BOB]),
    ("birth_year NOT IN (1980)", [BOB]),
    ("country IN ('DE', 'FR')", [BOB]),
    ("email IN (lower('ANN@X.COM'), 'x')", [ANN]),
    ("birth_year BETWEEN 1980 AND 1990", [ANN]),
    ("birth_year NOT BETWEEN 1980 AND 1990", [BOB]),
    ("score > 1.25 AND score < 2", [ANN]),
    ("price = 10.5", [ANN]),
    ("price * 2 > 20 AND price / 2 < 6", [ANN]),
    ("-score = 2 AND abs(score) = 2", [BOB]),
    ("birth_year % 2 = 0 AND mod(birth_year, 10) = 0", [ANN]),
    ("birth_year // 100 = 19 AND div(birth_year, 0) IS NULL", [ANN, BOB]),
    ("round(score, 1) = 1.5 AND floor(score) = 1 AND ceil(score) = 2 AND sign(score) = 1", [ANN]),
    ("power(score, 2) > 3 AND sqrt(power(score, 2)) > 1.9", [BOB]),
    ("ln(exp(score)) < 0 AND sin(score) < 0", [BOB]),
    ("flags & 4 = 4", [ANN]),
    ("bit_and(flags, 2) = 2 AND bit_count(flags) = 1", [BOB]),
    ("email LIKE '%@x.com'", [ANN]),
    ("email LIKE 'cat__@%'", [CAT]),
    ("email LIKE '%_@_.___'", [ANN, CAT]),
    ("email NOT LIKE '%@%'", [BOB]),
    ("name ILIKE 'ANN'", [ANN]),
    ("email ~ '^[a-z]+@'", [ANN]),
    ("email !~ '@'", [BOB]),
    ("regexp_like(email, '^CAT', 'i')", [CAT]),
    ("regexp_replace(email, '@.*$', '') = 'ann'", [ANN]),
    ("starts_with(email, 'ann') OR ends_with(email, '.org') OR email ^@ 'zz'", [ANN, CAT]),
    ("upper(name) = 'ANN' AND lower(name) = 'ann' AND initcap(name) = 'Ann'", [ANN]),
    ("length(email) = 0 OR octet_length(email) = 9", [ANN, BOB]),
    (
        (
            "name || '-' || country = 'Ann-US' AND concat(name, country) = 'AnnUS' AND concat_ws('/', name, "
            "country) = 'Ann/US'"
        ),
        [ANN],
    ),
    (
        "left(name, 1) = 'A' AND right(name, 1) = 'n' AND substr(name, 2, 2) = 'nn' AND substring(name FROM 2) = 'nn'",
        [ANN],
    ),
    (
        (
            "trim(' ' || name || ' ') = 'Bob' AND ltrim(name, 'B') = 'ob' AND lpad(name, 5, '0') = '00Bob' AND "
            "reverse(name) = 'boB'"
        ),
        [BOB],
    ),
    ("replace(name, 'b', 'x') = 'Box' AND strpos(name, 'o') = 2 AND position('b' IN name) = 3", [BOB]),
    ("split_part(email, '@', 2) = 'x.com' AND array_length(string_to_array(email, '@')) = 2", [ANN]),
    ("coalesce(name, 'none') = 'none' AND ifnull(birth_year, 0) = 0", [CAT]),
    ("nullif(country, 'US') IS NULL", [ANN, CAT]),
    ("if(vip, 1, 2) = 1", [ANN]),
    ("greatest(birth_year, 1990) = 1995 AND least(birth_year, 1990) = 1990", [BOB]),
    ("CASE WHEN vip THEN 'a' WHEN country = 'DE' THEN 'b' ELSE 'c' END IN ('b', 'c')", [BOB, CAT]),
    ("CASE country WHEN 'US' THEN true ELSE false END", [ANN, CAT]),
    ("CAST(birth_year AS VARCHAR) = '1980' AND birth_year::text LIKE '19%'", [ANN]),
    ("CAST(score AS INT) = 1", [ANN]),
    ("TRY_CAST(name AS INT) IS NULL AND name IS NOT NULL", [ANN, BOB]),
    ("CAST(vip AS INT) = 1", [ANN]),
    ("born = DATE '1980-02-29'", [ANN]),
    ("born < DATE '1990-01-01' OR born > TIMESTAMP '1995-12-30 23:00:00'", [ANN, BOB]),
    ("EXTRACT(year FROM born) = 1980 AND month(born) = 2 AND date_part('day', born) = 29 AND quarter(born) = 1", [ANN]),
    ("born + INTERVAL '1 year' = DATE '1981-02-28'", [ANN]),
    ("CURRENT_DATE - born > INTERVAL '15000 days'", [ANN]),
    ("strftime(born, '%d.%m.%Y') = '31.12.1995'", [BOB]),
    ("DATE(joined, '%Y-%m-%d') = DATE '2020-01-31'", [ANN]),
    ("strptime(joined, '%Y-%m-%d') < TIMESTAMP '2021-01-01 00:00:00'", [ANN]),
    ("signup = TIMESTAMP '2026-11-21 00:30:00'", [ANN]),  # naive is UTC
    ("CAST(signup AS DATE) = CURRENT_DATE", [ANN, BOB]),
    ("signup > now() - INTERVAL '2 hours' AND signup < now()", [BOB]),
    ("login = TIMESTAMP '2026-07-02 00:30:00' AND login = TIMESTAMP '2026-07-01T22:30:00Z'", [ANN]),
    ("login > now()", [BOB]),
    ("hour(login) = 0", [ANN]),
    ("signup - login > INTERVAL '100 days'", [ANN]),
    ("wakes < TIME '07:00' AND wakes < CURRENT_TIME", [ANN]),
    ("stay > INTERVAL '1 day'", [BOB]),
    ("stay * 2 >= INTERVAL '4 hours' AND stay + stay < INTERVAL '5 hours'", [ANN]),
    ("'a' = ANY(tags)", [ANN]),
    ("array_contains(tags, 'b')", [ANN]),
    ("tags[1] = 'a' AND tags[-1] = 'b' AND array_get(tags, 2) = 'b'", [ANN]),
    ("array_length(tags) = 0", [BOB]),
    ("array_to_string(tags, '+') = 'a+b'", [ANN]),
    ("array_sum(counts) = 4 AND array_upper(counts) = 3 AND array_lower(counts) = 1 AND array_mean(counts) = 2", [ANN]),
    ("array_length(array_unique(counts)) = 2 AND (array_reverse(counts))[1] = 1", [ANN]),
    ("pair[1] = 3 AND 4 = ANY(pair)", [BOB]),
    ("tags = ARRAY['a', 'b']", [ANN]),
    ("person.name.first = 'Bob'", [BOB]),
    ("(person -> 'name') IS NOT NULL AND person IS NOT NULL", [ANN, BOB]),
    ("person.since = TIMESTAMP '2020-01-01 13:00:00'", [ANN]),
    ("plan = 'gold' OR upper(plan) = 'FREE'", [ANN, BOB]),
    ("profile_id = 2", [BOB]),
    ("views >= 1", [ANN, CAT]),
    ("views >= 1 AND seen < now() - INTERVAL '2 weeks'", [ANN]),
    ('audience."delorean-owners" OR views = 1', [ANN, CAT]),
    ('NOT audience."delorean-owners" AND audience.all', [BOB, CAT]),
    ("identity_map.Email[1] = 'ann@x.com'", [ANN]),
    ("array_length(identity_map.Email) = 0", [BOB]),
    ("'cat@y.org' = ANY(identity_map.\"Email\")", [CAT]),
    ("email = ANY(identity_map.Email)", [ANN]),
]
TEXTS = [text for text, _ in ACCEPTED]


@pytest.mark.parametrize(("where", "expected"), ACCEPTED, ids=TEXTS)
def test_rules_are_polars_sql(where: str, expected: list[int]) -> None:
    """E2: a rule is a SQL condition over profile columns, measures, audiences and identities; null is no match."""
    assert members(where) == expected


@pytest.mark.parametrize(("where", "expected"), ACCEPTED, ids=TEXTS)
def test_a_rule_depends_on_its_row_alone(where: str, expected: list[int]) -> None:
    """E2: alone, and among other rows in another order, a row has the same result."""
    whole = PROFILES.with_columns(pl.DataFrame(GIVEN))
    order = [CAT, ANN, BOB, ANN, CAT]
    assert members(where, whole[order]) == [position for position, row in enumerate(order) if row in expected]
    for row in (ANN, BOB, CAT):
        assert members(where, whole[row : row + 1]) == ([0] if row in expected else [])


MISTAKES = [
    ("birth_year = 'x'", ["birth_year is a whole number (Int64) and 'x' is text"]),
    ("birth_year = '1980'", ["write 1980 without quotes"]),
    ("country = 49", ["country is text (String) and 49 is a whole number", "write '49' in quotes"]),
    ("birth_year IN ('1980', '1990')", ["birth_year is a whole number (Int64) and the list holds text"]),
    ("birth_year IN (1980, 'x')", ["the list holds text"]),
    ("birth_year BETWEEN 'a' AND 'b'", ["'a' is text"]),
    ("birth_year > DATE '2020-01-01'", ["birth_year is a whole number (Int64)", "DATE '2020-01-01' is a date"]),
    ("born = '2020-01-31'", ["born is a date", "write DATE '2020-01-31'"]),
    ("signup > '2020-01-31 10:00:00'", ["signup is a timestamp", "write TIMESTAMP '2020-01-31 10:00:00'"]),
    ("CURRENT_DATE - born > 30", ["duration", "INTERVAL '3 days'"]),
    ("born + 30 > CURRENT_DATE", ["born is a date", "INTERVAL '30 days'"]),
    ("vip = 1", ["vip is a boolean (Boolean)", "written alone, or with NOT"]),
    ("vip = 'true'", ["vip is a boolean (Boolean) and 'true' is text"]),
    ("NOT birth_year", ["NOT needs a boolean", "birth_year > 0"]),
    ("NOT country", ["country is text (String); NOT needs a boolean"]),
    ("vip AND birth_year", ["birth_year is a whole number (Int64); AND needs a boolean"]),
    ("country OR vip", ["country is text (String); OR needs a boolean"]),
    ("birth_year", ["birth_year is a whole number (Int64); a rule is true or false"]),
    ("country", ["country is text (String); a rule is true or false"]),
    ("NULL", ["NULL is null; a rule is true or false"]),
    ("birth_year + 1", ["birth_year + 1 is a whole number"]),
    ("lower(birth_year) = 'x'", ["LOWER needs text", "CAST(birth_year AS VARCHAR)"]),
    ("birth_year LIKE '19%'", ["birth_year is a whole number (Int64); LIKE"]),
    ("length(tags) = 2", ["tags is a list (List(String)); LENGTH needs text"]),
    ("abs(country) = 1", ["ABS needs a number"]),
    ("sqrt(country) = 1", ["SQRT needs a number"]),
    ("power(country, 2) = 1", ["needs a number"]),
    ("country * 2 = 1", ["* cannot be applied"]),
    ("country + 1 = 1", ["+ cannot be applied"]),
    ("-country = 'x'", ["country is text (String); - needs a number"]),
    ("vip + vip = 2", ["+ cannot be applied"]),
    ("EXTRACT(year FROM joined) = 2020", ["joined is text (String); YEAR needs a date or a timestamp"]),
    ("EXTRACT(hour FROM born) = 2", ["born is a date (Date); HOUR needs a timestamp or a time of day"]),
    ("strftime(joined, '%Y') = '2020'", ["STRFTIME needs"]),
    ("joined + INTERVAL '1 day' > born", ["INTERVAL arithmetic needs a date or a timestamp"]),
    (
        "CAST(joined AS DATE) = born",
        ["joined is text (String) and cannot be cast to a date", "DATE(joined, '%Y-%m-%d')"],
    ),
    ("CAST(birth_year AS TIMESTAMP) = signup", ["cannot be cast to a timestamp", "local time"]),
    ("CAST(tags AS INT) = 1", ["tags is a list (List(String)) and cannot be cast"]),
    ("CAST(country AS BOOLEAN)", ["country = 'true'"]),
    ("CAST(signup AS TIMESTAMPTZ) = signup", ["has a time zone"]),
    ("DATE(joined) = born", ["needs a format"]),
    ("DATE(born) = born", ["born is a date (Date) already"]),
    ("strptime(joined, '%Y-%m-%dT%H:%M:%S%z') = signup", ["'%Y-%m-%dT%H:%M:%S%z' reads an offset"]),
    ("strptime(joined, '%s') = signup", ["epoch"]),
    ("'now'::timestamp > signup", ["'now'"]),
    ("CASE WHEN vip THEN 1 ELSE 'x' END = 1", ["1 is a whole number and 'x' is text; CASE gives one type"]),
    ("CASE WHEN birth_year THEN true END", ["a condition is true or false"]),
    ("coalesce(birth_year, 'x') = 1", ["COALESCE gives one type"]),
    ("greatest(birth_year, country) = 1", ["GREATEST gives one type"]),
    ("nullif(birth_year, 'x') = 1", ["they cannot be compared"]),
    ("country || tags = 'x'", ["tags is a list"]),
    ("concat(country, tags) = 'x'", ["CONCAT needs"]),
    ("score // 2 = 1", ["score is a number (Float64); // needs a whole number"]),
    ("strftime(wakes, '%Y') = 'x'", ["the format '%Y' does not fit wakes, a time of day"]),
    ("strftime(born, '%H') = 'x'", ["the format '%H' does not fit born, a date"]),
    ("1 = ANY(birth_year)", ["birth_year is a whole number (Int64); ANY needs a list"]),
    ("1 = ANY(tags)", ["1 is a whole number and tags holds text"]),
    ("array_contains(counts, 'x')", ["'x' is text and counts holds a whole number"]),
    ("array_length(country) = 1", ["ARRAY_LENGTH needs a list"]),
    ("array_sum(tags) = 1", ["tags holds text (String); ARRAY_SUM needs numbers"]),
    ("tags = 'a'", ["write 'a' = ANY(tags)"]),
    ("tags < tags", ["has no order"]),
    ("tags[0] = 'a'", ["the first is [1]"]),
    ("country[1] = 'a'", ["needs a list"]),
    ("email ~ '['", ["not a valid regular expression: unclosed character class"]),
    ("regexp_like(email, name)", ["the pattern name is not a text literal"]),
    ("person.nmae = 'x'", ["person has no field 'nmae'; did you mean 'name'?"]),
    ("person.name.last = 'x'", ["person.name has no field 'last'; known are 'first'"]),
    ("country.code = 'x'", ["country is text (String) and has no field 'code'"]),
    ("conutry = 'US'", ["unknown column 'conutry'; did you mean 'country'"]),
    ("Country = 'US'", ["unknown column 'Country'; did you mean 'country'"]),
    ('country = "US"', ["unknown column 'US'", "single quotes: 'US'"]),
    ("veiws > 1", ["unknown column 'veiws'; did you mean 'views'"]),
    ("views > 'x'", ["views is a whole number (Int64) and 'x' is text"]),
    ("__id = '1'", ["unknown column '__id'"]),
    ("audience.vip = 1", ["audience.vip is a boolean (Boolean)"]),
    ("identity_map.Email = 'x'", ["write 'x' = ANY(identity_map.Email)"]),
    ("foo = 1 AND bar = 2", ["unknown column 'bar'", "unknown column 'foo'"]),
    ("SUM(birth_year) > 1", ["SUM is not allowed"]),
]


@pytest.mark.parametrize(("where", "words"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_a_mistake_is_found_before_a_row_is_read(where: str, words: list[str]) -> None:
    """SPEC 10: unknown names, types that do not fit and rules that are no condition say file, line, expression, name
    and what helps.
    """
    message = failure(where)
    assert all(part in message for part in words), message


def test_an_audience_written_like_a_column_is_recognised() -> None:
    """SPEC 10: an unknown column that is an audience's id says how audiences are written."""
    assert 'audience."old-fans"' in failure('"old-fans"', audiences=["old-fans"])


def test_a_measure_called_like_a_column_is_a_mistake() -> None:
    """E2: a profile column like a measure, or named ``audience``, is a config error."""
    assert "'country' is both a measure and a profile column" in failure(
        "country = 1", {"country": ("muster:measure:c", pl.Int64())}
    )
    measure = Measure("country", "count", location=SourceLocation("audiences/fans.yml", 7, "events.country"))
    found = clashes(
        workspace(audience("true", measures=(measure,))), Columns({"country": pl.String(), "audience": pl.String()})
    )
    assert [str(problem) for problem in found] == [
        "audiences/fans.yml:7: events.country: the profiles have a column 'country' too; rename the measure",
        (
            "muster.yml: profiles: the profiles have a column 'audience', which means audience.<id> in rules; "
            "rename the column"
        ),
    ]
    assert not clashes(workspace(audience("true", measures=(measure,))), Columns({"name": pl.String()}))


def test_a_rule_tells_what_it_reads() -> None:
    """E7: a rule names the columns, measures, audiences and namespaces that one pass must provide."""
    rule = bind_rule(
        audience("vip AND views > 1 AND audience.x AND identity_map.Email[1] = email"),
        Columns(PROFILES.schema),
        MEASURES,
        AT,
        BERLIN,
    )
    assert rule.columns == {"vip", "email"}
    assert rule.measures == {"muster:measure:views"}
    assert rule.audiences == {"x"}
    assert rule.namespaces == {"Email"}


@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.sampled_from(["AND", "OR"]))
def test_rules_combine(one: str, other: str, operator: str) -> None:
    """E2: AND and OR of two rules take the rows that both take, or either."""
    left, right = set(members(one)), set(members(other))
    assert set(members(f"({one}) {operator} ({other})")) == (left & right if operator == "AND" else left | right)


def workspace(*audiences: Audience) -> Workspace:
    return Workspace(
        root=Path("/nowhere"),
        name="test",
        zone=BERLIN,
        profiles=ProfilesSource("profiles"),
        state=Path("/nowhere/.muster"),
        audiences={audience.id: audience for audience in audiences},
        activations=(),
        destinations=(),
    )


def found_in(*audiences: Audience) -> list[str]:
    return [str(problem) for problem in problems(workspace(*audiences))]


def test_mistakes_without_data_are_found_together() -> None:
    """X1, SPEC 10: what the YAML alone shows is reported for all audiences and measures at once, with file, line, key
    and expression.
    """
    measures = (
        Measure("bad", "count", where="sum(x) > 1", location=SourceLocation("audiences/one.yml", 4, "events.bad")),
        Measure("odd", "count", where="audience.two", location=SourceLocation("audiences/one.yml", 5, "events.odd")),
        Measure(
            "good", "sum", "amount", where="x = 'y'", location=SourceLocation("audiences/one.yml", 6, "events.good")
        ),
    )
    found = found_in(
        Audience("one", "One", "country = ", measures, location=SourceLocation("audiences/one.yml", 7, "where")),
        Audience("two", "Two", "audience.oen AND SELECT", location=SourceLocation("audiences/two.yml", 2)),
        Audience("fed", "Fed", None, from_feed=True, location=SourceLocation("audiences/fed.yml", 1)),
    )
    assert [problem.split(": ", 4)[:4] for problem in found] == [
        ["audiences/one.yml:4", "events.bad", "sum(x) > 1", "SUM is not allowed in a rule"],
        ["audiences/one.yml:5", "events.odd", "audience.two", found[1].split(": ")[3]],
        ["audiences/one.yml:7", "where", "country =", "something is missing after '='"],
        ["audiences/two.yml:2", "where", "audience.oen AND SELECT", "SELECT is not allowed"],
    ]
    assert "a measure, which sees one event at a time" in found[1]


def test_a_sound_workspace_has_no_problems() -> None:
    """E4: audiences may refer to audiences in any order, to those of a feed too."""
    feed = Audience("fed", "Fed", None, from_feed=True)
    assert found_in(audience("audience.fed AND audience.last"), feed, audience("country = 'US'", "last")) == []


def test_unknown_audiences_are_named_with_near_ones() -> None:
    """SPEC 10: a reference to an audience that does not exist names the nearest ids, and quotes where they are
    missing.
    """
    known = [audience("true", name) for name in ("delorean-owners", "vip.eu", "2024")]

    def told(where: str) -> str:
        return "".join(found_in(*known, audience(where)))

    assert "unknown audience 'delorean-ownes'; did you mean 'delorean-owners'?" in told('audience."delorean-ownes"')
    assert 'audience.delorean-owners needs quotes: audience."delorean-owners"' in told("audience.delorean-owners")
    assert 'audience.vip.eu needs quotes: audience."vip.eu"' in told("audience.vip.eu")
    assert not told('audience."vip.eu" AND audience."2024"')


def test_a_cycle_is_named() -> None:
    """E4: audiences that refer to each other in a circle are an error that names the circle, once."""
    found = found_in(
        audience("audience.b AND audience.d", "c"),
        audience("audience.c", "b"),
        audience("audience.b OR audience.e", "a"),
        audience("true", "d"),
        audience("NOT audience.e", "e"),
    )
    assert len(found) == 2
    assert found[0].endswith("audiences refer to each other in a circle: b -> c -> b")
    assert found[1].endswith("audiences refer to each other in a circle: e -> e")


def test_audiences_are_ordered_after_those_they_refer_to() -> None:
    """E4, E7: every audience comes after what it refers to, and brings that along."""
    audiences = {
        a.id: a
        for a in (
            audience("audience.b", "a"),
            audience("audience.c AND audience.d", "b"),
            audience("true", "c"),
            audience("true", "d"),
        )
    }
    order = in_order(audiences)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") > order.index("b") > max(order.index("c"), order.index("d"))
    assert with_references(["b"], audiences) == {"b", "c", "d"}
    assert with_references(["d"], audiences) == {"d"}


FAILING = [
    ("CAST(email AS INT) = 1", "column email", "text (str)", "a whole number (i32)", "TRY_CAST"),
    ("strptime(email, '%Y-%m-%d') > now()", "column email", "text (str)", "a timestamp (datetime[μs])", "format"),
    ("CAST(birth_year AS TINYINT) = 1", "column birth_year", "a whole number (i64)", "a whole number (i8)", "TRY_CAST"),
]


@pytest.mark.parametrize(("where", "column", "source", "target", "hint"), FAILING)
def test_a_value_that_does_not_fit_is_not_shown(where: str, column: str, source: str, target: str, hint: str) -> None:
    """X1, SPEC 9: a cast that fails on a value fails the audience, and says the column but no profile data."""
    rule = bind_rule(audience(where), Columns(PROFILES.schema), {}, AT, BERLIN)
    with pytest.raises(ExportError) as error:
        engine.collect(PROFILES.lazy().with_columns(rule.expr.alias("match")))
    told = explain(error.value, PLACE, where)
    assert str(told).startswith(f"audiences/fans.yml:3: where: {where}: ")
    assert all(part in str(told) for part in (column, source, target, hint))
    assert not any(data in str(told) for data in ("ann@x.com", "cat_1", "1980", "1995"))


def test_an_unknown_failure_shows_nothing_of_the_data() -> None:
    """SPEC 9: an error of Polars that is not recognised is told without its text, which may quote values."""
    told = explain(pl.exceptions.ComputeError("ann@x.com is bad"), PLACE, "vip")
    assert str(told) == "audiences/fans.yml:3: where: vip: it cannot be computed on this data"
    assert told.exit_code == 1


def test_a_panic_at_binding_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: a panic of Polars while a rule is tried is an error with a message."""

    def panic(*_: object) -> None:
        raise pl.exceptions.PanicException("stopped")

    monkeypatch.setattr(pl.LazyFrame, "collect", lambda *_, **__: panic())
    assert "Polars cannot compute this" in failure("vip")


def test_messages_stay_readable() -> None:
    """SPEC 10: a long or folded expression is quoted in one line, and cut."""
    message = failure("country = 'US'\n  AND  birth_year = 'x' AND " + " AND ".join(["vip"] * 100))
    assert "country = 'US' AND birth_year = 'x' AND vip" in message
    assert "\n" not in message
    assert len(message) < 400


def test_sql_errors_are_no_export_errors() -> None:
    """X1: what is wrong with a text is a ``SqlError`` until the rule and its place are known."""
    assert not issubclass(SqlError, ExportError)


COLUMNS = [column for column in PROFILES.columns if column not in ("price", "joined")]
ATOMS = [
    *COLUMNS,
    "views",
    "audience.all",
    "identity_map.Email",
    "person.name",
    "'a'",
    "'1'",
    "1",
    "-2",
    "1.5",
    "1e3",
    "NULL",
    "true",
]
ATOMS += ["now()", "CURRENT_DATE", "INTERVAL '1 day'", "TIME '10:00'", "ARRAY['a']", "[1, 2]"]
UNARY = [
    "NOT {}",
    "-{}",
    "({})",
    "{} IS NULL",
    "{} IS TRUE",
    "lower({})",
    "length({})",
    "abs({})",
    "round({})",
    "sqrt({})",
    "year({})",
]
UNARY += [
    "hour({})",
    "array_length({})",
    "array_sum({})",
    "array_unique({})",
    "array_upper({})",
    "{} LIKE 'a%'",
    "{} ~ 'a'",
    "trim({})",
]
UNARY += [
    "({})[1]",
    "power({}, 2)",
    "initcap({})",
    "bit_count({})",
    "sign({})",
    "exp({})",
    "CAST({} AS VARCHAR)",
    "strftime({}, '%Y')",
    "{} || 'x'",
]
BINARY = [
    "{} = {}",
    "{} <> {}",
    "{} < {}",
    "{} AND {}",
    "{} OR {}",
    "{} + {}",
    "{} - {}",
    "{} * {}",
    "{} / {}",
    "{} // {}",
    "{} % {}",
]
BINARY += [
    "{} IN ({}, 1)",
    "coalesce({}, {})",
    "greatest({}, {})",
    "nullif({}, {})",
    "concat({}, {})",
    "{} = ANY({})",
    "{} XOR {}",
]
BINARY += ["{} IS DISTINCT FROM {}", "{} & {}", "starts_with({}, {})", "substr({}, {})", "left({}, {})", "lpad({}, {})"]
BINARY += [
    "array_get({}, {})",
    "array_contains({}, {})",
    "array_to_string({}, {})",
    "strpos({}, {})",
    "replace({}, {}, 'x')",
]
BINARY += ["CASE WHEN {} THEN {} END", "CASE {} WHEN {} THEN 1 ELSE 2 END"]
PARTS = st.recursive(
    st.sampled_from(ATOMS),
    lambda part: (
        st.builds(str.format, st.sampled_from(UNARY), part) | st.builds(str.format, st.sampled_from(BINARY), part, part)
    ),
    max_leaves=4,
)


@given(PARTS)
def test_what_is_bound_computes_each_row_alone(where: str) -> None:
    """E2, X1: what passes the checks does not fail on a value (casts apart), and a row's result does not depend on
    other rows.
    """
    condition = f"({where}) IS NULL"
    try:
        bind_rule(audience(condition), Columns(PROFILES.schema), MEASURES, AT, BERLIN)
    except RuleError:
        return
    whole = PROFILES.with_columns(pl.DataFrame(GIVEN))
    try:
        found = members(condition)
    except pl.exceptions.ComputeError as error:  # of decimals: 1.5 / views
        told = str(explain(error, PLACE, where))
    else:
        assert found == [row for row in (ANN, BOB, CAT) if members(condition, whole[row : row + 1])]
        return
    assert "divides by zero" in told
