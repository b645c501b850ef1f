"""Damaged files to which the ledger refers: what each affects, and what its repairs cost (SPEC 10)."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.errors import DataError, MusterError
from muster.activation.evaluation.record import rule_digest
from muster.activation.frames import engine
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, MessageBaseline, StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.state import state_paths
from muster.activation.state.block_digests import SHARED, CheckedBlocks, intact_layout
from muster.activation.state.block_layout import shared_digest
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import (
    baselines_table,
    evaluations_table,
    message_baselines_table,
    named_files,
    runs_table,
)
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import checksum
from muster.activation.system.os_errors import system_message
from muster.activation.upkeep import build_faults
from muster.activation.upkeep.faults import Fault, Findings, Repair
from muster.activation.wording import counted


def found(workspace: Workspace, state: StateFolder, ledger: Ledger, findings: Findings) -> Iterator[Fault]:
    """Read all files to which the ledger refers, count them in ``findings``, and yield a fault for each damaged one.

    A part of a block has a fault of its own, unless the bytes are damaged that all parts share.
    """
    named = named_files.named(ledger)
    problems = list(_problems(state, named.values(), findings))
    now = named_files.named(ledger) if problems else {}  # a command at work has removed what it replaced
    by_checksum = {each.sha256: file for file, each in named.items() if each.size >= 0}
    damaged = {each.path for _, affected in problems for each in affected}
    for problem, affected in problems:
        stored = [each for each in affected if now.get(each.file) == each]
        if stored:
            path = stored[0].path
            other = _is_copy_of(state.folder / path, by_checksum)
            shown = f"{problem}: it is {findings.folder}/{other}" if other and other != path else problem
            fault = Fault(f"{findings.folder}/{path}", shown)
            if state_paths.kind_of(path) in state_paths.OF_BUILDS:
                yield build_faults.explained(fault, stored[0], workspace, ledger, damaged)
            else:
                yield _explained(fault, stored, workspace, state, ledger)


def evaluation_in(file: str, audience: str, ledger: Ledger) -> AudienceEvaluation | None:
    """Return the evaluation of an audience whose memberships lie in a file of the state."""
    evaluations = evaluations_table.list_all(ledger)
    return next((each for each in evaluations if (each.stored.path, each.audience) == (file, audience)), None)


def why_impossible(evaluation: AudienceEvaluation, workspace: Workspace) -> str:
    """Return why an evaluation cannot be made again, or an empty text."""
    audience = workspace.audiences.get(evaluation.audience)
    if audience is None:
        return "the audience is not in the config any more"
    if missing := _missing_inputs(evaluation, workspace):
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        return f"{missing[0]}{more} changed or is missing since {iso(evaluation.at)}"
    if rule_digest(audience) != evaluation.rule:
        return "its rule changed since"
    return ""


def _missing_inputs(evaluation: AudienceEvaluation, workspace: Workspace) -> list[str]:
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


def _problems(
    state: StateFolder, named: Iterable[StoredFile], findings: Findings
) -> Iterator[tuple[str, list[StoredFile]]]:
    """Yield each problem of a file to which the ledger refers, with what is affected: the file, or parts of it."""
    parts: dict[str, list[StoredFile]] = {}
    for each in named:
        parts.setdefault(each.path, []).append(each)
    for path, stored in parts.items():
        if problem := _problem(state.folder / path, stored[0], findings):
            yield problem, stored
        elif stored[0].audience is not None:
            yield from _part_problems(state.folder / path, stored)


def _problem(path: Path, stored: StoredFile, findings: Findings) -> str:
    """Return the problem of a file to which the ledger refers, or an empty text; count the file and its bytes.

    Of a block only what is wrong with all parts is a problem of the file.
    """
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
        if stored.audience is None and checksum(path) != stored.sha256:
            return "differs from what was written"
        if stored.audience is not None and intact_layout(path, shared_digest(stored.sha256)) is None:
            return SHARED
    except OSError as error:
        return f"cannot be read ({system_message(error)})"
    try:
        engine.schema_of(pl.scan_parquet(path, glob=False, hive_partitioning=False))
    except (MusterError, pl.exceptions.PolarsError) as error:
        return f"is as it was written, but cannot be read by this version ({str(error).splitlines()[0]})"
    return ""


def _part_problems(path: Path, parts: Iterable[StoredFile]) -> Iterator[tuple[str, list[StoredFile]]]:
    """Yield the problem of each damaged part of a block whose shared bytes are intact."""
    checked = CheckedBlocks()
    for each in parts:
        try:
            problem = checked.problem(path, each)
        except OSError as error:
            problem = f"the memberships of audience {each.audience!r} cannot be read ({system_message(error)})"
        if problem:
            yield problem, [each]


def _is_copy_of(path: Path, by_checksum: dict[str, str]) -> str:
    """Return the state file of which a file is a copy, or an empty text."""
    try:
        return by_checksum.get(checksum(path), "") if path.is_file() else ""
    except OSError:
        return ""


def _explained(
    fault: Fault, stored: Sequence[StoredFile], workspace: Workspace, state: StateFolder, ledger: Ledger
) -> Fault:
    """Return the fault with what it affects and what its repairs cost; ``stored`` are several parts of one block."""
    kind, files = state_paths.kind_of(stored[0].path), {each.file for each in stored}
    of_all = baselines_table.list_all(ledger)
    baselines = [each for each in of_all if not files.isdisjoint(_files(each.stored))]
    if kind == state_paths.MEMBERSHIPS:
        evaluations = [each for each in evaluations_table.list_all(ledger) if each.stored.file in files]
        return _evaluations_fault(fault, evaluations, baselines, workspace, ledger)
    if baselines:
        return _baseline_fault(fault, baselines, ledger)
    rows = [each for each in message_baselines_table.list_all(ledger) if each.stored.file in files]
    if rows:
        return _rows_fault(fault, rows)
    if kind == state_paths.BASELINES:
        return _pending_baseline_fault(fault, stored[0], ledger)
    if kind == state_paths.NUMBERING:
        return _slower(fault, stored[0], state, "numbers profiles anew, and finds earlier memberships by their ids")
    if kind == state_paths.ROSTERS:
        return _roster_fault(fault, stored[0], state, ledger)
    return _run_fault(fault, kind, state_paths.run_in(stored[0].path))


def _baseline_fault(fault: Fault, baselines: Sequence[Baseline], ledger: Ledger) -> Fault:
    repairs = tuple(_reset(each, ledger) for each in baselines)
    return replace(fault, affects=tuple(_affected_exports(baselines)), repairs=repairs)


def _rows_fault(fault: Fault, baselines: Sequence[MessageBaseline]) -> Fault:
    """Return the fault of delivered rows: without them nobody knows whom a receiver was told of (V2)."""
    costs = (
        f"the next run of {each.key} tells all members anew, about {counted(each.members, 'profile')}; who has left "
        "since its last run gets no exit"
        for each in baselines
    )
    repairs = (Repair(f"--reset-baseline {each.key}", cost) for each, cost in zip(baselines, costs, strict=True))
    return replace(fault, affects=tuple(f"every run of {each.key}" for each in baselines), repairs=tuple(repairs))


def _pending_baseline_fault(fault: Fault, stored: StoredFile, ledger: Ledger) -> Fault:
    """Return the fault of a delivered set that a run under delivery will leave."""
    delivering = (run for run in runs_table.unfinished(ledger) if run.baseline)
    run = next(
        (run for run in delivering if run.baseline and stored.file in _files(StoredFile.of(run.baseline["stored"]))),
        None,
    )
    return replace(fault, affects=(f"run {run.run_id} of {run.key}, which is being delivered",) if run else ())


def _files(stored: StoredFile) -> tuple[str, ...]:
    """The file of a delivered set, and the mask."""
    return stored.file, *([stored.mask.file] if stored.mask else [])


def _run_fault(fault: Fault, kind: str, run_id: str) -> Fault:
    """Return the fault of a run's rejects or decision."""
    if kind == state_paths.REJECTS:
        tidy = Repair("--tidy", f"loses the list that `muster runs rejects {run_id}` shows")
        return replace(fault, affects=(f"`muster runs rejects {run_id}` alone",), repairs=(tidy,))
    return replace(fault, affects=(f"run {run_id}",), repairs=(Repair("--tidy", "loses the rows that it wrote"),))


def _evaluations_fault(
    fault: Fault,
    evaluations: Sequence[AudienceEvaluation],
    baselines: Sequence[Baseline],
    workspace: Workspace,
    ledger: Ledger,
) -> Fault:
    """Return the fault of a file with the memberships of evaluations, of which some are delivered sets too."""
    for each in evaluations:
        of_it = [baseline for baseline in baselines if baseline.stored.file == each.stored.file]
        one = _evaluation_fault(fault, each, of_it, workspace, ledger)
        fault = replace(fault, affects=(*fault.affects, *one.affects), repairs=(*fault.repairs, *one.repairs))
    return fault


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
    if why := why_impossible(evaluation, workspace):
        return f"not possible: {why}"
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
    return _slower(fault, stored, state, "looks profiles up by their ids")


def _slower(fault: Fault, stored: StoredFile, state: StateFolder, what: str) -> Fault:
    """Return the fault of a file that only saves time; ``what`` the next evaluation does without it."""
    is_missing = not (state.folder / stored.path).exists()
    tidy = Repair("--tidy", f"moves it aside: the next evaluation {what}")
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
