"""A text that is equal while the same rows count by the same rules, so that a view need not be built again (P10)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from muster.activation.inputs.newest_times import later_rows
from muster.activation.instants import iso
from muster.activation.model.sources import MergePolicy, Namespace, Source
from muster.activation.model.workspace import Workspace
from muster.activation.sources.opened import OpenedSource

_MEANING = 1  # raised when the code makes other views of the same rows
_OF_NO_MATTER = ("name", "path", "connection", "max_age", "labels", "location", "profile")  # of a source, for its rows


def inputs_key(workspace: Workspace, policy: MergePolicy, sources: Sequence[OpenedSource], blocked_key: str) -> str:
    """The key of what a build of a policy reads: files, rows that count by their times, and definitions.

    Files count by name, size and footer. Of changes and events, rows later than the instant are counted: from footers,
    where these say it. ``blocked_key`` is equal while the same people are forgotten (G8).
    """
    content = {
        "meaning": _MEANING,
        "policy": [policy.graph, policy.precedence],
        "sources": [_read(each) for each in sources],
        "namespaces": {name: _rules(each) for name, each in sorted(workspace.namespaces.items())},
        "limits": asdict(workspace.identity_graph),
        "blocked": blocked_key,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(opened: OpenedSource) -> dict[str, Any]:
    return {
        "source": _definition(opened.source),
        "instant": opened.instant and iso(opened.instant),
        "files": opened.records,
        "later": _later(opened),
    }


def _definition(source: Source) -> dict[str, Any]:
    known = {name: value for name, value in vars(source).items() if name not in _OF_NO_MATTER}
    identities = [[each.column, each.namespace, each.primary] for each in source.identities]
    return known | {"identities": identities, "columns": dict(source.columns)}


def _rules(namespace: Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(namespace).items() if name not in ("location", "is_declared")}


def _later(opened: OpenedSource) -> int:
    """How many rows do not exist at the instant, as their times are later; in snapshots all exist (P1, P3)."""
    source = opened.source
    name = source.timestamp if source.is_events else source.updated_at if source.mode == "changes" else None
    return 0 if name is None else later_rows(opened.parts, name, opened.at)
