"""The places of a workspace's destinations, each opened once a command (X9, S6). Edge module."""

from functools import partial
from pathlib import Path

from muster.activation.destinations.folder import LocalTarget, Target
from muster.activation.destinations.remote import STAGING, RemoteTarget
from muster.activation.errors import ExportError
from muster.activation.model.workspace import Workspace
from muster.activation.stores.opening import open_store
from muster.activation.stores.protocol import Store
from muster.activation.stores.urls import is_remote, local_path, normalise


class Targets:
    """Opens the place of a normalised URL. Connections are made when something is asked of a place."""

    def __init__(self, workspace: Workspace, state: Path) -> None:
        self._workspace = workspace
        self._staging = state / STAGING
        self._opened: dict[tuple[str, str], RemoteTarget] = {}

    def open(self, url: str, destination: str, file_mode: int) -> Target:
        """The place of a run of this destination, which may by now be configured for another."""
        if not is_remote(url):
            return LocalTarget(local_path(url, self._workspace.root), url, file_mode)
        configured = self._workspace.destinations.get(destination)
        if configured and configured.url and normalise(configured.url, self._workspace.root) == url:
            opened, retries = partial(open_store, configured, self._workspace.root), configured.retries
        # another destination of that url may be at another service, or logged in as somebody else: it gets none of
        # these files
        else:
            opened, retries = partial(_unknown, url, destination), 0
        return self._opened.setdefault(
            (url, destination), RemoteTarget(url, opened, self._staging, file_mode, retries=retries)
        )

    def stop(self) -> None:
        """Nothing is tried again from now on."""
        for target in self._opened.values():
            target.stop()

    def close(self) -> None:
        """End the connections that were made."""
        for target in self._opened.values():
            target.close()


def _unknown(url: str, destination: str) -> Store:
    raise ExportError(
        f"{url}: how it is reached is not known any more: the config has no destination {destination!r} that "
        f"goes there; put it back"
    )
