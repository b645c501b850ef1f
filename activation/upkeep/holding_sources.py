"""The sources of profiles that still hold somebody who is forgotten: they are the user's, who may clean them (G8)."""

from dataclasses import dataclass

import polars as pl

from muster.activation.errors import DataError
from muster.activation.session import Session
from muster.activation.sources.holders import records_with
from muster.activation.sources.opened import open_source


@dataclass(frozen=True)
class HoldingSource:
    """A source with records or events of some identities."""

    source: str
    path: str
    records: int | None  # None where the source cannot be read


def holding_sources(session: Session, identities: pl.Series) -> tuple[HoldingSource, ...]:
    """The sources that hold one of some identities (String, as of ``identities.pairs``) at the instant, by id.

    Sources that cannot be read are among them: they may hold some.
    """
    workspace, inputs = session.workspace, session.opened.inputs
    halves = pl.col("text").str.splitn("\0", 2).struct.rename_fields(["namespace", "id"]).struct.unnest()
    wanted = pl.DataFrame({"text": identities}, schema={"text": pl.String}).select(halves)
    found = list[HoldingSource]()
    for name, source in sorted(workspace.sources.items()) if len(identities) else ():
        try:
            opened = open_source(
                workspace, source, inputs, session.at, allow_empty=True, judges=False, warn=session.warnings.add
            )
            number = records_with(opened, workspace.namespaces, wanted)
        except DataError:
            found.append(HoldingSource(name, source.path, None))
            continue
        if number:
            found.append(HoldingSource(name, source.path, number))
    return tuple(found)
