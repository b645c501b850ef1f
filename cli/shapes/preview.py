"""``--json`` of `preview`."""

from typing import TYPE_CHECKING, Any

from muster.cli.shapes.plain import Json, time

if TYPE_CHECKING:
    from muster.runs import Preview, Run, Sample

_SIZES = ("realized", "entered", "exited")
_COUNTS = ("received", "exported", "excluded", "excluded_by", "realized", "exited", "identity_changed")


def preview(found: "Preview") -> Json:
    """The JSON of ``preview``: the audience, the counts of the activation's export, the first rows."""
    activation, evaluation, sample = found.activation, found.evaluation, found.sample
    return {
        **_audiences(found),
        "destination": activation.destination if activation else None,
        "activation": activation.id if activation else None,
        "evaluated_at": time(found.report.at),
        "snapshot": found.snapshot or None,
        **{name: getattr(evaluation, name) if evaluation else None for name in _SIZES},
        "compared_with": time(found.before.at) if found.before else None,
        **_export(found.outcome.run if found.outcome else None),
        "columns": list(sample.columns) if sample else [],
        "row_count": sample.total if sample else None,
        "rows": _rows(sample) if sample else [],
        "warnings": list(found.report.warnings),
        "error": "\n".join(map(str, found.report.errors)) or None,
    }


def _audiences(found: "Preview") -> Json:
    """The one audience, or those of an activation that sends messages, with their sizes; else null."""
    if found.activation is None or found.activation.exports_files:
        return {"audience": found.audience, "audiences": None}
    sizes = [{"id": each.audience, **{name: getattr(each, name) for name in _SIZES}} for each in found.audiences]
    return {"audience": None, "audiences": sizes}


def _export(run: "Run | None") -> Json:
    return {
        "export": run.export if run else None,
        "first_export": run.first_export if run else None,
        "baseline_evaluated_at": time(run.baseline_evaluated_at) if run else None,
        "counts": {name: getattr(run, name) for name in _COUNTS} if run else None,
    }


def _rows(sample: "Sample") -> list[dict[str, Any]]:
    return [dict(zip(sample.columns, row, strict=True)) for row in sample.values]
