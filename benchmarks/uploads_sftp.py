"""One big file to an sshd on this machine: by muster's store, the plain ``sftp`` client, and asyncssh's ``put``.

Connecting and sending are timed, each upload in a process of its own, in turns. Python's start, which the plain client
does without, is not timed.
"""

import asyncio
import getpass
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from benchmarks.measure import ROOT, FailedError
from muster.activation.destinations.remote import RemoteTarget
from muster.activation.model.history import PlannedFile
from muster.activation.model.workspace import Destination
from muster.activation.stores.sftp.store import SftpStore
from tests.support.servers import Sshd, sshd

MIB = 1 << 20
CLIENTS = ("muster", "sftp", "asyncssh")
_QUICK = Path("/dev/shm")  # noqa: S108  # only where a folder of our own is made: in memory, so that no disk is measured


def measured(size: int, runs: int, tell: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Median MiB/s of each client over ``runs`` uploads of ``size`` bytes.

    And the most memory that a Python one took over its base.
    """
    rates: dict[str, list[float]] = {client: [] for client in CLIENTS}
    memory = dict.fromkeys(CLIENTS, 0.0)
    with _running() as server:
        source = server.folder.parent / "source"
        _fill(source, size)
        for number in range(runs):
            for client in CLIENTS:
                _clear(server)
                seconds, more = _plain(server, source) if client == "sftp" else _child(client, server, source)
                if (server.folder / "in/file").stat().st_size != size:
                    raise FailedError(f"{client} uploaded something else")
                rates[client].append(size / MIB / seconds)
                memory[client] = max(memory[client], more)
                tell(
                    f"upload of {size // MIB:,} MiB, run {number + 1} of {runs}: {client} {rates[client][-1]:.0f} MiB/s"
                )
    return {client: {"rate": statistics.median(rates[client]), "memory": memory[client]} for client in CLIENTS}


@contextmanager
def _running() -> Iterator[Sshd]:
    quick = _QUICK if os.access(_QUICK, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=quick) as folder, sshd(Path(folder) / "sshd") as server:
        (server.folder / "in").mkdir()
        yield server


def _fill(path: Path, size: int) -> None:
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(block[: size - start])


def _clear(server: Sshd) -> None:
    for path in (server.folder / "in").iterdir():
        path.unlink()


def _plain(server: Sshd, source: Path) -> tuple[float, float]:
    options = ["-q", "-i", server.key, "-P", server.port, "-o", f"UserKnownHostsFile={server.known_hosts}", "-b", "-"]
    began = time.perf_counter()
    command = ["sftp", *map(str, options), f"{getpass.getuser()}@127.0.0.1:{server.folder}/in"]
    done = subprocess.run(command, input=f"put {source} file\n", text=True, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise FailedError(f"sftp: {done.stderr}")
    return time.perf_counter() - began, 0.0


def _child(client: str, server: Sshd, source: Path) -> tuple[float, float]:
    settings = json.dumps(
        {"url": server.url("/in"), "port": str(server.port), **server.connection, "source": str(source)}
    )
    command = [sys.executable, "-m", "benchmarks.uploads_sftp", client, settings]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise FailedError(f"{client}: {done.stderr[-2000:]}")
    seconds, more = json.loads(done.stdout)
    return seconds, more


# In the child


def _muster(settings: dict[str, str]) -> None:
    source = Path(settings["source"])
    connection = {"key_file": settings["key_file"], "known_hosts": settings["known_hosts"]}
    destination = Destination(id="drop", name="drop", url=settings["url"], connection=connection)
    staging = source.with_name("staging")
    staging.mkdir(exist_ok=True)
    os.link(source, staging / ".file.tmp")
    target = RemoteTarget(settings["url"], lambda: SftpStore(destination, source.parent), staging, 0o600, retries=0)
    target.publish(PlannedFile(1, ".file.tmp", "file", 1, source.stat().st_size, ""), replace=True)
    target.close()


def _asyncssh(settings: dict[str, str]) -> None:
    async def put() -> None:
        keys = {"client_keys": [settings["key_file"]], "known_hosts": settings["known_hosts"]}
        async with (
            asyncssh.connect("127.0.0.1", int(settings["port"]), **keys) as connection,
            connection.start_sftp_client() as sftp,
        ):
            await sftp.put(settings["source"], f"{settings['url'].partition(settings['port'])[2]}/file")

    asyncio.run(put())


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _main(client: str, settings: str) -> None:
    base, began = _peak(), time.perf_counter()
    {"muster": _muster, "asyncssh": _asyncssh}[client](json.loads(settings))
    sys.stdout.write(json.dumps([time.perf_counter() - began, _peak() - base]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
