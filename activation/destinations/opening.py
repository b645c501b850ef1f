"""The targets of a workspace's destinations, each opened once in a command (X9, S6)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from muster.activation.destinations.remote import RemoteTarget
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.errors import ExportError, Problem
from muster.activation.model.workspace import Workspace
from muster.activation.stores.kinds import kind_of
from muster.activation.stores.opening import load_client, open_store
from muster.activation.stores.protocol import Store
from muster.activation.stores.urls import local_path, normalise


class Targets:
    """Opens the target of a normalised url. A connection is made when a target is first asked something.

    ``staging`` is a folder for files that wait to be uploaded, which is created when there are any.
    """

    def __init__(self, workspace: Workspace, staging: Path) -> None:
        self._workspace, self._staging = workspace, staging
        self._opened: dict[tuple[str, str], RemoteTarget] = {}

    def open(self, url: str, destination: str, file_mode: int) -> DeliveryTarget:
        """The target at the url that a run of this destination recorded, which the config may have changed since."""
        kind = kind_of(url)
        if not kind.is_remote:
            local: DeliveryTarget = load_client(kind)(local_path(url, self._workspace.root), url, file_mode)
            return local
        return self._opened.setdefault((url, destination), self._remote(url, destination, file_mode))

    def _remote(self, url: str, destination: str, file_mode: int) -> RemoteTarget:
        """The remote target of a destination whose url is configured as it was; others refuse every request.

        Another destination of that url may use another service or login, and gets none of these files.
        """
        root, configured = self._workspace.root, self._workspace.destinations.get(destination)
        if configured and configured.unset:
            return RemoteTarget(url, partial(_refuse_unset, configured.unset), self._staging, file_mode, retries=0)
        if configured and configured.url and normalise(configured.url, root) == url:
            reached = replace(configured, variables=self._workspace.variables)
            opening = partial(open_store, reached, root)
            return RemoteTarget(url, opening, self._staging, file_mode, retries=configured.retries)
        return RemoteTarget(url, partial(_refuse, url, destination), self._staging, file_mode, retries=0)

    def stop(self) -> None:
        """End the pauses between tries, and retry no request: the command is asked to stop."""
        for target in self._opened.values():
            target.stop()

    def close(self) -> None:
        """End the connections that were made."""
        for target in self._opened.values():
            target.close()


def refuse_unset(unset: Sequence[Problem]) -> None:
    """Raise ``ExportError`` if variables that an export needs are missing: which ones, and where they are named."""
    if unset:
        raise ExportError("\n".join(map(str, unset)))


def _refuse_unset(unset: Sequence[Problem]) -> Store:
    refuse_unset(unset)
    raise ValueError("no variable is missing")


def _refuse(url: str, destination: str) -> Store:
    raise ExportError(
        f"{url}: no destination {destination!r} with this url is in the config now, so muster has no connection for "
        f"it; put it back"
    )
