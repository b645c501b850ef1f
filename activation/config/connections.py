"""How a remote destination or input is reached: its url, ``connection``, ``retries`` and ``timeout``, checked (SPEC 2).

What a connection may say is declared by the kind (``muster.activation.stores.kinds``). A secret is never written in
YAML: a key that ends in ``_env`` names the environment variable that holds it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from muster.activation.config.base_models import ConnectionModel
from muster.activation.config.models import DestinationModel, EventsModel, MembershipsModel
from muster.activation.config.source_models import ProfilesModel, SourceModel
from muster.activation.config.variables import expand
from muster.activation.config.yaml_reader import Document, KeyPath, Scalar
from muster.activation.errors import did_you_mean
from muster.activation.model.workspace import Destination
from muster.activation.stores import urls
from muster.activation.stores.kind import ConnectionKey, DestinationKind
from muster.activation.stores.kinds import KINDS, kind_of, source_schemes

URL, CONNECTION, ENCRYPTION = ("url",), ("connection",), ("encryption",)
AUTH, MTLS, CONNECTION_STRING, HEADERS = ("auth",), ("mtls",), ("connection_string_env",), ("headers",)
NEEDED_TO_SEND = (URL, AUTH, MTLS, CONNECTION, CONNECTION_STRING, HEADERS)  # by event destinations


def only_exports_need(path: KeyPath) -> bool:
    """Whether a value of a destination's file says where and for whom its files or messages go (SPEC 2, V1).

    A variable that is missing there stops the exports that need it, and nothing else.
    """
    below = path[2:3] if path[:1] == ("activations",) else path[:1]
    return below in {ENCRYPTION, HEADERS} or path[:1] in NEEDED_TO_SEND


def build_destination(
    document: Document,
    model: DestinationModel,
    destination_id: str,
    root: Path,
    environ: Mapping[str, str],
    *,
    actions: tuple[str, ...] = (),
) -> Destination:
    """The destination of a file in ``destinations/``, without its activations.

    The variables that its connection names are looked up, so that a missing one is reported (SPEC 10). While a variable
    of the url is missing, the url is empty, and the scheme as written says which keys the connection may have.
    """
    url, written = model.url or "", _written_url(document)
    kind = kind_of(urls.normalise(url, root) if url else written.lower())
    is_local = not kind.is_remote and (url or not written.startswith("$"))  # else a variable may have the scheme
    if written and is_local:
        for key in ("connection", "retries", "timeout"):
            if key in model.model_fields_set:
                document.report((key,), "is for destinations on other machines; the url is a local folder")
    _check_password(document, kind, url, written)
    connection = build_connection(document, CONNECTION, model.connection, kind if written else None, environ)
    unset = document.unset_below(URL, CONNECTION)
    return Destination(
        id=destination_id,
        name=model.name or destination_id,
        url=url,
        service="" if unset else kind.service(url, connection, environ),
        connection=connection,
        retries=Destination.retries if model.retries is None else model.retries,
        timeout=model.timeout or Destination.timeout,
        location=document.location(URL),
        unset=tuple(each.problem for each in unset),
        shown_url="" if url else urls.redact(written),
        marketing_actions=actions,
    )


def _written_url(document: Document) -> str:
    """The url as written, also while a variable of it is missing."""
    value = document.at(URL)
    if isinstance(value, Scalar):
        return value.written
    return next((each.written for each in document.unset_below(URL)), "")


def build_input(
    document: Document,
    model: ProfilesModel | EventsModel | MembershipsModel,
    environ: Mapping[str, str],
    source_name: str,
) -> dict[str, Any]:
    """The keys of ``profiles:``, ``events:`` or ``memberships:``, with the connection of a path in a bucket."""
    return {**dict(model), "connection": input_connection(document, (source_name, *CONNECTION), model, environ)}


def input_connection(
    document: Document,
    path: KeyPath,
    model: ProfilesModel | EventsModel | MembershipsModel | SourceModel,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """The ``connection:``, written at ``path``, of an input whose path may lead to a bucket."""
    scheme = urlsplit(model.path or "").scheme.lower()
    kind = KINDS[scheme] if scheme in source_schemes() else None
    if model.path and model.connection and not kind:
        document.report(path, "is for inputs on other machines; the path is a local one")
    return build_connection(document, path, model.connection, kind, environ)


def build_connection(
    document: Document,
    path: KeyPath,
    model: ConnectionModel | None,
    kind: DestinationKind | None,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """The keys and values of the ``connection:`` at ``path``, checked against its kind if that is a remote one."""
    if kind and kind.is_remote:
        return build_connection_of(document, path, model, f"{kind.scheme}://", kind.keys, environ)
    return build_connection_of(document, path, model, "", None, environ)


def build_connection_of(  # noqa: PLR0917  # a connection, and all that says which keys it may have
    document: Document,
    path: KeyPath,
    model: ConnectionModel | None,
    where: str,
    keys: Sequence[ConnectionKey] | None,
    environ: Mapping[str, str],
) -> dict[str, str]:
    """The keys and values of the ``connection:`` at ``path``, checked against ``keys``; None: not known yet.

    ``where`` says in messages what the connection leads to. Variables that it names are looked up (SPEC 10).
    """
    model = model or ConnectionModel()
    written = {key: getattr(model, key) for key in ConnectionModel.model_fields if key in model.model_fields_set}
    if keys is not None:
        _check_keys(document, path, where, keys, written)
    for key, value in written.items():
        if key.endswith("_env") and value and value not in environ:
            document.report_variable((*path, key), f"environment variable {value} is not set")
        elif key.endswith("_env") and value:
            _ = environ[value]  # recorded as a variable whose value is never shown
    return {key: value for key, value in written.items() if value is not None}


def _check_keys(
    document: Document, path: KeyPath, where: str, keys: Sequence[ConnectionKey], written: Mapping[str, str | None]
) -> None:
    """Report keys that the kind does not have, that need another, or that exclude another."""
    names = [key.name for key in keys]
    for name in written:
        if name not in names:
            document.report((*path, name), f"is not a key of a connection to {where}{did_you_mean(name, names)}")
    for key in keys:
        if key.name in written and key.needs and key.needs not in written:
            document.report((*path, key.name), f"needs {key.needs} beside it")
    for key in keys:
        for other in key.excludes if key.name in written else ():
            if other in written:
                document.report((*path, key.name), f"and {other} do not go together; expected one of them")


def _check_password(document: Document, kind: DestinationKind, url: str, written: str) -> None:
    """Report a password that is written in the url: it must come from a variable, whose default is written, too."""
    if not kind.password_key or (url and urlsplit(url).password is None):
        return
    user_info = written.partition("://")[2].rpartition("@")[0]
    password, variables = expand(user_info.partition(":")[2], {})
    if not variables and (password or url):
        remedy = f"name an environment variable that holds it: connection: {{{kind.password_key}: NAME}}"
        document.report(URL, f"holds a password; {remedy}")
