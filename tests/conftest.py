"""Settings of the whole suite: Hypothesis without deadlines, and the same examples each time where CI runs it; files in
memory; servers.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import event_hub, kinesis_gate, servers
from support import nginx as nginx_server
from support import postgres as postgres_server
from support import receiver as receiving
from support.nginx import Nginx
from support.postgres import Postgres
from support.receiver import Receiver
from support.s3_gate import Gate, gate
from support.sftp_drop import cleared
from support.shop import quick_folder

# A slow machine is no failure; in CI a new example must not break a change that did not cause it.
# Fewer examples than Hypothesis tries by itself keep the suite under ten minutes on two cores; `make soak` tries more.
EXAMPLES = 200 if os.environ.get("MUSTER_SOAK") else 30
settings.register_profile("here", deadline=None, print_blob=True, max_examples=EXAMPLES)
settings.register_profile("ci", deadline=None, print_blob=True, max_examples=EXAMPLES, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# What `make test-fast` leaves out, three quarters of the time by measure (`--durations`): kills, servers, random
# histories, processes of their own, and stories of many cases.
SLOW = (
    *("crashes/", "histories/", "cli/test_bad_usage", "cli/test_stopping"),
    *("project/test_docs", "project/test_installed", "readers/", "runs/test_library"),
    *(f"activation/{name}/" for name in ("audit", "delivery", "encryption", "inputs", "redelivery", "upkeep")),
    *(f"activation/stores/test_{name}" for name in ("azure", "gcs", "kinds", "s3", "sftp")),
    *(f"activation/endpoints/test_{name}" for name in ("event_hubs", "kinesis")),
    *(f"stories/test_{name}" for name in ("bad_destination", "bad_state", "bad_yaml", "canaries", "failing_disks")),
    *(f"stories/test_event_{name}" for name in ("state", "streams")),
    *(f"stories/test_{name}" for name in ("fuzz", "hostile", "outside", "parsers", "spec_10")),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test-fast` leaves out."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).as_posix().startswith(SLOW):
            item.add_marker("slow")


# Every command syncs what it writes, which a disk takes most of a test's time for. No test asks a disk to have survived
# a power cut.
_MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes folders of its own there
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 << 30 and "TMPDIR" not in os.environ:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    tempfile.tempdir = str(_MEMORY)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    """An S3 server, the same for all tests: each keeps to a prefix of its own."""
    with servers.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, the same for all tests: each keeps to temporary tables, or to names of its own."""
    with postgres_server.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def the_gate(s3: servers.S3) -> Iterator[Gate]:
    """Before that server: it can refuse, lie, lose answers and wait."""
    with gate(s3.port) as opened:
        yield opened


@pytest.fixture(scope="session")
def _the_kinesis_gate(s3: servers.S3) -> Iterator[kinesis_gate.Gate]:
    """A gate before that server's Kinesis."""
    with kinesis_gate.kinesis_gate(s3.port) as opened:
        yield opened


@pytest.fixture
def before_kinesis(_the_kinesis_gate: kinesis_gate.Gate) -> Iterator[kinesis_gate.Gate]:
    """The same, open: it can throttle, refuse single records and lose answers."""
    _the_kinesis_gate.open()
    yield _the_kinesis_gate
    _the_kinesis_gate.open()


@pytest.fixture(scope="session")
def _the_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[event_hub.EventHub]:
    """A counterpart of Event Hubs, the same for all tests."""
    with event_hub.event_hub(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(_the_hub: event_hub.EventHub, monkeypatch: pytest.MonkeyPatch) -> event_hub.EventHub:
    """An event hub with nothing in it, which accepts every batch until the test says otherwise."""
    _the_hub.reset()
    event_hub.hurry(monkeypatch)
    return _the_hub


@pytest.fixture
def before_s3(the_gate: Gate) -> Iterator[Gate]:
    """The same, open."""
    the_gate.open()
    yield the_gate
    the_gate.open()


@pytest.fixture(scope="session")
def the_receiver() -> Iterator[Receiver]:
    """A receiver of messages, the same for all tests."""
    with receiving.receiver() as server:
        yield server


@pytest.fixture
def receiver(the_receiver: Receiver) -> Iterator[Receiver]:
    """The receiver of messages with nothing received, which answers 200 until the test says otherwise."""
    the_receiver.reset()
    yield the_receiver
    the_receiver.reset()


@pytest.fixture(scope="session")
def nginx(the_receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """An nginx with TLS before that receiver, the same for all tests."""
    with nginx_server.nginx(tmp_path_factory.mktemp("nginx"), the_receiver.port) as server:
        yield server


@pytest.fixture(scope="module")
def running() -> Iterator[servers.Sshd]:
    """An sshd, the same for all tests of a module."""
    with quick_folder() as place, servers.sshd(place / "sshd") as server:
        yield server


@pytest.fixture
def server(running: servers.Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> servers.Sshd:
    """The same with an empty folder, for a user without an SSH config of their own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return cleared(running)
