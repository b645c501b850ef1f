"""`sources`: what each source gives at an instant, and what was left out and why (P1, P2)."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from muster.activation.errors import InputError, RefusedError, did_you_mean
from muster.activation.model.redaction import redact_error
from muster.activation.model.sources import Source, event_sources, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.wording import several
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read

if TYPE_CHECKING:
    from muster.activation.session import Session
    from muster.activation.sources.records import Records


@dataclass(frozen=True)
class SourceDetails:
    """A source, and what it gives at an instant; numbers are None where it cannot be read."""

    source: Source
    policies: tuple[str, ...]  # the merge policies that read it, by id; none with ``profile: false``
    read: str | None = None  # the snapshot, or the path, that was read
    files: int | None = None
    records: int | None = None  # rows at the instant, without later ones
    fragments: int | None = None  # 0 of events
    identities: int | None = None  # different ones
    links: int | None = None  # different pairs of them
    left_out: Mapping[str, int] = field(default_factory=dict)  # by reason, those of which there are some
    newest: datetime | None = None  # the snapshot's date, or the newest time of a row up to the instant
    age: timedelta | None = None  # of ``newest`` at the instant
    error: str = ""  # why the source cannot be read, so that its policies fail

    @property
    def is_stale(self) -> bool:
        """Whether the source is older than ``max_age`` allows."""
        return self.age is not None and self.source.max_age is not None and self.age > self.source.max_age


def list_sources(workspace: OpenWorkspace, *, now: datetime) -> tuple[SourceDetails, ...]:
    """Every source by id, with what it gives at ``now``; one that cannot be read says why.

    ``RefusedError`` in a workspace whose profiles have a path.
    """
    refuse_path(workspace.config)
    chosen = [workspace.config.sources[name] for name in sorted(workspace.config.sources)]
    return read(workspace, now, lambda session: tuple(_details(each, session) for each in chosen))


def show_source(workspace: OpenWorkspace, source: str, *, now: datetime) -> SourceDetails:
    """One source with what it gives at ``now``; ``RefusedError`` for an unknown id, and as of ``list_sources``."""
    refuse_path(workspace.config)
    known = workspace.config.sources
    if source not in known:
        near = did_you_mean(source, known) or f"; there is {several([repr(each) for each in sorted(known)], 8)}"
        raise RefusedError(f"there is no source {source!r}{near}")
    return read(workspace, now, lambda session: _details(known[source], session))


def refuse_path(config: Workspace) -> None:
    """``RefusedError`` in a workspace whose profiles have a path: it has no sources."""
    if not config.profiles.from_sources:
        raise RefusedError(
            f"muster.yml: profiles are read from {config.profiles.path!r}, so there are no sources, builds or identity "
            "graphs; `profiles: {from: sources}` and files in sources/ make them (docs/profiles.md)"
        )


def _details(source: Source, session: "Session") -> SourceDetails:
    """What a source gives, read by itself, so that one that fails does not stop the others."""
    from muster.activation.inputs.paths import Inputs
    from muster.activation.profiles.forgotten import Forgotten
    from muster.activation.sources.counts import LATER, TOO_MANY
    from muster.activation.sources.opened import newest_time, open_source
    from muster.activation.sources.records import read_records

    config, forgotten = session.workspace, Forgotten.of(session.ledger)
    found = SourceDetails(source, tuple(_policies_of(source, config)))
    with closing(Inputs(config)) as inputs:
        try:
            opened = open_source(config, source, inputs, session.at, judges=False, warn=session.warnings.add)
            found = replace(found, read=opened.name, files=len(opened.parts), newest=opened.newest, age=opened.age)
            is_blocked = forgotten.are_identities if forgotten else None
            records = read_records(opened, config.namespaces, is_blocked=is_blocked)
            newest = newest_time(opened) or _newest(records)
        except InputError as error:
            redact_error(error, config.variables)
            return replace(found, error=str(error))
    counts = records.counts
    left_out = {**counts.left_out, TOO_MANY: counts.too_many, **counts.dropped}
    return replace(
        found,
        newest=newest,
        age=session.at - newest if newest else None,
        records=counts.records,
        fragments=counts.fragments,
        identities=counts.identities,
        links=records.links.select("a", "b").n_unique() if records.links.height else 0,
        left_out={reason: number for reason, number in left_out.items() if number and reason != LATER},
    )


def _newest(records: "Records") -> datetime | None:
    """The newest time of the records of an undated snapshot, if they have times."""
    times = [each["time"].max() for each in (records.fragments, records.links)]
    return max((each for each in times if isinstance(each, datetime)), default=None)


def _policies_of(source: Source, config: Workspace) -> list[str]:
    """The ids of the merge policies that read a source."""
    return [
        name
        for name, policy in sorted(config.merge_policies.items())
        if source in (*record_sources(policy, config.sources), *event_sources(policy, config.sources))
    ]
