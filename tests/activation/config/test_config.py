"""A workspace's YAML files: what they mean, and how every mistake in them is said (SPEC 2, 8, 10)."""

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.yaml_workspace import AUDIENCE, DESTINATION, MUSTER, NEXT, SECRET, SPEC_FILES, write

from muster.activation.config import workspace as config
from muster.activation.config.sources import find_root, read_sources
from muster.activation.errors import ConfigError, InputError, Problem
from muster.activation.model.workspace import (
    Activation,
    Column,
    CsvOptions,
    Guards,
    ProfilesSource,
    Schedule,
    SourceLocation,
    Workspace,
)


def load(root: Path, files: dict[str, str] | None = None, **environ: str) -> Workspace:
    return config.load(write(root, files or {}), environ)


def problems(root: Path, files: dict[str, str], **environ: str) -> list[Problem]:
    return config.read(read_sources(write(root, files)), environ)[1]


def only(root: Path, name: str, text: str, **environ: str) -> Problem:
    """The one problem of a workspace in which one file is not as it should be."""
    found = problems(root, {name: text}, **environ)
    assert len(found) == 1, [str(problem) for problem in found]
    assert found[0].file == name
    return found[0]


def first(root: Path, destination: str, **environ: str) -> Activation:
    return load(root, {"destinations/crm.yml": destination}, **environ).activations[0]


def of_schedule(root: Path, schedule: str, muster: str = MUSTER) -> Schedule:
    text = DESTINATION.replace('{at: "05:00"}', schedule)
    return load(root, {"muster.yml": muster, "destinations/crm.yml": text}).activations[0].schedule


# -- what is read


def test_the_whole_of_the_contract(tmp_path: Path) -> None:
    """SPEC 2: every key of the three kinds of file arrives; activations come by destination, then as written."""
    workspace = load(tmp_path, SPEC_FILES)
    assert (workspace.root, workspace.name, workspace.zone.key) == (tmp_path, "acme-retail", "Europe/Berlin")
    assert workspace.profiles == ProfilesSource("data/profiles", "customer", "ids")
    assert workspace.events is not None
    assert (workspace.events.path, workspace.events.profile_id, workspace.events.timestamp) == (
        "data/events",
        "who",
        "at",
    )
    assert workspace.memberships is not None
    assert workspace.memberships.path == "data/memberships"
    assert workspace.evaluation_schedule == Schedule("at", workspace.zone, times=(time(2),))
    assert (workspace.keep_exited, workspace.state, workspace.file_mode) == (
        timedelta(weeks=2),
        tmp_path / "var/state",
        0o640,
    )
    assert tuple(workspace.destinations) == ("archive", "crm")
    assert list(workspace.audiences) == ["adults", "delorean-owners", "sci-fi-fans", "store-visitors"]
    assert [activation.key for activation in workspace.activations] == [
        "archive/adults",
        "crm/delorean-owners",
        "crm/sci-fi-fans",
        "crm/store-visitors",
        "crm/sci-fi-monthly",
        "crm/delorean-adhoc",
    ]


def test_audiences_as_read(tmp_path: Path) -> None:
    """SPEC 2, E3: an audience has a name, a rule with its place, measures, or memberships evaluated elsewhere."""
    audiences = load(tmp_path, SPEC_FILES).audiences
    fans, visitors = audiences["sci-fi-fans"], audiences["store-visitors"]
    assert fans.name == "Science fiction fans"
    assert fans.where == 'scifi_views >= 3 AND (spend_90d > 50 OR audience."delorean-owners")'
    assert fans.location == SourceLocation("audiences/fans.yaml", 6, "where")
    views, spend = fans.measures
    assert (views.name, views.function, views.column, views.within) == (
        "scifi_views",
        "count",
        None,
        timedelta(days=30),
    )
    assert (spend.name, spend.function, spend.column, spend.where) == (
        "spend_90d",
        "sum",
        "amount",
        "event_type = 'purchase'",
    )
    assert spend.location == SourceLocation("audiences/fans.yaml", 5, "events.spend_90d")
    assert (visitors.where, visitors.from_feed, visitors.location) == (
        None,
        True,
        SourceLocation("audiences/store-visitors.yml", 1),
    )
    assert (audiences["adults"].name, audiences["adults"].from_feed) == ("adults", False)


def test_activations_as_read(tmp_path: Path) -> None:
    """SPEC 2: an activation carries its destination's settings; ids and exports have their defaults."""
    activations = {activation.id: activation for activation in load(tmp_path, SPEC_FILES).activations}
    owners = activations["delorean-owners"]
    assert (owners.destination, owners.destination_name, owners.url, owners.format) == (
        "crm",
        "CRM nightly",
        "exports/crm",
        "csv",
    )
    assert owners.csv == CsvOptions(
        ";", "'", "always", header=False, null_value="-", line_terminator="\r\n", bom=True, sanitize_formulas=True
    )
    assert (owners.compression, owners.file_name, owners.max_rows_per_file) == (
        "gzip",
        "{destination}/{activation}_{datetime}",
        5000,
    )
    assert (owners.manifest, owners.skip_empty, owners.deduplicate) == (False, True, ("email",))
    assert owners.guards == Guards(0.3, 10000)
    assert owners.location == SourceLocation("destinations/crm.yml", 19, "activations[0]")
    assert [(column.source, column.target, column.mandatory) for column in owners.mapping] == [
        ("profile_id", "profile_id", False),
        ("email", "email_address", True),
        ("person.name.first", "person_name_first", False),
        ("segment_membership.status", "status", False),
    ]
    assert owners.mapping[2].location == SourceLocation("destinations/crm.yml", 15, "mapping[2]")
    assert owners.schedule.times == (time(5), time(17))
    assert activations["delorean-adhoc"].export == "full"
    assert (activations["delorean-adhoc"].audience, activations["delorean-adhoc"].schedule.kind) == (
        "delorean-owners",
        "on_demand",
    )
    assert activations["sci-fi-monthly"].schedule.zone.key == "Asia/Tokyo"


def test_defaults(tmp_path: Path) -> None:
    """SPEC 2: values shown there are the defaults."""
    workspace = load(tmp_path, {"muster.yml": "workspace: acme\nprofiles: {path: p}\n"})
    assert workspace.zone.key == "UTC"
    assert workspace.profiles == ProfilesSource("p", "profile_id", "identity_map")
    assert (workspace.events, workspace.memberships, workspace.evaluation_schedule) == (None, None, None)
    assert (workspace.keep_exited, workspace.state, workspace.file_mode) == (
        timedelta(days=30),
        tmp_path / ".muster",
        0o600,
    )
    activation = workspace.activations[0]
    expected = Activation(
        id="adults",
        destination="crm",
        destination_name="crm",
        audience="adults",
        export="full",
        schedule=activation.schedule,
        url="exports/crm",
        format="csv",
        mapping=activation.mapping,
        location=activation.location,
    )
    assert activation == expected
    assert activation.mapping == (
        Column("profile_id", "profile_id", location=SourceLocation("destinations/crm.yml", 3, "mapping[0]")),
    )


def test_files_that_are_looked_at(tmp_path: Path) -> None:
    """SPEC 2: *.yml and *.yaml in audiences/ and destinations/; names that start with `.` or `_` are not looked at."""
    others = {
        "audiences/.x.yml": "[",
        "audiences/_x.yml": "[",
        "audiences/x.txt": "[",
        "audiences/sub/x.yml": "[",
        "destinations/_x.yaml": "[",
    }
    assert list(load(tmp_path, others).audiences) == ["adults"]


def test_no_audiences_and_no_destinations(tmp_path: Path) -> None:
    """SPEC 2: a workspace may have neither yet."""
    (tmp_path / "muster.yml").write_text(MUSTER)
    workspace = config.load(tmp_path, {})
    assert (workspace.audiences, workspace.activations, workspace.destinations) == ({}, (), {})


# -- overrides


OVERRIDES = """\
url: exports/crm
format: csv
csv: {delimiter: ";", null_value: "-"}
guards: {max_shrink: 30%, max_exited: 5}
mapping: [profile_id, email]
deduplicate: [email]
activations:
  - audience: adults
    export: full
    schedule: on_demand
"""


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("csv: {delimiter: '|'}", "csv", CsvOptions("|", null_value="-")),
        ("csv: {bom: true}", "csv", CsvOptions(";", null_value="-", bom=True)),
        ("guards: {max_exited: 7}", "guards", Guards(0.3, 7)),
        ("guards: {max_shrink: null}", "guards", Guards(None, 5)),
        ("guards: {max_shrink: ~, max_exited: none}", "guards", Guards()),
        ("guards: {}", "guards", Guards(0.3, 5)),
        ("deduplicate: []", "deduplicate", ()),
        ("deduplicate: [phone, email]", "deduplicate", ("phone", "email")),
        (
            "mapping: [email]",
            "mapping",
            (
                Column(
                    "email", "email", location=SourceLocation("destinations/crm.yml", 11, "activations[0].mapping[0]")
                ),
            ),
        ),
        ("format: json", "format", "json"),
        ("compression: zstd", "compression", "zstd"),
        ("file_name: x_{run_id}", "file_name", "x_{run_id}"),
        ("max_rows_per_file: 1", "max_rows_per_file", 1),
        ("manifest: false", "manifest", False),
        ("skip_empty: true", "skip_empty", True),
    ],
)
def test_overrides(tmp_path: Path, written: str, field: str, value: object) -> None:
    """SPEC 2: csv and guards merge key by key, all else replaces, `deduplicate: []` switches off; nothing else
    changes.
    """
    plain = first(tmp_path, OVERRIDES)
    changed = first(tmp_path, f"{OVERRIDES}    {written}\n")
    assert getattr(changed, field) == value
    assert replace(changed, **{field: getattr(plain, field)}) == plain


def test_a_mapping_in_every_activation_will_do(tmp_path: Path) -> None:
    """SPEC 2: mapping may be overridden in an activation; a destination need not have one that nobody uses."""
    text = DESTINATION.replace("mapping: [profile_id]\n", "").replace("export: full", "export: full, mapping: [email]")
    assert first(tmp_path, text).mapping[0].source == "email"


# -- scalars mean what they show, and variables


@pytest.mark.parametrize(
    ("shown", "times"),
    [
        ("17:00", [time(17)]),
        ("05:00", [time(5)]),
        ("5:00", [time(5)]),
        ("[05:00, 17:00:30]", [time(5), time(17, 0, 30)]),
        ('"05:00"', [time(5)]),
        ("00:00", [time(0)]),
        ("23:59:59", [time(23, 59, 59)]),
    ],
)
def test_unquoted_times(tmp_path: Path, shown: str, times: list[time]) -> None:
    """SPEC 2: unquoted YAML times mean what they show, `17:00` too, which YAML reads as 1020."""
    assert of_schedule(tmp_path, f"{{at: {shown}}}").times == tuple(times)


@pytest.mark.parametrize(
    ("shown", "instant"),
    [
        ("2026-11-01", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("2026-11-01 06:30", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("2026-11-01T06:30:15", datetime(2026, 11, 1, 5, 30, 15, tzinfo=UTC)),
        ("2026-11-01T06:30:15.75Z", datetime(2026, 11, 1, 6, 30, 15, tzinfo=UTC)),
        ("2026-11-01t06:30:15+02:00", datetime(2026, 11, 1, 4, 30, 15, tzinfo=UTC)),
        ("'2026-11-01 06:30:00 -0500'", datetime(2026, 11, 1, 11, 30, tzinfo=UTC)),
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, tzinfo=UTC)),  # skipped: the first instant after the gap
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # twice: the first
    ],
)
def test_starts_and_ends(tmp_path: Path, shown: str, instant: datetime) -> None:
    """S1, S3: dates are local midnights, naive times are local in the schedule's zone, others carry an offset."""
    zone = "timezone: Europe/Berlin"
    assert of_schedule(tmp_path, f"{{every: 3h, start: {shown}, {zone}}}").start == instant
    assert of_schedule(tmp_path, f"{{every: 3h, end: {shown}}}", f"{MUSTER}{zone}\n").end == instant


def test_scalars_keep_their_text(tmp_path: Path) -> None:
    """SPEC 2: a text field takes what is written, whatever YAML would make of it."""
    files = {
        "muster.yml": f"{MUSTER}file_mode: 0640\n",
        "audiences/007.yml": "where: true\nname: 1_000\n",
        "audiences/n.yml": "where: NO\nid: 0x1F\nname: 2026-11-01\n",
        "destinations/crm.yml": DESTINATION.replace("adults", "007")
        + "csv: {null_value: NULL, delimiter: ;}\nname: 1e3\n",
    }
    workspace = load(tmp_path, files)
    assert workspace.file_mode == 0o640
    assert (workspace.audiences["007"].name, workspace.audiences["007"].where) == ("1_000", "true")
    assert (workspace.audiences["0x1F"].name, workspace.audiences["0x1F"].where) == ("2026-11-01", "NO")
    assert workspace.activations[0].csv == CsvOptions(";", null_value="NULL")
    assert workspace.activations[0].destination_name == "1e3"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("${FOLDER}/x", "out/x"),
        ("'${FOLDER}${FOLDER}'", "outout"),
        ("a$$b", "a$b"),
        ("a$${FOLDER}", "a${FOLDER}"),
        ("$FOLDER", "$FOLDER"),
        ("${1}$", "${1}$"),
        ("x${EMPTY}", "x"),
        ("${FOLDER:-x}", "out"),
        ("${EMPTY:-x}/${MISSING:-y z}", "x/y z"),
        ("x${MISSING:-}", "x"),
        ("${MISSING:-x}}", "x}"),
        ("${MISSING:-{date}_{id}}!", "{date}_{id}!"),
        ("${MISSING:-${EMPTY:-${FOLDER}}}/x", "out/x"),
        ("${FOLDER:-${MISSING}}", "out"),
        ("${MISSING:-$$${FOLDER}$}", "$out$"),
        ("${MISSING:-:-}", ":-"),
        ("${MISSING:-x", "${MISSING:-x"),
        ("${MISSING:-x{${FOLDER}", "${MISSING:-x{out"),
        ("${FOLDER-x}${FOLDER:?x}${:-x}", "${FOLDER-x}${FOLDER:?x}${:-x}"),
        ("${NESTED:-x}", "${FOLDER}"),
        ("$$$${FOLDER}", "$${FOLDER}"),
        ("${NESTED}", "${FOLDER}"),
    ],
)
def test_variables(tmp_path: Path, written: str, text: str) -> None:
    """SPEC 2: `${NAME}` takes an environment variable, `${NAME:-text}` has a default for one that is missing or empty,
    `$$` is a `$`, any other `$` stays; what was put in is not read again.
    """
    destination = DESTINATION.replace("exports/crm", written if written.startswith("'") else f"'{written}'")
    assert first(tmp_path, destination, FOLDER="out", EMPTY="", NESTED="${FOLDER}").url == text


def test_variables_in_values_that_are_no_text(tmp_path: Path) -> None:
    """SPEC 2: a variable may hold a number, a word, a time."""
    text = (
        DESTINATION.replace('"05:00"', "'${AT}'")
        + 'max_rows_per_file: "${ROWS}"\nmanifest: ${NO}\nguards: {max_shrink: "${SHRINK}"}\n'
    )
    activation = first(tmp_path, text, AT="06:15", ROWS="12", NO="false", SHRINK="12.5%")
    assert (activation.schedule.times, activation.max_rows_per_file, activation.manifest) == ((time(6, 15),), 12, False)
    assert activation.guards.max_shrink == 0.125


def test_aliases_and_merges(tmp_path: Path) -> None:
    """SPEC 2: YAML's own way of saying things once works; what is written out wins over what `<<` brings in."""
    text = """\
url: exports
format: csv
csv: &csv {delimiter: ";", bom: true}
mapping: &columns [profile_id, email]
activations:
  - &first {audience: adults, export: full, schedule: on_demand, csv: {<<: *csv, bom: false}, mapping: *columns}
  - {<<: [{id: x, export: incremental}, *first], schedule: after_evaluation}
  - {<<: *first, id: y}
"""
    plain, x, y = load(tmp_path, {"destinations/crm.yml": text}).activations
    assert (plain.csv, plain.export) == (CsvOptions(";"), "full")
    assert [column.source for column in plain.mapping] == ["profile_id", "email"]
    assert (x.key, x.export, x.csv, y.key, y.export) == ("crm/x", "incremental", CsvOptions(";"), "crm/y", "full")


@pytest.mark.parametrize(
    ("written", "column"),
    [
        ("count", None),
        ("COUNT", None),
        ("Sum(amount)", "amount"),
        ("sum( amount )", "amount"),
        ("max(a.b.c)", "a.b.c"),
        ("'min(\"my col\")'", "my col"),
        ('\'avg(a."b ""c""")\'', 'a.b "c"'),
        ("count_distinct(größe)", "größe"),
        ("first(x_1)", "x_1"),
        ("LAST(x)", "x"),
    ],
)
def test_measures(tmp_path: Path, written: str, column: str | None) -> None:
    """E3: count, or a function of a column; names of functions in any case, columns quoted as in SQL."""
    measure = (
        load(tmp_path, {"audiences/a.yml": f"where: n > 1\nevents: {{n: {{measure: {written}}}}}\n"})
        .audiences["a"]
        .measures[0]
    )
    assert measure.column == column
    assert measure.function == re.split(r"\(", written.strip("'").lower())[0]
    assert (measure.where, measure.within) == (None, None)


@given(st.integers(0, 73000), st.sampled_from("mhdw"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_durations(tmp_path: Path, number: int, unit: str) -> None:
    """E3: a number and one of m, h, d, w, of fixed length; up to 200 years."""
    seconds = number * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    files = {"muster.yml": f"{MUSTER}evaluation: {{keep_exited: {number}{unit}}}\n"}
    if seconds > 200 * 366 * 86400:
        assert [problem.key for problem in problems(tmp_path, files)] == ["evaluation.keep_exited"]
    else:
        assert load(tmp_path, files).keep_exited == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("after_evaluation", "after_evaluation"),
        ("{after_evaluation: true}", "after_evaluation"),
        ("on_demand", "on_demand"),
        ("{on_demand: yes, end: 2026-12-01}", "on_demand"),
        ("{on_demand: true, after_evaluation: false}", "on_demand"),
        ("{every: 24h}", "every"),
        ('{cron: "0  6 L * MON-FRI"}', "cron"),
        ('{cron: "0 0 29 2 *"}', "cron"),
    ],
)
def test_kinds_of_schedule(tmp_path: Path, schedule: str, expected: str) -> None:
    """S1: exactly one kind, the last two also as bare words."""
    assert of_schedule(tmp_path, schedule).kind == expected


# -- mistakes: muster.yml

SETTINGS = [
    ("workspace: a b\n", 1, "workspace", "'a b' is not an id; expected letters, digits"),
    ("workspace: _a\n", 1, "workspace", "a letter or digit first"),
    (f"workspace: {'a' * 129}\n", 1, "workspace", "at most 128"),
    ("", 1, "workspace", "is required: a short name"),
    ("workspace:\n", 1, "workspace", "has no value; give one or remove the key"),
    ("workspace: [a]\n", 1, "workspace", "expected one value, found a list"),
    ("workspace: {a: b}\n", 1, "workspace", "expected one value, found keys and values"),
]
MORE_SETTINGS = [
    (
        "timezone: Europe/Berln\n",
        "timezone",
        "'Europe/Berln' is not a time zone; expected an IANA name such as Europe/Berlin; did you mean 'Europe/Berlin'",
    ),
    ("timezone: europe/berlin\n", "timezone", "did you mean 'Europe/Berlin'"),
    ("timezone: localtime\n", "timezone", "is not a time zone"),
    ("timezone: ../../etc/passwd\n", "timezone", "is not a time zone"),
    ("timzone: UTC\n", "timzone", "unknown key; did you mean 'timezone'?"),
    ("xyzzy: UTC\n", "xyzzy", "unknown key"),
    ("evaluation: {xyzzy: UTC}\n", "evaluation.xyzzy", "unknown key; known are"),
    (
        "evaluation: {schedule: after_evaluation}\n",
        "evaluation.schedule",
        "is not possible here; expected at, every or cron",
    ),
    (
        "evaluation: {schedule: {on_demand: true}}\n",
        "evaluation.schedule.on_demand",
        "is not possible here; expected at, every or cron",
    ),
    ("evaluation: {schedule: {at: 24:00}}\n", "evaluation.schedule.at", "'24:00' is not a time of day; expected HH:MM"),
    ("evaluation: {schedule: {timezone: UTC}}\n", "evaluation.schedule", "expected exactly one of"),
    (
        "evaluation: {keep_exited: 30}\n",
        "evaluation.keep_exited",
        "'30' is not a duration; expected a number and one of m, h, d, w, such as 30d",
    ),
    ("evaluation: {keep_exited: -3d}\n", "evaluation.keep_exited", "'-3d' is not a duration"),
    ("evaluation: daily\n", "evaluation", "expected keys such as schedule or keep_exited, found 'daily'"),
    ("state: s3://x/y\n", "state", "'s3://x/y' is not a local folder"),
    ("state: ~/x\n", "state", "is not a local folder"),
    ("state: .\n", "state", "is the workspace itself"),
    ('state: ""\n', "state", "is empty"),
    ('file_mode: "0400"\n', "file_mode", "'0400' does not let the owner read and write"),
    ("file_mode: 0888\n", "file_mode", "'0888' is not a file mode; expected an octal one"),
    ("file_mode: rw\n", "file_mode", "'rw' is not a file mode"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), SETTINGS)
def test_mistakes_in_the_name(tmp_path: Path, text: str, line: int, key: str, words: str) -> None:
    """SPEC 2, 10: the workspace has a name that is an id."""
    problem = only(tmp_path, "muster.yml", text + MUSTER.partition("\n")[2])
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


@pytest.mark.parametrize(("text", "key", "words"), MORE_SETTINGS)
def test_mistakes_in_muster_yml(tmp_path: Path, text: str, key: str, words: str) -> None:
    """SPEC 10: file, line, key, what is wrong, what was expected and the nearest name."""
    problem = only(tmp_path, "muster.yml", MUSTER + text)
    assert (problem.line, problem.key) == (5, key)
    assert words in problem.message


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("profiles: {path: data/profiles}\n", "", 1, "profiles", "is required: where the profile snapshots are"),
        ("{path: data/profiles}", "data/profiles", 2, "profiles", "expected keys such as path, found 'data/profiles'"),
        ("{path: data/profiles}", "{pth: x}", 2, "profiles.pth", "unknown key; did you mean 'path'?"),
        ("{path: data/profiles}", "{}", 2, "profiles.path", "is required: a folder, a file or a glob of Parquet files"),
        ("{path: data/profiles}", "", 2, "profiles", "has no value"),
        ("{path: data/profiles}", "{path: }", 2, "profiles.path", "has no value"),
        ("{path: data/profiles}", "{path: x, id: 'a\n\n b'}", 2, "profiles.id", "holds a line end"),
        ("{path: data/events}", "{path: x, time: y}", 3, "events.time", "unknown key; did you mean 'timestamp'?"),
    ],
)
def test_mistakes_in_the_sources(  # noqa: PLR0917 (pytest passes by name)
    tmp_path: Path, old: str, new: str, line: int, key: str, words: str
) -> None:
    """SPEC 2, 10: profiles are required, with a path; events and memberships need one too."""
    problem = only(tmp_path, "muster.yml", MUSTER.replace(old, new))
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


def test_no_muster_yml(tmp_path: Path) -> None:
    """SPEC 10: one message that says what would help."""
    workspace, found = config.read(read_sources(tmp_path), {})
    assert workspace is None
    assert [problem.file for problem in found] == ["muster.yml"]
    assert "run `muster init`" in found[0].message


def test_find_root(tmp_path: Path) -> None:
    """SPEC 2: the default is the nearest folder upwards that holds muster.yml."""
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    with pytest.raises(InputError, match=r"no muster\.yml in .*a/b or a folder above it; run `muster init`"):
        find_root(inner)
    (tmp_path / "muster.yml").touch()
    assert find_root(inner) == tmp_path
    (inner / "muster.yml").touch()
    assert find_root(inner) == inner
    assert find_root(inner.parent) == tmp_path


# -- mistakes: audiences

AUDIENCES = [
    ("name: x\n", 1, "where", "is required: an expression, or true for everyone; or write source: memberships"),
    ("whre: true\n", 1, "whre", "unknown key; did you mean 'where'?"),
    ('where: ""\n', 1, "where", "is empty; expected an expression, or true for everyone"),
    ("where: [a]\n", 1, "where", "expected one value, found a list"),
    ("source: feed\n", 1, "source", "'feed' is not allowed; expected memberships"),
    ("where: true\nid: a/b\n", 2, "id", "'a/b' is not an id"),
    ("where: true\nname: ' '\n", 2, "name", "is empty"),
    ("where: true\nevents: [n]\n", 2, "events", "expected keys and values, found a list"),
    ("where: true\nevents:\n  n: count\n", 3, "events.n", "expected keys such as measure, found 'count'"),
    ("where: true\nevents:\n  n: {}\n", 3, "events.n.measure", "is required: one such as count or sum(amount)"),
    (
        "where: true\nevents:\n  n: {measure: cont}\n",
        3,
        "events.n.measure",
        "'cont' is not a measure; did you mean 'count'?",
    ),
    (
        "where: true\nevents:\n  n: {measure: total(x)}\n",
        3,
        "events.n.measure",
        "'total(x)' is not a measure; known are 'avg', 'count'",
    ),
    (
        "where: true\nevents:\n  n: {measure: sum}\n",
        3,
        "events.n.measure",
        "'sum' names no column; expected one, such as sum(amount)",
    ),
    ("where: true\nevents:\n  n: {measure: sum()}\n", 3, "events.n.measure", "names no column"),
    (
        "where: true\nevents:\n  n: {measure: sum(a-b)}\n",
        3,
        "events.n.measure",
        'names no column; expected one, such as sum(amount) or sum("my column")',
    ),
    ("where: true\nevents:\n  n: {measure: sum(a.)}\n", 3, "events.n.measure", "names no column"),
    ("where: true\nevents:\n  n: {measure: sum(a) + 1}\n", 3, "events.n.measure", "is not a measure"),
    (
        "where: true\nevents:\n  n: {measure: count(x)}\n",
        3,
        "events.n.measure",
        "count takes no column; expected count, or count_distinct(column)",
    ),
    (
        "where: true\nevents:\n  n: {measure: count, within: 3 months}\n",
        3,
        "events.n.within",
        "'3 months' is not a duration",
    ),
    (
        "where: true\nevents:\n  n: {measure: count, within: 900w, were: a}\n",
        3,
        "events.n.were",
        "unknown key; did you mean 'where'?",
    ),
    ("where: true\nevents:\n  n-x: {measure: count}\n", 3, "events.n-x", "'n-x' is not a plain name"),
    (
        "where: true\nevents:\n  audience: {measure: count}\n",
        3,
        "events.audience",
        "has another meaning in expressions",
    ),
    ("where: true\nevents:\n  identity_map: {measure: count}\n", 3, "events.identity_map", "has another meaning"),
    ("where: true\nevents:\n  profile_id: {measure: count}\n", 3, "events.profile_id", "has another meaning"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), AUDIENCES)
def test_mistakes_in_audiences(tmp_path: Path, text: str, line: int, key: str, words: str) -> None:
    """SPEC 10, E3: one problem for each mistake in an audience, at its line and key."""
    problem = only(tmp_path, "audiences/x.yml", text)
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


def test_an_id_from_a_file_name(tmp_path: Path) -> None:
    """SPEC 2: the id is the file's stem unless `id:` is given, and an id like any other."""
    problem = only(tmp_path, "audiences/my fans.yml", "where: true\n")
    assert "'my fans' is not an id" in problem.message
    assert "rename the file or write an id" in problem.message
    assert "fans" in load(tmp_path, {"audiences/my fans.yml": "where: true\nid: fans\n"}).audiences


@pytest.mark.parametrize(
    ("audience", "key", "words"),
    [
        ("source: feed\n", "source", "'feed' is not allowed"),
        ("source: memberships\n", "source", "needs `memberships: {path: ...}` in muster.yml"),
        (
            "where: n > 1\nevents: {n: {measure: count}}\n",
            "events",
            "measures need `events: {path: ...}` in muster.yml",
        ),
    ],
)
def test_what_audiences_need_of_muster_yml(tmp_path: Path, audience: str, key: str, words: str) -> None:
    """SPEC 2: memberships and events are optional until an audience needs them."""
    (tmp_path / "x").mkdir()
    found = problems(tmp_path, {"muster.yml": "workspace: acme\nprofiles: {path: p}\n", "audiences/x.yml": audience})
    assert [(problem.file, problem.key) for problem in found] == [("audiences/x.yml", key)]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"audiences/x.yml": "where: true\nid: adults\n"},
            "audiences/x.yml:2: id: the audience id 'adults' is taken, in audiences/adults.yml",
        ),
        (
            {"audiences/adults.yaml": AUDIENCE},
            "audiences/adults.yml:1: the audience id 'adults' is taken, in audiences/adults.yaml",
        ),
        (
            {"audiences/Adults.yml": AUDIENCE},
            "audiences/adults.yml:1: the audience id 'adults' differs only in letter case from 'Adults'",
        ),
        (
            {"destinations/x.yml": f"id: crm\n{DESTINATION}"},
            "destinations/x.yml:1: id: the destination id 'crm' is taken, in destinations/crm.yml",
        ),
        (
            {"destinations/x.yml": f"id: CRM\n{DESTINATION}"},
            "differs only in letter case from 'crm', in destinations/crm.yml",
        ),
    ],
)
def test_ids_in_two_files(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """SPEC 2, 10: audience and destination ids are unique, letter case aside, for state files are named by them."""
    found = problems(tmp_path, files)
    assert len(found) == 1, found
    assert words in str(found[0])


# -- mistakes: destinations

OPTIONS = [
    ("formt: csv\n", "formt", "unknown key; did you mean 'format'?"),
    ("csv: {delimiter: ''}\n", "csv.delimiter", "'' is not a delimiter; expected one to 8 ASCII characters"),
    ("csv: {delimiter: '§'}\n", "csv.delimiter", "'§' is not a delimiter"),
    ('csv: {delimiter: "|\\n"}\n', "csv.delimiter", "is not a delimiter"),
    ("csv: {escape: '\\/'}\n", "csv.escape", "is not one ASCII character; expected one such as"),
    ('csv: {escape: "\\r"}\n', "csv.escape", "is not one ASCII character"),
    ("csv: {escape: ','}\n", "csv.escape", "escape and delimiter are the same character"),
    ("csv: {escape: '~', delimiter: '|~|'}\n", "csv.escape", "escape and delimiter share a character"),
    ("csv: {delimiter: '|\"|'}\n", "csv.delimiter", "quote and delimiter share a character"),
    ("csv: {escape: '~', null_value: 'n~'}\n", "csv.null_value", "null_value ends with the escape '~'"),
    ("csv: {delimiter: '||', null_value: 'a|'}\n", "csv.null_value", "null_value runs into the delimiter '||'"),
    ("csv: {delimiter: '||', null_value: 'a||b'}\n", "csv.null_value", "null_value contains the delimiter '||'"),
    ('csv: {quote: "\\r"}\n', "csv.quote", "is not one ASCII character"),
    ("csv: {quote: ''}\n", "csv.quote", "is not one ASCII character"),
    ("csv: {delimiter: '§', quote: ','}\n", "csv.delimiter", "'§' is not a delimiter"),
    ("csv: {quote: '', null_value: 'a\"'}\n", "csv.quote", "'' is not one"),
    ("csv: {quote: ','}\n", "csv.quote", "quote and delimiter are the same character"),
    ("csv: {delimiter: '\"'}\n", "csv.delimiter", "quote and delimiter are the same character"),
    ("csv: {delimiter: x, quote: x}\n", "csv.quote", "quote and delimiter are the same character"),
    (
        "csv: {quote_style: all}\n",
        "csv.quote_style",
        "'all' is not allowed; expected necessary, always, non_numeric or never",
    ),
    ("csv: {line_terminator: x}\n", "csv.line_terminator", '\'x\' is not a line end; expected "\\n" or "\\r\\n"'),
    ('csv: {line_terminator: "\\r"}\n', "csv.line_terminator", "is not a line end"),
    ("csv: {header: 'true'}\n", "csv.header", "'true' in quotes is text; expected true or false, without quotes"),
    ("csv: {bom: 1}\n", "csv.bom", "'1' is not true or false"),
    ("csv: {null_value: 'a,b'}\n", "csv.null_value", "null_value contains the delimiter ','"),
    ("csv: {null_value: 'a\"'}\n", "csv.null_value", "null_value contains the quote"),
    ('csv: {null_value: "a\\nb"}\n', "csv.null_value", "contains a line end"),
    ("csv: {null_value: }\n", "csv.null_value", "has no value"),
    ("csv: {delimeter: ;}\n", "csv.delimeter", "unknown key; did you mean 'delimiter'?"),
    ("csv: x\n", "csv", "expected keys such as delimiter, quote"),
    ("compression: gz\n", "compression", "'gz' is not allowed; expected none, gzip, zstd or zip"),
    ("csv: {encoding: latin-1, bom: true}\n", "csv.bom", "latin-1 has no byte order mark"),
    (
        "csv: {encoding: latin-1, null_value: '€'}\n",
        "csv.null_value",
        "null_value has U+20AC (EURO SIGN), which latin-1 cannot write",
    ),
    ("max_rows_per_file: 0\n", "max_rows_per_file", "'0' is not a whole number of at least 1"),
    ("max_rows_per_file: many\n", "max_rows_per_file", "'many' is not a whole number"),
    ("max_rows_per_file: 1.5\n", "max_rows_per_file", "'1.5' is not a whole number"),
    (
        "max_rows_per_file: '5'\n",
        "max_rows_per_file",
        "'5' in quotes is text; expected a whole number of at least 1, without quotes",
    ),
    ("max_rows_per_file: null\n", "max_rows_per_file", "'null' is not a whole number"),
    ("manifest: maybe\n", "manifest", "'maybe' is not true or false"),
    (
        "guards: {max_shrink: 30}\n",
        "guards.max_shrink",
        "'30' is not a percentage; expected one from 0% to 100%, such as 30%",
    ),
    ("guards: {max_shrink: 100.1%}\n", "guards.max_shrink", "'100.1%' is not a percentage"),
    ("guards: {max_exited: -1}\n", "guards.max_exited", "'-1' is not a whole number of at least 0"),
    ("guards: {max_exit: 1}\n", "guards.max_exit", "unknown key; did you mean 'max_exited'?"),
    ("deduplicate: email\n", "deduplicate", "expected a list, found 'email'"),
    ("deduplicate: [a, b, c]\n", "deduplicate", "has 3 keys; expected one or two"),
    ("deduplicate: [email, email]\n", "deduplicate[1]", "'email' is in the list twice"),
    ("deduplicate: [segment_membership.status]\n", "deduplicate[0]", "'segment_membership.status' is not an attribute"),
    ("deduplicate: [identity_map.Email]\n", "deduplicate[0]", "'identity_map.Email' is not an attribute"),
    ("file_name: '{dat}'\n", "file_name", "unknown placeholder {dat}; did you mean 'date'?"),
    ("file_name: '{date:%B}'\n", "file_name", "%B in {date:%B} is not known; a pattern takes %Y %y %m %d %H %M %S"),
    (
        "file_name: '%SEGMENT_ID%'\n",
        "file_name",
        "'%SEGMENT_ID%' is a placeholder of another program; write {audience_id}",
    ),
    ("file_name: a/../{date}\n", "file_name", "has the part '..'"),
    ("file_name: manifest-{run_id}\n", "file_name", "the file name of crm/adults starts with 'manifest-'"),
    (
        f"file_name: {'x' * 240}\n",
        "file_name",
        "the file name of crm/adults can be 261 bytes long; expected at most 255",
    ),
    (f"file_name: {'x' * 252}\n", "file_name", "can be 273 bytes long"),  # told once, with the longest of its names
    ("skip_empty: true\nfile_name: x\n", "skip_empty", "needs a time or {run_id} in file_name"),
    ("name:\n", "name", "has no value"),
    ("id: '.x'\n", "id", "'.x' is not an id"),
]


@pytest.mark.parametrize(("text", "key", "words"), OPTIONS)
def test_mistakes_in_file_options(tmp_path: Path, text: str, key: str, words: str) -> None:
    """SPEC 10, M3, M7, X11, F1: one problem for each mistake in a destination's settings, at its line and key."""
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION + text)
    assert (problem.line, problem.key) == (NEXT, key)
    assert words in problem.message


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [(text, key, words) for text, key, words in OPTIONS if not text.startswith(("name", "id", "formt", "skip"))],
)
def test_the_same_mistakes_in_an_activation(tmp_path: Path, text: str, key: str, words: str) -> None:
    """SPEC 2: what may be overridden in an activation is checked there alike."""
    entry = '  - audience: adults\n    export: full\n    schedule: {at: "05:00"}\n'
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION[: DESTINATION.index("  - ")] + entry + f"    {text}")
    assert (problem.line, problem.key) == (8, f"activations[0].{key}")
    assert words in problem.message


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("url: exports/crm\n", "", 1, "url", "is required: the folder that files go to"),
        ("exports/crm", "s3://", 1, "url", "'s3://' names no bucket; expected s3://bucket/prefix"),
        ("exports/crm", "file://exports/crm", 1, "url", "names a machine before the path"),
        (
            "exports/crm",
            "sfpt://x/y",
            1,
            "url",
            (
                "unknown scheme sfpt://; expected a local folder, file://, s3://, az://, gs://, sftp://; did you "
                "mean 'sftp'?"
            ),
        ),
        ("format: csv\n", "", 1, "format", "is required: csv, parquet or json"),
        ("format: csv", "format: CSV", 2, "format", "'CSV' is not allowed; expected csv, parquet or json"),
        ("mapping: [profile_id]\n", "", 1, "mapping", "is required: the columns to export"),
        ("[profile_id]", "[]", 3, "mapping", "is empty; expected at least one column"),
        ("[profile_id]", "profile_id", 3, "mapping", "expected a list, found 'profile_id'"),
        (
            "[profile_id]",
            "[[a]]",
            3,
            "mapping[0]",
            "expected keys such as source, target, mandatory, transform, expression or join, found a list",
        ),
        ("[profile_id]", "[{target: x}]", 3, "mapping[0].source", "is required: the column to export"),
        ("[profile_id]", "[{source: x, targt: y}]", 3, "mapping[0].targt", "unknown key; did you mean 'target'?"),
        ("[profile_id]", "['']", 3, "mapping[0]", "is empty"),
        ("[profile_id]", '["a\\nb"]', 3, "mapping[0]", "holds a line end"),
        ("[profile_id]", '[{source: a, target: "a\\rb"}]', 3, "mapping[0].target", "holds a line end"),
        ("[profile_id]", "[{source: a, mandatory: 'yes'}]", 3, "mapping[0].mandatory", "'yes' in quotes is text"),
        ("[profile_id]", "[a, a]", 3, "mapping[1]", "'a' is also another column's target, on line 3"),
        (
            "[profile_id]",
            "[a.b, {source: c, target: A_B}]",
            3,
            "mapping[1].target",
            "'A_B' differs from another column's target only in letter case, on line 3",
        ),
        ("[profile_id]", "[a, {source: 'x]'}, x]", 3, "mapping[2]", "'x' is also another column's target"),
        (
            "[profile_id]",
            "[segment_membership.state]",
            3,
            "mapping[0]",
            "expected segment_membership.status or segment_membership.last_qualification_time",
        ),
        (
            "[profile_id]",
            "[identity_map.]",
            3,
            "mapping[0]",
            "names no identity namespace; expected one, such as identity_map.Email",
        ),
        (
            "[profile_id]",
            "[identity_map.Email, identity_map, identity_map.Phone]",
            3,
            "mapping[2]",
            "an activation can map one identity namespace",
        ),
        (
            "[profile_id]",
            "[identity_map.Email]\ndeduplicate: [email]",
            4,
            "deduplicate",
            "cannot be combined with a mapped identity namespace",
        ),
        (
            "activations:\n",
            "activations:\n  - text\n",
            5,
            "activations[0]",
            "expected keys such as audience or schedule, found 'text'",
        ),
        (
            "audience: adults",
            "audience: adlts",
            5,
            "activations[0].audience",
            "unknown audience 'adlts'; did you mean 'adults'?",
        ),
        (
            "audience: adults",
            "audience: xyzzy",
            5,
            "activations[0].audience",
            "unknown audience 'xyzzy'; known are 'adults'",
        ),
        ("audience: adults, ", "", 5, "activations[0].audience", "is required: the id of an audience"),
        ("audience: adults", "audience: adults, id: a b", 5, "activations[0].id", "'a b' is not an id"),
        ("export: full, ", "", 5, "activations[0].export", "is required: full or incremental"),
        (
            "export: full, schedule: {",
            "schedule: {on_demand: false, ",
            5,
            "activations[0].export",
            "is required: full or incremental",
        ),
        (
            "export: full",
            "export: delta",
            5,
            "activations[0].export",
            "'delta' is not allowed; expected full or incremental",
        ),
        ("export: full", "exprt: full", 5, "activations[0].exprt", "unknown key; did you mean 'export'?"),
        (
            ', schedule: {at: "05:00"}',
            "",
            5,
            "activations[0].schedule",
            'is required: one such as {at: "05:00"}, {every: 3h}',
        ),
        (DESTINATION[DESTINATION.index("\n  - ") :], " x\n", 4, "activations", "expected a list, found 'x'"),
    ],
)
def test_mistakes_in_destinations(  # noqa: PLR0917 (pytest passes by name)
    tmp_path: Path, old: str, new: str, line: int, key: str, words: str
) -> None:
    """SPEC 2, 10, M1, M5: one problem for each mistake in a destination, at its line and key."""
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION.replace(old, new))
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


@pytest.mark.parametrize(
    ("schedule", "key", "words"),
    [
        ("daily", "", "'daily' is not a schedule; expected one such as"),
        ("'05:00'", "", "'05:00' is not a schedule"),
        ("", "", "has no value"),
        ("[at]", "", "expected keys such as at, every, cron"),
        ("{}", "", "expected exactly one of at, every, cron, after_evaluation or on_demand, found none"),
        ("{after_evaluation: false}", "", "found none"),
        ("{at: 05:00, every: 3h}", "", "found at and every"),
        ("{on_demand: true, cron: '0 6 1 * *'}", "", "found cron and on_demand"),
        ("{att: 05:00}", ".att", "unknown key; did you mean 'at'?"),
        ("{at: 25:00}", ".at", "'25:00' is not a time of day; expected HH:MM or HH:MM:SS, from 00:00 to 23:59:59"),
        ("{at: [05:00, 17:60]}", ".at[1]", "'17:60' is not a time of day"),
        ("{at: 5pm}", ".at", "'5pm' is not a time of day"),
        ("{at: []}", ".at", "is empty; expected local times"),
        ("{at: {x: y}}", ".at", "expected a list, found keys and values"),
        ("{at: 05:00, monthly: 0}", ".monthly", "'0' is not a day of the month; expected 1 to 31, or last"),
        ("{at: 05:00, monthly: 32}", ".monthly", "'32' is not a day of the month"),
        ("{at: 05:00, monthly: first}", ".monthly", "'first' is not a day of the month"),
        (
            "{every: 3h, monthly: 1}",
            ".monthly",
            'as {at: "05:00", monthly: 1}, not beside every',
        ),
        ("{every: 0h}", ".every", "'0h' is not an interval; expected whole hours from 1h to 24h"),
        ("{every: 25h}", ".every", "'25h' is not an interval"),
        ("{every: 90m}", ".every", "'90m' is not an interval"),
        ("{every: 3}", ".every", "'3' is not an interval"),
        ("{cron: '0 6 * *'}", ".cron", "'0 6 * *' has 4 fields; expected five: minute, hour, day of month"),
        ("{cron: '@daily'}", ".cron", "has 1 field; expected five"),
        ("{cron: '0 0 6 * * *'}", ".cron", "has 6 fields; expected five"),
        ("{cron: '61 6 * * *'}", ".cron", "its minute is wrong"),
        ("{cron: '0 6 32 * *'}", ".cron", "its day of month is wrong"),
        ("{cron: '0 6 * 13 *'}", ".cron", "its month is wrong"),
        ("{cron: '0 6 * * MOM'}", ".cron", "its day of week is wrong"),
        ("{cron: '0 0 30 2 *'}", ".cron", "'0 0 30 2 *' never fires: there is no such day"),
        ("{cron: '0 0 31 2,4,6 *'}", ".cron", "never fires"),
        (
            "{at: 05:00, timezone: berlin}",
            ".timezone",
            "'berlin' is not a time zone; expected an IANA name such as Europe/Berlin; did you mean 'Europe/Berlin'",
        ),
        (
            "{at: 05:00, start: tomorrow}",
            ".start",
            "'tomorrow' is not a date or time; expected one such as 2026-11-21 or 2026-11-21T17:00",
        ),
        ("{at: 05:00, start: 2026-02-30}", ".start", "'2026-02-30' is not a date or time"),
        ("{at: 05:00, end: 2026-11-21T25:00}", ".end", "is not a date or time"),
        ("{at: 05:00, end: 9999-12-31}", ".end", "is out of range; expected a year from 1970 to 8999"),
        ("{at: 05:00, start: 2026-12-01, end: 2026-11-01}", ".end", "'2026-11-01' is not after start, '2026-12-01'"),
        ("{on_demand: true, start: 2026-12-01, end: 2026-12-01}", ".end", "is not after start"),
        ("{at: 05:00, start: 2026-12-01T01:00Z, end: 2026-12-01T01:00+01:00}", ".end", "is not after start"),
    ],
)
def test_mistakes_in_schedules(tmp_path: Path, schedule: str, key: str, words: str) -> None:
    """S1, SPEC 10: an impossible time, zone, cron or interval, no kind or two, an end not after the start."""
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION.replace('{at: "05:00"}', schedule))
    assert (problem.line, problem.key) == (5, f"activations[0].schedule{key}")
    assert words in problem.message


TWO = DESTINATION + "  - {audience: adults, export: full, schedule: after_evaluation, id: second}\n"


@pytest.mark.parametrize(
    ("extra", "line", "key", "words"),
    [
        (
            "  - {audience: adults, export: full, schedule: on_demand}\n",
            6,
            "activations[1]",
            "the activation id 'adults' is taken, on line 5; give one of them another id",
        ),
        (
            "  - {audience: adults, id: ADULTS, export: full, schedule: on_demand}\n",
            6,
            "activations[1].id",
            "differs only in letter case from 'adults', on line 5",
        ),
    ],
)
def test_ids_in_one_destination(tmp_path: Path, extra: str, line: int, key: str, words: str) -> None:
    """SPEC 2: an activation's id is unique within its destination, letter case aside."""
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION + extra)
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (TWO + "skip_empty: true\nfile_name: '{activation}'\n", 7, "skip_empty"),
        (TWO + "csv: {quote: ','}\n", 7, "csv.quote"),
        (TWO.replace("[profile_id]", "[identity_map.Email]") + "deduplicate: [email]\n", 7, "deduplicate"),
        (
            TWO.replace("id: second", "id: second, csv: {quote: ';'}") + "csv: {delimiter: ;}\n",
            6,
            "activations[1].csv.quote",
        ),
        (
            TWO.replace("id: second", 'id: second, csv: {delimiter: "\'"}') + 'csv: {quote: "\'"}\n',
            6,
            "activations[1].csv.delimiter",
        ),
        (
            TWO.replace("id: second", "id: second, mapping: [identity_map.Email]") + "deduplicate: [email]\n",
            7,
            "deduplicate",
        ),
        (
            TWO.replace("id: second", "id: second, deduplicate: [email]").replace(
                "[profile_id]", "[identity_map.Email]"
            ),
            6,
            "activations[1].deduplicate",
        ),
        (
            TWO.replace("id: second", "id: second, skip_empty: true") + "file_name: '{activation}'\n",
            6,
            "activations[1].skip_empty",
        ),
        (TWO.replace("id: second", "id: second, file_name: x") + "skip_empty: true\n", 7, "skip_empty"),
    ],
)
def test_where_settings_that_do_not_go_together_are_reported(tmp_path: Path, text: str, line: int, key: str) -> None:
    """SPEC 2, 10: once, where the setting at fault is written, however many activations it is in force for."""
    problem = only(tmp_path, "destinations/crm.yml", text)
    assert (problem.line, problem.key) == (line, key)


@pytest.mark.parametrize(
    "text",
    [
        TWO.replace("[profile_id]", "[identity_map.Email]") + "deduplicate: []\n",
        TWO.replace("[profile_id]", "[identity_map, profile_id]") + "deduplicate: [email]\n",
        TWO + "csv: {delimiter: ';'}\nformat: parquet\n".replace("format: parquet\n", ""),
        TWO.replace("format: csv", "format: json") + "csv: {delimiter: ';'}\ncompression: gzip\n",
        DESTINATION.replace("export: full", "export: incremental").replace('{at: "05:00"}', "on_demand"),
    ],
)
def test_what_is_no_mistake(tmp_path: Path, text: str) -> None:
    """SPEC 2: options that have no effect here are allowed."""
    assert problems(tmp_path, {"destinations/crm.yml": text}) == []


def test_a_destination_without_activations_is_checked_too(tmp_path: Path) -> None:
    """SPEC 10: mistakes are found before the first activation makes them count."""
    assert load(tmp_path, {"destinations/x.yml": "url: x\nformat: json\nmapping: [a]\n"}).destinations.keys() == {
        "crm",
        "x",
    }
    assert only(tmp_path, "destinations/x.yml", "url: x\nformat: json\n").key == "mapping"
    assert (
        only(tmp_path, "destinations/x.yml", "url: x\nformat: csv\nmapping: [a]\ncsv: {quote: ','}\n").key
        == "csv.quote"
    )


def test_a_manifest_name_that_is_too_long(tmp_path: Path) -> None:
    """F4: the manifest's name fits 255 bytes, too."""
    files = {"muster.yml": MUSTER.replace("acme", "a" * 120)}
    long = "b" * 100
    found = problems(tmp_path, files | {"destinations/crm.yml": f"id: {long}\n{DESTINATION}"})
    assert [str(problem) for problem in found] == [
        (
            "destinations/crm.yml:1: the ids of workspace and destination make a manifest's name of 263 bytes; "
            "expected at most 255"
        )
    ]
    assert (
        problems(
            tmp_path, files | {"destinations/crm.yml": f"id: {long}\nfile_name: x\nmanifest: false\n{DESTINATION}"}
        )
        == []
    )


@pytest.mark.parametrize(
    ("crm", "other", "collides"),
    [
        ("{date}", "{date}", True),
        ("{activation}", "{destination}", False),
        ("{audience_id}_{datetime}", "{activation}_{datetime}", True),
        ("{run_id}", "{run_id}", False),
    ],
)
@pytest.mark.parametrize("url", ["exports/crm", "./exports//crm/", "{root}/exports/crm", "file://{root}/exports/crm"])
def test_two_activations_that_write_one_file(tmp_path: Path, crm: str, other: str, url: str, collides: bool) -> None:
    """F1, X9: two activations at one url, however it is spelled, whose names can be equal: at the second,
    naming both.
    """
    second = DESTINATION.replace("exports/crm", url.replace("{root}", str(tmp_path)))
    found = problems(
        tmp_path,
        {
            "destinations/crm.yml": f"{DESTINATION}file_name: '{crm}'\n",
            "destinations/x.yml": f"{second}file_name: '{other}'\n",
        },
    )
    said = (
        "destinations/x.yml:5: activations[0]: x/adults can write a file of the same name as crm/adults "
        "(destinations/crm.yml:5), at "
    )
    assert [str(problem) for problem in found] == (
        [f"{said}the same url; put {{destination}} and {{activation}} into file_name"] if collides else []
    )


def test_two_activations_of_one_destination_that_write_one_file(tmp_path: Path) -> None:
    """F1: the remedy within a destination is {activation}."""
    problem = only(tmp_path, "destinations/crm.yml", f"{TWO}file_name: '{{datetime}}'\n")
    assert (problem.line, problem.key) == (6, "activations[1]")
    assert problem.message.endswith("put {activation} into file_name")


# -- mistakes: YAML itself

SYNTAX = [
    ("where: 'US' = country\n", 1, "", "is not valid YAML: check the indentation, or put the whole value in quotes"),
    ("name: a\nwhere: a: b\n", 2, "", "check the indentation, or put a value that contains ': ' in quotes"),
    (
        "where: [a\nname: b\n",
        1,
        "",
        "that begins here is not closed, lacks a comma, or contains ${NAME} or tags[0] without quotes",
    ),
    ("where: [\n", 2, "", "a value or a closing bracket is missing"),
    ("where: {a: ${X}, b: c}\n", 1, "", "or contains ${NAME} or tags[0] without quotes"),
    ('where: "a\nname: b\n', 1, "", "a quote that begins here is not closed"),
    ("where: true\n\tname: b\n", 2, "", "a tab cannot be here; indent with spaces"),
    ("where: @x\n", 1, "", "'@' cannot be here; put the value in quotes"),
    ("where: %x\n", 1, "", "'%' cannot be here; put the value in quotes"),
    ("where: *x\n", 1, "", "a value that starts with '*' must be in quotes"),
    ("where:\n\ta: b\n", 2, "", "a tab cannot be here; indent with spaces"),
    ("where: true\nname\n", 2, "", "what begins here is not 'key: value'"),
    ('where: "\\q"\n', 1, "", "unknown escape in double quotes"),
    ("where: true\n---\nwhere: false\n", 2, "", "a second document starts here"),
    ("", 0, "", "is empty"),
    ("# nothing\n", 0, "", "is empty"),
    ("- where\n", 1, "", "expected 'key: value' lines, found a list"),
    ("where\n", 1, "", "expected 'key: value' lines, found text"),
    ("where: true\nwhere: false\n", 2, "where", "the key is written twice, first on line 1"),
    ("where: true\nevents: {n: {measure: count, measure: count}}\n", 2, "events.n.measure", "the key is written twice"),
    (
        "where: true\nevents: {n: &m {measure: count, measure: count}, k: {<<: *m}}\n",
        2,
        "events.n.measure",
        "the key is written twice",
    ),
    ("where: true\n? [a]\n: b\n", 2, "", "expected a key that is text"),
    ("where: true\n~: b\n", 2, "~", "unknown key"),
    ("where: true\n? \n: b\n", 2, "", "expected a key that is text"),
    ("where: !python/object:os.system x\n", 1, "where", "the YAML tag '!python/object:os.system' is not supported"),
    ("where: true\nevents: !!set {a}\n", 2, "events", "the YAML tag '!!set' is not supported"),
    ("where: true\nevents: {<<: 1}\n", 2, "events.<<", "expected an alias of keys and values"),
    ("where: &x [*x]\n", 1, "", "an alias (*name) is inside the value that it names"),
    ("where: a\x07b\n", 1, "", "holds the control character '\\x07'"),
    ("where: true\nname: a\ud800b\n", 2, "", "is not UTF-8 text"),
    ("where: " + "[" * 60 + "]" * 60 + "\n", 1, "", "is nested more than 50 levels deep"),
    ("where: " + "[" * 200_000 + "\n", 1, "", "is nested more than 50 levels deep"),
    ("".join(f"{' ' * level}where:\n" for level in range(60)), 51, "", "is nested more than 50 levels deep"),
    ("where:\n  " + "- " * 60 + "x\n", 2, "", "is nested more than 50 levels deep"),
    ("where:\n  " + "- " * 60_000 + "x\n", 2, "", "is nested more than 50 levels deep"),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), SYNTAX, ids=[words for *_, words in SYNTAX])
def test_mistakes_of_yaml(tmp_path: Path, text: str, line: int, key: str, words: str) -> None:
    """SPEC 10: YAML syntax, duplicate keys: file:line and what to do, and nothing else said about the file."""
    problem = only(tmp_path, "audiences/x.yml", text)
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.message


def test_a_bomb_of_aliases(tmp_path: Path) -> None:
    """SPEC 10: aliases of aliases that unfold to billions of values are refused, at once."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(
        f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "unfold to more than 500,000 values" in only(tmp_path, "audiences/x.yml", f"where: true\n{bomb}").message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """SPEC 10: a folder where a file should be is a problem like any other."""
    write(tmp_path, {})
    (tmp_path / "audiences/x.yml").mkdir()
    found = config.read(read_sources(tmp_path), {})[1]
    assert [str(problem) for problem in found] == ["audiences/x.yml: cannot be read: is a directory"]


def test_a_byte_order_mark_and_foreign_line_ends(tmp_path: Path) -> None:
    """SPEC 2: a file that Windows wrote is read like any other."""
    assert load(tmp_path, {"audiences/x.yml": "\ufeffname: X\r\nwhere: a = 1\r\n"}).audiences["x"].where == "a = 1"


# -- everything at once


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    """SPEC 10: all mistakes in the YAML files are reported together, each once, and nothing follows from another."""
    files = {
        "muster.yml": "workspace: acme\ntimezone: Mars/Base\nprofils: {path: p}\nfile_mode: rw\nevents: {path: e}\n",
        "audiences/x.yml": "whre: true\nevents:\n  n: {measure: smu(a), within: 1y}\n",
        "destinations/crm.yml": """\
url: ${NOWHERE}/crm
format: cvs
mapping: [a, a]
max_rows_per_file: none
activations:
  - {audience: adlts, export: full, schedule: {at: 25:00}}
""",
    }
    write(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path, {})
    assert [(problem.file, problem.line, problem.key) for problem in caught.value.problems] == [
        ("audiences/x.yml", 1, "whre"),
        ("audiences/x.yml", 3, "events.n.measure"),
        ("audiences/x.yml", 3, "events.n.within"),
        ("destinations/crm.yml", 1, "url"),
        ("destinations/crm.yml", 2, "format"),
        ("destinations/crm.yml", 3, "mapping[1]"),
        ("destinations/crm.yml", 4, "max_rows_per_file"),
        ("destinations/crm.yml", 6, "activations[0].audience"),
        ("destinations/crm.yml", 6, "activations[0].schedule.at"),
        ("muster.yml", 2, "timezone"),
        ("muster.yml", 3, "profils"),
        ("muster.yml", 4, "file_mode"),
    ]
    assert str(caught.value).count("\n") == 11
    assert caught.value.exit_code == 2


def test_mistakes_in_a_destination_leave_the_audiences(tmp_path: Path) -> None:
    """X1: `validate` reports all: expressions can be checked though a destination is wrong; otherwise there is no
    workspace.
    """
    workspace, found = config.read(
        read_sources(write(tmp_path, {"destinations/x.yml": DESTINATION.replace("csv", "cvs")})), {}
    )
    assert len(found) == 1
    assert workspace is not None
    assert [activation.key for activation in workspace.activations] == ["crm/adults"]
    assert list(workspace.audiences) == ["adults"]
    assert config.read(read_sources(write(tmp_path, {"audiences/x.yml": "where: ''\n"})), {})[0] is None
    assert (
        config.read(
            read_sources(write(tmp_path, {"audiences/x.yml": AUDIENCE, "muster.yml": MUSTER + "state: .\n"})), {}
        )[0]
        is None
    )


def test_references_to_a_broken_audience_are_no_mistakes(tmp_path: Path) -> None:
    """SPEC 10: one message for a mistake: an audience whose file is broken is not unknown."""
    files = {"audiences/adults.yml": "where: [", "destinations/crm.yml": DESTINATION}
    assert [problem.file for problem in problems(tmp_path, files)] == ["audiences/adults.yml"]


def test_missing_variables(tmp_path: Path) -> None:
    """SPEC 10: a missing environment variable: its name only, once for each value that needs it, and nothing that
    follows from it. One in the url is among them though only exports need it, as there are mistakes beside it.
    """
    text = (
        DESTINATION.replace("exports/crm", "sftp://ann:${PW}@${HOST}/${HOST}")
        .replace("adults", "'${WHO}'")
        .replace("full", "'${MODE}'")
    )
    found = problems(
        tmp_path, {"destinations/crm.yml": text.replace("[profile_id]", "[profile_id, '${COLUMN}']")}, MODE="full"
    )
    assert [(problem.line, problem.key, problem.message) for problem in found] == [
        (1, "url", "the environment variable HOST is not set"),
        (1, "url", "the environment variable PW is not set"),
        (3, "mapping[1]", "the environment variable COLUMN is not set"),
        (5, "activations[0].audience", "the environment variable WHO is not set"),
    ]


def test_a_variable_that_is_no_text(tmp_path: Path) -> None:
    """SPEC 10: bytes that are not UTF-8 are refused where they come in."""
    problem = only(tmp_path, "destinations/crm.yml", DESTINATION.replace("[profile_id]", "['${X}']"), X="a\udcff")
    assert problem.message == "the environment variable X is not UTF-8 text"


VALUES = {
    "muster.yml": [
        *(
            "workspace: S/\nprofiles: {path: p}",
            "workspace: a\nprofiles: {path: p}\ntimezone: S",
            "workspace: a\nprofiles: S",
        ),
        *(
            "workspace: a\nprofiles: {path: p}\nfile_mode: S",
            "workspace: a\nprofiles: {path: p}\nevaluation: {keep_exited: S}",
        ),
        *(
            "workspace: a\nprofiles: {path: p}\nstate: S://x",
            "workspace: a\nprofiles: {path: p}\nevaluation: {schedule: S}",
        ),
        *(
            f"workspace: a\nprofiles: {{path: p}}\nevaluation: {{schedule: {{{kind}: S}}}}"
            for kind in ("at", "every", "cron", "start")
        ),
    ],
    "audiences/x.yml": [
        "id: S /\nwhere: true",
        "source: S",
        *(f"where: true\nevents: {{n: {{{key}}}}}" for key in ("measure: S(x)", "measure: S")),
    ],
    "destinations/crm.yml": [
        *(
            DESTINATION.replace("exports/crm", url)
            for url in ("https://S@x/y", "sftp://x/y?S", "sfpt://a:S@x/y#S", "file://S/x")
        ),
        *(
            f"{DESTINATION}{key}: S"
            for key in ("compression", "manifest", "max_rows_per_file", "deduplicate", "guards", "csv", "activation")
        ),
        *(f"{DESTINATION}csv: {{{key}: S}}" for key in ("delimiter", "quote_style", "header", "line_terminator")),
        *(f"{DESTINATION}csv: {{null_value: '{value}'}}" for value in ("S,", 'S"')),
        *(f"{DESTINATION}guards: {{{key}: S}}" for key in ("max_shrink", "max_exited")),
        *(
            f"{DESTINATION}file_name: '{name}'"
            for name in ("S/{dat}", "{S}", "{Sx", ".S", "/S", "S//x", "manifest-S", "S" * 20)
        ),
        *(
            DESTINATION.replace("[profile_id]", mapping)
            for mapping in ("[S, S]", "[{source: a, target: S}, {source: b, target: S}]", "S")
        ),
        *(DESTINATION.replace("[profile_id]", mapping) for mapping in ("[segment_membership.S]", '["S\\n"]')),
        *(DESTINATION.replace(old, "S") for old in ("adults", "full", "csv", '{at: "05:00"}')),
    ],
}


@pytest.mark.parametrize("written", ["literal", "variable"])
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in VALUES.items() for text in texts])
def test_secrets_never_appear(tmp_path: Path, name: str, text: str, written: str) -> None:
    """SPEC 2: values in messages are those written in the file: what a variable holds is never shown; nor is a url's
    secret part.
    """
    tree = yaml.safe_load(text.replace("S", SECRET))
    found = problems(
        tmp_path, {name: yaml.safe_dump(_with_variables(tree) if written == "variable" else tree)}, S=SECRET
    )
    assert found
    assert "not valid YAML" not in found[0].message
    if written == "variable" or re.match("url: (https|sftp|sfpt)", text):
        assert SECRET not in "\n".join(map(str, found))


def _with_variables(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _with_variables(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_variables(value) for value in tree]
    return tree.replace(SECRET, "${S}") if isinstance(tree, str) else tree


# -- anything at all

words = st.sampled_from(
    [
        "x",
        "",
        "true",
        "5",
        "05:00",
        "3h",
        "csv",
        "full",
        "on_demand",
        "memberships",
        "${X}",
        "${NO}",
        "count",
        "{date}",
        "a: b",
        "~",
    ]
)
keys = st.sampled_from(
    [
        *(
            "workspace",
            "profiles",
            "path",
            "events",
            "memberships",
            "evaluation",
            "schedule",
            "at",
            "every",
            "cron",
            "start",
            "end",
            "timezone",
        ),
        *(
            "where",
            "source",
            "measure",
            "within",
            "url",
            "format",
            "csv",
            "delimiter",
            "quote",
            "mapping",
            "target",
            "mandatory",
            "guards",
        ),
        *(
            "deduplicate",
            "activations",
            "audience",
            "export",
            "id",
            "name",
            "file_name",
            "skip_empty",
            "max_shrink",
            "xyzzy",
            "mappng",
        ),
    ]
)
trees: Any = st.recursive(
    words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@given(
    st.dictionaries(keys, trees, max_size=8),
    st.dictionaries(keys, trees, max_size=8),
    st.dictionaries(keys, trees, max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_whatever_is_written_there_is_an_answer(tmp_path: Path, muster: Any, audience: Any, destination: Any) -> None:
    """SPEC 10: never a traceback; every message has its place and speaks of the user's file, not of the program."""
    files = {"muster.yml": muster, "audiences/x.yml": audience, "destinations/crm.yml": destination}
    workspace, found = config.read(
        read_sources(write(tmp_path, {name: yaml.safe_dump(tree) for name, tree in files.items()})), {"X": "x"}
    )
    assert found or workspace is not None
    for problem in found:
        assert problem.file in files
        assert problem.line > 0 or problem.message == "is empty"
        assert not re.search(r"Scalar\(|pydantic|Input should|Value error|None|\bdict\b|\bstr\b|Error", str(problem))
