"""Files of every shape, and who reads them: the same for all tests of this folder."""

from collections.abc import Iterator

import pytest
from support.gnupg import gpg
from support.postgres import Postgres
from support.readers import Readers
from support.shapes import deliver
from support.shop import quick_folder


@pytest.fixture(scope="session")
def readers(postgres: Postgres) -> Iterator[Readers]:
    """A file of each shape, delivered by muster, and the readers."""
    with quick_folder() as folder, gpg() as keyring:
        keyring.make("receiver")
        yield Readers(deliver(folder, keyring), postgres)
