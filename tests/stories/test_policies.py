"""Policies over labels: what may not go is stopped everywhere, told with its path, and recorded (G1 to G3, G6, G7)."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.shop import Result, Shop, identities, invoke, person

DAY, NEXT = "2026-11-20", "2026-11-21"
HEALTH = "policy 'no-health-in-ads' denies onsite_advertising for RHD: "
TOLD = f'{HEALTH}health.score -> audience "at-risk" -> audience "seniors" -> ads/seniors'
POLICY = {"actions": ["onsite_advertising"], "deny": "RHD"}


def activations(*audiences: str, **more: Any) -> list[dict[str, Any]]:
    """An activation of each audience at 05:00, full unless told otherwise."""
    return [{"audience": each, "export": "full", "schedule": {"at": "05:00"}} | more for each in audiences]


def shop_with_ads(root: Path, **settings: Any) -> Shop:
    """A shop with `ads/seniors`, which is made of health data by way of another audience, and harmless `ads/all`."""
    shop = Shop(root, **({"labels": {"health.score": ["RHD"]}} | settings))
    people = [person("a", health={"score": 9}, phone=identities(Phone=["1"])), person("b", health={"score": 1})]
    shop.profiles(DAY, people)
    shop.audience("all", where="true")
    shop.audience("at-risk", where="health.score > 5")
    shop.audience("seniors", where='vip AND audience."at-risk"')
    shop.destination(
        "ads",
        marketing_actions=["onsite_advertising"],
        mapping=["profile_id"],
        activations=activations("seniors", "all"),
    )
    shop.write("policies/no-health-in-ads.yml", {"name": "No health data for ads"} | POLICY)
    return shop


def last(shop: Shop, key: str) -> dict[str, Any]:
    """The newest run of an activation, with its `governance`."""
    return shop.ok("runs", "show", key, "--json").json


def errors(result: Result) -> list[str]:
    """The lines on stderr that are errors."""
    return [line.removeprefix("error: ") for line in result.err.splitlines() if line.startswith("error: ")]


def test_a_violation_stops_an_activation_and_no_other(tmp_path: Path) -> None:
    """G3: `run` and `export` record the run as failed with the reason and write nothing; others go on, exit 1."""
    shop = shop_with_ads(tmp_path)
    shop.evaluate(f"{DAY}T02:00Z")
    result = shop.muster("run", "--at", f"{DAY}T05:00Z")
    assert (result.code, errors(result)) == (1, [TOLD])
    assert shop.files() == ["ads/ads_all_20261120T050000Z.csv"]
    failed = shop.runs("ads/seniors")[-1]
    assert (failed["status"], failed["error"], failed["files"]) == ("failed", TOLD, [])
    result = shop.muster("export", "ads/seniors", "ads/all", "--at", f"{DAY}T06:00Z", "--json")
    assert (result.code, [each["status"] for each in result.json["runs"]]) == (1, ["failed", "succeeded"])
    assert (shop.runs("ads/seniors")[-1]["trigger"], shop.runs("ads/seniors")[-1]["error"]) == ("on_demand", TOLD)
    assert not [name for name in shop.files() if "seniors" in name]


def test_an_export_after_an_evaluation_is_stopped(tmp_path: Path) -> None:
    """G3, S4: so is an after-evaluation run; its slot stays due, and the next `run` delivers it once it may go."""
    shop = shop_with_ads(tmp_path)
    shop.destination(
        "ads",
        marketing_actions=["onsite_advertising"],
        mapping=["profile_id"],
        activations=activations("seniors", schedule="after_evaluation"),
    )
    result = shop.muster("evaluate", "--at", f"{DAY}T02:00Z")
    assert (result.code, errors(result)) == (1, [TOLD])
    shop.write("policies/no-health-in-ads.yml", POLICY | {"enabled": False})
    shop.run(f"{DAY}T03:00Z")
    assert shop.sent("ads/seniors") == ["a"]


def test_validate_lists_every_violation_with_its_line(tmp_path: Path) -> None:
    """G3: `validate` exits 2, with the file and line of the policy, of a core one, and of the label C12."""
    shop = shop_with_ads(tmp_path, core_policies=["email-targeting"])
    shop.set(labels={"health.score": ["RHD"], "email": ["C5"], "vip": ["C12"]})
    shop.destination(
        "mail", marketing_actions=["email_targeting"], mapping=["email", "vip"], activations=activations("all")
    )
    disabled = activations("seniors", enabled=False)
    shop.destination("off", marketing_actions=["onsite_advertising"], mapping=["email"], activations=disabled)
    lines = (tmp_path / "muster.yml").read_text().splitlines()
    core, vip = lines.index("- email-targeting") + 1, lines.index("  vip:") + 1
    denies, never = "policy 'email-targeting' denies email_targeting", "C12 is never exported"
    result = shop.muster("validate", "--at", f"{DAY}T03:00Z")
    assert result.code == 2
    assert set(errors(result)) == {
        f'muster.yml:{core}: core_policies[0]: {denies} for C5: email -> column "email" -> mail/all',
        f'muster.yml:{vip}: labels.vip: {never}: vip -> audience "seniors" -> ads/seniors',
        f'muster.yml:{vip}: labels.vip: {never}: vip -> column "vip" -> mail/all',
        f"policies/no-health-in-ads.yml:4: deny: {TOLD}",
    }
    assert shop.muster("validate", "--at", f"{DAY}T03:00Z", "--json").json["errors"][0]["message"] in errors(result)


def test_plan_and_preview_say_so(tmp_path: Path) -> None:
    """G3: `plan` shows the run that would fail, `preview` no row; neither writes; one of an audience goes on."""
    shop = shop_with_ads(tmp_path)
    shop.evaluate(f"{DAY}T02:00Z")
    plan = shop.muster("plan", "--at", f"{DAY}T05:00Z", "--json")
    assert (plan.code, errors(plan)) == (1, [TOLD])
    assert {each["activation"]: each["error"] for each in plan.json} == {"seniors": TOLD, "all": None}
    preview = shop.muster("preview", "ads/seniors", "--at", f"{DAY}T05:00Z", "--json")
    assert (preview.code, preview.json["error"], preview.json["rows"]) == (1, TOLD, [])
    assert shop.ok("preview", "at-risk", "--at", f"{DAY}T05:00Z", "--json").json["row_count"] == 1
    assert shop.files() == []


def test_c12_is_never_exported(tmp_path: Path) -> None:
    """G3: C12 anywhere is a violation without a policy, and where the destination has no marketing action."""
    shop = Shop(tmp_path, labels={"health": ["C12"]})
    shop.profiles(DAY, [person("a", health={"score": 9})])
    shop.audience("all", where="true")
    shop.audience("at-risk", where="health.score > 5")
    shop.destination("crm", mapping=["email"], activations=activations("at-risk", "all"))
    shop.evaluate(f"{DAY}T02:00Z")
    result = shop.muster("run", "--at", f"{DAY}T05:00Z")
    assert errors(result) == ['C12 is never exported: health.score -> audience "at-risk" -> crm/at-risk']
    assert shop.files() == ["crm/crm_all_20261120T050000Z.csv"]


def test_an_interrupted_delivery_is_finished_all_the_same(tmp_path: Path) -> None:
    """S6: a run that was `delivering` is finished, whatever the policies say by now; the next slot is stopped."""
    shop = shop_with_ads(tmp_path)
    policy = (tmp_path / "policies/no-health-in-ads.yml").rename(tmp_path / "later.yml")
    shop.evaluate(f"{DAY}T02:00Z")
    with mock.patch("muster.activation.export.carry_out.finish", side_effect=KeyboardInterrupt):
        assert shop.muster("run", "--at", f"{DAY}T05:00Z").code == 130
    policy.rename(tmp_path / "policies/no-health-in-ads.yml")
    shop.run(f"{DAY}T06:00Z")
    assert shop.sent("ads/seniors") == ["a"]
    result = shop.muster("run", "--at", f"{NEXT}T05:00Z")
    assert (result.code, errors(result)) == (1, [TOLD])


# Earlier runs, by the policies of today


@pytest.fixture
def delivered(tmp_path: Path) -> Shop:
    """A shop that delivered `ads/seniors` before the policy was written."""
    shop = shop_with_ads(tmp_path / "shop")
    policy = (shop.root / "policies/no-health-in-ads.yml").rename(tmp_path / "policy.yml")
    shop.evaluate(f"{DAY}T02:00Z")
    shop.run(f"{DAY}T05:00Z")
    policy.rename(shop.root / "policies/no-health-in-ads.yml")
    return shop


def refused(shop: Shop, *command: str) -> str:
    """The one error of a command that is refused, without the name of the run."""
    result = shop.muster(*command)
    assert (result.code, len(errors(result))) == (2, 1)
    return errors(result)[0].partition("forbidden by the policies of today: ")[2]


def test_redeliver_and_replay_refuse_what_is_forbidden_today(delivered: Shop, tmp_path: Path) -> None:
    """G3: what today's policies forbid is not written again, though it was allowed then; other runs are."""
    [file] = (delivered.root / "out/ads").glob("*seniors*.csv")
    assert refused(delivered, "redeliver", "ads/seniors") == TOLD  # also while all is there
    file.unlink()
    assert refused(delivered, "redeliver", "ads/seniors") == TOLD
    assert not file.exists()
    again = tmp_path / "again"
    assert refused(delivered, "replay", "ads/seniors", "--to", str(again)).startswith(f"{TOLD}; for an audit, ")
    assert not again.exists()
    delivered.ok("redeliver", "ads/all")
    delivered.ok("replay", "ads/all", "--to", str(again))


def test_replay_as_recorded_is_for_an_audit(delivered: Shop, tmp_path: Path) -> None:
    """Issue 15: `replay --as-recorded` writes the bytes that were delivered, but into no folder of a destination."""
    [file] = (delivered.root / "out/ads").glob("*seniors*.csv")
    inside = delivered.root / "out/ads/audit"
    result = delivered.muster("replay", "ads/seniors", "--as-recorded", "--to", str(inside))
    assert (result.code, "lies in the folder of the destination 'ads'" in result.err) == (2, True)
    delivered.ok("replay", "ads/seniors", "--as-recorded", "--to", str(tmp_path / "audit"))
    assert (tmp_path / "audit" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("gone", ["activation", "destination", "audience"])
def test_an_earlier_run_is_judged_by_what_is_known_of_it(gone: str, delivered: Shop) -> None:
    """G3: without the activation, by the destination's actions of today; without that or the audience, as recorded."""
    if gone == "destination":
        (delivered.root / "destinations/ads.yml").unlink()
    else:
        own = activations("all") if gone == "activation" else activations("all", id="seniors")
        actions = ["onsite_advertising"]
        delivered.destination("ads", marketing_actions=actions, mapping=["profile_id"], activations=own)
    if gone == "audience":
        (delivered.root / "audiences/seniors.yml").unlink()
    assert refused(delivered, "redeliver", last(delivered, "ads/seniors")["run_id"]) == TOLD


def test_the_mapping_of_then_counts(tmp_path: Path) -> None:
    """G3: a run is judged by the mapping of its recipe, not by that of today."""
    shop = Shop(tmp_path, labels={"email": ["I1"]})
    shop.profiles(DAY, [person("a")])
    shop.audience("all", where="true")
    shop.destination("ads", mapping=["email"], marketing_actions=["analytics"], activations=activations("all"))
    shop.evaluate(f"{DAY}T02:00Z")
    shop.run(f"{DAY}T05:00Z")
    shop.destination("ads", mapping=["profile_id"], marketing_actions=["analytics"], activations=activations("all"))
    shop.write("policies/p.yml", {"actions": ["analytics"], "deny": "I1"})
    shop.ok("validate", "--at", f"{DAY}T06:00Z")
    assert refused(shop, "redeliver", "ads/all") == (
        "policy 'p' denies analytics for I1: email -> column \"email\" -> ads/all"
    )


CONSENT = {"actions": ["onsite_advertising"], "consent": "opt_in"}


@pytest.mark.parametrize(("command", "hints"), [("redeliver", False), ("replay", True)])
def test_earlier_files_wait_for_consent_that_cannot_be_judged(command: str, hints: bool, tmp_path: Path) -> None:
    """G4: without the consent column nothing is written again, exit 2; replay names the way for an audit."""
    shop = Shop(tmp_path / "shop")
    shop.profiles(DAY, [person("a", opt_in=True)])
    shop.audience("all", where="true")
    actions = ["onsite_advertising"]
    shop.destination("ads", mapping=["email"], marketing_actions=actions, activations=activations("all"))
    shop.write("policies/asked.yml", CONSENT)
    shop.evaluate(f"{DAY}T02:00Z")
    shop.run(f"{DAY}T05:00Z")
    [file] = (shop.root / "out/ads").glob("*.csv")
    content = file.read_bytes()
    file.unlink()
    shop.profiles(NEXT, [person("a")])
    run = shop.runs("ads/all")[0]["run_id"]
    to = ("--to", str(tmp_path / "again")) if command == "replay" else ()
    result = shop.muster(command, "ads/all", *to)
    assert (result.code, len(errors(result)), file.exists(), (tmp_path / "again").exists()) == (2, 1, False, False)
    [told] = errors(result)
    assert told.startswith(f"run {run} of ads/all: its files are not made again, as consent cannot be judged; ")
    assert f"by the newest snapshot data/profiles/{NEXT}: policies/asked.yml:" in told
    assert "unknown column 'opt_in'" in told
    assert (f"; for an audit, `muster replay {run} --as-recorded` writes them" in told) is hints
    shop.profiles(NEXT, [person("a", opt_in=False)])
    [told] = errors(shop.muster(command, "ads/all", *to))
    assert "its files hold 1 profile that policy 'asked' leaves out today" in told
    assert ("--as-recorded` writes them into a folder of their own" in told) is hints
    shop.ok("replay", "ads/all", "--as-recorded", "--to", str(tmp_path / "again"))
    assert (tmp_path / "again" / file.name).read_bytes() == content


# Labels of things that no input has


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("emial", "'emial': the profiles have no such column; did you mean 'email'?"),
        ("Email", "'Email': the profiles have no such column; did you mean 'email'?"),
        ("home.cty", "'home.cty': 'home' has no field 'cty'; did you mean 'city'?"),
        ("email.domain", "'email.domain': 'email' has no field 'domain'"),
        ("events.knid", "'events.knid': the events have no such column; did you mean 'kind'?"),
        ("identity_map.Phon", "'identity_map.Phon': no profile has an identity in the namespace 'Phon'; did you mean"),
        ("sources.loyalty", "'sources.loyalty': there is no such source of profiles"),
        ("segment_membership.status", "'segment_membership.status': a membership has no label"),
    ],
)
def test_a_label_of_nothing_is_a_mistake(label: str, told: str, tmp_path: Path) -> None:
    """G1: `validate` refuses a label of what no input has: it would protect nothing. File, line, near names."""
    shop = labelled_shop(tmp_path, label)
    result = shop.muster("validate", "--at", f"{DAY}T03:00Z")
    line = (tmp_path / "muster.yml").read_text().splitlines().index(f"  {label}:") + 1
    assert result.code == 2
    assert f"error: muster.yml:{line}: labels.{label}: {told}" in result.err
    assert len(errors(result)) == 1


@pytest.mark.parametrize(
    "label",
    [
        *("email", "home", "home.city", "orders", "orders.total", "events.kind", "events.detail.code", "profile_id"),
        *("identity_map.Phone", "identity_map", '"home"."city"', '"odd name"', "customer"),
    ],
)
def test_a_label_of_something_is_none(label: str, tmp_path: Path) -> None:
    """G1: columns, fields, fields of structs in lists, event columns, namespaces, the id by both of its names."""
    labelled_shop(tmp_path, label).ok("validate", "--at", f"{DAY}T03:00Z")


def test_event_labels_need_events(tmp_path: Path) -> None:
    """G1: without `events` in muster.yml there are no event columns."""
    shop = labelled_shop(tmp_path, "events.kind")
    del shop.settings["events"]
    shop.set()
    result = shop.muster("validate", "--at", f"{DAY}T03:00Z")
    assert (result.code, "there are no events: muster.yml has no `events`" in result.err) == (2, True)


def labelled_shop(root: Path, label: str) -> Shop:
    """A shop whose inputs have something of everything, with one label."""
    shop = Shop(root, profiles={"path": "data/profiles", "id": "customer"})
    row = {"customer": "a", "email": "a@x.com", "odd name": 1, "home": {"city": "x"}, "orders": [{"total": 1}]}
    shop.profiles(DAY, [row | {"identity_map": identities(Phone=["1"])}])
    shop.events([{"profile_id": "a", "timestamp": "2026-11-19T00:00:00", "kind": "v", "detail": {"code": 1}}])
    frame = [{"profile_id": "a", "timestamp": None, "kind": "v", "detail": {"code": 1}}]
    shop.parquet("data/events/events.parquet", frame)
    shop.audience("all", where="true")
    shop.destination("crm", mapping=["customer"], activations=activations("all"))
    shop.set(labels={label: ["C2"]})
    return shop


@pytest.mark.parametrize("key", ["name", "deny", "consent"])
def test_policies_take_no_environment_variable(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2, G7: runs and manifests record the texts of policies, so these hold no variable, which may be secret."""
    monkeypatch.setenv("HIDDEN", "s3cr3t-v4lue")
    shop = shop_with_ads(tmp_path)
    text = {"consent": "a = '${HIDDEN}'"} if key == "consent" else {"deny": "RHD"} | {key: "${HIDDEN}"}
    shop.write("policies/p.yml", {"actions": ["analytics"]} | text)
    result = shop.muster("validate", "--at", f"{DAY}T03:00Z")
    assert result.code == 2
    assert f"{key}: " in errors(result)[0]
    assert "uses an environment variable" in errors(result)[0]
    assert "s3cr3t-v4lue" not in result.out + result.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("policies", "policies: is not read: expected a folder with a YAML file for each policy"),
        ("policies/ads/health.yml", "policies/ads: is not read: is a folder, and of policies/ only the files right in"),
        ("policies/ads/eu/health.YAML", "move eu/health.YAML there, or give the folder a name that begins with _"),
        ("policies/no-health-in-ads.YML", "policies/no-health-in-ads.YML: is not read: the name of a policy's file"),
        (
            "policies/health.yml.txt",
            "policies/health.yml.txt: is not read: the name of a policy's file ends in .yml or",
        ),
        ("policies/health.json", "policies/health.json: is not read: "),
    ],
)
def test_a_policy_that_is_not_read_is_a_mistake(name: str, told: str, tmp_path: Path) -> None:
    """G3, SPEC 2: what looks like a policy and is not read stops every command, a config remembered or not."""
    shop = shop_with_ads(tmp_path)
    (tmp_path / "policies/no-health-in-ads.yml").unlink()
    shop.evaluate(f"{DAY}T02:00Z")
    if name == "policies":
        (tmp_path / "policies").rmdir()
    shop.write(name, POLICY)
    for command in ("validate", "run", "plan"):
        result = shop.muster(command, "--at", f"{DAY}T05:00Z")
        assert (result.code, len(errors(result)), told in errors(result)[0]) == (2, 1, True)
    assert shop.files() == []


@pytest.mark.parametrize(
    "name",
    [
        *("_off.yml", ".off.yml", "_off/a.yml", ".git/a.yml", "_A.YML", "ads/_a.yml", "ads/.git/a.yml"),
        *("README.md", "notes/README.md", "no-health-in-ads.yml~", "#no-health-in-ads.yml#"),
    ],
)
def test_what_is_kept_out_of_use_is_no_mistake(name: str, tmp_path: Path) -> None:
    """SPEC 2: names that begin with . or _ are ignored, in sub-folders too; so are copies of an editor."""
    shop = shop_with_ads(tmp_path)
    shop.write("policies/no-health-in-ads.yml", POLICY | {"actions": ["analytics"]})
    shop.write(f"policies/{name}", "not: [read")
    shop.ok("validate", "--at", f"{DAY}T05:00Z")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"deny": "RDH"}, "deny: unknown label 'RDH'; did you mean 'RHD'?"),
        (
            {"deny": "QQ9"},
            "deny: unknown label 'QQ9'; labels are C1 to C12, I1, I2, S1, S2, PSPD, RHD, third_party and",
        ),
        (
            {"deny": "RHD", "actions": ["zzz"]},
            "unknown marketing action 'zzz'; marketing actions are analytics, combine_with_pii, cross_site_targeting",
        ),
        (
            {"consent": "SUM(vip) > 1"},
            "SUM is not allowed here: it aggregates over rows, and this expression sees one ",
        ),
        ({"consent": "MAX(age) > 1"}, "and this expression sees one profile; use GREATEST and LEAST for the largest"),
        ({"consent": "FIRST(age) > 1"}, "FIRST is not allowed here: it aggregates over rows, and this expression sees"),
    ],
)
def test_a_mistake_in_a_policy_says_what_there_is(policy: dict[str, Any], told: str, tmp_path: Path) -> None:
    """SPEC 10, G1: unknown words come with near ones, else with all; a policy is sent to no measure, as it has none."""
    shop = shop_with_ads(tmp_path)
    shop.write("policies/no-health-in-ads.yml", {"actions": ["analytics"]} | policy)
    [error] = errors(shop.muster("validate", "--at", f"{DAY}T03:00Z"))
    assert told in error
    assert "measure" not in error


# What is recorded


def test_no_value_of_a_variable_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: the record of a run holds no value of an environment variable, in paths and messages too."""
    monkeypatch.setenv("HIDDEN", "s3cr3t-v4lue")
    shop = shop_with_ads(tmp_path)
    shop.set(labels={"email": ["RHD"]})
    mapping = [{"source": "email", "target": "${HIDDEN}"}]
    actions = ["onsite_advertising"]
    shop.destination("ads", marketing_actions=actions, mapping=mapping, activations=activations("all"))
    shop.evaluate(f"{DAY}T02:00Z")
    assert shop.muster("run", "--at", f"{DAY}T05:00Z").code == 1
    assert last(shop, "ads/all")["governance"]["labels"][0]["path"] == ["email", 'column "${HIDDEN}"', "ads/all"]
    assert "s3cr3t-v4lue" not in shop.ok("runs", "show", "ads/all", "--json").out


def test_a_run_records_what_it_was_judged_by(tmp_path: Path) -> None:
    """G7: labels with what they are on, actions, policies and violations, also of a failed run; as they were then."""
    shop = shop_with_ads(tmp_path)
    shop.evaluate(f"{DAY}T02:00Z")
    shop.muster("run", "--at", f"{DAY}T05:00Z")
    policy = {
        "id": "no-health-in-ads",
        "name": "No health data for ads",
        "actions": ["onsite_advertising"],
        "kind": "deny",
        "expression": "RHD",
    }
    assert last(shop, "ads/all")["governance"] == {
        "marketing_actions": ["onsite_advertising"],
        "labels": [],
        "policies": [policy],
        "violations": [],
    }
    (tmp_path / "policies/no-health-in-ads.yml").unlink()
    shop.set(labels={})
    path = TOLD.removeprefix(HEALTH).split(" -> ")
    violation = {
        "policy": "no-health-in-ads",
        "actions": ["onsite_advertising"],
        "labels": ["RHD"],
        "message": TOLD,
    }
    assert last(shop, "ads/seniors")["governance"] == {
        "marketing_actions": ["onsite_advertising"],
        "labels": [{"on": "health.score", "labels": ["RHD"], "path": path}],
        "policies": [policy],
        "violations": [violation],
    }
    text = " ".join(shop.ok("runs", "show", "ads/seniors").out.split())  # lines are as long as the terminal has them
    assert f"RHD: {' -> '.join(path)}" in text
    assert "no-health-in-ads: deny RHD (onsite_advertising): violated" in text


def test_the_record_outlives_pruning(tmp_path: Path) -> None:
    """G7: `prune` leaves what kept runs were judged by."""
    shop = shop_with_ads(tmp_path, retention={"runs": {"count": 1}, "evaluations": {"count": 1}})
    for day in (DAY, NEXT, "2026-11-22"):
        shop.evaluate(f"{day}T02:00Z")
        shop.muster("run", "--at", f"{day}T05:00Z")
    shop.ok("prune", "--at", "2026-11-22T06:00Z")
    assert len(shop.runs("ads/all")) < 3
    assert last(shop, "ads/all")["governance"]["policies"][0]["id"] == "no-health-in-ads"
    shop.ok("state", "check")


def test_the_manifest_names_the_policies(tmp_path: Path) -> None:
    """G6: the policies that were applied; workspaces without labels, policies and actions have no such key."""
    shop = shop_with_ads(tmp_path)
    shop.destination("crm", mapping=["profile_id"], activations=activations("all"))
    shop.evaluate(f"{DAY}T02:00Z")
    shop.muster("run", "--at", f"{DAY}T05:00Z")
    assert manifests(shop)["ads/all"]["policies"] == [
        {
            "id": "no-health-in-ads",
            "name": "No health data for ads",
            "actions": ["onsite_advertising"],
            "kind": "deny",
        }
    ]
    assert manifests(shop)["crm/all"]["policies"] == []
    shop.set(labels={})
    shop.write("destinations/ads.yml", "url: out/ads\nformat: csv\nmapping: [profile_id]\nactivations: []\n")
    (tmp_path / "policies/no-health-in-ads.yml").unlink()
    shop.run(f"{NEXT}T05:00Z")
    assert "policies" not in manifests(shop)["crm/all"]


def manifests(shop: Shop) -> dict[str, Any]:
    """The newest manifest of each activation."""
    found = [json.loads(path.read_text()) for path in sorted((shop.root / "out").rglob("manifest-*"))]
    return {f"{each['destination']}/{each['activation']}": each for each in found}


# `muster policies`


def test_policies_list_and_show(tmp_path: Path) -> None:
    """G6: every policy, the core ones that are off too; `show` names the activations to which one applies."""
    shop = shop_with_ads(tmp_path, core_policies=["segment-match"])
    shop.write("policies/off.yml", {"actions": ["analytics"], "deny": "C1", "enabled": False})
    shop.write("policies/asked.yml", {"actions": ["onsite_advertising"], "consent": "vip"})
    listed = shop.ok("policies", "list", "--json").json
    own = {each["id"]: (each["kind"], each["enabled"], each["file"]) for each in listed if not each["core"]}
    assert own == {
        "asked": ("consent", True, "policies/asked.yml"),
        "no-health-in-ads": ("deny", True, "policies/no-health-in-ads.yml"),
        "off": ("deny", False, "policies/off.yml"),
    }
    core = {each["id"]: (each["enabled"], each["file"]) for each in listed if each["core"]}
    assert len(core) == 10
    assert (core["segment-match"], core["analytics"]) == ((True, "muster.yml"), (False, None))
    assert shop.ok("policies", "show", "asked", "--json").json["activations"] == ["ads/seniors", "ads/all"]
    assert shop.ok("policies", "show", "analytics", "--json").json["activations"] == []
    assert "core_policies: [analytics]" in shop.ok("policies", "show", "analytics").out
    result = shop.muster("policies", "show", "no-helth-in-ads")
    assert (result.code, "did you mean 'no-health-in-ads'?" in result.err) == (2, True)


def test_an_unknown_policy_comes_with_names(tmp_path: Path) -> None:
    """SPEC 10: `policies show` names near ids, else those of the workspace; of a file whose policy has an id, that."""
    shop = shop_with_ads(tmp_path)
    shop.write("policies/q.yml", POLICY | {"id": "health-of-all"})
    for name, told in (
        ("no-helth-in-ads", "; did you mean 'no-health-in-ads'?"),
        ("q", "; the policy in policies/q.yml has the id 'health-of-all'"),
        ("policies/q.yml", "; the policy in policies/q.yml has the id 'health-of-all'"),
        ("xyz", "; policies/ has 'health-of-all' and 'no-health-in-ads'; `muster policies list` shows all"),
    ):
        result = shop.muster("policies", "show", name)
        assert (result.code, errors(result)) == (2, [f"there is no policy {name!r}{told}"])


def test_check_of_disabled_activations_says_so(tmp_path: Path) -> None:
    """G6: a workspace with disabled activations alone is not called one without activations."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.destination("ads", mapping=["email"], activations=activations("all", enabled=False))
    told = shop.ok("policies", "check").out
    assert "nothing to check: 1 activation with `enabled: false`" in told
    (tmp_path / "destinations/ads.yml").unlink()
    assert "no activations yet" in shop.ok("policies", "check").out


def test_policies_check(tmp_path: Path) -> None:
    """G6: what applies to each activation, and what is violated by which path; exit 2 if anything is."""
    shop = shop_with_ads(tmp_path)
    shop.destination("crm", mapping=["profile_id"], activations=activations("all"))
    result = shop.muster("policies", "check", "--json")
    assert result.code == 2
    found = {
        f"{each['destination']}/{each['activation']}": ([(one["id"], one["violated"]) for one in each["policies"]])
        for each in result.json
    }
    assert found == {
        "ads/seniors": [("no-health-in-ads", True)],
        "ads/all": [("no-health-in-ads", False)],
        "crm/all": [],
    }
    assert result.json[0]["violations"][0]["message"] == TOLD
    assert shop.ok("policies", "check", "ads/all", "--json").json[0]["violated"] is False
    unknown = shop.muster("policies", "check", "ads/senior")
    assert (unknown.code, "did you mean 'ads/seniors'?" in unknown.err) == (2, True)


def test_what_consent_leaves_out_is_counted_and_recorded(tmp_path: Path) -> None:
    """G6, G7: `policies check`, the manifest and `runs show` say how many people each consent policy left out."""
    shop = Shop(tmp_path)
    shop.profiles(DAY, [person("a"), person("b", vip=False), person("c", vip=None)])
    shop.audience("all", where="true")
    shop.destination("mail", mapping=["email"], marketing_actions=["analytics"], activations=activations("all"))
    shop.write("policies/asked.yml", {"actions": ["analytics"], "consent": "vip"})
    shop.write("policies/own.yml", {"actions": ["analytics"], "deny": "RHD"})
    [before] = shop.ok("policies", "check", "--at", f"{DAY}T01:00Z", "--json").json
    assert [each["left_out"] for each in before["policies"]] == [None, None]
    assert "was not evaluated" in before["uncounted"]
    assert "was not evaluated" in shop.ok("policies", "check", "--at", f"{DAY}T01:00Z").out
    shop.evaluate(f"{DAY}T02:00Z")
    [after] = shop.ok("policies", "check", "--at", f"{DAY}T03:00Z", "--json").json
    assert {each["id"]: each["left_out"] for each in after["policies"]} == {"asked": 2, "own": None}
    shop.run(f"{DAY}T05:00Z")
    assert {each["id"]: each.get("excluded") for each in manifests(shop)["mail/all"]["policies"]} == {
        "asked": 2,
        "own": None,
    }
    assert "asked: consent vip (analytics): 2 profiles left out" in shop.ok("runs", "show", "mail/all").out


@pytest.mark.parametrize("evaluated", [True, False])
def test_check_says_which_consent_cannot_be_judged(evaluated: bool, tmp_path: Path) -> None:
    """G4, G6: `policies check` exits 2 where a consent column is gone, says so in the table, and calls nothing fine."""
    shop = Shop(tmp_path)
    shop.profiles(DAY, [person("a", opt_in=True)])
    shop.audience("all", where="true")
    actions = ["onsite_advertising"]
    shop.destination("ads", mapping=["email"], marketing_actions=actions, activations=activations("all"))
    shop.destination("crm", mapping=["email"], activations=activations("all"))
    shop.write("policies/asked.yml", CONSENT)
    shop.write("policies/vip.yml", CONSENT | {"consent": "vip"})
    if evaluated:
        shop.evaluate(f"{DAY}T02:00Z")
        shop.ok("policies", "check", "--at", f"{DAY}T03:00Z")
    shop.profiles(NEXT, [person("a")])
    result = shop.muster("policies", "check", "--at", f"{NEXT}T03:00Z")
    assert result.code == 2
    assert ["cannot be judged" in line for line in result.out.splitlines() if "consent opt_in" in line] == [True]
    assert ["cannot be judged" in line for line in result.out.splitlines() if "consent vip" in line] == [False]
    assert "1 of 2 activations cannot be exported while consent cannot be judged" in result.out
    assert "no policy is violated" not in result.out
    result = shop.muster("policies", "check", "ads/all", "--json", "--at", f"{NEXT}T03:00Z")
    assert result.code == 2
    mistakes = {each["id"]: each["mistake"] for each in result.json[0]["policies"]}
    assert "unknown column 'opt_in'" in mistakes.pop("asked")
    assert mistakes == {"vip": None}
    shop.ok("policies", "check", "crm/all", "--at", f"{NEXT}T03:00Z")
    (tmp_path / f"data/profiles/{NEXT}/profiles.parquet").write_bytes(b"PAR1")
    result = shop.muster("policies", "check", "ads/all", "--json", "--at", f"{NEXT}T03:00Z")
    assert (result.code, [bool(each["mistake"]) for each in result.json[0]["policies"]]) == (2, [True, True])


@pytest.mark.parametrize("columns", [80, 140])
def test_policies_fit_the_terminal(columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 9: tables fit, and no cell is cut; the paths of violations stand below."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shop = shop_with_ads(tmp_path, core_policies=["email-targeting"])
    shop.write("policies/long.yml", {"actions": ["onsite_advertising"], "deny": "(C1 AND C2) OR (C3 AND C4 AND I1)"})
    listed, checked = invoke("-C", str(tmp_path), "policies", "list").out, shop.muster("policies", "check").out
    assert max(map(len, (listed + checked).splitlines())) <= columns
    assert "…" not in listed + checked
    assert '  RHD: health.score -> audience "at-risk" -> audience "seniors"' in checked
    assert "single-identity-personalization" in listed
