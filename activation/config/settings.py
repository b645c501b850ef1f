"""muster.yml from its model: sources, state, evaluation schedule, retention (SPEC 2)."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from muster.activation.config.connections import build_input
from muster.activation.config.hooks import build_hooks
from muster.activation.config.models import EvaluationModel, RetentionModel, SettingsModel
from muster.activation.config.profiles import build_profiles
from muster.activation.config.schedules import build_schedule, zone_of
from muster.activation.config.yaml_reader import Document
from muster.activation.model.workspace import (
    EventsSource,
    Keep,
    MembershipsSource,
    Retention,
    Workspace,
)

_CLOCK_KINDS = ("at", "every", "cron")


def build_workspace(
    document: Document, model: SettingsModel, root: Path, environ: Mapping[str, str]
) -> Workspace | None:
    """The workspace without audiences, destinations and activations; None when muster.yml has a mistake."""
    evaluation, zone = model.evaluation or EvaluationModel(), zone_of(model)
    schedule = build_schedule(document, ("evaluation", "schedule"), evaluation.schedule, zone, _CLOCK_KINDS)
    state = Path(os.path.abspath(root / (model.state or "")))  # noqa: PTH100 (resolve() would follow symlinks)
    if model.state and state == root:
        document.report(("state",), "is the workspace itself; expected a folder of its own such as .muster")
    retention = _retention(document, model.retention)
    hooks = build_hooks(document, model.hooks)
    inputs = {
        what: build_input(document, source, environ, what)
        for what, source in (("events", model.events), ("memberships", model.memberships))
        if source
    }
    profiles = build_profiles(document, model.profiles, environ)
    if document.problems or model.workspace is None or profiles is None:
        return None
    return Workspace(
        root=root,
        name=model.workspace,
        zone=zone,
        profiles=profiles,
        state=state,
        audiences={},
        activations=(),
        destinations={},
        events=EventsSource(**inputs["events"]) if model.events else None,
        memberships=MembershipsSource(**inputs["memberships"]) if model.memberships else None,
        evaluation_schedule=schedule,
        keep_exited=evaluation.keep_exited if evaluation.keep_exited is not None else timedelta(days=30),
        file_mode=model.file_mode or 0o600,
        memory_limit=model.memory_limit,
        retention=retention,
        hooks=hooks,
        id_key=(model.profiles and model.profiles.id_key) or "",
    )


def _retention(document: Document, model: RetentionModel | None) -> Retention:
    """How much of each kind of history `muster prune` keeps; what is not written is kept for ever."""
    kinds = {name: getattr(model, name, None) for name in RetentionModel.model_fields}
    for name, kind in kinds.items():
        wrong = any(problem.key.startswith(f"retention.{name}.") for problem in document.problems)
        if kind and not kind.model_fields_set and not wrong:
            document.report(("retention", name), "is empty; expected days or count, such as {days: 30, count: 10}")
    return Retention(
        **{name: kind and Keep(kind.days and timedelta(days=kind.days), kind.count) for name, kind in kinds.items()}
    )
