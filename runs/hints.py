"""Remarks about a workspace that is valid and yet may not do what its owner expects.

They are computed from the config and the ledger alone, so that a command with nothing to do can make them too.
"""

import os
import re
from collections.abc import Iterator
from datetime import timedelta

from muster.activation.instants import iso
from muster.activation.model.workspace import SourceLocation, Workspace
from muster.activation.state.ledger import evaluations_table
from muster.runs.sessions import LedgerView

_RECENTLY = timedelta(days=7)  # who evaluates by hand or from another scheduler does so at least each week
_ELEMENT = re.compile(r"[\w\"`]\s*\[\s*\d+\s*\]")  # not counted from the end, which is [-1] in both


def remarks(view: LedgerView) -> tuple[str, ...]:
    """A remark that evaluations do not come by themselves, where exports wait for one; else none (S4, S7, X2)."""
    workspace, newest = view.workspace, evaluations_table.newest_time(view.ledger)
    waiting = [each for each in workspace.all_activations if each.schedule.trigger != "on_demand"]
    if workspace.evaluation_schedule or not waiting or (newest and newest > view.at - _RECENTLY):
        return ()
    since = f"the newest evaluation is of {iso(newest)}" if newest else "nothing was evaluated yet"
    remark = (
        f"{since}, and muster.yml has no evaluation.schedule, so `muster run` never evaluates: add "
        '`evaluation: {schedule: {at: "02:00"}}`, or call `muster evaluate`'
    )
    return (remark,)


def unready_hooks(workspace: Workspace) -> tuple[str, ...]:
    """A remark for each hook whose program, named by a path, is missing or not executable (SPEC 9).

    Programs without a `/` are left out: where they are looked for depends on who calls muster.
    """
    remarks = []
    for event, (program, *_) in workspace.hooks.items():
        path = workspace.root / program
        if "/" not in program or (path.is_file() and os.access(path, os.X_OK)):
            continue
        wrong = (
            f"is not executable: `chmod +x {program.removeprefix('./')}`"
            if path.is_file()
            else "there is no such program"
        )
        remarks.append(f"hooks.{event}: {program}: {wrong}")
    return tuple(remarks)


def two_ways_of_counting(workspace: Workspace) -> tuple[str, ...]:
    """A remark where lists' elements are counted in a source, from 0, and in SQL, from 1; else none (M1, E2)."""
    source = next((found for found in _sources(workspace) if _ELEMENT.search(found[0])), None)
    rule = next((found for found in _expressions(workspace) if _ELEMENT.search(found[0])), None)
    if source is None or rule is None:
        return ()
    remark = (
        f"elements of lists are counted from 0 in a mapping's source ({_place(source[1])}) and from 1 in SQL "
        f"({_place(rule[1])}): the first is tags[0] there, tags[1] here"
    )
    return (remark,)


def _sources(workspace: Workspace) -> Iterator[tuple[str, SourceLocation]]:
    for activation in workspace.all_activations:
        yield from ((each.source, each.location) for each in activation.mapping)
        yield from ((each, activation.location) for each in activation.deduplicate)


def _expressions(workspace: Workspace) -> Iterator[tuple[str, SourceLocation]]:
    for audience in workspace.audiences.values():
        yield audience.where or "", audience.location
        yield from ((each.where or "", each.location) for each in audience.measures)
    for activation in workspace.all_activations:
        yield from ((each.expression or "", each.location) for each in activation.mapping)


def _place(location: SourceLocation) -> str:
    return f"{location.file}:{location.line}"
