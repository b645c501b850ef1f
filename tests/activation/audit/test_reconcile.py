"""`muster reconcile`: the delivered files, replayed as a receiver would, give whom the ledger says; who differs is
named (X2, X3, X8).
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import model, random_histories
from support.random_histories import MORE, History, mapped
from support.shop import STATUS, Result, Shop, identities, person

from muster.activation.audit.reconcile import Reconciled
from muster.runs import list_baselines, open_workspace, reconcile

DAYS = {
    "2026-11-20": "abc",
    "2026-11-21": "abd",  # c leaves, d joins
    "2026-11-22": "bcd",  # a leaves, c is back
    "2026-11-23": "bcde",
}


def shop(folder: Path, days: dict[str, str] = DAYS, **destination: Any) -> Shop:
    """A shop with some days of people who come and go."""
    made = Shop(folder / "shop")
    made.audience("all", where="vip")
    made.crm(**destination)
    for day, people in days.items():
        live(made, day, [person(name) for name in people])
    return made


def live(made: Shop, day: str, people: Sequence[dict[str, Any]]) -> None:
    """One day."""
    made.profiles(day, people)
    made.evaluate(f"{day}T02:00Z")
    made.run(f"{day}T05:00Z")


def file_of(made: Shop, run: int) -> Path:
    """The file of a scheduled run, by its number."""
    scheduled = [each for each in made.runs("crm/all") if each["trigger"] != "on_demand"]
    return made.root / scheduled[run]["files"][0]["path"]


def change(path: Path, *replacements: tuple[str, str]) -> None:
    """Put texts in the place of others, each of which is there once."""
    text = path.read_text()
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)


def ask(made: Shop, *arguments: str) -> Result:
    """`reconcile crm/all` at the end of the story."""
    return made.muster("reconcile", "crm/all", "--at", "2026-11-23T06:00Z", *arguments)


def differing(made: Shop) -> list[tuple[str | None, str, int | None]]:
    """Who differs, how, and since the run of which number."""
    result = ask(made, "--json")
    numbers = {each["run_id"]: number for number, each in enumerate(made.runs("crm/all"))}
    assert result.code == (1 if result.json["differing"] else 0)
    return [(each["profile_id"], each["differs"], numbers.get(each["since"])) for each in result.json["differing"]]


# Nothing differs


@pytest.mark.parametrize(
    "destination",
    [
        {},
        {"export": "full"},
        {"export": "full", "file_name": "people"},
        {"format": "json", "compression": "gzip"},
        {"format": "parquet"},
        {"max_rows_per_file": 1, "compression": "zstd"},
        {"csv": {"header": False, "quote_style": "always", "delimiter": ";"}},
        {"skip_empty": True},
        {"deduplicate": ["email"]},
        {"deduplicate": ["email"], "mapping": ["email", STATUS]},
    ],
    ids=str,
)
def test_a_history_gives_the_delivered_set(destination: dict[str, Any], tmp_path: Path) -> None:
    """X8: joiners, leavers and those who come back, in every form of file; nothing is written, no lock is taken."""
    made = shop(tmp_path, **destination)
    before = made.tree()
    result = ask(made, "--json")
    assert result.code == 0
    found = result.json
    assert [found[key] for key in ("receiver", "delivered", "desired", "missing", "extra", "to_come", "to_go")] == [
        4,
        4,
        4,
        0,
        0,
        0,
        0,
    ]
    assert (found["altered"], found["notes"], found["differing"]) == ([], [], [])
    assert found["runs"] == (1 if destination.get("export") == "full" else 4)
    assert made.tree() == before


def test_what_the_next_export_will_bring_is_told(tmp_path: Path) -> None:
    """Today's desired set may be ahead of what was delivered, which is no difference."""
    made = shop(tmp_path)
    made.profiles("2026-11-24", [person(name) for name in "bxyz"])
    made.evaluate("2026-11-24T02:00Z")
    result = made.ok("reconcile", "crm/all", "--at", "2026-11-24T03:00Z", "--json")
    assert [result.json[key] for key in ("desired", "to_come", "to_go")] == [4, 3, 3]


def test_on_demand_files_do_not_count(tmp_path: Path) -> None:
    """X7: an extra copy changes nothing, and may be gone."""
    made = shop(tmp_path)
    made.ok("export", "crm/all", "--at", "2026-11-23T06:00Z")
    [extra] = [name for name in made.files("crm") if "on_demand" in name]
    (made.root / "out" / extra).unlink()
    assert differing(made) == []


def test_a_reset_starts_anew(tmp_path: Path) -> None:
    """X9: after a reset the first export holds everybody, and what was sent before it means nothing; until then nothing
    can be compared.
    """
    made = shop(tmp_path)
    made.ok("baseline", "reset", "crm/all")
    result = ask(made)
    assert (result.code, "its baseline was reset" in result.err) == (2, True)
    live(made, "2026-11-24", [person(name) for name in "xy"])
    for run in range(4):
        file_of(made, run).unlink()
    found = made.ok("reconcile", "crm/all", "--at", "2026-11-24T06:00Z", "--json").json
    assert (found["runs"], found["receiver"]) == (1, 2)


def test_without_status_leavers_are_kept(tmp_path: Path) -> None:
    """X3d: no file tells who left, so that a receiver keeps them: told, and no difference; who was delivered and is
    missing is one.
    """
    made = shop(tmp_path, mapping=["profile_id", "email"])
    result = ask(made, "--json")
    assert (result.code, result.json["untold"], result.json["extra"], result.json["receiver"]) == (0, 1, 0, 5)
    assert "the receiver keeps them" in ask(made).out
    change(file_of(made, 3), ("e,e@x.com\n", ""))
    assert differing(made) == [("e", "missing", 3)]


def test_identities(tmp_path: Path) -> None:
    """M5: a person has a row for each identity, and those that wander between people are at the receiver once."""
    made = Shop(tmp_path / "shop")
    made.audience("all", where="vip")
    made.crm(mapping=["identity_map.Email", STATUS])
    days: dict[str, dict[str, list[str]]] = {
        "2026-11-20": {"a": ["1", "2"], "b": ["3"]},
        "2026-11-21": {"a": ["2"], "b": ["1", "3"]},
        "2026-11-22": {"b": ["3"], "c": ["1", "4"]},
        "2026-11-23": {"a": ["2"], "c": ["1", "4"], "d": ["5"]},
    }
    for day, people in days.items():
        live(made, day, [person(name, identity_map=identities(Email=ids)) for name, ids in people.items()])
    result = ask(made, "--json")
    assert (result.code, result.json["known_by"], result.json["receiver"]) == (0, "identity", 4)
    change(file_of(made, 3), ("5,realized\n", ""), ("2,realized\n", "9,realized\n"))
    assert differing(made) == [(None, "extra", None), ("a", "missing", 3), ("d", "missing", 3)]


@settings(
    max_examples=3 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)
@given(st.sampled_from(tuple(random_histories.AUDIENCES)), st.integers(0, 3), random_histories.histories(3))
def test_random_histories_are_equal(audience: str, kind: int, history: History) -> None:
    """X2, X3, X8, M3, M5: whatever happens, the files of an activation give its delivered set: by id, by key, by
    identity, in full.
    """
    mappings: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("profile_id", "email!", "segment_membership.status"), ()),
        (("profile_id", "household", "email!", "segment_membership.status"), ("household",)),
        (("household!", "segment_membership.status"), ("household",)),
        (("identity_map.Email", "city!", "segment_membership.status"), ()),
    ]
    columns, keys = mappings[kind]
    activations = tuple(
        model.Activation(f"crm/{name}", audience, name != "full", hours, mapped(*columns), keys)
        for name, hours in {"hourly": 1, "follows": 0, "full": 1}.items()
    )
    with random_histories.shop(history, activations, csv={"null_value": "NULL"}) as made:
        for tick in history.ticks:
            random_histories.live(made, tick, activations)
        for each in activations:
            workspace = open_workspace(made.root)
            if any(each.key == f"{one.destination}/{one.activation}" for one in list_baselines(workspace)):
                _agrees(reconcile(workspace, each.key, now=history.ticks[-1].at))


def _agrees(found: Reconciled) -> None:
    assert (found.missing, found.extra, found.untold) == (0, 0, 0)
    assert found.differing.is_empty()
    assert found.receiver == found.delivered


# Somebody differs


TAMPERED: dict[str, tuple[int, tuple[tuple[str, str], ...], list[tuple[str | None, str, int | None]]]] = {
    "a first row is gone": (0, (("b,b@x.com,realized\n", ""),), [("b", "missing", 0)]),
    "a joiner is gone": (1, (("d,d@x.com,realized\n", ""),), [("d", "missing", 1)]),
    "one who came back is gone": (2, (("c,c@x.com,realized\n", ""),), [("c", "missing", 2)]),
    "a leaver is gone": (2, (("a,,exited\n", ""),), [("a", "extra", 2)]),
    "a leaver stays": (2, (("a,,exited\n", "a,,realized\n"),), [("a", "extra", 2)]),
    "a joiner is told to go": (3, (("e,e@x.com,realized\n", "e,e@x.com,exited\n"),), [("e", "missing", 3)]),
    "a stranger": (1, (("d,d@x.com,realized\n", "d,d@x.com,realized\nz,z@x.com,realized\n"),), [("z", "extra", 1)]),
    "another id": (0, (("b,b@x.com", "B,b@x.com"),), [("B", "extra", 0), ("b", "missing", 0)]),
    "it healed since": (1, (("c,,exited\n", ""),), []),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_who_differs_and_since_which_run(case: str, tmp_path: Path) -> None:
    """A file that somebody changed: exactly those who differ at the end, since the run whose file it is; the file is
    named.
    """
    run, replacements, expected = TAMPERED[case]
    made = shop(tmp_path)
    path = file_of(made, run)
    change(path, *replacements)
    assert differing(made) == expected
    result = ask(made, "--json")
    assert result.json["altered"] == [str(path.relative_to(made.root))]


def test_ids_are_shown_only_when_asked_for(tmp_path: Path) -> None:
    """Counts and the run always; ids with -v and in --json, as many as --limit says; no other value of a file
    at all.
    """
    made = shop(tmp_path)
    change(file_of(made, 0), ("b,b@x.com,realized\n", "b1,b@x.com,realized\nb2,b@x.com,realized\n"))
    run = made.runs("crm/all")[0]["run_id"]
    plain, verbose, quiet = ask(made), ask(made, "-v", "--limit", "2"), ask(made, "-q")
    assert "lacks 1 who were delivered and has 2 who were not" in plain.err
    assert run in plain.err
    assert "b1" not in plain.out + plain.err
    assert "b1" in verbose.out
    assert "and 1 more" in verbose.out
    assert "row 2" in verbose.out
    assert (quiet.code, quiet.out) == (1, "")
    assert "x.com" not in plain.out + plain.err + verbose.out + verbose.err
    assert [len(ask(made, "--json", "--limit", str(n)).json["differing"]) for n in (0, 1, 9)] == [0, 1, 3]


def test_since_when_is_left_open_where_it_cannot_be_told(tmp_path: Path) -> None:
    """X6: a feed's members are brought up to date at each export, so nobody knows whom an earlier run wanted."""
    made = Shop(tmp_path / "shop")
    made.profiles("2026-11-20", [person(name) for name in "abc"])
    made.audience("all", source="memberships")
    made.crm()
    made.feed([("all", name, "realized", "2026-11-19T00:00Z") for name in "ab"])
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        made.evaluate(f"{day}T02:00Z")
        made.run(f"{day}T05:00Z")
    change(file_of(made, 0), ("b,b@x.com,realized\n", ""))
    assert differing(made) == [("b", "missing", None)]


# What cannot be done


def _gone(made: Shop) -> str:
    file_of(made, 1).unlink()
    return f"out/crm/{file_of(made, 1).name}: missing; run {made.runs('crm/all')[1]['run_id']} delivered it"


def _damaged(made: Shop) -> str:
    file_of(made, 2).write_bytes(file_of(made, 2).read_bytes()[:-4])
    return "row 2 has no line end"


def _strange(made: Shop) -> str:
    change(file_of(made, 2), ("a,,exited", "a,,left"))
    return "row 1 has a status that is neither realized nor exited"


def nothing_recorded(made: Shop) -> None:
    """All runs as a muster left them that kept no recipes."""
    with closing(sqlite3.connect(made.root / ".muster/ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE runs SET decision = NULL, recipe = NULL, snapshot = NULL")


def _other_columns(made: Shop) -> str:
    nothing_recorded(made)
    made.crm(mapping=["profile_id", STATUS])
    return "the ledger does not record how the files of run"


def _no_key(made: Shop) -> str:
    made.crm(mapping=["email", STATUS])
    for path in (made.root / ".muster", made.root / "out"):
        path.rename(path.with_name(f"old-{path.name}"))
    live(made, "2026-11-23", [person("a")])
    return "the files have no column that identifies a person"


def _unknown(made: Shop) -> str:
    made.crm(activations=[])
    return "there is no activation 'crm/all'"


def _never(made: Shop) -> str:
    (made.root / ".muster").rename(made.root / "old")
    return "it has delivered nothing on its schedule"


@pytest.mark.parametrize("harm", [_gone, _damaged, _strange, _other_columns, _no_key, _unknown, _never])
def test_what_cannot_be_replayed_is_refused(harm: Callable[[Shop], str], tmp_path: Path) -> None:
    """Exit 2, and the reason: a file of the history is gone or damaged, or its rows do not tell people apart."""
    made = shop(tmp_path)
    words = harm(made)
    result = ask(made)
    assert result.code == 2
    assert words in result.err
    assert "x.com" not in result.err
    assert "Traceback" not in result.err


def test_every_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """All of them at once."""
    made = shop(tmp_path)
    names = [file_of(made, run).name for run in (0, 2)]
    for name in names:
        (made.root / "out/crm" / name).unlink()
    result = ask(made)
    assert all(f"{name}: missing" in result.err for name in names)


def test_increments_under_a_constant_name_cannot_be_replayed(tmp_path: Path) -> None:
    """F1: each export replaced the one before: which run the files begin with, and the counts of the others, are told;
    one run can be.
    """
    made = shop(tmp_path, {"2026-11-20": "abc"}, file_name="people")
    assert made.ok("reconcile", "crm/all", "--at", "2026-11-20T06:00Z", "--json").json["receiver"] == 3
    live(made, "2026-11-21", [person(name) for name in "abd"])
    result = ask(made)
    first, second = (run["run_id"] for run in made.runs("crm/all"))
    assert result.code == 2
    assert f"of 2 runs since {first} the files begin with {second}" in result.err
    assert "3 realized first, then 1 realized and 1 exited in 1 run" in result.err


def test_a_moved_baseline_is_replayed_by_the_name_that_made_it(tmp_path: Path) -> None:
    """X9: a baseline that was handed over belongs to runs of another name; what goes on from it cannot be replayed
    alone.
    """
    made = shop(tmp_path)
    entry = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    made.crm(activations=[entry | {"id": "new"}])
    made.ok("baseline", "move", "crm/all", "crm/new")
    assert made.ok("reconcile", "crm/new", "--at", "2026-11-23T06:00Z", "--json").json["receiver"] == 4
    nothing_recorded(made)
    assert "the ledger does not record how the files of run" in made.muster("reconcile", "crm/new").err
    made.crm(activations=[entry | {"id": "new"}, entry | {"audience": "all", "schedule": "on_demand"}])
    assert made.ok("reconcile", "crm/new", "--at", "2026-11-23T06:00Z", "--json").json["receiver"] == 4
    live(made, "2026-11-24", [person(name) for name in "bcdef"])
    assert "goes on from a baseline that was moved here" in made.muster("reconcile", "crm/new").err


def test_desired_that_cannot_be_told_does_not_stop_the_rest(tmp_path: Path) -> None:
    """Without the snapshot the delivered set is compared all the same."""
    made = shop(tmp_path)
    for part in (made.root / "data/profiles").rglob("*.parquet"):
        part.unlink()
    result = ask(made, "--json")
    assert (result.code, result.json["desired"], result.json["missing"]) == (0, None, 0)
    assert "is not known" in result.json["notes"][0]


def test_a_damaged_delivered_set_is_told(tmp_path: Path) -> None:
    """SPEC 10: a state file that differs is refused, not used."""
    made = shop(tmp_path, deduplicate=["email"])
    [stored] = (made.root / ".muster/baselines/crm/all").iterdir()
    pl.DataFrame({"profile_id": ["a"]}).write_parquet(stored)
    result = ask(made)
    assert (result.code, "the state is damaged" in result.err) == (2, True)
