"""The activations of one destination from its model, checked (SPEC 2, 5, 6, 7).

An activation's settings lie over its destination's. A mistake is reported where the setting is written, so a mistake
in the destination is reported once, however many activations it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from muster.activation import presets
from muster.activation.config import presets as config_presets
from muster.activation.config.base_models import REQUIRED
from muster.activation.config.columns import (
    build_columns,
    check_changes,
    check_csv,
    check_deduplicate,
    check_targets,
    check_text,
    csv_options,
)
from muster.activation.config.connections import CONNECTION, ENCRYPTION, URL
from muster.activation.config.destination_values import NO_PRESET
from muster.activation.config.encryption import build_encryption
from muster.activation.config.ids import clash
from muster.activation.config.models import ActivationModel, CsvModel, DestinationModel, GuardsModel
from muster.activation.config.schedules import build_schedule
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import did_you_mean
from muster.activation.model import exports, naming
from muster.activation.model.workspace import (
    CHANGES,
    IDENTITY_PREFIX,
    Activation,
    Column,
    Guards,
    Pgp,
    SourceLocation,
    numbered,
)
from muster.activation.presets.shape import Preset

_OVER_PRESET = ("format", "compression", "file_name", "max_rows_per_file", "manifest", "skip_empty")
_A_TIME = datetime(2026, 11, 21, 17, tzinfo=UTC)


@dataclass(frozen=True)
class Surroundings:
    """The parts of a workspace that a destination is checked against. ``audiences``: id to name, of every audience."""

    workspace: str
    zone: ZoneInfo
    audiences: Mapping[str, str]
    root: Path
    environ: Mapping[str, str]
    settings: Document  # muster.yml
    guards: GuardsModel | None = None  # of muster.yml: the default of every activation
    ids: frozenset[str] = frozenset({"profile_id"})  # the sources that are the profile id


@dataclass(frozen=True)
class Layers:
    """An activation's settings over its destination's, or a destination's alone."""

    document: Document
    destination: DestinationModel
    activation: ActivationModel | None = None
    path: KeyPath = ()

    def origin(self, key: str) -> KeyPath | None:
        """Where the setting in force is written; None when it is written nowhere."""
        if self.activation is not None and key in self.activation.model_fields_set:
            return (*self.path, key)
        return (key,) if key in self.destination.model_fields_set else None

    def get(self, key: str) -> Any:
        """The setting in force; None when it is not written, or wrong."""
        origin = self.origin(key)
        return getattr(self.destination if origin == (key,) else self.activation, key) if origin else None

    def merged(self, key: str) -> dict[str, tuple[Any, KeyPath]]:
        """The written keys of ``csv`` or ``guards``, each with its value and path: they merge key by key (SPEC 2)."""
        found: dict[str, tuple[Any, KeyPath]] = {}
        for layer, path in ((self.destination, ()), (self.activation, self.path)):
            options: CsvModel | GuardsModel | None = getattr(layer, key, None)
            if options is not None:
                found |= {name: (getattr(options, name), (*path, key, name)) for name in options.model_fields_set}
        return found

    @property
    def preset(self) -> Preset | None:
        """The preset in force; None when there is none, or a wrong one."""
        name = self.get("preset")
        return presets.get(name) if name in presets.names() else None

    def report(self, key: str, message: str) -> None:
        """Report a mistake in the setting ``key`` where it is written, or at the activation that lacks it."""
        self.document.report(self.origin(key) or self.path, message)


def build_activations(
    document: Document, model: DestinationModel, destination_id: str, around: Surroundings
) -> list[Activation]:
    """The activations of one destination, in the order of the file, without those that have a mistake."""
    own = Layers(document, model)
    layered = [
        Layers(document, model, entry, ("activations", index))
        for index, entry in enumerate(model.activations or ())
        if entry
    ]
    _check_ids(layered)
    columns, encryptions = _all_columns(own, layered), _all_encryptions(own, layered, around)
    built = []
    for layers in layered or [own]:
        mapped = _named(layers, _with_preset(layers, columns.get(layers.origin("mapping"), ()), around.ids))
        _check_settings(layers, mapped)
        _check_manifest(layers, destination_id, around)
        if layers.activation:
            encryption = encryptions[layers.origin("encryption")]
            built.append(_build(layers, layers.activation, mapped, destination_id, around, encryption=encryption))
    return [activation for activation in built if activation]


def _check_ids(layered: Sequence[Layers]) -> None:
    """Check that ids are unique in the destination, letter case aside: they name state files (SPEC 2)."""
    seen: dict[str, tuple[str, int]] = {}
    for layers in layered:
        name, path = _id(layers.activation), (*layers.path, "id")
        if name and name.casefold() in seen:
            first, line = seen[name.casefold()]
            layers.document.report(path, clash("activation", name, first, f"on line {line}"))
        elif name:
            seen[name.casefold()] = name, layers.document.location(path).line


def _id(model: ActivationModel | None) -> str | None:
    """An activation's id: its audience's unless ``id:`` is given (SPEC 2)."""
    if model is not None and "id" not in model.model_fields_set:
        return model.audience
    return model.id if model else None


def _all_columns(own: Layers, layered: Sequence[Layers]) -> dict[KeyPath | None, tuple[Column, ...]]:
    """The columns of each ``mapping`` by its path; each ``deduplicate`` and ``changes`` is checked too."""
    document = own.document
    if any(layers.origin("mapping") is None for layers in layered or [own]):
        document.report((), "is required: the columns to export, such as [profile_id, email]", key=("mapping",))
    columns: dict[KeyPath | None, tuple[Column, ...]] = {}
    for layers in (own, *layered):
        if (path := layers.origin("mapping")) and path not in columns:
            columns[path] = build_columns(document, path, layers.get("mapping"))
    for key, check in (("deduplicate", check_deduplicate), ("changes", check_changes)):
        for path, written in {layers.origin(key): layers.get(key) for layers in (own, *layered)}.items():
            if path:
                check(document, path, written)
    return columns


def _all_encryptions(own: Layers, layered: Sequence[Layers], around: Surroundings) -> dict[KeyPath | None, Pgp | None]:
    """Each ``encryption`` by its path. Key files are read once, however many activations encrypt with them."""
    found: dict[KeyPath | None, Pgp | None] = {None: None}
    for layers in (own, *layered):
        if (path := layers.origin("encryption")) and path not in found:
            found[path] = build_encryption(own.document, path, layers.get("encryption"), around.root, around.environ)
    return found


def _with_preset(layers: Layers, columns: tuple[Column, ...], ids: frozenset[str]) -> tuple[Column, ...]:
    """The columns with the preset's headers and transforms, if any; settings that the preset refuses are reported."""
    preset, document, path = layers.preset, layers.document, layers.origin("mapping")
    if layers.origin("format") is None and (layers.origin("preset") is None or layers.get("preset") == NO_PRESET):
        document.report((), f"is required: {REQUIRED['format']}", key=("format",))
    _check_region(layers)
    if preset is None:
        return columns
    for key in _OVER_PRESET:
        if origin := layers.origin(key):
            config_presets.check_setting(document, preset, key, layers.get(key), origin)
    for key, (value, origin) in layers.merged("csv").items():
        config_presets.check_setting(document, preset, f"csv.{key}", value, origin)
    if path is None:
        return columns
    entries, region = layers.get("mapping") or (), layers.get("region")
    return config_presets.apply_preset(document, path, entries, columns, preset, region=region, ids=ids)


def _check_region(layers: Layers) -> None:
    """Check that a ``region`` has a preset that uses it, at its own level or, without one there, below."""
    region, preset = layers.origin("region"), layers.origin("preset")
    others = layers.destination.activations or () if region == ("region",) else ()
    if region is None or (preset and len(preset) != len(region)):
        return  # what a destination has for its other activations is no mistake of this one
    if layers.preset and not layers.preset.takes_region:
        layers.report("region", f"has no effect: {layers.preset.name} has no column of phone numbers in E.164")
    elif (preset is None or layers.get("preset") == NO_PRESET) and all(
        each is None or each.preset in {None, NO_PRESET} for each in others
    ):
        step = f"e164({layers.get('region') or 'US'})"
        layers.report(
            "region", f"needs a preset, whose phone numbers it is for; without one, write transform: [{step}]"
        )


def _named(layers: Layers, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns with their names; targets that are mapped too often are reported (M1)."""
    found, path = numbered(columns), layers.origin("mapping")
    if path:
        check_targets(layers.document, path, found, layers.preset)
    return found


def _check_settings(layers: Layers, columns: Sequence[Column]) -> None:
    """Check settings against each other: CSV options, deduplication and identities, constant names (M5, M7, F1)."""
    check_csv(layers.document, layers.merged("csv"), layers.preset.csv if layers.preset else {})
    if layers.get("deduplicate") and any(column.source.startswith(IDENTITY_PREFIX) for column in columns):
        layers.report(
            "deduplicate",
            "cannot be combined with a mapped identity namespace, which is already the key; remove one of them",
        )
    file_format = layers.get("format") or (layers.preset.format if layers.preset else None)
    if file_format == "parquet" and layers.get("compression") == "zip":
        layers.report("compression", "'zip' is not a codec inside Parquet files; expected none, gzip or zstd")
    if file_format == "csv":
        check_text(layers.document, layers.merged("csv"), layers.preset.csv if layers.preset else {}, columns)
    template = layers.get("file_name")
    if layers.get("skip_empty") and template and naming.is_constant(template):
        message = "needs a time or {run_id} in file_name; otherwise a skipped file would leave the previous file there"
        layers.report("skip_empty", message)


@cache
def _manifest_size(workspace: str, destination_id: str) -> int:
    return len(
        naming.manifest_name(
            workspace, destination_id, exports.run_id(workspace, destination_id, "", "scheduled", _A_TIME)
        )
    )


def _check_manifest(layers: Layers, destination_id: str, around: Surroundings) -> None:
    """Check that the name of a manifest, if there is one, is short enough for a file system."""
    size = _manifest_size(around.workspace, destination_id)
    if size > naming.MAX_BYTES and layers.get("manifest") is not False:
        message = (
            f"the ids of workspace and destination make a manifest's name of {size} bytes; expected at "
            f"most {naming.MAX_BYTES}"
        )
        layers.document.report((), message)


def _build(
    layers: Layers,
    model: ActivationModel,
    columns: tuple[Column, ...],
    destination_id: str,
    around: Surroundings,
    *,
    encryption: Pgp | None,
) -> Activation | None:
    """One activation; None after reporting what is wrong with its own keys."""
    document, name = layers.document, _id(model)
    known = _check_audience(layers, around)
    schedule = build_schedule(document, (*layers.path, "schedule"), model.schedule, around.zone)
    is_scheduled = model.schedule and (
        model.schedule.on_demand is False or "on_demand" not in model.schedule.model_fields_set
    )
    if is_scheduled and "export" not in model.model_fields_set:
        document.report(layers.path, "is required: full or incremental", key=(*layers.path, "export"))
    if not known or schedule is None or name is None or model.audience is None:
        return None
    unset = document.unset_below(URL, CONNECTION, layers.origin("encryption") or ENCRYPTION)
    if layers.destination.url is None and not document.unset_below(URL):
        return None
    preset = layers.preset
    settings = config_presets.settings(preset) | {key: layers.get(key) for key in _OVER_PRESET if layers.origin(key)}
    if None in settings.values() or not settings.keys() & {"format", "preset"}:
        return None
    activation = Activation(
        id=name,
        destination=destination_id,
        destination_name=layers.destination.name or destination_id,
        audience=model.audience,
        export="full" if schedule.kind == "on_demand" else model.export or "full",
        schedule=schedule,
        url=layers.destination.url,
        mapping=columns,
        deduplicate=tuple(source for source in layers.get("deduplicate") or () if source),
        changes=tuple(word for word in layers.get("changes") or () if word) or CHANGES,
        csv=csv_options(layers.merged("csv"), preset.csv if preset else {}),
        guards=_guards(layers, around),
        encryption=encryption,
        enabled=model.enabled is not False,
        on_failed_evaluation=model.on_failed_evaluation or "hold",
        location=document.location(layers.path),
        unset=tuple(each.problem for each in unset),
        marketing_actions=tuple(sorted({each for each in layers.destination.marketing_actions or () if each})),
        **settings,
    )
    _check_names(layers, activation, around)
    return activation


def _guards(layers: Layers, around: Surroundings) -> Guards:
    """The guards in force: those of muster.yml, the destination and the activation, merged key by key (X11)."""
    default, written = around.guards or GuardsModel(), layers.merged("guards")

    def limit(key: str) -> tuple[Any, SourceLocation]:
        if key in written:
            value, path = written[key]
            return value, layers.document.location(path)
        return getattr(default, key), around.settings.location(("guards", key))

    (max_shrink, shrink_location), (max_exited, exited_location) = limit("max_shrink"), limit("max_exited")
    return Guards(max_shrink, max_exited, shrink_location, exited_location)


def _check_audience(layers: Layers, around: Surroundings) -> bool:
    audience = layers.activation and layers.activation.audience
    if audience and audience not in around.audiences:
        path = (*layers.path, "audience")
        layers.document.report(
            path, f"unknown audience {layers.document.shown(path)}{did_you_mean(audience, around.audiences)}"
        )
    return audience in around.audiences


def _check_names(layers: Layers, activation: Activation, around: Surroundings) -> None:
    for message in naming.name_mistakes(activation, around.workspace, around.audiences[activation.audience]):
        layers.report("file_name", f"the file name of {activation.key} {message}")
