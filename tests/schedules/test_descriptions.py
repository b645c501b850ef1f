"""Schedules in plain words, the crontab (SPEC 9), and schedules too fine for a file name (F1)."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.activation.errors import InputError
from muster.activation.model.workspace import Activation, Column, ProfilesSource, Schedule, SourceLocation, Workspace
from muster.schedules.check import problems
from muster.schedules.crontab import crontab_text
from muster.schedules.descriptions import describe
from muster.schedules.slots import slots

UTC_ZONE, BERLIN, LORD_HOWE = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
KOLKATA, SAO_PAULO = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/Sao_Paulo")
NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(*times: str, tz: ZoneInfo = UTC_ZONE) -> Schedule:
    return Schedule("at", tz, times=tuple(sorted(time.fromisoformat(text) for text in times)))


def cron(text: str, tz: ZoneInfo = UTC_ZONE) -> Schedule:
    return Schedule("cron", tz, cron=text)


def november(schedule: Schedule) -> Schedule:
    return replace(schedule, start=utc("2026-11-01"), end=utc("2026-12-01"))


EVERY_3H = Schedule("every", UTC_ZONE, hours=3)
AFTER_EVALUATION = Schedule("after_evaluation", UTC_ZONE)
ON_DEMAND = Schedule("on_demand", UTC_ZONE)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (at("05:00", "17:00", tz=BERLIN), "every day at 05:00 and 17:00 (Europe/Berlin)"),
        (at("05:00"), "every day at 05:00 (UTC)"),
        (replace(at("05:00"), monthly="last"), "the last day of each month at 05:00 (UTC)"),
        (replace(at("05:00", "17:00"), monthly="1"), "the 1st of each month at 05:00 and 17:00 (UTC)"),
        (replace(at("05:00"), monthly="12"), "the 12th of each month at 05:00 (UTC)"),
        (replace(at("05:00"), monthly="23"), "the 23rd of each month at 05:00 (UTC)"),
        (at("05:00", "11:30", "17:00:30"), "every day at 05:00, 11:30 and 17:00:30 (UTC)"),
        (november(EVERY_3H), "every 3 hours from midnight (UTC), from 2026-11-01 to 2026-12-01"),
        (replace(EVERY_3H, hours=1), "every hour from midnight (UTC)"),
        (replace(EVERY_3H, hours=24), "every day at 00:00 (UTC)"),
        (replace(EVERY_3H, start=utc("2026-11-01")), "every 3 hours from midnight (UTC), from 2026-11-01"),
        (replace(EVERY_3H, end=utc("2026-12-01T06:30")), "every 3 hours from midnight (UTC), until 2026-12-01 06:30"),
        (Schedule("each_run", ZoneInfo("UTC")), "at each `muster run` or `muster evaluate`"),
        (
            november(Schedule("each_run", ZoneInfo("UTC"))),
            "at each `muster run` or `muster evaluate`, from 2026-11-01 to 2026-12-01 (UTC)",
        ),
        (AFTER_EVALUATION, "after each evaluation of its audience"),
        (november(AFTER_EVALUATION), "after each evaluation of its audience, from 2026-11-01 to 2026-12-01 (UTC)"),
        (ON_DEMAND, "on demand only"),
        (replace(ON_DEMAND, end=utc("2026-12-01")), "on demand only, until 2026-12-01 (UTC)"),
        (cron("0 6 1 * *"), "cron 0 6 1 * * (UTC): at 06:00 on the first day of every month"),
        (
            cron("*/15 * * * mon-fri", BERLIN),
            "cron */15 * * * mon-fri (Europe/Berlin): every 15th minute of every hour on Monday through Friday",
        ),
    ],
)
def test_words(schedule: Schedule, words: str) -> None:
    """SPEC 9, `schedule list`: a schedule in words, with its zone, and its window if it has one."""
    assert describe(schedule) == words


def test_words_are_local() -> None:
    """S1: start and end are shown in the schedule's zone: a day, where it is that day's beginning, else the
    time too.
    """
    assert describe(replace(at("05:00", tz=BERLIN), start=utc("2026-10-31T23:00"))).endswith(
        "(Europe/Berlin), from 2026-11-01"
    )
    assert describe(replace(at("05:00", tz=BERLIN), start=utc("2026-11-01"))).endswith(
        "(Europe/Berlin), from 2026-11-01 01:00"
    )
    assert describe(replace(at("05:00", tz=SAO_PAULO), start=utc("2018-11-04T03:00"))).endswith(", from 2018-11-04")
    assert describe(replace(at("05:00"), start=utc("2026-11-01T00:00:10"))).endswith(", from 2026-11-01 00:00:10")


def line(*schedules: Schedule, folder: str = "/srv/acme") -> str:
    """The one line of the crontab that cron carries out."""
    found = [text for text in crontab_text(schedules, folder, NOW).splitlines() if text and not text.startswith("#")]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("schedules", "minutes"),
    [
        ([at("05:00", "17:00", tz=BERLIN), EVERY_3H], "0"),
        ([at("05:00"), at("05:30")], "0,30"),
        ([at("05:00", tz=KOLKATA)], "30"),
        ([at("05:00", tz=LORD_HOWE)], "0,30"),
        ([at("05:00:01", "05:59:30")], "0,1"),
        ([cron("*/15 * * * *")], "0,15,30,45"),
        ([cron("*/5 * * * *")], "*/5"),
        ([cron("3-59/5 * * * *")], "3,8,13,18,23,28,33,38,43,48,53,58"),
        ([cron("* * * * *"), at("05:00")], "*"),
        ([cron("20 6 29 2 *")], "20"),
        ([replace(at("05:10"), start=utc("2029-01-01"))], "10"),
        ([replace(at("05:10"), end=utc("2026-11-21T05:00")), at("05:20"), ON_DEMAND, AFTER_EVALUATION], "20"),
    ],
)
def test_minutes(schedules: list[Schedule], minutes: str) -> None:
    """SPEC 9, `schedule crontab`: each minute of the hour, in UTC, at which a slot of the coming year falls, or the
    next one.
    """
    assert line(*schedules) == f"{minutes} * * * * muster -C /srv/acme run -q --wait 600"


def test_crontab_explains_itself() -> None:
    """SPEC 9: the text names the workspace and says that a run with nothing due does nothing; it can be pasted as it
    is.
    """
    text = crontab_text([at("05:00")], "/srv/acme", NOW)
    assert "/srv/acme" in text.splitlines()[0]
    assert "A run with nothing due does nothing" in text
    assert text.endswith("--wait 600\n")


@pytest.mark.parametrize(
    "schedules", [[], [ON_DEMAND, AFTER_EVALUATION], [replace(at("05:00"), end=utc("2026-11-21"))]]
)
def test_nothing_for_cron(schedules: list[Schedule]) -> None:
    """SPEC 9: without a slot to come there is no line, and the text says why."""
    text = crontab_text(schedules, "/srv/acme", NOW)
    assert all(row.startswith("#") for row in text.splitlines())
    assert "cron has nothing to do" in text


def test_crontab_of_each_run() -> None:
    """V1: cron calls every five minutes for activations that each run looks at, and at the slots of others; the text
    says why, and what such a run costs.
    """
    each_run = Schedule("each_run", UTC_ZONE)
    cost = "A run with nothing to send\n# takes less than half a second"
    assert cost in crontab_text([each_run], "/srv/acme", NOW)
    assert cost not in crontab_text([at("05:32")], "/srv/acme", NOW)
    assert crontab_text([each_run], "/srv/acme", NOW).splitlines()[-1].startswith("*/5 * * * * ")
    assert ",32,35," in crontab_text([each_run, at("05:32")], "/srv/acme", NOW).splitlines()[-1]


def as_cron_runs(command: str) -> str:
    r"""What cron hands to the shell: up to the first bare ``%``, with ``\%`` for ``%`` (crontab(5))."""
    out, escaped = "", False
    for letter in command:
        if escaped and letter == "%":
            out = out[:-1]
        elif letter == "%":
            return out
        out += letter
        escaped = not escaped and letter == "\\"
    return out


@given(st.text(st.sampled_from("ab %\\'\"$`;é"), max_size=8))
@settings(deadline=None)
def test_folder_is_one_word(name: str) -> None:
    """SPEC 9: whatever the folder is called, cron and the shell read it back as it is."""
    command = line(at("05:00"), folder=f"/srv/{name}").removeprefix("0 * * * * ")
    assert shlex.split(as_cron_runs(command)) == ["muster", "-C", f"/srv/{name}", "run", "-q", "--wait", "600"]


def test_folder_that_cannot_be_written() -> None:
    """SPEC 10: a folder with a line break in its name has no place in a crontab: one message, no broken line."""
    with pytest.raises(InputError, match="cannot be written in a crontab"):
        crontab_text([at("05:00")], "/srv/a\nb", NOW)


ZONES = [UTC_ZONE, BERLIN, LORD_HOWE, KOLKATA, ZoneInfo("America/St_Johns"), ZoneInfo("Asia/Kathmandu")]


@given(st.lists(st.tuples(st.times(), st.sampled_from(ZONES)), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_no_slot_is_missed(times: list[tuple[time, ZoneInfo]]) -> None:
    """SPEC 9: cron comes by within a minute of every slot of the year."""
    schedules = [Schedule("at", tz, times=(moment.replace(microsecond=0),)) for moment, tz in times]
    minutes = {int(text) for text in line(*schedules).split(" ")[0].split(",")}
    for schedule in schedules:
        for slot in slots(schedule, NOW, NOW + timedelta(days=365)):
            assert slot.minute in minutes if not slot.second else (slot.minute + 1) % 60 in minutes


def workspace(*activations: Activation) -> Workspace:
    return Workspace(Path("/w"), "w", UTC_ZONE, ProfilesSource("data"), Path("/w/.muster"), {}, activations, ("crm",))


def activation(schedule: Schedule, file_name: str = "{activation}_{date}") -> Activation:
    return Activation(
        id="fans",
        destination="crm",
        destination_name="CRM",
        audience="fans",
        export="full",
        schedule=schedule,
        url="exports",
        format="csv",
        mapping=(Column("profile_id", "profile_id"),),
        file_name=file_name,
        location=SourceLocation("destinations/crm.yml", 7, "activations[1]"),
    )


@pytest.mark.parametrize(
    ("schedule", "first", "second"),
    [
        (at("05:00", "17:00"), "2026-01-01T05:00:00Z", "2026-01-01T17:00:00Z"),
        (EVERY_3H, "2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z"),
        (cron("0 6,7 29 2 *"), "2028-02-29T06:00:00Z", "2028-02-29T07:00:00Z"),
        (at("01:30", tz=BERLIN), "2026-03-29T00:30:00Z", "2026-03-29T23:30:00Z"),
        (replace(at("05:00", "17:00"), start=utc("2041-05-01")), "2041-05-01T05:00:00Z", "2041-05-01T17:00:00Z"),
    ],
)
def test_date_is_too_coarse(schedule: Schedule, first: str, second: str) -> None:
    """F1: `{date}` with two slots on one UTC date is a config error that names both, also where only a clock change
    makes them.
    """
    (found,) = problems(workspace(activation(schedule)))
    assert (found.file, found.line, found.key) == ("destinations/crm.yml", 7, "activations[1]")
    assert "'{activation}_{date}'" in found.message
    assert f"{first} and {second}; use {{datetime}}" in found.message


def test_date_after_evaluation() -> None:
    """F1: `{date}` with `after_evaluation` is always too coarse: an audience can be evaluated twice a day."""
    (found,) = problems(workspace(activation(AFTER_EVALUATION)))
    assert found.message.endswith("use {datetime}")


@pytest.mark.parametrize(
    "schedule",
    [
        at("05:00"),
        at("05:00", tz=BERLIN),
        cron("0 6 1 * *"),
        replace(EVERY_3H, hours=24),
        replace(at("05:00", "17:00"), start=utc("2026-11-01T12:00"), end=utc("2026-11-02T12:00")),
        replace(at("05:00"), start=utc("9999-01-01")),
        ON_DEMAND,
    ],
)
def test_date_is_enough(schedule: Schedule) -> None:
    """F1: with one slot a UTC date, in all of the schedule's window, `{date}` is allowed; on demand has no slots."""
    assert problems(workspace(activation(schedule))) == []


@pytest.mark.parametrize(
    "template", ["{activation}", "{activation}_{datetime}", "{date}/{timestamp}", "{date}_{run_id}"]
)
def test_other_templates(template: str) -> None:
    """F1: a template with a finer time or the run id, or with no time at all, suits every schedule."""
    assert problems(workspace(activation(EVERY_3H, template), activation(AFTER_EVALUATION, template))) == []


TWICE = at("05:00", "17:00")
NEW_YORK = at("20:00", tz=ZoneInfo("America/New_York"))  # 00:00 or 01:00 of the next day in UTC


@pytest.mark.parametrize(
    ("schedule", "template", "words"),
    [
        (TWICE, "{local_date}", "two runs fall on one local date, 2026-01-01T05:00:00Z and 2026-01-01T17:00:00Z"),
        (TWICE, "{date:%H%M}", "two runs get one name, 2026-01-01T05:00:00Z and 2026-01-02T05:00:00Z"),
        (at("05:00"), "{date:%m%d}", "get one name, 2026-01-01T05:00:00Z and 2027-01-01T05:00:00Z"),
        (at("05:00"), "{date:%j}", "get one name, 2026-01-01T05:00:00Z and 2027-01-01T05:00:00Z"),
        (at("05:00"), "{date:%Y%m}", "get one name, 2026-01-01T05:00:00Z and 2026-01-02T05:00:00Z"),
        (at("05:00"), "{date:%Y%d}", "get one name, 2026-01-01T05:00:00Z and 2026-02-01T05:00:00Z"),
        (cron("*/20 * * * *"), "{datetime:%Y%m%d%H}", "get one name, 2026-01-01T00:00:00Z and 2026-01-01T00:20:00Z"),
        (at("05:00:10", "05:00:20"), "{datetime:%Y%m%d%H%M}", "has only {datetime:%Y%m%d%H%M} to tell runs apart"),
        (AFTER_EVALUATION, "{datetime:%Y%m%d%H%M}", "an audience can be evaluated twice within one of them"),
        (AFTER_EVALUATION, "{local_date}", "an audience can be evaluated twice within one of them"),
        (AFTER_EVALUATION, "{local_datetime:%Y%m%d%H%M%S}", "a local time occurs twice when the clocks change"),
        (
            AFTER_EVALUATION,
            "{date:%Y}_{local_datetime:%m%d%H%M%S}",
            "has only {date:%Y} and {local_datetime:%m%d%H%M%S}",
        ),
    ],
)
def test_other_times_that_are_too_coarse(schedule: Schedule, template: str, words: str) -> None:
    """F1: what a pattern says of a time is judged: two slots or evaluations must never share a name."""
    (found,) = problems(workspace(activation(schedule, template)))
    assert words in found.message
    assert found.message.endswith("; use {datetime}")


@pytest.mark.parametrize(
    ("schedule", "template"),
    [
        (at("01:30", tz=BERLIN), "{local_date}"),
        (at("05:00"), "{date:%y%m%d}"),
        (at("05:00"), "{date:%Y%j}"),
        (cron("0 6 1 * *"), "{date:%Y-%m}"),
        (replace(at("05:00"), start=utc("2026-11-01"), end=utc("2026-12-01")), "{date:%d}"),
        (cron("*/5 * * * *"), "{datetime:%Y%m%d%H%M}"),
        (replace(cron("*/5 * * * *"), zone=BERLIN), "{local_datetime:%y%j_%H%M}"),
        (EVERY_3H, "{datetime:%Y%m%d_%H}"),
        (replace(EVERY_3H, zone=BERLIN), "{local_datetime:%Y%m%d_%H}"),
        (EVERY_3H, "{local_datetime:%Y%m%d_%H%M}"),
        (AFTER_EVALUATION, "{local_datetime}"),
        (AFTER_EVALUATION, "{datetime:%Y%m%d_%H%M%S}"),
        (AFTER_EVALUATION, "{date}-{datetime:%H%M%S}"),
        (AFTER_EVALUATION, "{local_date:%j.%y}-{local_datetime:%H%M%S%z}"),
        (ON_DEMAND, "{local_date}"),
    ],
)
def test_times_that_tell_runs_apart(schedule: Schedule, template: str) -> None:
    """F1, S3: a local time without its offset is enough for slots, because one that occurs twice fires once."""
    assert problems(workspace(activation(schedule, template))) == []


def test_all_are_reported() -> None:
    """SPEC 10: all mistakes are reported together, each by the activation's name."""
    found = problems(
        workspace(activation(EVERY_3H), activation(at("05:00")), replace(activation(AFTER_EVALUATION), id="other"))
    )
    assert [problem.message.split(":")[0] for problem in found] == ["crm/fans", "crm/other"]
