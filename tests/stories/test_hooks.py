"""SPEC 9: hooks, and `--json` of `run`, `evaluate`, `export` and `validate`. The hooks are real scripts."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.shop import Result, Shop, person, process

from muster.activation.state.folder import StateFolder
from muster.runs import hooks as hooks_module

SCRIPT = """\
import pathlib, sys
with pathlib.Path("told").open("a") as file:
    file.write(sys.stdin.read() + "\\n")
"""
EVENTS = ("run_failed", "guard_tripped", "run_succeeded", "finished")


def hooked(root: Path, *events: str, **content: Any) -> Shop:
    """A shop whose hooks of these events, of all by default, write what they are told into the file ``told``."""
    shop = Shop(root, hooks={event: [sys.executable, "tell.py"] for event in events or EVENTS})
    shop.write("tell.py", SCRIPT)
    shop.audience("all", where="vip")
    shop.crm(**content)
    shop.profiles("2026-11-20", [person("a"), person("b")])
    return shop


def told(shop: Shop) -> list[dict[str, Any]]:
    """The documents that hooks were told since the last call, in order."""
    path = shop.root / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def events(shop: Shop) -> list[tuple[str, int, list[str]]]:
    """Each document that a hook was told: event, exit code, runs."""
    return [
        (each["event"], each["exit_code"], [f"{run['destination']}/{run['activation']}" for run in each["runs"]])
        for each in told(shop)
    ]


def test_hooks_are_told_what_the_command_did(tmp_path: Path) -> None:
    """`finished` comes last, after every `run`, `evaluate` and `export`, with the `--json` object of that command,
    `event` and `exit_code`; `run_succeeded` has the runs that succeeded.
    """
    shop = hooked(tmp_path)
    done = shop.ok("evaluate", "--at", "2026-11-20T02:00Z", "--json")
    (finished,) = told(shop)
    assert finished == done.json | {"event": "finished", "exit_code": 0}
    assert [each["audience"] for each in finished["evaluations"]] == ["all"]
    shop.run("2026-11-20T05:00Z")
    assert events(shop) == [("run_succeeded", 0, ["crm/all"]), ("finished", 0, ["crm/all"])]
    shop.run("2026-11-20T05:00Z")  # nothing is due
    assert events(shop) == [("finished", 0, [])]
    shop.ok("export", "crm/all", "--at", "2026-11-20T06:00Z")
    assert [event for event, _, _ in events(shop)] == ["run_succeeded", "finished"]


def test_commands_that_only_read_call_no_hook(tmp_path: Path) -> None:
    """Hooks belong to `run`, `evaluate` and `export`."""
    shop = hooked(tmp_path)
    shop.evaluate("2026-11-20T02:00Z")
    told(shop)
    for command in (["plan"], ["validate"], ["runs", "list"]):
        shop.ok(*command, *(["--at", "2026-11-20T05:00Z"] if command != ["runs", "list"] else []))
    assert told(shop) == []


def test_a_failure_is_told_once_until_its_reason_changes(tmp_path: Path) -> None:
    """`run_failed` has the runs at the first failure of a slot or with a new reason; `finished` is told each time."""
    shop = hooked(tmp_path)
    shop.write("out/crm", "a file in the way of the folder")
    shop.evaluate("2026-11-20T02:00Z")
    told(shop)
    for expected in (["run_failed", "finished"], ["finished"], ["finished"]):
        assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 1
        assert [event for event, _, _ in events(shop)] == expected
    (shop.root / "out/crm").unlink()
    shop.crm(mapping=["profile_id", "no_such_column"])  # now it fails for another reason
    assert shop.muster("run", "--at", "2026-11-20T05:10Z").code == 1
    failed, finished = told(shop)
    assert (failed["event"], finished["event"]) == ("run_failed", "finished")
    assert "no_such_column" in failed["runs"][0]["error"]
    assert failed["exit_code"] == 1
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1  # a new slot fails for the first time
    assert [event for event, _, _ in events(shop)] == ["run_failed", "finished"]


def test_amounts_and_times_make_no_new_reason(tmp_path: Path) -> None:
    """A reason that only counts on, such as how far a delivered set would shrink, is not new."""
    shop = hooked(tmp_path, guards={"max_shrink": "10%"})
    shop.day("2026-11-20", [person(each) for each in "abcdefghij"])
    told(shop)
    for day, left, expected in (
        ("2026-11-21", "abcdef", ["run_failed", "guard_tripped", "finished"]),
        ("2026-11-21T06", "abcd", ["finished"]),
    ):
        shop.profiles(day, [person(each) for each in left])
        moment = f"{day}:00Z" if "T" in day else f"{day}T05:00Z"
        shop.evaluate(moment)
        told(shop)
        assert shop.muster("run", "--at", moment).code == 1
        assert [event for event, _, _ in events(shop)] == expected


def test_a_tripped_guard_has_an_event_of_its_own(tmp_path: Path) -> None:
    """`guard_tripped` has the runs that a guard stopped, and `run_failed` those too; neither has the others."""
    shop = hooked(tmp_path, guards={"max_exited": 1})
    shop.destination(
        "ads",
        mapping=["profile_id", "gone"],
        activations=[{"audience": "all", "export": "full", "schedule": {"at": "05:00"}}],
    )
    shop.profiles("2026-11-20", [person(each, gone=1) for each in "abcd"])
    shop.evaluate("2026-11-20T02:00Z")
    shop.run("2026-11-20T05:00Z")
    told(shop)
    shop.profiles("2026-11-21", [person("a")])
    shop.evaluate("2026-11-21T02:00Z")
    told(shop)
    assert shop.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    assert events(shop) == [
        ("run_failed", 1, ["ads/all", "crm/all"]),
        ("guard_tripped", 1, ["crm/all"]),
        ("finished", 1, ["ads/all", "crm/all"]),
    ]


def test_finished_comes_after_mistakes_in_the_config_too(tmp_path: Path) -> None:
    """`finished` runs after exit 2, also when the YAML has mistakes, if `hooks` itself can be read."""
    shop = hooked(tmp_path)
    shop.audience("broken", were="true")
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 2
    (finished,) = told(shop)
    assert (finished["event"], finished["exit_code"]) == ("finished", 2)
    assert "unknown key; did you mean 'where'?" in finished["errors"][0]["message"]
    shop.set(hooks=shop.settings["hooks"] | {"run_failed": "notify"})
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 2
    assert [event for event, _, _ in events(shop)] == ["finished"]
    shop.write("muster.yml", "hooks: {finished: [")
    assert shop.muster("run", "--at", "2026-11-20T05:00Z").code == 2
    assert told(shop) == []


def test_finished_comes_after_a_refusal_and_a_held_lock(tmp_path: Path) -> None:
    """A `run` that could do nothing ends with 2 or 3 and tells `finished` so."""
    shop = hooked(tmp_path)
    assert shop.muster("run", "--override-guards", "crm/al", "--at", "2026-11-20T05:00Z").code == 2
    with StateFolder(shop.root / ".muster", 0o600).writing(0):
        result = shop.muster("run", "--at", "2026-11-20T05:00Z", "--json")
    assert result.code == 3
    assert [(event, code) for event, code, _ in events(shop)] == [("finished", 2), ("finished", 3)]
    assert "another muster" in result.json["errors"][0]["message"]
    assert result.json["runs"] == result.json["evaluations"] == []


def test_hooks_run_without_the_lock_in_the_workspace(tmp_path: Path) -> None:
    """A hook may itself call a command that writes: the lock is released; its folder is the workspace."""
    shop = Shop(
        tmp_path,
        hooks={"finished": [sys.executable, "-m", "muster.cli", "evaluations", "forget", "--after", "2099-01-01"]},
    )
    shop.audience("all", where="true")
    shop.profiles("2026-11-20", [person("a")])
    result = process(
        "-C",
        str(tmp_path),
        "evaluate",
        "--at",
        "2026-11-20T02:00Z",
        "--json",
        PYTHONPATH=str(Path(__file__).parents[2]),
    )
    assert result.code == 0
    assert result.json["warnings"] == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "import sys; print('noise'); sys.exit('no such channel: night')",
            "ended with exit code 1: no such channel: night",
        ),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
        (None, "cannot be run: no such file or directory"),
    ],
    ids=["fails", "killed", "missing"],
)
def test_a_hook_that_fails_is_a_warning(tmp_path: Path, script: str | None, said: str) -> None:
    """A hook's failure never changes the exit code or the output; it is a warning, on stderr and in `warnings`."""
    shop = hooked(tmp_path)
    words = [sys.executable, "-c", script] if script else ["./no-such-program"]
    shop.set(hooks={"run_succeeded": words, "finished": [sys.executable, "tell.py"]})
    shop.evaluate("2026-11-20T02:00Z")
    told(shop)
    result = shop.ok("run", "--at", "2026-11-20T05:00Z", "--json")
    assert result.json["warnings"] == [f"hooks.run_succeeded: {words[0]}: {said}"]
    assert f"warning: hooks.run_succeeded: {words[0]}: {said}" in result.err
    (finished,) = told(shop)
    assert finished["warnings"] == result.json["warnings"]


def test_validate_names_hooks_that_cannot_run(tmp_path: Path) -> None:
    """SPEC 9: a hook that cannot run tells nobody: `validate` warns of a missing or unexecutable program."""
    shop = hooked(tmp_path)
    shop.set(hooks={"run_failed": ["./notify.sh"], "finished": ["./no-such", "x"], "run_succeeded": ["no-such-word"]})
    script = shop.root / "notify.sh"
    script.write_text("#!/bin/sh\n")
    result = shop.ok("validate", "--at", "2026-11-20T05:00Z")
    assert "warning: hooks.run_failed: ./notify.sh: is not executable: `chmod +x notify.sh`\n" in result.err
    assert "warning: hooks.finished: ./no-such: there is no such program\n" in result.err
    assert "no-such-word" not in result.err
    script.chmod(0o700)
    assert "run_failed" not in shop.ok("validate", "--at", "2026-11-20T05:00Z").err


def test_a_hook_that_takes_too_long_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook has 60 seconds; then it is killed with its process group."""
    assert hooks_module.LONGEST == 60
    monkeypatch.setattr(hooks_module, "LONGEST", 1.0)
    shop = hooked(tmp_path, "finished")
    shop.set(hooks={"finished": ["/bin/sh", "-c", "sleep 300 & echo $! > child; wait"]})
    result = shop.ok("evaluate", "--at", "2026-11-20T02:00Z")
    assert "hooks.finished: /bin/sh: took longer than 1 seconds and was killed" in result.err
    child = int((shop.root / "child").read_text())
    deadline = time.monotonic() + 60
    while _is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_hook_may_leave_its_input_unread_and_a_process_behind(tmp_path: Path) -> None:
    """What a hook starts in the background neither holds the command up nor is killed."""
    shop = hooked(tmp_path, "finished")
    shop.set(hooks={"finished": ["/bin/sh", "-c", "sleep 20 & echo $! > child"]})
    before = time.monotonic()
    shop.evaluate("2026-11-20T02:00Z")
    assert time.monotonic() - before < 20
    os.kill(int((shop.root / "child").read_text()), 9)


def test_secrets_reach_hooks_and_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`${NAME}` in a hook is the variable's value for the hook, and `${NAME}` again in warnings (SPEC 2)."""
    monkeypatch.setenv("PING_URL", "https://ping.example/s3cr3t-token")
    shop = hooked(tmp_path, "finished")
    script = "import sys; open('given', 'w').write(sys.argv[1]); sys.exit(sys.argv[1])"
    shop.set(hooks={"finished": [sys.executable, "-c", script, "${PING_URL}"]})
    for _ in range(2):  # the second time the config is recalled
        result = shop.ok("evaluate", "--at", "2026-11-20T02:00Z", "--json")
        assert (shop.root / "given").read_text() == "https://ping.example/s3cr3t-token"
        assert "s3cr3t" not in result.out + result.err
        assert "exit code 1: ${PING_URL}" in result.err
    shop.audience("broken", were="true")  # also where the config cannot be used
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z")
    assert "s3cr3t" not in result.err
    assert "exit code 1: ${PING_URL}" in result.err


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ({"run_faild": ["x"]}, "hooks.run_faild: unknown key; did you mean 'run_failed'"),
        ({"finished": "notify.sh"}, "hooks.finished: expected a list, found 'notify.sh'"),
        ({"finished": []}, "hooks.finished: names no program; expected a program and its arguments"),
        ({"finished": [" "]}, "hooks.finished: names no program"),
        ({"finished": [["x"]]}, "hooks.finished[0]: expected one value, found a list"),
    ],
    ids=["event", "text", "empty", "blank", "nested"],
)
def test_mistakes_in_hooks_are_config_errors(tmp_path: Path, hooks: Any, said: str) -> None:
    """SPEC 10: a hook is a list of words with a program in front, for an event that there is."""
    shop = hooked(tmp_path)
    shop.set(hooks=hooks)
    result = shop.muster("validate")
    assert result.code == 2
    assert said in result.err


# --json


def shaped(result: Result) -> dict[str, Any]:
    """What a command printed: one object of these keys, and nothing else on stdout."""
    assert list(result.json)[:4] == ["evaluations", "runs", "errors", "warnings"]
    assert set(result.json) - {"ages"} == {"evaluations", "runs", "errors", "warnings"}
    return dict(result.json)


def test_json_has_what_the_call_did(tmp_path: Path) -> None:
    """`run --json`: the evaluated audiences, and the runs as `runs list --json` has them."""
    shop = hooked(tmp_path, "run_failed")
    shop.set(evaluation={"schedule": {"at": "02:00"}})
    done = shaped(shop.ok("run", "--at", "2026-11-20T05:00Z", "--json"))
    assert done["evaluations"] == [
        {
            "audience": "all",
            "name": "all",
            "evaluated_at": "2026-11-20T05:00:00Z",
            "snapshot": "data/profiles/2026-11-20",
            "ages": {"profiles": 5 * 3600},
            "realized": 2,
            "entered": 2,
            "exited": 0,
        }
    ]
    assert done["runs"] == shop.ok("runs", "list", "--json").json
    assert done["errors"] == done["warnings"] == []
    assert shaped(shop.ok("run", "--at", "2026-11-20T05:00Z", "--json", "-q"))["runs"] == []


def test_json_names_what_failed(tmp_path: Path) -> None:
    """Each error has the activation or the audience that it stopped; its message is on stderr too; exit 1."""
    shop = hooked(tmp_path, "run_failed", mapping=["profile_id", "no_such_column"])
    shop.audience("wrong", where="no_such_column = 1")
    result = shop.muster("evaluate", "--at", "2026-11-20T02:00Z", "--json")
    assert result.code == 1
    (error,) = shaped(result)["errors"]
    assert (error["audience"], error["activation"]) == ("wrong", None)
    result = shop.muster("run", "--at", "2026-11-20T05:00Z", "--json")
    done = shaped(result)
    (error,) = [each for each in done["errors"] if each["activation"]]
    assert (error["destination"], error["activation"], error["audience"]) == ("crm", "all", "all")
    assert [run["status"] for run in done["runs"]] == ["failed"]
    assert error["message"] in result.err
    assert done["runs"][0]["error"] == error["message"]


def test_json_after_a_refusal_is_an_object_too(tmp_path: Path) -> None:
    """Exit 2 before anything: one object, in whose `errors` each mistake is told; the messages are on stderr too."""
    shop = hooked(tmp_path, "run_failed")
    shop.write("audiences/broken.yml", {"were": "true", "nam": "x"})
    for command in (["run"], ["evaluate"], ["export", "crm/all"], ["validate"]):
        result = shop.muster(*command, "--json")
        assert result.code == 2
        messages = [each["message"] for each in shaped(result)["errors"]]
        assert len(messages) == 2, messages
        assert all(f"error: {message}" in result.err for message in messages)
    result = Shop(tmp_path / "empty").muster("-C", str(tmp_path / "nowhere"), "run", "--json")
    assert result.code == 2
    assert "there is no such folder" in shaped(result)["errors"][0]["message"]


def test_json_has_warnings(tmp_path: Path) -> None:
    """`warnings` has what the command warned of and what it noted, each once."""
    shop = hooked(tmp_path, "run_failed")
    shop.evaluate("2026-11-20T02:00Z")
    again = shaped(shop.ok("evaluate", "--at", "2026-11-20T02:00Z", "--json"))
    assert "already evaluated" in again["warnings"][0]
    ahead = shaped(shop.ok("run", "--at", "2199-11-20T02:00Z", "--json"))
    assert any("ahead of this machine's clock" in each for each in ahead["warnings"])


def test_validate_tells_problems_as_errors(tmp_path: Path) -> None:
    """`validate --json`: problems are `errors`, notes are `warnings`; it evaluates and runs nothing."""
    shop = hooked(tmp_path, "run_failed", mapping=["profile_id", "no_such_column"])
    result = shop.muster("validate", "--at", "2026-11-20T05:00Z", "--json")
    assert result.code == 2
    found = shaped(result)
    assert "no_such_column" in found["errors"][0]["message"]
    assert found["evaluations"] == found["runs"] == []
    shop.crm()
    assert shaped(shop.ok("validate", "--at", "2026-11-20T05:00Z", "--json"))["errors"] == []


def test_a_command_that_is_stopped_takes_its_hook_along(tmp_path: Path) -> None:
    """SIGTERM while a hook runs: exit 143 in time, the hook is killed, and what was done is still printed."""
    shop = hooked(tmp_path, "finished")
    shop.set(hooks={"finished": ["/bin/sh", "-c", "echo $$$$ > hook; exec sleep 300"]})
    command = [
        sys.executable,
        "-m",
        "muster.cli",
        "-C",
        str(tmp_path),
        "evaluate",
        "--at",
        "2026-11-20T02:00Z",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        waited_for(shop.root / "hook")
        running.terminate()
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 143
    assert json.loads(out)["evaluations"][0]["audience"] == "all"
    assert not _is_alive(int((shop.root / "hook").read_text()))


def waited_for(path: Path) -> None:
    """Wait until a file has content."""
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_held_export_is_told_once(tmp_path: Path) -> None:
    """E9: an export that a failed audience holds fails at every `run`, and `run_failed` is told once."""
    shop = hooked(tmp_path)
    shop.day("2026-11-20")
    shop.audience("all", where="no_such_column = 1")
    assert shop.muster("evaluate", "--at", "2026-11-21T02:00Z").code != 0
    told(shop)
    for moment, expected in (("05:00", ["run_failed", "finished"]), ("05:30", ["finished"])):
        assert shop.muster("run", "--at", f"2026-11-21T{moment}Z").code == 1
        assert [event for event, _, _ in events(shop)] == expected
