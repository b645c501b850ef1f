"""Read all of the state, and say of each fault what is wrong, what it affects and what each repair costs (SPEC 10). Edge module.

No lock is taken: what a command at work changes meanwhile is looked at again before it is called a fault.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from muster.activation.destinations.remote import STAGING
from muster.activation.errors import DataError, MusterError, StateError
from muster.activation.frames import engine
from muster.activation.inputs.paths import Inputs
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Baseline, StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.state import permissions
from muster.activation.state.folder import FOLDERS, PRUNING, RESTORING, StateFolder, unnamed_staged
from muster.activation.state.ledger import baselines_table, evaluations_table, named_files, runs_table, sightings_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import checksum
from muster.activation.system.os_errors import system_message

KNOWN = {
    *FOLDERS,
    "ledger.sqlite",
    "ledger.sqlite-journal",
    "ledger.checked",
    "config.checked",
    "lock",
    PRUNING,
    STAGING,
}
ASIDE = ("damaged-", "replaced-")  # folders in which repairs and restores leave what they replaced


@dataclass(frozen=True)
class Repair:
    """One way to mend a fault: the option of `state repair` that does it, and what that costs."""

    option: str
    cost: str


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. ``damage`` is what a command could stumble over; the rest only lies about."""

    file: str
    problem: str
    affects: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    damage: bool = True


@dataclass
class Health:
    """What a check found."""

    folder: str
    files: int = 0
    bytes: int = 0
    at_work: bool = False  # another command holds the lock
    faults: list[Fault] = field(default_factory=list)

    @property
    def damaged(self) -> bool:
        """Whether there is damage."""
        return any(fault.damage for fault in self.faults)


def check(workspace: Workspace, state: StateFolder) -> Health:
    """Look at everything; ``StateError`` for a state that may not be looked at, because others can write it."""
    health = Health(state.folder.name, at_work=_at_work(state.folder))
    if not state.folder.exists() and not state.folder.is_symlink():
        return health
    if not state.allow_insecure:
        permissions.refuse_insecure(state.folder, state.file_mode)
    try:
        with state.reading() as ledger:
            examine(workspace, state, ledger, health)
    except StateError as error:
        restore = Repair("", "`muster state restore BACKUP`: what was delivered since the backup is delivered again")
        name = f"{state.folder.name}/ledger.sqlite"
        health.faults.append(Fault(name, str(error).removeprefix(f"{name}: "), ("every command",), (restore,)))
    return health


def examine(workspace: Workspace, state: StateFolder, ledger: Ledger, health: Health) -> Health:
    """Look at all but whether the ledger can be opened."""
    health.faults += _folder_faults(state)
    health.faults += [] if health.at_work else [*_left_faults(state), *_staged_faults(state, ledger)]
    health.faults += _ledger_faults(state, ledger)
    _look_at_files(workspace, state, ledger, health)
    return health


def _at_work(folder: Path) -> bool:
    """Whether another command holds the lock, where the system tells (Linux); to try it would get in the way of one that begins."""
    try:
        file = (folder / "lock").stat().st_ino
        return any(
            line.split()[1] == "FLOCK" and f":{file} " in line for line in Path("/proc/locks").read_text().splitlines()
        )
    except (OSError, IndexError):
        return False


# The folder


def _folder_faults(state: StateFolder) -> Iterator[Fault]:
    """What stands in the folder that does not belong there, and who may read it."""
    tidy = (Repair("--tidy", "nothing that is needed"),)
    for path in sorted(state.folder.glob("*")):
        name = f"{state.folder.name}/{path.name}"
        if path.name.startswith(ASIDE):
            yield Fault(
                name, "is what a repair or a restore put aside; remove it when you need it no more", damage=False
            )
        elif path.name in FOLDERS and (path.is_symlink() or not path.is_dir()):
            what = "is a link" if path.is_symlink() else "is no folder"
            yield Fault(
                name, f"{what} where a folder of the state belongs; move it away", ("every command that writes",)
            )
        elif path.name == RESTORING:
            yield Fault(
                name,
                "was left by a restore that was interrupted: `muster state restore BACKUP --force` again",
                ("every command",),
            )
        elif path.name not in KNOWN:
            yield Fault(name, "is none of muster's", repairs=tidy, damage=False)
    yield from _readable(state)


def _readable(state: StateFolder) -> Iterator[Fault]:
    """Files that more people may read or write than `file_mode` says (F6)."""
    mended = (Repair("--tidy", "nothing: its mode is set"),)
    for path in _below(state.folder):
        found = _form(path)
        if found is None or stat.S_ISLNK(found) or path.relative_to(state.folder).parts[0] not in KNOWN - {"tmp"}:
            continue
        allowed = state.file_mode | (0o111 & (state.file_mode >> 2) if stat.S_ISDIR(found) else 0)
        mode = found & 0o777
        if mode & 0o077 & ~allowed:
            name = f"{state.folder.name}/{path.relative_to(state.folder).as_posix()}"
            yield Fault(
                name,
                f"has mode {mode:04o}, which lets others in; `file_mode` is {state.file_mode:04o}",
                (),
                mended,
                damage=False,
            )


def _below(folder: Path) -> list[Path]:
    """Everything in a folder and in those inside it; one that another command takes away meanwhile is passed over."""
    return sorted(Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files))


def _form(path: Path) -> int | None:
    """What a file is and who may use it; None when another command took it away since it was listed."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _left_faults(state: StateFolder) -> Iterator[Fault]:
    """Files that were being written when a command was killed."""
    tidy = (Repair("--tidy", "nothing that is needed"),)
    for path in sorted((state.folder / "tmp").glob("*")):
        yield Fault(
            path.relative_to(state.folder.parent).as_posix(),
            "was left by a command that was killed",
            repairs=tidy,
            damage=False,
        )


# The ledger


def _staged_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """Files that wait for an upload which no run is about to make."""
    tidy = (Repair("--tidy", "nothing that is needed"),)
    for path in unnamed_staged(state.folder, ledger):
        yield Fault(
            f"{state.folder.name}/{STAGING}/{path.name}",
            "was left by a command that was killed",
            repairs=tidy,
            damage=False,
        )


def _ledger_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """A ledger that could be opened, looked at page by page."""
    name = f"{state.folder.name}/ledger.sqlite"
    restore = (Repair("", "`muster state restore BACKUP`: what was delivered since the backup is delivered again"),)
    found = [row[0] for row in ledger.ask("PRAGMA integrity_check(20)")]
    if found != ["ok"]:
        yield Fault(name, f"the ledger is damaged ({found[0].splitlines()[-1]})", ("every command",), restore)
        return
    broken = {row["table"] for row in ledger.ask("PRAGMA foreign_key_check")}
    for table in sorted(broken):
        yield Fault(name, f"rows of its table {table} belong to nothing", ("every command",), restore)
    for read in (evaluations_table.list_all, runs_table.find, baselines_table.list_all, sightings_table.list_all):
        read(ledger)  # ``StateError`` for a value that muster never writes


# Files


def _look_at_files(workspace: Workspace, state: StateFolder, ledger: Ledger, health: Health) -> None:
    named = named_files.named(ledger)
    problems = {file: problem for file, stored in named.items() if (problem := _problem(state, stored, health))}
    now = named_files.named(ledger) if problems else {}  # a command at work has removed what it replaced
    swapped = {each.sha256: file for file, each in named.items() if each.size >= 0}
    for file, problem in problems.items():
        if now.get(file) == named[file]:
            other = _is_copy_of(state.folder / file, swapped)
            told = f"{problem}: it is {health.folder}/{other}" if other and other != file else problem
            fault = Fault(f"{health.folder}/{file}", told)
            health.faults.append(_explained(fault, named[file], workspace, state, ledger))
    tidy = (Repair("--tidy", "nothing that is needed"),)
    health.faults += [
        Fault(f"{health.folder}/{file}", "is named by nothing in the ledger", repairs=tidy, damage=False)
        for file in named_files.unnamed(state.folder, ledger)
        if not health.at_work
    ]


def _problem(state: StateFolder, stored: StoredFile, health: Health) -> str:
    """What is wrong with a file that the ledger names, or nothing."""
    path = state.folder / stored.file
    try:
        if path.is_symlink() or not path.is_file():
            return (
                "is missing"
                if not os.path.lexists(path)
                else f"is a {'link' if path.is_symlink() else 'folder'}, not a file"
            )
        size = path.stat().st_size
        health.files, health.bytes = health.files + 1, health.bytes + size
        if size == 0:
            return "is empty"
        if stored.size not in (size, -1):
            return f"has {size:,} bytes, not the {stored.size:,} that were written"
        if checksum(path) != stored.sha256:
            return "differs from what was written"
    except OSError as error:
        return f"cannot be read ({system_message(error)})"
    try:
        engine.schema_of(pl.scan_parquet(path, glob=False, hive_partitioning=False))
    except (MusterError, pl.exceptions.PolarsError) as error:
        return f"is as it was written, but cannot be read by this version ({str(error).splitlines()[0]})"
    return ""


def _is_copy_of(path: Path, known: dict[str, str]) -> str:
    """The state file that stands in this one's place, if it is one."""
    try:
        return known.get(checksum(path), "") if path.is_file() else ""
    except OSError:
        return ""


def _explained(fault: Fault, stored: StoredFile, workspace: Workspace, state: StateFolder, ledger: Ledger) -> Fault:
    """The fault with what it affects and what its repairs cost."""
    kind = stored.file.partition("/")[0]
    baselines = [each for each in baselines_table.list_all(ledger) if each.stored.file == stored.file]
    if kind == "memberships":
        evaluation = evaluation_in(stored.file, ledger)
        return _evaluation_fault(fault, evaluation, baselines, workspace, ledger) if evaluation else fault
    if baselines:
        affects = tuple(f"the next incremental or guarded export of {_key(each)}" for each in baselines)
        return replace(fault, affects=affects, repairs=tuple(_reset(each, ledger) for each in baselines))
    if kind == "baselines":
        run = next(
            (
                run
                for run in runs_table.unfinished(ledger)
                if run.baseline and run.baseline["stored"]["file"] == stored.file
            ),
            None,
        )
        return replace(fault, affects=(f"run {run.run_id} of {run.key}, which is being delivered",) if run else ())
    if kind == "rosters":
        return _roster_fault(fault, stored, state, ledger)
    run_id = Path(stored.file).stem
    tidy = Repair(
        "--tidy", f"`muster runs rejects {run_id}` cannot tell any more" if kind == "rejects" else "its history"
    )
    return replace(
        fault,
        affects=(f"`muster runs rejects {run_id}` alone" if kind == "rejects" else f"run {run_id}",),
        repairs=(tidy,),
    )


def evaluation_in(file: str, ledger: Ledger) -> AudienceEvaluation | None:
    """The evaluation whose memberships lie in a file of the state."""
    return next((each for each in evaluations_table.list_all(ledger) if each.stored.file == file), None)


def _evaluation_fault(
    fault: Fault, evaluation: AudienceEvaluation, baselines: Iterable[Baseline], workspace: Workspace, ledger: Ledger
) -> Fault:
    audience, at = evaluation.audience, iso(evaluation.at)
    newest = evaluations_table.newest(ledger, audience)
    is_newest = newest is not None and newest.at == evaluation.at
    affects = [f"the next evaluation and every export of audience {audience}"] if is_newest else []
    affects += [f"the next incremental or guarded export of {_key(each)}" for each in baselines]
    reset = [_reset(each, ledger) for each in baselines]
    again = Repair(f"--reevaluate {audience}", _cost_of_reading(evaluation, workspace))
    forget = (
        [] if reset else [Repair(f"--forget {audience}", _cost_of_forgetting(evaluation, ledger, is_newest=is_newest))]
    )
    history = (f"the history of audience {audience}: its evaluation at {at} alone",)
    return replace(fault, affects=tuple(affects) or history, repairs=(again, *reset, *forget))


def missing_inputs(evaluation: AudienceEvaluation, workspace: Workspace) -> list[str]:
    """The recorded input files of an evaluation that changed or are gone."""
    inputs = evaluation.inputs
    records = [*inputs["snapshot"]["files"], *inputs["events"], *inputs["memberships"]]
    places = Inputs(workspace)
    return [str(each["name"]) for each in records if not _is_there(each, places)]


def _is_there(record: dict[str, str | int], places: Inputs) -> bool:
    try:
        return places.read_one(places.named(str(record["name"]))).record == record
    except (DataError, OSError):
        return False


def _cost_of_reading(evaluation: AudienceEvaluation, workspace: Workspace) -> str:
    if gone := missing_inputs(evaluation, workspace):
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        return f"not possible: {gone[0]}{more} changed or is gone since {iso(evaluation.at)}"
    return f"evaluates again at {iso(evaluation.at)}: reads {evaluation.inputs['snapshot']['name']}, which is as it was"


def _cost_of_forgetting(evaluation: AudienceEvaluation, ledger: Ledger, *, is_newest: bool) -> str:
    if not is_newest:
        return "its history alone"
    times = [
        each.at
        for each in evaluations_table.list_all(ledger)
        if each.audience == evaluation.audience and each.at < evaluation.at
    ]
    if not times:
        return (
            f"the next evaluation is a first one: about {evaluation.realized:,} profiles enter anew, and are sent again"
        )
    moved = f"{evaluation.entered:,} profiles who entered and {evaluation.exited:,} who left"
    return (
        f"the next evaluation goes on from {iso(max(times))}: {moved} at {iso(evaluation.at)} do so again, "
        f"and are sent again"
    )


def _reset(baseline: Baseline, ledger: Ledger) -> Repair:
    run = runs_table.get(ledger, baseline.run_id)
    newest = evaluations_table.newest(ledger, run.audience) if run else None
    number = newest.realized if newest else baseline.profiles
    key = _key(baseline)
    return Repair(f"--reset-baseline {key}", f"the next export of {key} is a full one of about {number:,} profiles")


def _roster_fault(fault: Fault, stored: StoredFile, state: StateFolder, ledger: Ledger) -> Fault:
    """A roster only saves time, unless a delivered set that is an evaluation's file has its digests there."""
    held = roster_users(stored, ledger)
    if not held:
        tidy = Repair("--tidy", "time: the next evaluation looks profiles up by their ids")
        gone = not (state.folder / stored.file).exists()
        return replace(fault, affects=("nothing but time",), repairs=() if gone else (tidy,), damage=not gone)
    affects = tuple(f"the next incremental or guarded export of {_key(each)}" for each in held)
    return replace(fault, affects=affects, repairs=tuple(_reset(each, ledger) for each in held))


def roster_users(stored: StoredFile, ledger: Ledger) -> list[Baseline]:
    """The baselines whose identity digests a roster has."""
    name = Path(stored.file).stem
    evaluated = {each.stored.file for each in evaluations_table.list_all(ledger) if each.inputs.get("roster") == name}
    return [each for each in baselines_table.list_all(ledger) if each.stored.file in evaluated]


def _key(baseline: Baseline) -> str:
    return f"{baseline.destination}/{baseline.activation}"
