"""`import muster`: what a program calls, from any thread, with several workspaces in one process."""

import ast
import dataclasses
import gc
import importlib
import inspect
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.doc_pages import ROOT
from support.shop import SINCE, STATUS, Shop, at, person

import muster
from muster import runs

FIRST, SECOND = at("2026-11-20T06:00Z"), at("2026-11-21T06:00Z")


def shop(root: Path, secret: bool = False) -> Shop:
    """A workspace with two days of data, evaluated at 02:00 and exported at 05:00."""
    made = Shop(root, evaluation={"schedule": {"at": "02:00"}}, retention={"runs": {"days": 365}})
    made.profiles("2026-11-20", [person("a"), person("b"), person("c")])
    made.profiles("2026-11-21", [person("a"), person("d"), person("e", vip=False)])
    made.audience("all", where="vip")
    daily = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    wanted = {"audience": "all", "id": "asked", "schedule": "on_demand"}
    url = {"url": "out/${FOLDER}"} if secret else {}
    made.destination("crm", mapping=["profile_id", "email", STATUS, SINCE], activations=[daily, wanted], **url)
    return made


# The API


def imported(module: str) -> set[str]:
    """The names that a module imports for type checkers alone."""
    tree = ast.parse((ROOT / module).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        alias.name for node in blocks for line in node.body if isinstance(line, ast.ImportFrom) for alias in line.names
    }


def test_the_names_of_the_api_are_what_type_checkers_see() -> None:
    """`__all__`, what is loaded when it is used, and what a type checker reads are one list; each name is there."""
    assert set(runs.__all__) == imported("runs/__init__.py") == set(runs._HOME_OF)  # noqa: SLF001  # the list itself
    assert set(muster.__all__) == imported("muster/__init__.py")
    for name in muster.__all__:
        assert getattr(muster, name) is getattr(runs, name), name
    assert set(muster.__all__) <= set(dir(muster))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = muster.no_such_name


def test_no_function_is_named_like_a_module_beside_it() -> None:
    """`muster.run` and `muster.runs.plan` are functions and nothing else: importing a module never replaces them."""
    for package, folder in ((muster, ROOT), (runs, ROOT / "runs")):
        modules = {path.stem for path in folder.glob("*.py")} | {
            path.name for path in folder.iterdir() if path.is_dir()
        }
        assert not modules & set(package.__all__)


LOADED = "import json, sys, muster; print(json.dumps(sorted(sys.modules)))"


def test_importing_it_loads_nothing() -> None:
    """Each name is loaded when it is used: the import alone costs nothing."""
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [
        name for name in ("polars", "pydantic", "yaml", "typer", "logging", "muster.runs") if f'"{name}"' in done.stdout
    ]


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of the API."""
    for name in muster.__all__:
        if inspect.isfunction(found := getattr(muster, name)):
            yield name, found


def test_no_function_has_an_instant_of_its_own() -> None:
    """E1: an instant is an argument without a default."""
    for name, function in functions():
        for each in ("now", "after"):
            if parameter := inspect.signature(function).parameters.get(each):
                assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, parameter.empty), name


def test_what_functions_return_is_frozen_data() -> None:
    """Nouns and results are frozen dataclasses, so that a caller's change changes nothing elsewhere."""
    for name in muster.__all__:
        found = getattr(muster, name)
        if inspect.isclass(found) and not issubclass(found, Exception):
            assert dataclasses.is_dataclass(found), name
            assert found.__dataclass_params__.frozen, name  # type: ignore[attr-defined]  # no public way to ask


CONSUMER = """
from datetime import UTC, datetime
from typing import assert_type

import muster

workspace = muster.open_workspace("shop", variables={"SECRET": "x"}, wait=60)
assert_type(workspace, muster.OpenWorkspace)
report = muster.run(workspace, now=datetime.now(UTC))
assert_type(report.outcomes[0].run.realized, int | None)
assert_type(report.errors, tuple[Exception, ...])
first = muster.list_runs(workspace, limit=1)[0]
assert_type(first, muster.Run)
try:
    assert_type(muster.show_audience(workspace, "vip").audience.name, str)
except muster.RefusedError as error:
    assert_type(error, muster.RefusedError)
assert_type(muster.plan(workspace, now=datetime.now(UTC)), muster.Plan)
muster.run(workspace)  # wrong: no instant
muster.run("shop", now=datetime.now(UTC))  # wrong: a folder is no open workspace
first.status = "failed"  # wrong: data is frozen
muster.no_such_name  # wrong: it does not exist
"""


def test_a_type_checker_sees_the_types(tmp_path: Path) -> None:
    """`py.typed`: mypy --strict knows each function, result and noun, and finds the mistakes of a caller."""
    file = tmp_path / "consumer.py"
    file.write_text(CONSUMER)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--follow-imports", "silent"]
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]  # what `make lint` left there
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *cache, str(file)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    found = re.findall(r":(\d+): error: ", done.stdout)
    lines = enumerate(CONSUMER.splitlines(), start=1)
    assert found == [str(number) for number, line in lines if "# wrong" in line], done.stdout + done.stderr


# What a call does to its process


def everything(workspace: muster.OpenWorkspace, place: Path) -> None:
    """Two days of a workspace by every function."""
    assert muster.validate(workspace, now=FIRST).is_valid
    assert muster.plan(workspace, now=FIRST).report.outcomes
    assert muster.run(workspace, now=FIRST).exit_code == 0
    assert muster.run(workspace, now=FIRST).outcomes == ()
    assert muster.evaluate(workspace, now=SECOND - timedelta(hours=1), exports=False).evaluation
    assert muster.run(workspace, now=SECOND).exit_code == 0
    assert muster.export(workspace, ["crm/asked"], now=SECOND).exit_code == 0
    newest, *_ = [run for run in muster.list_runs(workspace) if run.key == "crm/all"]
    assert muster.show_run(workspace, newest.run_id).run == newest
    assert muster.list_rejects(workspace, newest.run_id) == ()
    assert [each.newest and each.newest.realized for each in muster.list_audiences(workspace)] == [2]
    assert [each.key for each in muster.show_audience(workspace, "all").activations] == ["crm/all", "crm/asked"]
    assert muster.list_evaluations(workspace)[0].used
    assert muster.forget_evaluations(workspace, after=SECOND) == ()
    assert muster.list_schedules(workspace, now=SECOND)[0].next == at("2026-11-22T05:00Z")
    assert [fire.activation.key for fire in muster.next_fires(workspace, 1, now=SECOND)] == ["crm/all"]
    assert "muster -C" in muster.crontab(workspace, now=SECOND)
    assert muster.list_baselines(workspace) == (muster.show_baseline(workspace, "crm/all"),)
    assert [each.result for each in muster.verify(workspace, now=SECOND)] == ["intact", "intact"]
    assert muster.reconcile(workspace, "crm/all", now=SECOND).is_equal
    assert muster.replay(workspace, newest.run_id, place / "replayed", now=SECOND).error is None
    (workspace.root / (newest.url or "") / newest.files[0].path).unlink()
    assert muster.redeliver(workspace, newest.run_id, now=SECOND).written == (newest.files[0].path,)
    assert [each.is_usable for each in muster.check_destinations(workspace)] == [True]
    assert muster.list_destinations(workspace)[0].activations == 2
    assert muster.prune(workspace, now=SECOND).runs == muster.prune(workspace, now=SECOND, dry_run=True).runs == 0
    assert not muster.check_state(workspace).damaged
    assert not muster.repair_state(workspace, now=SECOND, tidy=True).remaining.damaged
    assert muster.back_up_state(workspace, place / "backup.tar", now=SECOND).files
    assert muster.restore_state(workspace, place / "backup.tar", now=SECOND, force=True).runs_since_backup == ()
    assert muster.reset_baseline(workspace, "crm/all").profiles == 2
    assert muster.show_preset("braze") in muster.list_presets()


def process_state() -> tuple[object, ...]:
    """What a library leaves alone."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]
    log = logging.getLogger("muster")
    own = [type(each) for each in log.handlers if not isinstance(each, logging.NullHandler)]
    streams = (sys.stdout, sys.stderr, os.fstat(1).st_ino, os.fstat(2).st_ino)
    umask = os.umask(0o22)
    os.umask(umask)
    return (handlers, own, log.propagate, streams, dict(os.environ), Path.cwd(), gc.isenabled(), umask, sys.excepthook)


def own_threads() -> set[threading.Thread]:
    """Python's own threads: those of Polars that ever called into Python are not counted."""
    return {each for each in threading.enumerate() if not each.name.startswith("Dummy-")}


def test_a_call_leaves_the_process_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The library prints nothing, sets no signal handlers and changes nothing of its process; in another thread too."""
    importlib.import_module("muster.runs.opening")
    before = process_state()
    threads = own_threads()
    everything(muster.open_workspace(shop(tmp_path / "here").root), tmp_path)
    (tmp_path / "beside").mkdir()
    with ThreadPoolExecutor(1) as other:
        other.submit(everything, muster.open_workspace(shop(tmp_path / "there").root), tmp_path / "beside").result()
    assert process_state() == before
    assert own_threads() <= threads  # those of servers of other tests may end meanwhile
    assert capfd.readouterr() == ("", "")


TREE = ("out", ".muster/memberships", ".muster/baselines")


def test_workspaces_in_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Several workspaces worked with side by side come out as one after another: the same bytes, each its own."""
    alone = shop(tmp_path / "alone")
    for now in (FIRST, SECOND):
        muster.run(muster.open_workspace(alone.root), now=now)
    shops = [shop(tmp_path / f"shop{number}") for number in range(4)]
    for now in (FIRST, SECOND):
        with ThreadPoolExecutor(len(shops)) as threads:
            opened = [muster.open_workspace(each.root) for each in shops]
            reports = threads.map(partial(muster.run, now=now), opened)
        assert [report.exit_code for report in reports] == [0] * len(shops)
    for each in shops:
        assert each.tree(*TREE) == alone.tree(*TREE)


def test_two_threads_in_one_workspace_take_turns(tmp_path: Path) -> None:
    """S6: the lock is between callers of one process as between processes: one works, the other waits or is refused."""
    root = shop(tmp_path).root
    patient = muster.open_workspace(root, wait=60)
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda _: muster.run(patient, now=FIRST), range(2)))
    assert sorted(len(report.outcomes) for report in reports) == [0, 1]
    with runs.sessions.lock(patient), pytest.raises(muster.LockedError):
        muster.run(muster.open_workspace(root), now=SECOND)


def test_variables_are_those_of_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: each workspace has the variables that it was opened with, also once its config is remembered."""
    monkeypatch.delenv("FOLDER", raising=False)
    root = shop(tmp_path, secret=True).root
    assert "FOLDER is not set" in str(muster.validate(muster.open_workspace(root), now=FIRST).problems)
    assert muster.validate(muster.open_workspace(root), now=FIRST, offline=True).is_valid
    for _ in range(2):
        muster.run(muster.open_workspace(root, variables={"FOLDER": "one-customer"}), now=FIRST)
        workspace = muster.open_workspace(root, variables={"FOLDER": "other-customer"})
        assert workspace.config.destinations["crm"].url == "out/other-customer"
    assert (root / "out/one-customer").is_dir()
    assert "customer" not in repr(workspace)


# Arguments


def test_an_instant_needs_a_timezone(tmp_path: Path) -> None:
    """E1: a naive ``now`` could be of any zone, so it is refused; fractions of a second are cut."""
    workspace = muster.open_workspace(shop(tmp_path).root)
    with pytest.raises(muster.InputError, match="has no timezone"):
        muster.run(workspace, now=datetime(2026, 11, 20, 6))  # noqa: DTZ001  # naive is the case
    assert not (tmp_path / ".muster").exists()
    assert muster.plan(workspace, now=FIRST.replace(microsecond=5)).report.at == FIRST
    assert workspace.instant("2026-11-20T06:00") == FIRST


def test_the_record_has_the_callers_clock_or_now(tmp_path: Path) -> None:
    """E1: when a run started and finished is the clock's time, if the caller gives one, and decides nothing."""
    later = datetime(2031, 1, 1, tzinfo=UTC)
    for folder, clock, time in (("now", None, FIRST), ("clock", lambda: later, later)):
        root = shop(tmp_path / folder).root
        muster.run(muster.open_workspace(root, clock=clock), now=FIRST)
        [run] = muster.list_runs(muster.open_workspace(root))
        assert (run.started_at, run.finished_at, run.scheduled_time) == (time, time, at("2026-11-20T05:00Z"))


@pytest.mark.parametrize(("path", "message"), [("nowhere", "there is no such folder"), ("data", "holds no muster.yml")])
def test_what_is_no_workspace_is_refused(tmp_path: Path, path: str, message: str) -> None:
    """SPEC 10: a folder that is not there, or is no workspace."""
    root = shop(tmp_path).root
    with pytest.raises(muster.InputError, match=message):
        muster.open_workspace(root / path)
    with pytest.raises(muster.InputError, match="memory_limit: '1MiB' is too little memory"):
        muster.open_workspace(root, memory_limit="1MiB")


def test_a_memory_limit_of_the_caller_is_not_remembered(tmp_path: Path) -> None:
    """SPEC 2: the remembered config is what the files say, whatever a caller added to it."""
    root = shop(tmp_path).root
    muster.run(muster.open_workspace(root, memory_limit="1GiB"), now=FIRST)
    again = muster.open_workspace(root)
    assert (again.is_recalled, again.config.memory_limit) == (True, None)
    assert muster.open_workspace(root, memory_limit="1GiB").config.memory_limit == 1 << 30
