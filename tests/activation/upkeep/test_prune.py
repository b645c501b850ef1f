"""`muster prune` and `retention`: old history goes, and every later command does what it would have done (E5, E6, S2,
S4, S5, F1).
"""

import os
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import kept_memberships
from support.shop import STATUS, Shop, identities, invoke, person, quick_folder

from muster.activation.instants import iso
from muster.activation.state import leftovers, state_paths
from muster.activation.state.ledger import baselines_table, deletion, evaluations_table, redeliveries_table
from muster.activation.state.ledger.database import Ledger

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 8
EVERY_LAST = {"evaluations": {"count": 1}, "runs": {"count": 1}}


def day(number: int) -> str:
    """A date."""
    return (START + timedelta(days=number)).strftime("%Y-%m-%d")


def new_shop(root: Path) -> Shop:
    """Audiences by rule and by reference; slots, evaluations, constant names, a failing place, files that two
    activations write.
    """
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}, "keep_exited": "3d"})
    shop.audience("all", where="vip")
    shop.audience("some", where="points > 1 AND audience.all")
    daily = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    following = {"audience": "some", "id": "following", "export": "incremental", "schedule": "after_evaluation"}
    often = {"audience": "some", "id": "often", "export": "full", "schedule": {"every": "12h"}, "skip_empty": True}
    asked = {"audience": "all", "id": "asked", "schedule": "on_demand"}
    shop.destination("crm", mapping=["profile_id", "email", STATUS], activations=[daily, following, often, asked])
    constant = {
        "url": "out/poll",
        "file_name": "latest_{activation}",
        "max_rows_per_file": 2,
        "mapping": ["profile_id"],
    }
    shop.destination("poll", **constant, activations=[daily | {"export": "full"}, following | {"export": "full"}])
    return shop


def people(number: int) -> list[dict[str, object]]:
    """The profiles of a day: they join, leave and return."""
    return [
        person(
            name,
            vip=(number + i) % 3 != 0,
            points=(number * (i + 1)) % 4,
            identity_map=identities(Email=[f"{name}{number // 3}@x"]),
        )
        for i, name in enumerate("abcdefg")
        if (number * 7 + i) % 5
    ]


def live(shop: Shop, number: int, work: str) -> None:
    """A day of the shop."""
    shop.profiles(day(number), people(number))
    blocked = shop.root / "out/crm"
    if "x" in work:  # a file stands where the folder of a destination belongs: its runs fail
        shutil.rmtree(blocked, ignore_errors=True)
        blocked.parent.mkdir(exist_ok=True)
        blocked.write_text("x")
    elif blocked.is_file():
        blocked.unlink()
    if "e" in work:
        shop.muster("evaluate", "--at", f"{day(number)}T02:00Z", *(["--no-exports"] if "n" in work else []))
    if "o" in work:
        shop.muster("export", "crm/asked", "--at", f"{day(number)}T03:00Z")
    if "r" in work:
        shop.muster("run", "--at", f"{day(number)}T06:00Z")


def facts(shop: Shop) -> dict[str, object]:
    """What commands did: files at destinations, and runs but for what the machine's clock says."""
    runs = [
        {key: value for key, value in run.items() if key not in {"started_at", "finished_at"}} for run in shop.runs()
    ]
    return {"files": shop.tree("out"), "runs": {run["run_id"]: run for run in runs}}


works = st.sampled_from(["er", "er", "r", "en", "ero", "erx", "rx", "e", "x", "enrx"])


@given(
    before=st.lists(works, min_size=1, max_size=DAYS),
    after=st.lists(works, min_size=1, max_size=4),
    count=st.integers(1, 2),
)
@settings(
    deadline=None, max_examples=3 * int(os.environ.get("MUSTER_SOAK", "1")), suppress_health_check=list(HealthCheck)
)
def test_whatever_was_pruned_what_follows_is_the_same(before: list[str], after: list[str], count: int) -> None:
    """After any history and any prune the next evaluations and runs leave the same files, byte for byte, and the same
    records.
    """
    with quick_folder() as folder:
        shop = new_shop(folder / "whole")
        for number, work in enumerate(before):
            live(shop, number, work)
        shutil.copytree(shop.root, folder / "pruned")
        other = Shop(
            folder / "pruned", **shop.settings, retention={"evaluations": {"count": count}, "runs": {"count": count}}
        )
        if (other.root / ".muster").exists():
            other.ok("prune", "--at", f"{day(len(before))}T00:00Z")
            other.ok("prune", "--at", f"{day(len(before))}T00:00Z")
            assert other.ok("state", "check", "--json").json["faults"] == []
        known = set(facts(shop)["runs"])
        for number, work in enumerate(after, start=len(before)):
            live(shop, number, work)
            live(other, number, work)
        whole, left = facts(shop), facts(other)
        assert left["files"] == whole["files"]
        kept = {run_id: run for run_id, run in whole["runs"].items() if run_id in left["runs"]}
        assert left["runs"] == kept
        assert set(whole["runs"]) - set(left["runs"]) <= known
        assert other.memberships() == shop.memberships() if (shop.root / ".muster/memberships/all").exists() else True


def _open(shop: Shop) -> closing[Ledger]:
    return closing(Ledger.open(shop.root / ".muster/ledger.sqlite"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop after eight ordinary days."""
    shop = new_shop(tmp_path_factory.mktemp("lived") / "shop")
    for number in range(DAYS):
        live(shop, number, "er")
    return shop


@pytest.fixture
def shop(lived: Shop, tmp_path: Path) -> Shop:
    """The same as one's own."""
    return Shop(Path(shutil.copytree(lived.root, tmp_path / "shop")), **lived.settings)


AT = ("--at", f"{day(DAYS)}T00:00Z")


def test_nothing_is_pruned_unless_asked(shop: Shop) -> None:
    """Without `retention` the command is refused and says what to write; a kind that is not named stays as a whole."""
    before = shop.tree(".muster")
    result = shop.muster("prune", *AT)
    assert (result.code, shop.tree(".muster").keys()) == (2, before.keys())
    assert "retention: {evaluations:" in result.err
    shop.set(retention={"runs": {"days": 2}})
    shape = shop.ok("prune", *AT, "--json").json
    assert (shape["evaluations"]["removed"], shape["runs"]["removed"] > 0) == (0, True)


def test_days_and_count_keep_what_either_keeps(shop: Shop) -> None:
    """The union: with five days and three evaluations, five days' stay; with one day and four, four."""
    files = shop.root / ".muster/memberships"
    shop.set(retention={"evaluations": {"days": 5, "count": 3}})
    shop.ok("prune", "--at", f"{day(DAYS - 1)}T02:00Z")
    assert len(list(files.iterdir())) == 6
    shop.set(retention={"evaluations": {"days": 1, "count": 4}})
    shop.ok("prune", "--at", f"{day(DAYS - 1)}T02:00Z")
    assert len(list(files.iterdir())) == 4


def test_a_dry_run_says_the_same_and_changes_nothing(shop: Shop) -> None:
    """`--dry-run` counts what the command then removes; the freed bytes are those of the files."""
    shop.set(retention=EVERY_LAST)
    poll = yaml.safe_load((shop.root / "destinations/poll.yml").read_text())
    shop.write("destinations/poll.yml", poll | {"activations": poll["activations"][1:]})
    for number in range(DAYS, DAYS + 3):  # what the first one delivered keeps a part of a block
        live(shop, number, "er")
    before = shop.tree(".muster")
    at = ("--at", f"{day(DAYS + 3)}T00:00Z")
    told = shop.ok("prune", *at, "--dry-run", "--json").json
    assert shop.tree(".muster") == before
    done = shop.ok("prune", *at, "--json").json
    assert {**told, "dry_run": False, "ledger_bytes": 0} == {**done, "ledger_bytes": 0}
    sizes = [
        {name: len(content) for name, content in tree.items() if name.endswith(".parquet")}
        for tree in (before, shop.tree(".muster"))
    ]
    anew = sizes[1].keys() - sizes[0].keys()
    assert (len(sizes[0]) - len(sizes[1]), sum(sizes[0].values()) - sum(sizes[1].values())) == (
        done["files"],
        done["bytes"],
    )
    assert anew
    assert done["evaluations"]["removed"] > 0
    assert done["runs"]["removed"] > 0


def test_settled_slots_stay_settled(shop: Shop) -> None:
    """S2: after the hardest prune nothing that was delivered is due again."""
    shop.set(retention=EVERY_LAST)
    shop.ok("prune", "--at", f"{day(DAYS + 300)}T00:00Z")
    before = shop.tree("out")
    assert "nothing is due" in shop.run(f"{day(DAYS - 1)}T06:00Z").out
    assert shop.tree("out") == before


def test_what_was_pruned_is_not_answered_with_something_older(shop: Shop) -> None:
    """X2, E6: an instant whose evaluation is gone is refused, never answered with one that stayed for a delivered set;
    so is forgetting.
    """
    (shop.root / "destinations/poll.yml").unlink()  # its activations are gone, their delivered sets stay
    crm = yaml.safe_load((shop.root / "destinations/crm.yml").read_text())
    shop.write(
        "destinations/crm.yml",
        crm | {"activations": [each for each in crm["activations"] if each.get("id") == "asked"]},
    )
    for number in range(DAYS, DAYS + 4):
        live(shop, number, "e")
    shop.set(retention=EVERY_LAST)
    shop.ok("prune", "--at", f"{day(DAYS + 4)}T00:00Z")
    with _open(shop) as ledger:
        times = [each.at for each in evaluations_table.list_all(ledger) if each.audience == "all"]
    assert [iso(each)[:10] for each in times] == [day(DAYS + 3), day(DAYS + 2), day(DAYS - 1)]
    result = shop.muster("export", "crm/asked", "--at", f"{day(DAYS + 1)}T03:00Z")
    assert result.code == 2
    assert f"evaluations up to {day(DAYS + 1)}T02:00:00Z were pruned" in result.err
    shop.ok("export", "crm/asked", "--at", f"{day(DAYS + 2)}T03:00Z")


def test_forgetting_stops_at_what_was_pruned(tmp_path: Path) -> None:
    """E6: an audience does not lose all its evaluations, which would let everybody enter anew."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    for number in range(4):
        shop.profiles(day(number), people(number))
        shop.evaluate(f"{day(number)}T02:00Z")
    shop.set(retention={"evaluations": {"count": 1}})
    shop.ok("prune", *AT)
    refused = shop.muster("evaluations", "forget", "--after", f"{day(1)}T02:00Z")
    assert refused.code == 2
    assert f"give --after {iso(START + timedelta(days=2, hours=2))} or later" in refused.err
    shop.ok("evaluations", "forget", "--after", f"{day(2)}T02:00Z")


def test_a_kill_before_the_files_are_removed_is_harmless(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger forgot, the files are there: the next command that writes removes them, and leaves no trace of the
    prune.
    """
    shop.set(retention=EVERY_LAST)
    with monkeypatch.context() as killed:
        killed.setattr(leftovers, "sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert shop.muster("prune", *AT).code == 130
    with _open(shop) as ledger:
        left = leftovers.unnamed_files(shop.root / ".muster", ledger)
    assert left
    shop.run(f"{day(DAYS - 1)}T06:30Z")
    with _open(shop) as ledger:
        assert leftovers.unnamed_files(shop.root / ".muster", ledger) == []
    assert not (shop.root / ".muster" / state_paths.PRUNING).exists()


def test_every_folder_of_the_state_is_swept() -> None:
    """A further kind of file is known to the prune, or it would be removed as nobody's, or stay for ever."""
    assert {*state_paths.NAMED_FOLDERS, "tmp"} == {*state_paths.FOLDERS, *state_paths.OF_BUILDS}


def test_shrinking_keeps_the_order_of_runs(shop: Shop) -> None:
    """9: runs of one slot are listed as they were begun: SQLite's VACUUM does not mix them."""
    with _open(shop) as ledger:
        order = [row["run_id"] for row in ledger.ask("SELECT run_id FROM runs ORDER BY rowid")]
        ledger.shrink()
        assert [row["run_id"] for row in ledger.ask("SELECT run_id FROM runs ORDER BY rowid")] == order


@pytest.mark.parametrize(
    ("retention", "message"),
    [
        ({"evaluations": {"days": 0}}, "retention.evaluations.days: '0' is not a whole number of at least 1"),
        ({"runs": {"days": 99999}}, "retention.runs.days: '99999' is too long; expected at most 73,200 days"),
        ({"runs": {}}, "retention.runs: is empty; expected days or count"),
        ({"runs": {"day": 3}}, "unknown key; did you mean 'days'?"),
        ({"rejects": {"days": 3}}, "unknown key"),
    ],
)
def test_mistakes_in_retention(tmp_path: Path, retention: dict[str, object], message: str) -> None:
    """SPEC 10: exit 2, the key, what was expected."""
    shop = new_shop(tmp_path)
    shop.set(retention=retention)
    result = invoke("-C", str(tmp_path), "validate")
    assert result.code == 2
    assert message in result.err


def test_a_replaced_audience_leaves_its_block(shop: Shop) -> None:
    """E6, E8: `evaluate --replace` of one audience writes the block of the others anew; forgetting removes blocks."""
    shop.profiles(day(DAYS), people(DAYS))
    at = f"{day(DAYS)}T02:00Z"
    shop.evaluate(at, "--no-exports")
    before = {name: kept_memberships.newest(shop.root / ".muster", name) for name in ("all", "some")}
    shop.evaluate(at, "--audience", "all", "--replace", "--no-exports")
    blocks = {
        path.name: pl.read_parquet_schema(path).names()[1::2]
        for path in sorted((shop.root / ".muster/memberships").glob(f"{day(DAYS).replace('-', '')}*"))
    }
    assert sorted(blocks.values()) == [["realized:all"], ["realized:some"]]
    assert all(kept_memberships.newest(shop.root / ".muster", name).equals(each) for name, each in before.items())
    assert shop.ok("state", "check", "--json").json["faults"] == []
    shop.ok("evaluations", "forget", "--after", f"{day(DAYS - 1)}T12:00Z")
    assert not [name for name in blocks if (shop.root / ".muster/memberships" / name).exists()]


def test_a_replaced_evaluation_goes_on_from_the_one_before(tmp_path: Path) -> None:
    """E6: `evaluate --replace` at the newest instant needs the evaluation before it, which is kept: nobody
    enters anew.
    """
    shop = Shop(tmp_path, retention={"evaluations": {"count": 1}})
    shop.audience("all", where="true")
    for number in range(3):
        shop.profiles(day(number), [person("a")])
        shop.evaluate(f"{day(number)}T02:00Z", "--audience", "all")
    shop.ok("prune", *AT)
    shop.evaluate(f"{day(2)}T02:00Z", "--audience", "all", "--replace")
    assert shop.memberships() == {"a": f"realized {day(0)}T02:00:00Z"}


def _succeeded(shop: Shop) -> list[str]:
    """The runs that did, oldest slot first."""
    return [run["run_id"] for run in shop.runs() if run["status"] == "succeeded"]


def test_what_cannot_be_replayed_any_more_is_refused(tmp_path: Path) -> None:
    """X2, X3: `reconcile` takes no history for whole of which runs were pruned, in its middle or at its start; a full
    export mends that.
    """
    shop = Shop(tmp_path, retention=EVERY_LAST)
    shop.audience("all", where="true")
    shop.crm(schedule={"at": ["05:00", "17:00"]})
    for number, ids in enumerate(("ab", "ac", "acd")):
        shop.day(day(number), [person(each) for each in ids])
    shop.run(f"{day(2)}T17:00Z")
    ask = ("reconcile", "crm/all", "--at", f"{day(2)}T18:00Z")
    shop.ok(*ask)
    first, second, third, last = _succeeded(shop)
    with _open(shop) as ledger, ledger.transaction():
        deletion.forget(ledger, [], [second])
    assert f"runs up to {second} were pruned" in shop.muster(*ask).err
    shop.ok("prune", "--at", f"{day(2)}T17:00Z")
    assert first not in _succeeded(shop)
    assert _succeeded(shop)[-1] == last
    result = shop.muster(*ask)
    assert (result.code, f"runs up to {third} were pruned" in result.err) == (2, True)
    shop.ok("baseline", "reset", "crm/all")
    shop.day(day(3), [person("a")])
    assert shop.ok("reconcile", "crm/all", "--at", f"{day(3)}T06:00Z", "--json").json["missing"] == 0


def test_what_pruned_runs_removed_is_not_missed(tmp_path: Path) -> None:
    """F1: `verify` knows that a file under a constant name was replaced, though the run that removed it was pruned; the
    newest stay.
    """
    shop = Shop(tmp_path, retention=EVERY_LAST)
    shop.audience("all", where="true")
    shop.crm(
        mapping=["profile_id"],
        max_rows_per_file=2,
        file_name="latest",
        export="full",
        schedule={"at": ["05:00", "17:00"]},
    )
    for number, ids in enumerate(("abc", "ab")):
        shop.day(day(number), [person(each) for each in ids])
    shop.run(f"{day(1)}T17:00Z")
    first, _, third = _succeeded(shop)
    shop.ok("prune", "--at", f"{day(1)}T18:00Z")
    assert _succeeded(shop) == [first, third]
    assert [run["result"] for run in shop.ok("verify", "--all", "--json").json] == ["intact", "replaced"]
    (shop.root / "out/crm/latest.csv").unlink()
    assert [run["result"] for run in shop.muster("verify", "--all", "--json").json] == ["differs", "replaced"]


def test_a_number_of_a_pruned_run_does_not_come_again(tmp_path: Path) -> None:
    """F1: the order of those that succeed goes on where it was, though the last of them is forgotten."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm()
    for number in range(3):
        shop.day(day(number), [person("a")])
    first, second, third = _succeeded(shop)
    with _open(shop) as ledger, ledger.transaction():
        baselines_table.delete(ledger, "crm", "all")
        deletion.forget(ledger, [], [third])
        deletion.forget(ledger, [], [first])
    shop.day(day(3), [person("a")])
    with _open(shop) as ledger:
        assert [row["success"] for row in ledger.ask("SELECT success FROM runs WHERE success ORDER BY 1")] == [2, 4]
        assert deletion.last_pruned_run(ledger, "crm", "all", second) == third
        assert deletion.last_pruned_run(ledger, "crm", "all", shop.runs()[-1]["run_id"]) is None


def test_a_run_whose_redelivery_was_killed_stays(tmp_path: Path) -> None:
    """F3: until the next `run` has removed its temporary files, which are known by the run alone."""
    shop = Shop(tmp_path, retention=EVERY_LAST)
    shop.audience("all", where="true")
    shop.crm(export="full")
    for number in range(4):
        shop.day(day(number), [person("a")])
    first = shop.runs()[0]["run_id"]
    with _open(shop) as ledger, ledger.transaction():
        redeliveries_table.begin(ledger, first, START)
    hidden = shop.root / f"out/crm/.{first}.1.tmp"
    hidden.write_text("profile_id")
    shop.ok("prune", *AT)
    assert first in {run["run_id"] for run in shop.runs()}
    shop.run(f"{day(3)}T06:00Z")
    assert not hidden.exists()
    shop.ok("prune", *AT)
    assert first not in {run["run_id"] for run in shop.runs()}


@pytest.mark.parametrize("taken", [False, True])
def test_files_under_constant_names_are_still_known(tmp_path: Path, taken: bool) -> None:
    """F1: back at an earlier url, files that are not replaced are removed as if nothing was pruned, but another
    activation's are not.
    """
    shop = Shop(tmp_path, retention=EVERY_LAST)
    shop.audience("all", where="true")
    options = {"mapping": ["profile_id"], "max_rows_per_file": 1, "file_name": "latest"}
    shop.crm(**options, export="full")
    shop.day(day(0), [person("a"), person("b")])
    assert shop.files() == ["crm/latest.csv", "crm/latest_2.csv"]
    if taken:  # another one writes these names at the same place, and then goes elsewhere too
        (shop.root / "destinations/crm.yml").unlink()
        shop.destination(
            "other",
            url="out/crm",
            **options,
            activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
        )
        shop.day(day(1), [person("a"), person("b")], key="other/all")
        shop.destination(
            "other",
            url="out/x",
            **options,
            activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
        )
    shop.crm(**options, export="full", url="out/y")
    for number in (2, 3):
        shop.day(day(number), [person("a"), person("b")])
    shop.ok("prune", *AT)
    shop.crm(**options, export="full")
    shop.day(day(4), [person("a")])
    assert [name for name in shop.files() if name.startswith("crm/")] == [
        "crm/latest.csv",
        *(["crm/latest_2.csv"] if taken else []),
    ]
