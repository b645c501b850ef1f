"""Counterparts of Azure Storage and Google Cloud Storage on loopback, each a process of its own that speaks HTTP, and a
context manager.

A missing server is a failure, never a skip: `.ci/servers` installs Azurite, the extra `dev` the emulator of Google's.
"""

import base64
import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from support.servers import free_port, wait_for

ACCOUNT = "invented"
KEY = base64.b64encode(sha256(b"a key that opens nothing").digest()).decode()
KEY_VARIABLE = "SHOP_STORAGE_KEY"
_EMULATOR = Path(__file__).parent / "google_emulator.py"
_AZURITE = Path(sys.prefix) / "azurite/node_modules/azurite/dist/src/blob/main.js"


@contextlib.contextmanager
def _running(place: Path, port: int, command: list[str], **environment: str) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    log = place / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=place, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        wait_for(port, process, log)
        yield
    finally:
        process.kill()  # what it holds is in memory
        process.wait()


@dataclass(frozen=True)
class Azure:
    """Azurite with one account and one container."""

    port: int
    container: str = "drop"
    extra: dict[str, str] = field(default_factory=lambda: {KEY_VARIABLE: KEY})  # variables that the connection names
    scheme = "az"

    def url(self, path: str = "") -> str:
        """Of a folder in the container."""
        return f"az://{self.container}{path}"

    def endpoint(self, port: int | None = None) -> str:
        """Where it, or a proxy before it, listens."""
        return f"http://127.0.0.1:{port or self.port}/{ACCOUNT}"

    def connection(self, port: int | None = None) -> dict[str, str]:
        """What a destination says to get there."""
        return {"account": ACCOUNT, "account_key_env": KEY_VARIABLE, "endpoint": self.endpoint(port)}

    def text(self, port: int | None = None) -> str:
        """A connection string."""
        return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.endpoint(port)};"

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """A plain client of the container."""
        with ContainerClient.from_connection_string(self.text(), self.container) as client:
            yield client

    def files(self) -> dict[str, bytes]:
        """All that lies there."""
        with self.client() as client:
            return {name: client.download_blob(name).readall() for name in client.list_blob_names()}

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that lies there."""
        with self.client() as client:
            return {each.name: each.size for each in client.list_blobs()}

    def put(self, name: str, content: bytes) -> None:
        """Somebody's own file."""
        with self.client() as client:
            client.upload_blob(name, content, overwrite=True)

    def remove(self, name: str) -> None:
        """A receiver lost it."""
        with self.client() as client:
            client.delete_blob(name)


@contextlib.contextmanager
def azure(place: Path) -> Iterator[Azure]:
    """Azurite, all of it in memory, with an empty container ``drop``."""
    if not _AZURITE.exists():
        raise RuntimeError(f"Azurite is not installed: .ci/servers {sys.prefix}")
    port = free_port()
    options = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    command = ["node", str(_AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with _running(place, port, command, AZURITE_ACCOUNTS=f"{ACCOUNT}:{KEY}"):
        server = Azure(port)
        with server.client() as client:
            client.create_container()
        yield server


@dataclass(frozen=True)
class Google:
    """An emulator of Cloud Storage with one bucket."""

    port: int
    container: str = "drop"
    extra: dict[str, str] = field(default_factory=dict)
    scheme = "gs"

    def url(self, path: str = "") -> str:
        """Of a folder in the bucket."""
        return f"gs://{self.container}{path}"

    def endpoint(self, port: int | None = None) -> str:
        """Where it, or a proxy before it, listens."""
        return f"http://127.0.0.1:{port or self.port}"

    def connection(self, port: int | None = None) -> dict[str, str]:
        """What a destination says to get there."""
        return {"endpoint": self.endpoint(port)}

    @contextlib.contextmanager
    def client(self) -> Iterator[Any]:
        """A plain client."""
        client = Client(
            project="shop", credentials=AnonymousCredentials(), client_options={"api_endpoint": self.endpoint()}
        )
        try:
            yield client
        finally:
            client.close()

    def files(self) -> dict[str, bytes]:
        """All that lies there."""
        with self.client() as client:
            bucket = client.bucket(self.container)
            names = [blob.name for blob in client.list_blobs(bucket, retry=None)]
            return {name: bucket.blob(name).download_as_bytes(retry=None) for name in names}

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that lies there."""
        with self.client() as client:
            return {blob.name: blob.size for blob in client.list_blobs(self.container, retry=None)}

    def put(self, name: str, content: bytes) -> None:
        """Somebody's own file."""
        with self.client() as client:
            client.bucket(self.container).blob(name).upload_from_string(content)

    def remove(self, name: str) -> None:
        """A receiver lost it."""
        with self.client() as client:
            client.bucket(self.container).blob(name).delete()


@contextlib.contextmanager
def google(place: Path) -> Iterator[Google]:
    """gcp-storage-emulator, all of it in memory, with an empty bucket ``drop``."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(_EMULATOR),
        "start",
        "--host=127.0.0.1",
        f"--port={port}",
        "--in-memory",
    ]
    with _running(place, port, command):
        server = Google(port)
        with server.client() as client:
            client.create_bucket(server.container)
        yield server


@dataclass
class Forger:
    """Between a client and a server: the first ``times`` times that ``real`` comes by it passes ``forged`` on."""

    port: int
    real: bytes
    forged: bytes  # as long
    times: int = 1


@contextlib.contextmanager
def forger(server_port: int, real: bytes, forged: bytes) -> Iterator[Forger]:
    """A proxy before a server on loopback."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", server_port)) as behind:
                threading.Thread(target=self.pass_on, args=(behind, self.request), daemon=True).start()
                self.pass_on(self.request, behind)

        def pass_on(self, source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while piece := source.recv(1 << 16):
                    if sink is not self.request and state.real in piece and state.times:
                        state.times -= 1
                        piece = piece.replace(state.real, state.forged)
                    sink.sendall(piece)
                sink.shutdown(socket.SHUT_WR)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Handler) as listening:
        state = Forger(listening.server_address[1], real, forged)
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield state
        finally:
            listening.shutdown()


@contextlib.contextmanager
def answering(status: int, content: str = "", **headers: str) -> Iterator[int]:
    """A server that gives one answer to whatever it is asked; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content.encode())

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield listening.server_address[1]
        finally:
            listening.shutdown()
