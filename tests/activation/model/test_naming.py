"""File, manifest and run names (F1, F2, F4)."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.model import exports, name_times, naming
from muster.activation.model.workspace import Activation, Column, Schedule

AT = datetime(2026, 11, 21, 17, tzinfo=UTC)
SCHEDULED = Schedule("at", ZoneInfo("UTC"))
AFTER = Schedule("after_evaluation", ZoneInfo("UTC"))
ON_DEMAND = Schedule("on_demand", ZoneInfo("UTC"))
PLAIN = Activation(
    id="fans",
    destination="crm",
    destination_name="CRM nightly",
    audience="sci-fi-fans",
    export="incremental",
    schedule=SCHEDULED,
    url="exports",
    format="csv",
    mapping=(Column("profile_id", "profile_id"),),
)
NAMES = {"sci-fi-fans": "Fans (sci/fi)"}


def named(template: str, **changes: object) -> Activation:
    return replace(PLAIN, file_name=template, **changes)  # type: ignore[arg-type]  # the fields of an activation


def names(activation: Activation, trigger: str = "scheduled", export: str = "incremental", parts: int = 1) -> list[str]:
    return naming.file_names(activation, "acme", NAMES["sci-fi-fans"], trigger, export, AT, "RUN", parts)  # type: ignore[arg-type]


# -- what a name is


@pytest.mark.parametrize(
    ("placeholder", "value"),
    [
        ("workspace", "acme"),
        ("destination", "crm"),
        ("destination_name", "CRM_nightly"),
        ("audience_id", "sci-fi-fans"),
        ("audience_name", "Fans__sci_fi_"),
        ("activation", "fans"),
        ("export", "incremental"),
        ("trigger", "scheduled"),
        ("run_id", "RUN"),
        ("date", "20261121"),
        ("datetime", "20261121T170000Z"),
        ("timestamp", "1795280400"),
        ("local_date", "20261121"),
        ("local_datetime", "20261121T170000+0000"),
    ],
)
def test_placeholders(placeholder: str, value: str) -> None:
    """F1: each placeholder stands for its value, cleaned; times are the run's scheduled time in UTC."""
    assert names(named(f"a-{{{placeholder}}}-z")) == [f"a-{value}-z.csv"]
    assert placeholder in naming.PLACEHOLDERS


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    """F1: times are in UTC."""
    late = datetime(2026, 11, 22, 2, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert naming.file_names(named("{datetime}"), "acme", "x", "scheduled", "full", late, "RUN", 1) == [
        "20261121T170000Z.csv"
    ]


def test_only_the_templates_own_slash_makes_folders() -> None:
    """F1: a `/` in a value is cleaned, one in the template makes a folder."""
    assert names(named("{audience_name}/{date}")) == ["Fans__sci_fi_/20261121.csv"]


@pytest.mark.parametrize(
    ("file_format", "compression", "extension"),
    [
        ("csv", "none", ".csv"),
        ("csv", "gzip", ".csv.gz"),
        ("json", "zstd", ".json.zst"),
        ("json", "none", ".json"),
        ("parquet", "zstd", ".parquet"),
        ("parquet", "none", ".parquet"),
    ],
)
def test_extensions(file_format: str, compression: str, extension: str) -> None:
    """F2: the format's extension, then the compression's, but not for Parquet, which compresses inside."""
    assert names(named("x", format=file_format, compression=compression)) == [f"x{extension}"]


def test_parts_and_on_demand_in_order() -> None:
    """F1, F2: name, `_on_demand`, part number, extension; the first part has no number."""
    assert names(named("x"), parts=3) == ["x.csv", "x_2.csv", "x_3.csv"]
    assert names(named("x"), "on_demand", "full", parts=2) == ["x_on_demand.csv", "x_on_demand_2.csv"]
    assert names(named("x"), parts=0) == []


@pytest.mark.parametrize(
    ("template", "name"), [("{trigger}", "on_demand"), ("{run_id}", "RUN"), ("{export}", "full_on_demand")]
)
def test_on_demand_is_told_apart_once(template: str, name: str) -> None:
    """F1: an on-demand name gets `_on_demand` unless the template has `{trigger}` or `{run_id}`."""
    assert names(named(template), "on_demand", "full") == [f"{name}.csv"]


def test_run_id_is_a_function_of_what_the_run_is() -> None:
    """F4: run_id is file-name-safe and made of workspace, destination, activation, trigger, scheduled time and counter,
    no more.
    """
    run = exports.run_id("acme", "crm", "fans", "scheduled", AT)
    assert re.fullmatch(r"20261121T170000Z-[0-9a-f]{10}", run)
    assert run == exports.run_id("acme", "crm", "fans", "scheduled", AT.astimezone(ZoneInfo("Asia/Tokyo")))
    others = [
        exports.run_id("acme2", "crm", "fans", "scheduled", AT),
        exports.run_id("acme", "crm2", "fans", "scheduled", AT),
        exports.run_id("acme", "crmf", "ans", "scheduled", AT),
        exports.run_id("acme", "crm", "fans2", "scheduled", AT),
        exports.run_id("acme", "crm", "fans", "after_evaluation", AT),
        exports.run_id("acme", "crm", "fans", "scheduled", AT.replace(second=1)),
        exports.run_id("acme", "crm", "fans", "scheduled", AT, counter=1),
    ]
    assert len({run, *others}) == 8


def test_manifest_name() -> None:
    """F4: manifest-{workspace}-{destination}-{run_id}.json, of cleaned values."""
    assert (
        naming.manifest_name("acme", "c r/m", "20261121T170000Z-1234567890")
        == "manifest-acme-c_r_m-20261121T170000Z-1234567890.json"
    )


@pytest.mark.parametrize(
    ("template", "constant"),
    [
        ("{destination}", True),
        ("{export}_{trigger}", True),
        ("{date}", False),
        ("{local_date}", False),
        ("x_{date:%d}", False),
        ("{local_datetime:%M}", False),
        ("{timestamp}", False),
        ("{run_id}", False),
    ],
)
def test_names_without_a_time_are_constant(template: str, constant: bool) -> None:
    """F1: without a time or `{run_id}` each export replaces the previous file."""
    assert naming.is_constant(template) is constant


# -- times in names

EVENING = datetime(2026, 11, 20, 20, 5, 9, tzinfo=UTC)  # in Tokyo it is the next day
NAIVE = EVENING.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("template", "zone", "name"),
    [
        ("{local_date}", "Asia/Tokyo", "20261121"),
        ("{local_datetime}", "Asia/Tokyo", "20261121T050509+0900"),
        ("{local_datetime}", "America/New_York", "20261120T150509-0500"),
        ("{local_datetime}", "Asia/Kolkata", "20261121T013509+0530"),
        ("{local_datetime}", "UTC", "20261120T200509+0000"),
        ("{datetime:%Y%m%d_%H%M%S}", "Asia/Tokyo", "20261120_200509"),
        ("{date:%H}{date:%j}", "Asia/Tokyo", "20324"),
        ("{local_date:%y-%m-%d}", "Asia/Tokyo", "26-11-21"),
        ("{local_datetime:%Y%m%d%H%M%z}", "Asia/Tokyo", "202611210505+0900"),
        ("{datetime:%H:%M %z}", "Asia/Tokyo", "20_05_+0000"),
        ("{date:%Y}/{date:%m}/{local_date:%d}", "Asia/Tokyo", "2026/11/21"),
        ("100%_{date:%dth}", "UTC", "100%_20th"),
    ],
)
def test_times(template: str, zone: str, name: str) -> None:
    """F1: `{local_date}` and `{local_datetime}` are in the schedule's zone; all four times take a pattern."""
    assert naming.template_mistakes(template) == []
    activation = named(template, schedule=Schedule("at", ZoneInfo(zone)))
    assert naming.file_names(activation, "acme", "x", "scheduled", "full", EVENING, "RUN", 1) == [f"{name}.csv"]


@given(
    st.datetimes(NAIVE.replace(year=1900), NAIVE.replace(year=8999)),
    st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin"]),
)
def test_directives_mean_what_they_mean_in_python(naive: datetime, zone: str) -> None:
    """F1: each directive is that of `strftime`, four digits for every year."""
    instant, tz = naive.replace(microsecond=0, tzinfo=UTC), ZoneInfo(zone)
    for directive in "ymdHMSj":
        for placeholder, time in (("datetime", instant), ("local_datetime", instant.astimezone(tz))):
            used = frozenset([f"{placeholder}:%{directive}"])
            assert name_times.time_values(used, instant, tz)[f"{placeholder}:%{directive}"] == time.strftime(
                f"%{directive}"
            )
    [text] = naming.time_texts("{local_datetime:%Y-%m-%dT%H.%M.%S%z}", instant, tz)
    assert datetime.strptime(text, "%Y-%m-%dT%H.%M.%S%z") == instant


# -- what a template must be


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{dat}", "unknown placeholder {dat}; did you mean 'date'?"),
        ("{}", "unknown placeholder {}; known are workspace, destination"),
        ("{xyzzy}", "unknown placeholder {xyzzy}; known are workspace, destination"),
        ("{run_id:%Y}", "{run_id:%Y} must be written {run_id}: only date, datetime, local_date, local_datetime take a"),
        ("{date:}", "{date:} has no directive in its pattern; write {date:%Y%m%d_%H%M%S}"),
        ("{date:YYYY-MM-dd}", "{date:YYYY-MM-dd} has no directive in its pattern; write {date:%Y-%m-%d}"),
        ("{date:%B}", "%B in {date:%B} is not known; a pattern takes %Y %y %m %d %H %M %S %j %z"),
        ("{date:%Y%}", "a pattern takes %Y %y %m %d"),
        ("{date:%%}", "%% in {date:%%} is not known"),
        ("{date:%Y%-d}", "%- in {date:%Y%-d} is not known"),
        ("{local_date:%Y/%m}", "and values make no folders; write {local_date:%Y}/{local_date:%m}"),
        ("{YYYY-MM-DD}", "unknown placeholder {YYYY-MM-DD}; write {datetime:%Y-%m-%d}"),
        ("{local_dat:%Y}", "unknown placeholder {local_dat:%Y}; did you mean 'local_date' or"),
        ("x_%Y%m%d", "'%Y%m%d' is a pattern outside braces; write {datetime:%Y%m%d}"),
        ("x_%Y-%m-%d_%H%M", "'%Y-%m-%d_%H%M' is a pattern outside braces; write {datetime:%Y-%m-%d_%H%M}"),
        ("{date!r}", "{date!r} must be written {date}"),
        ("{ date }", "{ date } must be written {date}"),
        ("x{date", "a brace has no partner"),
        ("x}", "a brace has no partner"),
        ("{{date}}", "a brace has no partner"),
        ("", "has an empty folder or file name"),
        ("a//b", "has an empty folder or file name"),
        ("a/", "has an empty folder or file name"),
        ("a/ /b", "has an empty folder or file name"),
        ("/a", "starts with '/'"),
        ("../a", "has the part '..'"),
        ("a/./b", "has the part '.'"),
        (".a", "starts with '.', which would be hidden"),
        ("a/.b/c", "starts with '.', which would be hidden"),
        ("a\\b", "holds a backslash"),
        ("a\nb", "cannot be printed"),
        ("a\x00b", "cannot be printed"),
        ("a\ud800b", "cannot be printed"),
    ],
)
def test_template_mistakes(template: str, words: str) -> None:
    """F1: what is wrong with a template is said, with the nearest placeholder."""
    assert words in "; ".join(naming.template_mistakes(template))


@pytest.mark.parametrize(
    ("macro", "placeholder"),
    [
        ("%DESTINATION%", "write {destination}"),
        ("%DESTINATION_NAME%", "write {destination_name}"),
        ("%DESTINATION_INSTANCE_ID%", "write {destination}"),
        ("%DESTINATION_INSTANCE_NAME%", "write {destination_name}"),
        ("%SEGMENT_ID%", "write {audience_id}"),
        ("%SEGMENT_NAME%", "write {audience_name}"),
        ("%AUDIENCE_ID%", "write {audience_id}"),
        ("%AUDIENCE_NAME%", "write {audience_name}"),
        ("%ORGANIZATION_NAME%", "write {workspace}"),
        ("%SANDBOX_NAME%", "write {workspace}"),
        ("%DATETIME(YYYYMMdd_HHmmss)%", "write {datetime:%Y%m%d_%H%M%S}"),
        ("%DATETIME(YYYYMMDD_HHMMSS)%", "write {datetime:%Y%m%d_%H%M%S}"),
        ("%DATETIME(MMDDYYYY_HHMMSS)%", "write {datetime:%m%d%Y_%H%M%S}"),
        ("%DATETIME(yyyy-MM-dd'T'HH.mm.ssZ)%", "write {datetime:%Y-%m-%dT%H.%M.%S%z}"),
        ("%DATE(yyMMdd)%", "write {date:%y%m%d}"),
        ("%DATETIME%", "write {datetime}"),
        ("%DATE%", "write {date}"),
        ("%TIMESTAMP%", "write {timestamp}"),
        ("%EXPORT_TIME%", "write {datetime}"),
        ("%custom-text%", "write the text itself"),
        ("%run_id%", "write {run_id}"),
        ("%ACTIVATON%", "placeholders are written in braces, such as {date}; did you mean 'activation'"),
        ("%QQQ%", "placeholders are written in braces, such as {date}; known are {workspace}, {destination}"),
        ("%QQQ(x y)%", "'%QQQ(x y)%' is a placeholder of another program"),
    ],
)
def test_placeholders_of_other_programs(macro: str, placeholder: str) -> None:
    """F1: `%NAME%` and `%NAME(...)%` outside braces are errors, each with the placeholder to write."""
    [mistake] = naming.template_mistakes(f"a_{macro}_z")
    assert mistake.startswith(f"{macro!r} is a placeholder of another program; ")
    assert placeholder in mistake
    if placeholder.endswith("}") and "known are" not in placeholder:
        assert naming.template_mistakes(mistake.rpartition("write ")[2]) == []


def test_each_placeholder_of_another_program_is_told() -> None:
    """F1, SPEC 10: all of them together."""
    found = naming.template_mistakes("%DESTINATION%_%SEGMENT_ID%_{date}_%DATETIME(YYYYMMdd_HHmmss)%")
    assert [each.rpartition(" ")[2] for each in found] == ["{destination}", "{audience_id}", "{datetime:%Y%m%d_%H%M%S}"]


def test_all_mistakes_of_a_template_are_said() -> None:
    """SPEC 10: all mistakes are reported together, each once."""
    assert len(naming.template_mistakes("{dat}/{dat}/{day}//x\\")) == 4


@pytest.mark.parametrize(
    "template",
    [
        *("{destination}_{activation}_{datetime}", "a b/ü-{date}", "x.y", "a..b", "{audience_id}/{date}/{run_id}"),
        *("100%", "50% of 20%", "%{date}%", "%_%", "a%Yb", "%(x)%", "{date}%{export}%"),
    ],
)
def test_good_templates(template: str) -> None:
    """F1: the template's own text may be anything that can be printed."""
    assert naming.template_mistakes(template) == []


@pytest.mark.parametrize(
    ("activation", "audience_name", "words"),
    [
        (named("{audience_name}"), ".hidden", "would be hidden"),
        (named("{audience_name}/x"), "..", "has the part '..'"),
        (named("{audience_name}/x"), ".", "has the part '.'"),
        (named("a/Manifest-{date}"), "x", "starts with 'manifest-'"),
        (named("manifest-{workspace}-{destination}-{run_id}", format="json"), "x", "starts with 'manifest-'"),
        # 234 + `_on_demand` + `_999999` + `.csv` = 255
        (named("x" * 235), "x", "can be 256 bytes long; expected at most 255"),
        (named("x" * 235, schedule=ON_DEMAND), "x", "can be 256 bytes long"),
        (named("ü" * 117 + "x"), "x", "can be 256 bytes long"),
        (named("x" * 256 + "/y"), "x", "can be 256 bytes long"),
        (named("x" * 225 + "{export}{trigger}"), "x", "can be 256 bytes long"),
        (named("x" * 218 + "{run_id}"), "x", "can be 256 bytes long"),
        (named("x" * 215 + "{local_datetime}"), "x", "can be 256 bytes long"),
        (named("x" * 230 + "{date:%m-%d}"), "x", "can be 256 bytes long"),
        (named("{date:.%Y}"), "x", "would be hidden"),
        (named("manifest{date:-%Y}"), "x", "starts with 'manifest-'"),
    ],
)
def test_names_that_cannot_be(activation: Activation, audience_name: str, words: str) -> None:
    """F1: no part is empty, a dot or hidden; none is a manifest's; the longest possible name fits 255 bytes."""
    assert words in "; ".join(naming.name_mistakes(activation, "acme", audience_name))


@pytest.mark.parametrize(
    "activation",
    [
        named("x" * 234),
        named("ü" * 117),
        named("x" * 255 + "/y"),
        named("x" * 217 + "{run_id}"),
        named("manifests/x"),
        named("x/y-manifest-1"),
    ],
)
def test_names_that_just_fit(activation: Activation) -> None:
    """F1: 255 bytes are allowed, part number, `_on_demand` and extension included."""
    assert naming.name_mistakes(activation, "acme", "x") == []


# -- properties

values = st.text(min_size=1, max_size=20)
templates = st.lists(
    st.one_of(
        st.sampled_from([f"{{{name}}}" for name in naming.PLACEHOLDERS]),
        st.text("ab.-_ /{}\\ü\n%", max_size=3),
        st.builds("{{{}:{}}}".format, st.sampled_from([*name_times.TIMES]), st.text("%%%%YymdHMSjzx.-/: ", max_size=6)),
    ),
    min_size=1,
    max_size=6,
).map("".join)


@given(values)
def test_cleaning(value: str) -> None:
    """F1: a cleaned value is made of `[A-Za-z0-9._-]`, as long as the value; cleaning it again changes nothing."""
    cleaned = naming.clean(value)
    assert re.fullmatch(r"[A-Za-z0-9._-]*", cleaned)
    assert len(cleaned) == len(value)
    assert naming.clean(cleaned) == cleaned


@given(templates, values, st.sampled_from(["scheduled", "on_demand"]), st.integers(1, 3))
def test_what_passes_the_checks_makes_safe_names(template: str, audience_name: str, trigger: str, parts: int) -> None:
    """F1: a template and values without a mistake make distinct relative paths whose parts are visible names, within
    the folder.
    """
    activation = named(template)
    if naming.template_mistakes(template) or naming.name_mistakes(activation, "acme", audience_name):
        return
    made = naming.file_names(activation, "acme", audience_name, trigger, "full", AT, "R", parts)  # type: ignore[arg-type]
    assert len(set(made)) == parts
    for name in made:
        assert len(name.split("/")) == len(template.split("/"))
        for part in name.split("/"):
            assert part.strip()
            assert not part.startswith(".")
            assert "\\" not in part
            assert part.isprintable()
            assert len(part.encode()) <= 255


# -- two activations at one url


def collide(first: Activation, second: Activation) -> bool:
    folders = {activation: tuple(activation.url.split("/")) for activation in (first, second)}
    found = naming.collisions([first, second], "acme", NAMES, folders.__getitem__)
    assert found in ([], [(second, first)])
    return bool(found)


@pytest.mark.parametrize(
    ("first", "second", "collides"),
    [
        (named("x"), named("x", id="b"), True),
        (named("X"), named("x", id="b"), True),
        (named("X_{trigger}_2"), named("x_{trigger}_2", id="b"), True),
        (named("x"), named("y", id="b"), False),
        (named("{datetime}"), named("{datetime}", id="b"), True),
        (named("{datetime}"), named("{date}", id="b"), False),
        (named("{activation}_{date}"), named("{activation}_{date}", id="b"), False),
        (named("{activation}"), named("{activation}", id="FANS"), True),
        (named("{run_id}"), named("{run_id}", id="b"), False),
        (named("x_{audience_name}"), named("x_Fans__sci_fi_", id="b"), True),
        (named("x"), named("x", id="b", format="json"), False),
        (named("x"), named("x", id="b", compression="gzip"), False),
        (named("x", format="parquet"), named("x", id="b", format="parquet", compression="zstd"), True),
        # letters of {export} and {trigger}
        (named("x_{export}"), named("x_{export}", id="b", export="full"), True),  # on demand, both are full
        (named("x_{export}_{trigger}"), named("x_{export}_{trigger}", id="b", export="full"), True),
        (named("x_{trigger}"), named("x_{trigger}", id="b", schedule=AFTER), True),  # on demand, both are on demand
        (named("x_{trigger}"), named("x_scheduled", id="b"), True),
        (named("x_{trigger}", schedule=AFTER), named("x_scheduled", id="b"), False),
        (named("x_incremental"), named("x_{export}", id="b"), True),
        (named("x_incremental"), named("x_{export}", id="b", export="full"), False),
        # on demand against scheduled
        (named("x"), named("x_on_demand", id="b"), True),
        (named("x_on_demand"), named("x", id="b"), True),
        (named("x", schedule=ON_DEMAND), named("x_on_demand", id="b"), True),
        (named("x_on_demand", schedule=ON_DEMAND), named("x", id="b"), False),
        (named("{trigger}"), named("on_demand", id="b"), True),
        # part numbers
        (named("x"), named("x_2", id="b"), True),
        (named("x_999999"), named("x", id="b"), True),
        (named("x"), named("x_1", id="b"), False),
        (named("x"), named("x_02", id="b"), False),
        (named("x"), named("x_1000000", id="b"), False),
        (named("x"), named("x_2_3", id="b"), False),
        (named("x_2"), named("x_2_3", id="b"), True),
        (named("x"), named("x_on_demand_2", id="b"), True),
        (named("x"), named("x_{timestamp}", id="b"), False),
        # times: equal for some instant, whatever the zones and the directives
        (named("{date}"), named("{date:%Y%m%d}", id="b"), True),
        (named("{date}"), named("{local_date}", id="b", schedule=Schedule("at", ZoneInfo("Asia/Tokyo"))), True),
        (named("{datetime}"), named("{datetime:%Y%m%dt%H%M%S}z", id="b"), True),
        (named("{datetime}"), named("{local_datetime}", id="b"), False),
        (named("x_{date:%H%M}"), named("x_{date:%m%d}", id="b"), True),
        (named("x_{date:%H%M}"), named("x_{date:%H}", id="b"), False),
        (named("x_{date:%Y}_{date:%m}"), named("x_{date:%Y_%m}", id="b"), True),
        (named("x_{date:%d}"), named("x", id="b"), True),  # part 21
        (named("x_{date:%d}"), named("y", id="b"), False),
        (named("x_{date}"), named("x", id="b"), False),
        # folders
        (named("x"), named("x", id="b", url="exports/crm"), False),
        (named("crm/x"), named("x", id="b", url="exports/crm"), True),
        (named("CRM/X"), named("x", id="b", url="exports/crm"), True),
        (named("{destination}/x_2"), named("x", id="b", url="exports/crm"), True),
        (named("crm/x"), named("crm/x", id="b", url="exports/crm"), False),
        (named("x"), named("x", id="b", url="Exports"), False),
        (named("crm/x", url="EXPORTS"), named("x", id="b", url="exports/crm"), False),
    ],
)
def test_two_activations_at_one_url(first: Activation, second: Activation, collides: bool) -> None:
    """F1: two activations at one url whose names can be equal (without case, counting suffixes) for one instant and
    trigger.
    """
    assert collide(first, second) is collides
    assert collide(second, first) is collides


def test_each_later_activation_is_named_once() -> None:
    """SPEC 10: one problem for each mistake: three equal names are two, each against the first."""
    three = [named("x"), named("x", id="b"), named("x", id="c")]
    found = naming.collisions(three, "acme", NAMES, lambda _: ("exports",))
    assert [(later.id, earlier.id) for later, earlier in found] == [("b", "fans"), ("c", "fans")]


def test_an_activation_does_not_collide_with_itself() -> None:
    """F1: its own scheduled and on-demand names are told apart by `_on_demand`."""
    assert naming.collisions([named("x")], "acme", NAMES, lambda _: ("exports",)) == []


def test_many_activations_are_compared_quickly() -> None:
    """F1: names are looked up, not compared one by one: two thousand numbered activations take no time."""
    many = [named("{activation}_{date}", id=f"audience_{i:04}") for i in range(2000)]
    assert naming.collisions(many, "acme", NAMES, lambda _: ("exports",)) == []
