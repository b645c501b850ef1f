"""What a run decided, written down so that its files can be made again, byte for byte, whatever the config says then. Edge module.

decision   a file of the state: the rows to write, in their order (profile_id, status, last_qualification_time; identity where a
           namespace is mapped; o0...: the key values last sent of those that exited, sent_with: how their
           ids were written). Where everybody goes out whom an evaluation
           found realized, but for those whom the run lists as left out, it is the evaluation's own file.
recipe     the config that makes bytes of them, and the versions of what made them
snapshot   the files whose values were written
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.comparison.compare import Comparison
from muster.activation.export.recipe import columns_of, mapping_record
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED, ROW, STATUS, STATUS_TYPE, TIME
from muster.activation.mapping.columns import IDENTITY
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.sent_types import holding_rows
from muster.activation.model.history import Run, StoredFile
from muster.activation.model.workspace import Activation, Column, CsvOptions, Pgp, ProfilesSource, Schedule
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger import inputs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.values.transforms import read as read_transform

_IDENTITY = "identity"  # ``__identity`` in the file


def write(rows: pl.DataFrame, layout: Layout, run: Run, roster: Roster, state: State) -> StoredFile:
    """Write down the rows of a run (``compare``'s)."""
    sent = [name for name in rows.columns if name not in {ROW, STATUS, TIME, IDENTITY}]
    texts = holding_rows(layout, rows) is not layout  # for somebody who stays, perhaps
    told = sent if run.exited or texts else []
    kept = [pl.when(pl.col(STATUS) == EXITED).then(name).alias(name) for name in told]
    frame = rows.select(
        roster.ids_of(rows[ROW]).alias(PROFILE_ID),
        pl.col(STATUS).cast(pl.String),
        TIME,
        *([pl.col(IDENTITY).alias(_IDENTITY)] if IDENTITY in rows.columns else []),
        *kept,
    )
    return state.write(frame, state_paths.decision_file(run.run_id))


def is_everybody(comparison: Comparison, layout: Layout, everybody: int) -> bool:
    """Whether the rows are all whom an evaluation found realized, so many, but for those excluded; no one else, each once."""
    counts = comparison.counts
    whole = counts.realized == comparison.desired == everybody - counts.excluded
    return whole and not counts.exited and not layout.identity and holding_rows(layout, comparison.rows) is layout


def read(run: Run, layout: Layout, roster: Roster, state: State) -> pl.DataFrame:
    """The rows as ``compare`` gave them, without key values of those who are realized; ``StateError`` when a file is gone or damaged."""
    remedy = f"restore the file from a backup: without it the files of run {run.run_id} cannot be made again"
    if run.decision is None:
        raise ValueError(run)
    frame = state.read(run.decision, remedy)
    if state.is_memberships(run.decision):
        found = frame.filter(pl.col(STATUS) == REALIZED).select(PROFILE_ID, pl.col(STATUS).cast(STATUS_TYPE), TIME)
        if run.rejects:
            found = found.join(state.read(run.rejects, remedy), on=PROFILE_ID, how="anti")
        rows = roster.numbered(found)
        return (
            rows.with_columns(roster.rank_of(rows[ROW]).alias("rank"))
            .sort("rank")
            .select(ROW, STATUS, TIME, *_sent(layout, {}))
        )
    rows = roster.numbered(frame).rename({_IDENTITY: IDENTITY}, strict=False)
    return rows.with_columns(pl.col(STATUS).cast(STATUS_TYPE), *_sent(layout, rows.schema))


def _sent(layout: Layout, kept: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """The key values last sent, null where none were kept; text where the column was (``key_types``)."""
    keys = [(f"o{place}", field.dtype) for place, field in enumerate(layout.keys)]
    return [
        (
            pl.col(name).cast(pl.String() if kept[name] == pl.String else dtype)
            if name in kept
            else pl.lit(None, dtype)
        ).alias(name)
        for name, dtype in keys
    ]


def with_recipe(run: Run, activation: Activation, snapshot: Snapshot, zone: ZoneInfo, ledger: Ledger) -> Run:
    """The run with what its bytes come of besides its rows, kept once for all runs that share it. In a transaction."""
    recipe = inputs_table.put(ledger, _recipe(activation, snapshot.source, zone))
    return replace(run, recipe=recipe, snapshot=inputs_table.put(ledger, snapshot.records))


def _recipe(activation: Activation, source: ProfilesSource, zone: ZoneInfo) -> dict[str, Any]:
    counts = any(each.expression is not None for each in activation.mapping)
    return ({"timezone": zone.key} if counts else {}) | {
        "format": activation.format,
        "compression": activation.compression,
        "csv": asdict(activation.csv),
        "mapping": mapping_record(activation.mapping),
        "deduplicate": list(activation.deduplicate),
        "max_rows_per_file": activation.max_rows_per_file,
        "skip_empty": activation.skip_empty,
        "profiles": {"id": source.id, "identity_map": source.identity_map},
        **({"encryption": _keys(activation.encryption)} if activation.encryption else {}),
        "versions": versions_for(activation.mapping),
    }


def _keys(pgp: Pgp) -> dict[str, Any]:
    """To whom files were encrypted, and who signed: for the record, for they are made again with the keys that are configured then."""
    recipients = [{"file": each.path, "fingerprint": each.fingerprint} for each in pgp.public_keys]
    return {"pgp": {"public_keys": recipients, "signed_by": pgp.sign_with and pgp.sign_with.fingerprint}}


@cache
def versions() -> dict[str, str]:
    """What makes bytes of rows."""
    return {"muster": _version("muster-activation"), "polars": pl.__version__}


def versions_for(mapping: Iterable[Column]) -> dict[str, str]:
    """The same for a mapping; numbering plans of telephones change, so where they count, their library is among it."""
    numbers = any(read_transform(step).name == "e164" for each in mapping for step in each.transform)
    return versions() | ({"phonenumbers": _version("phonenumbers")} if numbers else {})


def _version(package: str) -> str:
    from importlib.metadata import version  # noqa: PLC0415  # not for what only reads

    return version(package)


def moment_of(run: Run, recipe: dict[str, Any], zone: ZoneInfo) -> Moment:
    """What instants in the expressions of a mapping were; ``zone`` is the workspace's, for runs without expressions."""
    if run.evaluated_at is None:
        raise ValueError(run)
    return Moment(run.evaluated_at, ZoneInfo(recipe["timezone"]) if "timezone" in recipe else zone)


def activation_of(run: Run, recipe: dict[str, Any]) -> Activation:
    """The activation as its config was then, as far as bytes depend on it."""
    return Activation(
        id=run.activation,
        destination=run.destination,
        destination_name=run.destination,
        audience=run.audience,
        export="full" if run.export == "full" else "incremental",
        schedule=Schedule("on_demand", ZoneInfo("UTC")),
        url=run.url or "",
        format=recipe["format"],
        compression=recipe["compression"],
        csv=CsvOptions(**recipe["csv"]),
        mapping=columns_of(recipe["mapping"]),
        deduplicate=tuple(recipe["deduplicate"]),
    )


def source_of(recipe: dict[str, Any], path: str) -> ProfilesSource:
    """How the snapshot's columns were called then."""
    return ProfilesSource(path, **recipe["profiles"])
