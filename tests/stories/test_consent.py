"""Consent policies leave people out of every kind of export, and whoever withdraws leaves (G4, G5)."""

from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.shop import SINCE, STATUS, Shop, identities, person

from muster.activation.export import carry_out

MAIL = {"source": "identity_map.Email", "target": "mail"}
KEYS: dict[str, dict[str, Any]] = {
    "no keys": {"mapping": ["profile_id", "city"]},
    "values": {"mapping": ["profile_id", "city"], "changes": ["membership", "identity", "attributes"]},
    "mandatory": {"mapping": ["profile_id", {"source": "email", "mandatory": True}]},
    "deduplicated": {"mapping": ["profile_id", "email"], "deduplicate": ["email"]},
    "identities": {"mapping": ["profile_id", MAIL]},
}
CONSENTS = "consents.marketing.val IN ('y', 'vi')"


def shop_of(root: Path, *, schedule: Any = None, fed: bool = False, consent: str = CONSENTS, **content: Any) -> Shop:
    """A shop that sends everybody who consents, in full, incrementally and on demand, and everybody to `free`."""
    shop = Shop(root)
    shop.write("policies/mail.yml", {"actions": ["email_targeting"], "consent": consent})
    if fed:
        shop.audience("all", source="memberships")
        shop.feed([("all", each, "realized", "2026-11-01T00:00Z") for each in "abcd"])
    else:
        shop.audience("all", where="true")
    activations = [
        {"audience": "all", "id": each, "export": each, "schedule": schedule or {"at": "05:00"}}
        for each in ("full", "incremental")
    ]
    activations.append({"audience": "all", "id": "now", "schedule": "on_demand"})
    content = {"mapping": ["profile_id", "city"]} | content
    mapping = [*content.pop("mapping"), STATUS, SINCE]
    crm = content | {"mapping": mapping, "activations": activations}
    shop.destination("crm", marketing_actions=["email_targeting"], **crm)
    shop.destination("free", **(crm | {"activations": activations[1:]}))
    return shop


def people(city: str = "x", **said: str | None) -> list[dict[str, Any]]:
    """Members with what each said; nothing else of them ever changes."""
    return [
        person(
            each, city=city, consents={"marketing": {"val": value}}, identity_map=identities(Email=[f"{each}@x.com"])
        )
        for each, value in said.items()
    ]


def sent(shop: Shop, key: str) -> list[str]:
    """Whom the newest run sent: ``a`` realized, ``-a`` exited."""
    rows = shop.rows(newest(shop, key)["files"][0]["path"].removeprefix("out/"))
    return [("-" if row["status"] == "exited" else "") + row["profile_id"] for row in rows]


def newest(shop: Shop, key: str) -> dict[str, Any]:
    return next(run for run in shop.ok("runs", "list", "--activation", key, "--json").json if run["status"])


def rejects(shop: Shop, key: str) -> dict[str, str]:
    found = shop.ok("runs", "rejects", newest(shop, key)["run_id"], "--json").json
    return {each["profile_id"]: each["reason"] for each in found}


@pytest.mark.parametrize("keys", KEYS)
def test_consent_holds_in_every_kind_of_export(tmp_path: Path, keys: str) -> None:
    """G4, X2, X3d, X10: who does not consent, null included, is in no file, first or later, whatever the keys; a person
    who withdraws exits at the instant of the export though still a member, and who consents again is sent again.
    Counts, rejects, `plan` and `preview` say so. Nobody is left out where no policy applies.
    """
    shop = shop_of(tmp_path, **KEYS[keys])
    shop.profiles("2026-11-20", people(a="y", b="vi", c="n", d=None))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    for key in ("crm/full", "crm/incremental"):
        assert sent(shop, key) == ["a", "b"]
        assert newest(shop, key)["excluded_by"] == {"consent:mail": 2}
        assert rejects(shop, key) == {"c": "consent:mail", "d": "consent:mail"}
    assert sent(shop, "free/incremental") == ["a", "b", "c", "d"]

    shop.profiles("2026-11-21", people(a="y", b="n", c="y", d=None))
    planned = shop.ok("plan", "--at", "2026-11-21T05:00Z", "--json").json
    previewed = shop.ok("preview", "crm/incremental", "--at", "2026-11-21T05:00Z", "--json").json
    shop.run("2026-11-21T05:00Z")
    assert sent(shop, "crm/full") == ["a", "c"]
    assert sent(shop, "crm/incremental") == ["-b", "c"]
    exit_, _ = shop.rows(newest(shop, "crm/incremental")["files"][0]["path"].removeprefix("out/"))
    assert exit_["since"] == "2026-11-21T05:00:00Z"
    assert rejects(shop, "crm/incremental") == {"d": "consent:mail"}
    assert sent(shop, "free/incremental") == []
    for each in planned:
        run = newest(shop, f"{each['destination']}/{each['activation']}")
        assert [each[name] for name in ("realized", "exited", "excluded_by")] == [
            run[name] for name in ("realized", "exited", "excluded_by")
        ]
    assert [(row["profile_id"], row["status"]) for row in previewed["rows"]] == [("b", "exited"), ("c", "realized")]


def test_reasons_stand_in_their_order(tmp_path: Path) -> None:
    """X2, G4: `profile_missing`, consent policies by id, mandatory, duplicate: the first that applies counts."""
    shop = shop_of(
        tmp_path, mapping=["profile_id", "email", {"source": "city", "mandatory": True}], deduplicate=["email"]
    )
    shop.write("policies/a-first.yml", {"actions": ["email_targeting"], "consent": "ok"})
    shared = {"email": "one@x.com", "city": "x"}
    rows = {
        "a": {"ok": False, "val": "n"},
        "b": {"ok": True, "val": "n", "city": None},
        "c": {"ok": True, "val": "y", "city": None},
        "d": {"ok": True, "val": "y"},
        "e": {"ok": True, "val": "y"},
        "f": {"ok": None, "val": "y"},
    }
    all_six = [
        person(each, **(shared | {name: value for name, value in row.items() if name != "val"}))
        | {"consents": {"marketing": {"val": row["val"]}}}
        for each, row in rows.items()
    ]
    shop.profiles("2026-11-20", [*all_six, all_six[0] | {"profile_id": "gone"}])
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", all_six)
    shop.run("2026-11-21T05:00Z")
    assert rejects(shop, "crm/full") == {
        "a": "consent:a-first",
        "b": "consent:mail",
        "c": "mandatory:city",
        "e": "duplicate",
        "f": "consent:a-first",
        "gone": "profile_missing",
    }


def test_who_withdraws_lets_the_other_one_in(tmp_path: Path) -> None:
    """M3, G4: a duplicate's winner who withdraws takes nobody's place; the receiver keeps the key: no exit of it."""
    shop = shop_of(tmp_path, mapping=["profile_id", "email"], deduplicate=["email"])
    both = [each | {"email": "one@x.com"} for each in people(a="y", b="y")]
    shop.profiles("2026-11-20", both)
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert (sent(shop, "crm/incremental"), rejects(shop, "crm/incremental")) == (["a"], {"b": "duplicate"})
    shop.profiles("2026-11-21", [both[0] | {"consents": {"marketing": {"val": "n"}}}, both[1]])
    shop.run("2026-11-21T05:00Z")
    assert (sent(shop, "crm/incremental"), rejects(shop, "crm/incremental")) == (["b"], {"a": "duplicate"})
    assert (sent(shop, "crm/full"), rejects(shop, "crm/full")) == (["b"], {"a": "consent:mail"})


def test_feeds_and_later_tries_judge_by_the_newest_snapshot(tmp_path: Path) -> None:
    """G5, X6, S4: a withdrawal after the evaluation counts for members of a feed, and for an after-evaluation export
    that is tried later.
    """
    shop = shop_of(tmp_path, fed=True, schedule="after_evaluation")
    shop.profiles("2026-11-20", people(a="y", b="y", c="y", d="y"))
    shop.evaluate("2026-11-20T02:00Z", "--no-exports")
    shop.profiles("2026-11-21", people(a="y", b="n", c="y"))
    shop.run("2026-11-21T05:00Z")
    assert sent(shop, "crm/incremental") == ["a", "c"]
    assert rejects(shop, "crm/incremental") == {"b": "consent:mail", "d": "profile_missing"}
    shop.profiles("2026-11-22", people(a="n", b="n", c="y"))
    shop.evaluate("2026-11-22T02:00Z")
    assert sent(shop, "crm/incremental") == ["-a"]


def test_exports_on_demand_judge_by_the_newest_snapshot(tmp_path: Path) -> None:
    """G5, X7: values are those of the evaluation's snapshot, consent that of the newest; whom that one lacks is left
    out where a policy applies, and there alone.
    """
    shop = shop_of(tmp_path)
    shop.profiles("2026-11-20", people(a="y", b="y", c="n", d="y", city="then"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.profiles("2026-11-21", people(x="y", c="y", b="n", a="y", city="today"))
    shop.ok("export", "crm/now", "free/now", "--at", "2026-11-21T03:00Z")
    assert sent(shop, "crm/now") == ["a", "c"]
    assert {row["city"] for row in shop.rows(newest(shop, "crm/now")["files"][0]["path"].removeprefix("out/"))} == {
        "then"
    }
    assert rejects(shop, "crm/now") == {"b": "consent:mail", "d": "profile_missing"}
    assert sent(shop, "free/now") == ["a", "b", "c", "d"]


def test_order_of_files_does_not_matter(tmp_path: Path) -> None:
    """D1, G4: consent belongs to the person, in whatever order the snapshot's files have the profiles."""
    shop = shop_of(tmp_path)
    shop.profiles("2026-11-20", people(d="y", a="n", c="y"), part="1")
    shop.profiles("2026-11-20", people(e="n", b="y"), part="2")
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    assert sent(shop, "crm/full") == ["b", "c", "d"]


WRONG: dict[str, tuple[str, pl.DataFrame, str]] = {
    "vanished": ("ok", pl.DataFrame({"okay": [True]}), "unknown column 'ok'; did you mean 'okay'?"),
    "other type": ("ok", pl.DataFrame({"ok": ["true"]}), "it gives text (String); expected a boolean"),
    "no boolean": ("points", pl.DataFrame({"points": [1]}), "it gives a whole number (Int64); expected a boolean"),
    "bad value": ("CAST(points AS BIGINT) > 0", pl.DataFrame({"points": ["x"]}), "cannot be converted from text"),
    "field": ("c.val = 'y'", pl.DataFrame({"c": [{"vol": "y"}]}), "val"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_policy_that_cannot_be_judged_lets_nobody_through(tmp_path: Path, wrong: str) -> None:
    """G4, X1: a consent column that vanishes or changes its type, or a value on which the expression fails, fails each
    export to which the policy applies, on demand too, and no other; the message has the place, the expression, the
    fault and near names. `validate` finds it (exit 2).
    """
    consent, columns, message = WRONG[wrong]
    shop = shop_of(tmp_path, consent=consent, mapping=["profile_id"])
    shop.profiles("2026-11-20", columns.with_columns(pl.Series("profile_id", ["a"])))
    shop.evaluate("2026-11-20T02:00Z")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1
    assert f"crm/full, crm/incremental: policies/mail.yml:3: consent: {consent}: " in result.err
    assert message in result.err
    assert shop.muster("export", "crm/now", "--at", "2026-11-20T06:00Z").code != 0
    assert not [file for file in shop.files() if file.startswith("crm/")]
    assert sent(shop, "free/incremental") == ["a"]
    checked = shop.muster("validate", "--at", "2026-11-20T06:00Z")
    assert (checked.code, message in checked.err) == (2, True)


def test_guards_count_who_withdraws(tmp_path: Path) -> None:
    """X11, G4: a mass withdrawal trips a guard, and nothing is written."""
    shop = shop_of(tmp_path, guards={"max_exited": 1})
    shop.profiles("2026-11-20", people(a="y", b="y", c="y"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.profiles("2026-11-21", people(a="y", b="n", c=None))
    result = shop.muster("run", "--at", "2026-11-21T05:00Z")
    assert result.code == 1
    assert "crm/incremental: guard max_exited: 2 delivered profiles would leave" in result.err


def test_receivers_that_are_not_told_are_named(tmp_path: Path) -> None:
    """G5, X3d: `validate` warns of incremental activations without the status to which a policy applies; whoever
    withdraws leaves the delivered set, and counts among those of whom the receiver was never told.
    """
    shop = shop_of(tmp_path)
    daily = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    shop.destination("quiet", mapping=["profile_id"], activations=[daily], marketing_actions=["email_targeting"])
    shop.profiles("2026-11-20", people(a="y", b="y"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.profiles("2026-11-21", people(a="y", b="n"))
    warned = shop.ok("validate", "--at", "2026-11-21T04:00Z").err
    assert "quiet/all: whom policy 'mail' leaves out is in no file" in warned
    assert "crm/incremental: whom policy" not in warned
    shop.run("2026-11-21T05:00Z")
    assert newest(shop, "quiet/all")["exited"] == 0
    shop.destination(
        "quiet", mapping=["profile_id", STATUS], activations=[daily], marketing_actions=["email_targeting"]
    )
    assert "quiet/all: 1 profile left while" in shop.ok("validate", "--at", "2026-11-21T06:00Z").err


@pytest.mark.parametrize("is_known", [True, False], ids=["activation", "destination"])
def test_no_file_is_made_again_with_whom_a_policy_leaves_out(tmp_path: Path, is_known: bool) -> None:
    """G4: `redeliver` and `replay` give the bytes of then or nothing: they refuse a run with somebody whom a policy
    leaves out today, also where the activation is gone; rows that exit do not count.
    """
    shop = shop_of(tmp_path)
    shop.profiles("2026-11-20", people(a="y", b="y", c="y"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    first = newest(shop, "crm/incremental")
    shop.profiles("2026-11-21", people(a="y", b="n"))
    shop.run("2026-11-21T05:00Z")
    second = newest(shop, "crm/incremental")
    assert (second["realized"], second["exited"]) == (0, 2)
    for run in (first, second):
        (shop.root / run["files"][0]["path"]).unlink()
    if not is_known:
        shop.destination("crm", mapping=["profile_id"], marketing_actions=["email_targeting"])
    for command in ("redeliver", "replay"):
        refused = shop.muster(command, first["run_id"])
        assert refused.code == 2
        assert "its files hold 2 profiles that policy 'mail' leaves out today" in refused.err
    assert not (shop.root / first["files"][0]["path"]).exists()
    shop.ok("redeliver", second["run_id"])
    assert (shop.root / second["files"][0]["path"]).exists()


def test_an_interrupt_while_consent_is_judged_leaves_the_slot_due(tmp_path: Path) -> None:
    """S5, G7, SPEC 9: a command that is stopped before its first run of a governed destination has begun says so, and
    leaves a sound ledger; the next one delivers.
    """
    shop = shop_of(tmp_path)
    shop.profiles("2026-11-20", people(a="y", b="n"))
    shop.evaluate("2026-11-20T02:00Z")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with mock.patch.object(carry_out, "plan_files", interrupted):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 130
    assert "interrupted" in newest(shop, "crm/full")["error"]
    shop.ok("state", "check")
    shop.run("2026-11-20T05:01Z")
    assert sent(shop, "crm/full") == ["a"]
