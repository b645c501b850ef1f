"""Certificates for connections to HTTP APIs: whom muster trusts, and how it shows who it is (V1, V12)."""

import ssl
from pathlib import Path

from muster.activation.errors import ExportError
from muster.activation.model.messages import MessageDestination
from muster.activation.system.os_errors import system_message


def context_of(destination: MessageDestination, root: Path, *, also_usual: bool = False) -> ssl.SSLContext:
    """A context that verifies servers, by the files of ``mtls`` where there are any; ``ExportError`` about a file.

    With ``ca`` only the authorities of that file are trusted; ``also_usual`` adds those of the machine.
    """
    tls = destination.tls
    if tls is None:
        return ssl.create_default_context()
    authorities = root / tls.ca if tls.ca else None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        raise ExportError(f"{destination.id}: mtls.ca: {tls.ca}: {_why(error, 'certificates')}") from error
    if also_usual and authorities:
        context.load_default_certs()
    if tls.certificate:
        _show(context, root / tls.certificate, root / (tls.key or tls.certificate), destination)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path, destination: MessageDestination) -> None:
    def ask_nobody() -> bytes:
        raise ExportError(f"{destination.id}: mtls.key: {key.name} has a passphrase, which nobody is asked for")

    try:
        context.load_cert_chain(certificate, key, password=ask_nobody)
    except (OSError, ssl.SSLError) as error:
        named = next((name for name, path in (("certificate", certificate), ("key", key)) if not path.is_file()), "")
        where = f"mtls.{named}" if named else "mtls"
        raise ExportError(f"{destination.id}: {where}: {_why(error, 'a certificate and its key')}") from error


def _why(error: OSError, expected: str) -> str:
    """Why a file cannot be used; ``ssl.SSLError`` is an ``OSError`` whose text names lines of OpenSSL's source."""
    if not isinstance(error, ssl.SSLError):
        return system_message(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return f"expected {expected} in PEM"
