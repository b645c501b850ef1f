"""A source from the model of a file in ``sources/``, checked (P1, P2). Mistakes are reported in the document."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from muster.activation.config.connections import CONNECTION, input_connection
from muster.activation.config.governance import label_entries
from muster.activation.config.source_models import SourceIdentityModel, SourceModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import did_you_mean
from muster.activation.model.sources import BUILT_IN, VIEW_COLUMNS, Source, SourceIdentity


def build_source(
    document: Document,
    model: SourceModel,
    source_id: str,
    environ: Mapping[str, str],
    *,
    namespaces: Collection[str] | None,
    labels: Collection[str],
) -> Source | None:
    """The source of a file; None when the file has a mistake.

    ``namespaces`` are the ids of those that there are, None while muster.yml cannot be read. ``labels`` are known ones.
    """
    _check_kind(document, model)
    connection = input_connection(document, CONNECTION, model, environ)
    identities = tuple(_identities(document, model.identities or (), namespaces))
    _check_primary(document, model, identities)
    for target in model.columns or {}:
        if target in VIEW_COLUMNS:
            document.report(("columns", target), f"{target!r} is a column that muster adds; choose another name")
    entries = label_entries(document, model.labels, labels)
    if document.problems or model.path is None:
        return None
    return Source(
        id=source_id,
        name=model.name or source_id,
        path=model.path,
        identities=identities,
        kind=model.kind or "records",
        mode=model.mode or "snapshot",
        profile=model.profile is not False,
        updated_at=model.updated_at,
        deleted=model.deleted,
        timestamp=model.timestamp,
        columns={target: source for target, source in (model.columns or {}).items() if source},
        connection=connection,
        max_age=model.max_age,
        labels=entries,
        location=document.location(()),
    )


def _check_kind(document: Document, model: SourceModel) -> None:
    """Check that the keys fit the kind of rows: records, or events; and the mode of records."""
    written = model.model_fields_set
    if model.kind == "events":
        for key in (each for each in ("mode", "updated_at", "deleted") if each in written):
            document.report((key,), "is for records, and kind is events; remove it")
        if "timestamp" not in written:
            document.report((), "is required: the column with the time of the event", key=("timestamp",))
    elif model.kind == "records":
        if "timestamp" in written:
            document.report(("timestamp",), "is for events; of records, write updated_at, or kind: events")
        if model.mode == "changes" and "updated_at" not in written:
            missing = "is required in mode: changes: the column that says which row of a record is the newest"
            document.report((), missing, key=("updated_at",))
        if "deleted" in written and (model.mode == "snapshot" or "mode" not in written):
            why = "of a snapshot, records that are gone are not in the next one"
            document.report(("deleted",), f"is for mode: changes; {why}")


def _identities(
    document: Document, models: Sequence[SourceIdentityModel | None], namespaces: Collection[str] | None
) -> Iterator[SourceIdentity]:
    for index, model in enumerate(models):
        path: KeyPath = ("identities", index)
        if model is None:
            continue
        written = model.model_fields_set
        if not written & {"column", "identity_map"}:
            missing = "is required: the column with the identities; or write identity_map"
            document.report(path, missing, key=(*path, "column"))
        elif "identity_map" in written:
            yield from _of_a_map(document, path, model)
        elif "namespace" not in written:
            missing = f"is required: the namespace of these identities, such as {', '.join(list(BUILT_IN)[:3])}"
            document.report(path, missing, key=(*path, "namespace"))
        else:
            yield from _of_a_column(document, path, model, namespaces)


def _of_a_map(document: Document, path: KeyPath, model: SourceIdentityModel) -> Iterator[SourceIdentity]:
    written = model.model_fields_set
    for key in (each for each in ("column", "namespace") if each in written):
        document.report((*path, key), f"does not go with identity_map, which has {key}s of its own; remove one of them")
    if model.primary:
        document.report((*path, "primary"), "an identity map is never primary; expected a column of one namespace")
    if model.identity_map:
        yield SourceIdentity(model.identity_map, location=document.location(path))


def _of_a_column(
    document: Document, path: KeyPath, model: SourceIdentityModel, namespaces: Collection[str] | None
) -> Iterator[SourceIdentity]:
    if model.namespace and namespaces is not None and model.namespace not in namespaces:
        unknown = f"there is no namespace {model.namespace!r}, built in or declared under namespaces in muster.yml"
        document.report((*path, "namespace"), f"{unknown}{did_you_mean(model.namespace, namespaces)}")
    if model.column and model.namespace:
        yield SourceIdentity(model.column, model.namespace, bool(model.primary), document.location(path))


def _check_primary(document: Document, model: SourceModel, identities: Sequence[SourceIdentity]) -> None:
    """Check that exactly one identity is primary, and that none is there twice (P1)."""
    entries = list(zip(document.entries(("identities",)), model.identities or (), strict=False))
    primaries = [place for place, each in entries if each and each.primary and each.column]
    columns = [place for place, each in entries if each is None or each.column]
    if "identities" in model.model_fields_set and model.identities == []:
        document.report(("identities",), "is empty; expected at least the primary identity")
    elif not primaries and all(each and (each.column or not each.primary) for each in model.identities or (None,)):
        example = document.shown((*columns[0], "column")).strip("'") if columns else "email"
        missing = f"no identity is primary: write primary: true beside the one that names a record, such as {example}"
        document.report(("identities",), missing)
    for place in primaries[1:]:
        line = document.location(primaries[0]).line
        document.report((*place, "primary"), f"another identity is primary, on line {line}; a source has one")
    seen: dict[tuple[str, str | None], SourceIdentity] = {}
    for each in identities:
        first = seen.setdefault((each.column, each.namespace), each)
        if first is not each:
            document.problems.append(each.location.problem(f"is there already, on line {first.location.line}"))
