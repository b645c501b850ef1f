"""Which identity namespaces the profiles of a snapshot hold (E2, M4)."""

from muster.activation.frames import engine
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.values.identities import held_ids, namespaces

_FIRST = 10_000  # profiles


def is_held(snapshot: Snapshot, namespace: str) -> bool:
    """Whether any profile, forgotten or not, has an id in a namespace.

    Most are found in the first rows; only then all are read.
    """
    for frame in (snapshot.frame_of_all().head(_FIRST), snapshot.frame_of_all()):
        ids = held_ids(frame, snapshot.source.identity_map, snapshot.identity_type, namespace)
        if not engine.collect(ids.head(1)).is_empty():
            return True
    return False


def held(snapshot: Snapshot) -> list[str]:
    """The namespaces of a snapshot, sorted; for hints beside one that nobody holds."""
    names = namespaces(snapshot.source.identity_map, snapshot.identity_type).explode().unique().alias("name")
    return sorted(engine.collect(snapshot.frame().select(names))["name"].drop_nulls().to_list())
