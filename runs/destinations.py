"""Destinations: where each is, and whether files can be delivered there."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.model.messages import MessageDestination
from muster.activation.model.redaction import redact
from muster.activation.model.workspace import Destination, Workspace
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read_ledger

if TYPE_CHECKING:
    from muster.activation.state.ledger.database import Ledger

_AT_ONCE = 8  # destinations that are checked at once


@dataclass(frozen=True)
class DestinationSummary:
    """A destination: its url or place without credentials, and how many activations deliver there.

    While variables of the url are missing, ``url`` is as written: ``sftp://${CRM_HOST}/in``.
    """

    id: str
    name: str
    url: str
    activations: int
    kind: str = "files"  # or that of an event destination: ``http``, ``kinesis``, ``event_hubs``


@dataclass(frozen=True)
class CheckedStep:
    """One step of a check, such as writing a file; ``error`` says why it failed.

    ``found`` is what a destination of messages said of itself.
    """

    name: str
    error: str | None = None
    found: str | None = None


@dataclass(frozen=True)
class CheckedDestination:
    """The steps that were tried at a destination, in order; one that failed is the last, or the last of its way."""

    id: str
    url: str
    steps: tuple[CheckedStep, ...]

    @property
    def is_usable(self) -> bool:
        """Whether every step succeeded."""
        return all(step.error is None for step in self.steps)


def list_destinations(workspace: OpenWorkspace) -> tuple[DestinationSummary, ...]:
    """Every destination, by id."""
    return read_ledger(workspace, lambda _: _summaries(workspace.config))


def _summaries(config: Workspace) -> tuple[DestinationSummary, ...]:
    from muster.activation.stores import urls

    used = Counter(activation.destination for activation in config.all_activations)
    of_files: Iterator[tuple[Destination | MessageDestination, str]] = (
        (each, urls.normalise(each.url, config.root) if each.url else each.shown_url)
        for each in config.destinations.values()
    )
    of_messages = ((each, _shown(each)) for each in config.message_destinations.values())
    found = sorted([*of_files, *of_messages], key=lambda pair: pair[0].id)
    return tuple(
        DestinationSummary(each.id, each.name, url, used[each.id], getattr(each, "kind", "files"))
        for each, url in found
    )


def check_destinations(
    workspace: OpenWorkspace, destinations: Sequence[str] = (), *, send_test: bool = False
) -> tuple[CheckedDestination, ...]:
    """Connect to destinations, named by id or all, then write, read back, replace and delete a small file at each.

    Nothing is sent to a destination of messages, unless ``send_test``: then a request about nobody (V11). Several are
    tried at once. Raises ``RefusedError`` for an unknown id.
    """
    config = workspace.config
    known = {*config.destinations, *config.message_destinations}
    for name in destinations:
        if name not in known:
            raise RefusedError(f"there is no destination {name!r}{did_you_mean(name, known)}")
    names = tuple(dict.fromkeys(destinations or sorted(known)))

    def check(_ledger: "Ledger") -> tuple[CheckedDestination, ...]:
        of_files = [config.destinations[name] for name in names if name in config.destinations]
        found = {each.id: each for each in _checked(config, of_files)} if of_files else {}
        found |= _checked_messages(config, names, send_test=send_test)
        return tuple(found[name] for name in names)

    return read_ledger(workspace, check)


def _checked_messages(config: Workspace, names: Sequence[str], *, send_test: bool) -> dict[str, CheckedDestination]:
    from concurrent.futures import ThreadPoolExecutor

    from muster.runs.message_probes import check_messages

    chosen = [config.message_destinations[name] for name in names if name in config.message_destinations]

    def checked(destination: MessageDestination) -> CheckedDestination:
        steps = check_messages(destination, config, send_test=send_test)
        told = tuple(CheckedStep(each.name, each.error, each.found) for each in steps)
        return CheckedDestination(destination.id, _shown(destination), told)

    with ThreadPoolExecutor(_AT_ONCE, "muster-check") as workers:
        return {each.id: each for each in workers.map(checked, chosen)}


def _shown(destination: MessageDestination) -> str:
    """Where messages go, without credentials."""
    return destination.shown_url or destination.shown_place


def _checked(config: Workspace, chosen: Sequence[Destination]) -> tuple[CheckedDestination, ...]:
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import closing
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from muster.activation.destinations.opening import Targets
    from muster.activation.destinations.overlaps import refusals
    from muster.activation.destinations.probe import Step, probe
    from muster.activation.destinations.target import DeliveryTarget
    from muster.activation.stores import urls

    refused = refusals(config)

    def tried(destination: Destination, target: DeliveryTarget, name: str) -> list[Step]:
        reason = refused.get(destination.id)  # a file there could become an input (F1)
        return [Step("connect", reason)] if reason else probe(target, name)

    # The state's own staging folder is for commands with the lock.
    able = [each for each in chosen if not each.unset]
    with TemporaryDirectory(prefix="muster-probe-") as folder, closing(Targets(config, Path(folder))) as opened:
        targets = [opened.open(urls.normalise(each.url, config.root), each.id, config.file_mode) for each in able]
        names = [f"{Path(folder).name}-{number}.txt" for number in range(len(targets))]  # the name of no export
        with ThreadPoolExecutor(_AT_ONCE, "muster-check") as workers:
            found = list(workers.map(tried, able, targets, names))
    checked = {
        each.id: CheckedDestination(
            each.id,
            target.url,
            tuple(CheckedStep(step.name, step.error and redact(step.error, config.variables)) for step in steps),
        )
        for each, target, steps in zip(able, targets, found, strict=True)
    }
    return tuple(checked.get(each.id) or _not_reached(each, config) for each in chosen)


def _not_reached(destination: Destination, config: Workspace) -> CheckedDestination:
    """The check of a destination that nothing can connect to, because variables are missing."""
    from muster.activation.stores import urls

    url = urls.normalise(destination.url, config.root) if destination.url else destination.shown_url
    error = "; ".join(map(str, destination.unset))
    return CheckedDestination(destination.id, url, (CheckedStep("connect", error),))
