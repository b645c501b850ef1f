"""A check of all of the state, which reads everything, changes nothing and takes no lock (SPEC 10).

What a command at work changes meanwhile is looked at again before it is called a fault.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from muster.activation.errors import StateError
from muster.activation.model.workspace import Workspace
from muster.activation.state import leftovers, permissions, state_paths
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import (
    baselines_table,
    builds_table,
    evaluations_table,
    failures_table,
    looks_table,
    message_baselines_table,
    runs_table,
    sightings_table,
)
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import folder_mode
from muster.activation.upkeep import named_file_faults, outbox_faults
from muster.activation.upkeep.faults import RESTORE, SET_MODE, Fault, Findings, Health, left_over


def check(workspace: Workspace, state: StateFolder) -> Health:
    """Check the state; ``StateError`` for one that may not be looked at, because others can write it."""
    findings = Findings(state.folder.name, at_work=_at_work(state.folder))
    if not state.folder.exists() and not state.folder.is_symlink():
        return findings.health()
    if not state.allow_insecure:
        permissions.refuse_insecure(state.folder, state.file_mode)
    try:
        with state.reading() as ledger:
            return examine(workspace, state, ledger, findings)
    except StateError as error:
        name, problem = _named(str(error), state)
        findings.faults.append(Fault(name, problem, ("every command",), (RESTORE,)))
    return findings.health()


def examine(workspace: Workspace, state: StateFolder, ledger: Ledger, findings: Findings) -> Health:
    """Add to ``findings`` the faults of a state whose ledger could be opened, and return all faults."""
    findings.faults += _folder_faults(state)
    findings.faults += _mode_faults(state)
    if not findings.at_work:
        findings.faults += _killed_commands_faults(state, ledger)
    findings.faults += _ledger_faults(state, ledger)
    findings.faults += named_file_faults.found(workspace, state, ledger, findings)
    findings.faults += outbox_faults.found(state, ledger, findings)
    if not findings.at_work:
        findings.faults += _unnamed_file_faults(state, ledger)
    return findings.health()


def _named(message: str, state: StateFolder) -> tuple[str, str]:
    """The file or folder with which the message of an error begins, and the rest; by default the ledger's."""
    ledger = f"{state.folder.name}/{state_paths.LEDGER}"
    name, _, problem = message.partition(": ")
    is_named = problem and name.partition("/")[0] == state.folder.name
    return (name, problem) if is_named else (ledger, message)


def _at_work(folder: Path) -> bool:
    """Return whether another command holds the lock, where the system says so (Linux).

    Taking the lock to find out would get in the way of a command that begins.
    """
    try:
        file = (folder / state_paths.LOCK).stat().st_ino
        return any(
            line.split()[1] == "FLOCK" and f":{file} " in line for line in Path("/proc/locks").read_text().splitlines()
        )
    except (OSError, IndexError):
        return False


def _folder_faults(state: StateFolder) -> Iterator[Fault]:
    """Entries of the state folder that do not belong there."""
    for path in sorted(state.folder.glob("*")):
        name = f"{state.folder.name}/{path.name}"
        if state_paths.is_aside(path.name):
            problem = "is what a repair or a restore moved aside; remove it when you no longer need it"
            yield Fault(name, problem, damage=False)
        elif path.name in state_paths.FOLDERS and (path.is_symlink() or not path.is_dir()):
            what = "is a link" if path.is_symlink() else "is not a folder"
            problem = f"{what} where a folder of the state belongs; move it away"
            yield Fault(name, problem, ("every command that writes",))
        elif path.name == state_paths.RESTORING:
            problem = "was left by an interrupted restore: run `muster state restore BACKUP --force` again"
            yield Fault(name, problem, ("every command",))
        elif path.name not in state_paths.KNOWN:
            yield left_over(name, "was not made by muster")


def _mode_faults(state: StateFolder) -> Iterator[Fault]:
    """Files that more people may read or write than `file_mode` says (F6)."""
    for path in _below(state.folder):
        found = _file_type_and_mode(path)
        if found is None or stat.S_ISLNK(found):
            continue
        inside = path.relative_to(state.folder)
        if inside.parts[0] not in state_paths.KNOWN - {state_paths.TEMPORARY}:
            continue
        allowed = folder_mode(state.file_mode) if stat.S_ISDIR(found) else state.file_mode
        mode = found & 0o777
        if mode & 0o077 & ~allowed:
            problem = f"has mode {mode:04o}, which gives other users access; `file_mode` is {state.file_mode:04o}"
            name = f"{state.folder.name}/{inside.as_posix()}"
            yield Fault(name, problem, repairs=(SET_MODE,), damage=False, mode=True)


def _below(folder: Path) -> list[Path]:
    """Return everything in a folder and in those inside it, but what another command removes meanwhile."""
    return sorted(Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))


def _file_type_and_mode(path: Path) -> int | None:
    """Return ``st_mode``; None when another command removed the file since it was listed."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _killed_commands_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """Files that were being written, or waited for an upload or to be sent, when a command was killed."""
    being_written = sorted((state.folder / state_paths.TEMPORARY).glob("*"))
    unnamed = (leftovers.unnamed_uploads(state.folder, ledger), leftovers.unnamed_outboxes(state.folder, ledger))
    for path in (*being_written, *unnamed[0], *unnamed[1]):
        yield left_over(path.relative_to(state.folder.parent).as_posix(), "was left by a command that was killed")


def _ledger_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """Damage in a ledger that could be opened: all pages and all rows are read."""
    name = f"{state.folder.name}/{state_paths.LEDGER}"
    found = [row[0] for row in ledger.ask("PRAGMA integrity_check(20)")]
    if found != ["ok"]:
        problem = f"the ledger is damaged ({found[0].splitlines()[-1]})"
        yield Fault(name, problem, ("every command",), (RESTORE,))
        return
    broken = {row["table"] for row in ledger.ask("PRAGMA foreign_key_check")}
    for table in sorted(broken):
        yield Fault(name, f"rows of its table {table} refer to rows that do not exist", ("every command",), (RESTORE,))
    for read in (
        evaluations_table.list_all,
        failures_table.list_all,
        runs_table.find,
        baselines_table.list_all,
        message_baselines_table.list_all,
        looks_table.list_all,
        builds_table.list_all,
        sightings_table.list_all,
    ):
        read(ledger)  # ``StateError`` for a value that muster never writes


def _unnamed_file_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """Files in the folders of the state to which the ledger does not refer.

    An intact roster is not reported: a run may move the last baseline that needed it, and the next evaluation removes
    it. Nor are the files that the next command which writes removes, as pruning or a rewind was killed.
    """
    yield from _stray_faults(state, ledger)
    if (state.folder / state_paths.PRUNING).exists():
        return
    for file in leftovers.unnamed_files(state.folder, ledger):
        if not leftovers.is_intact_roster(state.folder, file):
            yield left_over(f"{state.folder.name}/{file}", "left over (the ledger does not refer to it)")


def _stray_faults(state: StateFolder, ledger: Ledger) -> Iterator[Fault]:
    """Files among the views and identity graphs of policies that no build could have written there.

    A folder of another name in ``profiles/`` may be the user's: a state may lie beside the data.
    """
    policies = {each.policy for each in builds_table.list_all(ledger)}
    for path in _below(state.folder):
        file = path.relative_to(state.folder).as_posix()
        kind, _, rest = file.partition("/")
        found = _file_type_and_mode(path)
        if kind not in state_paths.OF_BUILDS or found is None or stat.S_ISDIR(found) or state_paths.is_of_build(file):
            continue
        if kind == state_paths.GRAPHS or rest.partition("/")[0] in policies:
            yield left_over(f"{state.folder.name}/{file}", "was not made by muster")
