"""``--json`` of `profiles`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json, time
from muster.runs import iso

if TYPE_CHECKING:
    from muster.runs import BuiltView, ForgottenPeople, PersonDetails


def forgotten(each: "ForgottenPeople") -> Json:
    """The JSON of ``profiles forget``."""
    return {
        "profiles": each.profiles,
        "likewise": each.likewise,
        "identities": each.identities,
        "already": each.already,
        "memberships": each.memberships,
        "receivers": [{"activation": one.activation, "url": one.url, "told_by": one.how} for one in each.receivers],
        "runs": [
            {
                "run_id": one.run.run_id,
                "activation": one.run.key,
                "scheduled_time": iso(one.run.scheduled_time),
                "url": one.run.url,
                "files": list(one.paths),
                "rows": one.rows,
            }
            for one in each.runs
        ],
        "unknown_runs": each.unknown_runs,
        "sources": [{"source": one.source, "path": one.path, "records": one.records} for one in each.sources],
        "aside": list(each.aside),
    }


def person(found: "PersonDetails") -> Json:
    """The JSON of ``profiles show``."""
    return {
        "profile_id": found.profile_id,
        "attributes": {each.name: each.value for each in found.attributes},
        "sources": {each.name: each.source for each in found.attributes},
        "identities": [{"namespace": namespace, "id": id_} for namespace, id_ in found.identities],
        "fragments": [
            {"source": each.source, "namespace": each.namespace, "id": each.id, "time": time(each.time)}
            for each in found.fragments
        ],
        "audiences": [
            {
                "id": each.audience,
                "status": each.status,
                "last_qualification_time": iso(each.since),
                "evaluated_at": iso(each.evaluated_at),
            }
            for each in found.audiences
        ],
        "aliases": list(found.aliases),
    }


def built(each: "BuiltView") -> Json:
    """The JSON of one merge policy of ``profiles build``."""
    return {
        "policy": each.policy,
        "build": each.number,
        "at": time(each.at),
        "built": each.is_new,
        "profiles": each.profiles,
        "merged": each.merged,
        "split": each.split,
        "folder": each.folder,
        "error": None if each.error is None else str(each.error),
    }
