"""Damaged files to which the ledger refers: what each affects, and what its repairs cost (SPEC 10)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.errors import DataError, MusterError
from muster.activation.frames import engine
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import baselines_table, evaluations_table, named_files, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import checksum
from muster.activation.system.os_errors import system_message
from muster.activation.upkeep.faults import Fault, Findings, Repair
from muster.activation.wording import counted


def found(workspace: Workspace, state: StateFolder, ledger: Ledger, findings: Findings) -> Iterator[Fault]:
    """Read all files to which the ledger refers, count them in ``findings``, and yield a fault for each damaged one."""
    named = named_files.named(ledger)
    problems = {file: problem for file, stored in named.items() if (problem := _problem(state, stored, findings))}
    now = named_files.named(ledger) if problems else {}  # a command at work has removed what it replaced
    by_checksum = {each.sha256: file for file, each in named.items() if each.size >= 0}
    for file, problem in problems.items():
        if now.get(file) == named[file]:
            other = _is_copy_of(state.folder / file, by_checksum)
            shown = f"{problem}: it is {findings.folder}/{other}" if other and other != file else problem
            yield _explained(Fault(f"{findings.folder}/{file}", shown), named[file], workspace, state, ledger)


def evaluation_in(file: str, ledger: Ledger) -> AudienceEvaluation | None:
    """Return the evaluation whose memberships lie in a file of the state."""
    return next((each for each in evaluations_table.list_all(ledger) if each.stored.file == file), None)


def missing_inputs(evaluation: AudienceEvaluation, workspace: Workspace) -> list[str]:
    """Return the recorded input files of an evaluation that changed or are missing."""
    recorded = evaluation.inputs
    records = [*recorded["snapshot"]["files"], *recorded["events"], *recorded["memberships"]]
    inputs = Inputs(workspace)
    return [str(each["name"]) for each in records if not _is_unchanged(each, inputs)]


def _is_unchanged(record: dict[str, Any], inputs: Inputs) -> bool:
    try:
        return inputs.recorded(record).record == record
    except (DataError, OSError):
        return False


def _problem(state: StateFolder, stored: StoredFile, findings: Findings) -> str:
    """Return the problem of a file to which the ledger refers, or an empty text; count the file and its bytes."""
    path = state.folder / stored.file
    try:
        if not os.path.lexists(path):
            return "is missing"
        if path.is_symlink() or not path.is_file():
            return f"is a {'link' if path.is_symlink() else 'folder'}, not a file"
        size = path.stat().st_size
        findings.files, findings.bytes = findings.files + 1, findings.bytes + size
        if size == 0:
            return "is empty"
        if stored.size not in (size, -1):
            return f"has {counted(size, 'byte')}, not the {stored.size:,} that were written"
        if checksum(path) != stored.sha256:
            return "differs from what was written"
    except OSError as error:
        return f"cannot be read ({system_message(error)})"
    try:
        engine.schema_of(pl.scan_parquet(path, glob=False, hive_partitioning=False))
    except (MusterError, pl.exceptions.PolarsError) as error:
        return f"is as it was written, but cannot be read by this version ({str(error).splitlines()[0]})"
    return ""


def _is_copy_of(path: Path, by_checksum: dict[str, str]) -> str:
    """Return the state file of which a file is a copy, or an empty text."""
    try:
        return by_checksum.get(checksum(path), "") if path.is_file() else ""
    except OSError:
        return ""


def _explained(fault: Fault, stored: StoredFile, workspace: Workspace, state: StateFolder, ledger: Ledger) -> Fault:
    """Return the fault with what it affects and what its repairs cost."""
    kind = state_paths.kind_of(stored.file)
    baselines = [each for each in baselines_table.list_all(ledger) if each.stored.file == stored.file]
    if kind == state_paths.MEMBERSHIPS:
        evaluation = evaluation_in(stored.file, ledger)
        return _evaluation_fault(fault, evaluation, baselines, workspace, ledger) if evaluation else fault
    if baselines:
        return _baseline_fault(fault, baselines, ledger)
    if kind == state_paths.BASELINES:
        return _pending_baseline_fault(fault, stored, ledger)
    if kind == state_paths.ROSTERS:
        return _roster_fault(fault, stored, state, ledger)
    return _run_fault(fault, kind, Path(stored.file).stem)


def _baseline_fault(fault: Fault, baselines: Sequence[Baseline], ledger: Ledger) -> Fault:
    repairs = tuple(_reset(each, ledger) for each in baselines)
    return replace(fault, affects=tuple(_affected_exports(baselines)), repairs=repairs)


def _pending_baseline_fault(fault: Fault, stored: StoredFile, ledger: Ledger) -> Fault:
    """Return the fault of a delivered set that a run under delivery will leave."""
    delivering = (run for run in runs_table.unfinished(ledger) if run.baseline)
    run = next((run for run in delivering if run.baseline and run.baseline["stored"]["file"] == stored.file), None)
    return replace(fault, affects=(f"run {run.run_id} of {run.key}, which is being delivered",) if run else ())


def _run_fault(fault: Fault, kind: str, run_id: str) -> Fault:
    """Return the fault of a run's rejects or decision."""
    if kind == state_paths.REJECTS:
        tidy = Repair("--tidy", f"loses the list that `muster runs rejects {run_id}` shows")
        return replace(fault, affects=(f"`muster runs rejects {run_id}` alone",), repairs=(tidy,))
    return replace(fault, affects=(f"run {run_id}",), repairs=(Repair("--tidy", "loses the rows that it wrote"),))


def _evaluation_fault(
    fault: Fault, evaluation: AudienceEvaluation, baselines: Sequence[Baseline], workspace: Workspace, ledger: Ledger
) -> Fault:
    audience, at = evaluation.audience, iso(evaluation.at)
    newest = evaluations_table.newest(ledger, audience)
    is_newest = newest is not None and newest.at == evaluation.at
    affects = [f"the next evaluation and every export of audience {audience}"] if is_newest else []
    affects += _affected_exports(baselines)
    repairs = [Repair(f"--reevaluate {audience}", _cost_of_reevaluating(evaluation, workspace))]
    if baselines:
        repairs += [_reset(each, ledger) for each in baselines]
    else:
        repairs.append(Repair(f"--forget {audience}", _cost_of_forgetting(evaluation, ledger, is_newest=is_newest)))
    history = (f"the history of audience {audience}: its evaluation at {at} alone",)
    return replace(fault, affects=tuple(affects) or history, repairs=tuple(repairs))


def _cost_of_reevaluating(evaluation: AudienceEvaluation, workspace: Workspace) -> str:
    if missing := missing_inputs(evaluation, workspace):
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        return f"not possible: {missing[0]}{more} changed or is missing since {iso(evaluation.at)}"
    return (
        f"evaluates again at {iso(evaluation.at)}: reads {evaluation.inputs['snapshot']['name']}, which has not changed"
    )


def _cost_of_forgetting(evaluation: AudienceEvaluation, ledger: Ledger, *, is_newest: bool) -> str:
    if not is_newest:
        return "its history alone"
    times = [
        each.at
        for each in evaluations_table.list_all(ledger)
        if each.audience == evaluation.audience and each.at < evaluation.at
    ]
    if not times:
        profiles = counted(evaluation.realized, "profile")
        return f"the next evaluation is a first one: about {profiles} enter anew, and are sent again"
    moved = f"{counted(evaluation.entered, 'profile')} who entered and {evaluation.exited:,} who left"
    return (
        f"the next evaluation goes on from {iso(max(times))}: {moved} at {iso(evaluation.at)} do so again, "
        f"and are sent again"
    )


def _roster_fault(fault: Fault, stored: StoredFile, state: StateFolder, ledger: Ledger) -> Fault:
    """Return the fault of a roster: it only saves time, unless it has the identity digests of a delivered set."""
    baselines = _baselines_with_digests_in(stored, ledger)
    if baselines:
        return _baseline_fault(fault, baselines, ledger)
    is_missing = not (state.folder / stored.file).exists()
    tidy = Repair("--tidy", "moves it aside: the next evaluation looks profiles up by their ids")
    return replace(
        fault,
        affects=("the speed of the next evaluation alone",),
        repairs=() if is_missing else (tidy,),
        damage=not is_missing,
    )


def _baselines_with_digests_in(stored: StoredFile, ledger: Ledger) -> list[Baseline]:
    """Return the baselines whose identity digests are in a roster."""
    name = Path(stored.file).stem
    evaluated = {each.stored.file for each in evaluations_table.list_all(ledger) if each.inputs.get("roster") == name}
    return [each for each in baselines_table.list_all(ledger) if each.stored.file in evaluated]


def _affected_exports(baselines: Sequence[Baseline]) -> list[str]:
    return [f"the next incremental or guarded export of {each.key}" for each in baselines]


def _reset(baseline: Baseline, ledger: Ledger) -> Repair:
    run = runs_table.get(ledger, baseline.run_id)
    newest = evaluations_table.newest(ledger, run.audience) if run else None
    number = newest.realized if newest else baseline.profiles
    cost = f"the next export of {baseline.key} is a full one of about {counted(number, 'profile')}"
    return Repair(f"--reset-baseline {baseline.key}", cost)
