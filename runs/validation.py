"""`muster validate`: everything that can be known to go wrong, looked at without writing (SPEC 9, 10, X1)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from muster.activation.errors import ExportError, InputError
from muster.activation.evaluation.evaluate import decide_members
from muster.activation.inputs import events
from muster.activation.instants import iso
from muster.activation.mapping.layout import layout
from muster.activation.model.redaction import redact, redact_error
from muster.activation.model.workspace import Activation
from muster.activation.rules.expressions import Moment
from muster.activation.rules.order import with_references
from muster.activation.session import Session
from muster.activation.stores import urls

_SOON = timedelta(days=30)


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
    workspace, checked = (
        session.workspace,
        Checked(len(session.workspace.audiences), len(session.workspace.activations)),
    )
    with _noted(checked):
        checked.snapshot, checked.profiles = session.opened.snapshot.name, session.opened.snapshot.rows
    readable = _decidable(session, checked)
    if checked.snapshot:
        with _noted(checked):
            decision = decide_members(session, readable)
            checked.problems += decision.failures.values()
            checked.notes += decision.warnings
    unfit: dict[tuple[type[ExportError], str], list[str]] = {}
    for activation in workspace.activations:
        for check in (_check_mapping, _check_destination, _check_encryption):
            try:
                check(activation, session, checked)
            except ExportError as error:
                unfit.setdefault((type(error), str(error)), []).append(activation.key)
    checked.problems += [kind(_said_by(keys, message)) for (kind, message), keys in unfit.items()]
    for problem in checked.problems:
        redact_error(problem, workspace.variables)
    checked.notes = [redact(text, workspace.variables) for text in checked.notes]
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
        ({name for name, each in audiences.items() if each.from_feed}, lambda: session.opened.feed),
    ):
        before = len(checked.problems)
        with _noted(checked):
            _ = read() if needing else None
        lost |= needing if len(checked.problems) > before else set()
    return [name for name in audiences if not lost.intersection(with_references([name], audiences))]


def _read_events(session: Session) -> None:
    if session.workspace.events:
        events.read(session.opened.event_parts, session.workspace.events)


def _check_mapping(activation: Activation, session: Session, checked: Checked) -> None:
    if checked.snapshot:
        layout(activation, session.opened.snapshot, Moment(session.at, session.workspace.zone))


def _check_destination(activation: Activation, session: Session, _checked: Checked) -> None:
    workspace = session.workspace
    session.destinations.target_at(
        urls.normalise(activation.url, workspace.root), activation.destination, workspace.file_mode
    ).reach()


def _check_encryption(activation: Activation, session: Session, checked: Checked) -> None:
    session.destinations.encryption(activation)
    pgp = activation.encryption
    for key in (*pgp.public_keys, *([pgp.sign_with] if pgp.sign_with else [])) if pgp else ():
        note = (
            f"{key.location.file}:{key.location.line}: {key.path} expires at {iso(key.expires)}" if key.expires else ""
        )
        if key.expires and key.expires - session.at < _SOON and note not in checked.notes:
            checked.notes.append(note)


def _said_by(keys: Sequence[str], message: str) -> str:
    """A mistake that several activations inherit from their destination is said once."""
    whose = ", ".join(keys) if len(keys) <= 3 else f"{', '.join(keys[:3])} and {len(keys) - 3} more"
    return "\n".join(f"{whose}: {line}" for line in message.splitlines())
