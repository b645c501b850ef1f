"""`muster init` and `muster demo`: a workspace with sample data, and the story that it tells."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from muster import sample_data
from muster.activation.errors import RefusedError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.instants import iso
from muster.activation.model.history import Run
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table
from muster.activation.system.os_errors import system_message
from muster.cli.arguments import Options
from muster.cli.show import text
from muster.cli.show.text import Fate
from muster.runs import jobs, opening
from muster.runs.report import Report

_STORY_ACTIVATION = f"crm/{sample_data.STORY_AUDIENCE}"
_ON_DEMAND = "crm/vip-today"
SECOND_DAY = iso(sample_data.EXPORTS[-1])


def make_workspace(folder: Path) -> str:
    """Copy the sample workspace; ``RefusedError`` when the folder holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder}: is not empty; give a new or empty folder")
    try:
        sample_data.copy_to(folder)
    except OSError as error:
        raise RefusedError(f"{folder}: cannot be written: {system_message(error)}") from error
    return str(folder)


def tell(folder: Path, options: Options) -> None:
    """Two days of the sample shop: evaluate, full, incremental, on demand, and why each person is or is not in a file."""
    make_workspace(folder)
    here = replace(options, workspace=folder)
    text.chapter(f"A retail workspace with 2,000 profiles, 20,000 events and a membership feed is now in {folder}/")
    for number, (night, morning) in enumerate(zip(sample_data.EVALUATIONS, sample_data.EXPORTS, strict=True), start=1):
        text.chapter(
            f"Day {number}: decide who is in each audience, then hand every destination its file",
            commands=_commands(night, morning),
        )
        _show(here, night, lambda session: jobs.evaluate_job(session, (), exports=True, replace=False))
        _show(here, morning, lambda session: jobs.run_job(session, ()))
    text.chapter(
        f"Who is in the second day's file of {_STORY_ACTIVATION}, and why",
        commands=["muster runs list", "muster runs rejects RUN"],
    )
    with opening.reading(here) as session:
        run = _last_run(session)
        text.fates(_fates(session, run), run)
    asked = sample_data.EXPORTS[-1]
    text.chapter(
        "On demand: one extra full file; no schedule and no baseline changes",
        commands=[f"muster export {_ON_DEMAND} --at {iso(asked)}"],
    )
    _show(here, asked, lambda session: jobs.export_job(session, [_ON_DEMAND]))
    text.ending(
        str(folder),
        sorted(path.relative_to(folder).as_posix() for path in (folder / "exports").rglob("*") if path.is_file()),
    )


def _commands(night: datetime, morning: datetime) -> list[str]:
    return [f"muster evaluate --at {iso(night)}", f"muster run --at {iso(morning)}"]


def _show(options: Options, at: datetime, job: Callable[[Session], Report]) -> None:
    with opening.writing(options, at) as session:
        result = job(session)
    text.report(result)
    text.failures(result, verbose=False)


def _last_run(session: Session) -> Run:
    """The newest incremental run of the story's activation that wrote something new."""
    return next(
        run
        for run in runs_table.find(session.ledger)
        if run.key == _STORY_ACTIVATION and run.status == "succeeded" and not run.first_export
    )


def _fates(session: Session, run: Run) -> list[Fate]:
    """What the run's files and its list of rejects say of each person of the story."""
    sent = {
        row["profile_id"]: row["status"]
        for file in run.files
        for row in _rows(session.root / (run.url or "") / file.path)
    }
    left_out = _reasons(session, run)
    return [
        Fate(person.profile_id, person.name, person.happens, _outcome(person.profile_id, sent, left_out))
        for person in sample_data.STORY.values()
    ]


def _rows(path: Path) -> Sequence[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _reasons(session: Session, run: Run) -> dict[str, str]:
    if run.rejects is None:
        return {}
    return dict(engine.collect(session.state.read(run.rejects)).select(PROFILE_ID, "reason").iter_rows())


def _outcome(profile_id: str, sent: dict[str, str], left_out: dict[str, str]) -> str:
    if profile_id in sent:
        return f"sent: {sent[profile_id]}"
    if profile_id in left_out:
        return f"left out: {left_out[profile_id]}"
    return "not sent: nothing changed"
