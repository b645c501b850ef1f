"""``--json`` of `presets`."""

from muster.cli.shapes.plain import Json
from muster.runs import Header, MessagePreset, Preset


def line(preset: Preset | MessagePreset) -> Json:
    """The JSON of one line of ``presets list``."""
    return {
        "name": preset.name,
        "kind": "http" if isinstance(preset, MessagePreset) else "files",
        "receiver": preset.receiver,
        "format": None if isinstance(preset, MessagePreset) else preset.format,
        "looked_at": max(page.looked_at for page in preset.pages).isoformat(),
    }


def whole_of_requests(preset: MessagePreset) -> Json:
    """The JSON of ``presets show`` of a preset of requests."""
    return line(preset) | {
        "about": preset.about,
        "sets": preset.destination,
        "limits": list(preset.limits),
        "attribution": preset.attribution,
        "notes": list(preset.notes),
        "uncertain": list(preset.uncertain),
        "pages": _pages(preset),
        "example": preset.example,
    }


def whole(preset: Preset) -> Json:
    """The JSON of ``presets show`` of a preset of files."""
    limits, others = preset.limits, preset.others
    return line(preset) | {
        "about": preset.about,
        "csv": dict(preset.csv),
        "takes": {key: list(values) for key, values in preset.takes.items()},
        "headers": [_header(header) for header in preset.headers],
        "other_headers": others
        and {
            "pattern": others.pattern,
            "words": others.words,
            "holds": others.holds,
            "may_identify": others.may_identify,
        },
        "needs": [list(group) for group in preset.needs],
        "known_by": [list(group) for group in preset.known_by],
        "country": preset.country or None,
        "takes_lists": preset.takes_lists,
        "together": [list(group) for group in preset.together],
        "apart": [list(pair) for pair in preset.apart],
        "limits": {
            "rows": limits.rows,
            "bytes": limits.size,
            "columns": limits.columns,
            "other_columns": limits.others,
            "advised_rows": limits.few_rows,
        },
        "notes": list(preset.notes),
        "uncertain": list(preset.uncertain),
        "pages": _pages(preset),
        "example": example(preset),
    }


def _pages(preset: Preset | MessagePreset) -> list[Json]:
    return [
        {"url": page.url, "looked_at": page.looked_at.isoformat(), "dated": page.dated or None} for page in preset.pages
    ]


def _header(header: Header) -> Json:
    return {
        "name": header.name,
        "holds": header.holds,
        "sources": list(header.sources),
        "transform": list(header.transform),
        "hashed": header.hashed,
        "at_most": header.at_most,
    }


def example(preset: Preset) -> str:
    """A destination file with this preset, as YAML, for an audience called ``everyone``."""
    lines = [
        f"url: exports/{preset.name}",
        f"preset: {preset.name}",
        "mapping:",
        preset.example.rstrip("\n"),
        "activations:",
    ]
    return "\n".join([*lines, '  - {audience: everyone, export: full, schedule: {at: "05:00"}}', ""])
