"""The YAML files of the measured workspaces; the data is shared by all, see ``benchmarks.generate``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import audiences

MAPPING: list[Any] = [
    *audiences.COLUMNS,
    {"source": "segment_membership.status", "target": audiences.STATUS},
    {"source": "segment_membership.last_qualification_time", "target": audiences.TIME},
]
FULL, CHANGES = "full", "changes"  # destinations of the night: an activation of each audience in each


def night(root: Path, data: Path, consent: str = "") -> None:
    """Write the workspace of 40 audiences, each exported in full and incrementally after evaluation.

    With ``consent``, a condition in SQL, a policy leaves everybody out of both destinations for whom it is not true.
    """
    rules: dict[str, dict[str, Any]] = {
        name: {"where": audiences.rule(name, "now()", lambda other: f'audience."{other}"')} for name in audiences.NAMES
    }
    for name, (_, used) in audiences.EVENTS.items():
        rules[name]["events"] = {measure: _measure(*audiences.MEASURES[measure]) for measure in used}
    settings = {"events": {"path": str(data / "events")}}
    destinations = {
        FULL: destination(FULL, [activation(name, "full") for name in rules]),
        CHANGES: destination(CHANGES, [activation(name, "incremental") for name in rules]),
    }
    if consent:
        for each in destinations.values():
            each["marketing_actions"] = ["email_targeting"]
        _dump(root / "policies" / "consent.yml", {"actions": ["email_targeting"], "consent": consent})
    write(root, data, rules, destinations, settings)


def _measure(function: str, column: str | None, where: str | None, days: int) -> dict[str, str]:
    measure = {"measure": f"{function}({column})" if column else function, "within": f"{days}d"}
    return measure | ({"where": where} if where else {})


def activation(audience: str, export: str | None, schedule: Any = "after_evaluation") -> dict[str, Any]:
    """The YAML of an activation of an audience."""
    return {"audience": audience, "schedule": schedule} | ({"export": export} if export else {})


def destination(name: str, activations: Sequence[dict[str, Any]], file_format: str = "csv") -> dict[str, Any]:
    """The YAML of a destination: a folder ``exports/NAME`` whose files are named after their activations."""
    return {
        "url": f"exports/{name}",
        "format": file_format,
        "file_name": "{activation}",
        "max_rows_per_file": 1_000_000_000,  # one file each, as the scripts write them
        "mapping": MAPPING,
        "activations": list(activations),
    }


def write(
    root: Path,
    data: Path,
    rules: Mapping[str, Mapping[str, Any]],
    destinations: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any] | None = None,
    *,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the YAML files of a workspace."""
    general = {"workspace": "bench", "profiles": {"path": str(data / "profiles")}} | dict(settings or {})
    _dump(root / "muster.yml", general)
    for name, content in (sources or {}).items():
        _dump(root / "sources" / f"{name}.yml", content)
    for name, content in rules.items():
        _dump(root / "audiences" / f"{name}.yml", {"name": name} | dict(content))
    for name, content in destinations.items():
        _dump(root / "destinations" / f"{name}.yml", content)


def _dump(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
