"""Repair what a check found, as far as told, and nothing else (SPEC 10). Edge module.

Whatever is replaced is put aside first, into ``damaged-<instant>/`` in the state's folder, and never destroyed: then
the ledger is told. A kill in between leaves a file missing, which is the same damage, and can be repaired again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso, stamp
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.workspace import Workspace
from muster.activation.state.files import State
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import baselines_table, deletion, named_files, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import folder_mode, make_folder, sync
from muster.activation.upkeep.check import Fault, Health, evaluation_in, examine, missing_inputs

_ROUNDS = 3  # after a reset of a delivered set its evaluation may be forgotten


@dataclass(frozen=True)
class Asked:
    """Which repairs are to be done."""

    baselines: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    tidy: bool = False
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.options) or self.everything

    @property
    def options(self) -> list[str]:
        """As `state check` writes them."""
        named = (("--reevaluate", self.again), ("--reset-baseline", self.baselines), ("--forget", self.forget))
        return [f"{option} {name}" for option, names in named for name in dict.fromkeys(names)] + (
            ["--tidy"] if self.tidy else []
        )


@dataclass
class Repaired:
    """What was done, where what was replaced is, and what is left."""

    left: Health
    done: list[str] = field(default_factory=list)
    aside: str = ""


@dataclass
class _Work:
    """A repair under way, with the lock held."""

    workspace: Workspace
    state: State
    ledger: Ledger
    clock: Callable[[], datetime]
    done: list[str] = field(default_factory=list)
    _aside: Path | None = None

    @property
    def name(self) -> str:
        """The state's folder in messages."""
        return self.state.folder.name

    @property
    def aside(self) -> str:
        """Where things were put, if any were."""
        return f"{self.name}/{self._aside.name}" if self._aside else ""

    def examined(self) -> Health:
        """What is wrong now."""
        return examine(self.workspace, self.state, self.ledger, Health(self.name))

    def put_aside(self, file: str) -> None:
        """Move a file of the state away, if it is there."""
        path = self.state.folder / file
        if not path.exists() and not path.is_symlink():
            return
        if self._aside is None:
            wanted = f"damaged-{stamp(self.clock())}"
            taken = sum(1 for _ in self.state.folder.glob(f"{wanted}*"))
            self._aside = self.state.folder / (f"{wanted}-{taken + 1}" if taken else wanted)
        place = self._aside / file
        make_folder(place.parent, self.state.file_mode)
        path.rename(place)
        sync(place.parent)
        sync(path.parent)


def repair(
    workspace: Workspace, folder: StateFolder, asked: Asked, clock: Callable[[], datetime], wait: float
) -> Repaired:
    """Do what is asked; ``RefusedError`` for a repair that nothing needs, ``StateError`` when the ledger itself is damaged."""
    state = State(folder.folder, folder.file_mode, allow_insecure=folder.allow_insecure)
    with state.writing(wait, thorough=True) as ledger:
        work = _Work(workspace, state, ledger, clock)
        health = work.examined()
        _refuse_needless(asked, health)
        for option in asked.options:
            _carry_out(option, _faults(health, option), work)
        for _ in range(_ROUNDS if asked.everything else 0):
            health = work.examined()
            for option in _proposed(work, health):
                _carry_out(option, _faults(health, option), work)
        return Repaired(work.examined(), work.done, work.aside)


def _faults(health: Health, option: str) -> list[Fault]:
    return [fault for fault in health.faults if any(each.option == option for each in fault.repairs)]


def _refuse_needless(asked: Asked, health: Health) -> None:
    possible = sorted({each.option for fault in health.faults for each in fault.repairs if each.option})
    for option in asked.options:
        if option not in possible and option != "--tidy":
            raise RefusedError(
                f"{option}: `muster state check` finds no damage that this repairs{did_you_mean(option, possible)}"
            )


def _proposed(work: _Work, health: Health) -> list[str]:
    """For each fault the repair that loses least: to make it again where that is possible, else all others."""
    options: dict[str, None] = {}
    for fault in health.faults:
        known = [each.option for each in fault.repairs if each.option]
        evaluation = evaluation_in(_inside(fault, work), work.ledger)
        if evaluation and missing_inputs(evaluation, work.workspace):
            known = [option for option in known if not option.startswith("--reevaluate")]
        first = [option for option in known if option.startswith("--reevaluate")]
        options |= dict.fromkeys(first or known)
    return list(options)


def _inside(fault: Fault, work: _Work) -> str:
    return fault.file.removeprefix(f"{work.name}/")


def _carry_out(option: str, faults: list[Fault], work: _Work) -> None:
    kind, _, name = option.partition(" ")
    if kind == "--reset-baseline":
        _reset(name, work)
        return
    for fault in faults:
        file = _inside(fault, work)
        if kind == "--tidy":
            _tidy(file, fault, work)
        elif evaluation := evaluation_in(file, work.ledger):
            (_again if kind == "--reevaluate" else _forget)(evaluation, work)


def _reset(key: str, work: _Work) -> None:
    destination, _, activation = key.partition("/")
    found = baselines_table.get(work.ledger, destination, activation)
    if any(run.key == key for run in runs_table.unfinished(work.ledger)):
        raise RefusedError(f"{key}: a run was interrupted while it was delivered; `muster run` finishes it first")
    if found is None:
        return
    if not work.state.is_memberships(found.stored):
        work.put_aside(found.stored.file)
    with work.ledger.transaction():
        baselines_table.delete(work.ledger, destination, activation)
    work.done.append(f"{key}: its delivered set is forgotten; the next export is a first one")


def _forget(evaluation: AudienceEvaluation, work: _Work) -> None:
    if any(each.stored.file == evaluation.stored.file for each in baselines_table.list_all(work.ledger)):
        return  # what was delivered is in it: reset that first
    work.put_aside(evaluation.stored.file)
    with work.ledger.transaction():
        deletion.forget_evaluation(work.ledger, evaluation.audience, evaluation.at)
    work.done.append(f"the evaluation of {evaluation.audience} at {iso(evaluation.at)} is forgotten")


def _again(evaluation: AudienceEvaluation, work: _Work) -> None:
    from muster.activation.upkeep.reevaluate import make_again  # noqa: PLC0415  # the whole engine

    before = evaluation.stored
    with TemporaryDirectory(dir=work.state.folder / "tmp") as scratch:
        made = make_again(work.workspace, work.state, work.ledger, evaluation, scratch=Path(scratch), clock=work.clock)
        same = made.stored.sha256 == before.sha256
        if not same and any(each.stored.file == before.file for each in baselines_table.list_all(work.ledger)):
            raise RefusedError(
                f"the evaluation of {evaluation.audience!r} at {iso(evaluation.at)} has the same counts but "
                f"not the same bytes when it is "
                "made again, and is a delivered set: reset the baseline, then make it again"
            )
        work.put_aside(before.file)
        (Path(scratch) / made.stored.file).replace(work.state.folder / before.file)
        sync((work.state.folder / before.file).parent)
    if not same:
        with work.ledger.transaction():
            named_files.replace(work.ledger, before, made.stored)
    how = "the same bytes" if same else "the same counts"
    work.done.append(f"the evaluation of {evaluation.audience} at {iso(evaluation.at)} is made again: {how} as before")


def _tidy(file: str, fault: Fault, work: _Work) -> None:
    path, mode = work.state.folder / file, work.state.file_mode
    if not path.exists() and not path.is_symlink():
        return  # put aside for another reason
    if fault.problem.startswith("has mode"):
        path.chmod(folder_mode(mode) if path.is_dir() else mode)
        work.done.append(f"{fault.file}: its mode is set")
        return
    work.put_aside(file)
    with work.ledger.transaction():
        deletion.forget_file_of_runs(work.ledger, file)
    work.done.append(f"{fault.file}: put aside")
