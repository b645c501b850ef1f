"""Text output of `runs`, `audiences`, `evaluations` and `baseline`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.shapes import runs as shapes
from muster.cli.show import terminal, times
from muster.cli.show.policies import recorded
from muster.cli.show.printable import first_line, one_line
from muster.cli.show.runs import SENT, counted_note, counts, short_ids, short_triggers, status, trigger
from muster.runs import counted, rounded, several

if TYPE_CHECKING:
    from muster.runs import (
        AudienceEvaluation,
        AudienceSummary,
        Baseline,
        Build,
        DeliveredRows,
        EvaluationHistory,
        FailedAudience,
        Retried,
        Run,
        RunAudience,
        RunDetails,
        RunRejects,
    )

_ID_OF_FORGOTTEN = "(forgotten)"
_SIZES = ("realized", "entered", "exited")


def run_list(runs: "Sequence[Run]", zone: ZoneInfo, *, filtered: bool) -> None:
    """Print the result of `runs list`, with a column of errors if a run failed."""
    if not runs and filtered:
        terminal.say("no such run")
        return
    if not runs:
        terminal.say("no runs yet; `muster run` does what is due, `muster plan` shows it first")
        return
    lines = [
        {
            "run": run.run_id,
            "activation": escape(run.key),
            "scheduled": times.written(run.scheduled_time, zone),
            "export": run.export,
            "trigger": trigger(run),
            "status": status(run),
            **counts(run, SENT),
        }
        for run in runs
    ]
    if any(run.error for run in runs):
        for line, run in zip(lines, runs, strict=True):
            line["error"] = first_line(run.error or "")
    spare = ("scheduled", "run", "trigger", "export", "excluded", "exited")  # the run's id begins with the time
    short = {"run": short_ids(runs), "trigger": short_triggers(runs)}
    terminal.fitted(
        lines,
        numbers=SENT,
        spare=spare,
        short=short,
        below="error" * ("error" in lines[0]),
        cut=True,
        timed="scheduled",
        zone=zone,
    )


def run_details(details: "RunDetails", zone: ZoneInfo) -> None:
    """Print the result of `runs show`."""
    parts = "files" if details.run.audiences is None else "requests"
    again = [f"{times.written(each.at, zone)}, {parts}: {each.files}" for each in details.redeliveries]
    ages = {kind: rounded(timedelta(seconds=age)) for kind, age in (details.run.ages or {}).items()}
    shape = times.localised(shapes.run(details.run), zone) | ({"ages": ages} if ages else {})
    if details.run.merged is None:  # profiles have a path, or the run failed: nothing was counted
        shape = {key: value for key, value in shape.items() if key not in {"merged", "split"}}
    if details.run.audiences is None:
        shape = {key: value for key, value in shape.items() if key not in shapes.MESSAGE_KEYS}
    else:
        told = [_told(each, zone) for each in details.run.audiences]
        shape = {key: value for key, value in shape.items() if key not in {"audience", "files"}} | {"audiences": told}
        shape |= {"answers": details.run.answers} if details.run.answers else {}
    if details.governance:
        shape |= recorded(details.governance, details.run.excluded_by or {})
    terminal.details(shape | ({"redelivered": again} if again else {}), zone)
    if remark := counted_note([details.run]):
        terminal.say(f"note: {remark}")


def _told(each: "RunAudience", zone: ZoneInfo) -> str:
    """A mapped audience with its alias and evaluation: ``members as 23845, evaluated 2026-11-21 02:00``."""
    named = f"{each.id} as {each.alias}" if each.alias else each.id
    when = f"evaluated {times.written(each.evaluated_at, zone)}" if each.evaluated_at else "not evaluated yet"
    return f"{named}, {when}"


def rejects(found: "RunRejects") -> None:
    """Print the result of `runs rejects`."""
    run = found.run
    if run.status != "succeeded" and not found.rejects:
        terminal.say(f"run {run.run_id} of {run.key} is {run.status}: it has left nobody out")
        return
    with_tries = run.audiences is not None
    lines = [
        (
            _ID_OF_FORGOTTEN if each.profile_id is None else one_line(each.profile_id),
            each.reason,
            *([each.tries] if with_tries else []),
        )
        for each in found.rejects
    ]
    headings = ("profile_id", "reason", *(["tries"] if with_tries else []))
    terminal.rows(headings, lines, numbers=("tries",) if with_tries else (), empty="nobody was left out")


def retried(found: "Retried") -> None:
    """Print the result of `runs retry`."""
    if not found.profiles:
        terminal.say(f"{found.activation}: nobody whom the receiver refused; nothing changed")
        return
    terminal.say(f"{found.activation}: the next run offers {counted(found.profiles, 'refused profile')} again")


def audiences(found: "Sequence[AudienceSummary]", zone: ZoneInfo) -> None:
    """Print the result of `audiences list`."""
    lines = [(each.audience.id, each.audience.name, *_newest(each.newest, zone)) for each in found]
    terminal.rows(
        ("audience", "name", "evaluated", *_SIZES),
        lines,
        numbers=_SIZES,
        empty="no audiences yet: add some to audiences/*.yml",
        zone=zone if any(each.newest for each in found) else None,
    )
    failed_audiences([each.failed for each in found if each.failed], zone)


def failed_audiences(failed: "Sequence[FailedAudience]", zone: ZoneInfo) -> None:
    """Print why audiences could not be evaluated, below a table that shows their newest evaluations (E9).

    A reason that several have is printed once.
    """
    by_reason: dict[tuple[datetime, str], list[str]] = {}
    for each in failed:
        by_reason.setdefault((each.first_at, each.error), []).append(repr(each.audience))
    for (since, error), names in by_reason.items():
        kind = "audience" if len(names) == 1 else "audiences"
        terminal.say(f"{kind} {several(names)} could not be evaluated since {times.told(since, zone)}: {error}")


def _newest(newest: "AudienceEvaluation | None", zone: ZoneInfo) -> Sequence[object]:
    if newest is None:
        return None, None, None, None
    return times.written(newest.at, zone), newest.realized, newest.entered, newest.exited


def evaluations(found: "EvaluationHistory", zone: ZoneInfo) -> None:
    """Print the result of `evaluations list`, and the audiences that are failed since."""
    lines = [
        (
            times.written(each.at, zone),
            _with_age(each.snapshot, each.ages),
            each.used,
            ", ".join(one.audience for one in each.audiences),
        )
        for each in found.evaluations
    ]
    headings = ("evaluated", "snapshot", "used", "audiences")
    terminal.rows(headings, lines, empty="nothing was evaluated yet; `muster evaluate`", zone=zone)
    failed_audiences(found.failed, zone)


def _with_age(snapshot: str, ages: dict[str, int]) -> str:
    """A snapshot's name, and how old it was at the evaluation."""
    return f"{snapshot} ({rounded(timedelta(seconds=ages['profiles']))} old)" if "profiles" in ages else snapshot


def forgotten(found: "Sequence[AudienceEvaluation | FailedAudience | Build]") -> str:
    """Return the sentence about what `evaluations forget` removed: evaluations, failed ones (E9), and builds (P7)."""
    from muster.runs import Build, FailedAudience

    failed = sum(isinstance(each, FailedAudience) for each in found)
    builds = sum(isinstance(each, Build) for each in found)
    evaluations = len(found) - failed - builds
    parts = {
        counted(evaluations, "evaluation of an audience", "evaluations of audiences"): evaluations,
        f"the failed {'evaluation' if failed == 1 else 'evaluations'} of {counted(failed, 'audience')}": failed,
        counted(builds, "build of profiles", "builds of profiles"): builds,
    }
    told = [part for part, number in parts.items() if number]
    return f"{several(told)} forgotten" if told else "there is no evaluation after that time"


def baselines(found: "Sequence[Baseline | DeliveredRows]", zone: ZoneInfo) -> None:
    """Print the result of `baseline show`."""
    lines = [
        (
            *(each.key, each.profiles),
            *(times.written(at, zone) if at else None for at in (each.evaluated_at, each.delivered_at)),
        )
        for each in found
    ]
    headings = ("activation", "profiles", "evaluated", "delivered")
    terminal.rows(headings, lines, numbers=("profiles",), empty="nothing was delivered yet", zone=zone)
