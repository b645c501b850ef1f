"""SPEC 7: which files there are, what they are called, and who may read them. Each docstring is the rule."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

DAILY = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}


def everyone(root: Path, **content: Any) -> Shop:
    """A shop that sends everybody to `crm` each day at 05:00, ids alone, in full."""
    shop = Shop(root)
    shop.audience("all", where="true", name="Everybody, really")
    shop.crm(**({"mapping": ["profile_id"], "activations": [DAILY], "manifest": False} | content))
    return shop


def people(ids: str) -> list[dict[str, Any]]:
    return [person(each) for each in ids]


# F1


def test_a_name_without_a_time_is_replaced_each_time(tmp_path: Path) -> None:
    """F1: without a time or run id each export replaces the previous file; files of that run that it does not replace
    are removed.
    """
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=2)
    shop.day("2026-11-20", people("abcde"))
    assert shop.files() == ["crm/all.csv", "crm/all_2.csv", "crm/all_3.csv"]
    shop.write("out/crm/all_4.csv", "somebody else's")
    shop.day("2026-11-21", people("xyz"))
    assert {name: shop.lines(name) for name in shop.files()[:2]} == {"crm/all.csv": ["x", "y"], "crm/all_2.csv": ["z"]}
    assert shop.files()[2:] == ["crm/all_4.csv"]


def renamed(shop: Shop, *, keeps_old: bool = False, **content: Any) -> None:
    """`crm/all` becomes `crm/new`, with its baseline; or `crm/new` stands beside it."""
    entries = [DAILY | {"id": "new"}, *([DAILY | {"schedule": {"at": "17:00"}}] if keeps_old else [])]
    shop.crm(**({"mapping": ["profile_id"], "activations": entries, "manifest": False} | content))
    shop.ok("baseline", "move", "crm/all", "crm/new")


def test_a_renamed_activation_replaces_the_files_of_its_old_name(tmp_path: Path) -> None:
    """F1, X9: after `baseline move` the previous run is one of the old name; files of it that are not replaced go."""
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=2)
    shop.day("2026-11-20", people("abcde"))
    shop.write("out/crm/all_4.csv", "somebody else's")
    renamed(shop, file_name="{activation}", max_rows_per_file=3)
    shop.day("2026-11-21", key="crm/new")
    assert shop.files() == ["crm/all_4.csv", "crm/new.csv", "crm/new_2.csv"]
    first, second = shop.runs()
    assert shop.muster("redeliver", first["run_id"]).code == 2
    assert shop.ok("verify", second["run_id"]).code == 0
    shop.day("2026-11-22", people("a"), key="crm/new")
    assert shop.files() == ["crm/all_4.csv", "crm/new.csv"]


def test_a_renamed_activation_that_was_exported_first_replaces_both(tmp_path: Path) -> None:
    """F1, X9: files of the old name go also if the new one was exported before the baseline was moved to it."""
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=2)
    shop.day("2026-11-20", people("abcde"))
    shop.crm(mapping=["profile_id"], activations=[DAILY | {"id": "new"}], file_name="{activation}", max_rows_per_file=1)
    shop.day("2026-11-21", people("abc"), key="crm/new")
    shop.ok("baseline", "reset", "crm/new")
    renamed(shop, file_name="{activation}")
    shop.day("2026-11-22", people("ab"), key="crm/new")
    assert shop.files() == ["crm/new.csv"]


def test_a_baseline_that_was_moved_takes_no_files_of_an_activation_that_is_left(tmp_path: Path) -> None:
    """X1, F1: files of the old name stay while it is an activation, and those that another run wrote since."""
    shop = everyone(tmp_path, file_name="{activation}")
    shop.day("2026-11-20", people("ab"))
    renamed(shop, keeps_old=True, file_name="{activation}")
    for moment in ("2026-11-21T05:00Z", "2026-11-21T17:00Z", "2026-11-22T05:00Z"):
        shop.run(moment)
        assert shop.files() == ["crm/all.csv", "crm/new.csv"]


def test_a_url_that_changes_back_and_forth_leaves_nothing_behind(tmp_path: Path) -> None:
    """F1, X9: the previous run is the last one at that url, also after exports to another; `reset` forgets no file."""
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=1)
    shop.day("2026-11-20", people("abc"))
    other = {"mapping": ["profile_id"], "activations": [DAILY], "manifest": False, "file_name": "{activation}"}
    shop.crm(**other, url="out/elsewhere")
    shop.day("2026-11-21", people("ab"))
    shop.ok("baseline", "reset", "crm/all")
    shop.crm(**other)
    shop.day("2026-11-22", people("ab"))
    assert shop.files() == ["crm/all.csv", "elsewhere/all.csv"]


def test_replaced_files_go_before_the_manifest_comes(tmp_path: Path) -> None:
    """F1: when the manifest is there, the parts that vanished are gone already."""
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=1, manifest=True)
    shop.day("2026-11-20", people("ab"))
    shop.profiles("2026-11-21", people("c"))
    shop.evaluate("2026-11-21T02:00Z")
    with mock.patch(
        "muster.activation.stores.folder.target.LocalTarget.write", side_effect=OSError(28, "No space left on device")
    ):
        assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    assert shop.files() == ["crm/all.csv"]
    assert not list((tmp_path / "out/crm").glob("manifest-*20261121*"))


def test_another_format_replaces_the_file_too(tmp_path: Path) -> None:
    """F1: the previous run's file goes when the new one is called otherwise, as with another format."""
    shop = everyone(tmp_path, file_name="{activation}")
    shop.day("2026-11-20", people("a"))
    shop.crm(mapping=["profile_id"], activations=[DAILY], file_name="{activation}", format="json")
    shop.evaluate("2026-11-21T02:00Z")
    shop.run("2026-11-21T05:00Z")
    assert [name for name in shop.files() if "manifest" not in name] == ["crm/all.json"]


def test_a_name_that_another_activation_took_over_is_not_removed(tmp_path: Path) -> None:
    """F1, X1: an activation that was renamed removes its previous file, but not once another activation has put its own
    there.
    """
    late = {"audience": "all", "id": "late", "export": "full", "schedule": {"at": "06:00"}}
    shop = everyone(tmp_path, activations=[late | {"file_name": "list"}])
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T06:00Z")
    shop.crm(
        mapping=["profile_id"],
        activations=[late | {"file_name": "other"}, DAILY | {"file_name": "list"}],
        manifest=False,
    )
    shop.evaluate("2026-11-21T02:00Z")
    shop.run("2026-11-21T05:00Z")
    shop.run("2026-11-21T06:00Z")
    assert shop.files() == ["crm/list.csv", "crm/other.csv"]


def test_a_foreign_file_under_a_timed_name_stays_and_fails_the_run(tmp_path: Path) -> None:
    """F1: with a time in the name a file that this run did not plan is never replaced: the run fails and leaves
    nothing.
    """
    shop = everyone(tmp_path)
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    foreign = shop.write("out/crm/crm_all_20261120T050000Z.csv", "somebody else's")
    result = shop.muster("run", "--at", "2026-11-20T05:00Z")
    assert result.code == 1
    assert "out/crm/crm_all_20261120T050000Z.csv" in result.err
    assert shop.tree("out") == {"out/crm/crm_all_20261120T050000Z.csv": b"somebody else's"}
    foreign.rename(tmp_path / "moved.csv")
    shop.run("2026-11-20T06:00Z")
    assert shop.sent("crm/all") == ["a"]


def test_a_foreign_file_that_comes_in_between_stays(tmp_path: Path) -> None:
    """F1: a file that appears under a timed name while the run writes is left alone too, and the run fails."""
    shop = everyone(tmp_path)
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    with mock.patch("muster.activation.export.planned_files._check_free"):
        shop.write("out/crm/crm_all_20261120T050000Z.csv", "somebody else's")
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    assert (tmp_path / "out/crm/crm_all_20261120T050000Z.csv").read_text() == "somebody else's"


def test_names_are_made_of_the_scheduled_time_in_utc(tmp_path: Path) -> None:
    """F1: placeholders are filled with cleaned values and the slot's time in UTC; only the template's own `/` makes
    folders.
    """
    template = (
        "{workspace}/{destination}-{destination_name}/{audience_id}.{audience_name}/"
        "{export}-{trigger}-{date}-{datetime}-{timestamp}"
    )
    shop = everyone(tmp_path, name="CRM/nightly", file_name=template)
    shop.set(timezone="Europe/Berlin", workspace="my.shop")
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T12:34:56Z")
    name = "full-scheduled-20261120-20261120T040000Z-1795147200.csv"
    assert shop.files() == [f"crm/my.shop/crm-CRM_nightly/all.Everybody__really/{name}"]


def test_an_on_demand_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    """F1, F2: an on-demand name gets `_on_demand`, then the part number, then the extension; it replaces on-demand
    files alone.
    """
    shop = everyone(tmp_path, file_name="{activation}", max_rows_per_file=1, compression="gzip")
    shop.profiles("2026-11-20", people("ab"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    scheduled = ["crm/all.csv.gz", "crm/all_2.csv.gz"]
    assert shop.files() == [*scheduled, "crm/all_on_demand.csv.gz", "crm/all_on_demand_2.csv.gz"]
    shop.profiles("2026-11-21", people("c"))
    shop.evaluate("2026-11-21T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-21T03:00Z")
    assert shop.files() == [*scheduled, "crm/all_on_demand.csv.gz"]


def test_a_request_repeated_after_another_replaces_its_files(tmp_path: Path) -> None:
    """F1: on demand the previous run is the last that succeeded, though another was asked for, and begun, before it."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    activations = [{"audience": "all", "schedule": "on_demand"}]
    shop.destination("crm", mapping=["profile_id"], file_name="latest", max_rows_per_file=1, activations=activations)
    for day, ids in (("20", "abc"), ("21", "d"), ("22", "e")):
        shop.profiles(f"2026-11-{day}", [person(each) for each in ids])
    shop.evaluate("2026-11-20T02:00Z")
    shop.write("out", "a file where the folder belongs")
    assert shop.muster("export", "crm/all", "--at", "2026-11-20T03:00Z").code == 1
    (shop.root / "out").unlink()
    shop.evaluate("2026-11-21T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-21T03:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-20T03:00Z")
    again, other = (run["run_id"] for run in shop.runs())
    assert shop.files() == ["crm/latest_on_demand.csv", "crm/latest_on_demand_2.csv", "crm/latest_on_demand_3.csv"]
    (shop.root / "out/crm/latest_on_demand_2.csv").unlink()
    assert f"run {again} has replaced the files" in shop.muster("redeliver", other).err
    shop.ok("redeliver", again)
    assert [run["result"] for run in shop.ok("verify", "--all", "--json").json] == ["replaced", "intact"]
    shop.evaluate("2026-11-22T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-22T03:00Z")
    assert shop.files() == ["crm/latest_on_demand.csv"]


@pytest.mark.parametrize("placeholder", ["{trigger}", "{run_id}"])
def test_a_template_may_tell_on_demand_files_apart_itself(tmp_path: Path, placeholder: str) -> None:
    """F1: `_on_demand` is left out where the template has `{trigger}` or `{run_id}`."""
    shop = everyone(tmp_path, file_name=f"x_{placeholder}")
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    expected = "on_demand" if placeholder == "{trigger}" else shop.runs()[-1]["run_id"]
    assert shop.files() == [f"crm/x_{expected}.csv"]


def test_repeated_requests_are_counted(tmp_path: Path) -> None:
    """F4: a repeated on-demand request at one instant is another run; `{run_id}` keeps its file apart."""
    shop = everyone(tmp_path, file_name="{run_id}", manifest=True)
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    for _ in range(2):
        shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    assert len({run["run_id"] for run in shop.runs()}) == len(shop.files()) == 2


# F2


def test_parts_hold_at_most_so_many_rows(tmp_path: Path) -> None:
    """F2: past `max_rows_per_file` parts are `name`, `name_2`, ...; the rows go through them in order, each with a
    header.
    """
    shop = everyone(tmp_path, max_rows_per_file=2)
    shop.day("2026-11-20", people("abcde"))
    stem = "crm/crm_all_20261120T050000Z"
    assert [shop.lines(f"{stem}{part}.csv") for part in ("", "_2", "_3")] == [["a", "b"], ["c", "d"], ["e"]]
    assert [file["rows"] for file in shop.runs()[-1]["files"]] == [2, 2, 1]


def test_a_profiles_rows_stay_in_one_part(tmp_path: Path) -> None:
    """F2: a profile's rows never straddle two parts, also where they alone are more than a part should hold."""
    shop = everyone(tmp_path, mapping=["profile_id", "identity_map.Email"], max_rows_per_file=3)
    held = {"a": "12", "b": "34", "c": "5678", "d": "9"}
    shop.day("2026-11-20", [person(each, identity_map=identities(Email=list(ids))) for each, ids in held.items()])
    stem = "crm/crm_all_20261120T050000Z"
    parts = [[line.split(",")[0] for line in shop.lines(f"{stem}{part}.csv")] for part in ("", "_2", "_3", "_4")]
    assert parts == [["a", "a"], ["b", "b"], ["c", "c", "c", "c"], ["d"]]


# F3


def test_nothing_temporary_is_left(tmp_path: Path) -> None:
    """F3: after runs that succeeded and runs that failed there are data files and manifests, and no others."""
    shop = everyone(tmp_path, max_rows_per_file=1, manifest=True, file_name="{date}/{activation}")
    shop.day("2026-11-20", people("ab"))
    shop.profiles("2026-11-21", people("abc"))
    shop.evaluate("2026-11-21T02:00Z")
    written = iter([None, None])

    def fails(*_: Any) -> None:
        if next(written, "third") == "third":
            raise OSError(28, "No space left on device")

    with mock.patch("muster.activation.stores.folder.target.LocalTarget.sync", side_effect=fails):
        assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    names = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(name.split("-")[0] for name in names) == ["all.csv", "all_2.csv", "manifest"]
    assert not list((tmp_path / ".muster/tmp").iterdir())


def test_only_temporary_files_of_the_ledger_are_removed(tmp_path: Path) -> None:
    """F3: hidden files of others stay where they are."""
    shop = everyone(tmp_path)
    shop.write("out/crm/.somebody.tmp", "else")
    shop.write("out/crm/.20261119T050000Z-0123456789.1.tmp", "another workspace's")
    shop.day("2026-11-20", people("a"))
    assert len(list((tmp_path / "out/crm").glob(".*.tmp"))) == 2


def test_no_file_is_visible_before_all_are_complete(tmp_path: Path) -> None:
    """F3: parts are written and synced under hidden names and the run is committed as `delivering` before the first
    appears.
    """
    shop = everyone(tmp_path, max_rows_per_file=1)
    shop.profiles("2026-11-20", people("ab"))
    shop.evaluate("2026-11-20T02:00Z")
    with mock.patch(
        "muster.activation.stores.folder.target.LocalTarget.publish", side_effect=OSError(30, "Read-only file system")
    ):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
    (run,) = shop.runs()
    assert run["status"] == "delivering"
    staged = {path.name: path.read_bytes() for path in (tmp_path / "out/crm").iterdir()}
    assert all(name.startswith(".") for name in staged)
    assert sorted(hashlib.sha256(content).hexdigest() for content in staged.values()) == sorted(
        file["sha256"] for file in run["files"]
    )
    shop.run("2026-11-20T06:00Z")
    assert shop.runs()[-1]["status"] == "succeeded"
    assert {path.read_bytes() for path in (tmp_path / "out/crm").iterdir()} == set(staged.values())


# F4


def manifests(root: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((root / "out/crm").glob("manifest-*"))]


def test_a_manifest_says_all_about_its_run(tmp_path: Path) -> None:
    """F4: `manifest-{workspace}-{destination}-{run_id}.json` at the destination's root, with exactly these keys."""
    mapping = ["profile_id", {"source": "email", "target": "mail", "mandatory": True}, STATUS]
    incremental = [DAILY | {"export": "incremental"}]
    shop = everyone(
        tmp_path, mapping=mapping, activations=incremental, manifest=True, file_name="{date}/list_{datetime}"
    )
    shop.day("2026-11-20", [person("a"), person("b")])
    shop.day("2026-11-21", [person("b"), person("c"), person("d") | {"email": None}])
    run = shop.runs()[-1]
    data = (tmp_path / "out/crm/20261121/list_20261121T050000Z.csv").read_bytes()
    assert data == b"profile_id,mail,status\na,a@x.com,exited\nc,c@x.com,realized\n"
    assert json.loads((tmp_path / f"out/crm/manifest-shop-crm-{run['run_id']}.json").read_text()) == {
        "flowRunId": run["run_id"],
        "scheduledTime": "2026-11-21T05:00:00Z",
        "exportResults": [
            {
                "sinkPath": "/20261121",
                "name": "list_20261121T050000Z.csv",
                "size": len(data),
                "rows": 2,
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        ],
        "workspace": "shop",
        "destination": "crm",
        "activation": "all",
        "audienceId": "all",
        "audienceName": "Everybody, really",
        "trigger": "scheduled",
        "exportMode": "incremental",
        "firstExport": False,
        "evaluatedAt": "2026-11-21T02:00:00Z",
        "baselineEvaluatedAt": "2026-11-20T02:00:00Z",
        "columns": ["profile_id", "mail", "status"],
        "counts": {
            "received": 3,
            "exported": 2,
            "excluded": 1,
            "realized": 1,
            "exited": 1,
            "identityChanged": 0,
            "excludedBy": {"mandatory:mail": 1},
        },
    }


def test_manifests_of_first_and_on_demand_exports(tmp_path: Path) -> None:
    """F4: a first export has no baseline; an on-demand one is full, and neither first nor relative to a baseline;
    `sinkPath` may be `/`.
    """
    shop = everyone(tmp_path, manifest=True)
    shop.day("2026-11-20", people("a"))
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    keys = ("trigger", "exportMode", "firstExport", "baselineEvaluatedAt", "scheduledTime")
    assert [[each[key] for key in keys] for each in manifests(tmp_path)] == [
        ["scheduled", "full", True, None, "2026-11-20T05:00:00Z"],
        ["on_demand", "full", False, None, "2026-11-20T06:00:00Z"],
    ]
    assert {each["exportResults"][0]["sinkPath"] for each in manifests(tmp_path)} == {"/"}


def test_manifests_can_be_switched_off(tmp_path: Path) -> None:
    """F4: `manifest: false`."""
    shop = everyone(tmp_path, manifest=False)
    shop.day("2026-11-20", people("a"))
    assert [path.name for path in (tmp_path / "out/crm").iterdir()] == ["crm_all_20261120T050000Z.csv"]


# F5


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_without_rows_there_is_an_empty_file(tmp_path: Path, form: str) -> None:
    """F5: no rows: a file with header or schema only; the run succeeds."""
    shop = everyone(tmp_path, mapping=["profile_id", "email"], format=form)
    shop.audience("all", where="false")
    shop.profiles("2026-11-20", people("a"))
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    (file,) = shop.files()
    path = tmp_path / "out" / file
    if form == "parquet":
        assert pl.read_parquet(path).schema == {"profile_id": pl.String, "email": pl.String}
    else:
        assert path.read_bytes() == {"csv": b"profile_id,email\n", "json": b""}[form]
    assert shop.runs()[-1]["status"] == "succeeded"


def test_without_rows_there_may_be_no_file(tmp_path: Path) -> None:
    """F5: with `skip_empty` there is no file; the run succeeds, the baseline moves, and the manifest says so."""
    shop = everyone(tmp_path, activations=[DAILY | {"export": "incremental"}], skip_empty=True, manifest=True)
    shop.day("2026-11-20", people("a"))
    shop.day("2026-11-21")
    assert shop.files() == ["crm/crm_all_20261120T050000Z.csv"]
    assert manifests(tmp_path)[1]["exportResults"] == []
    assert [run["status"] for run in shop.runs()] == ["succeeded", "succeeded"]


# F6


@pytest.mark.parametrize(
    ("file_mode", "files", "folders"),
    [(None, 0o600, 0o700), ("0640", 0o640, 0o750), ("0664", 0o664, 0o775)],
    ids=["default", "0640", "0664"],
)
def test_files_and_state_are_for_their_owner(tmp_path: Path, file_mode: str | None, files: int, folders: int) -> None:
    """F6: files and state have `file_mode`, folders the matching search bits, whatever the umask."""
    shop = everyone(
        tmp_path, manifest=True, mapping=[{"source": "email", "mandatory": True}], file_name="{date}/deep/{activation}"
    )
    if file_mode:
        shop.set(file_mode=file_mode)
    mask = os.umask(0o027)
    try:
        shop.day("2026-11-20", [person("a"), person("b") | {"email": None}])
        shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    finally:
        os.umask(mask)
    made = [path for top in ("out", ".muster") for path in (tmp_path / top, *(tmp_path / top).rglob("*"))]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in made}
    assert modes == {(True, folders), (False, files)}
    assert len(made) > 15


def test_folders_that_were_there_keep_their_modes(tmp_path: Path) -> None:
    """F6: a folder that muster did not make stays as it was."""
    shop = everyone(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o755)
    shop.day("2026-11-20", people("a"))
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out/crm").stat().st_mode) == 0o700
