"""The documentation is true: its examples come out as it says, its tables hold every key, and no key too many."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from unittest import mock

import pytest
import typer
import yaml
from pydantic import BaseModel
from support import servers
from support.doc_pages import ROOT, Block, Terminal, blocks, pages, prose, run_page, said
from support.event_shop import KEY, EventShop
from support.gnupg import gpg
from support.postgres import Postgres
from support.receiver import Receiver, refusing
from support.shop import Shop, invoke
from support.worked_examples import Example
from typer.core import TyperGroup

import muster
from muster.activation.config import message_models, models, source_models
from muster.activation.config import workspace as config
from muster.activation.instants import parse_duration
from muster.activation.model import naming
from muster.activation.model.messages import Aggregation
from muster.activation.model.sources import MergePolicy, Namespace, Source, SourceIdentity
from muster.activation.model.workspace import CsvOptions, Destination, Workspace
from muster.activation.rules import labels
from muster.activation.sql import functions
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import failures_table, schema
from muster.activation.stores import urls
from muster.activation.stores.kinds import KINDS
from muster.activation.stores.s3 import errors
from muster.activation.values import transforms
from muster.cli.app import app
from muster.cli.commands import load
from muster.cli.show.examples import OF_SOURCES

(
    SEMANTICS,
    CONFIG,
    COLUMNS,
    JSON,
    STATE,
    CRON,
    VERIFY,
    REPLAY,
    RETENTION,
    CSV,
    PRESETS,
    ENCRYPTION,
    DESTINATIONS,
    PYTHON,
    INPUTS,
    GOVERNANCE,
    DATA_PROTECTION,
    ERASURE,
    PROFILES,
    EVENTS,
) = (
    ROOT / f"docs/{name}.md"
    for name in (
        *(
            "semantics",
            "config",
            "columns",
            "json",
            "state",
            "cron",
            "verify",
            "replay",
            "retention",
            "csv",
            "presets",
            "encryption",
        ),
        "destinations",
        "python",
        "inputs",
        "governance",
        "data-protection",
        "erasure",
        "profiles",
        "events",
    )
)
RULES = [
    f"{letter}{number}"
    for letter, last in {"D": 7, "E": 9, "X": 12, "M": 8, "F": 6, "S": 8}.items()
    for number in range(1, last + 1)
]


# semantics.md


def examples(page: Path) -> Iterator[tuple[str, Block]]:
    """Each worked example with the heading that it stands under; of docs/semantics.md that is a rule."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in blocks(page, "example"):
        heading = next(line for line in reversed(lines[: block.line]) if line.startswith("### "))
        yield heading.removeprefix("### ").partition(":")[0], block


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(page, block, id=name)
        for page in (SEMANTICS, GOVERNANCE, PROFILES)
        for name, block in examples(page)
    ],
)
def test_a_worked_example_comes_out_as_the_page_says(page: Path, block: Block, tmp_path: Path) -> None:
    """What docs/semantics.md, docs/governance.md and docs/profiles.md say of a rule is what the program does."""
    Example(page, block, tmp_path / "workspace").play()


def test_every_rule_has_a_worked_example() -> None:
    """Each rule of the contract has worked examples, in order: D1 to S8 in docs/semantics.md, P1 to P12 in
    docs/profiles.md.
    """
    assert list(dict.fromkeys(rule for rule, _ in examples(SEMANTICS))) == RULES
    assert list(dict.fromkeys(rule for rule, _ in examples(PROFILES))) == [f"P{number}" for number in range(1, 13)]


# Pages whose commands are run, in the sample workspace or in what `muster demo` leaves


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `muster init` makes, and what `muster demo` leaves of the shop and of the loyalty club."""
    folder = tmp_path_factory.mktemp("samples")
    for words in (["init", "init"], ["demo", "demo", "--sample", "shop"], ["demo", "loyalty", "--sample", "loyalty"]):
        assert invoke(words[0], str(folder / words[1]), *words[2:]).code == 0
    return {name: folder / name for name in ("init", "demo", "loyalty")}


@pytest.mark.parametrize(
    ("page", "sample"),
    [
        (CONFIG, "init"),
        (COLUMNS, "init"),
        (CRON, "init"),
        (JSON, "demo"),
        (STATE, "demo"),
        (VERIFY, "demo"),
        (REPLAY, "demo"),
        (RETENTION, "demo"),
        (GOVERNANCE, "demo"),
        (DATA_PROTECTION, "demo"),
        (ERASURE, "demo"),
        (CSV, "init"),
        (PRESETS, "init"),
        (PYTHON, "init"),
    ],
    ids=lambda each: str(each)[-9:],
)
def test_the_commands_of_a_page_print_what_it_says(
    page: Path, sample: str, samples: dict[str, Path], tmp_path: Path
) -> None:
    """Every command shown in docs/ runs, in the order of the page, and prints what stands below it."""
    shop = Path(shutil.copytree(samples[sample], tmp_path / "shop"))
    run_page(page, Terminal(shop))


def test_the_commands_of_the_page_about_encryption(
    samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, with a keyring of its own for the gpg that it shows."""
    shop = Path(shutil.copytree(samples["demo"], tmp_path / "shop"))
    with gpg() as keyring:
        monkeypatch.setenv("GNUPGHOME", str(keyring.home))
        monkeypatch.setenv("MUSTER_SIGNING_PASSPHRASE", "correct horse battery staple")
        run_page(ENCRYPTION, Terminal(shop))


def test_the_page_of_destinations_prints_what_it_says(
    s3: servers.S3, samples: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for docs/destinations.md, with a bucket."""
    for name, value in {
        "STORAGE": s3.endpoint(),
        "PARTNER_KEY_ID": "AKIDOFTHEPAGE",
        "PARTNER_SECRET": "invented-secret",
    }.items():
        monkeypatch.setenv(name, value)
    run_page(DESTINATIONS, Terminal(Path(shutil.copytree(samples["init"], tmp_path / "shop"))))
    assert s3.get("partner/partner_newsletter_20261120T050000Z_on_demand.csv")


def test_the_commands_of_the_page_about_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for docs/events.md, in the magazine's workspace, with the receiver that the page starts."""
    magazine = tmp_path / "magazine"
    assert invoke("init", str(magazine), "--sample", "magazine").code == 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("RECEIVER_PORT", str(listening.getsockname()[1]))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    hub = "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0"
    tokens = {"META_TOKEN": "m", "BRAZE_KEY": "b", "CENSUS_TOKEN": "c", "HOOK_SECRET": "h", "HUB_CONNECTION": hub}
    for name, value in tokens.items():
        monkeypatch.setenv(name, value)
    try:
        run_page(EVENTS, Terminal(magazine))
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((magazine / "receiver.pid").read_text()), signal.SIGTERM)


def test_the_commands_of_the_page_about_inputs(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for docs/inputs.md, with a PostgreSQL server: one command makes a snapshot of a table."""
    for name, value in postgres.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # for duckdb and python
    postgres.ok("DROP TABLE IF EXISTS customers;")
    run_page(INPUTS, Terminal(tmp_path))
    names = {path.name for path in (tmp_path / "data/profiles").iterdir()}
    assert names == {*(f"2026-11-2{day}.parquet" for day in range(4)), "2026-11-20T12"}
    # A query that fails after its first row: `psql` has sent half of the table by then, and no snapshot comes of it.
    postgres.ok(
        "ALTER TABLE customers RENAME TO all_customers;"
        "CREATE VIEW customers AS SELECT * FROM all_customers WHERE 1 / length(email) >= 0;"
    )
    [command] = [each for block in blocks(INPUTS, "console") for each, _ in said(block) if "COPY (SELECT" in each]
    shell = ["bash", "-c", command.replace("2026-11-21", "2026-11-24")]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "division by zero" in done.stderr
    assert not (tmp_path / "data/profiles/2026-11-24.parquet").exists()


@pytest.mark.parametrize(
    "block", [block for block in blocks(PYTHON, "python") if block.words], ids=lambda block: str(block.words)
)
def test_the_programs_for_schedulers_compile(block: Block) -> None:
    """docs/python.md: what needs Airflow or Dagster, which the tests do not install, compiles, and calls the library by
    names that it has.
    """
    compile(block.text, block.words, "exec")
    called = set(re.findall(r"\bmuster\.(\w+)", block.text))
    assert "open_workspace" in called
    assert called <= set(muster.__all__)


def test_every_function_and_error_of_the_library_is_documented() -> None:
    """docs/python.md has every function that `import muster` offers, and every error, and no others."""
    functions = {name for name in muster.__all__ if callable(getattr(muster, name)) and name.islower()}
    rows = [row for row in PYTHON.read_text().splitlines() if row.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)\(", row)} == functions
    errors = {name for name in muster.__all__ if name.endswith("Error")}
    assert {name for row in rows for name in re.findall(r"`(\w+Error)`", row)} == errors


@pytest.mark.parametrize(
    "block", [block for block in blocks(DESTINATIONS, "yaml") if not block.words], ids=lambda block: str(block.line)
)
def test_the_connections_shown_are_valid(block: Block, tmp_path: Path) -> None:
    """docs/destinations.md: each example of how a place is reached is accepted."""
    shop = Shop(tmp_path)
    shop.destination("partner", mapping=["profile_id"], **yaml.safe_load(block.text))
    with mock.patch.object(urls, "is_installed", return_value=True):
        found = config.load(tmp_path, {"ACME_SAS": "invented"}).destinations["partner"]
    assert found.url == yaml.safe_load(block.text)["url"]


def test_the_keys_of_each_kind_are_documented_and_no_others() -> None:
    """docs/destinations.md: a row for each key of `connection` under its kind."""
    for scheme, kind in KINDS.items():
        if kind.is_remote:
            documented = {name for row in table(DESTINATIONS, scheme) for name in row.split(", ")}
            assert documented == {key.name for key in kind.keys}, scheme


def test_the_policy_shown_allows_all_that_is_asked_for() -> None:
    """docs/destinations.md: the IAM policy has each right that a message can name, and no other; so does the table
    beside it.
    """
    [policy] = [json.loads(block.text) for block in blocks(DESTINATIONS, "json")]
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert allowed == set(errors.RIGHTS.values())
    named = re.findall(r"^\| `s3:.*?\|", DESTINATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {right for row in named for right in re.findall(r"s3:\w+", row)} == allowed


def test_every_page_that_shows_commands_is_run() -> None:
    """No page shows a command that no test runs."""
    showing = {page for page in pages() if any("$ muster" in block.text for block in blocks(page))}
    assert showing == {
        *(ROOT / "README.md", SEMANTICS, CONFIG, COLUMNS, CRON, JSON, STATE, VERIFY, REPLAY, RETENTION),
        *(CSV, PRESETS, ENCRYPTION, DESTINATIONS, INPUTS, GOVERNANCE, DATA_PROTECTION, ERASURE, PROFILES, EVENTS),
    }
    for page in showing:
        kinds = {block.kind for block in blocks(page) if re.search(r"^(\$ )?muster ", block.text, re.MULTILINE)}
        assert kinds <= {"console", "example", "crontab"}, page.name


# Links and commands in the text


def commands(group: TyperGroup, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by its words, groups included."""
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path}{name} ")


def command_tree() -> dict[str, Any]:
    """`runs list` and the like to Typer's commands."""
    load()
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return dict(commands(root))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_commands_named_in_the_text_exist(page: Path) -> None:
    """`muster ...` in a sentence names a command, with options that it takes."""
    tree = command_tree()
    everywhere = {"-C", "-q", "-v", "-vv", "--wait", "--log-format", "--memory-limit", "--allow-insecure-state"}
    for words in re.findall(r"`muster ((?!\.\.\.)[^`]+)`", prose(page)):
        parts = [word for word in words.split() if word not in everywhere]
        name = next((name for name in (" ".join(parts[:2]), parts[0]) if name in tree), None)
        assert name, f"muster {words}"
        known = {option for parameter in tree[name].params for option in parameter.opts} | everywhere
        assert {word for word in words.split() if word.startswith("-")} <= known, f"muster {words}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading of it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), target
        assert not anchor or anchor in {
            slug(line) for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")
        }, target


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


# config.md


def table(page: Path, heading: str) -> dict[str, list[str]]:
    """The first table below a heading: the first cell without backticks to the other cells."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    assert any(line.lstrip("#").strip() == heading and line.startswith("#") for line in lines), heading
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("#") or (found and not line.startswith("|")):
            break
        if line.startswith("| `"):
            first, *cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]))
            assert first not in found, f"{heading}: {first} stands there twice"
            found[first.replace("`", "")] = cells
    return found


OWN_SECTION = (
    models.ScheduleModel,
    models.CsvModel,
    models.GuardsModel,
    models.AllGuardsModel,
    message_models.AuthModel,
    message_models.MtlsModel,
    message_models.AggregationModel,
    message_models.ResultModel,
    models.EncryptionModel,
    models.ColumnModel,
    models.ActivationModel,
    models.MeasureModel,
    models.ConnectionModel,
    source_models.AttributesModel,
)
SECTIONS: dict[str, type[BaseModel]] = {
    "muster.yml": models.SettingsModel,
    "A namespace": source_models.NamespaceModel,
    "A merge policy": source_models.MergePolicyModel,
    "audiences/*.yml": models.AudienceModel,
    "A measure": models.MeasureModel,
    "destinations/*.yml": models.DestinationModel,
    "A connection": models.ConnectionModel,
    "An activation": models.ActivationModel,
    "A mapped column": models.ColumnModel,
    "csv": models.CsvModel,
    "guards": models.AllGuardsModel,
    "aggregation": message_models.AggregationModel,
    "encryption": models.EncryptionModel,
    "A schedule": models.ScheduleModel,
    "sources/*.yml": source_models.SourceModel,
    "An identity": source_models.SourceIdentityModel,
    "policies/*.yml": models.PolicyModel,
}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds as it is, not in a list."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return next((model for part in get_args(annotation) if (model := model_in(part))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def model_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """The dotted keys of a model, and whether each is required; models with a section of their own are one key."""
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None or inner in OWN_SECTION:
            yield f"{prefix}{name}", field.is_required()
        else:
            yield from model_keys(inner, f"{prefix}{name}.")


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_documented_and_no_other(heading: str) -> None:
    """docs/config.md has one row for each key of the models, with *required* where the model says so."""
    documented, keys = table(CONFIG, heading), dict(model_keys(SECTIONS[heading]))
    assert set(documented) == set(keys)
    required_elsewhere = {
        "mapping",
        "export",
        "format",
        "url",
    }  # by the builder: somewhere, unless on demand, without a preset
    for key, cells in documented.items():
        assert (cells[1] == "*required*") == (keys[key] or (key in required_elsewhere and cells[1] == "*required*")), (
            key
        )


SECTIONS_OF_EVENTS: dict[str, tuple[type[BaseModel], ...]] = {
    "auth": (message_models.AuthModel,),
    "mtls": (message_models.MtlsModel,),
    "result": (message_models.ResultModel,),
    "An event destination": tuple(message_models.MODELS.values()),
}


@pytest.mark.parametrize("heading", SECTIONS_OF_EVENTS)
def test_every_key_of_event_destinations_is_documented(heading: str) -> None:
    """V1: docs/config.md has one row for each key of event destinations, whatever their kind, and no other."""
    keys = {key for model in SECTIONS_OF_EVENTS[heading] for key, _ in model_keys(model)}
    assert set(table(CONFIG, heading)) == keys


def test_an_event_activation_has_the_documented_keys() -> None:
    """V1: keys of an activation are those of its table, and those from `payload` on of its destination."""
    own = set(table(CONFIG, "An activation of an event destination"))
    destination = list(table(CONFIG, "An event destination"))
    overrides = set(destination[destination.index("payload") :])
    assert own | overrides == {key for key, _ in model_keys(message_models.HttpActivationModel)}


def usual(tmp_path: Path) -> Workspace:
    """A workspace in which nothing is written that has a default."""
    shop = Shop(tmp_path, events={"path": "e"}, memberships={"path": "m"})
    shop.write("audiences/a.yml", {"where": True})
    shop.write(
        "destinations/d.yml",
        {"url": "out", "format": "csv", "mapping": ["x"], "activations": [{"audience": "a", "schedule": "on_demand"}]},
    )
    shop.write("policies/p.yml", {"actions": ["analytics"], "deny": "C8"})
    return config.load(tmp_path, {})


def defaults(workspace: Workspace) -> Mapping[str, Mapping[str, tuple[object, Callable[[str], object]]]]:
    """What the keys with a default are when they are not written, and how to read the value that the page shows."""
    activation, csv = workspace.activations[0], CsvOptions()
    assert workspace.events
    plain = yaml.safe_load
    return {
        "muster.yml": {
            "timezone": (workspace.zone.key, plain),
            "profiles.id": (workspace.profiles.id, plain),
            "profiles.identity_map": (workspace.profiles.identity_map, plain),
            "events.profile_id": (workspace.events.profile_id, plain),
            "events.timestamp": (workspace.events.timestamp, plain),
            "evaluation.keep_exited": (workspace.keep_exited, parse_duration),
            "identity_graph.max_identities": (workspace.identity_graph.max_identities, plain),
            "identity_graph.max_links": (workspace.identity_graph.max_links, plain),
            "state": (workspace.state.name, plain),
            "file_mode": (workspace.file_mode, lambda shown: int(plain(shown), 8)),
        },
        "aggregation": {
            "configurable.max_age": (Aggregation().max_age, lambda shown: timedelta(seconds=int(shown.rstrip("s")))),
            "configurable.key": (list(Aggregation().key), plain),
        },
        "destinations/*.yml": {
            "kind": (models.DestinationModel.model_fields["kind"].default, plain),
            "deduplicate": (list(activation.deduplicate), plain),
            "changes": (list(activation.changes), plain),
            "marketing_actions": (list(activation.marketing_actions), plain),
            "retries": (Destination.retries, plain),
            "timeout": (
                timedelta(seconds=Destination.timeout),
                lambda shown: timedelta(seconds=int(shown.removesuffix("s"))),
            ),
            **{
                key: (getattr(activation, key), plain)
                for key in ("compression", "file_name", "max_rows_per_file", "manifest", "skip_empty")
            },
        },
        "An activation": {
            "enabled": (activation.enabled, plain),
            "on_failed_evaluation": (activation.on_failed_evaluation, plain),
        },
        "A mapped column": {"mandatory": (activation.mapping[0].mandatory, plain)},
        "audiences/*.yml": {"merge_policy": (workspace.audiences["a"].merge_policy, plain)},
        "A namespace": {key: (getattr(Namespace("X"), key), plain) for key in ("type", "priority", "unique")},
        "A merge policy": {"graph": (MergePolicy("x").graph, plain), "attributes": ("newest", plain)},
        "sources/*.yml": {key: (getattr(Source("x", "x", "x", ()), key), plain) for key in ("kind", "mode", "profile")},
        "An identity": {"primary": (SourceIdentity("x").primary, plain)},
        "policies/*.yml": {"enabled": (workspace.policies["p"].enabled, plain)},
        "csv": {
            key: (getattr(csv, key), plain) for key in models.CsvModel.model_fields if key != "escape"
        },  # the quote
    }


def test_the_defaults_shown_are_the_defaults(tmp_path: Path) -> None:
    """The default column of docs/config.md holds what a key is when it is not written; it names a rule where that is no
    constant.
    """
    known = defaults(usual(tmp_path))
    for heading in SECTIONS:
        shown = {key: cells[1] for key, cells in table(CONFIG, heading).items() if cells[1].startswith("`")}
        actual = known.get(heading, {})
        assert {key: actual[key][1](value.strip("`")) for key, value in shown.items()} == {
            key: value for key, (value, _) in actual.items()
        }


def test_every_placeholder_is_documented_and_no_other() -> None:
    """F1: the placeholders of file names."""
    rows = table(CONFIG, "File names")
    assert [name for row in rows for name in re.findall(r"\{(\w+)\}", row)] == list(naming.PLACEHOLDERS)


def test_every_transform_is_documented_and_no_other() -> None:
    """M1: what may stand in `transform`, with brackets where it takes something."""
    brackets = {
        "gender": "(letters)",
        "hash_unless_hashed": "(hash)",
        "e164": "(region)",
        "date": "(format)",
        "default": "(value)",
    }
    assert list(table(COLUMNS, "Transforms")) == [f"{name}{brackets.get(name, '')}" for name in transforms.KINDS]


def test_every_function_is_documented_and_no_other() -> None:
    """E2: the functions that an expression may use."""
    block = next(block for block in blocks(CONFIG, "text") if "COALESCE" in block.text)
    assert set(re.findall(r"[A-Z][A-Z0-9_]+", block.text)) == functions.FUNCTIONS | functions.INSTANTS


MISTAKES = table(CONFIG, "Mistakes")


@pytest.mark.parametrize("written", MISTAKES)
def test_a_mistake_gets_the_answer_that_the_page_says(written: str, tmp_path: Path) -> None:
    """SPEC 10: the message of each mistake that docs/config.md lists, with exit code 2."""
    shop = Shop(tmp_path)
    shop.audience("people", where=True)
    changes = yaml.safe_load(written)
    activation = {"audience": "people", "export": "full", "schedule": {"at": "05:00"}} | {
        key: changes.pop(key) for key in ("schedule",) if key in changes
    }
    shop.destination("crm", **({"mapping": ["profile_id"], "activations": [activation]} | changes))
    result = shop.muster("validate")
    assert result.code == 2
    assert MISTAKES[written][0].strip("`") in result.err


# governance.md


def test_every_label_action_and_core_policy_is_documented_and_no_other() -> None:
    """G1, G3: the tables of docs/governance.md, with the expressions of the core policies."""
    listed = [name for row in table(GOVERNANCE, "Labels of Adobe Experience Platform") for name in row.split(", ")]
    assert tuple(listed) == labels.LABELS
    assert tuple(table(GOVERNANCE, "Marketing actions")) == labels.ACTIONS
    shown = {
        name: [cell.strip("`") for cell in cells[:2]] for name, cells in table(GOVERNANCE, "Core policies").items()
    }
    assert shown == {name: [*policy.actions, policy.deny] for name, policy in labels.CORE_POLICIES.items()}


def test_the_policies_shown_are_valid(tmp_path: Path) -> None:
    """docs/governance.md: the YAML at the top of the page, by the file that its first line names, and of labels."""
    shop, settings = Shop(tmp_path), dict[str, Any]()
    shop.audience("people", where=True)
    for block in blocks(GOVERNANCE, "yaml"):
        name, content = block.lines[0].removeprefix("# "), yaml.safe_load(block.text)
        if name == "muster.yml" or "custom_" in name:
            settings |= content
        elif name == "destinations/crm.yml":
            shop.destination("crm", mapping=["profile_id"], activations=[], **content)
        elif name.startswith("policies/"):
            shop.write(name, content)
    shop.set(**settings)
    found = config.load(tmp_path, {})
    assert list(found.policies) == ["consent-email", "email-targeting", "no-health-in-ads"]
    assert found.destinations["crm"].marketing_actions == ("email_targeting",)


# json.md


def flattened(value: object, path: str = "") -> Iterator[str]:
    """The dotted keys of a document: `files[].rows`; the free keys of a map are `*`."""
    if isinstance(value, list):
        for item in value:
            yield from flattened(item, f"{path}[]" if path else "")
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = "*" if path in OF_ANY_NAME or path.rpartition(".")[2] == "ages" else key
            yield (below := f"{path}.{name}" if path else name)
            yield from flattened(inner, below)


OF_ANY_NAME = {
    *("ages", "evaluations[].ages", "excluded_by", "counts.excluded_by", "events", "csv", "takes", "rows[]"),
    *("left_out", "attributes", "sources", "evaluations[].ignored_rows"),
}
RUN = table(JSON, "A run")
RUN_SHOWN = table(JSON, "`muster runs show RUN --json`")
POLICY = table(JSON, "`muster policies list --json`")
LISTED = table(JSON, "muster audiences list --json".join("``"))
SOURCE = table(JSON, "`muster sources list --json`")
_CLUB_DAY = "--at 2026-11-21T05:00"
JSON_OUTPUTS: dict[str, tuple[str, set[str]]] = {
    "runs list": ("muster runs list --json", set(RUN)),
    "runs show": ("muster runs show 20261121T030000Z --json", {*RUN, *RUN_SHOWN}),
    "runs rejects": (
        "muster runs rejects 20261121T030000Z --json",
        set(table(JSON, "`muster runs rejects RUN --json`")) - {"tries"},
    ),
    "replay": ("muster replay 20261121T030000Z --to replayed --json", set(table(JSON, "`muster replay RUN --json`"))),
    "redeliver": ("muster redeliver 20261121T030000Z --json", set(table(JSON, "`muster redeliver RUN --json`"))),
    "plan": ("muster plan --at 2026-11-22T05:00 --json", set(RUN) | set(table(JSON, "`muster plan --json`"))),
    "preview": (
        "muster preview crm/store-visitors --at 2026-11-21T17:00 --json",
        set(table(JSON, "`muster preview AUDIENCE --json`")),
    ),
    "schedule list": ("muster schedule list --json", set(table(JSON, "`muster schedule list --json`"))),
    "schedule next": ("muster schedule next 3 --json", set(table(JSON, "`muster schedule next N --json`"))),
    "audiences list": ("muster audiences list --json", set(LISTED)),
    "audiences show": (
        "muster audiences show cart-abandoners --json",
        set(LISTED) | set(table(JSON, "`muster audiences show A --json`")),
    ),
    "audiences members": (
        "muster audiences members vip --json",
        set(table(JSON, "`muster audiences members A --json`")),
    ),
    "evaluations list": ("muster evaluations list --json", set(table(JSON, "`muster evaluations list --json`"))),
    "destinations list": ("muster destinations list --json", set(table(JSON, "`muster destinations list --json`"))),
    "destinations check": ("muster destinations check --json", set(table(JSON, "`muster destinations check --json`"))),
    "verify": ("muster verify --json", set(table(JSON, "`muster verify --json`"))),
    "reconcile": (
        "muster reconcile crm/newsletter --at 2026-11-21T17:00 --json",
        set(table(JSON, "`muster reconcile --json`")),
    ),
    "presets list": ("muster presets list --json", set(table(JSON, "`muster presets list --json`"))),
    "presets show": (
        "muster presets show liveramp --json",
        set(table(JSON, "`muster presets list --json`")) | set(table(JSON, "`muster presets show NAME --json`")),
    ),
    "policies list": ("muster policies list --json", set(POLICY)),
    "policies show": (
        "muster policies show email-targeting --json",
        {*POLICY, *table(JSON, "`muster policies show POLICY --json`")},
    ),
    "policies check": ("muster policies check --json", set(table(JSON, "`muster policies check --json`"))),
    "baseline show": ("muster baseline show --json", set(table(JSON, "`muster baseline show --json`"))),
    "sources list": (f"muster sources list {_CLUB_DAY} --json", set(SOURCE)),
    "sources show": (
        f"muster sources show cards {_CLUB_DAY} --json",
        {*SOURCE, *table(JSON, "`muster sources show S --json`")},
    ),
    "profiles show": (
        f"muster profiles show Email:nora.b@example.org {_CLUB_DAY} --json",
        set(table(JSON, "`muster profiles show PERSON --json`")),
    ),
    "graph show": (
        f"muster graph show CRMID:C000002 {_CLUB_DAY} --json",
        set(table(JSON, "`muster graph show IDENTITY --json`")),
    ),
    "graph stats": (f"muster graph stats {_CLUB_DAY} --json", set(table(JSON, "`muster graph stats --json`"))),
}


@pytest.mark.parametrize("command", JSON_OUTPUTS)
def test_the_keys_of_json_are_documented_and_no_others(command: str, samples: dict[str, Path]) -> None:
    """docs/json.md has a row for each key that `--json` prints (a plan has no files yet; of violations, see below)."""
    line, documented = JSON_OUTPUTS[command]
    sample = samples["loyalty" if command in OF_SOURCES else "demo"]
    printed = set(flattened(yaml.safe_load(Terminal(sample).type(line))))
    governed = ("labels[]", "policies[]", "violations[]", "governance.")
    absent = {
        "plan": ("files[]",),
        "policies check": governed,
        "runs show": governed,
        "graph stats": ("cut[]",),
        "graph show": ("refused[].apart[]",),
    }.get(command, ())
    assert {key for key in printed if not key.startswith(absent)} == {
        key for key in documented if not key.startswith(absent)
    }


def test_the_keys_of_violations_are_documented(samples: dict[str, Path], tmp_path: Path) -> None:
    """G7: docs/json.md has the keys of `policies check` and of a run's `governance`, of a violation too."""
    terminal = Terminal(Path(shutil.copytree(samples["demo"], tmp_path / "shop")))
    shop = Shop.at(terminal.folder)
    shop.set(labels={"email": ["I1"], "country": ["C3"]})
    shop.write("policies/apart.yml", {"actions": ["analytics"], "deny": "C3 AND I1"})
    mapping = ["email", "country"]
    activation = {"audience": "vip", "export": "full", "schedule": "on_demand"}
    shop.destination("agency", marketing_actions=["analytics"], mapping=mapping, activations=[activation])
    with contextlib.chdir(terminal.folder):
        assert invoke("export", "agency/vip", "--at", "2026-11-22T02:00").code == 1
        checked, run = (
            {*flattened(invoke(*command, "agency/vip", "--json").json)}
            for command in (("policies", "check"), ("runs", "show"))
        )
    assert checked == set(table(JSON, "`muster policies check --json`"))
    assert {key for key in run if key.startswith("governance")} == set(RUN_SHOWN)


# Commands that look after the state: what is typed first, and the command.
DAMAGED = "for file in .muster/baselines/crm/newsletter/*; do echo oops > $file; done"
KEEPING: dict[str, tuple[list[str], str]] = {
    "prune": (
        ["echo 'retention: {evaluations: {count: 1}, runs: {count: 1}}' >> muster.yml"],
        "prune --dry-run --at 2026-11-22T00:00",
    ),
    "state check": ([DAMAGED], "state check"),
    "state repair": ([DAMAGED, "touch .muster/x"], "state repair --tidy"),
    "state backup": ([], "state backup ../copy"),
    "state restore": (
        ["muster state backup ../older", "muster run -q --at 2026-11-21T17:00"],
        "state restore ../older --force",
    ),
    "profiles forget": ([], "profiles forget CRMID:C000107 --at 2026-11-21T12:00"),
    "state rewind": (["muster run -q --at 2062-01-01T05:00"], "state rewind --to 2026-11-22T05:00"),
    "profiles build": ([], "profiles build --at 2026-11-21T06:00"),
}


@pytest.mark.parametrize("name", KEEPING)
def test_the_keys_of_what_looks_after_the_state_are_documented(
    name: str, samples: dict[str, Path], tmp_path: Path
) -> None:
    """The same for commands that change something, each in a workspace of its own."""
    sample = samples["loyalty" if name in (*OF_SOURCES, "profiles forget") else "demo"]
    terminal = Terminal(Path(shutil.copytree(sample, tmp_path / "shop")))
    before, command = KEEPING[name]
    for line in before:
        terminal.type(line)
    with contextlib.chdir(terminal.folder):
        printed = set(flattened(invoke(*command.split(), "--json").json))
    heading = {"prune": "`muster prune --json`", "state backup": "`muster state backup FILE --json`"}
    found = table(JSON, heading.get(name, f"`muster {name}{' BACKUP' if name == 'state restore' else ''} --json`"))
    assert printed == set(found)


CALLS = {
    "run": "run --at 2026-11-22T05:00",
    "evaluate": "evaluate --at 2026-11-22T02:00",
    "export": "export crm/newsletter crm/vip-today --at 2026-11-22T02:00",
    "validate": "validate --at 2026-11-22T02:00",
}


@pytest.mark.parametrize("name", CALLS)
def test_the_keys_of_what_a_command_did_are_documented(name: str, samples: dict[str, Path], tmp_path: Path) -> None:
    """docs/json.md: the keys of the four commands that print what they did, with something in each list."""
    terminal = Terminal(Path(shutil.copytree(samples["demo"], tmp_path / "shop")))
    terminal.type("rm -r exports/crm; touch exports/crm")  # some runs fail
    terminal.type("echo 'where: no_such_column' > audiences/zz.yml")
    with contextlib.chdir(terminal.folder):
        printed = invoke(*CALLS[name].split(), "--json").json
    runs, documented = printed.pop("runs"), set(table(JSON, "What a command did"))
    documented |= set(table(JSON, "`muster validate --json`")) if name == "validate" else set()
    assert {key for key in flattened(runs) if not key.startswith("files[]")} <= set(RUN)
    found = {*flattened(printed), "runs"}
    documented -= {key for key in documented if key.startswith("evaluations[].ignored_rows")}  # of sources alone
    assert found == {key for key in documented if key.partition("[]")[0] == key or printed[key.partition("[]")[0]]}
    assert [bool(printed["evaluations"]), bool(runs)] == [name in {"run", "evaluate"}, name != "validate"]


def test_the_keys_of_an_evaluation_of_sources_are_documented(samples: dict[str, Path], tmp_path: Path) -> None:
    """docs/json.md: what `evaluate --json` prints of rows that reach no profile (P12)."""
    club = shutil.copytree(samples["loyalty"], tmp_path / "club")
    with contextlib.chdir(club):
        printed = invoke("evaluate", "--at", "2026-11-22T02:00", "--json").json
    found = {key for key in flattened(printed) if key.startswith("evaluations[].")}
    assert found == {key for key in table(JSON, "What a command did") if key.startswith("evaluations[].")}


def test_the_keys_of_status_are_documented(samples: dict[str, Path], tmp_path: Path) -> None:
    """docs/json.md: the keys of `status --json`; those of a run are the keys of a run."""
    terminal = Terminal(Path(shutil.copytree(samples["demo"], tmp_path / "shop")))
    with StateFolder(terminal.folder / ".muster", 0o600).writing(0) as ledger, ledger.transaction():
        failures_table.put(ledger, {"vip": "a reason"}, datetime(2026, 11, 22, 2, tzinfo=UTC))
    with contextlib.chdir(terminal.folder):
        printed = invoke("status", "--at", "2026-11-22T05:00", "--json").json
    runs = [run for each in printed["activations"] if (run := each.pop("last_run"))]
    assert {key.removeprefix("[].") for run in runs for key in flattened(run)} == set(RUN)
    documented = set(table(JSON, "`muster status --json`"))
    known = bool(printed["evaluation"]["inputs"])  # the ages of inputs, by the evaluations of this version
    assert {*flattened(printed), "activations[].last_run"} == {
        key for key in documented if known or not key.startswith("evaluation.inputs[]")
    }


CALLS_OF_MESSAGES = {"resync", "runs retry"}


def test_the_keys_of_runs_that_send_messages_are_documented(tmp_path: Path, receiver: Receiver) -> None:
    """docs/json.md: what `resync`, `plan`, `runs show`, `runs rejects` and `runs retry` print of messages (V11)."""
    shop = EventShop(tmp_path, receiver)
    shop.crm()
    receiver.rule = refusing(lambda entry: entry["id"] == "b")
    shop.send("2026-11-20", "a", "b", "c")
    [sent] = shop.ok("resync", KEY, "--at", "2026-11-20T06:00Z", "--json").json["runs"]
    nested = {f"by_trigger.{trigger}" for trigger in sent["by_trigger"]} | {
        f"excluded_by.{name}" for name in sent["excluded_by"]
    }
    assert {key for key in flattened(sent) if key not in nested} <= set(RUN)
    shown = set(flattened(shop.ok("runs", "show", KEY, "--json").json))
    assert set(table(JSON, "A run that sent messages")) - {"answers.*"} <= shown
    rejected = set(flattened(shop.ok("runs", "rejects", KEY, "--json").json))
    assert rejected == set(table(JSON, "`muster runs rejects RUN --json`"))
    retried = shop.ok("runs", "retry", KEY, "--json").json
    assert set(retried) == set(table(JSON, "`muster runs retry RUN --json`"))
    assert retried["profiles"] == 1


def test_every_command_with_json_is_documented() -> None:
    """SPEC 9: what lists takes `--json`, and docs/json.md describes it."""
    taking = {
        name
        for name, command in command_tree().items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert taking == {*JSON_OUTPUTS, *KEEPING, *CALLS, *CALLS_OF_MESSAGES, "status"}
    headings = {
        line.removeprefix("### `muster ").partition(" --json")[0]
        for line in JSON.read_text().splitlines()
        if line.startswith("### ")
    }
    assert {re.sub(r" [A-Z]+$", "", heading) for heading in headings} == taking


# state.md


def test_the_tables_of_the_ledger_are_documented(samples: dict[str, Path]) -> None:
    """docs/state.md names every table of the ledger and its columns, the schema's version and the application id."""
    with closing(sqlite3.connect(samples["demo"] / ".muster/ledger.sqlite")) as connection, connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        actual = {name: [column[1] for column in connection.execute(f"PRAGMA table_info({name})")] for name in names}
        identity = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    connection.close()
    assert {name: re.findall(r"`(\w+)`", cells[1]) for name, cells in table(STATE, "The ledger").items()} == actual
    assert identity == [schema.APPLICATION_ID, schema.SCHEMA_VERSION]
    assert f"`application_id` 0x{schema.APPLICATION_ID:X}" in STATE.read_text()
    assert f"`user_version`, now {schema.SCHEMA_VERSION}." in STATE.read_text()


def test_the_files_of_the_state_are_documented(samples: dict[str, Path]) -> None:
    """docs/state.md shows every kind of file that lies in the state folder, of a workspace with sources too."""
    block = next(block for block in blocks(STATE, "text") if ".muster/" in block.text)
    shown = re.findall(r"[├└]── (\S+)", block.text)
    states = [samples[name] / ".muster" for name in ("demo", "loyalty")]
    lying = {path.name for state in states for path in state.iterdir()}
    assert {name.split("/")[0] for name in shown} == lying | {"outbox"}  # which is there while messages are sent
    patterns = [
        re.compile(re.sub(r"<\w+>", "[^/]+", name).replace(".", r"\.")) for name in shown if not name.endswith("/")
    ]
    for state in states:
        for path in state.rglob("*"):
            name = path.relative_to(state).as_posix()
            assert not path.is_file() or any(pattern.fullmatch(name) for pattern in patterns), name


def test_old_memberships_may_be_removed(samples: dict[str, Path], tmp_path: Path) -> None:
    """docs/state.md: only the newest evaluation of each audience is needed to go on."""
    shop = Path(shutil.copytree(samples["demo"], tmp_path / "shop"))
    for old in (shop / ".muster/memberships").glob("*/20261120T*.parquet"):
        old.unlink()
    assert invoke("-C", str(shop), "evaluate", "--at", "2026-11-22T02:00").code == 0
    assert invoke("-C", str(shop), "run", "--at", "2026-11-22T05:00").code == 0


def test_a_restored_copy_of_the_state_is_taken_for_what_it_is(samples: dict[str, Path], tmp_path: Path) -> None:
    """docs/state.md: slots since the copy are due again, and a file that stands there is not replaced."""
    shop = Path(shutil.copytree(samples["demo"], tmp_path / "shop"))
    shutil.copytree(shop / ".muster", tmp_path / "copy")
    assert invoke("-C", str(shop), "run", "--at", "2026-11-21T17:00").code == 0
    files = sorted((shop / "exports/crm").glob("crm_newsletter_20261121T170000Z*"))
    shutil.rmtree(shop / ".muster")
    shutil.copytree(tmp_path / "copy", shop / ".muster")
    result = invoke("-C", str(shop), "run", "--at", "2026-11-21T17:00")
    assert result.code == 1
    assert "another file already has this name" in result.err
    files[0].unlink()
    assert (
        invoke("-C", str(shop), "run", "--at", "2026-11-21T17:00").code == 1
    )  # the other activation's file is still there
    assert files[0].exists()
