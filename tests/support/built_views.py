"""Builds of merged views, as commands make them: sources opened, a build kept, or made for one look (P7, P8, P10)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from support.shop import Shop

from muster.activation.inputs.paths import Inputs
from muster.activation.model.sources import DEFAULT_POLICY, event_sources, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.sources.opened import open_source
from muster.activation.state.files import State
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger.database import Ledger
from muster.activation.views.build import view_at
from muster.activation.views.view import View
from muster.runs import open_workspace


def instant(text: str) -> datetime:
    """A day, or a time of it, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Views:
    """A workspace of sources that a test fills, and the views of its policies."""

    def __init__(self, root: Path) -> None:
        self.shop = Shop(root)
        self.shop.set(profiles={"from": "sources"})

    def set(self, **settings: Any) -> None:
        """Change keys of muster.yml."""
        self.shop.set(**settings)

    def source(self, source: str, *identities: str, **more: Any) -> None:
        """A source of which the identities are written ``column Namespace``, the primary one first."""
        pairs = [each.split() for each in identities]
        found: list[dict[str, Any]] = [{"column": column, "namespace": namespace} for column, namespace in pairs]
        found[0]["primary"] = True
        content = {"path": f"data/{source}", "identities": found} | more
        self.shop.write(f"sources/{source}.yml", content)

    def hold(self, source: str, day: str, rows: Sequence[dict[str, Any]], **types: Any) -> None:
        """A dated file of a source."""
        schema = {name: types.get(name, pl.String) for row in rows for name in row} | types
        self.shop.parquet(f"data/{source}/{day}.parquet", pl.DataFrame(rows, schema=schema))

    @property
    def workspace(self) -> Workspace:
        """The checked config."""
        return open_workspace(self.shop.root).config

    @property
    def folder(self) -> StateFolder:
        """The state folder."""
        return StateFolder(self.shop.root / ".muster", 0o600)

    def build(self, at: str, policy: str = DEFAULT_POLICY, **more: Any) -> View:
        """The view of a policy at an instant, kept."""
        with self.folder.writing(0) as ledger:
            return self.view(at, ledger, policy, keeps=True, **more)

    def look(self, at: str, policy: str = DEFAULT_POLICY, **more: Any) -> View:
        """The view as a command sees it that writes nothing."""
        with self.folder.reading() as ledger:
            return self.view(at, ledger, policy, keeps=False, **more)

    def view(self, at: str, ledger: Ledger, policy: str, *, keeps: bool, **more: Any) -> View:
        """The view with an open ledger."""
        workspace, inputs, when = self.workspace, Inputs(self.workspace), instant(at)
        chosen, known = workspace.merge_policies[policy], workspace.sources
        sources = [
            open_source(workspace, each, inputs, when, allow_empty=True, warn=lambda _: None)
            for each in (*record_sources(chosen, known), *event_sources(chosen, known))
        ]
        state = State(self.folder.folder, 0o600)
        return view_at(workspace, policy, sources, when, state, ledger, keeps=keeps, **more)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, to read."""
        with self.folder.reading() as ledger:
            yield ledger


def frame(view: View) -> pl.DataFrame:
    """A view as any tool reads it."""
    return pl.concat([pl.read_parquet(path) for path in view.paths])


def people(view: View, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of a view, sorted: what it holds, without the ids."""
    return sorted(frame(view).select(columns).rows(), key=repr)
