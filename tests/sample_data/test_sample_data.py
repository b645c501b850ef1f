"""The sample workspace is what its script makes, holds the story it tells and the values it promises."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from polars.testing import assert_frame_equal

from muster import sample_data
from muster.activation.config import workspace as config
from muster.activation.inputs import feeds, finding
from muster.activation.inputs.paths import Inputs
from muster.sample_data import DAYS, EVALUATIONS, STORY, STORY_AUDIENCE, copy_to, make

WORKSPACE = Path(sample_data.__file__).parent / "workspace"
CLUB_WORKSPACE = Path(sample_data.__file__).parent / "loyalty"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make.build(folder)
    return folder


@pytest.fixture(scope="module")
def made_club(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("club")
    make.build_club(folder)
    return folder


def parquet_files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.parquet"))


def profiles(day: int) -> pl.DataFrame:
    parts = sorted((WORKSPACE / "data/profiles" / str(DAYS[day])).glob("*.parquet"))
    return pl.concat([pl.read_parquet(part) for part in parts], how="diagonal")


def events() -> pl.DataFrame:
    return pl.concat(
        [pl.read_parquet(path) for path in sorted((WORKSPACE / "data/events").glob("*.parquet"))], how="diagonal"
    )


def feed() -> pl.DataFrame:
    return pl.read_parquet(WORKSPACE / "data/memberships/*.parquet")


def members(audience: str, at: datetime) -> dict[str, datetime]:
    """D4 read aloud: who is realized at an instant, and since when."""
    since: dict[str, datetime] = {}
    until: dict[str, datetime] = {}
    rows = feed().filter(pl.col("audience_id") == audience, pl.col("last_qualification_time") <= at)
    for row in rows.sort("last_qualification_time", pl.col("status") == "exited").to_dicts():
        name, moment = row["profile_id"], row["last_qualification_time"]
        if row["status"] == "exited" or (name in since and until[name] <= moment):
            since.pop(name, None)
        if row["status"] != "exited":
            since.setdefault(name, moment)
            until[name] = row["valid_until"] or datetime.max.replace(tzinfo=UTC)
    return {name: moment for name, moment in since.items() if until[name] > at}


def identity_sets(day: int) -> dict[str, set[tuple[str, str]]]:
    rows = profiles(day).select("profile_id", "identity_map").iter_rows()
    return {
        name: {(one["namespace"], one["id"]) for one in found or [] if one["namespace"] and one["id"]}
        for name, found in rows
    }


def values(day: int, column: str) -> dict[str, object]:
    return dict(profiles(day).select("profile_id", column).iter_rows())


# The committed files and the script


@pytest.mark.parametrize("sample", ["shop", "loyalty"])
def test_the_script_reproduces_the_committed_data(sample: str, made: Path, made_club: Path) -> None:
    """The same files with the same schemas and values; the same bytes too, when the same pyarrow version wrote them."""
    folder, workspace = (made, WORKSPACE) if sample == "shop" else (made_club, CLUB_WORKSPACE)
    assert parquet_files(folder) == parquet_files(workspace)
    for name in parquet_files(folder):
        assert pq.read_schema(folder / name).equals(pq.read_schema(workspace / name), check_metadata=True), name
        assert_frame_equal(pl.read_parquet(folder / name), pl.read_parquet(workspace / name), check_exact=True)
        if pq.read_metadata(folder / name).created_by == pq.read_metadata(workspace / name).created_by:
            assert (folder / name).read_bytes() == (workspace / name).read_bytes(), name


def test_building_again_replaces_what_was_there(made: Path, tmp_path: Path) -> None:
    """A file that the script no longer makes does not stay behind."""
    left_over = tmp_path / "data/profiles/2026-11-19/part-0.parquet"
    left_over.parent.mkdir(parents=True)
    left_over.write_bytes(b"old")
    make.build(tmp_path)
    assert parquet_files(tmp_path) == parquet_files(made)


def test_the_sample_is_small() -> None:
    """Everybody who installs muster downloads it."""
    files = [path for each in (WORKSPACE, CLUB_WORKSPACE) for path in each.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_600_000


@pytest.mark.parametrize(("sample", "workspace"), [("shop", WORKSPACE), ("loyalty", CLUB_WORKSPACE)])
def test_copy_to_copies_every_file(sample: sample_data.Sample, workspace: Path, tmp_path: Path) -> None:
    """`muster init` gives the whole workspace, byte for byte, and says what it wrote."""
    written = copy_to(tmp_path / "shop", sample)
    assert sorted(path.relative_to(tmp_path / "shop") for path in written) == sorted(
        path.relative_to(workspace) for path in workspace.rglob("*") if path.is_file()
    )
    assert all(path.read_bytes() == (workspace / path.relative_to(tmp_path / "shop")).read_bytes() for path in written)


def test_copy_to_replaces_nothing(tmp_path: Path) -> None:
    """A file that is there already, even a dangling link, stops the copy before anything is written."""
    (tmp_path / "muster.yml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"muster\.yml is there already"):
        copy_to(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["muster.yml"]


# The shape of the data


def test_two_days_of_about_two_thousand_profiles() -> None:
    """Ids are unique text; on the second day about 1 % are new and a few are gone."""
    first, second = set(profiles(0)["profile_id"]), set(profiles(1)["profile_id"])
    assert len(first) == profiles(0).height == 2000
    assert len(second) == profiles(1).height
    assert len(second - first) == 20
    assert 5 <= len(first - second) <= 20


def test_one_snapshot_has_parts_that_differ() -> None:
    """D5: one part has its columns in another order and lacks one of them."""
    one, other = (pq.read_schema(WORKSPACE / f"data/profiles/2026-11-20/part-{part}.parquet").names for part in (0, 1))
    assert set(one) - set(other) == {"churn_score"}
    assert [name for name in one if name in other] != other


def test_events_cover_ninety_days() -> None:
    """About 20,000 events of four kinds up to the second day, some of people without a profile (D3), in files whose
    columns differ (D5).
    """
    table = events()
    assert 19_500 <= table.height <= 20_500
    assert table["timestamp"].min() >= datetime(2026, 8, 23, tzinfo=UTC)
    assert datetime(2026, 11, 20, 12, tzinfo=UTC) < table["timestamp"].max() < datetime(2026, 11, 21, tzinfo=UTC)
    assert set(table["event_type"]) == {"view", "add_to_cart", "purchase", "return"}
    assert set(table["profile_id"]) - set(profiles(0)["profile_id"]) == {"guest-0001", "guest-0002"}
    assert "quantity" not in pq.read_schema(WORKSPACE / "data/events/2026-08.parquet").names


def test_the_feed_repeats_its_members_and_ends_stays_in_both_ways() -> None:
    """D4: nightly repeats, rows that exit, memberships that run out, rows of a day that is still to come."""
    table = feed().filter(audience_id=STORY_AUDIENCE)
    assert set(table["status"]) == {"realized", "existing", "exited"}
    assert table.group_by("profile_id").len()["len"].max() >= 7
    before, after = members(STORY_AUDIENCE, EVALUATIONS[0]), members(STORY_AUDIENCE, EVALUATIONS[1])
    exits = set(table.filter(status="exited")["profile_id"])
    assert set(before) - set(after) - exits, "nobody's membership runs out"
    assert set(before) - set(after) & exits, "nobody is taken off"
    assert feed()["last_qualification_time"].max() > EVALUATIONS[1]


# The story


def test_the_story_is_in_one_audience() -> None:
    """On the first day all of them but the one who joins are realized visitors, with an address but for the one who
    gets it.
    """
    first = members(STORY_AUDIENCE, EVALUATIONS[0])
    assert {role for role, person in STORY.items() if person.profile_id not in first} == {"joined"}
    addresses = values(0, "email")
    assert {role for role, person in STORY.items() if not addresses[person.profile_id]} == {"email_gained"}


def test_names_of_the_story() -> None:
    """The people are called what the story calls them, in the data and in STORY.md."""
    names = values(0, "person")
    text = (WORKSPACE.parent / "STORY.md").read_text()
    for person in STORY.values():
        assert names[person.profile_id] == {"name": {"first": person.first, "last": person.last}}
        assert f"| {person.profile_id} | {person.name} |" in text


def test_who_joined_left_and_returned() -> None:
    """X3a, d, b: one is new in the audience, one is gone, one was away in between and has a later
    qualification time.
    """
    first, second = members(STORY_AUDIENCE, EVALUATIONS[0]), members(STORY_AUDIENCE, EVALUATIONS[1])
    assert STORY["joined"].profile_id in second.keys() - first.keys()
    assert STORY["left"].profile_id in first.keys() - second.keys()
    assert STORY["housemate_left"].profile_id in first.keys() - second.keys()
    later = {name for name in first.keys() & second.keys() if second[name] != first[name]}
    assert STORY["returned"].profile_id in later
    assert second[STORY["returned"].profile_id] == datetime(2026, 11, 20, 17, 45, tzinfo=UTC)
    assert len(later) > 1, "and somebody whose week was over"


def test_nothing_happens_in_the_feed_between_evaluation_and_export() -> None:
    """X6: the visitors at 05:00 are those of 02:00, so that the story reads the same whenever it is exported."""
    for at in EVALUATIONS:
        assert members(STORY_AUDIENCE, at) == members(STORY_AUDIENCE, at + timedelta(hours=3))


def test_who_got_a_phone_and_whose_identities_only_turned() -> None:
    """X3c: one identity set grew by a phone; another is the same set in another order."""
    before, after = identity_sets(0), identity_sets(1)
    person = STORY["new_phone"].profile_id
    assert {namespace for namespace, _ in after[person] - before[person]} == {"Phone"}
    assert before[person] < after[person]
    turned = STORY["reordered"].profile_id
    assert before[turned] == after[turned]
    assert values(0, "identity_map")[turned] != values(1, "identity_map")[turned]
    assert sum(before[name] != after[name] for name in before.keys() & after.keys()) >= 10


def test_who_only_earned_points() -> None:
    """Only the loyalty column of that person differs between the days."""
    person = STORY["points_only"].profile_id
    one, other = (
        profiles(day).select(sorted(profiles(1).columns)).row(by_predicate=pl.col("profile_id") == person, named=True)
        for day in (0, 1)
    )
    assert {column for column in one if one[column] != other[column]} - {"churn_score"} == {"loyalty"}
    assert other["loyalty"]["points"] > one["loyalty"]["points"]


def test_who_gained_or_lost_an_address_and_who_was_deleted() -> None:
    """M2 and X12: an address that appears, one that goes, a profile that goes; all three stay in the feed."""
    second = members(STORY_AUDIENCE, EVALUATIONS[1])
    gained, lost, deleted = (STORY[role].profile_id for role in ("email_gained", "email_lost", "deleted"))
    assert {gained, lost, deleted} <= second.keys()
    assert values(1, "email")[gained]
    assert values(0, "email")[lost]
    assert values(1, "email")[lost] is None
    assert deleted not in values(1, "email")


def test_who_withdrew_consent() -> None:
    """G4: a visitor on both days whose profile differs in the answer about e-mail alone; others withdraw and consent
    too, and all answers of the policy's column occur, null as well.
    """
    person = STORY["withdrew"].profile_id
    assert person in members(STORY_AUDIENCE, EVALUATIONS[1])
    one, other = (
        profiles(day).select(sorted(profiles(1).columns)).row(by_predicate=pl.col("profile_id") == person, named=True)
        for day in (0, 1)
    )
    assert {column for column in one if one[column] != other[column]} - {"churn_score"} == {"consents"}
    answers = pl.col("consents").struct.field("marketing").struct.field("email").struct.field("val")
    before, after = (dict(profiles(day).select("profile_id", answers).iter_rows()) for day in (0, 1))
    assert (before[person], after[person]) == ("y", "n")
    assert set(before.values()) == set(after.values()) == {"y", "n", "p", "vi", None}
    moves = {(before[name], after[name]) for name in before.keys() & after.keys() if before[name] != after[name]}
    assert {("y", "n"), ("n", "y")} <= moves


def test_the_housemates_share_an_address() -> None:
    """M3: the one who qualified later stands for both, and leaves."""
    first = members(STORY_AUDIENCE, EVALUATIONS[0])
    sam, alex = STORY["housemate"].profile_id, STORY["housemate_left"].profile_id
    assert values(0, "email")[sam] == values(0, "email")[alex] == values(1, "email")[sam]
    assert first[alex] > first[sam]
    assert sam in members(STORY_AUDIENCE, EVALUATIONS[1])


def test_black_friday_feed_is_ahead_of_the_rule() -> None:
    """X6: whoever signs up during a day has the tag on the next; some sign up, and off, after the second evaluation."""
    at_two, at_five = (members("black-friday", EVALUATIONS[1] + timedelta(hours=hours)) for hours in (0, 3))
    tagged = [{name for name, tags in values(day, "tags").items() if "black-friday" in (tags or [])} for day in (0, 1)]
    assert set(at_two) <= tagged[1]
    assert set(at_two) - tagged[0]
    assert set(at_five) - set(at_two) - tagged[1], "nobody signed up in the night"
    off = feed().filter(pl.col("audience_id") == "black-friday", pl.col("status") == "exited")
    assert off["last_qualification_time"].min() > EVALUATIONS[1]
    assert set(off["profile_id"]) <= tagged[0] & tagged[1]
    assert off.height == 1


# The values that break exports


def test_awkward_texts() -> None:
    """Quotes, commas, newlines, emoji, right-to-left, Cyrillic and CJK names, formulas, blanks at the ends."""
    texts = " ".join(
        str(value)
        for value in profiles(0).select(pl.col("person").struct.field("name").struct.unnest(), "address", "city").rows()
    )
    raw = "".join(value or "" for column in ("address", "city") for value in profiles(0)[column])
    for wanted in ('"Bob"', "Smith, Jr.", "🦊", "נועה", "محمد", "Щербак", "佐藤", "=Ana", "  Zoe\u0308  "):
        assert wanted in texts, wanted
    assert '"The Barn"' in raw
    assert "Flat 2\n14 Harbour Road\r\nRing twice" in raw
    assert profiles(0)["tags"].explode().is_in(['says "hi", twice']).any()


def test_awkward_ids_and_numbers() -> None:
    """Leading zeros (00042 and 42 are two people), integers, decimals and floats at the edge of their type."""
    table = profiles(0)
    assert {"42", "00042"} <= set(table["profile_id"])
    points = table["loyalty"].struct.field("points")
    assert (points.min(), points.max()) == (-(2**63), 2**63 - 1)
    assert (table["lifetime_value"].min(), table["lifetime_value"].max()) == (
        Decimal("-9999999999.99"),
        Decimal("9999999999.99"),
    )
    scores = table["churn_score"].to_list()
    assert {5e-324, 1.7976931348623157e308, float("inf"), float("-inf")} <= set(scores)
    assert table["churn_score"].is_nan().sum() == 1
    assert any(str(score) == "-0.0" for score in scores)
    assert {moment.microsecond % 1000 > 0 for moment in table["signup_at"]} == {True, False}


def test_empty_beside_null() -> None:
    """An empty string is not a null, an empty list neither: e-mail, address, tags, identity map, and a loyalty that is
    null as a whole.
    """
    table = profiles(0)
    for column in ("email", "address"):
        assert (table[column] == "").any(), column
        assert table[column].null_count() > 0, column
    for column in ("tags", "identity_map"):
        assert (table[column].list.len() == 0).any(), column
        assert table[column].null_count() > 0, column
    assert table["loyalty"].null_count() > 100


def test_addresses_shared_by_households() -> None:
    """M3 needs duplicates: some e-mail addresses belong to two people."""
    shared = profiles(0).filter(pl.col("email") != "").group_by("email").len().filter(pl.col("len") > 1)
    assert shared.height >= 20


def test_nobody_real_is_in_it() -> None:
    """E-mail addresses are of domains reserved for examples, phone numbers of ranges set aside for fiction."""
    for day in (0, 1):
        ids = profiles(day)["identity_map"].explode().struct.unnest()
        addresses = ids.filter(namespace="Email")["id"].drop_nulls()
        assert addresses.str.contains(r"^[a-z0-9.-]+@example\.(com|org|net)$").all()
        fiction = r"^\+(1\d{3}55501\d\d|447700900\d{3}|493023125\d{3}|3363998\d{4})$"
        assert ids.filter(namespace="Phone")["id"].str.contains(fiction).all()


# The YAML


def test_every_mapped_source_and_audience_exists() -> None:
    """What the destinations name is there: audiences, columns, fields of structs, namespaces."""
    schema = profiles(0).schema
    audiences = {path.stem for path in (WORKSPACE / "audiences").glob("*.yml")}
    for path in (WORKSPACE / "destinations").glob("*.yml"):
        destination = yaml.safe_load(path.read_text())
        for activation in destination["activations"]:
            assert activation["audience"] in audiences
            for column in activation.get("mapping", destination["mapping"]):
                assert _exists(column if isinstance(column, str) else column["source"], schema), column


def _exists(source: str, schema: pl.Schema) -> bool:
    first, _, rest = source.partition(".")
    if first == "segment_membership":
        return rest in {"status", "last_qualification_time"}
    if first == "identity_map":
        return any(namespace == rest for found in identity_sets(0).values() for namespace, _ in found)
    dtype = schema.get(first)
    for name in rest.split(".") if rest else []:
        dtype = {field.name: field.dtype for field in dtype.fields}.get(name) if isinstance(dtype, pl.Struct) else None
    return dtype is not None


def test_the_yaml_has_no_mistakes_and_shows_every_kind() -> None:
    """Every format, export mode, trigger and way to start a schedule is in the sample, and so is every kind of
    audience.
    """
    workspace = config.load(WORKSPACE, {})
    activations = workspace.activations
    assert {activation.format for activation in activations} == {"csv", "parquet", "json"}
    assert {activation.schedule.kind for activation in activations} == {
        "at",
        "every",
        "cron",
        "after_evaluation",
        "on_demand",
    }
    assert {activation.export for activation in activations} == {"full", "incremental"}
    assert {len(activation.deduplicate) for activation in activations} == {0, 1, 2}
    assert any(activation.identity_column for activation in activations)
    audiences = workspace.audiences.values()
    assert {(audience.from_feed, audience.where is not None) for audience in audiences} == {
        (False, True),
        (True, False),
        (True, True),
    }
    assert {measure.function for audience in audiences for measure in audience.measures} >= {
        "count",
        "sum",
        "count_distinct",
        "max",
        "last",
    }


def test_the_feed_is_read_as_the_story_tells_it() -> None:
    """D4: muster finds the same visitors since the same times as the story's own reading of the feed."""
    workspace = config.load(WORKSPACE, {})
    inputs = Inputs(workspace)  # holds the files open
    parts = finding.table_parts(inputs, workspace.memberships.path, "memberships", warn=pytest.fail)
    rows = feeds.read(parts, warn=pytest.fail)
    for at in EVALUATIONS:
        found = feeds.settle(feeds.rows_of(rows, STORY_AUDIENCE, at), at).filter(status="realized").collect()
        assert dict(found.select("profile_id", "last_qualification_time").iter_rows()) == members(STORY_AUDIENCE, at)
    inputs.close()
