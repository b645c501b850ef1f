"""Event destinations through the real command: what is checked before anything is sent (V1, V5, G3, G6, X1)."""

from pathlib import Path
from typing import Any

import pytest
from support.receiver import Receiver
from support.shop import Shop

PEOPLE = [
    {
        "profile_id": "a",
        "email": "ann@x.com",
        "health": "bad",
        "identity_map": [{"namespace": "Email", "id": "ann@x.com"}],
    },
    {
        "profile_id": "b",
        "email": "bob@x.com",
        "health": "good",
        "identity_map": [{"namespace": "Email", "id": "bob@x.com"}],
    },
]
AT = ("--at", "2026-11-20T03:00Z")


def shop(root: Path, **destination: Any) -> Shop:
    found = Shop(root)
    found.profiles("2026-11-20", PEOPLE)
    found.audience("all", where="true")
    found.audience("sick", where="health = 'bad'")
    found.destination("api", **({"kind": "http", "activations": [{"audiences": ["all"]}]} | destination))
    return found


URL = {"url": "https://crm.example.com/profiles"}


def test_columns_are_checked_against_the_data(tmp_path: Path) -> None:
    """X1, M4, V3: a source, a version column or a namespace that the profiles lack is named with near names."""
    mapping = [{"source": "emial", "target": "mail"}]
    place = shop(tmp_path, **URL, mapping=mapping, attributes_version="helth", identities=["Emial"])
    found = place.muster("validate", "--offline", *AT)
    assert found.code == 2
    assert "did you mean 'email'?" in found.err
    assert "'helth'" in found.err
    place.destination("api", kind="http", **URL, identities=["Emial"], activations=[{"audiences": ["all"]}])
    found = place.muster("validate", "--offline", *AT)
    assert found.code == 0
    assert (
        "api/all: no profile has an identity in the namespace 'Emial' of identities; did you mean 'Email'?" in found.err
    )


def test_a_declared_request_of_a_namespace_that_nobody_has(tmp_path: Path) -> None:
    """M4: the one mapped namespace of a request is checked as that of a file."""
    columns = [{"source": "identity_map.Phone", "target": "PHONE"}]
    place = shop(tmp_path, **URL, columns=columns, request={"people": {"each": "profiles", "as": "=PHONE"}})
    assert "no profile of" in place.muster("validate", "--offline", *AT).err


def test_the_receiver_is_asked(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 9, V11: validate connects to receivers and sends no message; --offline asks none."""
    place = shop(tmp_path, url=receiver.url("/profiles"))
    assert place.muster("validate", *AT).code == 0
    assert not receiver.requests
    place.destination("api", kind="http", url="http://127.0.0.1:9/none", activations=[{"audiences": ["all"]}])
    assert place.muster("validate", "--offline", *AT).code == 0
    found = place.muster("validate", *AT)
    assert found.code == 2
    assert "api/all: " in found.err


def test_messages_without_guard_are_named(tmp_path: Path) -> None:
    """X11, V11: validate names the activations that tell a receiver without any guard."""
    place = shop(tmp_path, **URL)
    assert "api/all: no guard stops a fault upstream" in place.muster("validate", "--offline", *AT).err
    place.set(guards={"max_messages": 100})
    assert "no guard stops" not in place.muster("validate", "--offline", *AT).err


def test_a_request_that_does_not_say_who_left(tmp_path: Path) -> None:
    """V6: validate names a declared request that is the same for people who joined and who left."""
    request = {"people": {"each": "profiles", "as": "=profile_id"}}
    place = shop(tmp_path, **URL, request=request)
    warned = "api/all: the request is the same for people who joined and who left"
    assert warned in place.muster("validate", "--offline", *AT).err
    for told in (
        {"request": {"people": {"each": "profiles", "as": ["=profile_id", "=status"]}}},
        {"request": request, "method": {"realized": "PUT", "exited": "DELETE"}},
        {"request": {"when": {"realized": request, "exited": {"gone": request["people"]}}}},
    ):
        place.destination("api", kind="http", **URL, **told, activations=[{"audiences": ["all"]}])
        assert warned not in place.muster("validate", "--offline", *AT).err


def test_a_violation_of_messages(tmp_path: Path) -> None:
    """G3, G6: validate and policies check list it with its path, and exit 2; policies show counts the activation."""
    place = shop(tmp_path, **URL, mapping=["email"], marketing_actions=["onsite_advertising"])
    place.set(labels={"email": ["I1"]})
    place.write("policies/p.yml", {"actions": ["onsite_advertising"], "deny": "I1"})
    found = place.muster("validate", "--offline", *AT)
    assert (found.code, 'email -> column "email" -> api/all' in found.err) == (2, True)
    assert place.muster("policies", "check", *AT).code == 2
    (checked,) = place.muster("policies", "check", "--json", *AT).json
    assert (checked["activation"], checked["audience"], checked["audiences"]) == ("all", None, ["all"])
    assert checked["violated"]
    assert place.muster("policies", "show", "p", "--json").json["activations"] == ["api/all"]


def test_audiences_that_messages_leave_out_are_named(tmp_path: Path) -> None:
    """V5: policies check names unmapped audiences whose labels would violate a policy, and exits 0."""
    place = shop(tmp_path, **URL, marketing_actions=["onsite_advertising"])
    place.set(labels={"health": ["RHD"]})
    place.write("policies/p.yml", {"actions": ["onsite_advertising"], "deny": "RHD"})
    found = place.muster("policies", "check", "api/all", *AT)
    assert found.code == 0
    assert "its messages leave out what a policy forbids: who is in sick" in found.out
    (checked,) = place.muster("policies", "check", "--json", *AT).json
    assert [each["audience"] for each in checked["untold_audiences"]] == ["sick"]


def test_how_many_consent_leaves_out_of_messages(tmp_path: Path) -> None:
    """G6: members of several mapped audiences count once; one that was not evaluated yet is empty (V1)."""
    place = shop(
        tmp_path, **URL, marketing_actions=["email_targeting"], activations=[{"id": "x", "audiences": ["all", "sick"]}]
    )
    place.write("policies/c.yml", {"actions": ["email_targeting"], "consent": "health = 'good'"})
    place.ok("evaluate", "--no-exports", "--audience", "all", "--at", "2026-11-20T02:00Z")
    (checked,) = place.muster("policies", "check", "--json", *AT).json
    assert checked["policies"][0]["left_out"] == 1
    place.ok("evaluate", "--no-exports", "--at", "2026-11-20T02:30Z")
    (checked,) = place.muster("policies", "check", "--json", *AT).json
    assert checked["policies"][0]["left_out"] == 1


def test_destinations_and_schedules_are_listed(tmp_path: Path) -> None:
    """SPEC 9, V1: event destinations are among the others, with their kind; each_run is in words."""
    place = shop(tmp_path, **URL)
    place.destination("files", mapping=["email"], activations=[{"audience": "all", "schedule": "on_demand"}])
    found = place.muster("destinations", "list", "--json").json
    assert [(each["id"], each["kind"], each["url"], each["activations"]) for each in found] == [
        ("api", "http", "https://crm.example.com/profiles", 1),
        ("files", "files", "out/files", 1),
    ]
    lines = place.muster("schedule", "list", "--json").json
    assert {each["activation"]: each["schedule"] for each in lines if each["destination"] == "api"}.keys() == {"all"}


@pytest.mark.parametrize("command", ["run", "evaluate", "plan", "status", "validate"])
def test_mistakes_stop_every_command(tmp_path: Path, command: str) -> None:
    """X1, SPEC 10: a mistake in an event destination stops every command before anything is done."""
    place = shop(tmp_path, url="http://crm.example.com/x")
    found = place.muster(command)
    assert found.code == 2
    assert "destinations/api.yml" in found.err
    assert "is http:// to another machine" in found.err


def test_messages_tell_no_audience_that_a_policy_forbids(tmp_path: Path, receiver: Receiver) -> None:
    """V5, G3: an unmapped audience that would violate a policy is in no message; others that somebody is in are."""
    place = shop(tmp_path, url=receiver.url("/people"), marketing_actions=["onsite_advertising"])
    place.audience("known", where="email IS NOT NULL")
    place.set(labels={"health": ["RHD"]})
    place.write("policies/p.yml", {"actions": ["onsite_advertising"], "deny": "RHD"})
    place.ok("evaluate", "--no-exports", "--at", "2026-11-20T02:00Z")
    place.ok("run", *AT)
    (request,) = receiver.requests
    assert [sorted(each["segmentMembership"]["ups"]) for each in request.json] == [["all", "known"]] * 2
    assert place.ok("runs", "show", "api/all", "--json").json["governance"]["untold_audiences"] == ["sick"]
    assert "untold audiences       sick" in place.ok("runs", "show", "api/all").out


def test_a_violated_policy_stops_messages(tmp_path: Path, receiver: Receiver) -> None:
    """G3, G7: the run fails with policy and path, sends nothing, and records labels and violations."""
    place = shop(tmp_path, url=receiver.url("/people"), mapping=["email"], marketing_actions=["onsite_advertising"])
    place.set(labels={"email": ["I1"]})
    place.write("policies/p.yml", {"actions": ["onsite_advertising"], "deny": "I1"})
    place.ok("evaluate", "--no-exports", "--at", "2026-11-20T02:00Z")
    found = place.muster("run", *AT)
    assert found.code == 1
    assert "policy 'p' denies onsite_advertising for I1: email -> column \"email\" -> api/all" in found.err
    assert not receiver.requests
    (run,) = place.runs("api/all")
    assert run["status"] == "failed"
    shown = place.ok("runs", "show", run["run_id"], "--json").json["governance"]
    assert [each["policy"] for each in shown["violations"]] == ["p"]


def test_secrets_of_receivers_are_in_no_file(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V12, X9: after a run no file of the workspace holds a token, a header's secret or a secret part of the url."""
    secrets = {"TOKEN": "s3cret-token-value", "HOOK": "hook-s3cret-path"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = {"auth": {"bearer_env": "TOKEN"}, "headers": {"X-Key": "${TOKEN}"}}
    place = shop(tmp_path, url=receiver.url("/in/${HOOK}"), **settings)
    place.ok("evaluate", "--no-exports", "--at", "2026-11-20T02:00Z")
    told = place.ok("run", "-v", *AT)
    (request,) = receiver.requests
    assert (request.path, request.headers["authorization"]) == ("/in/hook-s3cret-path", "Bearer s3cret-token-value")
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(value.encode() in held or value in told.err + told.out for value in secrets.values())
    monkeypatch.setenv("HOOK", "another-s3cret")
    assert "the place changed" in place.ok("plan", "--at", "2026-11-20T04:00Z").out + told.err


def test_a_missing_variable_stops_one_receiver(tmp_path: Path, receiver: Receiver) -> None:
    """SPEC 2: without a variable of auth the destination's runs fail by its name, and other destinations go on."""
    place = shop(tmp_path, url=receiver.url("/people"), auth={"bearer_env": "NOT_SET_HERE"})
    place.destination("free", kind="http", url=receiver.url("/free"), activations=[{"audiences": ["all"]}])
    place.ok("evaluate", "--no-exports", "--at", "2026-11-20T02:00Z")
    found = place.muster("run", *AT)
    assert found.code == 1
    assert "environment variable NOT_SET_HERE is not set" in found.err
    assert {each.path for each in receiver.requests} == {"/free"}
    assert {run["destination"]: run["status"] for run in place.runs()} == {"api": "failed", "free": "succeeded"}
