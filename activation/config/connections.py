"""How a place on another machine is reached: a destination's url, ``connection``, ``retries`` and ``timeout``, checked (SPEC 2). Pure.

A secret is never written in YAML: a key that ends in ``_env`` names the environment variable that holds it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from muster.activation.config.models import (
    ConnectionModel,
    DestinationModel,
    EventsModel,
    MembershipsModel,
    ProfilesModel,
)
from muster.activation.config.yaml_reader import VARIABLE, Document, KeyPath, Scalar
from muster.activation.errors import did_you_mean
from muster.activation.model.workspace import Destination
from muster.activation.stores import urls
from muster.activation.stores.kinds import PLACE_KINDS

_TOGETHER = (("access_key_id_env", "secret_access_key_env"), ("kms_key", "encryption"), ("passphrase_env", "key_file"))
_APART = (
    ("profile", "access_key_id_env"),
    *(("connection_string_env", other) for other in ("account", "endpoint", "account_key_env", "sas_token_env")),
    ("account_key_env", "sas_token_env"),
)


def build_destination(
    document: Document, model: DestinationModel, destination_id: str, root: Path, environ: Mapping[str, str]
) -> Destination:
    """The place of a destination file. Variables that its connection names are looked up, so that a missing one is told (SPEC 10)."""
    url = model.url or ""
    remote = urls.is_remote(urls.normalise(url, root)) if url else False
    scheme = urlsplit(url).scheme.lower() if remote else ""
    if url and not remote:
        for key in ("connection", "retries", "timeout"):
            if key in model.model_fields_set:
                document.report((key,), "is for places on other machines; the url is a local folder")
    elif url:
        _check_password(document, url)
    connection = build_connection(document, ("connection",), model.connection, scheme, environ)
    return Destination(
        id=destination_id,
        name=model.name or destination_id,
        url=url,
        beyond=_beyond(scheme, url, connection, environ) if remote else "",
        connection=connection,
        retries=Destination.retries if model.retries is None else model.retries,
        timeout=model.timeout or Destination.timeout,
        location=document.place(("url",)),
    )


def build_connection(
    document: Document, place: KeyPath, model: ConnectionModel | None, scheme: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """What ``connection:`` says at a place of a file; keys are checked if ``scheme`` is one of another machine."""
    model = model or ConnectionModel()
    written = {key: getattr(model, key) for key in ConnectionModel.model_fields if key in model.model_fields_set}
    if scheme:
        _check_keys(document, place, scheme, written)
    for key, value in written.items():
        if key.endswith("_env") and value and value not in environ:
            document.report((*place, key), f"environment variable {value} is not set")
        elif key.endswith("_env") and value:
            _ = environ[value]  # noted as a variable whose value is never shown
    return {key: value for key, value in written.items() if value is not None}


def _beyond(scheme: str, url: str, connection: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """What tells the place from others of the same url (X9): the service, as far as the config says it; whose home folder it is below."""
    said = connection.get(PLACE_KINDS[scheme].beyond, "")
    if scheme == "sftp":
        parts = urlsplit(url)
        return (said or unquote(parts.username or "")) if unquote(parts.path).startswith("/~") else ""
    if scheme == "az" and "connection_string_env" in connection:
        text = environ.get(connection["connection_string_env"], "")
        words = {
            name.strip().lower(): value.strip() for name, _, value in (each.partition("=") for each in text.split(";"))
        }
        said = words.get("blobendpoint") or _azure(
            words.get("accountname", ""), words.get("endpointsuffix", "core.windows.net")
        )
    elif scheme == "az" and not said and "account" in connection:
        said = _azure(connection["account"])
    return said.rstrip("/").lower()


def _azure(account: str, suffix: str = "core.windows.net") -> str:
    return f"https://{account}.blob.{suffix}"


def build_source(
    document: Document, what: str, model: ProfilesModel | EventsModel | MembershipsModel, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The keys of ``profiles:`` and the like, with what its connection says: it is for paths in a bucket."""
    scheme = urlsplit(model.path or "").scheme.lower()
    remote = scheme if scheme in urls.SOURCES else ""
    if model.path and model.connection and not remote:
        document.report((what, "connection"), "is for places on other machines; the path is a local one")
    connection = build_connection(document, (what, "connection"), model.connection, remote, environ)
    return {**dict(model), "connection": connection}


def _check_keys(document: Document, place: KeyPath, scheme: str, written: Mapping[str, str | None]) -> None:
    for key in written:
        if key not in PLACE_KINDS[scheme].keys:
            document.report(
                (*place, key), f"is no key of a connection to {scheme}://{did_you_mean(key, PLACE_KINDS[scheme].keys)}"
            )
    for key, other in _TOGETHER:
        if key in written and other not in written and key in PLACE_KINDS[scheme].keys:
            document.report((*place, key), f"needs {other} beside it")
    for key, other in _APART:
        if key in written and other in written:
            document.report((*place, key), f"and {other} do not go together; expected one of them")


def _check_password(document: Document, url: str) -> None:
    """A password in the url must come from a variable."""
    value = document.at(("url",))
    if not isinstance(value, Scalar) or urlsplit(url).password is None:
        return
    user_info = value.written.partition("://")[2].rpartition("@")[0]
    if not VARIABLE.search(user_info.partition(":")[2]):
        document.report(
            ("url",), "holds a password; name an environment variable that holds it: connection: {password_env: NAME}"
        )
