"""Builds that other records of the ledger name, and builds that are taken back, pruned or rewound (P7, P10, S8).

The ids of a build come out of the build before it, so builds go as a tail: from the newest back to one that stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from muster.activation.errors import RefusedError
from muster.activation.instants import iso
from muster.activation.model.history import Build
from muster.activation.state.ledger import builds_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.deletion import pruned_evaluations

_OF_EVALUATIONS = """
SELECT DISTINCT json_extract(content, '$.build.policy') AS policy, json_extract(content, '$.build.number') AS number
FROM evaluations JOIN inputs ON digest = inputs WHERE json_extract(content, '$.build') IS NOT NULL
"""
_OF_RUNS = """
SELECT json_extract(baseline, '$.policy') AS policy, json_extract(baseline, '$.build') AS number FROM runs
WHERE baseline IS NOT NULL AND json_extract(baseline, '$.build') IS NOT NULL AND NOT rewound
"""
_OF_SETS = f"""
SELECT policy, build AS number FROM baselines WHERE build IS NOT NULL
UNION SELECT policy, build AS number FROM message_baselines WHERE build IS NOT NULL
UNION {_OF_RUNS} AND status = 'delivering'
"""
_OF_DELIVERIES = f"SELECT policy, number FROM ({_OF_SETS}) UNION {_OF_RUNS}"
_NEWEST = f"SELECT policy, max(number) AS number FROM ({_OF_EVALUATIONS} UNION {_OF_DELIVERIES}) GROUP BY policy"
_NEWEST_DELIVERED = f"SELECT policy, max(number) AS number FROM ({_OF_DELIVERIES}) GROUP BY policy"
# The newest evaluation that a run used: `evaluations forget` never goes back further.
_NEWEST_USED = """
SELECT max(at) AS at FROM evaluations WHERE EXISTS (
    SELECT 1 FROM runs WHERE runs.audience = evaluations.audience AND runs.evaluated_at = evaluations.at
    AND status IN ('succeeded', 'delivering') AND NOT rewound
    UNION ALL SELECT 1 FROM baselines JOIN runs USING (run_id)
    WHERE runs.audience = evaluations.audience AND baselines.evaluated_at = evaluations.at
    UNION ALL SELECT 1 FROM runs WHERE runs.audience = '' AND runs.evaluated_at <= evaluations.at
    AND (status IN ('succeeded', 'delivering') OR messages > 0) AND NOT rewound AND EXISTS (
        SELECT 1 FROM json_each(audiences) AS told WHERE json_extract(told.value, '$[0]') = evaluations.audience
        AND json_extract(told.value, '$[2]') = evaluations.at
    )
)
"""


def used_by_evaluations(ledger: Ledger) -> set[tuple[str, int]]:
    """Return policy and number of each build whose profiles an evaluation judged."""
    return {(row["policy"], row["number"]) for row in ledger.ask(_OF_EVALUATIONS)}


def oldest_named(ledger: Ledger, policy: str) -> int | None:
    """Return the number of the oldest build of a policy that an evaluation or a delivered set names; None for none."""
    query = f"SELECT min(number) AS number FROM ({_OF_EVALUATIONS} UNION {_OF_SETS}) WHERE policy = ?"
    row = ledger.ask_one(query, policy)
    return row["number"] if row else None


def take_back(ledger: Ledger, after: datetime) -> list[Build]:
    """Delete the builds that are later than an instant, and return them. In a transaction.

    A build stays that an evaluation, a delivered set or a run names, and all builds before it stay with it. With a
    build all go that were made after it, whatever their instants are: their ids came out of it.
    ``RefusedError`` when the ids of the build that would be the newest then were pruned, or lost.
    """
    named = {row["policy"]: row["number"] for row in ledger.ask(_NEWEST)}
    gone = list[Build]()
    for policy, group in groupby(builds_table.list_all(ledger), key=lambda build: build.policy):
        builds = list(group)
        later = [each.number for each in builds if each.at > after and each.number > named.get(policy, 0)]
        if later:
            gone += [each for each in builds if each.number >= later[0]]
            _refuse_without_ids([each for each in builds if each.number < later[0] and each.changes_ids])
    for each in gone:
        builds_table.delete(ledger, each.policy, each.number)
    return gone


def _refuse_without_ids(stay: Sequence[Build]) -> None:
    """``RefusedError`` when the builds of a policy that stay have no ids to go on from."""
    if stay and stay[-1].graph is None:
        raise RefusedError(
            f"the ids of merge policy {stay[-1].policy!r} as of {iso(stay[-1].at)} were pruned or lost, so later "
            "builds cannot be taken back; give a later --after"
        )


def prune(ledger: Ledger) -> tuple[int, int]:
    """Let go of views and identity graphs that no later command needs; returns how many builds lost files, and kept.

    Kept is all of the newest build of each policy; the view of a build that an evaluation used; the graph of a build
    whose ids `evaluations forget` may bring back. In a transaction, after evaluations and runs were deleted.
    """
    builds = builds_table.list_all(ledger)
    newest = {each.policy: each.number for each in builds if each.changes_ids}
    used, oldest = used_by_evaluations(ledger), _oldest_to_return_to(ledger, builds)
    lighter = 0
    for each in builds:
        if each.number == newest.get(each.policy):
            continue
        view = each.view if (each.policy, each.number) in used else None
        graph = each.graph if each.changes_ids and each.number >= oldest[each.policy] else None
        if (view, graph) != (each.view, each.graph):
            builds_table.put(ledger, replace(each, view=view, graph=graph))
            lighter += 1
    return lighter, len(builds) - lighter


def _oldest_to_return_to(ledger: Ledger, builds: list[Build]) -> Mapping[str, int]:
    """The number of the oldest build of each policy that may become the newest, as later builds are taken back."""
    row = ledger.ask_one(_NEWEST_USED)
    limits = [row["at"] if row and row["at"] else "", *(iso(oldest) for _, _, oldest in pruned_evaluations(ledger))]
    found = {each.policy: 0 for each in builds}
    for each in builds:
        if each.changes_ids and iso(each.at) <= max(limits):
            found[each.policy] = each.number
    delivered = {row["policy"]: row["number"] for row in ledger.ask(_NEWEST_DELIVERED)}
    return {policy: max(number, delivered.get(policy, 0)) for policy, number in found.items()}
