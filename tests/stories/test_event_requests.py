"""V6, V7, V9: declared requests, and who shares one, at a recording receiver."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from support.event_shop import DAYS, EMAIL, ID, EventShop, lists, names, somebody
from support.receiver import Receiver, Say
from support.shop import identities


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_example_of_meta_is_exactly_this(tmp_path: Path, receiver: Receiver) -> None:
    """The contract's own example: POST for members, DELETE for exits, an audience a request, hashed addresses."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("delorean-owners", where="vip")
    shop.audience("city-dallas", where="city = 'Dallas'")
    shop.write(
        "destinations/ads.yml",
        f"""\
kind: http
preset: meta_custom_audience_api    # the lines below; `muster presets show` prints them
url: "{receiver.url("/v25.0/{audience.alias}/users")}"
aggregation: {{configurable: {{max_profiles: 10000, key: [audience, status]}}}}
method: {{realized: POST, exited: DELETE}}
identities: [Email]                 # mapped namespaces: these trigger, and only these are sent
columns: [{{target: EMAIL, source: identity_map.Email, transform: [trim, lower, sha256]}}]
request: {{payload: {{schema: [EMAIL], data: {{each: profiles, as: [=EMAIL]}}}}}}
success: {{status: [200]}}
result: {{refused_count: num_invalid_entries}}
activations:
  - {{id: all, audiences: [{{audience: delorean-owners, alias: "23845"}}, {{audience: city-dallas, alias: "23846"}}],
     schedule: each_run}}
""",
    )
    rows = [
        somebody("a", " A@x.com", city="Dallas"),
        somebody("b", city="Oslo"),
        somebody("c", vip=False, city="Dallas"),
    ]
    requests = shop.send(DAYS[0], *rows)
    assert [(each.method, each.path) for each in requests] == [
        ("POST", "/v25.0/23845/users"),
        ("POST", "/v25.0/23846/users"),
    ]
    expected = [[digest("a@x.com")], [digest("b@x.com")]]
    body = requests[0].body.decode()
    assert requests[0].json == {"payload": {"schema": ["EMAIL"], "data": expected}}
    assert body == f'{{"payload":{{"schema":["EMAIL"],"data":[["{expected[0][0]}"],["{expected[1][0]}"]]}}}}'
    assert requests[1].json["payload"]["data"] == [[digest("a@x.com")], [digest("c@x.com")]]
    assert shop.done["messages"] == 4
    assert shop.done["requests"] == 2
    assert shop.done["exported"] == 3
    receiver.default = type(receiver.default)(200, {"num_invalid_entries": 1})
    rows[0] |= {"vip": False}
    [request] = shop.send(DAYS[1], *rows)
    assert (request.method, request.path) == ("DELETE", "/v25.0/23845/users")
    assert request.json == {"payload": {"schema": ["EMAIL"], "data": [[digest("a@x.com")]]}}
    assert shop.done["status"] == "succeeded"
    assert "1" in " ".join(shop.last.json["warnings"]), "the count of refused entries is told"
    shown = shop.ok("presets", "show", "meta_custom_audience_api").out
    assert "num_invalid_entries" in shown


def test_the_preset_alone_is_the_example(tmp_path: Path, receiver: Receiver) -> None:
    """The lines of the example below `preset` are what the preset stands for."""
    shop = EventShop(tmp_path, receiver)
    shop.raw(
        "ads",
        preset="meta_custom_audience_api",
        url=receiver.url("/v25.0/{audience.alias}/users"),
        columns=[{"target": "EMAIL", "source": "identity_map.Email", "transform": ["trim", "lower", "sha256"]}],
        identities=["Email"],
        activations=[{"id": "all", "audiences": [{"audience": "all", "alias": "1"}]}],
    )
    [request] = shop.send(DAYS[0], "a")
    assert (request.method, request.path) == ("POST", "/v25.0/1/users")
    assert request.json["payload"]["data"] == [[digest("a@x.com")]]


def declared(shop: EventShop, request: Any, **content: Any) -> None:
    """A destination with a request tree and columns without identities."""
    shop.raw(
        "crm",
        request=request,
        **(
            {
                "columns": [ID, {"source": "email", "target": "mail"}, {"source": "n", "target": "n"}],
                "activations": [{"id": "a", "audiences": [{"audience": "all", "alias": "A/1?"}]}],
            }
            | content
        ),
    )


def test_a_tree_is_filled_with_values_that_add_no_structure(tmp_path: Path, receiver: Receiver) -> None:
    """V6: text with `=` is a value, `==x` the text `=x`; values keep JSON types; null drops its key at every depth and
    stays in lists; `{audience.alias}` fills urls, percent-encoded; the order of keys is that of the tree.
    """
    shop = EventShop(tmp_path, receiver)
    tree = {
        "version": 2,
        "text": "==x",
        "list": "=audience.alias",
        "run": "=run.id",
        "request": "=request.id",
        "absent": None,
        "users": {
            "each": "profiles",
            "as": {
                "id": "=profile_id",
                "m": {"mail": "=mail", "deep": {"n": "=n"}},
                "both": ["=mail", "=n", None],
                "is": "=status",
                "fixed": True,
            },
        },
    }
    declared(shop, tree, url=receiver.url("/x/{audience.alias}"))
    evil = 'a","b":{"c"}\n\u2028'
    requests = shop.send(DAYS[0], somebody("a", email=evil, n=7), somebody("b", email="=b", n=None))
    [request] = requests
    assert request.path == "/x/A%2F1%3F"
    body = request.json
    assert list(body) == ["version", "text", "list", "run", "request", "users"]
    assert (body["version"], body["text"], body["list"]) == (2, "=x", "A/1?")
    assert body["run"] == shop.done["run_id"]
    assert body["request"]
    assert body["users"] == [
        {"id": "a", "m": {"mail": evil, "deep": {"n": 7}}, "both": [evil, 7, None], "is": "realized", "fixed": True},
        {"id": "b", "m": {"mail": "=b", "deep": {}}, "both": ["=b", None, None], "is": "realized", "fixed": True},
    ]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ({"request": {"x": "=mial"}}, "mial"),
        ({"request": {"x": {"each": "people", "as": "=mail"}}}, "people"),
        ({"url": "/x/{audience.allias}"}, "audience.allias"),
        (
            {
                "columns": [
                    ID,
                    {"source": "identity_map.Email", "target": "e"},
                    {"source": "identity_map.Phone", "target": "p"},
                ]
            },
            "namespace",
        ),
        ({"url": "/x/{audience.alias}", "activations": [{"id": "a", "audiences": ["all"]}]}, "alias"),
    ],
)
def test_mistakes_of_a_request_are_config_errors(
    content: dict[str, Any], wrong: str, tmp_path: Path, receiver: Receiver
) -> None:
    """V6: unknown names; two namespaces; an audience without alias where the alias is used."""
    shop = EventShop(tmp_path, receiver)
    shop.people("a")
    if "url" in content:
        content = content | {"url": receiver.url(content["url"])}
    request = content.pop("request", None) if isinstance(content, dict) else None
    declared(shop, request or {"x": {"each": "profiles", "as": "=id"}}, **content)
    found = shop.muster("validate", "--offline")
    assert found.code == 2, found
    assert "destinations/crm.yml:" in found.err
    assert wrong in found.err


def test_deduplicate_belongs_to_requests_alone(tmp_path: Path, receiver: Receiver) -> None:
    """V6: `deduplicate` only with `request`; there it holds as M3 says."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(deduplicate=["email"])
    shop.people("a")
    assert shop.muster("validate", "--offline").code == 2
    declared(
        shop,
        {"users": {"each": "profiles", "as": "=id"}},
        deduplicate=["email"],
        columns=[ID, {"source": "email", "target": "mail"}],
    )
    [request] = shop.send(DAYS[0], somebody("b", email="one"), somebody("a", email="one"), "c")
    assert request.json == {"users": ["a", "c"]}
    assert shop.done["excluded_by"] == {"duplicate": 1}


def test_shapes_by_kind_of_change(tmp_path: Path, receiver: Receiver) -> None:
    """V6: `when` gives a shape each; whose change is an exit of one audience and a start of another is in both."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("others", where="NOT vip")
    when = {
        kind: {kind: "=audience.alias", "ids": {"each": "profiles", "as": "=profile_id"}}
        for kind in ("realized", "exited", "changed")
    }
    declared(
        shop,
        {"when": when},
        activations=[
            {"id": "a", "audiences": [{"audience": "vips", "alias": "V"}, {"audience": "others", "alias": "O"}]}
        ],
    )
    rows = [somebody("a", n=1), somebody("b", n=1)]
    assert [each.json for each in shop.send(DAYS[0], *rows)] == [{"realized": "V", "ids": ["a", "b"]}]
    rows[0] |= {"vip": False}
    rows[1] |= {"n": 2}
    found = [each.json for each in shop.send(DAYS[1], *rows)]
    assert sorted(found, key=str) == [
        {"changed": "V", "ids": ["b"]},
        {"exited": "V", "ids": ["a"]},
        {"realized": "O", "ids": ["a"]},
    ]
    assert shop.done["messages"] == 3
    assert shop.done["exported"] == 2


# M5 for each audience


def test_an_entry_an_identity_for_each_audience(tmp_path: Path, receiver: Receiver) -> None:
    """V6, M5: an identity gone from a member is an exit entry in each audience that it was sent to; only mapped
    namespaces trigger; who has none is excluded.
    """
    shop = EventShop(tmp_path, receiver)
    shop.ads([("all", "1"), ("vips", "2")])
    rows = [
        somebody("a", "A@x.com", "b@x.com"),
        somebody("c", vip=False),
        somebody("d", identity_map=identities(Phone=["1"])),
    ]
    assert lists(shop.send(DAYS[0], *rows)) == [
        ("POST", "1", ["a@x.com", "b@x.com", "c@x.com"]),
        ("POST", "2", ["a@x.com", "b@x.com"]),
    ]
    assert shop.done["excluded_by"] == {"mandatory:EMAIL": 1}
    rows[0] |= {"identity_map": identities(Email=["a@x.com", "new@x.com"], Phone=["7"])}
    assert lists(shop.send(DAYS[1], *rows)) == [
        ("DELETE", "1", ["b@x.com"]),
        ("DELETE", "2", ["b@x.com"]),
        ("POST", "1", ["a@x.com", "new@x.com"]),
        ("POST", "2", ["a@x.com", "new@x.com"]),
    ]
    rows[0] |= {"identity_map": identities(Email=["a@x.com", "new@x.com"], Phone=["8"])}
    assert shop.send(DAYS[2], *rows) == []


def test_nobody_exits_whom_another_member_holds(tmp_path: Path, receiver: Receiver) -> None:
    """V9, M5: no exit for an identifier that another member of the audience holds."""
    shop = EventShop(tmp_path, receiver)
    shop.ads([("vips", "1"), ("all", "2")])
    shop.send(DAYS[0], somebody("a", "a@x.com", "one@x.com"), somebody("b"))
    sent = lists(
        shop.send(DAYS[1], somebody("a", "a@x.com", "one@x.com", vip=False), somebody("b", "b@x.com", "one@x.com"))
    )
    assert ("DELETE", "1", ["a@x.com"]) in sent
    assert not [each for each in sent if each[0] == "DELETE" and "one@x.com" in each[2]]


def test_before_the_first_evaluation_nobody_is_sent(tmp_path: Path, receiver: Receiver) -> None:
    """V1: audiences that were not evaluated yet are empty, with a warning, also where requests are keyed."""
    shop = EventShop(tmp_path, receiver)
    shop.ads()
    shop.people("a")
    assert shop.again(f"{DAYS[0]}T05:00Z") == []
    assert "was not evaluated" in str(shop.last.json["warnings"])
    assert lists(shop.send(DAYS[1], "a")) == [("POST", "23", ["a@x.com"])]


def test_all_exits_are_answered_before_anybody_is_added(tmp_path: Path, receiver: Receiver) -> None:
    """V9: where requests are keyed by identifier all exits are answered before the first realized message goes out."""
    shop = EventShop(tmp_path, receiver)
    shop.ads([("vips", "1"), ("all", "2")], limit=1)
    shop.send(DAYS[0], *(somebody(f"p{number}") for number in range(6)))
    receiver.default = type(receiver.default)(200, delay=0.02)
    rows = [somebody(f"p{number}", vip=number > 2) for number in range(6)] + [somebody("q1"), somebody("q2")]
    requests = shop.send(DAYS[1], *rows)
    exits = [each for each in requests if each.method == "DELETE"]
    starts = [each for each in requests if each.method == "POST"]
    assert (len(exits), len(starts)) == (3, 4)
    assert max(each.answered or 0 for each in exits) <= min(each.arrived for each in starts)


# V7


def test_requests_hold_a_hundred_by_default(tmp_path: Path, receiver: Receiver) -> None:
    """V7: without `aggregation` requests of kind http hold at most 100 profiles and 1 MB."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(mapping=[ID, {"source": "long", "target": "long"}])
    rows = [somebody(f"p{number:03}", long="x") for number in range(101)]
    assert sorted(len(each.json) for each in shop.send(DAYS[0], *rows)) == [1, 100]
    rows = [row | {"long": "y" * 300_000} for row in rows[:7]]
    requests = shop.send(DAYS[1], *rows)
    exits = {each["id"] for request in requests for each in request.json if "long" not in each}
    assert len(exits) == 94
    assert max(len(each.body) for each in requests) <= 1_000_000
    assert {each["id"] for request in requests for each in request.json if "long" in each} == {
        f"p{number:03}" for number in range(7)
    }


def test_who_is_too_large_alone_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    """V7: limits of bytes hold; one profile that is too large alone is refused, with that reason, and others go."""
    shop = EventShop(tmp_path, receiver)
    long = {"source": "long", "target": "long"}
    shop.crm(mapping=[ID, long], aggregation={"best_effort": {"max_profiles": 10, "max_bytes": "2KB"}})
    requests = shop.send(DAYS[0], *(somebody(name, long="x" * 600) for name in "abcde"), somebody("z", long="x" * 3000))
    assert sorted(names(requests)) == ["a", "b", "c", "d", "e"]
    assert max(len(each.body) for each in requests) <= 2048
    assert shop.done["status"] == "succeeded"
    [(reason, count)] = shop.done["excluded_by"].items()
    assert reason.startswith("refused:")
    assert count == 1


def test_a_configured_group_waits_for_its_oldest_change(tmp_path: Path, receiver: Receiver) -> None:
    """V7: full requests go at once; the rest when its oldest change was first seen `max_age` before; exits never wait;
    a change that was undone is forgotten. V11: who is held back is counted as excluded.
    """
    shop = EventShop(tmp_path, receiver)
    shop.audience("feed", source="memberships")
    patient = {"configurable": {"max_profiles": 3, "max_age": "2h", "key": ["audience", "status"]}}
    shop.ads([("feed", "1")], aggregation=patient)
    shop.people(*(somebody(each) for each in "abcdefg"))
    shop.feed([("feed", each, "realized", f"{DAYS[0]}T01:00Z") for each in "abcd"], name="1")
    shop.evaluate(f"{DAYS[0]}T02:00Z", "--no-exports")
    sent = lists(shop.again(f"{DAYS[0]}T05:00Z"))
    assert [(method, name, len(told)) for method, name, told in sent] == [("POST", "1", 3)]
    run = shop.done
    assert run["received"] == run["exported"] + run["excluded"] == 4
    assert run["excluded"] == 1
    [waiting] = {f"{each}@x.com" for each in "abcd"} - set(sent[0][2])
    shop.feed([("feed", "e", "realized", f"{DAYS[0]}T05:30Z"), ("feed", "a", "exited", f"{DAYS[0]}T05:30Z")], name="2")
    gone = lists(shop.again(f"{DAYS[0]}T06:00Z"))
    assert gone == ([("DELETE", "1", ["a@x.com"])] if waiting != "a@x.com" else [])
    shop.feed([("feed", "e", "exited", f"{DAYS[0]}T06:30Z")], name="3")
    assert lists(shop.again(f"{DAYS[0]}T06:59Z")) == [], "e is forgotten, the other waits"
    later = lists(shop.again(f"{DAYS[0]}T07:00Z"))
    assert later == ([("POST", "1", [waiting])] if waiting != "a@x.com" else [])
    assert shop.again(f"{DAYS[0]}T12:00Z") == []


def test_a_group_is_about_one_value_of_its_key(tmp_path: Path, receiver: Receiver) -> None:
    """V6, V7: what url, method or request outside `each` use is part of the key, configured or not."""
    shop = EventShop(tmp_path, receiver)
    shop.ads([("all", "1"), ("vips", "2")], aggregation=None)
    sent = lists(shop.send(DAYS[0], "a", somebody("b", vip=False)))
    assert sorted(sent) == [("POST", "1", ["a@x.com", "b@x.com"]), ("POST", "2", ["a@x.com"])]


@pytest.mark.parametrize("content", [{"mapping": [ID, EMAIL]}, {"payload": "profile"}])
def test_a_destination_is_of_one_payload(content: dict[str, Any], tmp_path: Path, receiver: Receiver) -> None:
    """V5, V6: `columns` belong to a `request`, `mapping` to `payload: profile`."""
    shop = EventShop(tmp_path, receiver)
    shop.people("a")
    shop.ads(**content)
    assert shop.muster("validate", "--offline").code == 2


# X12, M3


def test_a_key_that_is_written_otherwise_is_sent_anew_with_an_exit_of_the_old(
    tmp_path: Path, receiver: Receiver
) -> None:
    """V4, X12: when the transform behind an identity column changes what was sent stays known, and the new is sent with
    an exit of the old; `plan` and the run warn.
    """
    shop = EventShop(tmp_path, receiver)
    shop.ads()
    shop.send(DAYS[0], "a", "b")
    column = {"target": "EMAIL", "source": "identity_map.Email", "transform": ["trim", "lower", "sha256"]}
    shop.ads(columns=[column])
    assert "resync" in shop.ok("plan", "--at", f"{DAYS[1]}T05:00Z").err
    old, new = [f"{name}@x.com" for name in "ab"], sorted(digest(f"{name}@x.com") for name in "ab")
    sent = lists(shop.send(DAYS[1], "a", "b"))
    assert [(method, sorted(told)) for method, _, told in sent] == [("DELETE", old), ("POST", new)]
    assert shop.send(DAYS[2], "a", "b") == []


def test_an_exit_of_a_key_that_a_member_has_is_a_duplicate(tmp_path: Path, receiver: Receiver) -> None:
    """V6, M3: where people are known by `deduplicate`, nobody exits whose key a member has now."""
    shop = EventShop(tmp_path, receiver)
    tree = {"is": "=status", "people": {"each": "profiles", "as": {"id": "=id", "mail": "=mail"}}}
    columns = [ID, {"source": "email", "target": "mail"}]
    shop.raw(
        "crm",
        request=tree,
        columns=columns,
        deduplicate=["email"],
        activations=[{"id": "a", "audiences": [{"audience": "vips", "alias": "1"}]}],
        url=receiver.url("/x/{audience.alias}"),
    )
    shop.send(DAYS[0], somebody("a", email="one"), somebody("b", email="two"))
    rows = [somebody("a", email="one", vip=False), somebody("b", email="one")]
    told = [
        (each.json["is"], one["id"], one["mail"]) for each in shop.send(DAYS[1], *rows) for one in each.json["people"]
    ]
    assert ("exited", "a", "one") not in told
    assert ("realized", "b", "one") in told


def test_a_namespace_that_nobody_holds_fails_the_run(tmp_path: Path, receiver: Receiver) -> None:
    """M4: found before anything is sent; the message says how many would exit; overriding lets the exits through."""
    shop = EventShop(tmp_path, receiver)
    shop.ads()
    shop.send(DAYS[0], "a", "b")
    rows = [somebody(name, identity_map=identities(Phone=["1"])) for name in "ab"]
    assert shop.send(DAYS[1], *rows, code=1) == []
    assert "2" in shop.done["error"]
    assert "Email" in shop.done["error"]
    sent = lists(shop.again(f"{DAYS[1]}T06:00Z", "--override-guards", "ads/a"))
    assert sent == [("DELETE", "23", ["a@x.com", "b@x.com"])]


def test_mandatory_columns_and_kinds_of_method(tmp_path: Path, receiver: Receiver) -> None:
    """V6, M2: who lacks a mandatory value is excluded, never from an exit; `method` and url by kind and value."""
    shop = EventShop(tmp_path, receiver)
    tree = {"people": {"each": "profiles", "as": {"id": "=id", "mail": "=mail"}}}
    columns = [ID, {"source": "email", "target": "mail", "mandatory": True}]
    shop.raw(
        "crm",
        request=tree,
        columns=columns,
        method={"realized": "PUT", "exited": "DELETE"},
        url=receiver.url("/x/{status}/{audience.alias}"),
        activations=[{"id": "a", "audiences": [{"audience": "vips", "alias": "1"}]}],
    )
    [request] = shop.send(DAYS[0], "a", "b", somebody("c", email=None))
    assert (request.method, request.path) == ("PUT", "/x/realized/1")
    assert shop.done["excluded_by"] == {"mandatory:mail": 1}
    [request] = shop.send(DAYS[1], somebody("a", email=None), "b", somebody("c", email=None))
    assert (request.method, request.path) == ("DELETE", "/x/exited/1")
    assert request.json == {"people": [{"id": "a", "mail": "a@mail"}]}, "an exit carries what was sent (X12)"


def test_a_message_that_tells_an_exit_never_waits(tmp_path: Path, receiver: Receiver) -> None:
    """V7: exits never wait, though the profile stays in another audience."""
    shop = EventShop(tmp_path, receiver)
    shop.crm(["vips", "all"], aggregation={"configurable": {"max_profiles": 100, "max_age": "30h"}})
    assert shop.send(DAYS[0], "a") == []
    assert names(shop.again(f"{DAYS[1]}T11:00Z")) == ["a"]
    assert names(shop.send(DAYS[2], somebody("a", vip=False), "b")) == ["a"]


def test_an_identity_that_waited_is_sent_though_only_membership_triggers(tmp_path: Path, receiver: Receiver) -> None:
    """V3, V7: of a member with two identities one was in a full request; the other waits until it is due."""
    shop = EventShop(tmp_path, receiver)
    aggregation = {"configurable": {"max_profiles": 2, "max_age": "2d", "key": ["audience", "status"]}}
    shop.ads(triggers=["membership"], aggregation=aggregation)
    people = (somebody("a"), somebody("b", "b1@x.com", "b2@x.com"))
    assert lists(shop.send(DAYS[0], *people)) == [("POST", "23", ["a@x.com", "b1@x.com"])]
    told = [name for day in DAYS[1:4] for _, _, found in lists(shop.send(day, *people)) for name in found]
    assert "b2@x.com" in told
    assert shop.send(DAYS[4], *people) == []


@pytest.mark.parametrize("status", [400, 429])
def test_an_identity_that_was_not_accepted_stays_due(status: int, tmp_path: Path, receiver: Receiver) -> None:
    """V2, V3, V10: one identity of a member was accepted, the other refused, or never sent; it is offered again."""
    shop = EventShop(tmp_path, receiver)
    shop.ads(triggers=["membership"], limit=1, in_flight=1)
    receiver.rule = lambda request: Say(status) if "b2@x.com" in request.json["users"] else None
    people = (somebody("a"), somebody("b", "b1@x.com", "b2@x.com"))
    shop.send(DAYS[0], *people, code=0 if status == 400 else 1)
    receiver.rule = None
    assert ("POST", "23", ["b2@x.com"]) in lists(shop.send(DAYS[1], *people))
    assert shop.send(DAYS[2], *people) == []
