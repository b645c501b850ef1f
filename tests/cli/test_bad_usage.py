"""Command lines that are wrong, and streams that are odd (SPEC 9, 10), tried through the real command."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.refusals import AT, EXPORT, changed, message, new_shop, refused, used_shop
from support.shop import Shop, invoke, process

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A workspace that has evaluated and delivered; nothing in this module changes it."""
    return used_shop(tmp_path_factory.mktemp("morning") / "shop")


@pytest.fixture(params=["fresh", "used"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, morning: Shop) -> Shop:
    """A workspace without a state, and one with."""
    if request.param == "used":
        shutil.copytree(morning.root, tmp_path / "shop")
    return new_shop(tmp_path / "shop")


# Commands and options


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["evaluat"],
            "no such command 'evaluat'; did you mean 'evaluate', 'evaluations', 'validate'? See `muster --help`",
        ),
        (["nonsense"], "no such command 'nonsense'; see `muster --help`"),
        ([""], "no such command ''; see `muster --help`"),
        (["runs", "lst"], "no such command 'lst'; did you mean 'list'? See `muster runs --help`"),
        (["--bad"], "no such option: --bad; see `muster --help`"),
        (["run", "--att", AT], "no such option: --att; did you mean --at? See `muster run --help`"),
        (["run", "--jsn"], "no such option: --jsn; did you mean --jobs, --json"),
        (["run", "extra"], "unexpected argument: extra; see `muster run --help`"),
        (["run", "--at"], "option '--at' requires an argument; see `muster"),
        (["export"], "missing argument 'DESTINATION/ACTIVATION'; see `muster export --help`"),
        (["runs", "show"], "missing argument 'RUN'; see `muster runs show --help`"),
        (["baseline", "move", "crm/all"], "missing argument 'NEW'; see `muster baseline move --help`"),
        (["evaluations", "forget"], "missing option '--after'; see `muster evaluations forget --help`"),
        (["run", "-C"], "option '-C' needs a value; see `muster --help`"),
        (["run", "--wait"], "option '--wait' needs a value; see `muster --help`"),
        (["run", "--wait", "soon"], "invalid value for '--wait': expected a number; see"),
        (["run", "--wait", "-1"], "invalid value for '--wait': expected at least 0; see"),
        (["run", "--log-format", "xml"], "invalid value for '--log-format': 'xml' is not one of"),
        (["schedule", "next", "0"], "invalid value for 'N': expected at least 1; see"),
        (["schedule", "next", "many"], "invalid value for 'N': expected a whole number; see"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_one_sentence(shop: Shop, arguments: list[str], expected: str) -> None:
    """SPEC 9, 10: unknown commands and options, missing and wrong values: exit 2, one message with the nearest name and
    where help is.
    """
    assert refused(shop, *arguments).startswith(f"error: {expected}")


def test_a_group_without_a_command_shows_what_there_is(morning: Shop) -> None:
    """SPEC 9: `muster runs` says which commands it has; that is no work done, so exit 2."""
    result = morning.muster("runs")
    assert (result.code, result.err) == (2, "")
    assert all(name in result.out for name in ("list", "show", "rejects"))


# Instants

NO_SUCH = "; expected ISO 8601 such as 2026-11-21T17:00 or 2026-11-21T17:00:00Z (there is no such day or hour)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday", "'yesterday' is not a time; expected ISO 8601 such as 2026-11-21T17:00 or 2026-11-21T17:00:00Z"),
        ("2026-13-01", f"'2026-13-01' is not a time{NO_SUCH}"),
        ("2026-02-30T05:00", f"'2026-02-30T05:00' is not a time{NO_SUCH}"),
        ("2026-11-20T24:30Z", f"'2026-11-20T24:30Z' is not a time{NO_SUCH}"),
        ("2026-11-20 8:00", "'2026-11-20 8:00' is not a time; expected ISO 8601"),
        ("17:00", "'17:00' is not a time; expected ISO 8601"),
        ("", "'' is not a time; expected ISO 8601"),
        ("0001-01-01", "'0001-01-01' is out of range; expected a year from 1900 to 9999"),
        (
            "2026-03-29T02:30",
            (
                "'2026-03-29T02:30' does not exist in Europe/Berlin: the clocks jump over it; the first instant "
                "after it is 2026-03-29T01"
            ),
        ),
    ],
)
def test_an_instant_that_is_none_is_refused(shop: Shop, text: str, expected: str) -> None:
    """E1: nonsense, impossible dates and times in a clock change's gap: exit 2, by every command that takes `--at`."""
    shop.set(timezone="Europe/Berlin")
    for command in (
        ["validate"],
        ["evaluate"],
        ["run"],
        ["plan"],
        ["export", "crm/adhoc"],
        ["preview", "crm/adhoc"],
        ["schedule", "list"],
        ["schedule", "next"],
    ):
        assert refused(shop, *command, "--at", text).startswith(f"error: {expected}")
    assert refused(shop, "evaluations", "forget", "--after", text).startswith(f"error: {expected}")


# Names of things


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["export", "crm/al"], "there is no activation 'crm/al'; did you mean 'crm/all'"),
        (["export", "cm/adhoc"], "there is no activation 'cm/adhoc'; did you mean 'crm/adhoc'"),
        (["export", "adhoc"], "there is no activation 'adhoc'; did you mean 'crm/adhoc'"),
        (["export", "crm/adhoc", "crm/nobody"], "there is no activation 'crm/nobody'"),
        (["run", "--override-guards", "crm/al"], "there is no activation 'crm/al'; did you mean 'crm/all'"),
        (["plan", "--override-guards", "crm"], "there is no activation 'crm'"),
        (["evaluate", "--audience", "al"], "there is no audience 'al'; did you mean 'all'?"),
        (["audiences", "show", "uss"], "there is no audience 'uss'; did you mean 'us'?"),
        (["runs", "show", "nonsense"], "there is no run 'nonsense'"),
        (["runs", "rejects", "nonsense"], "there is no run 'nonsense'"),
        (["baseline", "show", "crm/al"], "'crm/al' has no baseline: it has delivered nothing on its schedule"),
        (["baseline", "reset", "crm/adhoc"], "'crm/adhoc' has no baseline: it has delivered nothing on its schedule"),
        (["baseline", "move", "crm/nobody", "crm/all"], "'crm/nobody' has no baseline"),
    ],
    ids=" ".join,
)
def test_an_unknown_name_is_refused(shop: Shop, arguments: list[str], expected: str) -> None:
    """SPEC 10: activations, audiences, runs and baselines that do not exist: exit 2, with the nearest name; nothing is
    begun.
    """
    assert refused(shop, *arguments).startswith(f"error: {expected}")


def test_a_runs_id_may_be_short_but_not_ambiguous(morning: Shop) -> None:
    """SPEC 9: the start of an id is enough if it is the only one; else exit 2 names two and asks for more; a misspelt
    one is guessed.
    """
    ids = sorted(run["run_id"] for run in morning.runs())
    assert morning.ok("runs", "show", ids[0][:20], "--json").json["run_id"] == ids[0]
    for prefix in ("2026", "20261120T0", ""):
        said = refused(morning, "runs", "show", prefix)
        assert said.startswith(f"error: several runs start with '{prefix}', such as 2026")
        assert said.endswith("; give more of the id")
    assert f"did you mean '{ids[0]}'" in refused(morning, "runs", "show", ids[0][:-2] + "zz")


def test_refused_requests_say_the_way_out(tmp_path: Path, morning: Shop) -> None:
    """E6, X7, X9: what is understood and not allowed: exit 2, and what to do instead."""
    shutil.copytree(morning.root, tmp_path / "shop")
    shop = new_shop(tmp_path / "shop")
    requests = {
        (
            "evaluate",
            "--at",
            "2026-11-19",
        ): "If that one was a mistake: `muster evaluations forget --after 2026-11-19T00:00:00Z`",
        ("evaluate", "--replace", "--at", "2026-11-20T02:00Z"): "was used by run",
        (
            "evaluations",
            "forget",
            "--after",
            "2026-11-01",
        ): "it cannot be forgotten; give --after 2026-11-20T02:00:00Z or later",
        (
            "export",
            "crm/adhoc",
            "--at",
            "2026-11-19",
        ): "was not evaluated at or before 2026-11-19T00:00:00Z; run `muster evaluate` first",
        (
            "baseline",
            "move",
            "crm/all",
            "crm/us",
        ): "crm/us has a baseline of its own; `muster baseline reset crm/us` first",
        ("init", str(shop.root)): "is not empty; give a new or empty folder",
        ("demo", str(shop.root)): "is not empty; give a new or empty folder",
    }
    for command, expected in requests.items():
        result = shop.muster("-q", *command)
        *warnings, error = result.err.splitlines()
        assert (result.code, result.out) == (2, "")
        assert error.startswith("error: ")
        assert expected in error
        assert all("the state is ahead of" in warning for warning in warnings)  # of an instant in the past (S8)


@pytest.mark.parametrize("command", ["init", "demo"])
def test_a_sample_that_cannot_be_written(tmp_path: Path, command: str) -> None:
    """SPEC 10: a place that is a file, or below one, is exit 2 and names it."""
    (tmp_path / "file").write_text("x")
    for place in ("file", "file/below"):
        said = message(invoke(command, str(tmp_path / place)), 2)
        assert said.startswith(f"error: {tmp_path / place}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_quiet_still_says_what_is_wrong(shop: Shop) -> None:
    """SPEC 9: `-q` is silent but for errors."""
    assert "there is no audience" in refused(shop, "-q", "evaluate", "--audience", "al")
    assert "no such command" in refused(shop, "-q", "evaluat")


def test_quiet_still_shows_what_was_asked_for(shop: Shop) -> None:
    """SPEC 9: with `-q` a command that works, or checks, says nothing; one that is there to show something shows it,
    plans as lists.
    """
    moment = ("--at", "2026-11-22T01:00Z")
    for command in (("plan", *moment), ("runs", "list"), ("schedule", "next", *moment), ("baseline", "show")):
        assert shop.ok("-q", *command).out == shop.ok(*command).out != ""
    for command in (
        ("validate",),
        ("verify",),
        ("state", "check"),
        ("evaluate", "--at", "2026-11-22T02:00Z"),
        ("run",),
    ):
        assert shop.ok("-q", *command).out == ""


# Streams


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `muster` is the command."""
    muster = f'muster() {{ {sys.executable} -m muster.cli "$@"; }}; set -o pipefail; '
    full = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["bash", "-c", muster + line], capture_output=True, text=True, env=full, timeout=300, check=False
    )


@pytest.mark.parametrize("command", ["schedule next 3000", "schedule next 3000 --json", "--help", "runs list"])
def test_a_reader_that_goes_away_is_no_error(morning: Shop, command: str) -> None:
    """SPEC 9: `muster runs list | head -1` ends in silence and with 0."""
    result = shell(f"muster -C {morning.root} {command} | head -1")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1


def test_work_does_not_depend_on_a_reader(tmp_path: Path, morning: Shop) -> None:
    """SPEC 9: a run whose output nobody reads is a run all the same, and its exit code is that of the work."""
    for number, line in enumerate(
        ("muster -C {0} run --at {1} | true", "muster -C {0} run --at {1} >&-", "muster -C {0} run --at {1} >&- 2>&-")
    ):
        root = tmp_path / f"{number}"
        shutil.copytree(morning.root, root)
        result = shell(line.format(root, AT))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert [run["status"] for run in new_shop(root).runs("crm/all")] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("command", ["audiences list", "audiences list --json", "--help"])
def test_output_that_cannot_be_written_is_said(morning: Shop, command: str) -> None:
    """SPEC 10: a full disk under stdout is one message and exit 1, no traceback at the end of the process."""
    result = shell(f"muster -C {morning.root} {command} > /dev/full")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: the output cannot be written: no space left on device\n"


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    ],
    ids=["ascii", "posix", "latin-1"],
)
def test_every_locale_can_show_every_table(tmp_path: Path, locale: dict[str, str]) -> None:
    """SPEC 9: names with emoji, or in scripts that the locale lacks, are shown as escapes; JSON stays JSON; nothing
    crashes.
    """
    shop = new_shop(tmp_path / "shop")
    shop.write("audiences/all.yml", {"name": "Alle 🎉 עברית", "where": "true"})
    shop.evaluate("2026-11-20T02:00Z")
    listed = process("-C", str(shop.root), "audiences", "list", **locale)
    assert (listed.code, listed.err) == (0, "")
    assert "\\U0001f389" in listed.out
    as_json = process("-C", str(shop.root), "audiences", "list", "--json", **locale)
    assert json.loads(as_json.out)[0]["name"] == "Alle 🎉 עברית"
    for command in (["--help"], ["audiences", "show", "all"]):
        assert process("-C", str(shop.root), *command, **locale).code == 0
    refusal = process("-C", str(shop.root), "audiences", "show", "🎉", **locale)
    assert refusal.code == 2
    assert refusal.err.startswith("error: there is no audience '\\")


def test_a_terminal_gets_the_same_words(shop: Shop) -> None:
    """SPEC 10: on a terminal a refusal is the same one sentence, in colour, and wrapped by nobody but the terminal."""
    screen, ours = pty.openpty()
    command = [sys.executable, "-m", "muster.cli", "-C", str(shop.root), "evaluate", "--audience", "al", "--at", AT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "40"}
    before = shop.tree()
    done = subprocess.run(command, stdin=ours, stdout=ours, stderr=ours, env=environment, timeout=300, check=False)
    os.close(ours)
    assert done.returncode == 2
    shown = os.read(screen, 10_000).decode()
    os.close(screen)
    assert "there is no audience 'al'; did you mean 'all'?\r\n" in shown
    assert "Traceback" not in shown
    assert changed(before, shop.tree()) == []


def test_the_same_through_a_process(shop: Shop) -> None:
    """SPEC 9: what the other tests see inside one process is what a shell sees: exit code, stderr alone, nothing
    changed.
    """
    before = shop.tree()
    result = process("-C", str(shop.root), *EXPORT[:1], "crm/adhc", *EXPORT[2:])
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: there is no activation 'crm/adhc'; did you mean 'crm/adhoc'")
    assert changed(before, shop.tree()) == []
