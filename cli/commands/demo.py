"""`muster demo`: two days of the sample shop, told as a story."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from muster.cli.app import app
from muster.cli.commands.init import Folder, create_workspace
from muster.cli.invocation import open_with

if TYPE_CHECKING:
    from muster.cli.show.demo import StoryOutcome
    from muster.runs import OpenWorkspace, Report, Run


@app.command()
def demo(ctx: typer.Context, folder: Folder = Path("muster-demo")) -> None:
    """Walk through two days of a sample shop: evaluate, full, incremental and on-demand exports."""
    from muster import sample_data
    from muster.cli.show import demo as show
    from muster.runs import evaluate, export, run

    create_workspace(folder)
    show.opening(folder)
    workspace = open_with(replace(ctx.obj, workspace=folder))
    days = zip(sample_data.EVALUATIONS, sample_data.EXPORTS, strict=True)
    for number, (night, morning) in enumerate(days, start=1):
        show.day(number, night, morning)
        _show(evaluate(workspace, now=night), workspace)
        _show(run(workspace, now=morning), workspace)
    show.people_of_the_story(*_story(replace(workspace, clock=None)))  # it is of its own days, not of today
    now = sample_data.EXPORTS[-1]
    show.on_demand(now)
    _show(export(workspace, [show.ON_DEMAND], now=now), workspace)
    show.ending(folder)


def _show(report: "Report", workspace: "OpenWorkspace") -> None:
    from muster.cli.show import reports

    reports.report(report, workspace.config.zone)
    reports.failures(report, verbose=False)


def _story(workspace: "OpenWorkspace") -> "tuple[list[StoryOutcome], Run]":
    """Each person of the story with the outcome in the newest incremental run, and that run."""
    from muster import sample_data
    from muster.cli.show.demo import STORY_ACTIVATION, StoryOutcome
    from muster.runs import list_rejects, list_runs

    run = next(
        run
        for run in list_runs(workspace)
        if run.key == STORY_ACTIVATION and run.status == "succeeded" and not run.first_export
    )
    files = [workspace.root / (run.url or "") / file.path for file in run.files]
    sent = {row["profile_id"]: row["status"] for file in files for row in _rows(file)}
    reasons = {reject.profile_id or "": reject.reason for reject in list_rejects(workspace, run.run_id)}
    people = [
        StoryOutcome(person.profile_id, person.name, person.happens, _outcome(person.profile_id, sent, reasons))
        for person in sample_data.STORY.values()
    ]
    return people, run


def _rows(path: Path) -> Sequence[dict[str, str]]:
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _outcome(profile_id: str, sent: dict[str, str], reasons: dict[str, str]) -> str:
    if profile_id in sent:
        return f"sent: {sent[profile_id]}"
    if profile_id in reasons:
        return f"left out: {reasons[profile_id]}"
    return "not sent: nothing changed"
