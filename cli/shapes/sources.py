"""``--json`` of `sources`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time

if TYPE_CHECKING:
    from muster.runs import SourceDetails


def source(found: "SourceDetails") -> Json:
    """The JSON of one source of ``sources list``."""
    each = found.source
    return {
        "id": each.id,
        "name": each.name,
        "kind": each.kind,
        "mode": None if each.is_events else each.mode,
        "profile": each.profile,
        "policies": list(found.policies),
        "records": found.records,
        "fragments": found.fragments,
        "identities": found.identities,
        "links": found.links,
        "left_out": dict(found.left_out),
        "newest": time(found.newest),
        "age": None if found.age is None else int(found.age.total_seconds()),
        "max_age": None if each.max_age is None else int(each.max_age.total_seconds()),
        "stale": found.is_stale,
        "error": found.error or None,
    }


def details(found: "SourceDetails") -> Json:
    """The JSON of ``sources show``."""
    identities = [
        {"column": each.column, "namespace": each.namespace, "primary": each.primary}
        for each in found.source.identities
    ]
    return source(found) | {
        "path": found.source.path,
        "read": found.read,
        "files": found.files,
        "identity_columns": identities,
    }
