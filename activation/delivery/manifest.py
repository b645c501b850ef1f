"""The manifest of a run: the file that a reader of the destination waits for (F3, F4)."""

import json
from collections.abc import Sequence
from dataclasses import replace

from muster.activation.governance.judged import Judgement, applied
from muster.activation.instants import iso
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.naming import manifest_name
from muster.activation.model.workspace import AnyActivation, Workspace


def with_manifest(run: Run, judgement: Judgement, workspace: Workspace) -> Run:
    """The run with the name and the text of its manifest (F4), with the policies that were applied (G6).

    ``judgement`` is that of the run's activation.
    """
    policies = applied(judgement, run.excluded_by or {})
    text = _text(_manifest(run, judgement.activation, workspace) | ({} if policies is None else {"policies": policies}))
    return replace(run, manifest_name=manifest_name(workspace.name, run.destination, run.run_id), manifest=text)


def with_files(run: Run, files: Sequence[PlannedFile]) -> Run:
    """The run with ``files`` in place of its own, in the manifest too.

    Files that are encrypted anew have other sizes and checksums.
    """
    changed = replace(run, files=tuple(files))
    if run.manifest is None or all(after == before for after, before in zip(files, run.files, strict=True)):
        return changed
    content = json.loads(run.manifest) | {"exportResults": [_result(file) for file in files]}
    return replace(changed, manifest=_text(content))


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _manifest(run: Run, activation: AnyActivation, workspace: Workspace) -> dict[str, object]:
    """The content of a manifest (F4); the keys that Adobe writes come first."""
    return {
        "flowRunId": run.run_id,
        "scheduledTime": iso(run.scheduled_time),
        "exportResults": [_result(file) for file in run.files],
        "workspace": workspace.name,
        "destination": run.destination,
        "activation": run.activation,
        "audienceId": run.audience,
        "audienceName": workspace.audiences[run.audience].name,
        "trigger": run.trigger,
        "exportMode": run.export,
        "firstExport": run.first_export,
        "evaluatedAt": iso(run.evaluated_at) if run.evaluated_at else None,
        "baselineEvaluatedAt": iso(run.baseline_evaluated_at) if run.baseline_evaluated_at else None,
        "columns": [column.target for column in activation.mapping],
        "counts": {
            "received": run.received,
            "exported": run.exported,
            "excluded": run.excluded,
            "realized": run.realized,
            "exited": run.exited,
            "identityChanged": run.identity_changed,
            "excludedBy": run.excluded_by,
            **({} if run.merged is None else {"merged": run.merged, "split": run.split}),
        },
    }


def _result(file: PlannedFile) -> dict[str, object]:
    folder, _, name = file.path.rpartition("/")
    return {"sinkPath": f"/{folder}", "name": name, "size": file.size, "rows": file.rows, "sha256": file.sha256}
