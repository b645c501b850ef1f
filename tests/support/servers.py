"""Real counterparts on loopback: an sshd, an S3 server, and a proxy that spoils the network between. Each is a context
manager.

A missing server is a failure, never a skip: `.ci/run` installs what a fresh machine lacks.
"""

import asyncio
import contextlib
import getpass
import math
import os
import resource
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import asyncssh

_PATIENCE = 300.0  # seconds for a server to come up
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "invented-secret-key",
    "AWS_DEFAULT_REGION": "eu-central-1",
}


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes] | None" = None, log: Path | None = None) -> None:
    """Until somebody listens there."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"no server on port {port}: {log.read_text() if log and log.exists() else ''}")


@dataclass(frozen=True)
class Sshd:
    """An sshd of one user, who may log in with one key."""

    port: int
    folder: Path  # what the logged-in user sees at ``root``
    key: Path
    known_hosts: Path
    config: Path

    def url(self, path: str = "", port: int | None = None) -> str:
        """The sftp url of a folder below ``folder``."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{port or self.port}{self.folder}{path}"

    @property
    def connection(self) -> dict[str, str]:
        """What a destination says to log in."""
        return {"key_file": str(self.key), "known_hosts": str(self.known_hosts)}

    def trust(self, port: int) -> None:
        """Let the host be known at another port too: that of a proxy."""
        line = self.known_hosts.read_text().split(maxsplit=1)[1]
        with self.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{port} {line.splitlines()[0]}\n")


def _keygen(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)


def _limited_to(size: int) -> Callable[[], None]:
    """In a child: no file of it may grow beyond a size. A write that would is refused, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    return limit


@contextlib.contextmanager
def sshd(place: Path, *options: str, room: int | None = None) -> Iterator[Sshd]:
    """Debian's openssh-server, as whoever runs the tests; ``room`` is how many bytes a file may have there."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise RuntimeError("sshd is not installed: apt-get install openssh-server, as .ci/run does")
    place.mkdir(parents=True, exist_ok=True)
    folder, key, port = place / "drop", place / "user_key", free_port()
    folder.mkdir()
    for path in (key, place / "host_key"):
        _keygen(path)
    (place / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    host = (place / "host_key.pub").read_text().split()
    known_hosts = place / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    config = place / "sshd_config"
    lines = [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey {place / 'host_key'}",
        f"AuthorizedKeysFile {place / 'authorized_keys'}",
        f"PidFile {place / 'pid'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "MaxStartups 200",
        *(options or ("Subsystem sftp internal-sftp",)),
    ]
    config.write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where a root sshd separates its privileges
    log = place / "sshd.log"
    command = [program, "-D", "-f", str(config), "-E", str(log)]
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=_limited_to(room) if room else None)  # noqa: PLW1509  # no threads matter before exec
    try:
        wait_for(port, process, log)
        yield Sshd(port, folder, key, known_hosts, config)
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


@contextlib.contextmanager
def password_server(place: Path, password: str) -> Iterator[Sshd]:
    """asyncssh's own server, which lets one password in: sshd checks passwords of real accounts only."""

    class Door(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:  # noqa: ARG002  # asyncssh's own
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return username == getpass.getuser() and given == password

    folder, key, known_hosts = place / "drop", asyncssh.generate_private_key("ssh-ed25519"), place / "known_hosts"
    folder.mkdir(parents=True)
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        asyncssh.listen("127.0.0.1", 0, server_factory=Door, server_host_keys=[key], sftp_factory=asyncssh.SFTPServer)
    )
    port = listening.get_port()
    known_hosts.write_text(f"[127.0.0.1]:{port} {key.export_public_key('openssh').decode()}")
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def end() -> None:
        listening.close()
        await listening.wait_closed()

    try:
        yield Sshd(port, folder, place / "no_key", known_hosts, place / "no_config")
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class S3:
    """An S3 server with one bucket."""

    port: int
    bucket: str = "drop"

    def endpoint(self, port: int | None = None) -> str:
        """Where it, or a proxy before it, listens."""
        return f"http://127.0.0.1:{port or self.port}"

    @cached_property
    def client(self) -> Any:
        """A plain client of it."""
        import boto3  # noqa: PLC0415  # the other servers do without

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint(),
            region_name=KEYS["AWS_DEFAULT_REGION"],
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def put(self, name: str, content: bytes) -> None:
        """Somebody else's file."""
        self.client.put_object(Bucket=self.bucket, Key=name, Body=content)

    def get(self, name: str) -> bytes | None:
        """A file; None when there is none."""
        try:
            return bytes(self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """What lies there, by names below the prefix."""
        found = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        names = [each["Key"] for page in found for each in page.get("Contents", ())]
        return {
            name.removeprefix(prefix): self.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()
            for name in names
        }

    def uploads(self, prefix: str = "") -> list[str]:
        """The names of uploads that were begun and not completed."""
        return [
            each["Key"]
            for each in self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=prefix).get("Uploads", ())
        ]


@contextlib.contextmanager
def s3(place: Path) -> Iterator[S3]:
    """moto's server: S3 over HTTP, in a process of its own, with an empty bucket ``drop``."""
    place.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), place / "moto.log"
    with log.open("wb") as output:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        environment = {**os.environ, "S3_UPLOAD_PART_MIN_SIZE": "65536"}  # less than S3 takes, so that tests are quick
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)
    try:
        wait_for(port, process, log)
        server = S3(port)
        server.client.create_bucket(
            Bucket=server.bucket, CreateBucketConfiguration={"LocationConstraint": KEYS["AWS_DEFAULT_REGION"]}
        )
        yield server
    finally:
        _stop(process)


Spoil = Callable[[int, int], "str | None"]


@dataclass
class Proxy:
    """Between a client and a server: passes bytes on until it is told to do otherwise.

    ``delay`` seconds pass before each piece; the connections numbered in ``cut`` (from 0) end after that many bytes
    from the client, with a reset; ``dead`` swallows everything and answers nothing. ``pieces`` counts what came so far,
    of all connections, and ``stand_still`` makes it wait at one of them.
    """

    port: int
    delay: float = 0.0
    cut: dict[int, int] = field(default_factory=dict)
    dead: bool = False
    connections: int = 0
    pieces: int = 0
    stands: threading.Event = field(default_factory=threading.Event)
    _last: float = math.inf
    _sockets: list[socket.socket] = field(default_factory=list)
    _goes: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def stand_still(self, after: int) -> None:
        """Pass so many more pieces on, and keep the next ones until ``go_on``; ``stands`` says that this has come."""
        with self._turn:
            self._goes.clear()
            self.stands.clear()
            self.pieces, self._last = 0, after

    def hang_up(self) -> None:
        """End every connection."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def go_on(self) -> None:
        """Pass on what was kept, and everything that comes."""
        with self._turn:
            self._last = math.inf
            self._goes.set()

    def come(self) -> None:
        """Wait with a piece for as long as it has to."""
        with self._turn:
            self.pieces += 1
            if self.pieces <= self._last:
                return
        self.stands.set()
        self._goes.wait()


@contextlib.contextmanager
def proxy(server_port: int) -> Iterator[Proxy]:
    """A proxy before a server on loopback."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            number, state.connections = state.connections, state.connections + 1
            state._sockets.append(self.request)  # noqa: SLF001  # its own state
            with socket.create_connection(("127.0.0.1", server_port)) as behind:
                back = threading.Thread(target=self.pass_on, args=(behind, self.request, None), daemon=True)
                back.start()
                self.pass_on(self.request, behind, state.cut.get(number))
                back.join(5)

        def pass_on(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
            passed = 0
            with contextlib.suppress(OSError):
                while piece := source.recv(1 << 16):
                    if state.dead:
                        continue
                    state.come()
                    time.sleep(state.delay)
                    if limit is not None and passed + len(piece) > limit:
                        sink.sendall(piece[: limit - passed])
                        for each in (source, sink):  # a reset, not an end
                            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                            each.close()
                        return
                    sink.sendall(piece)
                    passed += len(piece)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Handler) as listening:
        state = Proxy(listening.server_address[1])
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield state
        finally:
            state.go_on()
            listening.shutdown()
