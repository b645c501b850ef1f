"""Text output of `runs`, `audiences`, `evaluations` and `baseline`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.markup import escape

from muster.cli.shapes import runs as shapes
from muster.cli.show import terminal
from muster.cli.show.printable import one_line
from muster.cli.show.runs import SENT, counts, status
from muster.runs import iso, rounded

if TYPE_CHECKING:
    from muster.runs import AudienceSummary, Baseline, EvaluationSummary, Reject, Run, RunDetails

_SIZES = ("realized", "entered", "exited")


def run_list(runs: "Sequence[Run]") -> None:
    """Print the result of `runs list`."""
    if not runs:
        terminal.say("no runs yet; `muster run` does what is due, `muster plan` shows it first")
        return
    lines = [
        {
            "run": run.run_id,
            "activation": escape(run.key),
            "scheduled": iso(run.scheduled_time),
            "export": run.export,
            "trigger": run.trigger.replace("_", " "),
            "status": status(run),
            **counts(run, SENT),
        }
        for run in runs
    ]
    spare = ("scheduled", "trigger", "export", "excluded")  # the run's id begins with the time
    terminal.fitted(lines, numbers=SENT, spare=spare)


def run_details(details: "RunDetails") -> None:
    """Print the result of `runs show`."""
    again = [f"{iso(each.at)}, files: {each.files}" for each in details.redeliveries]
    overridden = {"guards_overridden": True} if details.run.guards_overridden else {}
    terminal.details(shapes.run(details.run) | overridden | ({"redelivered": again} if again else {}))


def rejects(left_out: "Sequence[Reject]") -> None:
    """Print the result of `runs rejects`."""
    lines = [(one_line(each.profile_id), each.reason) for each in left_out]
    terminal.rows(("profile_id", "reason"), lines, empty="nobody was left out")


def audiences(found: "Sequence[AudienceSummary]") -> None:
    """Print the result of `audiences list`."""
    lines = [
        (each.audience.id, each.audience.name, iso(newest.at), newest.realized, newest.entered, newest.exited)
        if (newest := each.newest)
        else (each.audience.id, each.audience.name, None, None, None, None)
        for each in found
    ]
    terminal.rows(
        ("audience", "name", "evaluated", *_SIZES),
        lines,
        numbers=_SIZES,
        empty="no audiences yet: add some to audiences/*.yml",
    )


def evaluations(found: "Sequence[EvaluationSummary]") -> None:
    """Print the result of `evaluations list`."""
    lines = [
        (
            iso(each.at),
            _with_age(each.snapshot, each.ages),
            each.used,
            ", ".join(one.audience for one in each.audiences),
        )
        for each in found
    ]
    headings = ("evaluated", "snapshot", "used", "audiences")
    terminal.rows(headings, lines, empty="nothing was evaluated yet; `muster evaluate`")


def _with_age(snapshot: str, ages: dict[str, int]) -> str:
    """A snapshot's name, and how old it was at the evaluation."""
    return f"{snapshot} ({rounded(timedelta(seconds=ages['profiles']))} old)" if "profiles" in ages else snapshot


def forgotten(number: int) -> str:
    """Return the sentence about the evaluations that `evaluations forget` removed."""
    if not number:
        return "there is no evaluation after that time"
    return "1 evaluation of an audience forgotten" if number == 1 else f"{number:,} evaluations of audiences forgotten"


def baselines(found: "Sequence[Baseline]") -> None:
    """Print the result of `baseline show`."""
    lines = [
        (f"{each.destination}/{each.activation}", each.profiles, iso(each.evaluated_at), iso(each.delivered_at))
        for each in found
    ]
    headings = ("activation", "profiles", "evaluated", "delivered")
    terminal.rows(headings, lines, numbers=("profiles",), empty="nothing was delivered yet")
