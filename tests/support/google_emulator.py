"""gcp-storage-emulator with what it lacks: `ifGenerationMatch=0`, by which Google refuses an upload to a name that is
taken, and a thread for each connection, so that one that is broken off holds up no other.
"""

import http.server
import sys
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

_TAKEN = {"error": {"code": 412, "message": "it is taken", "errors": [{"reason": "conditionNotMet"}]}}
_insert = objects.insert


def insert(request: Any, response: Any, storage: Any, *arguments: Any, **options: Any) -> None:
    """An upload, or its beginning."""
    if request.query.get("ifGenerationMatch") == ["0"] and _is_there(request, storage):
        response.status = HTTPStatus.PRECONDITION_FAILED
        response.json(_TAKEN)
        return
    _insert(request, response, storage, *arguments, **options)


def _is_there(request: Any, storage: Any) -> bool:
    sent = request.data.get("meta", request.data) if isinstance(request.data, dict) else {}
    name = request.query["name"][0] if "name" in request.query else sent.get("name")
    try:
        storage.get_file_obj(request.params["bucket_name"], name)
    except NotFound:
        return False
    return True


if __name__ == "__main__":
    objects.insert = insert
    http.server.HTTPServer = http.server.ThreadingHTTPServer  # type: ignore[misc]  # what the emulator makes its server of
    from gcp_storage_emulator import __main__ as command  # it takes its handlers when it is imported

    sys.exit(command.main(sys.argv[1:]))
