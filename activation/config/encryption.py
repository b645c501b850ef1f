"""``encryption`` of a destination: reads the key files and checks what they can be used for (SPEC 2, 10).

A key that can never be used is a mistake in the config. Whether a key has expired is checked when something is
encrypted (E1).
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from muster.activation.config.models import EncryptionModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.encryption import key_files
from muster.activation.encryption.key_files import KeyFileError
from muster.activation.model.workspace import Pgp, PgpKey

if TYPE_CHECKING:
    from muster.activation.encryption.pgp_keys import Found

LIBRARY, EXTRA = "pysequoia", "pgp"


def build_encryption(
    document: Document, path: KeyPath, model: EncryptionModel | None, root: Path, environ: Mapping[str, str]
) -> Pgp | None:
    """The ``encryption`` at ``path``; None when it is switched off, or after reporting a mistake."""
    pgp = model.pgp if model else None
    if pgp is None:
        return None
    if find_spec(LIBRARY) is None:
        document.report(
            path, f'PGP cannot be used: {LIBRARY} is not installed; pip install "muster-activation[{EXTRA}]"'
        )
        return None
    from muster.activation.encryption.pgp_keys import private_key, public_key  # noqa: PLC0415  # needs the extra

    keys = (*path, "pgp", "public_keys")
    if pgp.public_keys is not None and not pgp.public_keys:
        document.report(keys, "is empty; expected at least one key file to encrypt to")
    recipients: list[PgpKey] = []
    for index, name in enumerate(pgp.public_keys or ()):
        key = name and _key(document, (*keys, index), name, root, public_key)
        if key and (other := next((each for each in recipients if each.fingerprint == key.fingerprint), None)):
            document.report((*keys, index), f"{key.path} contains the same key as {other.path}; remove one of them")
        elif key:
            recipients.append(key)
    signing = pgp.sign_with
    signer = (
        _key(document, (*path, "pgp", "sign_with", "key"), signing.key, root, private_key)
        if signing and signing.key
        else None
    )
    variable = signing.passphrase_env if signing else None
    if variable and variable not in environ:
        document.report_variable(
            (*path, "pgp", "sign_with", "passphrase_env"), f"environment variable {variable} is not set"
        )
    elif variable:
        _ = environ[variable]  # marks the variable as one whose value is never shown
    return Pgp(tuple(recipients), signer, variable)


def _key(document: Document, path: KeyPath, name: str, root: Path, read: "Callable[[bytes], Found]") -> PgpKey | None:
    """The key of one file; None after reporting why it cannot be used."""
    try:
        found = read(key_files.content(key_files.located(name, root)))
    except KeyFileError as error:
        document.report(path, f"{name} {error}")
        return None
    return PgpKey(name, found.fingerprint, found.expires, document.location(path))
