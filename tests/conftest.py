"""Settings of the whole suite: Hypothesis without deadlines, and the same examples each time where CI runs it; files in memory; servers."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from hypothesis import settings

# A slow machine is no failure; in CI a new example must not break a change that did not cause it.
# Half of Hypothesis' usual number of examples keeps the suite under ten minutes; `make soak` tries more.
EXAMPLES = 200 if os.environ.get("MUSTER_SOAK") else 50
settings.register_profile("here", deadline=None, print_blob=True, max_examples=EXAMPLES)
settings.register_profile("ci", deadline=None, print_blob=True, max_examples=EXAMPLES, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Every command syncs what it writes, which a disk takes most of a test's time for. No test asks a disk to have survived a power cut.
_MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes folders of its own there
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 << 30 and "TMPDIR" not in os.environ:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    tempfile.tempdir = str(_MEMORY)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    """An S3 server, the same for all tests: each keeps to a prefix of its own."""
    with servers.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server
