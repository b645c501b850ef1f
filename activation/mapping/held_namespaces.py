"""A mapped identity namespace that no profile holds: a mistake, or a fault upstream that lets everybody exit (M4)."""

from collections.abc import Callable

from muster.activation.errors import MistakeError, did_you_mean
from muster.activation.mapping.layout import Layout
from muster.activation.profiles import namespaces
from muster.activation.profiles.opened import Opened


def check_namespace(layout: Layout, activation: str, opened: Opened, identified: Callable[[], int] = lambda: 0) -> None:
    """``MistakeError`` when no profile of a snapshot with rows has an id in the mapped namespace (M4).

    ``activation`` is ``DESTINATION/ACTIVATION``. ``identified`` counts the profiles that were sent with an identity,
    and would exit: the message says how many.
    """
    snapshot, identity = layout.snapshot, layout.identity
    if identity is None or layout.namespace is None or snapshot.rows == 0:
        return
    if opened.holds_namespace(snapshot, layout.namespace):
        return
    location, source = identity.column.location, identity.column.source
    where = f"{location.file}:{location.line}: {location.key}: {source!r}"
    raise MistakeError("\n".join((f"{where}: {_fault(layout)}", *_exits(layout, activation, identified()))))


def _fault(layout: Layout) -> str:
    """Why nobody has an id in the mapped namespace, with the nearest namespaces."""
    snapshot = layout.snapshot
    if snapshot.identity_type is None:
        absent = f"has no identity map {snapshot.source.identity_map!r}{snapshot.identity_map_hint}"
        return f"the snapshot {snapshot.name} {absent}"
    hint = did_you_mean(layout.namespace or "", namespaces.held(snapshot))
    return f"no profile of {snapshot.name} has an id in this namespace{hint}"


def _exits(layout: Layout, activation: str, leaving: int) -> list[str]:
    """What would happen to profiles that were sent with an identity, and the way on if that is meant."""
    if not leaving:
        return []
    target = layout.identity.column.target if layout.identity else ""
    renamed = f"change the source and keep `target: {target}`, under which muster knows what was sent"
    who = "1 profile that was sent" if leaving == 1 else f"{leaving:,} profiles that were sent"
    return [
        f"  {who} with an identity would exit; nothing was written, and the export stays due",
        f"  if it was renamed: {renamed}",
        f"  if they have to exit: `muster run --override-guards {activation}`, for this once",
    ]
