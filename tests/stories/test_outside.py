"""Nothing leads out of a destination, and nobody else gets in: names, links, modes (F1, F3, F6), tried through the real
command.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.refusals import refused
from support.shop import Shop, invoke, person, process

from muster.activation.stores.folder import target as folder_target

RUN = ("run", "--at", "2026-11-20T06:00Z")
NAME = "crm_all_20261120T050000Z.csv"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace whose first export is due."""
    return new_shop(tmp_path)


def new_shop(folder: Path, **settings: Any) -> Shop:
    """The same, with other settings; one person is left out of what is sent, and one identity is in it."""
    shop = Shop(folder / "shop", evaluation={"schedule": {"at": "02:00"}}, **settings)
    shop.profiles("2026-11-20", [person("a"), person("b") | {"email": ""}, person("c")])
    shop.feed([("vip", "a", "realized", "2026-11-19T12:00Z")])
    shop.audience("all", where="true")
    shop.audience("vip", source="memberships")
    shop.crm(mapping=["profile_id", {"source": "email", "target": "email", "mandatory": True}])
    return shop


# Names


TEMPLATES = {
    "above": "../{date}",
    "above, later": "a/../../{date}",
    "absolute": "/etc/{date}",
    "a url": "file:///etc/{date}",
    "backslash": "..\\\\{date}",
    "NUL": "a\\0{date}",
    "line feed": "a\\n{date}",
    "escape": "a\\e[2J{date}",
    "right to left": "a\\u202egpj.{date}",
    "isolate": "a\\u2066{date}",
    "no-break space": "a\\u00a0/{date}",
    "half a character": "a\\ud800{date}",
    "hidden": ".ssh/{date}",
    "empty folder": "a//{date}",
    "space at the end": "a /{date}",
    "dot at the end": "a./{date}",
    "device": "con/{date}",
    "device with an extension": "NUL.txt/{date}",
    "device as the file": "{workspace}/aux",
    "numbered device": "lpt1/{date}",
    "long": "x" * 300,
    "long in bytes": "\u00fc" * 130,
    "a manifest": "manifest-{date}",
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_cannot_lead_outside(shop: Shop, case: str) -> None:
    """F1: a file_name that climbs, is absolute, hidden, too long, or that a terminal or a file system reads as another
    is exit 2.
    """
    path = shop.root / "destinations/crm.yml"
    path.write_text(f'{path.read_text()}file_name: "{TEMPLATES[case]}"\n', encoding="utf-8")
    said = refused(shop, *RUN)
    assert said.startswith("error: destinations/crm.yml:")
    assert "\x1b" not in said
    assert "\u202e" not in said


VALUES = (
    "../../etc/x",
    "/etc/x",
    "..\\x",
    "a\x1b[2J",
    "a\u202eb",
    "a\u2028b",
    "..%2f..%2fx",
    "%2e%2e/x",
    "file:///etc",
    "a\tb",
    "$(id)",
    "a;b|c&d",
)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_in_a_name_stays_one_part_of_it(shop: Shop, value: str) -> None:
    """F1: what an audience or a destination is called makes no folder, and no character that anything reads as
    its own.
    """
    shop.audience("all", name=f"n{value}", where="true")
    shop.crm(
        name=f"d{value}",
        file_name="{workspace}/{destination_name}/{audience_name}x",
        export="full",
        mapping=["profile_id"],
    )
    shop.ok(*RUN)
    [made] = shop.files()
    parts = made.split("/")
    assert len(parts) == 4
    assert all(set(part) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") for part in parts)
    assert not any(part.startswith(".") for part in parts)
    assert refused_name(shop, value)
    beside = {path.relative_to(shop.root).parts[0] for path in shop.root.rglob("*")}
    assert beside == {"muster.yml", "audiences", "destinations", "data", ".muster", "out"}
    assert {path.name for path in shop.root.parent.iterdir()} == {"shop"}


def refused_name(shop: Shop, value: str) -> bool:
    """Whether a workspace cannot be called so: its name is an id."""
    shop.set(workspace=f"w{value}")
    said = shop.muster(*RUN)
    return (
        said.code == 2
        and "error: muster.yml:1: workspace: " in said.err
        and said.err.isascii()
        and "\x1b" not in said.err
    )


@pytest.mark.parametrize("name", ["con", "Aux", "nul", "COM1", "lpt9", "prn.x"])
def test_an_id_that_is_a_device_makes_no_file(shop: Shop, name: str) -> None:
    """F1: a value that is a device's name to Windows cannot be a whole part; beside other text it can."""
    shop.audience(name, where="true")
    shop.crm(audience=name, file_name="{audience_id}/{date}", mapping=["profile_id"])
    assert f"has the part {name!r}, which is a device to Windows" in refused(shop, *RUN)
    shop.crm(audience=name, file_name="x-{audience_id}/{date}", mapping=["profile_id"])
    shop.ok(*RUN)


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/b", "a\\b", ".hidden", "-x", "a b", "a\nb", "a\n", "é", "x" * 129, "a\u202eb", "a%2fb", ""],
)
def test_ids_are_plain(shop: Shop, name: str) -> None:
    """SPEC 2: an id that is no plain word is exit 2: ids are folders of the state, and names of files."""
    shop.write("audiences/x.yml", {"id": name, "where": "true"})
    shop.write(
        "destinations/y.yml",
        {"id": name, "url": "out/y", "format": "csv", "mapping": ["profile_id"], "activations": []},
    )
    shop.crm(
        id="crm",
        activations=[{"audience": "all", "id": name, "export": "full", "schedule": {"at": "05:00"}}],
        mapping=["profile_id"],
    )
    said = refused(shop, *RUN)
    for file in ("audiences/x.yml", "destinations/y.yml", "destinations/crm.yml"):
        assert f"error: {file}:" in said


URLS = (
    "a\u202eb",
    "a\x00b",
    "a\nb",
    "file:///a%00b",
    "file:///a%0Ab",
    "file:///a%E2%80%AEb",
    "file://host/x",
    "~/x",
    "file:///x?y",
    "ftp://x/y",
    "",
)


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_not_what_it_looks_like(shop: Shop, url: str) -> None:
    """SPEC 10: a url with controls, also percent-encoded, with another machine or a query, or of an unknown kind is
    exit 2.
    """
    shop.crm(url=url, mapping=["profile_id"])
    assert refused(shop, *RUN).startswith("error: destinations/crm.yml:")


def test_names_that_a_file_system_takes_for_one(shop: Shop) -> None:
    """F1: two activations whose names differ in letter case, or in how an accent is spelled, are exit 2."""
    for one, other in (
        ("Straße-{date}", "STRASSE-{date}"),
        ("caf\u00e9-{date}", "cafe\u0301-{date}"),
        ("A/{date}", "a/{date}"),
    ):
        daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
        shop.crm(
            activations=[{**daily, "file_name": one}, {**daily, "id": "second", "file_name": other}],
            mapping=["profile_id"],
        )
        assert "destinations/crm.yml" in refused(shop, *RUN)


# Links


def outside(shop: Shop) -> Path:
    """A folder beside the workspace with a file in it."""
    place = shop.root.parent / "outside"
    place.mkdir()
    (place / "theirs").write_text("theirs")
    return place


def unharmed(place: Path) -> bool:
    """Whether that folder is as it was."""
    return [path.name for path in place.iterdir()] == ["theirs"] and (place / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("file_name", ["sub/{date}", "sub/deeper/{date}", "sub/latest"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_below_the_root_that_leads_outside_is_refused(shop: Shop, file_name: str, relative: bool) -> None:
    """F3: a folder of the destination that is a link to elsewhere fails the run before a byte is written, and
    says so.
    """
    place = outside(shop)
    (shop.root / "out/crm").mkdir(parents=True)
    (shop.root / "out/crm/sub").symlink_to("../../../outside" if relative else place)
    shop.crm(file_name=file_name, mapping=["profile_id"])
    folder = file_name.rpartition("/")[0]
    result = shop.muster(*RUN)
    assert result.code == 1
    assert f"crm/all: out/crm/{folder}: leads out of the destination, by a link" in result.err
    assert unharmed(place)
    assert shop.files() == []
    (shop.root / "out/crm/sub").unlink()
    shop.ok(*RUN)
    assert len(shop.files()) == 1


def test_a_link_that_stays_inside_and_a_root_that_is_one(shop: Shop) -> None:
    """F3: the root may be a link, which is for its owner to choose; so may be a folder below it that leads nowhere
    else.
    """
    place = shop.root.parent / "elsewhere"
    (place / "real").mkdir(parents=True)
    (place / "sub").symlink_to("real")
    (shop.root / "out").mkdir()
    (shop.root / "out/crm").symlink_to(place)
    shop.crm(file_name="sub/{date}", mapping=["profile_id"])
    shop.ok(*RUN)
    assert (place / "real/20261120.csv").is_file()


def test_a_link_put_there_between_two_runs(shop: Shop) -> None:
    """F1: what a run replaces or removes is not looked for outside either."""
    shop.crm(file_name="sub/latest", mapping=["profile_id"])
    shop.ok(*RUN)
    place = outside(shop)
    (place / "latest.csv").write_text("theirs")
    folder = shop.root / "out/crm/sub"
    folder.rename(shop.root / "out/crm/moved")
    folder.symlink_to(place)
    assert shop.muster("run", "--at", "2026-11-21T06:00Z").code == 1
    shop.crm(file_name="latest", mapping=["profile_id"])
    shop.muster("run", "--at", "2026-11-22T06:00Z")
    assert (place / "latest.csv").read_text() == "theirs"


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_under_the_final_name(shop: Shop, dangling: bool) -> None:
    """F1: under a name with a time it is somebody else's file; under a constant name it is replaced, and what it leads
    to stays.
    """
    place = outside(shop)
    target = place / ("nowhere" if dangling else "theirs")
    (shop.root / "out/crm").mkdir(parents=True)
    (shop.root / "out/crm" / NAME).symlink_to(target)
    result = shop.muster(*RUN)
    assert result.code == 1
    assert "another file already has this name" in result.err
    assert unharmed(place)
    shop.crm(file_name="latest", mapping=["profile_id"])
    (shop.root / "out/crm/latest.csv").symlink_to(target)
    shop.ok(*RUN)
    assert not (shop.root / "out/crm/latest.csv").is_symlink()
    assert unharmed(place)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_link_under_the_temporary_name(shop: Shop, link: str) -> None:
    """F3: a link that waits under the name of a file to be staged is taken away; what it leads to is not written to."""
    place = outside(shop)
    run_id = next(
        step["run_id"]
        for step in shop.ok("plan", "--at", "2026-11-20T06:00Z", "--json").json
        if step["action"] == "export"
    )
    (shop.root / "out/crm").mkdir(parents=True)
    for name in (f".{run_id}.1.tmp", f".manifest-shop-crm-{run_id}.json.tmp"):
        getattr(shop.root / "out/crm" / name, link)(place / "theirs")
    shop.ok(*RUN)
    assert unharmed(place)
    assert [path.name for path in (shop.root / "out/crm").iterdir() if path.name.startswith(".")] == []


def test_a_link_put_in_place_of_a_staged_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """F3: somebody who may write to the destination cannot have muster write through a link that takes a new file's
    place.
    """
    place = outside(shop)
    made = folder_target.create_file

    def swapped(path: Path, mode: int) -> None:
        made(path, mode)
        path.unlink()
        path.symlink_to(place / "theirs")

    monkeypatch.setattr(folder_target, "create_file", swapped)
    result = shop.muster(*RUN)
    assert result.code == 1
    assert "too many levels of symbolic links" in result.err.lower()
    assert unharmed(place)


# Modes


def modes(shop: Shop) -> dict[str, int]:
    """Every file and folder that muster made, with its mode."""
    found = [path for place in (".muster", "out") for path in (shop.root / place, *(shop.root / place).rglob("*"))]
    return {path.relative_to(shop.root).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in found}


KINDS: dict[str, Callable[[str], bool]] = {
    "ledger": lambda name: name == ".muster/ledger.sqlite",
    "mark of the ledger": lambda name: name == ".muster/ledger.checked",
    "config": lambda name: name == ".muster/config.checked",
    "lock": lambda name: name == ".muster/lock",
    "memberships": lambda name: name.startswith(".muster/memberships/2026"),
    "numbering": lambda name: name.startswith(".muster/numbering/"),
    "baselines": lambda name: name.startswith(".muster/baselines/crm/all/"),
    "rosters": lambda name: name.startswith(".muster/rosters/") and name.endswith(".parquet"),
    "rejects": lambda name: name.startswith(".muster/rejects/") and name.endswith(".parquet"),
    "manifests": lambda name: "/manifest-" in name,
    "data files": lambda name: name.startswith("out/crm/sub/"),
    "parquet files": lambda name: name.startswith("out/files/") and name.endswith(".parquet"),
}


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777], ids=oct)
@pytest.mark.parametrize(("file_mode", "folder_mode"), [("0600", 0o700), ("0640", 0o750)])
def test_all_that_a_history_leaves_has_the_mode_asked_for(
    tmp_path: Path, umask: int, file_mode: str, folder_mode: int
) -> None:
    """F6: every file and folder of state and destinations has file_mode, and the matching search bits, whatever the
    umask is.
    """
    shop = new_shop(tmp_path, file_mode=file_mode)
    daily = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    adhoc = {"audience": "all", "id": "adhoc", "schedule": "on_demand"}
    mandatory = {"source": "email", "target": "email", "mandatory": True}
    shop.crm(file_name="sub/{activation}-{date}", mapping=["profile_id", mandatory], activations=[daily, adhoc])
    shop.destination(
        "files",
        format="parquet",
        file_name="latest",
        mapping=["profile_id"],
        activations=[{**daily, "audience": "vip"}],
    )
    before = os.umask(umask)
    try:
        for day in ("2026-11-20", "2026-11-21"):
            shop.run(f"{day}T06:00Z")
            shop.ok("export", "crm/adhoc", "--at", f"{day}T07:00Z")
        shop.ok("runs", "list")
        shop.ok("plan", "--at", "2026-11-22T06:00Z")
    finally:
        os.umask(before)
    found = modes(shop)
    for kind, belongs in KINDS.items():
        assert any(belongs(name) for name in found), kind
    for name, mode in found.items():
        assert mode == (folder_mode if (shop.root / name).is_dir() else int(file_mode, 8)), f"{name}: {mode:o}"


def test_no_folder_is_open_for_a_moment(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """F6: a folder has its mode from the moment it is there, not only once it was changed."""
    seen: dict[str, int] = {}
    chmod = Path.chmod

    def looked_at(path: Path, mode: int, **options: Any) -> None:
        seen[path.name] = stat.S_IMODE(path.stat().st_mode)
        chmod(path, mode, **options)

    monkeypatch.setattr(Path, "chmod", looked_at)
    before = os.umask(0)
    try:
        shop.ok(*RUN)
    finally:
        os.umask(before)
    assert {".muster", "memberships", "crm"} <= seen.keys()
    assert {name: mode for name, mode in seen.items() if mode & 0o077} == {}


# What was in the environment


def test_no_secret_is_kept_or_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: the value of an environment variable is in no output, log, note, record or manifest, in success and in
    failure.
    """
    secret = "Zk9-correct-horse"  # noqa: S105 (made up, and looked for)
    monkeypatch.setenv("MUSTER_TOKEN", secret)
    shop.audience("all", where="email <> '${MUSTER_TOKEN}' AND CAST(email AS VARCHAR) <> ''")
    shop.audience("bad", where="email = 1 OR email = '${MUSTER_TOKEN}'")
    said = ""
    for command in (
        ("validate",),
        ("plan",),
        ("run",),
        ("run",),
        ("runs", "list", "--json"),
        ("evaluate", "--audience", "bad"),
    ):
        timed = () if command[0] == "runs" else ("--at", "2026-11-20T06:00Z")
        work = (
            process if command[0] in {"run", "evaluate"} else invoke
        )  # who works with the data may say things that Python does not hear
        result = work("-C", str(shop.root), *command, *timed, "-vv")
        said += result.out + result.err
    assert secret not in said
    assert "bad" in said
    assert (shop.root / ".muster/config.checked").is_file()
    for name, content in shop.tree(".muster", "out").items():
        assert secret.encode() not in content, name
