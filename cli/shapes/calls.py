"""``--json`` of `run`, `evaluate`, `export` and `validate`: what one call did. Hooks are told it too (SPEC 9)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time
from muster.cli.shapes.runs import run
from muster.runs import ConfigError, GuardError

if TYPE_CHECKING:
    from muster.runs import MusterError, Outcome, Report, Validation, Workspace


def done(report: "Report", workspace: "Workspace", warnings: Sequence[str]) -> Json:
    """The JSON of a call that returned a report."""
    evaluation = report.evaluation
    return _call(
        evaluations=[
            {
                "audience": each.audience,
                "name": workspace.audiences[each.audience].name,
                "evaluated_at": time(each.at),
                "snapshot": evaluation.snapshot,
                "ages": each.ages,
                "realized": each.realized,
                "entered": each.entered,
                "exited": each.exited,
                **({"ignored_rows": each.ignored_rows} if each.ignored_rows else {}),
            }
            for each in evaluation.evaluated
        ]
        if evaluation
        else [],
        runs=runs((*report.finished, *report.outcomes)),
        errors=_errors(report),
        warnings=(*report.notes, *report.warnings, *warnings),
    )


def stopped(problem: "MusterError", warnings: Sequence[str]) -> Json:
    """The JSON of a call that an error stopped as a whole: a mistake in the YAML is an error each."""
    said = [str(each) for each in problem.problems] if isinstance(problem, ConfigError) else _messages(problem)
    return _call(errors=[_error(line) for line in said], warnings=warnings)


def validated(checked: "Validation", warnings: Sequence[str]) -> Json:
    """The JSON of ``validate``."""
    errors = [_error(line) for problem in checked.problems for line in _messages(problem)]
    ages = {each.kind: each.seconds for each in checked.ages}
    return _call(errors=errors, warnings=(*checked.notes, *warnings)) | {"ages": ages}


def runs(outcomes: "Iterable[Outcome]") -> list[Json]:
    """The JSON of the runs of outcomes, each run once."""
    shapes: dict[str, Json] = {}
    for each in outcomes:
        shape = run(each.run) | ({"error": str(each.error)} if each.error else {})
        shapes.setdefault(each.run.run_id, shape)
    return list(shapes.values())


def events(report: "Report") -> "Iterator[tuple[str, list[Outcome]]]":
    """The events of a report with hooks of their own, in order, each with its outcomes; ``finished`` is none of them.

    Of the failures those are told that are new: the first of a slot, or with a new reason.
    """
    new = report.new_failures
    yield "run_failed", list(new)
    yield "guard_tripped", [each for each in new if isinstance(each.error, GuardError)]
    tried = (*report.finished, *report.outcomes)
    yield "run_succeeded", [each for each in tried if not each.error and each.run.status == "succeeded"]


def _call(
    *,
    evaluations: Sequence[Json] = (),
    runs: Sequence[Json] = (),
    errors: Sequence[Json] = (),
    warnings: Sequence[str] = (),
) -> Json:
    return {
        "evaluations": list(evaluations),
        "runs": list(runs),
        "errors": [each for index, each in enumerate(errors) if each not in errors[:index]],
        "warnings": list(dict.fromkeys(warnings)),
    }


def _errors(report: "Report") -> list[Json]:
    """The errors of a report: each with the audience or the activation that it stopped."""
    outcomes = {id(each.error): each.run for each in (*report.finished, *report.outcomes) if each.error}
    failures = report.evaluation.failures if report.evaluation else {}
    audiences: dict[int, list[str]] = {}  # one error about events or a feed can stop several
    for name, error in failures.items():
        audiences.setdefault(id(error), []).append(name)
    errors = []
    for problem in report.errors:
        found = outcomes.get(id(problem))
        stopped = [(None, None, name) for name in audiences.get(id(problem), (None,))]
        places = [(found.destination, found.activation, found.audience or None)] if found else stopped
        errors += [_error(line, *place) for place in places for line in _messages(problem)]
    return errors


def _error(
    message: str, destination: str | None = None, activation: str | None = None, audience: str | None = None
) -> Json:
    return {"message": message, "destination": destination, "activation": activation, "audience": audience}


def _messages(problem: BaseException) -> list[str]:
    """The messages of an error, one a mistake; an indented line goes on with the message before it."""
    return re.split(r"\n(?! )", str(problem)) if str(problem) else [type(problem).__name__]
