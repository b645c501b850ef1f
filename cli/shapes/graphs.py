"""``--json`` of `graph`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import GraphDetails, GraphStats, HeldIdentity, Link, SharedIdentity


def graph(found: "GraphDetails") -> Json:
    """The JSON of ``graph show``."""
    return {
        "policy": found.policy,
        "at": iso(found.at),
        "profile_id": found.profile_id,
        "identities": [
            _identity(each) | {"primary": each.primary, "oldest": time(each.oldest)} for each in found.identities
        ],
        "links": [_link(each) for each in found.links],
        "refused": [_refused(each) for each in found.refused],
        "shared": [_shared(each) for each in found.shared],
    }


def stats(found: "GraphStats") -> Json:
    """The JSON of ``graph stats``."""
    return {
        "policy": found.policy,
        "at": iso(found.at),
        "graphs": found.graphs,
        "identities": found.identities,
        "unknown": found.unknown,
        "sizes": [{"identities": size, "graphs": number} for size, number in found.sizes.items()],
        "largest": None if found.largest is None else _identity(found.largest),
        "shared": [_shared(each) for each in found.shared],
        "refused": [_refused(each) for each in found.refused],
        "cut": [_identity(each) for each in found.cut],
        "previous_at": time(found.previous_at),
        "merged": found.merged,
        "split": found.split,
    }


def _identity(each: "HeldIdentity") -> Json:
    return {"namespace": each.namespace, "id": each.id}


def _link(each: "Link") -> Json:
    return {
        "identities": [_identity(each.one), _identity(each.other)],
        "time": time(each.time),
        "source": each.source,
        "file": each.file,
    }


def _refused(each: "Link") -> Json:
    return _link(each) | {"reason": each.reason, "apart": [_identity(held) for held in each.apart]}


def _shared(each: "SharedIdentity") -> Json:
    return {"namespace": each.namespace, "id": each.id, "neighbours": each.neighbours}
