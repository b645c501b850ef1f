"""Small workloads: one task each, against the least work that the task needs."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import audiences, measure, workspaces
from benchmarks.audiences import EVERYBODY
from benchmarks.measure import Contender, FailedError
from benchmarks.night import Bench, contents, stateful
from benchmarks.night_task import DAYS
from benchmarks.results import Result

MANY = (1, 100, 1000, 4000)
CHANGES, ACTIVATIONS, HISTORY = 1000, 1000, 100_000
CONSENT = {"no policy": "", "most": "newsletter IS NOT NULL", "newsletter": "newsletter"}
_SMALL = 1000  # profiles where their number does not matter
_OFTEN = 4  # times as many runs of what takes less than a second
_FIRST, _SECOND = (f"{day}T02:00Z" for day in DAYS)
_LATER = tuple(f"{day}T03:00Z" for day in DAYS)
_PARTS = 10  # destinations that the many activations are spread over


def one_audience(bench: Bench, profiles: int) -> Result:
    """One audience that holds everybody, exported on demand to CSV and to Parquet; against a bare scan and sink."""
    data, place = bench.data(profiles), _place(bench, "one-audience")
    member = workspaces.activation("members", None, "on_demand")
    formats = ("csv", "parquet")
    workspaces.write(
        place,
        data,
        {"members": {"where": EVERYBODY}},
        {each: workspaces.destination(each, [member], each) for each in formats},
    )
    measure.run(measure.muster(place, "evaluate", "--no-exports", "--at", _SECOND))
    contenders = []
    for each in formats:
        out = place / f"bare-{each}"
        contenders += [
            stateful(f"muster {each}", place, "export", f"{each}/members", "--at", _SECOND),
            Contender(
                f"bare {each}", measure.module("bare_polars", "sink", each, data, out), partial(measure.empty, out), out
            ),
        ]
    return _run(bench, Result("one-audience", profiles), contenders, _same_rows())


def few_changes(bench: Bench, profiles: int) -> Result:
    """An incremental export that finds 1,000 changes among all members; against reading the two columns of ids."""
    data, place = bench.data(profiles, "--no-events", f"--changes={CHANGES}"), _place(bench, "few-changes")
    member = workspaces.activation("members", "incremental", {"at": "03:00"})
    workspaces.write(
        place, data, {"members": {"where": EVERYBODY}}, {"changes": workspaces.destination("changes", [member])}
    )
    measure.run(measure.muster(place, "evaluate", "--no-exports", "--at", _FIRST))
    measure.run(measure.muster(place, "run", "--at", _LATER[0]))
    measure.run(measure.muster(place, "evaluate", "--no-exports", "--at", _SECOND))
    memberships = sorted((place / ".muster" / "memberships").glob("*.parquet"))
    contenders = [
        stateful("muster", place, "run", "--at", _LATER[1]),
        Contender("keys", measure.module("bare_polars", "keys", *memberships)),
    ]
    result = Result("few-changes", profiles)

    def check(contender: Contender) -> None:
        if contender.out:
            result.facts["rows"] = sum(int(rows) for rows, _ in contents(contender.out).values())

    return _run(bench, result, contenders, check)


def many_audiences(bench: Bench, profiles: int) -> Result:
    """1, 100, 1,000 and 4,000 audiences, of about 2 % of all profiles, evaluated for the first time, no exports."""
    data = bench.data(profiles)
    result = Result("many-audiences", profiles, facts={"audiences": list(MANY)})
    places = {count: _place(bench, f"audiences-{count}") for count in MANY}
    for count, place in places.items():
        workspaces.write(place, data, {name: {"where": where} for name, where in audiences.many(count).items()}, {})
    command = ("evaluate", "--no-exports", "--at", _SECOND)
    return _run(bench, result, [_fresh(str(count), place, *command) for count, place in places.items()])


def consent(bench: Bench, profiles: int) -> Result:
    """The night's 40 audiences and 80 files without a consent policy, and with one that applies to all of them.

    98 % of all profiles consent to *most*, and 40 % to *newsletter*, so that less is written.
    """
    data, contenders = bench.data(profiles), []
    for name, condition in CONSENT.items():
        place = _place(bench, f"consent-{name.replace(' ', '-')}")
        workspaces.night(place, data, condition)
        measure.run(measure.muster(place, "evaluate", "--at", _FIRST))
        contenders.append(stateful(name, place, "evaluate", "--at", _SECOND))
    return _run(bench, Result("consent", profiles), contenders)


def nothing_due(bench: Bench, profiles: int) -> Result:
    """``run`` with 1,000 activations, none of them due."""
    del profiles  # their number does not matter here
    data, place = bench.data(_SMALL, "--no-events"), _place(bench, "nothing-due")
    rules = audiences.many(ACTIVATIONS // _PARTS)
    activations = [workspaces.activation(name, "full", {"at": "03:00"}) for name in rules]
    targets = {f"files-{part}": workspaces.destination(f"files-{part}", activations) for part in range(_PARTS)}
    workspaces.write(place, data, {name: {"where": where} for name, where in rules.items()}, targets)
    measure.run(measure.muster(place, "evaluate", "--no-exports", "--at", _SECOND))
    measure.run(measure.muster(place, "run", "--at", _LATER[1]))
    return _run(
        _often(bench),
        Result("nothing-due", _SMALL),
        [stateful("muster", place, "run", "--at", _LATER[1].replace(":00Z", ":01Z"))],
    )


def help_text(bench: Bench, profiles: int) -> Result:
    """``--help``, against a Python that does nothing, which shows how fast the machine is just now."""
    del profiles  # none are read
    command = [measure.muster(bench.work)[0], "--help"]
    return _run(
        _often(bench),
        Result("help", 0),
        [Contender("muster", command), Contender("Python alone", [sys.executable, "-c", "pass"])],
    )


def runs_list(bench: Bench, profiles: int) -> Result:
    """``runs list`` after 100,000 runs."""
    del profiles  # their number does not matter here
    data, place = bench.data(_SMALL, "--no-events"), _place(bench, "runs-list")
    member = workspaces.activation("members", "full", {"at": "03:00"})
    workspaces.write(
        place, data, {"members": {"where": EVERYBODY}}, {"files": workspaces.destination("files", [member])}
    )
    measure.run(measure.muster(place, "evaluate", "--no-exports", "--at", _SECOND))
    measure.run(measure.muster(place, "run", "--at", _LATER[1]))
    measure.run(measure.module("many_runs", place, HISTORY))
    measure.run(
        measure.muster(place, "run", "--at", _LATER[1].replace(":00Z", ":01Z"))
    )  # leaves the ledger as commands do: checked
    command = [word for word in measure.muster(place, "runs", "list") if word != "-q"]
    return _run(_often(bench), Result("runs-list", _SMALL), [Contender("muster", command)])


WORKLOADS: dict[str, Callable[[Bench, int], Result]] = {
    "one-audience": one_audience,
    "few-changes": few_changes,
    "many-audiences": many_audiences,
    "consent": consent,
    "nothing-due": nothing_due,
    "help": help_text,
    "runs-list": runs_list,
}
FACTORS = {"few-changes": 10}  # of the size that a bench is asked for


def _place(bench: Bench, name: str) -> Path:
    place = bench.work / "micro" / name
    measure.empty(place, place.parent / f"{name}-kept")
    return place


def _often(bench: Bench) -> Bench:
    return replace(bench, runs=bench.runs * _OFTEN)


def _fresh(name: str, folder: Path, *words: str) -> Contender:
    """A command that is always the first one in its workspace."""
    return Contender(name, measure.muster(folder, *words), partial(measure.empty, folder / ".muster"))


def _run(
    bench: Bench, result: Result, contenders: Sequence[Contender], check: Callable[[Contender], None] = lambda _: None
) -> Result:
    for number, each, cost in measure.alternating(contenders, bench.runs):
        bench.tell(f"{result.workload}, run {number + 1} of {bench.runs}: {each.name} {cost.wall:.2f} s")
        check(each)
        result.add(each.name, cost)
    return result


def _same_rows() -> Callable[[Contender], None]:
    """A check that all contenders wrote one file each, of the same rows."""
    found: list[list[int | str]] = []

    def check(contender: Contender) -> None:
        if contender.out is None:
            raise ValueError(contender)
        found.extend(contents(contender.out).values())
        if any(each != found[0] for each in found):
            raise FailedError(f"{contender.name} wrote other rows than the one before")

    return check
