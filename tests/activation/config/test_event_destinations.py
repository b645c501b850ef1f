"""Event destinations in YAML: what they mean, and how every mistake in them is said (V1 to V7, V10 to V13)."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.event_workspace import ADS, CRM, EVENTS, HUB, STREAM, event_files, spoiled, write_events

from muster.activation.config import workspace as config
from muster.activation.config.cache_format import from_plain, to_plain
from muster.activation.config.message_access import place_of_url
from muster.activation.config.sources import Sources, read_sources
from muster.activation.errors import Problem
from muster.activation.model.messages import (
    Aggregation,
    Answers,
    Auth,
    MessageActivation,
    MessageDestination,
    Pattern,
    Rate,
    Result,
    Tls,
)
from muster.activation.model.workspace import Workspace

SECRETS = {"CRM_ID": "client-17", "CRM_SECRET": "hunter2-s3cret"}


def read(root: Path, files: dict[str, str], **environ: str) -> tuple[Workspace | None, list[Problem]]:
    return config.read(read_sources(write_events(root, files)), environ)


def load(root: Path, text: str, **environ: str) -> Workspace:
    workspace, problems = read(root, {"destinations/x.yml": text}, **environ)
    assert not problems, [str(problem) for problem in problems]
    assert workspace is not None
    return workspace


def one(root: Path, text: str, **environ: str) -> MessageActivation:
    return load(root, text, **environ).message_activations[0]


def there(root: Path, text: str, **environ: str) -> MessageDestination:
    return load(root, text, **environ).message_destinations["x"]


def messages(root: Path, text: str, **files: str) -> list[str]:
    """The mistakes in one destination, without the name of the file."""
    others = {name.replace("__", "/") + ".yml": content for name, content in files.items()}
    found = read(root, {"destinations/x.yml": text, **others}, **SECRETS)[1]
    return [str(problem).removeprefix("destinations/x.yml:") for problem in found]


# -- what is read


def test_the_enterprise_kind(tmp_path: Path) -> None:
    """V1: the contract's first example: who is told, of what, in which way, and with which credentials."""
    workspace = load(tmp_path, CRM, **SECRETS)
    activation, destination = workspace.message_activations[0], workspace.message_destinations["x"]
    assert (activation.key, activation.kind, activation.payload) == ("x/loyalty", "http", "profile")
    assert activation.audience_ids == ("delorean-owners", "city-dallas", "basic-site-active")
    assert [(column.source, column.target) for column in activation.mapping] == [
        ("person.name.first", "person.name.firstName"),
        ("email", "personalEmail.address"),
    ]
    assert activation.schedule.kind == "each_run"
    assert activation.schedule.trigger == "scheduled"
    assert activation.aggregation == Aggregation("best_effort", 10, 1_000_000)
    assert (activation.headers, activation.method) == ({"X-Source": "muster"}, {"": "POST"})
    assert activation.identities is None
    names = {"client_id_env": "CRM_ID", "client_secret_env": "CRM_SECRET"}
    assert destination.auth == Auth("oauth2", names, token_url="https://login.example.com/token")  # noqa: S106
    assert (destination.name, destination.url) == ("CRM events", "https://crm.example.com/profiles")
    assert (workspace.activations, workspace.destinations) == ((), {})


def test_a_platform_declared(tmp_path: Path) -> None:
    """V1, V6: the contract's second example: a request as a tree, aliases, methods and what answers mean."""
    activation = one(tmp_path, ADS)
    assert activation.payload == "request"
    assert [(each.id, each.alias, each.shown) for each in activation.audiences] == [
        ("delorean-owners", "23845", "23845"),
        ("city-dallas", "23846", "23846"),
    ]
    tree = {"payload": {"schema": ["EMAIL"], "data": {"each": "profiles", "as": ["=EMAIL"]}}}
    assert {kind: json.loads(text) for kind, text in activation.request.items()} == {"": tree}
    assert activation.method == {"realized": "POST", "exited": "DELETE"}
    assert activation.identities == ("Email",)
    assert activation.mapping[0].transform == ("trim", "lower", "sha256")
    assert activation.aggregation == Aggregation("configurable", 10_000, key=("audience", "status"))
    answers = replace(activation.answers, throttled=(), fatal=())
    assert answers == Answers((200,), result=Result(refused_count="num_invalid_entries"))
    throttled, fatal = (
        re.compile(each.body or "") for each in (*activation.answers.throttled, *activation.answers.fatal)
    )
    assert throttled.search('{"error":{"code":80003}}')
    assert not throttled.search('{"error":{"code":100}}')
    assert fatal.search('{"error": {"code": 190}}')
    assert activation.url == "https://graph.facebook.com/v25.0/{audience.alias}/users"


def test_a_preset_says_what_the_file_does_not(tmp_path: Path) -> None:
    """V1: the lines that the contract shows below a preset are what the preset sets."""
    lines = ADS.splitlines(keepends=True)
    short = "".join((*lines[:2], *lines[lines.index("activations:\n") :]))
    as_written, by_preset = one(tmp_path / "long", ADS), one(tmp_path / "short", short)
    for name in ("url", "aggregation", "method", "identities", "request", "answers", "payload"):
        assert getattr(by_preset, name) == getattr(as_written, name), name
    assert [(each.source, each.target, each.transform) for each in by_preset.mapping] == [
        (each.source, each.target, each.transform) for each in as_written.mapping
    ]


def test_defaults(tmp_path: Path) -> None:
    """V1, V3, V7, V8, V10: an url, a kind and an audience are enough; the activation is called as its one audience."""
    activation = one(tmp_path, EVENTS)
    assert (activation.key, activation.schedule.kind, activation.payload) == ("x/loyal", "each_run", "profile")
    assert activation.aggregation == Aggregation("best_effort", 100, 1_000_000)
    assert activation.triggers == ("membership", "identity", "attributes")
    assert (activation.mapping, activation.identities, activation.answers) == ((), None, Answers())
    assert (activation.unmapped_audiences, activation.names, activation.resends_mapping) == (True, False, False)
    assert (activation.in_flight, activation.dead_letter_after, activation.enabled) == (8, 3, True)
    destination = there(tmp_path, EVENTS)
    assert (destination.retries, destination.timeout, destination.auth, destination.rate) == (4, 60.0, None, None)
    assert destination.allow_insecure is False


EVERY_KEY = """\
kind: http
url: "https://api.example.com/v2/people?source=muster"
id: x
name: Everything
place: the api of Example
auth: {bearer_env: CRM_SECRET, mtls: {certificate: tls/us.crt, key: tls/us.key, ca: tls/ca.pem}}
retries: 7
timeout: 90s
rate: {requests: 50, per: 1m}
allow_insecure: true
identities: [Email]
columns: [{source: identity_map.Email, target: EMAIL}, {source: age, mandatory: true}]
triggers: [membership, attributes, consent]
attributes_version: changed_at
on_mapping_change: resend
guards: {max_messages: 5000, max_shrink: 10%}
in_flight: 3
dead_letter: {after: 5}
success: {status: [200, 202]}
throttled: [{status: 200, body: "rate limit"}, too many]
fatal: {status: 402}
result: {errors: errors, index: position, reason: message}
when:
  realized: {add: {each: profiles, as: {email: =EMAIL, age: =age, run: =run.id}}}
  exited: {remove: {each: profiles, as: {email: =EMAIL, literal: "==x"}}}
activations:
  - audiences: loyal
    aggregation: {configurable: {max_profiles: 20, max_bytes: 256KB, max_age: 90s, key: [status]}}
    schedule: {each_run: true, start: 2026-11-20, timezone: Europe/Berlin}
    headers: {X-Key: "${CRM_SECRET}"}
    on_failed_evaluation: use_newest
    enabled: false
"""


def test_every_key(tmp_path: Path) -> None:
    """V1 to V13: each key arrives where it belongs, and an activation's settings lie over its destination's."""
    activation, destination = one(tmp_path, EVERY_KEY, **SECRETS), there(tmp_path, EVERY_KEY, **SECRETS)
    assert destination.auth == Auth("bearer", {"bearer_env": "CRM_SECRET"})
    assert destination.tls == Tls("tls/us.crt", "tls/us.key", "tls/ca.pem")
    assert (destination.place, destination.retries, destination.timeout) == ("the api of Example", 7, 90.0)
    assert (destination.rate, destination.allow_insecure) == (Rate(50, 60.0), True)
    assert activation.triggers == ("membership", "attributes")
    assert (activation.attributes_version, activation.resends_mapping) == ("changed_at", True)
    assert (activation.guards.max_messages, activation.guards.max_shrink, activation.guards.max_exited) == (
        5000,
        0.1,
        None,
    )
    assert activation.guards.messages_location.line == 16
    assert (activation.in_flight, activation.dead_letter_after) == (3, 5)
    assert activation.answers == Answers(
        (200, 202),
        (Pattern(200, "rate limit"), Pattern(None, "too many")),
        (Pattern(402),),
        Result(errors="errors", index="position", reason="message"),
    )
    assert [*activation.request] == ["realized", "exited"]
    assert json.loads(activation.request["exited"])["remove"]["as"]["literal"] == "==x"
    assert activation.aggregation == Aggregation("configurable", 20, 256_000, timedelta(seconds=90), ("status",))
    assert activation.schedule.zone.key == "Europe/Berlin"
    assert activation.schedule.start is not None
    assert activation.headers == {"X-Key": "hunter2-s3cret"}
    assert (activation.on_failed_evaluation, activation.enabled) == ("use_newest", False)
    assert [(column.name, column.mandatory) for column in activation.mapping] == [("EMAIL", False), ("age", True)]


@pytest.mark.parametrize(
    ("written", "auth"),
    [
        (
            "header: {name: X-Api-Key, value_env: CRM_SECRET}",
            Auth("header", {"value_env": "CRM_SECRET"}, header="X-Api-Key"),
        ),
        ("query: {name: key, value_env: CRM_SECRET}", Auth("query", {"value_env": "CRM_SECRET"}, parameter="key")),
        (
            "basic: {user_env: CRM_ID, password_env: CRM_SECRET}",
            Auth("basic", {"user_env": "CRM_ID", "password_env": "CRM_SECRET"}),
        ),
        (
            "oauth2: {token_url: 'http://localhost/t', client_id_env: CRM_ID, client_secret_env: CRM_SECRET, scope: a}",
            Auth(
                "oauth2",
                {"client_id_env": "CRM_ID", "client_secret_env": "CRM_SECRET"},
                token_url="http://localhost/t",  # noqa: S106
                parameters={"scope": "a"},
            ),
        ),
    ],
)
def test_kinds_of_auth(tmp_path: Path, written: str, auth: Auth) -> None:
    """V1: each kind of credentials, which are names of environment variables."""
    assert there(tmp_path, f"{EVENTS}auth: {{{written}}}\n", **SECRETS).auth == auth


def test_when_and_request(tmp_path: Path) -> None:
    """V6: when beside request gives kinds of change shapes of their own; written nearer, it replaces the request."""
    both = EVENTS + "request: {all: 1}\nwhen: {exited: {gone: 1}}\n"
    assert one(tmp_path / "both", both).request == {"": '{"all":1}', "exited": '{"gone":1}'}
    nested = EVENTS + "request: {when: {realized: {in: 1}, exited: {gone: 1}}}\n"
    assert one(tmp_path / "nested", nested).request == {"realized": '{"in":1}', "exited": '{"gone":1}'}
    own = EVENTS + "preset: webhook\nwhen: {realized: {in: 1}, exited: {gone: 1}}\n"
    assert one(tmp_path / "own", own).request == {"realized": '{"in":1}', "exited": '{"gone":1}'}


def test_kinds_and_ids(tmp_path: Path) -> None:
    """V1, SPEC 2: `kind: files` is the default, and an id is unique among destinations of all kinds."""
    files = "kind: files\nurl: out\nformat: csv\nmapping: [email]\n"
    workspace = load(tmp_path / "files", files)
    assert (list(workspace.destinations), workspace.message_destinations) == (["x"], {})
    found = messages(tmp_path / "twice", EVENTS + "id: Y\n", destinations__y=files)
    clash = "the destination id 'y' differs only in letter case from 'Y', in destinations/x.yml"
    assert found == [f"destinations/y.yml:1: {clash}; give one of them another id"]


def test_scalars_in_requests_have_json_types(tmp_path: Path) -> None:
    """V6: what stands in the tree without quotes is a number, truth value or null if it looks like one."""
    tree = 'request: {a: 1, b: 1.5, c: true, d: null, e: "1", f: 007, g: 17:00, h: [~, text], i: "${CRM_ID}", j: ==x}'
    activation = one(tmp_path, f"{EVENTS}{tree}\n", CRM_ID="=profile_id")
    expected = {"a": 1, "b": 1.5, "c": True, "d": None, "e": "1", "f": "007", "g": "17:00", "h": [None, "text"]}
    assert json.loads(activation.request[""]) == expected | {"i": "==profile_id", "j": "==x"}


def test_streams(tmp_path: Path) -> None:
    """V1, V2: Kinesis has a stream and a connection as s3, Event Hubs a namespace and a hub; both have a place."""
    stream = there(tmp_path, STREAM, CRM_ID="a", CRM_SECRET="b")  # noqa: S106
    assert (stream.kind, stream.settings) == ("kinesis", {"stream": "profiles", "partition_key": "profile_id"})
    assert stream.connection["region"] == "eu-west-1"
    assert stream.place == "kinesis:profiles|eu-west-1|"
    hub = there(tmp_path / "hub", HUB, CRM_SECRET="Endpoint=sb://acme;SharedAccessKey=a")  # noqa: S106
    assert hub.settings == {"namespace": "Acme", "hub": "people", "transport": "websocket"}
    assert hub.connection == {"connection_string_env": "CRM_SECRET"}
    assert hub.place == "event_hubs:acme.servicebus.windows.net/people"
    nested = HUB.replace("connection_string_env: CRM_SECRET", "connection: {connection_string_env: CRM_SECRET}")
    assert there(tmp_path / "nested", nested, CRM_SECRET="x=y").connection == hub.connection  # noqa: S106
    activation = one(tmp_path / "hub", HUB, CRM_SECRET="x=y")  # noqa: S106
    assert (activation.kind, activation.payload, activation.aggregation) == ("event_hubs", "profile", Aggregation())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "https://graph.facebook.com/v25.0/{audience.alias}/users",
            "https://graph.facebook.com/{audience.alias}/users",
        ),
        ("https://Crm.Example.com:443/profiles/", "https://crm.example.com/profiles"),
        ("http://localhost:8080/v1/v2beta1/x?key=a", "http://localhost:8080/x"),
        ("https://api.example.com/vip/v", "https://api.example.com/vip/v"),
        ("http://[::1]:9/a", "http://[::1]:9/a"),
    ],
)
def test_the_place_of_a_url(url: str, place: str) -> None:
    """V2: the place is scheme, host, port and path, without version segments and without what follows the path."""
    assert place_of_url(url) == place


def test_a_secret_in_the_path_of_a_url(tmp_path: Path) -> None:
    """V2, V12, X9: the place is compared with the values of variables, and shown and stored with their names."""
    text = EVENTS.replace("/profiles", "/hooks/${CRM_SECRET}/in")
    found = there(tmp_path, text, **SECRETS)
    assert found.place == "https://crm.example.com/hooks/hunter2-s3cret/in"
    assert found.shown_place == "https://crm.example.com/hooks/${CRM_SECRET}/in"
    assert found.shown_url == "https://crm.example.com/hooks/${CRM_SECRET}/in"
    assert there(tmp_path / "plain", EVENTS).shown_place == "https://crm.example.com/profiles"


def test_a_checked_config_is_kept_whole(tmp_path: Path) -> None:
    """SPEC 2: the cache of the config gives back event destinations as they were."""
    for number, text in enumerate((CRM, ADS, EVERY_KEY, STREAM, HUB)):
        workspace = load(tmp_path / str(number), text, **SECRETS)
        assert from_plain(json.loads(json.dumps(to_plain(workspace))), Workspace) == workspace


@pytest.mark.parametrize(
    "text",
    [
        CRM,
        EVENTS.replace("https://crm.example.com", "https://${CRM_SECRET}"),
        f'{EVENTS}headers: {{X-Key: "${{CRM_SECRET}}"}}\n',
        STREAM.replace("eu-west-1", '"${CRM_SECRET}"'),
        HUB,
    ],
)
def test_a_missing_variable_stops_its_destination_alone(tmp_path: Path, text: str) -> None:
    """SPEC 2, V1: without a variable of url, auth, headers or connection the activation counts and cannot send."""
    workspace, problems = read(tmp_path, {"destinations/x.yml": text, "destinations/y.yml": EVENTS})
    assert problems == []
    assert workspace is not None
    stopped, other = workspace.message_activations
    assert "CRM_SECRET is not set" in " ".join(map(str, stopped.unset))
    assert other.unset == ()
    assert set(stopped.unset) <= set(workspace.unset)


# -- mistakes


def test_all_mistakes_together(tmp_path: Path) -> None:
    """SPEC 10: every mistake of all files is reported, by file and line."""
    text = EVENTS.replace("audiences: [loyal]", "audiences: [loyall], export: full, schedul: each_run") + "tries: 3\n"
    kinds = "expected files, http, kinesis, event_hubs"
    assert messages(tmp_path, text, destinations__y="kind: htp\nurl: x\n") == [
        "4: activations[0].audiences[0]: unknown audience 'loyall'; did you mean 'loyal'?",
        "4: activations[0].export: is for destinations of files, and this one takes messages",
        "4: activations[0].schedul: unknown key; did you mean 'schedule'?",
        "5: tries: unknown key; did you mean 'retries' or 'triggers'?",
        f"destinations/y.yml:1: kind: 'htp' is not a kind of destination; {kinds}; did you mean 'http'?",
    ]


REQUEST = """\
kind: http
url: https://crm.example.com/profiles
columns: [{source: identity_map.Email, target: EMAIL}]
request: {people: {each: profiles, as: =EMAIL}}
activations:
  - {id: all, audiences: [{audience: loyal, alias: "1"}, {audience: delorean-owners, alias: "2"}]}
"""

MISTAKES = [
    # keys of the other sort of destination
    (EVENTS, "@format: csv", "5: format: is for destinations of files"),
    (EVENTS, "@file_name: x", "5: file_name: is for destinations of files"),
    (EVENTS, "@csv: {header: true}", "5: csv: is for destinations of files"),
    (
        EVENTS,
        "audiences: [loyal]|audience: loyal",
        "4: activations[0].audience: is for destinations of files; write audiences",
    ),
    # keys of a whole destination, and of one of its activations
    (EVENTS, "{audiences|{retries: 2, audiences", "4: activations[0].retries: is of the whole destination"),
    (EVENTS, "@enabled: false", "5: enabled: is of one activation"),
    (STREAM, "@method: POST", "6: method: is for destinations of kind http"),
    (STREAM, "@request: {a: =EMAIL}", "6: request: is for destinations of kind http"),
    (STREAM, "@url: https://a.example.com", "6: url: is for destinations of files or of kind http"),
    (STREAM, "@auth: {bearer_env: X}", "6: auth: is for destinations of kind http"),
    (
        EVENTS,
        "audiences: [loyal]|audiences: [loyal], schedule: each-run",
        (
            "4: activations[0].schedule: 'each-run' is not a schedule; expected one such as {at: \"05:00\"}, "
            "{every: 3h}, "
            "{cron: \"0 6 1 * *\"}, after_evaluation or on_demand; did you mean 'each_run'?"
        ),
    ),
    # urls and credentials
    (EVENTS, "https://crm.example.com/profiles|ftp://x/y", "2: url: 'ftp://x/y' is not an address of requests"),
    (EVENTS, "https://|http://", "2: url: is http:// to another machine"),
    (EVENTS, "https://crm|https://u:p@crm", "2: url: 'https://***@crm.example.com/profiles' holds a user"),
    (
        EVENTS,
        "crm.example|{profile_id}.example",
        "2: url: 'https://{profile_id}.example.com/profiles' has a placeholder before",
    ),
    (
        EVENTS,
        "/profiles|/{profile_id",
        "2: url: 'https://crm.example.com/{profile_id' has a brace that belongs to no placeholder",
    ),
    (
        REQUEST,
        "/profiles|/{audience.allias}",
        "2: url: {audience.allias}: there is no value 'audience.allias'; did you mean 'audience.alias'",
    ),
    (REQUEST, "/profiles|/{request.id}", "2: url: {request.id} is given as a request is cut"),
    (CRM, "https://login|http://login", "4: auth.oauth2.token_url: is http:// to another machine"),
    (
        CRM,
        "token_url: https://login.example.com/token, |",
        "4: auth.oauth2.token_url: is required: the address that gives tokens",
    ),
    (
        CRM,
        "{oauth2:|{bearer_env: CRM_ID, oauth2:",
        "4: auth: expected exactly one of bearer_env, header, basic, query or oauth2, found bearer_env and oauth2",
    ),
    (EVENTS, "@auth: {}", "5: auth: expected exactly one of"),
    (
        EVENTS,
        "@auth: {header: {name: 'a b', value_env: CRM_ID}}",
        "5: auth.header.name: 'a b' is not the name of a header",
    ),
    (EVENTS, "@mtls: {key: a}", "5: mtls.key: needs certificate beside it"),
    (
        EVENTS,
        "@headers: {Content-Length: 3}",
        "5: headers.Content-Length: 'Content-Length' is a header that muster writes itself",
    ),
    (EVENTS, "@headers: {X-A: a, x-a: b}", "5: headers.x-a: 'x-a' is the header 'X-A' in other letters"),
    (
        STREAM,
        "region: eu-west-1|addressing: path",
        "3: connection.addressing: is not a key of a connection to kind kinesis",
    ),
    (STREAM, "stream: profiles|stream: a b", "2: stream: 'a b' is not the name of a stream"),
    (
        STREAM,
        "region: eu-west-1|endpoint: 'http://kinesis.example.com'",
        "3: connection.endpoint: is http:// to another machine: what it carries can be read on the way; expected https",
    ),
    (HUB, "hub: people\n|", "1: hub: is required: the name of the event hub"),
    (
        HUB,
        "transport: websocket|transport: websockets",
        "5: transport: 'websockets' is not allowed; expected amqp or websocket",
    ),
    (
        HUB,
        "@connection: {connection_string_env: CRM_ID}",
        "4: connection_string_env: is in connection, too",
    ),
    # audiences and activations
    (REQUEST, "id: all, |", "6: activations[0].id: is required, as there are several audiences"),
    (
        REQUEST,
        "@  - {id: ALL, audiences: [loyal]}",
        "7: activations[1].id: the activation id 'ALL' differs only in letter case from 'all', on line 6",
    ),
    (EVENTS, "[loyal]|[]", "4: activations[0].audiences: is empty"),
    (EVENTS, "[loyal]|[loyal, loyal], id: a", "4: activations[0].audiences[1]: 'loyal' is in the list twice"),
    (EVENTS, "audiences: [loyal]|id: a", "4: activations[0].audiences: is required"),
    (
        REQUEST,
        '"2"|"1"',
        "6: activations[0].audiences[1]: the receiver would know 'loyal' and 'delorean-owners' by one name, '1'",
    ),
    (
        REQUEST,
        '{audience: loyal, alias: "1"}|loyal && /profiles|/{audience.alias}',
        "6: activations[0].audiences[0]: the audience 'loyal' needs an alias",
    ),
    (
        REQUEST,
        '{audience: loyal, alias: "1"}|loyal && =EMAIL|[=EMAIL, =audience.alias]',
        "6: activations[0].audiences[0]: the audience 'loyal' needs an alias",
    ),
    (
        EVENTS,
        "[loyal]|[loyal], schedule: {each_run: true, at: '05:00'}",
        "4: activations[0].schedule: expected exactly one of at, every, cron, after_evaluation, on_demand or each_run",
    ),
    (EVENTS, "[loyal]|[loyal], schedule: nightly", "4: activations[0].schedule: 'nightly' is not a schedule"),
    # columns and requests
    (
        CRM,
        "personalEmail.address|person.name",
        "7: mapping[1]: the target 'person.name' cannot hold a value and the key of 'person.name.firstName'",
    ),
    (
        CRM,
        "personalEmail.address|person.name.firstName",
        "7: mapping[1].target: 'person.name.firstName' is also another column's target",
    ),
    (
        CRM,
        "personalEmail.address|segmentMembership",
        "7: mapping[1]: the target 'segmentMembership' is what muster itself writes",
    ),
    (
        CRM,
        "personalEmail.address|identityMap.x",
        "7: mapping[1]: the target 'identityMap.x' is what muster itself writes",
    ),
    (CRM, "personalEmail.address|a..b", "7: mapping[1]: the target 'a..b' has an empty key"),
    (CRM, "source: email|source: identity_map.Email", "7: mapping[1]: identity_map.Email is in identityMap already"),
    (
        CRM,
        "source: email|source: segment_membership.status",
        "7: mapping[1]: segment_membership.status is in segmentMembership already",
    ),
    (
        REQUEST,
        "target: EMAIL}|target: EMAIL}, {source: identity_map.Phone}",
        "3: columns[1]: an activation can map one identity namespace",
    ),
    (REQUEST, "@mapping: [email]", "3: columns: and mapping are the same; remove one of them"),
    (REQUEST, "@payload: profile", "7: payload: and request do not go together"),
    (REQUEST, "=EMAIL|=EMIAL", "4: request.people.as: '=EMIAL': there is no value 'EMIAL'; did you mean 'EMAIL'?"),
    (
        REQUEST,
        "{each: profiles, as: =EMAIL}|{each: people, as: =EMAIL}",
        "4: request.people.each: 'people' is nothing to list; expected profiles",
    ),
    (REQUEST, ", as: =EMAIL|", "4: request.people: a list over profiles needs as"),
    (
        REQUEST,
        "as: =EMAIL|as: {each: profiles, as: 1}",
        "4: request.people.as: a list over profiles cannot stand in another one",
    ),
    (REQUEST, "as: =EMAIL|as: =EMAIL, more: 1", "4: request.people.more: cannot stand beside each and as"),
    (REQUEST, "{people:|{=EMAIL:", "4: request.=EMAIL: the key '=EMAIL' begins with ="),
    (
        REQUEST,
        "request: {people|request: {when: {realised && as: =EMAIL}}|as: =EMAIL}}}",
        "4: request.when.realised: 'realised' is not a kind of change",
    ),
    (
        REQUEST,
        "request: {people: {each: profiles, as: =EMAIL}}|when: {realized: {a: 1}}",
        "4: when: has no shape for exited",
    ),
    (REQUEST, "request: {people: {each: profiles, as: =EMAIL}}|request: =EMAIL", "4: request: is no request"),
    (REQUEST, "@deduplicate: [email]", "7: deduplicate: cannot be combined with a mapped identity namespace"),
    (EVENTS, "@deduplicate: [email]", "5: deduplicate: is for declared requests"),
    (REQUEST, "@names: true", "7: names: has no effect: it is for payload: profile"),
    (REQUEST, "@unmapped_audiences: none", "7: unmapped_audiences: has no effect: it is for payload: profile"),
    (
        REQUEST,
        "@identities: [Emaill]",
        "3: columns[0]: the namespace 'Email' is not in identities; did you mean 'Emaill'?",
    ),
    (EVENTS, "@identities: [Email, Email]", "5: identities: has a namespace twice"),
    # the rest
    (
        EVENTS,
        "@triggers: [members]",
        "5: triggers[0]: 'members' is not allowed; expected membership, identity, attributes or consent",
    ),
    (EVENTS, "@triggers: []", "5: triggers: is empty"),
    (EVENTS, "@triggers: [identity] && @attributes_version: changed", "6: attributes_version: has no effect"),
    (EVENTS, "@aggregation: {}", "5: aggregation: expected exactly one of best_effort and configurable, found none"),
    (
        EVENTS,
        "@aggregation: {best_effort: {}, configurable: {max_profiles: 3}}",
        "5: aggregation: expected exactly one of best_effort and configurable, found both",
    ),
    (EVENTS, "@aggregation: {best_effort: {max_age: 1h}}", "5: aggregation.best_effort.max_age: unknown key"),
    (EVENTS, "@aggregation: {configurable: {max_profiles: 0}}", "5: aggregation.configurable.max_profiles: '0' is not"),
    (
        EVENTS,
        "@aggregation: {configurable: {max_profiles: 3, max_age: soon}}",
        "5: aggregation.configurable.max_age: 'soon' is not a duration",
    ),
    (
        EVENTS,
        "@aggregation: {best_effort: {max_bytes: 10}}",
        "5: aggregation.best_effort.max_bytes: '10' is too little",
    ),
    (
        EVENTS,
        "@aggregation: {best_effort: {max_bytes: many}}",
        "5: aggregation.best_effort.max_bytes: 'many' is not a size",
    ),
    (EVENTS, "@method: GET", "5: method: 'GET' is not allowed; expected POST, PUT, PATCH or DELETE"),
    (EVENTS, "@method: {realized: POST}", "5: method.exited: is required"),
    (EVENTS, "@success: {status: [404]}", "5: success.status[0]: '404' never accepts"),
    (EVENTS, "@throttled: [{}]", "5: throttled[0]: is empty"),
    (EVENTS, "@fatal: ['(']", "5: fatal[0]: '(' is not a regular expression"),
    (
        EVENTS,
        "@result: {each: a}",
        "5: result: expected the keys errors and index; each, key and ok; or refused_count, found each",
    ),
    (EVENTS, "@result: {refused_count: a, reason: b}", "5: result.reason: needs errors or each beside it"),
    (EVENTS, "@rate: {per: 1s}", "5: rate.requests: is required"),
    (EVENTS, "@rate: {requests: 5, per: 1d}", "5: rate.per: '1d' is not a period"),
    (EVENTS, "@in_flight: 0", "5: in_flight: '0' is not a whole number of at least 1"),
    (EVENTS, "@dead_letter: never", "5: dead_letter: 'never' is no number of runs"),
    (EVENTS, "@guards: {max_message: 5}", "5: guards.max_message: unknown key; did you mean 'max_messages'?"),
    (
        EVENTS,
        "@preset: meta",
        "5: preset: 'meta' is not a preset of requests; did you mean 'meta_custom_audience_api'?",
    ),
    (EVENTS, "@preset: braze", "5: preset: 'braze' is a preset of files"),
    (EVENTS, "@marketing_actions: [email_targetting]", "5: marketing_actions[0]: "),
]


@pytest.mark.parametrize(("text", "change", "expected"), MISTAKES, ids=[change for _, change, _ in MISTAKES])
def test_mistakes(tmp_path: Path, text: str, change: str, expected: str) -> None:
    """V1, V5 to V7, V10, SPEC 10: a mistake is said once, with its line, its key and what was expected."""
    found = messages(tmp_path, spoiled(text, change))
    assert [each[: len(expected)] for each in found] == [expected], found


def test_audiences_of_two_merge_policies(tmp_path: Path) -> None:
    """V1: mapped audiences share one merge policy."""
    muster = (
        "workspace: acme\nprofiles: {from: sources}\n"
        "merge_policies: {default: {graph: private}, apart: {graph: none}}\n"
    )
    source = "path: data/crm\nprofile: {id: id}\nidentities: [{column: email, namespace: Email, primary: true}]\n"
    files = {
        "muster": muster,
        "sources__crm": source,
        "audiences__city-dallas": "where: true\nmerge_policy: apart\n",
    }
    found = messages(tmp_path, EVENTS.replace("[loyal]", "[loyal, city-dallas], id: both"), **files)
    expected = (
        "4: activations[0].audiences[1]: the audience 'city-dallas' is of the merge policy 'apart', and 'loyal' of"
    )
    assert [each[: len(expected)] for each in found if "audiences[1]" in each] == [expected], found


def test_event_keys_at_files(tmp_path: Path) -> None:
    """V1: a destination of files has no keys of messages, and no slot at each run."""
    text = (
        "url: out\nformat: csv\nmapping: [email]\nguards: {max_messages: 3}\nactivations:\n"
        "  - {audience: loyal, export: full, schedule: each_run}\n"
    )
    assert messages(tmp_path, text) == [
        "4: guards.max_messages: is for destinations that take messages",
        "6: activations[0].schedule: is not possible here; expected at, every, cron, after_evaluation or on_demand",
    ]


def test_a_kind_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """V1: a kind whose client needs what is not installed says which extra has it."""
    monkeypatch.setattr("muster.activation.stores.urls.is_installed", lambda _: False)
    expected = '1: kind: kinesis cannot be used: boto3 is not installed; pip install "muster-activation[kinesis]"'
    assert messages(tmp_path, STREAM) == [expected]


def test_secrets_are_not_in_messages(tmp_path: Path) -> None:
    """V12, SPEC 10: neither headers nor what stands where the name of a variable belongs is shown."""
    text = EVENTS + "auth: {bearer_env: 'hunter2 s3cret'}\nheaders: {X-Key: \"hunter2\\ts3cret\"}\n"
    found = " ".join(messages(tmp_path, text))
    assert "auth.bearer_env" in found
    assert "headers.X-Key" in found
    assert "hunter2" not in found


ODD = (None, "x", [], {}, [{}], -1, True, {"a": None}, ["a", "a"], [None], "${NOPE}", {"each": "profiles"})


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a tree."""
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in below:
        yield (*path, key)
        yield from places(value, (*path, key))


def test_odd_values_are_mistakes_and_no_accidents(tmp_path: Path) -> None:
    """SPEC 10: whatever stands at a key, the config is read: with or without mistakes, never with a traceback."""
    files = {name: text.encode() for name, text in event_files({}).items()}
    for number, path in enumerate(places(yaml.safe_load(EVERY_KEY))):
        tree = yaml.safe_load(EVERY_KEY)
        reduce(lambda part, key: part[key], path[:-1], tree)[path[-1]] = ODD[number % len(ODD)]
        sources = Sources(tmp_path, files | {"destinations/x.yml": yaml.safe_dump(tree, sort_keys=False).encode()})
        config.read(sources, SECRETS)


def test_short_forms_with_mistakes(tmp_path: Path) -> None:
    """SPEC 10: a mistake inside a short form is said at the key, and the rest of the file is checked all the same."""
    text = EVENTS + "success: [200, 404]\nthrottled: {statuss: 429}\nfatal: {status: many}\naggregation: best\n"
    assert [each.split(": ")[0] + each.split(": ")[1] for each in messages(tmp_path, text)] == [
        "5success",
        "6throttled",
        "7fatal",
        "8aggregation",
    ]
