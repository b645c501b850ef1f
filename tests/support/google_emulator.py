"""gcp-storage-emulator with what it lacks: `ifGenerationMatch=0`, by which Google refuses an upload to a name that is
taken, `X-Goog-Hash`, by which Google refuses the last request of an upload that has another checksum, and a thread for
each connection, so that one that is broken off holds up no other.
"""

import http.server
import sys
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects

_TAKEN = {"error": {"code": 412, "message": "it is taken", "errors": [{"reason": "conditionNotMet"}]}}
_insert, _upload_partial = objects.insert, objects.upload_partial


def insert(request: Any, response: Any, storage: Any, *arguments: Any, **options: Any) -> None:
    """An upload, or its beginning."""
    if request.query.get("ifGenerationMatch") == ["0"] and _is_there(request, storage):
        response.status = HTTPStatus.PRECONDITION_FAILED
        response.json(_TAKEN)
        return
    _insert(request, response, storage, *arguments, **options)


def upload_partial(request: Any, response: Any, storage: Any, *arguments: Any, **options: Any) -> None:
    """A piece of an upload, the last one with the checksum of the whole."""
    kind, _, checksum = request.get_header("X-Goog-Hash", "").partition("=")
    if kind == "crc32c":
        storage.get_resumable_file_obj(request.query["upload_id"][0])["crc32c"] = checksum
    _upload_partial(request, response, storage, *arguments, **options)


def _is_there(request: Any, storage: Any) -> bool:
    sent = request.data.get("meta", request.data) if isinstance(request.data, dict) else {}
    name = request.query["name"][0] if "name" in request.query else sent.get("name")
    try:
        storage.get_file_obj(request.params["bucket_name"], name)
    except NotFound:
        return False
    return True


if __name__ == "__main__":
    objects.insert, objects.upload_partial = insert, upload_partial
    http.server.HTTPServer = http.server.ThreadingHTTPServer  # type: ignore[misc]  # what the emulator makes its server of
    from gcp_storage_emulator import __main__ as command  # it takes its handlers when it is imported

    sys.exit(command.main(sys.argv[1:]))
