"""Compare the files at a destination with what was delivered (F1-F4); nothing is written.

A file is compared with the ledger (size, checksum, rows), and read strictly: a reader must get through it and find the
columns.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from muster.activation.audit.csv_scan import HeaderError
from muster.activation.audit.readback import Found, look
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.export.recipe import Recipe, how_it_was_written
from muster.activation.model.history import PlannedFile, Run
from muster.activation.session import Session
from muster.activation.state.ledger import constant_names
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.os_errors import system_message
from muster.activation.wording import counted

Result = Literal["intact", "replaced", "differs", "not_delivered"]
What = Literal["missing", "unreadable", "size", "checksum", "header", "rows", "manifest", "answers", "bodies"]
_NOT_PARSED = "only size and checksum were compared:"
_MANIFEST_MARGIN = 1 << 20  # bytes of a manifest that are read beyond those expected


@dataclass(frozen=True)
class Difference:
    """One way in which a file or manifest is not as it was delivered."""

    what: What
    message: str


@dataclass(frozen=True)
class Checked:
    """One file or manifest: where it lies, and how it compares with what was delivered."""

    location: str  # url and path
    result: Result
    differences: tuple[Difference, ...] = ()
    replaced_by: str | None = None  # run id
    note: str | None = None  # what could not be checked


@dataclass(frozen=True)
class CheckedRun:
    """One run with the comparisons of its files and its manifest, or of its messages."""

    run: Run
    files: tuple[Checked, ...] = ()
    manifest: Checked | None = None
    messages: Checked | None = None  # of a run that sent messages: what is kept of them

    @property
    def parts(self) -> tuple[Checked, ...]:
        """The comparisons of all files and, if there are any, of the manifest and the messages."""
        return (*self.files, *(each for each in (self.manifest, self.messages) if each))

    @property
    def result(self) -> Result:
        """The worst result of the run's parts: ``differs``, then ``replaced``, then ``intact``."""
        found = {part.result for part in self.parts}
        if self.run.status != "succeeded" and not (self.messages and (self.run.messages or "differs" in found)):
            return "not_delivered"
        return "differs" if "differs" in found else "replaced" if "replaced" in found else "intact"


class Holders:
    """The last run that wrote each file under a constant or a rewound name (F1, S8), as the ledger has it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, str] | None = None

    def of(self, location: str, *, now: bool) -> str | None:
        """Return the run that wrote a file last; ``now`` asks the ledger again, for another command may be at work."""
        if self._known is None or now:
            self._known = constant_names.holders(self._ledger)
        return self._known.get(location)

    def after(self, run: Run) -> str | None:
        """Return the activation's last run at the same url, if it is later than ``run``."""
        return constant_names.successor(self._ledger, run)


def check_run(run: Run, session: Session, holders: Holders) -> CheckedRun:
    """Compare everything that a run delivered with what is at its destination."""
    if run.status != "succeeded":
        return CheckedRun(run)
    target = session.destinations.target(run)
    recipe = how_it_was_written(run, session.workspace, session.ledger)
    files = tuple(_check_file(run, file, target, recipe, holders) for file in run.files)
    if not run.manifest_name:
        return CheckedRun(run, files)
    manifest = _check_manifest(run, run.manifest_name, target)
    if manifest.differences[:1] == (_MANIFEST_MISSING,) and files and all(file.result == "replaced" for file in files):
        manifest = Checked(manifest.location, "replaced")  # all files that it lists were replaced
    return CheckedRun(run, files, manifest)


_FILE_MISSING = Difference("missing", "the file is missing")
_MANIFEST_MISSING = Difference("manifest", "the manifest is missing")


def _check_file(
    run: Run, file: PlannedFile, target: DeliveryTarget, recipe: Recipe | None, holders: Holders
) -> Checked:
    location = f"{run.url}/{file.path}"
    checked = _replaced(run, location, holders) or _compare(run, file, location, target, recipe)
    if checked.result == "differs":  # it may have been replaced while it was read
        return _replaced(run, location, holders, now=True) or _removed(run, checked, holders) or checked
    return checked


def _replaced(run: Run, location: str, holders: Holders, *, now: bool = False) -> Checked | None:
    holder = holders.of(location, now=now) if run.constant_names or run.rewound else None
    return None if holder in (None, run.run_id) else Checked(location, "replaced", replaced_by=holder)


def _removed(run: Run, checked: Checked, holders: Holders) -> Checked | None:
    """Return a missing file as replaced when a later run exists: the run that removed the file was pruned."""
    later = holders.after(run) if run.constant_names and checked.differences == (_FILE_MISSING,) else None
    return Checked(checked.location, "replaced", replaced_by=later) if later else None


def _compare(run: Run, file: PlannedFile, location: str, target: DeliveryTarget, recipe: Recipe | None) -> Checked:
    is_encrypted = recipe is not None and recipe.encrypted
    try:
        with target.fetch(file.path) as path:
            found = look(path, None if is_encrypted else recipe)
    except (FileNotFoundError, NotADirectoryError):
        return Checked(location, "differs", (_FILE_MISSING,))
    except OSError as error:
        return Checked(location, "differs", (Difference("unreadable", f"cannot be read: {system_message(error)}"),))
    is_same = found.size == file.size and found.sha256 == file.sha256
    if is_same and recipe is None:
        return Checked(
            location,
            "intact",
            note=f"only size and checksum were compared: {run.key} is not in the config, or writes otherwise now",
        )
    if is_same and is_encrypted:
        return Checked(location, "intact", note=f"{_NOT_PARSED} it is encrypted, and muster has no key that opens it")
    content = tuple(_content(file, found))
    if is_same and content and recipe and not recipe.is_certain:
        return Checked(location, "intact", note=f"{_NOT_PARSED} it is not written as {run.key} writes now")
    differences = (*_bytes(run, file, found), *content)
    return Checked(location, "differs" if differences else "intact", differences)


def _bytes(run: Run, file: PlannedFile, found: Found) -> Iterator[Difference]:
    if found.size != file.size:
        yield Difference("size", f"it has {counted(found.size, 'byte')}; expected {file.size:,}")
    if found.sha256 != file.sha256:
        other = next((each.path for each in run.files if each.sha256 == found.sha256), None)
        whose = f": it is the file that was delivered as {run.url}/{other}" if other else ""
        yield Difference("checksum", f"its sha256 is {found.sha256[:12]}…; expected {(file.sha256 or '')[:12]}…{whose}")


def _content(file: PlannedFile, found: Found) -> Iterator[Difference]:
    if found.problem:
        yield Difference("header" if isinstance(found.problem, HeaderError) else "unreadable", str(found.problem))
    elif found.rows is not None and found.rows != file.rows:
        yield Difference("rows", f"it has {counted(found.rows, 'row')}; expected {file.rows:,}")


def _check_manifest(run: Run, name: str, target: DeliveryTarget) -> Checked:
    location, expected = f"{run.url}/{name}", (run.manifest or "").encode()
    try:
        with target.fetch(name) as path:
            found = _beginning(path, len(expected) + _MANIFEST_MARGIN)
    except (FileNotFoundError, NotADirectoryError):
        return Checked(location, "differs", (_MANIFEST_MISSING,))
    except OSError as error:
        return Checked(
            location, "differs", (Difference("manifest", f"the manifest cannot be read: {system_message(error)}"),)
        )
    if found == expected:
        return Checked(location, "intact")
    return Checked(location, "differs", (Difference("manifest", _how_manifests_differ(json.loads(expected), found)),))


def _beginning(path: Path, size: int) -> bytes:
    if path.exists() and not path.is_file():
        raise IsADirectoryError("it is a folder" if path.is_dir() else "it is not a file")
    with path.open("rb") as file:
        return file.read(size)


def _how_manifests_differ(expected: dict[str, Any], content: bytes) -> str:
    """Return in which keys or files a manifest differs; its values are not shown."""
    try:
        found = json.loads(content)
        listed = {f"{each['sinkPath']}/{each['name']}".lstrip("/") for each in found["exportResults"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return "the manifest differs: it is not a manifest of muster"
    delivered = {f"{each['sinkPath']}/{each['name']}".lstrip("/") for each in expected["exportResults"]}
    if listed != delivered:
        lost, more = len(delivered - listed), len(listed - delivered)
        return (
            f"the manifest lists other files: {lost:,} of {len(delivered):,} are not in it, and {more:,} "
            f"were not delivered"
        )
    keys = [
        key
        for key in dict.fromkeys([*expected, *found])
        if key not in found or key not in expected or expected[key] != found[key]
    ]
    known = ", ".join(key for key in keys if key in expected)
    return (
        f"the manifest differs in {known}"
        if known
        else "the manifest differs: in its layout, or something was added to it"
    )
