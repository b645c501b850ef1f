"""`muster replay`: what a run decided is recorded, and its files are made again from that, byte for byte, whatever
happened since.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import model, random_histories
from support.model import ID, STATUS, TIME
from support.random_histories import MORE, History, mapped
from support.refusals import changed, refused
from support.shop import SINCE, Result, Shop, identities, invoke, person
from support.shop import STATUS as STATUS_COLUMN

from muster.activation.export import recipe_record
from muster.activation.state.ledger import named_files
from muster.activation.state.ledger.database import Ledger

FIRST, SECOND, THIRD = "2026-11-20", "2026-11-21", "2026-11-22"
AUDIENCES = st.sampled_from(tuple(random_histories.AUDIENCES))
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.data_too_large]

# Everything that a random history can do


CSV = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": st.sampled_from((",", ";", "\t", "|")),
        "quote": st.sampled_from(('"', "'")),
        "quote_style": st.sampled_from(("necessary", "always", "non_numeric")),
        "header": st.booleans(),
        "null_value": st.sampled_from(("", "NULL", "0")),
        "line_terminator": st.sampled_from(("\n", "\r\n")),
        "bom": st.booleans(),
        "sanitize_formulas": st.booleans(),
    },
)
SHAPES = st.fixed_dictionaries(
    {
        "format": st.sampled_from(("csv", "csv", "json", "parquet")),
        "compression": st.sampled_from(("none", "gzip", "zstd")),
    },
    optional={
        "csv": CSV,
        "max_rows_per_file": st.integers(1, 3),
        "skip_empty": st.booleans(),
        "manifest": st.booleans(),
    },
)
COLUMNS = {
    "nothing beside": ((ID, "city", "points", TIME), ()),
    "mandatory": ((STATUS, ID, "email!", "gold", "points!", TIME), ()),
    "by household": ((ID, "household", "email!", STATUS), ("household",)),
    "by an unmapped key": ((ID, "city", STATUS), ("household", "email")),
    "by identity": (("identity_map.Email", "city!", "points", STATUS), ()),
}


def activations(audience: str, columns: str) -> tuple[model.Activation, ...]:
    """One audience sent hourly and after evaluation, in increments, and in full."""
    mapping, keys = COLUMNS[columns]
    hours = {"hourly": 1, "follows": 0, "full": 1}
    return tuple(
        model.Activation(f"crm/{name}", audience, name != "full", each, mapped(*mapping), keys)
        for name, each in hours.items()
    )


def delivered(shop: Shop) -> dict[str, dict[str, bytes]]:
    """Of each run that delivered: its files and its manifest, by their path below the destination's url."""
    tree = shop.tree("out")
    found = {}
    for run in shop.runs():
        if run["status"] == "succeeded":
            url = f"out/{run['destination']}"
            files = [file["path"].removeprefix(f"{url}/") for file in run["files"]]
            files += [Path(name).name for name in tree if name.startswith(f"{url}/manifest-") and run["run_id"] in name]
            found[run["run_id"]] = {name: tree[f"{url}/{name}"] for name in files}
    return found


def replayed(shop: Shop, run_id: str, *arguments: str) -> Result:
    """`muster replay` of a run into a folder beside the workspace, which is empty before."""
    shutil.rmtree(folder(shop), ignore_errors=True)
    return shop.muster("replay", run_id, "--to", str(folder(shop)), *arguments)


def folder(shop: Shop) -> Path:
    """Where `replayed` writes."""
    return shop.root.parent / "again"


def files_in(place: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def check_replays(shop: Shop, expected: dict[str, dict[str, bytes]]) -> None:
    """Each run is written again as it was delivered, and nothing in the workspace changes."""
    before = shop.tree()
    for run_id, files in expected.items():
        result = replayed(shop, run_id)
        assert result.code == 0, result.err
        assert files_in(folder(shop)) == files
    assert changed(before, shop.tree()) == []


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, st.sampled_from(sorted(COLUMNS)), SHAPES, random_histories.histories(3))
def test_every_run_of_any_history_is_written_again(
    audience: str, columns: str, shape: dict[str, Any], history: History
) -> None:
    """Whatever the format, the columns, the keys and the days were, and though all of the config is another one by
    then: same bytes.
    """
    sent = activations(audience, columns)
    with random_histories.shop(history, sent, **shape) as shop:
        for tick in history.ticks:
            random_histories.live(shop, tick, sent)
        expected = delivered(shop)
        shutil.rmtree(shop.root / "audiences")
        shutil.rmtree(shop.root / "destinations")
        shop.set(timezone="Asia/Tokyo", profiles={"path": "data/profiles", "id": "nothing", "identity_map": "nobody"})
        check_replays(shop, expected)


# What each kind of file needs, one by one

PEOPLE = [
    person(
        "a",
        "ann@x.com",
        city='Zürich, "old"\ntown',
        points=1,
        tags=["x", None],
        identity_map=identities(Email=["1", "2"], Phone=["9"]),
    ),
    person("b", "bob@x.com", city="", points=None, tags=[], identity_map=identities(Email=["3"])),
    person("c", "cy@x.com", city=None, points=3, tags=None, identity_map=identities()),
    person("d", "ann@x.com", city="=1+1", points=4, tags=["y"], identity_map=identities(Email=["2"])),
    person("e", city="Oslo", points=5, tags=["z"], identity_map=identities(Email=["5", "6"])) | {"email": ""},
]
TOMORROW = [
    {**PEOPLE[0], "vip": False},
    {**PEOPLE[1], "email": "rob@x.com", "identity_map": identities(Email=["4"])},
    {**PEOPLE[2], "email": "new@x.com", "city": "Rome"},
    person("f", "fay@x.com", city="Paris", points=6, tags=["w"], identity_map=identities(Email=["7"])),
]
WIDE: list[Any] = ["profile_id", "email", "city", "points", "tags", STATUS_COLUMN, SINCE]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no header": {"csv": {"header": False}},
    "always quoted": {"csv": {"quote_style": "always", "null_value": "NULL"}},
    "never quoted": {"csv": {"quote_style": "never", "delimiter": "|"}, "mapping": ["profile_id", "points", SINCE]},
    "other marks": {
        "csv": {"delimiter": ";", "quote": "'", "line_terminator": "\r\n", "bom": True, "sanitize_formulas": True}
    },
    "one column": {"mapping": ["profile_id"]},
    "mandatory": {"mapping": ["profile_id", {"source": "email", "mandatory": True}, "city", STATUS_COLUMN]},
    "deduplicated": {"mapping": ["profile_id", "email", STATUS_COLUMN], "deduplicate": ["email"]},
    "by an unmapped key": {"mapping": ["profile_id", STATUS_COLUMN], "deduplicate": ["email"]},
    "identity": {"mapping": ["identity_map.Email", "city", STATUS_COLUMN]},
    "parts": {"max_rows_per_file": 2},
    "parts of identities": {"max_rows_per_file": 1, "mapping": ["identity_map.Email", "city", STATUS_COLUMN]},
    "nobody": {"mapping": [{"source": "nothing", "mandatory": True}]},
    "nobody, no file": {"mapping": [{"source": "nothing", "mandatory": True}], "skip_empty": True},
    "no manifest": {"manifest": False},
    "gzip": {"compression": "gzip"},
    "zstd": {"compression": "zstd"},
    "json": {"format": "json"},
    "json.gz": {"format": "json", "compression": "gzip"},
    "json.zst": {"format": "json", "compression": "zstd", "max_rows_per_file": 2},
    "parquet": {"format": "parquet"},
    "parquet, gzip": {"format": "parquet", "compression": "gzip"},
    "parquet, zstd": {"format": "parquet", "compression": "zstd", "max_rows_per_file": 2},
}


def lived(root: Path, *, days: int = 3, numbers: bool = False, **content: Any) -> Shop:
    """Some days of a few people, who come, change and go: in full and in increments, and once on demand."""
    shop = Shop(root)
    shop.audience("vip", where="vip")
    sends = [
        {"audience": "vip", "id": export, "export": export, "schedule": {"at": "05:00"}}
        for export in ("full", "incremental")
    ]
    shop.destination(
        "crm",
        **({"mapping": WIDE} | content),
        activations=[*sends, {"audience": "vip", "id": "asked", "schedule": "on_demand"}],
    )
    for day, people in ((FIRST, PEOPLE), (SECOND, TOMORROW), (THIRD, PEOPLE[:3]))[:days]:
        rows = [
            {**each, "profile_id": 10 ** (ord(each["profile_id"]) - ord("a"))} if numbers else each for each in people
        ]
        shop.profiles(
            day, pl.DataFrame(rows, schema_overrides=TYPES).with_columns(pl.lit(None, pl.String).alias("nothing"))
        )
        shop.evaluate(f"{day}T02:00Z")
        shop.run(f"{day}T05:00Z")
    shop.ok("export", "crm/asked", "--at", f"{day}T06:00Z")
    return shop


TYPES: dict[str, Any] = {
    "email": pl.String,
    "city": pl.String,
    "points": pl.Int64,
    "tags": pl.List(pl.String),
    "identity_map": pl.List(pl.Struct({"namespace": pl.String, "id": pl.String})),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_file_is_written_again(tmp_path: Path, case: str) -> None:
    """Every format, compression and CSV option, keys, identities, parts and empty files: five runs, the bytes of each
    as delivered.
    """
    shop = lived(tmp_path / "shop", days=2, **CASES[case])
    expected = delivered(shop)
    assert len(expected) == 5
    check_replays(shop, expected)


def test_ids_that_were_numbers(tmp_path: Path) -> None:
    """D1, M6: rows are in the order of numbers, and so are they when they are written again."""
    shop = lived(
        tmp_path / "shop",
        numbers=True,
        mapping=["profile_id", {"source": "email", "mandatory": True}, STATUS_COLUMN],
        format="parquet",
    )
    shop.profiles("2026-11-23", [person("10"), person("9"), person("x")])  # an exit of before keeps its id (X12)
    shop.evaluate("2026-11-23T02:00Z")
    shop.run("2026-11-23T05:00Z")
    assert len(delivered(shop)) == 9
    check_replays(shop, delivered(shop))


def test_a_feed_that_moved_on(tmp_path: Path) -> None:
    """X6: an export of a feed audience holds what the feed said then, not what the evaluation found, nor what the feed
    says now.
    """
    shop = Shop(tmp_path / "shop")
    shop.profiles(FIRST, [person(each) for each in "abc"])
    shop.audience("visitors", source="memberships")
    shop.crm(audience="visitors")
    shop.feed([("visitors", "a", "realized", f"{FIRST}T01:00Z"), ("visitors", "b", "realized", f"{FIRST}T01:00Z")])
    shop.evaluate(f"{FIRST}T02:00Z")
    shop.feed(
        [("visitors", "a", "exited", f"{FIRST}T03:00Z"), ("visitors", "c", "realized", f"{FIRST}T04:00Z")], name="later"
    )
    shop.run(f"{FIRST}T05:00Z")
    expected = delivered(shop)
    assert shop.sent("crm/visitors") == ["b,b@x.com,realized", "c,c@x.com,realized"]
    shutil.rmtree(shop.root / "data/memberships")
    check_replays(shop, expected)


# What happened since


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after three days; tests work on copies."""
    return lived(
        tmp_path_factory.mktemp("days") / "shop",
        mapping=["profile_id", {"source": "email", "mandatory": True}, STATUS_COLUMN],
    ).root


@pytest.fixture
def shop(tmp_path: Path, days: Path) -> Shop:
    """A copy of it."""
    return copied(days, tmp_path)


def copied(root: Path, to: Path) -> Shop:
    """A workspace in another folder, with all that it knows."""
    shutil.copytree(root, to / "shop")
    shop = Shop.__new__(Shop)
    shop.root, shop.settings = to / "shop", {"workspace": "shop", "profiles": {"path": "data/profiles"}}
    return shop


def remap(shop: Shop) -> None:
    """Another format, other columns, other names and another place."""
    send = {"audience": "vip", "id": "full", "export": "full", "schedule": {"at": "06:00"}, "file_name": "{date}"}
    shop.destination(
        "crm", url="elsewhere", format="parquet", mapping=["city"], max_rows_per_file=1, activations=[send]
    )


def drop_audience(shop: Shop) -> None:
    """The audience and all that sends it are gone."""
    (shop.root / "audiences/vip.yml").unlink()
    (shop.root / "destinations/crm.yml").unlink()


SINCE_THEN: dict[str, Callable[[Shop], object]] = {
    "nothing": lambda _shop: None,
    "the config changed": remap,
    "the audience was deleted": drop_audience,
    "rosters and delivered sets were removed": lambda shop: [
        shutil.rmtree(shop.root / ".muster" / name) for name in ("rosters", "baselines")
    ],
    "a newer snapshot came": lambda shop: shop.profiles("2026-11-23", [person("z", "z@x.com")]),
    "another evaluation and another run": lambda shop: shop.day("2026-11-23", [person("z")], key="crm/full"),
    "the receiver took the files": lambda shop: shutil.rmtree(shop.root / "out"),
}


@pytest.mark.parametrize("since", SINCE_THEN)
def test_what_happened_since_changes_nothing(shop: Shop, since: str) -> None:
    """Neither the config of today nor newer data, nor what became of memberships and files, changes a byte of an old
    run.
    """
    expected = delivered(shop)
    SINCE_THEN[since](shop)
    check_replays(shop, expected)


def runs_of(shop: Shop, activation: str) -> list[str]:
    """The ids of an activation's runs, oldest first."""
    return [run["run_id"] for run in shop.runs(f"crm/{activation}") if run["status"] == "succeeded"]


def refused_replay(shop: Shop, run_id: str, code: int = 2) -> str:
    """A replay that is refused: one message, nothing changed, no folder and no temporary one left."""
    beside = sorted(shop.root.parent.iterdir())
    said = refused(shop, "replay", run_id, "--to", str(folder(shop)), code=code)
    assert sorted(shop.root.parent.iterdir()) == beside
    return said


def test_a_snapshot_file_that_is_gone_or_changed_is_named(shop: Shop) -> None:
    """SPEC 10: exit 2 with every file that is missing or another one; runs of other snapshots are not concerned."""
    old, _, new = runs_of(shop, "full")
    gone = shop.root / f"data/profiles/{FIRST}/part-0.parquet"
    name = gone.relative_to(shop.root).as_posix()
    content = gone.read_bytes()
    shop.profiles(FIRST, [person("a")])
    assert refused_replay(shop, old) == (
        f"error: {name}: the snapshot file changed: run {old} took values from it; restore the original file"
    )
    gone.write_bytes(content[:-10])
    assert f"{name}: cannot be read as Parquet" in refused_replay(shop, old)
    gone.unlink()
    assert (
        refused_replay(shop, old)
        == f"error: {name}: the snapshot file is missing: run {old} took values from it; restore the original file"
    )
    assert replayed(shop, new).code == 0


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])], ids=["gone", "truncated"]
)
@pytest.mark.parametrize(
    ("activation", "kind"), [("incremental", "decisions"), ("full", "memberships"), ("full", "rejects")]
)
def test_a_decision_that_is_damaged_is_named(
    shop: Shop, activation: str, kind: str, spoil: Callable[[Path], object]
) -> None:
    """SPEC 10: exit 2 and the file: the run's own, or the evaluation's that it refers to, or the list of those left
    out; others go on.
    """
    column = "rejects" if kind == "rejects" else "decision"
    row = next(row for row in recorded(shop) if row["activation"] == activation and kind in (row[column] or ""))
    file = json.loads(row[column])["file"]
    assert file.startswith(kind)
    path = file.partition("#")[0]
    spoil(shop.root / ".muster" / path)
    said = refused_replay(shop, row["run_id"])
    assert said.startswith(
        (f"error: .muster/{path}: the file ", f"error: .muster/{path}: its footer or its profile ids ")
    )
    assert said.endswith(
        f"restore the file from a backup: without it the files of run {row['run_id']} cannot be made again"
    )
    assert replayed(shop, runs_of(shop, activation)[-1]).code == 0


def test_values_that_changed_behind_the_same_footer_are_noticed(tmp_path: Path) -> None:
    """The bytes decide: a snapshot file that only looks as it did is found out, exit 1, and what came of it is kept to
    look at.
    """
    shop = Shop(tmp_path / "shop")
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", "email"])
    rows = pl.DataFrame([person("a", "ann@x.com"), person("b", "bob@x.com")])
    path = shop.root / f"data/profiles/{FIRST}/part-0.parquet"
    path.parent.mkdir(parents=True)
    rows.write_parquet(path, compression="uncompressed", statistics=False)
    shop.evaluate(f"{FIRST}T02:00Z")
    shop.run(f"{FIRST}T05:00Z")
    [run_id] = runs_of(shop, "all")
    path.write_bytes(path.read_bytes().replace(b"ann@x.com", b"eve@x.com"))
    result = replayed(shop, run_id, "--json")
    assert result.code == 1
    assert result.json["same"] is False
    assert [file["same"] for file in result.json["files"]] == [False]
    assert (
        "not the bytes that were delivered: the decision and the footers of the snapshot files are unchanged"
        in result.err
    )
    assert b"eve@x.com" in next(content for name, content in files_in(folder(shop)).items() if name.endswith(".csv"))


def test_another_version_is_named_when_bytes_differ(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What made the files then and what makes them now is said, exit 1; files that came out the same are no matter."""
    run_id = runs_of(shop, "full")[0]
    monkeypatch.setattr(recipe_record, "versions", lambda *_: {"muster": "9.9", "polars": "8.8"})
    assert replayed(shop, run_id).code == 0
    activation_of = recipe_record.activation_of

    def other(*parts: Any) -> Any:
        made = activation_of(*parts)
        return replace(made, csv=replace(made.csv, delimiter=";"))

    monkeypatch.setattr(recipe_record, "activation_of", other)
    result = replayed(shop, run_id)
    assert result.code == 1
    assert "with Polars" in result.err
    assert "and this is muster 9.9 with Polars 8.8" in result.err


def test_runs_of_an_older_muster_have_no_decision(shop: Shop) -> None:
    """Before schema 3 none was recorded: the run says so, exit 2."""
    run_id = runs_of(shop, "full")[0]
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as db, db:
        db.execute("UPDATE runs SET decision = NULL, recipe = NULL, snapshot = NULL")
    assert "has no recorded decision: it was pruned or forgotten, or an older muster made the run" in refused_replay(
        shop, run_id
    )


def test_runs_that_delivered_nothing_have_nothing_to_write(shop: Shop) -> None:
    """A run that failed or was superseded is refused by its status; an unknown one with the nearest names."""
    shop.profiles("2026-11-24", [person("z")])
    shop.evaluate("2026-11-24T02:00Z")
    (shop.root / "out").rename(shop.root / "moved")
    (shop.root / "out").write_text("in the way")
    shop.muster("run", "--at", "2026-11-24T05:00Z")
    status = {run["status"]: run["run_id"] for run in shop.runs()}
    for word in ("failed", "superseded"):
        assert f"is {word}: it delivered nothing" in refused_replay(shop, status[word])
    assert "there is no run '2031'" in refused_replay(shop, "2031")
    assert not list((shop.root / ".muster/decisions").glob(f"{status['failed']}*"))


# Where it is written


def test_nothing_is_overwritten(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new folder, or an empty one; by default one here, named after the run; its files are for their owner alone
    (F6).
    """
    run_id = runs_of(shop, "full")[0]
    monkeypatch.chdir(tmp_path)
    assert f"in {run_id}: the bytes that were delivered" in shop.ok("replay", run_id).out
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / run_id).iterdir()} == {0o600}
    assert (tmp_path / run_id).stat().st_mode & 0o777 == 0o700
    made = files_in(tmp_path / run_id)
    assert "the folder is not empty, and nothing is overwritten" in refused(shop, "replay", run_id)
    assert files_in(tmp_path / run_id) == made
    (tmp_path / "file").write_text("x")
    assert "file: is not a folder" in refused(shop, "replay", run_id, "--to", "file")
    assert "file is not a folder" in refused(shop, "replay", run_id, "--to", "file/below")
    (tmp_path / "empty").mkdir()
    shop.ok("replay", run_id, "--to", "empty")
    shop.ok("replay", run_id, "--to", "some/where/new")
    assert files_in(tmp_path / "empty") == files_in(tmp_path / "some/where/new") == made
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".muster" and "shop" not in path.parts]


def test_the_answer_for_programs(shop: Shop) -> None:
    """`--json`: where each file is now, and whether it is the one of then."""
    run = next(run for run in shop.runs("crm/full"))
    found = replayed(shop, run["run_id"], "--json").json
    assert (found["run_id"], found["folder"], found["same"]) == (run["run_id"], str(folder(shop)), True)
    assert [(each["sha256"], each["size"], each["rows"], each["same"]) for each in found["files"]] == [
        (each["sha256"], each["size"], each["rows"], True) for each in run["files"]
    ]
    for each in found["files"]:
        assert hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest() == each["sha256"]
    assert json.loads(Path(found["manifest"]).read_text())["flowRunId"] == run["run_id"]


# What is recorded


def recorded(shop: Shop) -> list[sqlite3.Row]:
    """Decision, recipe and snapshot of each run that succeeded, oldest first."""
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as db:
        db.row_factory = sqlite3.Row
        return db.execute("SELECT * FROM runs WHERE status = 'succeeded' ORDER BY scheduled_time, run_id").fetchall()


@pytest.mark.parametrize("mapping", [["profile_id", "city"], ["profile_id", {"source": "email", "mandatory": True}]])
def test_memberships_that_say_the_same_are_no_second_file(tmp_path: Path, mapping: list[Any]) -> None:
    """Everybody who is realized but for those listed as left out: the decision is the evaluation's own file; increments
    have their own.
    """
    shop = lived(tmp_path / "shop", mapping=mapping)
    kinds = {
        (row["activation"], row["scheduled_time"][:10]): json.loads(row["decision"])["file"].split("/")[0]
        for row in recorded(shop)
    }
    assert kinds == {
        ("full", FIRST): "memberships",
        ("full", SECOND): "memberships",
        ("full", THIRD): "memberships",
        ("incremental", FIRST): "memberships",
        ("incremental", SECOND): "decisions",
        ("incremental", THIRD): "decisions",
        ("asked", THIRD): "memberships",
    }


def test_a_recipe_is_kept_once(tmp_path: Path) -> None:
    """However many runs share a config and a snapshot, each is kept once."""
    shop = lived(tmp_path / "shop")
    rows = recorded(shop)
    assert len({row["recipe"] for row in rows}) == 1
    assert len({row["snapshot"] for row in rows}) == 3
    shop.destination(
        "crm", mapping=["profile_id"], activations=[{"audience": "vip", "id": "asked", "schedule": "on_demand"}]
    )
    shop.ok("export", "crm/asked", "--at", f"{THIRD}T07:00Z")
    assert len({row["recipe"] for row in recorded(shop)}) == 2


def test_what_runs_need_is_known_and_stays(tmp_path: Path) -> None:
    """The ledger names every decision, and none of them goes away as days pass, evaluations are made anew or
    forgotten.
    """
    shop = lived(tmp_path / "shop", mapping=["profile_id", "city"])
    named = {json.loads(row["decision"])["file"] for row in recorded(shop)}
    shop.evaluate("2026-11-23T02:00Z")
    shop.evaluate("2026-11-23T02:00Z", "--replace")
    shop.ok("evaluations", "forget", "--after", f"{THIRD}T03:00Z")
    shop.ok("baseline", "reset", "crm/full")
    with closing(Ledger.open(shop.root / ".muster/ledger.sqlite")) as ledger:
        needed = named_files.paths(ledger)
    assert {file.partition("#")[0] for file in named} <= needed
    assert {name for name in needed if not (shop.root / ".muster" / name).exists()} == set()


def test_decisions_of_runs_that_failed_do_not_stay(tmp_path: Path) -> None:
    """A run that fails after its rows were written down leaves nothing of them."""
    shop = Shop(tmp_path / "shop")
    shop.profiles(FIRST, [person("a", identity_map=identities(Email=["1"]))])
    shop.audience("all", where="true")
    shop.crm(mapping=["profile_id", "identity_map.Email"])
    shop.evaluate(f"{FIRST}T02:00Z")
    with mock.patch(
        "muster.activation.export.carry_out.with_manifest", side_effect=OSError(28, "No space left on device")
    ):
        assert shop.muster("run", "--at", f"{FIRST}T05:00Z").code == 1
    assert list((shop.root / ".muster/decisions").iterdir()) == []
    [run] = shop.runs()
    assert run["status"] == "failed"
    shop.run(f"{FIRST}T05:00Z")
    assert len(list((shop.root / ".muster/decisions").iterdir())) == 1


def ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Profile ids."""
    return [row["profile_id"] for row in rows]


def test_a_decision_can_be_read_by_anybody(shop: Shop) -> None:
    """docs/replay.md: profile id, status and time in the order of the file; key values of those only who
    exited (X12).
    """
    run_id = runs_of(shop, "incremental")[1]
    rows = pl.read_parquet(shop.root / f".muster/decisions/{run_id}.parquet").to_dicts()
    assert ids(rows) == [line.split(",")[0] for line in shop.sent("crm/incremental", 1)]
    assert {row["status"]: row["s1"] is None for row in rows} == {"realized": True, "exited": False}


def test_help_has_both_commands() -> None:
    """They are on the front page."""
    assert {"replay", "redeliver"} <= set(invoke("--help").out.split())
