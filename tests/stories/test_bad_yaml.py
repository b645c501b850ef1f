"""Mistakes in the YAML files, all of them at once, by every command (SPEC 2, 10), tried through the real command."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.refusals import DAILY, EVERY, PLAN, RUN, VALIDATE, new_shop, refused, refused_by_each, told, used_shop
from support.shop import Shop, process

CRM = "destinations/crm.yml"
Spoil = Callable[[Shop], object]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has evaluated and delivered; tests work on copies."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop").root


@pytest.fixture(params=["fresh", "used"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, morning: Path) -> Shop:
    """A workspace without a state, and one with."""
    if request.param == "used":
        shutil.copytree(morning, tmp_path / "shop")
    return new_shop(tmp_path / "shop")


def text(name: str, content: str) -> Spoil:
    """A file of exactly this text."""
    return lambda shop: shop.write(name, content)


def crm(old: str, new: str) -> Spoil:
    """The destination with one line changed."""

    def spoil(shop: Shop) -> None:
        content = (shop.root / CRM).read_text()
        assert old in content
        shop.write(CRM, content.replace(old, new, 1))

    return spoil


def audience(content: str) -> Spoil:
    """The audience `us` of exactly this text."""
    return text("audiences/us.yml", content)


MISTAKES: dict[str, tuple[Spoil, str]] = {
    # syntax
    "bracket": (
        audience("name: [us\nwhere: x\n"),
        "audiences/us.yml:1: is not valid YAML: a value in brackets that begins here is not closed",
    ),
    "tab": (
        audience("name: us\n\twhere: x\n"),
        "audiences/us.yml:2: is not valid YAML: a tab cannot be here; indent with spaces",
    ),
    "quote": (
        text("muster.yml", "workspace: 'acme\nprofiles: {path: x}\n"),
        "muster.yml:1: is not valid YAML: a quote that begins here is not closed",
    ),
    "no text": (
        lambda shop: (shop.root / "audiences/us.yml").write_bytes(b"name: caf\xe9\n"),
        "audiences/us.yml:1: is not UTF-8 text",
    ),
    "control character": (
        lambda shop: (shop.root / "audiences/us.yml").write_bytes(b"name: a\x00\n"),
        "audiences/us.yml:1: holds the control character",
    ),
    "empty": (audience(""), "audiences/us.yml: is empty"),
    "a list": (audience("- a\n- b\n"), "audiences/us.yml:1: expected 'key: value' lines, found a list"),
    "two documents": (
        audience("name: a\nwhere: true\n---\nname: b\n"),
        "audiences/us.yml:3: is not valid YAML: a second document starts here",
    ),
    "a tag": (
        audience("name: !!python/name:os.system x\nwhere: true\n"),
        "audiences/us.yml:1: name: the YAML tag '!!python/name:os.system' is not supported",
    ),
    # keys
    "unknown key": (
        audience("name: us\nwhre: 'true'\n"),
        "audiences/us.yml:2: whre: unknown key; did you mean 'where'?",
    ),
    "unknown nested key": (
        crm("- email", "- {source: email, mandatry: true}"),
        f"{CRM}:6: mapping[1].mandatry: unknown key; did you mean 'mandatory'?",
    ),
    "key twice": (
        audience("name: us\nwhere: 'true'\nname: x\n"),
        "audiences/us.yml:3: name: the key is written twice, first on line 1",
    ),
    "no key": (audience("name: us\n"), "audiences/us.yml:1: where: is required"),
    "wrong type": (
        audience("name: [us]\nwhere: 'true'\n"),
        "audiences/us.yml:1: name: expected one value, found a list",
    ),
    "wrong value": (
        crm("format: csv", "format: cvs"),
        f"{CRM}:3: format: 'cvs' is not allowed; expected csv, parquet or json",
    ),
    # ids
    "audience twice": (
        text("audiences/us2.yml", "id: us\nname: x\nwhere: 'true'\n"),
        "audiences/us2.yml:1: id: the audience id 'us' is taken, in audiences/us.yml",
    ),
    "activation twice": (
        crm("id: adhoc", "id: all"),
        f"{CRM}:16: activations[2].id: the activation id 'all' is taken, on line 8",
    ),
    "no id": (
        text("audiences/u s.yml", "name: x\nwhere: 'true'\n"),
        "audiences/u s.yml:1: the file's name 'u s' is not an id; expected letters, digits",
    ),
    "unknown audience": (
        crm("audience: us", "audience: uss"),
        f"{CRM}:12: activations[1].audience: unknown audience 'uss'; did you mean 'us'?",
    ),
    "target twice": (
        crm("- email", "- {source: email, target: profile_id}"),
        f"{CRM}:6: mapping[1].target: 'profile_id' is also another column's target",
    ),
    # times
    "time": (
        crm("05:00", "25:00"),
        f"{CRM}:11: activations[0].schedule.at: '25:00' is not a time of day; expected HH:MM or HH:MM:SS",
    ),
    "zone": (
        lambda shop: shop.set(timezone="Europe/Berln"),
        "timezone: 'Europe/Berln' is not a time zone; expected an IANA name such as Europe/Berlin; did you mean",
    ),
    "cron": (crm("at: 05:00", "cron: 0 66 * * *"), f"{CRM}:11: activations[0].schedule.cron: '0 66 * * *'"),
    "cron of five": (crm("at: 05:00", "cron: 0 6 * *"), f"{CRM}:11: activations[0].schedule.cron: '0 6 * *'"),
    "cron that never fires": (
        crm("at: 05:00", "cron: 0 6 31 2 *"),
        f"{CRM}:11: activations[0].schedule.cron: '0 6 31 2 *' never fires: there is no such day",
    ),
    "interval": (
        crm("at: 05:00", "every: 25h"),
        f"{CRM}:11: activations[0].schedule.every: '25h' is not an interval; expected whole hours from 1h to 24h",
    ),
    "date": (
        crm("at: 05:00", "at: 05:00\n    start: 2026-02-30"),
        f"{CRM}:12: activations[0].schedule.start: '2026-02-30' is not a date or time",
    ),
    "end before start": (
        crm("at: 05:00", "at: 05:00\n    start: 2026-12-02\n    end: 2026-12-01"),
        f"{CRM}:13: activations[0].schedule.end: '2026-12-01' is not after start, '2026-12-02'",
    ),
    "end at start": (
        crm("at: 05:00", "at: 05:00\n    start: 2026-12-01\n    end: 2026-12-01"),
        f"{CRM}:13: activations[0].schedule.end: '2026-12-01' is not after start",
    ),
    "two schedules": (
        crm("at: 05:00", "at: 05:00\n    every: 3h"),
        (
            f"{CRM}:10: activations[0].schedule: expected exactly one of at, every, cron, after_evaluation or "
            f"on_demand, found at and every"
        ),
    ),
    "no schedule": (
        crm("schedule: after_evaluation", "manifest: true"),
        f"{CRM}:12: activations[1].schedule: is required: one such as",
    ),
    "duration": (
        lambda shop: shop.set(evaluation={"keep_exited": "30 days"}),
        "evaluation.keep_exited: '30 days' is not a duration; expected a number and one of m, h, d, w",
    ),
    # places and values
    "url": (
        crm("url: out/crm", "url: s3:/bucket/crm"),
        f"{CRM}:2: url: 's3:/bucket/crm' is not a url; expected s3://bucket/prefix",
    ),
    "file mode": (
        lambda shop: shop.set(file_mode="0999"),
        "file_mode: '0999' is not a file mode; expected an octal one such as \"0600\"",
    ),
    "guard": (
        crm("format: csv", "format: csv\nguards: {max_shrink: 130%}"),
        f"{CRM}:4: guards.max_shrink: '130%' is not a percentage; expected one from 0% to 100%",
    ),
    "a folder": (
        lambda shop: (shop.root / "audiences/x.yml").mkdir(),
        "audiences/x.yml: cannot be read: is a directory",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_stops_every_command(shop: Shop, mistake: str) -> None:
    """SPEC 10: syntax, keys, types, ids, times: exit 2 by every command, with file, line and key, what was expected,
    the nearest name.
    """
    spoil, expected = MISTAKES[mistake]
    spoil(shop)
    said = refused_by_each(
        shop, EVERY if mistake in {"bracket", "unknown key", "time"} else (VALIDATE, RUN, ("runs", "list"))
    )
    assert expected.casefold() in said.casefold()
    assert re.match(r"error: (muster\.yml|audiences/[\w. ]+yml|destinations/crm\.yml)(:\d+)?: ", said)
    assert len(said.splitlines()) == 1


def test_all_mistakes_are_told_at_once(shop: Shop) -> None:
    """SPEC 10: the mistakes of all YAML files are reported together, each with its place, in the order of files and
    lines.
    """
    shop.set(timezone="Mars/Base", file_mode="rw")
    shop.write("audiences/us.yml", "name: us\nwhre: 'true'\n")
    shop.write("audiences/broken.yml", "name: [x\n")
    crm("format: csv", "format: cvs")(shop)
    crm("05:00", "25:00")(shop)
    said = refused_by_each(shop, EVERY)
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "audiences/broken.yml:1",
        "audiences/us.yml:2",
        "destinations/crm.yml:3",
        "destinations/crm.yml:11",
        "muster.yml:7",
        "muster.yml:8",
    ]


def test_a_missing_variable_is_named_and_nothing_else(tmp_path: Path, morning: Path) -> None:
    """SPEC 10: a missing environment variable is exit 2 and names the variable, its place and no value of
    another one.
    """
    shutil.copytree(morning, tmp_path / "shop")
    shop = new_shop(tmp_path / "shop")
    crm("format: csv", "format: ${MUSTER_FOLDER}/${MUSTER_MISSING}")(shop)
    before = shop.tree()
    result = process("-C", str(shop.root), *RUN, MUSTER_FOLDER="hidden-value")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {CRM}:3: format: the environment variable MUSTER_MISSING is not set\n"
    assert shop.tree() == before


def test_a_variables_value_is_never_shown(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: a message about a value that came from a variable shows the variable, not the value."""
    monkeypatch.setenv("MUSTER_SECRET", "hunter2-hunter2")
    crm("url: out/crm", "url: sftp://me:${MUSTER_SECRET}@host/crm?x")(shop)
    assert "hunter2" not in refused(shop, *VALIDATE)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda shop: (shop.root / "muster.yml").unlink(),
            "holds no muster.yml, so it is no workspace; see `muster init`",
        ),
        (
            lambda shop: shutil.rmtree(shop.root),
            "there is no such folder; expected a workspace: the folder that holds muster.yml",
        ),
        (
            lambda shop: (shutil.rmtree(shop.root), shop.root.write_text("x")),
            "is a file; expected a workspace: the folder that holds muster.yml",
        ),
    ],
    ids=["no muster.yml", "no folder", "a file"],
)
def test_a_folder_that_is_no_workspace(shop: Shop, spoil: Spoil, expected: str) -> None:
    """SPEC 2: without muster.yml there is no workspace: exit 2, the folder, and how to get one."""
    spoil(shop)
    for command in EVERY:
        result = shop.muster(*command)
        assert (result.code, result.out) == (2, "")
        assert result.err == f"error: {shop.root}: {expected}" + (
            ", see `muster init`\n" if "see" not in expected else "\n"
        )


def test_outside_of_a_workspace(tmp_path: Path) -> None:
    """SPEC 2: with no muster.yml upwards, exit 2 says how to make a workspace or to name one."""
    result = process("run", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(
        f"error: there is no workspace here: no muster.yml in {tmp_path} or a folder above it; run"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["x" * 256, "x/" * 2500 + "x", f"data/{'x' * 300}"], ids=["a name", "a path", "a part"]
)
@pytest.mark.parametrize("key", ["state", "profiles", "url"])
def test_a_name_that_no_file_can_have(tmp_path: Path, morning: Path, key: str, name: str) -> None:
    """SPEC 10: a path that is too long for the system is told in its words, by every command that works, and nothing
    changes.
    """
    shutil.copytree(morning, tmp_path / "shop")
    shop = Shop(tmp_path / "shop", evaluation={"schedule": {"at": "02:00"}})
    if key == "url":
        shop.destination("crm", url=name, mapping=["profile_id"], activations=[DAILY])
        assert refused(shop, *VALIDATE) == f"error: crm/all: {name}: cannot be written: file name too long"
        result = shop.muster(*RUN)
        assert (result.code, told(result)) == (1, f"error: crm/all: {name}: cannot be written: file name too long")
        return
    shop.set(**{key: {"path": name} if key == "profiles" else name})
    said = refused_by_each(shop, [VALIDATE, RUN, PLAN])
    shown = f"{name}: cannot be read" if key == "profiles" else f"{Path(name).name}: the state folder cannot be read"
    assert said.startswith(f"error: {shown}: file name too long")
