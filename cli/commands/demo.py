"""`muster demo`: two days of the sample shop, told as a story, then two of its loyalty club and of a magazine."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from muster.cli.app import app
from muster.cli.commands.init import Folder, create_workspace
from muster.cli.invocation import open_with

if TYPE_CHECKING:
    from muster.cli.show.demo import ClubRow, StoryOutcome
    from muster.runs import OpenWorkspace, Report, Run
    from muster.sample_data import ClubMember

CLUB_FOLDER = "loyalty"  # of the second part, below that of the first
MAGAZINE_FOLDER = "magazine"  # of the third part


@app.command()
def demo(
    ctx: typer.Context,
    folder: Folder = Path("muster-demo"),
    sample: Annotated[
        Literal["shop", "loyalty", "magazine"] | None,
        typer.Option(
            "--sample",
            help="Tell one part alone: shop has a table of profiles, the profiles of loyalty are made of sources, "
            "magazine sends messages to a receiver. Default: all, the others in DIR/loyalty and DIR/magazine.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell the story of a sample shop, two days of exports; then of its club, and of a magazine that sends messages."""
    if sample in {None, "shop"}:
        _shop(ctx, folder)
    if sample in {None, "loyalty"}:
        _club(ctx, folder if sample else folder / CLUB_FOLDER)
    if sample in {None, "magazine"}:
        _magazine(ctx, folder if sample else folder / MAGAZINE_FOLDER)


def _shop(ctx: typer.Context, folder: Path) -> None:
    """Two days of the shop: evaluate, full, incremental and on-demand exports."""
    from muster import sample_data
    from muster.cli.show import demo as show
    from muster.runs import export

    create_workspace(folder)
    show.opening(folder)
    workspace = open_with(replace(ctx.obj, workspace=folder))
    for number, _ in enumerate(sample_data.DAYS, start=1):
        _day(number, workspace)
    show.people_of_the_story(*_story(replace(workspace, clock=None)))  # it is of its own days, not of today
    now = sample_data.EXPORTS[-1]
    show.on_demand(now)
    _show(export(workspace, [show.ON_DEMAND], now=now), workspace)
    show.ending(folder)


def _club(ctx: typer.Context, folder: Path) -> None:
    """Two days of the club: profiles from three sources, a merge, and what it does to a file."""
    from muster import sample_data
    from muster.cli.show import demo as show
    from muster.cli.show import graphs, profiles, sources
    from muster.runs import graph_stats, list_sources, show_profile

    create_workspace(folder, "loyalty")
    first, last = sample_data.EVALUATIONS[0], sample_data.EXPORTS[-1]
    workspace = open_with(replace(ctx.obj, workspace=folder))
    quiet, zone = replace(workspace, clock=None), workspace.config.zone  # it is of its own days, not of today
    show.club_opening(folder, first)
    sources.sources(list_sources(quiet, now=first), zone)
    for number, _ in enumerate(sample_data.DAYS, start=1):
        _day(number, workspace)
    merged = sample_data.CLUB["merged"]
    show.merge(merged)
    profiles.person(show_profile(quiet, f"Email:{merged.address}", now=last), zone)
    show.rows_of(merged, _club_rows(quiet, sample_data.CLUB_ACTIVATIONS[0], merged))
    show.people_of_the_club([(each, _club_outcome(quiet, each)) for each in sample_data.CLUB.values()])
    show.whole_graph()
    graphs.stats(graph_stats(quiet, now=last), zone)
    show.club_ending(folder)


def _magazine(ctx: typer.Context, folder: Path) -> None:
    """Two days of the magazine: its receiver is told of everybody, then of who joined, left or changed."""
    from muster import sample_data
    from muster.cli.show import demo as show
    from muster.sample_data.receiver import Receiver

    create_workspace(folder, "magazine")
    with Receiver() as receiver:
        variables = os.environ | {"RECEIVER_PORT": str(receiver.port)}
        workspace = open_with(replace(ctx.obj, workspace=folder), variables)
        show.magazine_opening(folder)
        for number, _ in enumerate(sample_data.DAYS, start=1):
            _day(number, workspace, "tell the receiver of everybody who changed")
            show.messages(number, [each.body for each in receiver.requests])
            receiver.requests.clear()
    show.magazine_ending(folder)


def _day(number: int, workspace: "OpenWorkspace", handed: str = "hand every destination its file") -> None:
    """One day: the evaluation at night, the exports in the morning."""
    from muster import sample_data
    from muster.cli.show import demo as show
    from muster.runs import evaluate, run

    night, morning = sample_data.EVALUATIONS[number - 1], sample_data.EXPORTS[number - 1]
    show.day(number, night, morning, handed)
    _show(evaluate(workspace, now=night), workspace)
    _show(run(workspace, now=morning), workspace)


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
    sent = {row["profile_id"]: row["status"] for row in _rows(run, workspace)}
    reasons = {reject.profile_id or "": reject.reason for reject in list_rejects(workspace, run.run_id)}
    people = [
        StoryOutcome(person.profile_id, person.name, person.happens, _outcome(person.profile_id, sent, reasons))
        for person in sample_data.STORY.values()
    ]
    return people, run


def _club_rows(workspace: "OpenWorkspace", key: str, member: "ClubMember") -> "list[ClubRow]":
    """The rows of an activation's files that hold an address of a person of the club, the first day's first."""
    from muster.cli.show.demo import ClubRow
    from muster.runs import list_runs

    runs = sorted((run for run in list_runs(workspace) if run.key == key), key=lambda run: run.scheduled_time)
    return [
        ClubRow(run.scheduled_time, row["profile_id"], row["email"], row["status"])
        for run in runs
        for row in _rows(run, workspace)
        if row["email"] in member.addresses
    ]


def _club_outcome(workspace: "OpenWorkspace", member: "ClubMember") -> str:
    """What the second day's files say of a person of the club."""
    from muster import sample_data

    found = {
        key.partition("/")[2]: [
            row.status for row in _club_rows(workspace, key, member) if row.day == sample_data.EXPORTS[-1]
        ]
        for key in sample_data.CLUB_ACTIVATIONS
    }
    told = [f"{name}: {' and '.join(statuses)}" for name, statuses in found.items() if statuses]
    return ", ".join(told) or "not sent: nothing changed"


def _rows(run: "Run", workspace: "OpenWorkspace") -> Sequence[dict[str, str]]:
    """The rows of a run's CSV files."""
    import csv

    found: list[dict[str, str]] = []
    for each in run.files:
        with (workspace.root / (run.url or "") / each.path).open(encoding="utf-8-sig", newline="") as file:
            found += csv.DictReader(file)
    return found


def _outcome(profile_id: str, sent: dict[str, str], reasons: dict[str, str]) -> str:
    if profile_id in sent:
        return f"sent: {sent[profile_id]}"
    if profile_id in reasons:
        return f"left out: {reasons[profile_id]}"
    return "not sent: nothing changed"
