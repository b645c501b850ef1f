"""`muster validate`: everything that can be known to go wrong, looked at without writing (SPEC 9, 10, X1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from activation import events, urls
from activation.audience_order import with_references
from activation.errors import ExportError, InputError
from activation.evaluate import decide_members
from activation.expressions import Moment
from activation.hidden import hide, hide_in
from activation.rows import layout
from activation.session import Session
from activation.workspace import Activation


@dataclass
class Checked:
    """What `validate` found."""

    audiences: int
    activations: int
    snapshot: str = ""  # empty when it cannot be read
    profiles: int = 0
    problems: list[Exception] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def validate(session: Session) -> Checked:
    """`muster validate`: the rules on the data, the mappings on the snapshot, the destinations; writes nothing (X1).

    What cannot be read is a problem of its own, and everything that does not need it is looked at all the same.
    """
    workspace, checked = session.workspace, Checked(len(session.workspace.audiences), len(session.workspace.activations))
    with _noted(checked):
        checked.snapshot, checked.profiles = session.snapshot.name, session.snapshot.rows
    readable = _decidable(session, checked)
    if checked.snapshot:
        with _noted(checked):
            decision = decide_members(session, readable)
            checked.problems += decision.failures.values()
            checked.notes += decision.warnings
    unfit: dict[tuple[type[ExportError], str], list[str]] = {}
    for activation in workspace.activations:
        for check in (_check_mapping, _check_destination):
            try:
                check(activation, session, checked)
            except ExportError as error:
                unfit.setdefault((type(error), str(error)), []).append(activation.key)
    checked.problems += [kind(_said_by(keys, message)) for (kind, message), keys in unfit.items()]
    for problem in checked.problems:
        hide_in(problem, workspace.variables)
    checked.notes = [hide(text, workspace.variables) for text in checked.notes]
    return checked


@contextmanager
def _noted(checked: Checked) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        checked.problems.append(error)


def _decidable(session: Session, checked: Checked) -> list[str]:
    """The audiences whose events and feed can be read, and those of all that they refer to."""
    audiences = session.workspace.audiences
    lost: set[str] = set()
    for needing, read in (
        ({name for name, each in audiences.items() if each.measures}, lambda: _read_events(session)),
        ({name for name, each in audiences.items() if each.from_feed}, lambda: session.feed),
    ):
        before = len(checked.problems)
        with _noted(checked):
            _ = read() if needing else None
        lost |= needing if len(checked.problems) > before else set()
    return [name for name in audiences if not lost.intersection(with_references([name], audiences))]


def _read_events(session: Session) -> None:
    if session.workspace.events:
        events.read(session.event_parts, session.workspace.events)


def _check_mapping(activation: Activation, session: Session, checked: Checked) -> None:
    if checked.snapshot:
        layout(activation, session.snapshot, Moment(session.at, session.workspace.zone))


def _check_destination(activation: Activation, session: Session, _checked: Checked) -> None:
    workspace = session.workspace
    session.targets.open(urls.normalise(activation.url, workspace.root), activation.destination, workspace.file_mode).reach()


def _said_by(keys: Sequence[str], message: str) -> str:
    """A mistake that several activations inherit from their destination is said once."""
    whose = ", ".join(keys) if len(keys) <= 3 else f"{', '.join(keys[:3])} and {len(keys) - 3} more"
    return "\n".join(f"{whose}: {line}" for line in message.splitlines())
