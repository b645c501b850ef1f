"""A config that was checked is remembered, and believed only while everything is as it was (SPEC 2, 10, X1)."""

import json
import os
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.doc_pages import ROOT
from support.shop import Shop, evaluated_shop, invoke
from support.yaml_workspace import DESTINATION, GOOD, MUSTER, SECRET, SPEC_FILES, write

from muster.activation.config import workspace as config
from muster.activation.config.cache_format import from_plain, to_plain
from muster.activation.config.sources import read_sources
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.runs import config_cache

FILE = ".muster/config.checked"
WITH_VARIABLE = DESTINATION.replace("exports/crm", "exports/${S}/x")
FROM_SOURCES = {
    "muster.yml": MUSTER.replace("{path: data/profiles}", '{from: sources, id_key: "${S}"}'),
    "sources/crm.yml": "path: data/crm\nidentities: [{column: id, namespace: CRMID, primary: true}]\n",
}
MANY = {
    "plain": (GOOD, {}),
    "everything": (SPEC_FILES | {"audiences/adults.yml": GOOD["audiences/adults.yml"]}, {}),
    "state in quotes": (GOOD | {"muster.yml": MUSTER + "state: 'my state'  # here\n"}, {}),
    "a secret": (GOOD | {"destinations/crm.yml": WITH_VARIABLE}, {"S": SECRET}),
    "short ones": (
        GOOD | {"destinations/crm.yml": WITH_VARIABLE, "audiences/adults.yml": "where: ${T} = 'e'"},
        {"S": "e", "T": '"\\é"'},
    ),
    "profiles from sources": (GOOD | FROM_SOURCES, {"S": SECRET}),
    "two values that hold each other": (
        GOOD | {"destinations/crm.yml": WITH_VARIABLE.replace("/x", "/${T}")},
        {"S": "abc", "T": "xabcx"},
    ),
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that the nouns of a workspace are made of."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{each.name: anything(hints[each.name]) for each in fields(kind)})
    if get_origin(kind) is tuple:
        return st.lists(anything(get_args(kind)[0]), max_size=3).map(tuple)
    if (
        get_origin(kind) is not None
        and get_args(kind)[:1] == (str,)
        and len(get_args(kind)) == 2
        and type(None) not in get_args(kind)
    ):
        return st.dictionaries(st.text(), anything(get_args(kind)[1]), max_size=3)
    if type(None) in get_args(kind):
        return st.none() | anything(next(each for each in get_args(kind) if each is not type(None)))
    special = {
        "datetime": st.datetimes(timezones=st.just(UTC)),
        "Path": st.text("abc/ é").map(Path),
        "float": st.floats(allow_nan=False),
    }
    return special.get(getattr(kind, "__name__", ""), st.from_type(kind))


@given(anything(Workspace))
@settings(suppress_health_check=list(HealthCheck), max_examples=60)
def test_whatever_a_workspace_holds_comes_back(workspace: Workspace) -> None:
    """Every field of every noun is written and read back by its type, through JSON."""
    assert from_plain(json.loads(json.dumps(to_plain(workspace))), Workspace) == workspace


def test_every_module_that_checks_is_in_the_key() -> None:
    """Whatever of muster's own changes, presets among it, the config is checked again."""
    known = {os.fsdecode(each).split()[0] for each in config_cache._installed()}  # noqa: SLF001  # what the key is made of
    assert {
        str(path) for folder in ("activation", "schedules", "runs") for path in (ROOT / "muster" / folder).rglob("*.py")
    } <= known


def test_a_type_that_is_not_known_is_an_error() -> None:
    """A field that could not be read back is never left out."""

    @dataclass(frozen=True)
    class New:
        field: complex

    with pytest.raises(TypeError, match="complex"):
        to_plain(New(1j))


def keep(root: Path, files: dict[str, str], environ: dict[str, str]) -> Workspace:
    """Load a workspace afresh and remember it."""
    sources = read_sources(write(root, files))
    workspace = config.load(root, environ)
    (workspace.state / "tmp").mkdir(parents=True)
    stand_in = (
        config.read(sources, config_cache.stand_ins(workspace.variables))[0] if workspace.variables else workspace
    )
    config_cache.remember(workspace, sources, stand_in)
    return workspace


@pytest.mark.parametrize("name", MANY)
def test_what_is_remembered_is_what_the_files_say(tmp_path: Path, name: str) -> None:
    """SPEC 2: a remembered workspace equals one that is loaded afresh, and holds no value of a variable."""
    files, environ = MANY[name]
    workspace = keep(tmp_path, files, environ)
    assert config_cache.recall(read_sources(tmp_path), environ) == workspace
    assert SECRET not in (workspace.state / state_paths.CONFIG_CHECKED).read_text()


def test_the_sample_workspace_is_remembered(tmp_path: Path) -> None:
    """The workspace that `muster init` makes is one of them."""
    folder = ROOT / "sample_data" / "workspace"
    files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.yml")}
    workspace = keep(tmp_path, files, {})
    assert config_cache.recall(read_sources(tmp_path), {}) == workspace


def test_a_value_that_is_no_text_is_not_remembered(tmp_path: Path) -> None:
    """A number that comes from a variable cannot be left out, so nothing is kept."""
    files = GOOD | {"destinations/crm.yml": DESTINATION + "max_rows_per_file: ${N}\n"}
    workspace = keep(tmp_path, files, {"N": "12345"})
    assert workspace.activations[0].max_rows_per_file == 12345
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("key", ["q8w7e6r5", "${S}q8w7e6r5", "${KEY:-q8w7e6r5}"])
def test_a_key_of_ids_that_is_text_is_not_remembered(tmp_path: Path, key: str) -> None:
    """P7: the key of profile ids is a secret wherever it is written, so a config with it as text is not kept."""
    files = {"muster.yml": FROM_SOURCES["muster.yml"].replace("${S}", key)}
    assert keep(tmp_path, GOOD | FROM_SOURCES | files, {"S": SECRET}).id_key.endswith("q8w7e6r5")
    assert not (tmp_path / FILE).exists()


CHANGES = {
    "a byte more": lambda root: (root / "audiences/adults.yml").write_text(GOOD["audiences/adults.yml"] + "\n"),
    "a byte other": lambda root: (root / "audiences/adults.yml").write_text(
        GOOD["audiences/adults.yml"].replace("17", "18")
    ),
    "the settings": lambda root: (root / "muster.yml").write_text(MUSTER + "timezone: Asia/Tokyo\n"),
    "another file": lambda root: (root / "audiences/new.yml").write_text("where: true\n"),
    "a file gone": lambda root: (root / "destinations/crm.yml").unlink(),
    "a file renamed": lambda root: (root / "destinations/crm.yml").rename(root / "destinations/crm.yaml"),
    "two files swapped": lambda root: (root / "audiences/adults.yml").rename(root / "audiences/b.yml"),
    "a file that cannot be read": lambda root: (
        (root / "audiences/adults.yml").unlink(),
        (root / "audiences/adults.yml").mkdir(),
    ),
    "a file named policies": lambda root: (root / "policies").write_text(""),
    "a policy in a sub-folder": lambda root: (
        (root / "policies/ads").mkdir(parents=True),
        (root / "policies/ads/a.yml").touch(),
    ),
    "a policy with another suffix": lambda root: (
        (root / "policies").mkdir(),
        (root / "policies/A.YML").touch(),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_read_again(tmp_path: Path, change: str) -> None:
    """Any change of the name or the bytes of any YAML file counts."""
    keep(tmp_path, GOOD, {})
    assert config_cache.recall(read_sources(tmp_path), {})
    CHANGES[change](tmp_path)
    assert config_cache.recall(read_sources(tmp_path), {}) is None


def test_a_changed_variable_is_read_again(tmp_path: Path) -> None:
    """Another value, or none, of a variable that the files take counts; other variables do not."""
    keep(tmp_path, GOOD | {"destinations/crm.yml": WITH_VARIABLE}, {"S": SECRET})
    sources = read_sources(tmp_path)
    assert config_cache.recall(sources, {"S": SECRET, "OTHER": "x"})
    assert config_cache.recall(sources, {"S": "other"}) is None
    assert config_cache.recall(sources, {}) is None


@pytest.mark.parametrize(("what", "other"), [("_software", lambda: [b"polars 3"]), ("_zone", lambda _: b"other rules")])
def test_other_software_and_other_zones_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, other: Any
) -> None:
    """What was checked by another version of anything, or with other zone files, counts for nothing."""
    keep(tmp_path, GOOD, {})
    monkeypatch.setattr(config_cache, what, other)
    assert config_cache.recall(read_sources(tmp_path), {}) is None


def test_a_copied_workspace_is_read_again(tmp_path: Path) -> None:
    """A workspace says where it lies: in another folder it is another one."""
    keep(tmp_path / "here", GOOD, {})
    (tmp_path / "here").rename(tmp_path / "there")
    assert config_cache.recall(read_sources(tmp_path / "there"), {}) is None


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_damaged_file_is_never_believed(tmp_path: Path, data: st.DataObject) -> None:
    """Cut off, or with one bit other than it was, it is as if it were not there."""
    path = tmp_path / FILE
    if not path.exists():
        keep(tmp_path, GOOD, {})
        (tmp_path / "whole").write_bytes(path.read_bytes())
    whole = (tmp_path / "whole").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :], whole + b"\n"):
        path.write_bytes(damaged)
        assert config_cache.recall(read_sources(tmp_path), {}) is None
    path.write_bytes(whole)
    assert config_cache.recall(read_sources(tmp_path), {})


def test_what_is_no_workspace_is_not_believed_though_its_checksum_is_right(tmp_path: Path) -> None:
    """The form is checked too."""
    keep(tmp_path, GOOD, {})
    _, kept, workspace = (tmp_path / FILE).read_text().split("\n")
    for other in (
        *([text, workspace] for text in ("[]", "{}", "5", "x", json.dumps(json.loads(kept) | {"more": 1}))),
        *([kept, text] for text in ("[]", "{}", "[[5]]", '[["Place","a",1,"b"]]', "x", "")),
        [kept],
    ):
        content = "\n".join(other).encode()
        (tmp_path / FILE).write_bytes(sha256(content).hexdigest().encode() + b"\n" + content)
        assert config_cache.recall(read_sources(tmp_path), {}) is None, other


# -- in commands


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace that has been run."""
    return evaluated_shop(tmp_path)


RUN = ("run", "--at", "2026-11-20T02:01Z")


def test_whoever_holds_the_lock_keeps_it_and_readers_use_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made by commands that write, for the owner alone, and asked by all; `validate` believes nothing."""
    assert (shop.root / FILE).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("muster.activation.config.workspace.read", lambda *_: pytest.fail("the files were parsed"))
    for command in (
        RUN,
        ("plan", "--at", "2026-11-20T02:01Z"),
        ("runs", "list"),
        ("schedule", "list"),
        ("audiences", "list"),
    ):
        assert shop.ok(*command)
    with pytest.raises(pytest.fail.Exception):
        invoke("-C", str(shop.root), "validate")


def test_a_command_that_only_reads_keeps_nothing(shop: Shop) -> None:
    """SPEC 9: readers write nothing."""
    (shop.root / FILE).unlink()
    for command in (("plan",), ("runs", "list"), ("schedule", "list"), ("validate",)):
        shop.ok(*command)
    assert not (shop.root / FILE).exists()


def test_a_mistake_is_said_though_the_config_was_remembered(shop: Shop) -> None:
    """X1: a mistake in the YAML stops every command, whatever was right before; put right, all goes on."""
    right = (shop.root / "audiences/all.yml").read_text()
    for wrong in ("where: no_such_function(1)\n", "where: [\n", "wher: true\n"):
        (shop.root / "audiences/all.yml").write_text(wrong)
        assert [invoke("-C", str(shop.root), *command).code for command in (RUN, ("runs", "list"), ("plan",))] == [
            2,
            2,
            2,
        ]
    (shop.root / "audiences/all.yml").write_text(right)
    assert shop.ok(*RUN)


@pytest.mark.parametrize("way", ["gone", "empty", "garbage", "a folder", "cut"])
def test_a_damaged_note_changes_nothing(shop: Shop, way: str) -> None:
    """It is passed over without a word, and made anew."""
    path = shop.root / FILE
    said, whole = shop.ok(*RUN), path.read_bytes()
    path.unlink()
    if way == "a folder":
        path.mkdir()
    elif way != "gone":
        path.write_bytes({"empty": b"", "garbage": b"\xff\0\n{", "cut": whole[: len(whole) // 2]}[way])
    assert shop.ok(*RUN) == said
    assert path.is_dir() if way == "a folder" else path.read_bytes() == whole


def test_a_refused_first_command_leaves_no_note(tmp_path: Path) -> None:
    """SPEC 9: exit 2 wrote nothing, no state folder either."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.crm()
    assert invoke("-C", str(tmp_path), "export", "crm/all").code == 2
    assert not (tmp_path / ".muster").exists()


def test_the_environment_of_the_process_counts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: a variable that is missing is an error, by its name only, though the config was remembered with it; set
    again, all goes on.
    """
    monkeypatch.setenv("PLACE", SECRET)
    shop.crm(url="out/${PLACE}")
    shop.ok(*RUN)
    assert SECRET.encode() not in (shop.root / FILE).read_bytes()
    assert config_cache.recall(read_sources(shop.root), os.environ)
    monkeypatch.delenv("PLACE")
    at_five = ("run", "--at", "2026-11-20T05:00Z")
    for _ in range(2):
        refused = invoke("-C", str(shop.root), *at_five)
        assert refused.code == 1
        assert "the environment variable PLACE is not set" in refused.err
    monkeypatch.setenv("PLACE", SECRET)
    shop.ok(*at_five)
