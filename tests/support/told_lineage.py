"""Merges and splits that a test tells by hand, for exports without an identity graph (P11).

A shop has a folder of profile snapshots, in which a test writes each day's view with ids of its own choice; ``Told``
says day by day what became of ids, in place of the builds of a merge policy.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

import polars as pl

from muster.activation.evaluation import block_memberships, memberships
from muster.activation.export import decided
from muster.activation.profiles.opened import Opened
from muster.activation.views.lineage import ALIASES, SPLITS, Lineage

Alias = tuple[str, str, int]  # alias, the id that survives, build
Split = tuple[str, str, int]  # the id that is kept, the new id, build


class Told:
    """The builds of a merge policy, each with the aliases and splits as of then."""

    def __init__(self) -> None:
        self._builds: list[tuple[datetime, Lineage]] = []

    def build(
        self, day: str, aliases: Sequence[Alias] = (), splits: Sequence[Split] = (), policy: str = "default"
    ) -> None:
        """A build at midnight of a day, with the next number."""
        frames = (pl.DataFrame(aliases, ALIASES, orient="row"), pl.DataFrame(splits, SPLITS, orient="row"))
        number = len(self._builds) + 1
        self._builds.append((datetime.fromisoformat(f"{day}T00:00Z"), Lineage(policy, number, *frames)))

    def at(self, moment: datetime) -> Lineage | None:
        """The newest build at or before an instant."""
        return next((lineage for at, lineage in reversed(self._builds) if at <= moment), None)

    @contextmanager
    def known(self) -> Iterator[None]:
        """Commands know these builds: what is read is of the newest one, and evaluations and baselines record it."""
        record, count = block_memberships.inputs_record, decided._counted  # noqa: SLF001  # as sources would have it

        def recorded(opened: Opened, *more: Any) -> dict[str, Any]:
            lineage = opened.lineage
            return record(opened, *more) | (
                {"build": {"policy": lineage.policy, "number": lineage.build}} if lineage else {}
            )

        def counted(*about: Any, **_: bool) -> Any:
            return count(*about, from_sources=True)

        with ExitStack() as patches:
            lineage = property(lambda opened: self.at(opened._at))  # noqa: SLF001
            patches.enter_context(mock.patch.object(Opened, "lineage", lineage))
            patches.enter_context(mock.patch.object(block_memberships, "inputs_record", recorded))
            patches.enter_context(mock.patch.object(memberships, "inputs_record", recorded))
            patches.enter_context(mock.patch.object(decided, "_counted", counted))
            yield
