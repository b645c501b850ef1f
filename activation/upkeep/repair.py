"""Repairs of what a check of the state found: those that the user chose, and no others (SPEC 10)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, StoredFile
from muster.activation.model.log import logger
from muster.activation.model.workspace import Workspace
from muster.activation.outbox import damage
from muster.activation.state import state_paths
from muster.activation.state.block_layout import own_digest
from muster.activation.state.files import State
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import (
    baselines_table,
    deletion,
    looks_table,
    message_baselines_table,
    named_files,
    runs_table,
)
from muster.activation.system.disk import folder_mode, sync
from muster.activation.upkeep import build_repairs, outbox_faults
from muster.activation.upkeep.build_faults import DROP_VIEW, REBUILD, RENEW_IDS
from muster.activation.upkeep.faults import Fault, Health
from muster.activation.upkeep.named_file_faults import evaluation_in, why_impossible
from muster.activation.upkeep.repair_work import RepairWork

log = logger("muster.repair")

_REEVALUATE, _RESET, _FORGET = "--reevaluate", "--reset-baseline", "--forget"
_ROUNDS = 3  # once a delivered set was reset, its evaluation may be forgotten


@dataclass(frozen=True)
class Choice:
    """Which repairs the user chose."""

    baselines: tuple[str, ...] = ()  # destination/activation
    outboxes: tuple[str, ...] = ()  # destination/activation
    reevaluate: tuple[str, ...] = ()  # audiences
    forget: tuple[str, ...] = ()  # audiences
    rebuild: tuple[str, ...] = ()  # merge policies
    drop_view: tuple[str, ...] = ()  # merge policies
    renew_ids: tuple[str, ...] = ()  # merge policies
    tidy: bool = False
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.options) or self.everything

    @property
    def options(self) -> list[str]:
        """The chosen repairs as `state check` writes them, such as ``--forget vip``."""
        named = (
            *((REBUILD, self.rebuild), (DROP_VIEW, self.drop_view), (RENEW_IDS, self.renew_ids)),
            *((_REEVALUATE, self.reevaluate), (_RESET, self.baselines), (_FORGET, self.forget)),
            (outbox_faults.DROP, self.outboxes),
        )
        chosen = [f"{option} {name}" for option, names in named for name in dict.fromkeys(names)]
        return [*chosen, "--tidy"] if self.tidy else chosen


@dataclass(frozen=True)
class Repaired:
    """The outcome of repairs: those carried out, the remaining faults, and the folder of replaced files."""

    remaining: Health
    done: tuple[str, ...]
    aside: str  # the folder of the replaced files; empty when none was replaced


def repair(
    workspace: Workspace, folder: StateFolder, choice: Choice, clock: Callable[[], datetime], wait: float
) -> Repaired:
    """Carry out the chosen repairs.

    ``RefusedError`` for a repair of what is not damaged, ``StateError`` when the ledger itself is damaged.
    """
    with folder.writing(wait, thorough=True) as ledger:
        work = RepairWork(workspace, folder, State(folder.folder, folder.file_mode), ledger, clock)
        health = work.examined()
        _refuse_needless(choice, health)
        _carry_out(choice.options, health, work)
        for _ in range(_ROUNDS if choice.everything else 0):
            health = work.examined()
            _carry_out(_proposed(work, health), health, work, or_instead=True)
        return Repaired(work.examined(), tuple(work.done), work.aside)


def _refuse_needless(choice: Choice, health: Health) -> None:
    possible = sorted({each.option for fault in health.faults for each in fault.repairs if each.option})
    for option in choice.options:
        if option not in possible and option != "--tidy":
            raise RefusedError(
                f"{option}: `muster state check` finds no damage that this repairs{did_you_mean(option, possible)}"
            )


def _proposed(work: RepairWork, health: Health) -> list[str]:
    """Return for each fault the repair that loses least: to evaluate again where that is possible, else all others."""
    options: dict[str, None] = {}
    for fault in health.faults:
        known = [each.option for each in build_repairs.least(fault.repairs) if each.option]
        for option in [each for each in known if each.startswith(_REEVALUATE)]:
            evaluation = _evaluation(option, fault, work)
            is_possible = evaluation and not why_impossible(evaluation, work.workspace)
            others = _instead(evaluation, work) if evaluation and is_possible else {option}
            known = [each for each in known if each not in others]
        options |= dict.fromkeys(known)
    return list(options)


def _instead(evaluation: AudienceEvaluation, work: RepairWork) -> set[str]:
    """Return the repairs that are not needed once an evaluation is made again."""
    return {_forgetting(evaluation), *_resets(evaluation, work)}


def _forgetting(evaluation: AudienceEvaluation) -> str:
    """Return the option that forgets an evaluation."""
    return f"{_FORGET} {evaluation.audience}"


def _resets(evaluation: AudienceEvaluation, work: RepairWork) -> list[str]:
    """Return the options that forget the delivered sets in the file of an evaluation."""
    of_all = baselines_table.list_all(work.ledger)
    return [f"{_RESET} {each.key}" for each in of_all if each.stored.file == evaluation.stored.file]


def _evaluation(option: str, fault: Fault, work: RepairWork) -> AudienceEvaluation | None:
    """Return the evaluation that a repair such as ``--forget vip`` is about."""
    return evaluation_in(_file(fault, work), option.partition(" ")[2], work.ledger)


def _file(fault: Fault, work: RepairWork) -> str:
    """Return the fault's file as a path in the state folder."""
    return fault.file.removeprefix(f"{work.state.folder.name}/")


def _carry_out(options: Sequence[str], health: Health, work: RepairWork, *, or_instead: bool = False) -> None:
    """Carry out repairs, such as ``--forget vip``, for all faults that propose them.

    Evaluations of one file are made again together. With ``or_instead``, where one is refused that, its delivered sets
    are reset, or it is forgotten if it is none.
    """
    for option in options:
        build_repairs.carry_out(option, health, work, or_instead=or_instead)
    options = [*options, *_make_again(options, health, work, or_instead=or_instead)]
    for option in options:
        if option.startswith(outbox_faults.DROP):
            _drop_outbox(option.partition(" ")[2], work)
    for option in options:
        if option.startswith(_RESET):
            _reset_baseline(option.partition(" ")[2], work)
    for option, fault in _proposing(options, health):
        if option == "--tidy":
            _tidy(_file(fault, work), fault, work)
        elif option.startswith(_FORGET) and (evaluation := _evaluation(option, fault, work)):
            _forget(evaluation, work)


def _make_again(options: Sequence[str], health: Health, work: RepairWork, *, or_instead: bool) -> list[str]:
    """Make evaluations again; returns what is to be done in place of those that are refused that."""
    again: dict[str, dict[str, AudienceEvaluation]] = {}
    for option, fault in _proposing(options, health):
        if option.startswith(_REEVALUATE) and (evaluation := _evaluation(option, fault, work)):
            again.setdefault(evaluation.stored.path, {})[evaluation.audience] = evaluation
    instead: list[str] = []
    for evaluations in again.values():
        if or_instead:
            refused = _refused(list(evaluations.values()), work)
            instead += [option for each in refused for option in _resets(each, work) or [_forgetting(each)]]
        else:
            _reevaluate(list(evaluations.values()), work)
    return instead


def _refused(evaluations: Sequence[AudienceEvaluation], work: RepairWork) -> list[AudienceEvaluation]:
    """Make the evaluations of one file again, each alone if need be; returns those that are refused that."""
    try:
        _reevaluate(evaluations, work)
    except RefusedError as error:
        log.warning("%s", error)
        return (
            [one for each in evaluations for one in _refused([each], work)] if len(evaluations) > 1 else [*evaluations]
        )
    return []


def _proposing(options: Iterable[str], health: Health) -> Iterator[tuple[str, Fault]]:
    """Yield each option with each fault that proposes it."""
    for option in options:
        yield from ((option, fault) for fault in health.faults if any(each.option == option for each in fault.repairs))


def _reset_baseline(key: str, work: RepairWork) -> None:
    destination, _, activation = key.partition("/")
    rows = message_baselines_table.get(work.ledger, destination, activation)
    found = baselines_table.get(work.ledger, destination, activation) or rows
    if any(run.key == key for run in runs_table.unfinished(work.ledger)):
        raise RefusedError(f"{key}: a run was interrupted while it was delivered; `muster run` finishes it first")
    if found is None:
        return
    for each in (found.stored, found.stored.mask):
        if each and not work.state.is_memberships(each):
            work.move_aside(each.file)
    with work.ledger.transaction():
        baselines_table.delete(work.ledger, destination, activation)
        message_baselines_table.delete(work.ledger, destination, activation)
        looks_table.delete(work.ledger, destination, activation)
    what = "delivered rows are forgotten; the next run is a first one" if rows else None
    work.done.append(f"{key}: its {what or 'delivered set is forgotten; the next export is a first one'}")


def _drop_outbox(key: str, work: RepairWork) -> None:
    """Let nothing more be sent of a damaged outbox; where it still says whom it is about, the next run settles it."""
    runs = [run for run in runs_table.unfinished(work.ledger) if run.key == key and run.outbox]
    for run in runs:
        problems = outbox_faults.problems_of(work.state, run, work.ledger)
        if outbox_faults.keeps(problems) and damage.keep_what_is_known(work.state, run):
            work.done.append(f"{key}: nothing more of run {run.run_id} is sent; the next command that sends settles it")
            continue
        work.move_outbox_aside(str((run.outbox or {})["folder"]))
        ended = replace(
            run, status="failed", error="its outbox was damaged, and dropped", finished_at=work.clock(), outbox=None
        )
        with work.ledger.transaction():
            runs_table.put(work.ledger, ended)
        work.done.append(f"{key}: run {run.run_id} has failed; the next run compares anew")


def _forget(evaluation: AudienceEvaluation, work: RepairWork) -> None:
    if any(each.stored.file == evaluation.stored.file for each in baselines_table.list_all(work.ledger)):
        return  # the file is a delivered set too: the baseline is reset first
    work.put_aside(evaluation.stored)
    with work.ledger.transaction():
        deletion.forget_evaluation(work.ledger, evaluation.audience, evaluation.at)
    work.drop_unnamed(evaluation.stored)
    work.done.append(f"the evaluation of {evaluation.audience} at {iso(evaluation.at)} is forgotten")


def _reevaluate(evaluations: Sequence[AudienceEvaluation], work: RepairWork) -> None:
    """Make the evaluations of one file again, and let the ledger refer to what comes out."""
    from muster.activation.upkeep.reevaluate import reevaluate  # noqa: PLC0415  # the whole engine

    before = evaluations[0].stored
    with TemporaryDirectory(dir=work.state.folder / state_paths.TEMPORARY) as scratch:
        made = reevaluate(work.workspace, work.state, work.ledger, evaluations, scratch=Path(scratch), clock=work.clock)
        how = [_how_alike(each, stored, work) for each, stored in zip(evaluations, made, strict=True)]
        file = _file_for(made[0], evaluations[0], work)
        work.put_aside(before)
        (Path(scratch) / made[0].path).replace(work.state.folder / file)
        sync((work.state.folder / file).parent)
    after = {
        each.stored.file: replace(stored, file=state_paths.part_of(file, stored.audience) if stored.audience else file)
        for each, stored in zip(evaluations, made, strict=True)
    }
    if any(after[each.stored.file] != each.stored for each in evaluations):
        with work.ledger.transaction():
            named_files.move(work.ledger, after)
        work.drop_unnamed(before)
    for each, alike in zip(evaluations, how, strict=True):
        work.done.append(f"the evaluation of {each.audience} at {iso(each.at)} is made again: {alike} as before")


def _how_alike(evaluation: AudienceEvaluation, made: StoredFile, work: RepairWork) -> str:
    """Return what an evaluation that was made again has in common with before; else ``RefusedError``."""
    before = evaluation.stored
    if own_digest(made.sha256) == own_digest(before.sha256):
        return "the same bytes"
    if any(each.stored.file == before.file for each in baselines_table.list_all(work.ledger)):
        raise RefusedError(
            f"the evaluation of {evaluation.audience!r} at {iso(evaluation.at)} has the same counts but not the same "
            "bytes when it is made again, and is a delivered set: reset the baseline, then make it again"
        )
    return "the same counts"


def _file_for(made: StoredFile, evaluation: AudienceEvaluation, work: RepairWork) -> str:
    """Return the file for what was made again: that of before, unless either is a block."""
    named = {*named_files.paths(work.ledger), evaluation.stored.path}
    if made.audience is not None:
        return state_paths.block_file(evaluation.at, named)
    if evaluation.stored.audience is None:
        return evaluation.stored.path
    files = (state_paths.memberships_file(evaluation.audience, evaluation.at, number) for number in count(1))
    return next(file for file in files if file not in named)


def _tidy(file: str, fault: Fault, work: RepairWork) -> None:
    path, mode = work.state.folder / file, work.state.file_mode
    if not path.exists() and not path.is_symlink() and file not in named_files.paths(work.ledger):
        return  # another repair has moved it aside
    if fault.mode:
        path.chmod(folder_mode(mode) if path.is_dir() else mode)
        work.done.append(f"{fault.file}: its mode is set")
        return
    if build_repairs.tidy(file, work):
        return
    work.move_aside(file)
    with work.ledger.transaction():
        deletion.forget_file_of_runs(work.ledger, file)
    work.done.append(f"{fault.file}: moved aside")
