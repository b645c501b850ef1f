"""S8: a machine whose clock was wrong. What each command says of it, and the way back."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import STATUS, Shop, identities, person, quick_folder

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
FOLLOWING = {"audience": "all", "id": "follows", "export": "incremental", "schedule": "after_evaluation"}
WRONG = "2062-01-01T05:00Z"


def shop_with(root: Path, *activations: dict[str, Any], **content: Any) -> Shop:
    """A shop that evaluates at 02:00 and exports at 05:00, of two people on 2026-11-01."""
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where="vip")
    shop.crm(activations=list(activations or [DAILY]), **content)
    shop.profiles("2026-11-01", [person("a"), person("b")])
    return shop


def mistaken(root: Path, *activations: dict[str, Any], **content: Any) -> Shop:
    """That shop after a run on 2026-11-01, and one in 2062 that found `a` gone and `c` come."""
    shop = shop_with(root, *activations, **content)
    shop.run("2026-11-01T05:00Z")
    shop.profiles("2026-11-02", [person("a", vip=False), person("b"), person("c")])
    shop.run(WRONG)
    return shop


def rewind(shop: Shop, to: str) -> dict[str, Any]:
    done: dict[str, Any] = shop.ok("state", "rewind", "--to", to, "--json").json
    assert shop.ok("state", "check", "--json").json["faults"] == []
    return done


# What commands say


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--at", "2026-11-02T05:00Z"],
        ["plan", "--at", "2026-11-02T05:00Z", "--json"],
        ["schedule", "list", "--at", "2026-11-02T05:00Z", "--json"],
        ["schedule", "next", "--json"],
        ["schedule", "crontab"],
        ["runs", "list", "--json"],
        ["audiences", "list", "--json"],
        ["audiences", "show", "all", "--json"],
        ["evaluations", "list"],
        ["runs", "rejects", "crm/all"],
        ["status", "--at", "2026-11-02T05:00Z", "--json"],
        ["baseline", "show", "--json"],
        ["destinations", "list", "--json"],
        ["state", "check", "--json"],
        ["state", "backup", "backup.tar", "--json"],
        ["verify", "--json"],
        ["reconcile", "crm/all", "--json"],
        ["validate"],
    ],
    ids=" ".join,
)
def test_every_command_says_that_the_ledger_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """S8: when the ledger holds times more than a minute after the command's, each command says what they are, by how
    much, and the way back; once, on stderr, so that JSON stays JSON, and with `-q` too, as cron runs it.
    """
    shop = mistaken(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    result = shop.muster(*command)
    assert result.err.count("the state is ahead of") == 1
    assert "it has evaluations, runs and delivered sets up to 2062-01-01T05:00:00Z" in result.err
    assert "35 years later" in result.err
    assert "`muster state rewind --to 20" in result.err
    if "--json" in command:
        assert result.json is not None
    quiet = shop.muster("-q", *("again.tar" if word == "backup.tar" else word for word in command))
    assert quiet.err.count("the state is ahead of") == 1


def test_a_ledger_that_is_still_ahead_is_told_by_the_ways_back(tmp_path: Path) -> None:
    """S8, E6: `evaluations forget` says it too, of what is ahead when it is done."""
    shop = shop_with(tmp_path)
    shop.evaluate("2061-01-01T05:00Z")
    shop.evaluate("2062-01-01T05:00Z")
    assert "up to 2061-01-01T05:00:00Z" in shop.ok("evaluations", "forget", "--after", "2061-06-01").err
    assert "ahead" not in shop.ok("evaluations", "forget", "--after", "2026-11-01").err


def test_status_is_measured_at_its_own_instant(tmp_path: Path) -> None:
    """S8, 9: `status --at T` tells what is later than T, calls that not sound, and shows the year of far times."""
    shop = mistaken(tmp_path)
    shown = shop.ok("status", "--at", "2061-01-01T05:00Z")
    assert "the state is ahead of 2061-01-01T05:00:00Z" in shown.err
    assert shown.out.splitlines()[0].endswith("Z: state ahead of this time")
    assert "2062-01-01 05:00" in shown.out
    found = shop.ok("status", "--at", "2061-01-01T05:00Z", "--json").json
    assert (found["state_ahead"], found["sound"]) == (True, False)
    assert not shop.ok("status", "--at", WRONG, "--json").json["state_ahead"]


def test_clocks_that_differ_by_a_minute_are_not_told(tmp_path: Path) -> None:
    """S8: times up to a minute after the command's are no sign of a wrong clock; later ones are."""
    shop = shop_with(tmp_path)
    shop.run("2026-11-01T05:00Z")
    assert "ahead" not in shop.muster("plan", "--at", "2026-11-01T04:59Z").err
    assert "1 minute later" in shop.muster("plan", "--at", "2026-11-01T04:58:59Z").err
    assert "1 day later" in shop.muster("plan", "--at", "2026-10-31T00:00Z").err


def test_a_start_in_the_future_is_no_wrong_clock(tmp_path: Path) -> None:
    """S2, S8: a schedule that starts next year is seen today, which is no time ahead of the clock."""
    shop = shop_with(tmp_path, DAILY | {"schedule": {"at": "05:00", "start": "2062-01-01"}})
    shop.run("2026-11-01T05:00Z")
    assert "ahead" not in shop.muster("plan", "--at", "2026-11-01T06:00Z").err
    assert shop.ok("state", "rewind", "--to", "2026-11-01T06:00Z").out == (
        "nothing is later than 2026-11-01T06:00:00Z: the state is as it was\n"
    )


# The way back


def test_a_rewind_brings_the_next_slots_back_and_resends_nobody(tmp_path: Path) -> None:
    """S8: one run in 2062 silences a workspace until it is rewound; then the next slots run, and their files hold what
    changed since the run in 2062, and nobody again.
    """
    shop = mistaken(tmp_path)
    assert shop.sent("crm/all") == ["a,a@x.com,exited", "c,c@x.com,realized"]
    for moment in ("2026-11-02T05:00Z", "2026-11-02T06:00Z"):
        silenced = shop.run(moment)
        assert "nothing is due" in silenced.out
        assert "`muster state rewind --to 2026-11-02T0" in silenced.err
    assert rewind(shop, "2026-11-02T06:00Z") == {
        "to": "2026-11-02T06:00:00Z",
        "evaluations": 1,
        "evaluations_removed": 0,
        "memberships": 2,
        "delivered_sets": 1,
        "delivered_profiles": 1,
        "activations": 0,
        "failures": 0,
        "runs": 2,
        "builds": 0,
    }
    assert shop.memberships() == {
        "a": "exited 2026-11-02T06:00:00Z",
        "b": "realized 2026-11-01T05:00:00Z",
        "c": "realized 2026-11-02T06:00:00Z",
    }
    again = shop.run("2026-11-02T06:01Z")
    assert again.err == ""
    assert shop.rows("crm/crm_all_20261102T050000Z.csv") == []
    shop.profiles("2026-11-03", [person("a"), person("b"), person("c", vip=False)])
    shop.run("2026-11-03T05:00Z")
    assert shop.sent("crm/all", 0) == ["a,a@x.com,realized", "b,b@x.com,realized"]
    assert shop.lines("crm/crm_all_20261103T050000Z.csv") == ["a,a@x.com,realized", "c,c@x.com,exited"]


def test_runs_of_later_slots_keep_their_record_and_settle_nothing(tmp_path: Path) -> None:
    """S8: a rewound run keeps id, times and status, and is marked; `runs list` shows the mark; others say false."""
    shop = mistaken(tmp_path)
    before = {run["run_id"]: run for run in shop.runs()}
    rewind(shop, "2026-11-02T06:00Z")
    after = {run["run_id"]: run for run in shop.runs()}
    assert [run["rewound"] for run in after.values()] == [False, True, True]
    assert {name: run | {"rewound": False} for name, run in after.items()} == before
    assert shop.ok("runs", "list", "--all").out.count("rewound") == 2


@pytest.mark.parametrize("is_sent", [False, True], ids=["failed", "sent"])
def test_a_slot_that_a_rewound_run_superseded_is_due_again(tmp_path: Path, is_sent: bool) -> None:
    """S6, S8: a run of a later slot, with a wrong clock, settles no slot once it is rewound, nor the older one that it
    superseded: that one is delivered, with what was not sent yet.
    """
    shop = shop_with(tmp_path, DAILY | {"schedule": {"at": ["05:00", "17:00"]}})
    shop.run("2026-11-01T18:00Z")
    shop.profiles(
        "2026-11-02", [person("a", vip=False if is_sent else "no"), person("b", vip=True if is_sent else "yes")]
    )
    assert shop.muster("run", "--at", "2026-11-02T18:00Z").code == (0 if is_sent else 1)
    rewind(shop, "2026-11-02T06:00Z")
    shop.profiles("2026-11-02", [person("a", vip=False), person("b")])
    shop.run("2026-11-02T06:00Z")
    sent = [run["scheduled_time"] for run in shop.runs() if run["status"] == "succeeded" and not run["rewound"]]
    assert sent == ["2026-11-01T17:00:00Z", "2026-11-02T05:00:00Z"]
    left = [{"profile_id": "a", "email": "a@x.com", "status": "exited"}]
    assert shop.delivered("crm/all")[1:] == ([[], left] if is_sent else [left])
    assert "nothing is due" in shop.run("2026-11-02T06:01Z").out


def test_a_second_rewind_changes_nothing(tmp_path: Path) -> None:
    """S8: rewinding again finds nothing later, says so, and leaves the state byte for byte."""
    shop = mistaken(tmp_path)
    rewind(shop, "2026-11-02T06:00Z")
    before = shop.tree(".muster/memberships", ".muster/baselines", ".muster/decisions")
    runs = shop.runs()
    assert "nothing is later than 2026-11-02T06:00:00Z" in shop.ok("state", "rewind", "--to", "2026-11-02T06:00Z").out
    assert shop.tree(".muster/memberships", ".muster/baselines", ".muster/decisions") == before
    assert shop.runs() == runs


def test_the_slot_of_an_evaluation_that_was_exported_stays_settled(tmp_path: Path) -> None:
    """S4, S8: an after-evaluation export that succeeded for the evaluation which became one of T is not made again."""
    shop = mistaken(tmp_path, FOLLOWING)
    rewind(shop, "2026-11-02T06:00Z")
    files = shop.files()
    shop.ok("evaluate", "--at", "2026-11-02T06:00Z")
    assert "nothing is due" in shop.run("2026-11-02T07:00Z").out
    rewind(shop, "2026-11-01T12:00Z")
    assert "nothing is due" in shop.run("2026-11-01T13:00Z").out
    assert shop.files() == files
    shop.run("2026-11-03T02:00Z")
    assert shop.rows("crm/crm_follows_20261103T020000Z.csv") == []


def test_the_slot_of_an_evaluation_that_was_not_exported_is_due(tmp_path: Path) -> None:
    """S4, S8: without a run that succeeded, the evaluation which became one of T is exported by the next `run`."""
    shop = shop_with(tmp_path, FOLLOWING)
    shop.run("2026-11-01T02:00Z")
    shop.profiles("2026-11-02", [person("a"), person("b"), person("c")])
    shop.evaluate(WRONG, "--no-exports")
    rewind(shop, "2026-11-02T06:00Z")
    shop.run("2026-11-02T06:01Z")
    assert shop.lines("crm/crm_follows_20261102T060000Z.csv") == ["c,c@x.com,realized"]


def test_a_slot_that_comes_again_takes_another_id_and_the_name_of_its_file(tmp_path: Path) -> None:
    """F1, F4, S8: when the time of a rewound run comes, its slot is run under an id with a counter, and its file takes
    the place of the rewound run's; the manifest that named the old file goes with it.
    """
    shop = mistaken(tmp_path, max_rows_per_file=1)
    rewind(shop, "2026-11-02T06:00Z")
    names = {"crm/crm_all_20620101T050000Z.csv", "crm/crm_all_20620101T050000Z_2.csv"}
    assert names <= set(shop.files())
    shop.profiles("2026-11-03", [person("a", vip=False), person("b"), person("c"), person("d")])
    shop.run(WRONG)
    first, second = [run for run in shop.runs() if run["scheduled_time"] == "2062-01-01T05:00:00Z"]
    assert (first["rewound"], second["rewound"]) == (True, False)
    assert first["run_id"] != second["run_id"]
    assert shop.lines("crm/crm_all_20620101T050000Z.csv") == ["d,d@x.com,realized"]
    assert names - set(shop.files()) == {"crm/crm_all_20620101T050000Z_2.csv"}
    manifests = [path.name for path in (tmp_path / "out/crm").glob("manifest-*2062*")]
    assert manifests == [f"manifest-shop-crm-{second['run_id']}.json"]
    assert shop.ok("verify", second["run_id"]).code == 0
    assert "replaced" in shop.ok("verify", first["run_id"]).out
    refused = shop.muster("redeliver", first["run_id"])
    assert f"run {second['run_id']} has replaced the files" in refused.err
    assert "files of rewound runs were replaced when their slots came again" in shop.muster("reconcile", "crm/all").err


def test_a_file_of_another_is_still_never_replaced(tmp_path: Path) -> None:
    """F1, S8: a file that somebody put in the place of a rewound run's is not replaced: the run fails."""
    shop = mistaken(tmp_path)
    rewind(shop, "2026-11-02T06:00Z")
    shop.write("out/crm/crm_all_20620101T050000Z.csv", "mine")
    assert shop.muster("run", "--at", WRONG).code == 1
    assert (tmp_path / "out/crm/crm_all_20620101T050000Z.csv").read_text() == "mine"


def test_a_workspace_first_seen_with_a_wrong_clock_begins_at_the_rewind(tmp_path: Path) -> None:
    """S2, S8: activations that were first seen in 2062 have slots from T on; the set that was sent is kept."""
    shop = shop_with(tmp_path)
    shop.run(WRONG)
    assert rewind(shop, "2026-11-02T06:00Z")["activations"] == 1
    assert "nothing is due" in shop.run("2026-11-02T06:00Z").out
    shop.profiles("2026-11-03", [person("a"), person("b"), person("c")])
    shop.run("2026-11-03T05:00Z")
    assert shop.lines("crm/crm_all_20261103T050000Z.csv") == ["c,c@x.com,realized"]


def test_several_wrong_evaluations_become_one(tmp_path: Path) -> None:
    """S8: of several later evaluations of an audience the newest stays, in the place of one at T itself; a delivered
    set that was the file of one that goes stays whole, with its identities (X3c).
    """
    mapping = ["profile_id", STATUS]
    shop = shop_with(tmp_path, DAILY | {"schedule": {"at": "05:00"}}, mapping=mapping)
    ids = {"a": identities(Email=["a"]), "b": identities(Email=["b"])}
    shop.profiles("2026-11-01", [person(name, identity_map=held) for name, held in ids.items()])
    shop.run("2026-11-01T05:00Z")
    shop.evaluate("2026-11-02T06:00Z")
    ids |= {"c": identities(Email=["c"])}
    shop.profiles("2026-11-03", [person(name, identity_map=held) for name, held in ids.items()])
    shop.run(WRONG)
    shop.evaluate("2062-01-02T02:00Z")
    done = rewind(shop, "2026-11-02T06:00Z")
    assert (done["evaluations"], done["evaluations_removed"]) == (1, 2)
    assert len(shop.ok("evaluations", "list", "--json").json) == 2
    ids |= {"a": identities(Email=["a", "a2"])}
    shop.profiles("2026-11-04", [person(name, identity_map=held) for name, held in ids.items()])
    shop.run("2026-11-04T05:00Z")
    assert shop.lines("crm/crm_all_20261104T050000Z.csv") == ["a,realized"]
    assert "replayed" not in shop.muster("reconcile", "crm/all", "--at", "2026-11-04T05:00Z").err


def test_feeds_and_constant_names_go_on_after_a_rewind(tmp_path: Path) -> None:
    """D4, F1, S8: a feed's own times are before T and stay; the next file under a constant name replaces all of the
    rewound run's.
    """
    shop = shop_with(tmp_path, DAILY, max_rows_per_file=1, file_name="latest")
    shop.audience("all", source="memberships")
    rows = [("all", "a", "realized", "2026-10-01T00:00Z"), ("all", "b", "realized", "2026-10-02T00:00Z")]
    shop.feed(rows)
    shop.run(WRONG)
    assert shop.files() == ["crm/latest.csv", "crm/latest_2.csv"]
    rewind(shop, "2026-11-02T06:00Z")
    assert shop.memberships()["a"] == "realized 2026-10-01T00:00:00Z"
    shop.feed([*rows, ("all", "a", "exited", "2026-11-02T12:00Z")])
    shop.run("2026-11-03T05:00Z")
    assert shop.files() == ["crm/latest.csv"]
    assert shop.lines("crm/latest.csv") == ["a,a@x.com,exited"]


def test_a_rewound_run_is_replayed_byte_for_byte(tmp_path: Path) -> None:
    """F3, S8: the rows that a rewound run wrote stay, also where they were an evaluation's memberships."""
    full = DAILY | {"export": "full"}
    shop = shop_with(tmp_path, full, mapping=["profile_id", {"source": "email", "mandatory": True}])
    shop.profiles("2026-11-02", [person("a"), person("b") | {"email": None}, person("c")])
    shop.run(WRONG)
    [run] = shop.runs("crm/all")
    assert run["excluded"] == 1
    rewind(shop, "2026-11-02T06:00Z")
    shop.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    name = "crm_all_20620101T050000Z.csv"
    assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out/crm" / name).read_bytes()


# Any history

PEOPLE = "abcde"
MEMBERS = st.sets(st.sampled_from(PEOPLE))
DAYS = st.lists(st.tuples(MEMBERS, st.booleans()), min_size=2, max_size=5)


@settings(max_examples=8)
@given(days=DAYS, follows=st.booleans())
def test_whatever_a_wrong_clock_delivered_is_neither_lost_nor_repeated(days: Any, follows: bool) -> None:
    """S8, X3: over any days, some of which begin with a run in 2062 that is rewound, each incremental row is news to
    the receiver, who holds the members of the newest run at each day's end.
    """
    with quick_folder() as root:
        schedule = "after_evaluation" if follows else {"at": "05:00"}
        shop = shop_with(root, DAILY | {"schedule": schedule, "id": "all"})
        held: set[str] = set()
        read: set[str] = set()
        for number, (members, is_wrong) in enumerate(days, start=1):
            day = f"2026-11-{number + 1:02}"
            shop.profiles(day, [person(name, vip=name in members) for name in PEOPLE])
            if is_wrong:
                shop.run(f"2062-01-{number:02}T05:00Z")
                rewind(shop, f"{day}T04:00Z")
            shop.run(f"{day}T05:00Z")
            assert shop.runs("crm/all")[-1]["status"] == "succeeded"
            for file in [each for run in _by_success(shop) for each in run["files"]]:
                name = file["path"].removeprefix("out/")
                if name in read:
                    continue
                read.add(name)
                for row in shop.rows(name):
                    is_new = row["status"] == "realized"
                    assert (row["profile_id"] in held) is not is_new, (name, row)
                    held ^= {row["profile_id"]}
            assert held == members


def _by_success(shop: Shop) -> list[dict[str, Any]]:
    """The succeeded runs of the activation in the order in which they were carried out."""
    ledger = sqlite3.connect(shop.root / ".muster/ledger.sqlite")
    order = [name for (name,) in ledger.execute("SELECT run_id FROM runs WHERE success IS NOT NULL ORDER BY success")]
    ledger.close()
    runs = {run["run_id"]: run for run in shop.runs("crm/all")}
    return [runs[name] for name in order]


# Refused


def test_a_rewind_past_the_clock_is_refused(tmp_path: Path) -> None:
    """S8: T later than the machine's clock exits 2, and changes nothing."""
    shop = mistaken(tmp_path)
    refused = shop.muster("state", "rewind", "--to", "2061-01-01T00:00Z")
    assert refused.code == 2
    assert "2061-01-01T00:00:00Z is later than this machine's clock" in refused.err
    assert not any(run["rewound"] for run in shop.runs())


def test_an_evaluation_that_was_delivered_cannot_be_forgotten(tmp_path: Path) -> None:
    """E6, S8: the evaluation that became one of T counts as used, as the delivered set was made of it."""
    shop = mistaken(tmp_path)
    rewind(shop, "2026-11-02T06:00Z")
    refused = shop.muster("evaluations", "forget", "--after", "2026-11-02T00:00Z")
    assert refused.code == 2
    assert "was used by run" in refused.err


def test_what_a_forgotten_evaluation_saw_first_is_forgotten_with_it(tmp_path: Path) -> None:
    """E6, S2: after a mistyped `--at` was the first to see an activation, `evaluations forget` leaves no time of it:
    the activation's slots count from T.
    """
    shop = shop_with(tmp_path)
    shop.evaluate(WRONG)
    forgotten = shop.ok("evaluations", "forget", "--after", "2026-11-02T00:00Z")
    assert forgotten.err == ""
    assert shop.run("2026-11-02T05:00Z").err == ""
    assert shop.lines("crm/crm_all_20261102T050000Z.csv") == ["a,a@x.com,realized", "b,b@x.com,realized"]
