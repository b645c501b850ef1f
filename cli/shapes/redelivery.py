"""``--json`` of `replay` and `redeliver`."""

from typing import TYPE_CHECKING

from muster.cli.shapes.plain import Json
from muster.cli.shapes.runs import file_shape

if TYPE_CHECKING:
    from muster.runs import Redelivered, Remade, Resent


def replayed(each: "Remade") -> Json:
    """The JSON of ``replay``."""
    files = [
        {
            "path": f"{each.folder}/{file.path}",
            "rows": file.rows,
            "size": file.size,
            "sha256": file.sha256,
            "same": each.is_same(index),
        }
        for index, file in enumerate(each.files)
    ]
    return {
        "run_id": each.run.run_id,
        "folder": str(each.folder),
        "same": each.error is None,
        "encrypted": each.is_encrypted,
        "files": files,
        "manifest": f"{each.folder}/{each.run.manifest_name}" if each.run.manifest_name else None,
        "requests": [vars(request) for request in each.requests] if each.requests is not None else None,
    }


def redelivered(each: "Redelivered") -> Json:
    """The JSON of ``redeliver``."""
    run = each.run
    files = [file_shape(run, i) | {"written": file.path in each.written} for i, file in enumerate(run.files)]
    return {
        "run_id": run.run_id,
        "url": run.url,
        "files": files,
        "manifest": f"{run.url}/{run.manifest_name}" if run.manifest_name else None,
        "manifest_written": each.manifest_written,
        "messages": None,
        "requests": None,
        "refused": None,
    }


def resent(each: "Resent") -> Json:
    """The JSON of ``redeliver`` of a run that sent messages."""
    return {
        "run_id": each.run.run_id,
        "url": each.run.url,
        "files": [],
        "manifest": None,
        "manifest_written": False,
        "messages": each.messages,
        "requests": each.requests,
        "refused": each.refused,
    }
