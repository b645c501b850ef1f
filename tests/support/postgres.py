"""A real PostgreSQL server on loopback, with a database of its own in a temporary folder. A context manager.

A missing server is a failure, never a skip: `.ci/run` installs what a fresh machine lacks.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.servers import free_port, wait_for
from support.shop import quick_folder

_DEBIAN = Path("/usr/lib/postgresql")  # a folder for each version, not on the PATH


@dataclass(frozen=True)
class Postgres:
    """A server that trusts everybody on loopback, with the superuser and the database `shop`."""

    port: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which PostgreSQL's clients find the server, and nothing of the machine's own."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "shop",
            "PGDATABASE": "shop",
            "PGCLIENTENCODING": "UTF8",
            "PGTZ": "UTC",
        }

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Give a script to psql, which stops at its first error; values are printed bare, without heads and feet."""
        return subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"],
            input=script,
            env={"PATH": os.environ["PATH"], **self.environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    def ok(self, script: str) -> str:
        """What psql prints of a script that must succeed."""
        done = self.run(script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, script: str) -> str:
        """What the server says of a script that must fail."""
        done = self.run(script)
        assert done.returncode != 0, f"PostgreSQL took it: {done.stdout}"
        return done.stderr


def _program(name: str) -> str:
    """A program of the newest version of the server that is installed."""
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None or shutil.which("psql") is None:
        raise RuntimeError(f"{name} or psql is not installed: apt-get install postgresql, as .ci/run does")
    return found


def _other_user(folder: Path) -> dict[str, Any]:
    """How a child process becomes a user who may run the server and owns the folder: the server refuses root."""
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Debian's PostgreSQL, in UTF-8 and with the C locale; what it holds is gone afterwards."""
    with quick_folder() as folder:
        child = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "TZ": "UTC"}, **_other_user(folder)}
        data, log, port = folder / "data", folder / "log", free_port()
        made = subprocess.run(
            [
                _program("initdb"),
                *("-D", str(data), "-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C"),
                *("--no-sync", "--no-instructions"),
            ],
            capture_output=True,
            text=True,
            check=False,
            **child,
        )
        assert made.returncode == 0, made.stderr
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command = [_program("postgres"), "-D", str(data), *(f"--{key}={value}" for key, value in settings.items())]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **child)
        try:
            wait_for(port, process, log)
            server = Postgres(port)
            _create(server)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing is to be kept
            process.wait()


def _create(server: Postgres) -> None:
    """Make the database, once the server takes commands: it listens a moment before that."""
    environment = {"PATH": os.environ["PATH"], **server.environment, "PGDATABASE": "postgres"}
    command = ["psql", "--no-psqlrc", "--quiet", "-c", "CREATE DATABASE shop"]
    for _ in range(200):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if "starting up" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
