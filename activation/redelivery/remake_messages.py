"""The bodies of a run of messages as files, in a folder of their own; nothing is sent (V11): `replay`.

The files are ``000001.json`` and so on, as they were sent and in that order; of a stream ``000001.jsonl``, a record a
line.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.activation.errors import ExportError
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.redaction import redact
from muster.activation.outbox.answer_log import name_of
from muster.activation.outbox.bodies import Body
from muster.activation.redelivery.message_material import gather_messages, refuse_unsent
from muster.activation.redelivery.remake import MadeRequest, Remade, give_name, refuse_taken
from muster.activation.redelivery.today import refuse_destination, refuse_forbidden
from muster.activation.session import Session
from muster.activation.stores.folder.target import LocalTarget
from muster.activation.system.disk import create_file, make_folder, own_file
from muster.activation.system.os_errors import system_message


def replay_messages(run: Run, session: Session, folder: Path, *, as_recorded: bool = False) -> Remade:
    """Write the bodies of a run's requests into a new or empty folder, which appears complete or not at all.

    ``RefusedError`` for a folder that is taken, for a run whose messages cannot be made again, and for one that today's
    policies forbid (G3, G4): ``as_recorded`` writes that one too, for an audit, but not into the folder of a
    destination.
    """
    refuse_unsent(run)
    remedy = f"; for an audit, `muster replay {run.run_id} --as-recorded` writes them into a folder of their own"
    if as_recorded:
        refuse_destination(folder, session)
    else:
        refuse_forbidden(run, session, remedy=remedy)
    material = gather_messages(run, session, as_recorded=as_recorded, remedy=remedy)
    above = refuse_taken(folder)
    mode = session.state.file_mode
    try:
        with TemporaryDirectory(dir=above, prefix=f".{folder.name}.") as temporary:
            target = LocalTarget(Path(temporary) / "files", str(folder), mode)
            make_folder(target.root, mode)
            writer = _Writer(run, material.recipe.compared, target.root, mode, dict(session.workspace.variables))
            digest = material.digest(writer.write)
            give_name(target, folder, mode)
    except OSError as error:
        raise ExportError(f"{folder}: cannot be written: {system_message(error)}; nothing is left there") from error
    different: ExportError | None = None
    if digest != material.recipe.texts_sha256:
        different = ExportError(f"{folder}: not the bodies that were sent: {material.why_different()}")
    return Remade(run, folder, tuple(writer.files), different, tuple(writer.requests))


@dataclass
class _Writer:
    """Writes bodies into a folder, one after another."""

    run: Run
    compared: int
    root: Path
    mode: int
    variables: dict[str, str]
    files: list[PlannedFile] = field(default_factory=list)
    requests: list[MadeRequest] = field(default_factory=list)

    def write(self, body: Body) -> None:
        """Write one body, unless it was refused before it was sent."""
        if not body.is_sent:
            return
        number = len(self.files) + 1
        request_id = f"{name_of(self.run.run_id, self.compared)}-{body.number}"
        name, content = f"{number:06}.{'json' if body.method else 'jsonl'}", body.filled(request_id)
        create_file(self.root / name, self.mode)
        with open(self.root / name, "wb", opener=own_file) as file:  # Path.open takes no opener
            file.write(content)
        digest = hashlib.sha256(content).hexdigest()
        self.files.append(PlannedFile(number, name, name, body.entries, len(content), digest))
        key = body.key(self.run.run_id, self.compared, request_id) if body.method else None
        url = redact(body.url, self.variables) if body.method else None
        self.requests.append(MadeRequest(request_id, body.method or None, url, key))
