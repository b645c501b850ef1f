"""How an event destination is reached: url, ``auth``, ``connection``, and what identifies the receiver (V1, V2)."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from muster.activation.config.connections import (
    AUTH,
    CONNECTION,
    CONNECTION_STRING,
    MTLS,
    NEEDED_TO_SEND,
    URL,
    build_connection_of,
)
from muster.activation.config.message_layers import Layers
from muster.activation.config.message_models import (
    AuthModel,
    EventHubsModel,
    HttpModel,
    KinesisModel,
    MessageDestinationModel,
    MtlsModel,
)
from muster.activation.config.message_values import is_open
from muster.activation.config.scalars import listed
from muster.activation.config.variables import expand
from muster.activation.config.yaml_reader import Document, KeyPath, Scalar, Tree
from muster.activation.endpoints.event_hubs.kind import host_of
from muster.activation.endpoints.kinds import KINDS
from muster.activation.endpoints.kinesis.kind import region_in
from muster.activation.model.messages import Auth, MessageDestination, MessageKind, Rate, Tls
from muster.activation.model.redaction import RecordingEnviron, redact
from muster.activation.stores import urls

_AUTH_KINDS = ("bearer_env", "header", "basic", "query", "oauth2")
_VERSION = re.compile(r"v[0-9]+(?:\.[0-9]+)*(?:(?:alpha|beta|rc)[0-9]*)?", re.IGNORECASE)
_OF_A_PLACE = (URL, ("place",), ("stream",), ("namespace",), ("hub",), CONNECTION)
_READABLE = "what it carries can be read on the way; expected https://, or allow_insecure: true"
_PORTS = {"http": 80, "https": 443}
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # where the client of Kinesis looks for a region


def build_receiver(
    layers: Layers, destination_id: str, kind: MessageKind, environ: Mapping[str, str], actions: tuple[str, ...]
) -> MessageDestination:
    """The destination of a file in ``destinations/``, without its activations; mistakes are reported.

    The variables that it names are looked up; a missing one is reported in the document's ``unset``.
    """
    document, model = layers.document, layers.destination
    _check_installed(document, kind)
    url, connection = _url(layers), _connection(document, model, kind, environ)
    auth, tls = _auth(layers, environ), _tls(layers)
    if isinstance(model, HttpModel):
        _check_open(layers, url, auth)
    if isinstance(model, KinesisModel) and is_open(connection.get("endpoint", "")) and not model.allow_insecure:
        document.report((*CONNECTION, "endpoint"), f"is http:// to another machine: {_READABLE}")
    unset = document.unset_below(*NEEDED_TO_SEND)
    place = model.place or _place(document, model, url, connection, environ)
    rate = layers.get("rate")
    return MessageDestination(
        id=destination_id,
        name=model.name or destination_id,
        kind=kind,
        place=place,
        shown_place=redact(place, _values_in_place(document, environ)),
        url=url,
        settings=_settings(model),
        connection=connection,
        auth=auth,
        tls=tls,
        allow_insecure=bool(layers.get("allow_insecure")) if isinstance(model, HttpModel | KinesisModel) else False,
        rate=Rate(rate.requests, rate.per or 1.0) if rate and rate.requests else None,
        retries=MessageDestination.retries if layers.get("retries") is None else layers.get("retries"),
        timeout=layers.get("timeout") or MessageDestination.timeout,
        location=document.location(URL if isinstance(model, HttpModel) else ()),
        unset=tuple(each.problem for each in unset),
        shown_url=_shown(layers, model),
        marketing_actions=actions,
    )


def _check_installed(document: Document, kind: MessageKind) -> None:
    """Check that what the client of a kind needs is installed."""
    lacking = next((module for module in KINDS[kind].needs if not urls.is_installed(module)), None)
    if lacking:
        remedy = f'pip install "muster-activation[{KINDS[kind].extra}]"'
        document.report(("kind",), f"{kind} cannot be used: {lacking} is not installed; {remedy}")


def _url(layers: Layers) -> str:
    """The url of kind http; empty for others, after a mistake, and while a variable of it is missing."""
    if not isinstance(layers.destination, HttpModel):
        return ""
    if layers.origin("url") is None:
        layers.document.report(
            (), "is required: the address that requests go to, such as https://crm.example.com/profiles", key=URL
        )
    return layers.get("url") or ""


def _shown(layers: Layers, model: MessageDestinationModel) -> str:
    if isinstance(model, KinesisModel):
        return f"kinesis:{model.stream}"
    if isinstance(model, EventHubsModel):
        return f"event_hubs:{model.namespace}/{model.hub}"
    value = layers.document.at(URL)
    if isinstance(value, Scalar):
        return urls.redact(value.written)
    written = next((each.written for each in layers.document.unset_below(URL)), "")
    return urls.redact(written or layers.get("url") or "")


def _settings(model: MessageDestinationModel) -> dict[str, str]:
    if isinstance(model, KinesisModel):
        found = {"stream": model.stream, "partition_key": model.partition_key}
    elif isinstance(model, EventHubsModel):
        found = {"namespace": model.namespace, "hub": model.hub, "transport": model.transport}
    else:
        found = {}
    return {key: value for key, value in found.items() if value}


# The place


def _place(
    document: Document,
    model: MessageDestinationModel,
    url: str,
    connection: Mapping[str, str],
    environ: Mapping[str, str],
) -> str:
    """What identifies the receiver, without credentials (V2); empty while a variable of it is missing."""
    if document.unset_below(URL, CONNECTION):
        return ""
    if isinstance(model, KinesisModel):
        named = (connection.get("region"), region_in(model.stream or ""), *map(environ.get, _REGIONS))
        region = next(filter(None, named), "")
        endpoint = connection.get("endpoint", "").rstrip("/").lower()
        return f"kinesis:{model.stream}|{region}|{endpoint}"
    if isinstance(model, EventHubsModel):
        return f"event_hubs:{host_of(model.namespace or '').lower()}/{(model.hub or '').lower()}"
    return place_of_url(url) if url else ""


def _values_in_place(document: Document, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables whose values are in the place, which may be secrets: those of the keys that it is made of."""
    used = RecordingEnviron(environ)
    for path in _OF_A_PLACE:
        for value in _scalars(document.at(path)):
            expand(value.written, used)
    return used.used


def _scalars(tree: Tree) -> Iterator[Scalar]:
    if isinstance(tree, dict):
        for below in tree.values():
            yield from _scalars(below)
    elif isinstance(tree, Scalar):
        yield tree


def place_of_url(url: str) -> str:
    """Scheme, host, port and path of a url, without version segments such as ``v25.0`` (V2)."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port and parts.port != _PORTS[parts.scheme] else ""
    steps = [step for step in parts.path.split("/") if step and not _VERSION.fullmatch(step)]
    host = (parts.hostname or "").rstrip(".")
    return "/".join((f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}", *steps))


# Credentials


def _auth(layers: Layers, environ: Mapping[str, str]) -> Auth | None:
    model = layers.get("auth") if isinstance(layers.destination, HttpModel) else None
    if not isinstance(model, AuthModel):
        return None
    given = [key for key in _AUTH_KINDS if key in model.model_fields_set]
    if len(given) > 1 or not (given or "mtls" in model.model_fields_set):
        found = f"found {' and '.join(given)}" if given else "found none"
        layers.report("auth", f"expected exactly one of {listed(_AUTH_KINDS)}, {found}")
        return None
    for path, variable in _variables(model, layers.origin("auth") or AUTH):
        if variable not in environ:
            layers.document.report_variable(path, f"environment variable {variable} is not set")
        else:
            _ = environ[variable]  # recorded as a variable whose value is never shown
    return _auth_of(model, given[0]) if given else None


def _variables(model: AuthModel, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """The environment variables that ``auth`` names, and where."""
    if model.bearer_env:
        yield (*path, "bearer_env"), model.bearer_env
    for key in ("header", "basic", "query", "oauth2"):
        below = getattr(model, key)
        for name in type(below).model_fields if below else ():
            if name.endswith("_env") and getattr(below, name):
                yield (*path, key, name), getattr(below, name)


def _auth_of(model: AuthModel, key: str) -> Auth | None:
    """The credentials of one kind; None after a mistake in them."""
    if key == "bearer_env":
        return Auth("bearer", {"bearer_env": model.bearer_env}) if model.bearer_env else None
    below = getattr(model, key)
    if below is None or any(getattr(below, name) is None for name in below.model_fields_set):
        return None
    names = {name: getattr(below, name) for name in type(below).model_fields if name.endswith("_env")}
    if key == "header":
        return Auth("header", names, header=below.name)
    if key == "query":
        return Auth("query", names, parameter=below.name)
    if key == "basic":
        return Auth("basic", names)
    asked = {name: getattr(below, name) for name in ("scope", "audience", "resource") if getattr(below, name)}
    more = {name: value for name, value in (below.parameters or {}).items() if value}
    return Auth("oauth2", names, token_url=below.token_url, parameters={**more, **asked})


def _tls(layers: Layers) -> Tls | None:
    """The files of certificates, from ``auth: {mtls: ...}`` or from ``mtls:``."""
    if not isinstance(layers.destination, HttpModel):
        return None
    auth = layers.get("auth")
    inside: MtlsModel | None = auth.mtls if isinstance(auth, AuthModel) else None
    if inside and layers.get("mtls"):
        layers.report("mtls", "is written in auth too; remove one of them")
    model, path = (inside, (*AUTH, "mtls")) if inside else (layers.get("mtls"), MTLS)
    if model is None:
        return None
    if not model.model_fields_set:
        layers.document.report(path, "is empty; expected files such as {certificate: tls/us.crt, key: tls/us.key}")
    if "key" in model.model_fields_set and "certificate" not in model.model_fields_set:
        layers.document.report((*path, "key"), "needs certificate beside it")
    return Tls(model.certificate, model.key, model.ca)


def _check_open(layers: Layers, url: str, auth: Auth | None) -> None:
    """Check that nothing goes out readable, unless ``allow_insecure`` or only inside this machine (V12)."""
    if layers.get("allow_insecure"):
        return
    expected = f"{_READABLE} beside it"
    if url and is_open(url):
        layers.report("url", f"is http:// to another machine: {expected}")
    if auth and auth.token_url and is_open(auth.token_url):
        layers.report("auth", f"is http:// to another machine: {expected}", "oauth2", "token_url")


def _connection(
    document: Document, model: MessageDestinationModel, kind: MessageKind, environ: Mapping[str, str]
) -> dict[str, str]:
    if not isinstance(model, KinesisModel | EventHubsModel):
        return {}
    found = build_connection_of(document, CONNECTION, model.connection, f"kind {kind}", KINDS[kind].keys, environ)
    if not isinstance(model, EventHubsModel) or model.connection_string_env is None:
        return found
    variable = model.connection_string_env
    if "connection_string_env" in found:
        document.report(CONNECTION_STRING, "is in connection, too; expected one of them")
    elif variable not in environ:
        document.report_variable(CONNECTION_STRING, f"environment variable {variable} is not set")
    else:
        _ = environ[variable]  # recorded as a variable whose value is never shown
    return {**found, "connection_string_env": variable}
