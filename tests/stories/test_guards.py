"""Guards (X11), and a mapped namespace that no profile holds (M4): an upstream fault is no mass removal."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, Shop, at, identities, invoke, person

DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
PHONE = {"source": "identity_map.Phone", "target": "phone"}
RUN = ("run", "--at", "2026-11-21T05:00Z")


def halved(root: Path, *, default: Any = None, guards: Any = None, entry: Any = None) -> Shop:
    """A shop that delivered four profiles, of which two are left; guards in muster.yml, destination, activation."""
    shop = Shop(root, **({} if default is None else {"guards": default}))
    shop.audience("all", where="vip")
    activation = DAILY | ({} if entry is None else {"guards": entry})
    shop.crm(activations=[activation], **({} if guards is None else {"guards": guards}))
    shop.day("2026-11-20", [person(each) for each in "abcd"])
    shop.profiles("2026-11-21", [person(each) for each in "ab"])
    shop.evaluate("2026-11-21T02:00Z")
    return shop


@pytest.mark.parametrize(
    ("default", "destination", "activation", "tripped"),
    [
        ({"max_shrink": "30%"}, None, None, "muster.yml:5"),
        ({"max_shrink": "30%"}, {"max_exited": 9}, None, "muster.yml:5"),
        ({"max_shrink": "30%"}, {"max_shrink": "60%"}, None, ""),
        ({"max_shrink": "60%"}, {"max_shrink": "30%"}, None, "guards.max_shrink (destinations/crm.yml:"),
        ({"max_shrink": "30%"}, {"max_shrink": "none"}, None, ""),
        ({"max_shrink": "30%"}, "none", None, ""),
        ({"max_shrink": "30%"}, {"max_shrink": "none"}, {"max_shrink": "40%"}, "activations[0].guards.max_shrink"),
        ({"max_shrink": "30%", "max_exited": 1}, {"max_shrink": "none"}, None, "guards.max_exited (muster.yml:6)"),
        ({"max_shrink": "30%"}, None, "none", ""),
        ("none", None, None, ""),
        (None, None, None, ""),
    ],
)
def test_guards_merge_key_by_key(tmp_path: Path, default: Any, destination: Any, activation: Any, tripped: str) -> None:
    """X11: guards of muster.yml are the default, merged with the destination's and the activation's; `none` is off."""
    shop = halved(tmp_path, default=default, guards=destination, entry=activation)
    result = shop.muster(*RUN)
    assert result.code == (1 if tripped else 0)
    assert tripped in result.err


def test_a_guard_of_muster_yml_holds_for_every_kind_of_run(tmp_path: Path) -> None:
    """X11: full exports, and runs after an evaluation, are checked, status mapped or not; exports on demand are not."""
    kinds = [
        DAILY | {"id": "full", "export": "full", "mapping": ["profile_id"]},
        {"audience": "all", "id": "after", "export": "full", "schedule": "after_evaluation", "mapping": ["profile_id"]},
        {"audience": "all", "id": "now", "schedule": "on_demand", "mapping": ["profile_id"]},
    ]
    shop = Shop(tmp_path, guards={"max_exited": 1})
    shop.audience("all", where="vip")
    shop.crm(activations=kinds)
    shop.day("2026-11-20", [person(each) for each in "abcd"], "crm/full")
    shop.profiles("2026-11-21", [person(each) for each in "ab"])
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code == 1
    assert shop.muster(*RUN).code == 1
    shop.ok("export", "crm/now", "--at", "2026-11-21T05:00Z")
    runs = {run["activation"]: run["status"] for run in shop.runs() if run["scheduled_time"] > "2026-11-21"}
    assert runs == {"full": "failed", "after": "failed", "now": "succeeded"}


def test_a_guard_says_every_way_on(tmp_path: Path) -> None:
    """X11: the message says what happens next, and how to correct, override, or change the guard, in short lines."""
    shop = halved(tmp_path, guards={"max_shrink": "30%", "max_exited": 1})
    err = shop.muster(*RUN).err
    first, second, *ways = err.splitlines()
    limits = "guards.max_shrink (destinations/crm.yml:15) and guards.max_exited (destinations/crm.yml:16)"
    assert first.startswith("error: crm/all: guard max_shrink: the delivered set would shrink from 4 to 2 profiles")
    assert second == "error: crm/all: guard max_exited: 2 delivered profiles would leave; at most 1 may"
    assert ways == [
        "  nothing was written; the export stays due, and every `muster run` tries it again",
        "  if the data is wrong: correct it, then `muster evaluate`, then `muster run`",
        "  if the change is right: `muster run --override-guards crm/all`, for this once",
        f"  if the guard is too strict: raise {limits}, or switch it off with `none`",
    ]


def test_the_way_on_after_corrected_data_works(tmp_path: Path) -> None:
    """X11, X3b: a corrected snapshot needs an evaluation; then the slot that stayed due is delivered."""
    shop = halved(tmp_path, guards={"max_shrink": "30%"})
    assert shop.muster(*RUN).code == 1
    shop.profiles("2026-11-21", [person(each) for each in "abcde"])
    shop.evaluate("2026-11-21T05:10Z")
    shop.run("2026-11-21T05:10Z")
    assert shop.sent("crm/all") == [f"{each},{each}@x.com,realized" for each in "cde"]


def test_an_overridden_guard_is_in_the_record(tmp_path: Path) -> None:
    """X11: `--override-guards` lets the run through, which `runs show` and `--json` tell."""
    shop = halved(tmp_path, guards={"max_shrink": "30%"})
    shop.run("2026-11-21T05:00Z", "--override-guards", "crm/all")
    first, second = shop.runs("crm/all")
    assert (first["guards_overridden"], second["guards_overridden"]) == (False, True)
    assert shop.ok("runs", "show", second["run_id"], "--json").json["guards_overridden"] is True
    assert "guards overridden" in shop.ok("runs", "show", second["run_id"]).out


def test_guards_that_are_no_guards_are_a_mistake(tmp_path: Path) -> None:
    """X11, SPEC 10: a mistake in the guards of muster.yml is told by file, line and key, as in a destination."""
    shop = halved(tmp_path)
    for guards, words in (
        ({"max_shrink": "30"}, "muster.yml:5: guards.max_shrink: '30' is not a percentage"),
        ({"max_srink": "30%"}, "did you mean 'max_shrink'"),
        ("off", "muster.yml:4: guards: 'off'"),
    ):
        shop.set(guards=guards)
        result = shop.muster("plan")
        assert (result.code, words in result.err) == (2, True), result.err


def test_validate_names_activations_without_a_guard(tmp_path: Path) -> None:
    """X11: `validate` names incremental activations with the status mapped and no guard; that is no mistake."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.profiles("2026-11-20", [person("a")])
    entries = [
        DAILY | {"id": "open"},
        DAILY | {"id": "open-too", "guards": "none"},
        DAILY | {"id": "guarded", "guards": {"max_exited": 5}},
        DAILY | {"id": "full", "export": "full"},
        DAILY | {"id": "no-status", "mapping": ["profile_id"]},
        {"audience": "all", "id": "now", "schedule": "on_demand"},
    ]
    shop.crm(activations=entries)
    found = shop.ok("validate", "--at", "2026-11-20T05:00Z")
    assert "warning: crm/open, crm/open-too: no guard" in found.err
    shop.set(guards={"max_shrink": "30%"})
    assert "warning: crm/open-too: no guard" in shop.ok("validate", "--at", "2026-11-20T05:00Z").err
    shop.crm(activations=entries[2:])
    assert "no guard" not in shop.ok("validate", "--at", "2026-11-20T05:00Z").err


def test_a_feed_audience_without_a_row_is_warned_of(tmp_path: Path) -> None:
    """X11, D4: a feed without a row of a feed audience is told by each command that reads it, with near ids; rows later
    than the instant do not exist, which is told where the audience has members.
    """
    shop = Shop(tmp_path)
    shop.audience("store-visitors", source="memberships")
    shop.audience("callers", source="memberships")
    shop.profiles("2026-11-20", [person("a")])
    early = [
        ("store-visitor", "a", "realized", "2026-11-19T00:00Z"),
        ("callers", "a", "realized", at("2026-11-18T00:00Z")),
    ]
    shop.feed(early)
    shop.evaluate("2026-11-20T02:00Z")
    shop.feed([early[0], ("callers", "a", "realized", at("2026-11-30T00:00Z"))])
    shop.crm(activations=[DAILY | {"audience": each} for each in ("store-visitors", "callers")])
    told = "warning: data/memberships: no row is for the audience 'store-visitors'; did you mean 'store-visitor'?"
    for command, has_members in (
        (("validate", "--at", "2026-11-20T05:00Z"), True),
        (("evaluate", "--at", "2026-11-20T05:00Z"), True),
        (("plan", "--at", "2026-11-20T05:10Z"), False),
        (("run", "--at", "2026-11-20T05:10Z"), False),
    ):
        result = shop.ok(*command)
        assert result.err.count(told) == 1, command
        later = f"no row for the audience 'callers' is of {command[2].removesuffix('Z')}:00Z or before, only later ones"
        assert result.err.count(later) == has_members, command
    assert "'callers'" not in shop.ok("evaluate", "--at", "2026-11-30T00:00Z").err


def test_the_sample_workspace_has_guards(tmp_path: Path) -> None:
    """X11: the workspace that `muster init` makes has guards for every activation, and says what they do."""
    assert invoke("init", str(tmp_path / "shop")).code == 0
    assert "\nguards: {max_shrink: " in (tmp_path / "shop/muster.yml").read_text()
    assert "no guard" not in invoke("-C", str(tmp_path / "shop"), "validate").err


# M4


def callers(root: Path, export: str = "incremental", namespace: str = "Phone") -> Shop:
    """A shop that sends phone numbers, and sent two people theirs; the next snapshot has ``namespace``."""
    shop = Shop(root)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", PHONE, STATUS], activations=[DAILY | {"export": export}])
    shop.day("2026-11-20", [person(each, identity_map=identities(Phone=[f"1{each}"])) for each in "ab"])
    shop.profiles("2026-11-21", [person(each, identity_map=identities(**{namespace: [f"1{each}"]})) for each in "ab"])
    shop.evaluate("2026-11-21T02:00Z")
    return shop


NOBODY = "destinations/crm.yml:6: mapping[1]: 'identity_map.Phone': no profile of data/profiles/2026-11-21 has an id in"


@pytest.mark.parametrize("export", ["incremental", "full"])
def test_a_namespace_that_nobody_holds_is_a_mistake(tmp_path: Path, export: str) -> None:
    """M4: a mapped namespace that no profile holds fails the run before anything is written, with the nearest name;
    the message says how many would exit, and `validate` and `plan` say it, too.
    """
    shop = callers(tmp_path, export, "phone")
    before = shop.tree("out")
    for command in ("validate", "plan", "run"):
        result = shop.muster(command, "--at", "2026-11-21T05:00Z")
        assert result.code == (2 if command == "validate" else 1)
        assert [line for line in result.err.splitlines() if "no guard" not in line] == [
            f"error: crm/all: {NOBODY} this namespace; did you mean 'phone'?",
            "  2 profiles that were sent with an identity would exit; nothing was written, and the export stays due",
            "  if it was renamed: change the source and keep `target: phone`, under which muster knows what was sent",
            "  if they have to exit: `muster run --override-guards crm/all`, for this once",
        ]
    assert shop.muster("export", "crm/all", "--at", "2026-11-21T05:00Z").code == 1
    assert shop.tree("out") == before


@pytest.mark.parametrize(("target", "exit_row"), [("identity_map_phone", "b,,exited"), ("phone", "b,1b,exited")])
def test_exits_without_the_value_that_was_sent_are_warned_of(tmp_path: Path, target: str, exit_row: str) -> None:
    """X12: where source and target are renamed, exits have no key: `plan` and `run` say so. With the former target, as
    the message of M4 advises, they tell what was sent.
    """
    shop = callers(tmp_path, namespace="phone")
    people = [person(each, vip=each == "a", identity_map=identities(phone=[f"1{each}"])) for each in "ab"]
    shop.profiles("2026-11-21", people)
    shop.evaluate("2026-11-21T03:00Z")
    mapped = {"source": "identity_map.phone", "target": target}
    shop.crm(mapping=["profile_id", mapped, STATUS], activations=[DAILY])
    warning = f"warning: crm/all: 1 exit has no {target}, as it is not known what was sent under this target; "
    for command in ("plan", "run"):
        found = shop.ok(command, "--at", "2026-11-21T05:00Z").err
        assert (warning in found) == (exit_row == "b,,exited")
    assert exit_row in shop.sent("crm/all")


def test_a_namespace_that_nobody_holds_can_be_let_through(tmp_path: Path) -> None:
    """M4: `--override-guards` sends exits of what was sent; `plan` shows them; later runs fail again."""
    shop = callers(tmp_path, namespace="phone")
    assert shop.muster(*RUN).code == 1
    plan = shop.ok("plan", "--json", "--at", "2026-11-21T05:00Z", "--override-guards", "crm/all").json
    assert [(step["exited"], step["realized"]) for step in plan] == [(2, 0)]
    shop.run("2026-11-21T05:00Z", "--override-guards", "crm/all")
    assert shop.sent("crm/all") == ["a,1a,exited", "b,1b,exited"]
    later = shop.muster("run", "--at", "2026-11-22T05:00Z")
    assert later.code == 1
    assert "would exit" not in later.err


def test_a_snapshot_without_the_identity_map_lets_nobody_exit_either(tmp_path: Path) -> None:
    """M4: a snapshot that lost the identity map is a namespace that nobody holds: told, counted, let through."""
    shop = callers(tmp_path)
    shop.profiles("2026-11-22", [person(each) for each in "ab"])
    shop.evaluate("2026-11-22T02:00Z")
    result = shop.muster("run", "--at", "2026-11-22T05:00Z")
    assert result.code == 1
    assert "the snapshot data/profiles/2026-11-22 has no identity map 'identity_map'" in result.err
    assert "2 profiles that were sent with an identity would exit" in result.err
    shop.run("2026-11-22T05:00Z", "--override-guards", "crm/all")
    assert shop.sent("crm/all") == ["a,1a,exited", "b,1b,exited"]


def test_a_snapshot_without_rows_has_no_namespaces(tmp_path: Path) -> None:
    """M4, X11: with `--allow-empty` a snapshot without rows lets everybody exit: nobody can hold a namespace."""
    shop = callers(tmp_path)
    somebody = pl.DataFrame([person("a", identity_map=identities(Phone=["1"]))])
    shop.profiles("2026-11-22", somebody.clear())
    shop.ok("evaluate", "--at", "2026-11-22T02:00Z", "--allow-empty")
    shop.ok("run", "--at", "2026-11-22T05:00Z", "--allow-empty")
    assert shop.sent("crm/all") == ["a,1a,exited", "b,1b,exited"]


@pytest.mark.parametrize("held", [{"Phone": ["1"]}, {"Phone": None}], ids=["struct", "nobody"])
def test_an_identity_map_by_namespace_is_looked_into(tmp_path: Path, held: dict[str, Any]) -> None:
    """M4, D1: a struct has a field for each namespace; what counts is whether somebody has an id in it."""
    shop = Shop(tmp_path)
    shop.audience("all", where="vip")
    shop.crm(mapping=["profile_id", PHONE, STATUS])
    shop.profiles("2026-11-20", [person("a", identity_map=held | {"Email": ["a@x.com"]})])
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == (0 if held["Phone"] else 1)
    assert held["Phone"] or "known are 'Email'" in result.err
