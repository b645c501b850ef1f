"""Arbitrary text through all that reads what a user wrote: a value or the reader's own error; round trips where there
are.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from muster.activation.config import fields
from muster.activation.config.sizes import LEAST_MEMORY, parse_memory
from muster.activation.config.yaml_reader import Scalar, read_document
from muster.activation.errors import InputError
from muster.activation.instants import iso, parse_duration, parse_instant, stamp
from muster.activation.model import naming
from muster.activation.model.workspace import Schedule
from muster.activation.stores import urls
from muster.schedules.descriptions import describe
from muster.schedules.slots import latest, next_slots

BERLIN, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Apia")
MOMENTS = st.integers(-2_145_916_800, 190_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
# Letters and marks that the parsers know, beside all others: arbitrary text alone would hardly ever come far.
NEAR = st.text(st.sampled_from("0123456789:-+TZz.,/*?#LWmhdwsGiBkB{}$ %~\\\"'é٣\t\n\0\ud7ff\U0001f600"), max_size=30)
TEXT = st.one_of(st.text(max_size=60), NEAR)
FIELD = st.one_of(
    st.sampled_from(
        [
            "*",
            "*/5",
            "1-5",
            "1,2,3",
            "L",
            "0",
            "59",
            "60",
            "31",
            "JAN",
            "mon-fri",
            "7",
            "5#2",
            "LW",
            "MON#5",
            "1-",
            "*/0",
            "",
        ]
    ),
    NEAR,
)
CRON = st.one_of(st.lists(FIELD, min_size=4, max_size=6).map(" ".join), TEXT)


def read(kind: Any, text: str) -> Any:
    """A value of YAML through the field that takes it; ``ValueError`` when it refuses it."""
    try:
        return TypeAdapter(kind).validate_python(Scalar(text, text, plain=True))
    except ValidationError as error:
        raise ValueError(str(error)) from None


READERS: dict[str, tuple[Callable[[str], object], type[Exception]]] = {
    "duration": (parse_duration, ValueError),
    "size": (parse_memory, ValueError),
    "instant": (lambda text: parse_instant(text, BERLIN), InputError),
    "instant in a zone that lost a day": (lambda text: parse_instant(text, APIA), InputError),
    "duration in YAML": (lambda text: read(fields.Duration, text), ValueError),
    "zone": (lambda text: read(fields.Zone, text), ValueError),
    "time of day": (lambda text: read(fields.LocalTime, text), ValueError),
    "interval": (lambda text: read(fields.Hours, text), ValueError),
    "date or time": (lambda text: read(fields.Moment, text), ValueError),
}


@pytest.mark.parametrize("reader", READERS)
@given(TEXT)
@settings(max_examples=200)
def test_arbitrary_text_is_read_or_refused(reader: str, text: str) -> None:
    """SPEC 10: whatever is written, a reader gives a value or its own error."""
    parse, error = READERS[reader]
    with suppress(error):
        assert parse(text) is not None


@given(st.integers(0, 73200 * 1440), st.sampled_from("mhdw"))
def test_durations_round_trip(count: int, unit: str) -> None:
    """E3: a number of units is that many times the unit, up to 200 years."""
    span = timedelta(minutes=count * {"m": 1, "h": 60, "d": 1440, "w": 10080}[unit])
    if span > timedelta(days=73200):
        with pytest.raises(ValueError, match=r"too long|is not a duration"):
            parse_duration(f"{count}{unit}")
    else:
        assert parse_duration(f"{count}{unit}") == span


@given(st.integers(LEAST_MEMORY, 10**17))
def test_sizes_round_trip(size: int) -> None:
    """Bytes, and whole MiB of them, are read as they are written."""
    assert parse_memory(str(size)) == size
    assert parse_memory(f"{size >> 20}MiB") == size >> 20 << 20


@given(MOMENTS, st.sampled_from([BERLIN, APIA, ZoneInfo("UTC")]))
def test_instants_round_trip(moment: datetime, tz: ZoneInfo) -> None:
    """E1: an instant is read as it is shown, in any zone, and as it stands in names."""
    assert parse_instant(iso(moment), tz) == moment
    assert parse_instant(stamp(moment), tz) == moment


@given(st.times().map(lambda each: each.replace(microsecond=0)))
def test_times_of_day_round_trip(moment: time) -> None:
    """S1: with or without seconds."""
    assert read(fields.LocalTime, moment.isoformat()) == moment
    assert read(fields.LocalTime, f"{moment:%H:%M}") == moment.replace(second=0)


@given(st.dates(date(1970, 1, 1), date(8999, 12, 31)))
def test_dates_round_trip(day: date) -> None:
    """S1: `start` and `end`."""
    assert read(fields.Moment, day.isoformat()) == day


@given(CRON)
@settings(max_examples=300)
@example("0 0 30 2 *")
@example("0 0 * * 8")
@example("0 0 29 2 1#5")
def test_a_cron_that_is_taken_works(text: str) -> None:
    """S1: a cron is refused, or it fires, now and then, forwards and backwards, and can be told in words."""
    try:
        cron = read(fields.Cron, text)
    except ValueError:
        return
    schedule = Schedule(kind="cron", cron=cron, zone=BERLIN)
    after = datetime(2026, 11, 21, tzinfo=UTC)
    coming = next_slots(schedule, after, 2)
    assert coming == sorted(set(coming))
    if coming:
        assert latest(schedule, after, coming[-1]) == coming[-1]
    assert describe(schedule)
    assert CronSim(cron, after)


@given(TEXT)
@settings(max_examples=300)
def test_templates(text: str) -> None:
    """F1: mistakes of a template are sentences; one without mistakes has no part that leads elsewhere."""
    mistakes = naming.template_mistakes(text)
    assert all(mistakes)
    assert naming.is_constant(text) in {True, False}
    if not mistakes:
        assert not text.startswith(("/", "."))
        assert not {"", ".", ".."} & set(text.split("/"))


ROOT = Path("/srv/acme")
URLISH = st.one_of(
    TEXT,
    st.tuples(
        st.sampled_from(
            ["file:", "file://", "file:///", "s3://", "sftp://", "HTTP://", "//", "../", "a/../", "x:/", "file://["]
        ),
        TEXT,
    ).map("".join),
)


@given(URLISH)
@settings(max_examples=500)
@example("file://[")
@example("file:///%00")
def test_urls(text: str) -> None:
    """X9: a url is refused in words that do not repeat it, or it has one normal form, which has itself as its normal
    form.
    """
    mistake = urls.mistake(text)
    assert isinstance(urls.redact(text), str)
    if mistake:
        assert mistake == mistake.strip()
        return
    normal = urls.normalise(text, ROOT)
    assert urls.local_path(normal, ROOT).is_absolute()
    assert ".." not in normal.split("/")
    again = urls.normalise(normal, ROOT) if not normal.startswith(("file:", "FILE:")) else normal
    assert again == normal or urls.mistake(normal), "a normal form that is another url's"


@given(
    st.one_of(
        st.binary(max_size=200),
        TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@ \n\t,?$"), max_size=80).map(str.encode),
    )
)
@settings(max_examples=500)
def test_yaml_files(content: bytes) -> None:
    """SPEC 10: any bytes are a document of keys and values, or problems with a line; never both nothing."""
    document = read_document("muster.yml", content, {"NAME": "value"})
    assert document.data is not None or document.problems
    assert all(problem.file == "muster.yml" and problem.message for problem in document.problems)
