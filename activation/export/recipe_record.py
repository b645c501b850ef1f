"""The recipe of a run in the ledger: the config and versions that make bytes of its rows, written and read (M7, F2).

With the recipe a run's files can be made again whatever the config says then. ``recipe.py`` answers how a run's files
were written, also where no recipe was recorded.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.mapping_record import columns_of, mapping_record
from muster.activation.mapping.type_changes import types_of
from muster.activation.model.history import Run
from muster.activation.model.workspace import Activation, Column, CsvOptions, Pgp, ProfilesSource, Schedule
from muster.activation.rules.expressions import Moment
from muster.activation.state.ledger import inputs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.values.transforms import read as read_transform


def with_recipe(
    run: Run, activation: Activation, layout: Layout, last: LastMapping | None, *, zone: ZoneInfo, ledger: Ledger
) -> Run:
    """The run with its recipe and its snapshot's files, each stored once for all runs that share it.

    ``last`` is the mapping of the last delivery. To be called in a transaction of the ledger.
    """
    snapshot, types = layout.snapshot, types_of(layout, last)
    recipe = inputs_table.put(ledger, _recipe(activation, snapshot.source, zone) | {"types": types})
    return replace(run, recipe=recipe, snapshot=inputs_table.put(ledger, snapshot.records))


def _recipe(activation: Activation, source: ProfilesSource, zone: ZoneInfo) -> dict[str, Any]:
    has_expressions = any(each.expression is not None for each in activation.mapping)
    return ({"timezone": zone.key} if has_expressions else {}) | {
        "format": activation.format,
        "compression": activation.compression,
        "csv": _csv_record(activation.csv),
        "mapping": mapping_record(activation.mapping),
        "deduplicate": list(activation.deduplicate),
        "max_rows_per_file": activation.max_rows_per_file,
        "skip_empty": activation.skip_empty,
        "profiles": {"id": source.id, "identity_map": source.identity_map},
        **({"encryption": _encryption_keys(activation.encryption)} if activation.encryption else {}),
        "versions": versions_for(activation.mapping),
    }


def _csv_record(csv: CsvOptions) -> dict[str, Any]:
    """The options of CSV; the newer one is left out where it is the default, so that older recipes stay the same."""
    return {name: value for name, value in asdict(csv).items() if name != "escape" or value}


def _encryption_keys(pgp: Pgp) -> dict[str, Any]:
    """The recipients' encryption keys and the signing key, for the record alone: files made again use today's keys."""
    recipients = [{"file": each.path, "fingerprint": each.fingerprint} for each in pgp.public_keys]
    return {"pgp": {"public_keys": recipients, "signed_by": pgp.sign_with and pgp.sign_with.fingerprint}}


@cache
def versions() -> dict[str, str]:
    """The versions of the software that makes bytes of rows."""
    return {"muster": _version("muster-activation"), "polars": pl.__version__}


def versions_for(mapping: Iterable[Column]) -> dict[str, str]:
    """The versions of the software that makes bytes of rows with this mapping.

    Numbering plans of telephones change, so a mapping with such numbers also has the version of their library.
    """
    has_phones = any(read_transform(step).name == "e164" for each in mapping for step in each.transform)
    return versions() | ({"phonenumbers": _version("phonenumbers")} if has_phones else {})


def _version(package: str) -> str:
    from importlib.metadata import version  # noqa: PLC0415  # reading what was delivered goes without

    return version(package)


def moment_of(run: Run, recipe: dict[str, Any], zone: ZoneInfo) -> Moment:
    """The instant and zone of the mapping's expressions in that run; ``zone`` is for runs without expressions."""
    if run.evaluated_at is None:
        raise ValueError(run)
    return Moment(run.evaluated_at, ZoneInfo(recipe["timezone"]) if "timezone" in recipe else zone)


def activation_of(run: Run, recipe: dict[str, Any]) -> Activation:
    """The activation as the config was at that run, as far as bytes depend on it."""
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
    """The source of profiles at ``path`` with the column names of the recipe."""
    return ProfilesSource(path, **recipe["profiles"])


def last_mapping_of(recipe: dict[str, Any]) -> LastMapping:
    """The mapping of a recipe, for the columns that continue it (X12)."""
    sanitizes = recipe["format"] == "csv" and CsvOptions(**recipe["csv"]).sanitize_formulas
    columns, id_column = columns_of(recipe["mapping"]), recipe["profiles"]["id"]
    types = tuple(recipe.get("types", ()))
    return LastMapping(columns, tuple(recipe["deduplicate"]), sanitizes, id_column, types)
