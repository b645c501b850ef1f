"""Damaged outboxes of runs that are being sent, and what the way out costs (V8, SPEC 10)."""

from collections.abc import Iterator, Sequence

from muster.activation.errors import StateError
from muster.activation.model.history import Run
from muster.activation.outbox import damage
from muster.activation.outbox.answer_log import LOG
from muster.activation.outbox.writing import TEXTS
from muster.activation.state.files import State
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger import named_files, runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.upkeep.faults import Fault, Findings, Repair

DROP = "--drop-outbox"
_KEEPS = "sends nothing more of it: everybody whose message was not answered counts as possibly told, and is sent again"
_LOSES = (
    "the run ends as failed, without its answers: who was told already is told again, and who was told and has left "
    "since gets no exit"
)


def found(state: StateFolder, ledger: Ledger, findings: Findings) -> Iterator[Fault]:
    """Yield a fault for each damaged outbox, after its files were counted in ``findings``."""
    files, tables = State(state.folder, state.file_mode), named_files.of_outboxes(ledger)
    findings.files += len(tables)
    findings.bytes += sum(each.size for each in tables)
    for run in runs_table.unfinished(ledger):
        problems = problems_of(files, run, ledger) if run.outbox else []
        still = runs_table.get(ledger, run.run_id) if problems else None
        if still is None or still.outbox != run.outbox:  # a command at work has ended the run meanwhile
            continue
        name, problem = _named(problems[0], state.folder.name, str((run.outbox or {})["folder"]))
        cost = _KEEPS if keeps(problems) else _LOSES
        affects = (f"run {run.run_id} of {run.key}, which is being sent, and every later one of {run.key}",)
        yield Fault(name, problem, affects, (Repair(f"{DROP} {run.key}", cost),))


def keeps(problems: Sequence[str]) -> bool:
    """Whether an outbox with these problems still says whom it is about: texts alone, or the log, are damaged."""
    return all(each.partition(": ")[0].endswith((f"/{TEXTS}", f"/{LOG}")) for each in problems)


def problems_of(files: State, run: Run, ledger: Ledger) -> list[str]:
    """What is wrong with the outbox of a run that is being sent, as the messages of errors."""
    return [*map(str, damage.faults(files, run)), *_own_problems(files, run, ledger)]


def _own_problems(files: State, run: Run, ledger: Ledger) -> list[str]:
    """What is wrong with the files that settling the run needs beside people, requests and entries."""
    known = {each.file for each in damage.files_of(run.outbox or {})}
    folder = f"{(run.outbox or {})['folder']}/"
    problems = list[str]()
    for each in named_files.of_outboxes(ledger):
        if each.file.startswith(folder) and each.file not in known:
            try:
                files.check(each)
            except StateError as error:
                problems.append(str(error))
    return problems


def _named(message: str, folder: str, outbox: str) -> tuple[str, str]:
    """The file with which the message of an error begins, and the rest without the advice to repair."""
    name, _, problem = message.partition(": ")
    if not problem or not name.startswith(f"{folder}/"):
        return f"{folder}/{outbox}", message
    return name, problem.partition(": the state is damaged")[0]
