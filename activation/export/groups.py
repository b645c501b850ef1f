"""Which exports are carried out together, so that one commit of the ledger serves all of them (F3)."""

from collections.abc import Sequence

from muster.activation.model.exports import Export
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table
from muster.activation.stores import urls
from muster.activation.stores.kinds import kind_of

RUNS = 8  # of a group: 80 runs are 40 commits instead of 400
PROFILES = 4_000_000  # realized in the audiences of a group: their comparisons are in memory at once


def grouped(exports: Sequence[Export], session: Session) -> list[list[Export]]:
    """The exports in their order, in groups: to folders of this machine some together, to another machine each alone.

    A group ends at a number of runs, or before a number of profiles in the newest evaluations of its audiences.
    """
    sizes = evaluations_table.sizes(session.ledger, {export.activation.audience for export in exports})
    groups: list[list[Export]] = []
    room, runs = 0, 0
    for export in exports:
        size, alone = sizes[export.activation.audience], _is_remote(export.activation, session)
        if alone or not runs or size > room:
            groups.append([])
            room, runs = PROFILES, RUNS
        groups[-1].append(export)
        room, runs = room - size, 0 if alone else runs - 1
    return groups


def _is_remote(activation: Activation, session: Session) -> bool:
    return activation.url is not None and kind_of(urls.normalise(activation.url, session.root)).is_remote
