"""The activations of one event destination from its model, checked (V1, V3, V5, V6).

A mistake is reported where the setting is written, so a mistake in the destination is reported once, however many
activations it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.activation.config.columns import build_columns, check_deduplicate, check_targets
from muster.activation.config.connections import HEADERS, NEEDED_TO_SEND
from muster.activation.config.ids import clash
from muster.activation.config.message_layers import PRESET, Layers, Surroundings
from muster.activation.config.message_models import MappedAudienceModel
from muster.activation.config.message_requests import Shape, as_text, check_names, check_url, shapes_of
from muster.activation.config.message_settings import (
    build_aggregation,
    build_answers,
    build_method,
    build_triggers,
    dead_letter_after,
)
from muster.activation.config.message_targets import check_profile_targets
from muster.activation.config.message_values import header_name
from muster.activation.config.models import KINDS_OF_MESSAGES
from muster.activation.config.schedules import build_schedule
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import did_you_mean
from muster.activation.model.messages import MappedAudience, MessageActivation, MessageDestination
from muster.activation.model.request_tree import usage
from muster.activation.model.workspace import IDENTITY_PREFIX, Column, Schedule, numbered

_OF_PROFILES = ("unmapped_audiences", "names")
_OF_REQUESTS = ("deduplicate",)


@dataclass(frozen=True)
class _Message:
    """What the messages of one activation are made of."""

    is_declared: bool
    columns: tuple[Column, ...]
    shapes: list[Shape] | None  # None after a mistake

    @property
    def targets(self) -> list[str]:
        """The targets of the columns."""
        return [column.target for column in self.columns]

    @property
    def identity(self) -> Column | None:
        """The column of identities, if there is one."""
        return next((column for column in self.columns if column.source.startswith(IDENTITY_PREFIX)), None)


def build_message_activations(
    layers: Layers, receiver: MessageDestination, around: Surroundings
) -> list[MessageActivation]:
    """The activations of one event destination, in the order of the file, without those that have a mistake.

    ``layers`` are those of the destination, without an activation.
    """
    document, destination = layers.document, layers.destination
    layered = [
        Layers(document, destination, layers.preset, entry, ("activations", index))
        for index, entry in enumerate(destination.activations or ())
        if entry
    ]
    _check_ids(layered)
    found = [_build(each, receiver, around) for each in layered]
    if not layered:
        _check_settings(layers, _message(layers, receiver), receiver)
    return [activation for activation in found if activation]


def _check_ids(layered: Sequence[Layers]) -> None:
    """Check that ids are unique in the destination, letter case aside: they name state files (SPEC 2)."""
    seen: dict[str, tuple[str, int]] = {}
    for layers in layered:
        name, path = _id(layers), (*layers.path, "id")
        if name and name.casefold() in seen:
            first, line = seen[name.casefold()]
            layers.document.report(path, clash("activation", name, first, f"on line {line}"))
        elif name:
            seen[name.casefold()] = name, layers.document.location(path).line


def _id(layers: Layers) -> str | None:
    """The id of an activation: ``id:``, else the id of its audience if it has one audience (V1)."""
    model = layers.activation
    if model is None or "id" in model.model_fields_set:
        return model.id if model else None
    alone = model.audiences[0] if model.audiences and len(model.audiences) == 1 else None
    return alone.audience if alone else None


def _build(layers: Layers, receiver: MessageDestination, around: Surroundings) -> MessageActivation | None:
    """One activation; None after a mistake in its own keys."""
    document, model = layers.document, layers.activation
    message = _message(layers, receiver)
    settings = _check_settings(layers, message, receiver)
    audiences = _audiences(layers, around)
    schedule = _schedule(layers, around)
    name = _id(layers)
    if model and name is None and "id" not in model.model_fields_set and len(model.audiences or ()) > 1:
        document.report(
            layers.path, "is required, as there are several audiences: a short name", key=(*layers.path, "id")
        )
    _check_aliases(layers, audiences, message)
    if model is None or name is None or schedule is None or not audiences or message.shapes is None:
        return None
    unset = document.unset_below(*NEEDED_TO_SEND, (*layers.path, *HEADERS))
    return MessageActivation(
        id=name,
        destination=receiver.id,
        destination_name=receiver.name,
        schedule=schedule,
        mapping=message.columns,
        deduplicate=tuple(source for source in layers.get("deduplicate") or () if source)
        if message.is_declared
        else (),
        guards=layers.guards(around),
        enabled=model.enabled is not False,
        on_failed_evaluation=model.on_failed_evaluation or "hold",
        location=document.location(layers.path),
        unset=tuple(each.problem for each in unset),
        marketing_actions=receiver.marketing_actions,
        kind=receiver.kind,
        audiences=audiences,
        payload="request" if message.is_declared else "profile",
        request=as_text(message.shapes),
        url=receiver.url or None,
        **settings,
    )


def _schedule(layers: Layers, around: Surroundings) -> Schedule | None:
    """The schedule; without one the activation is due at each run (V1)."""
    model = layers.activation
    if model is None or "schedule" not in model.model_fields_set:
        return Schedule("each_run", around.zone)
    return build_schedule(layers.document, (*layers.path, "schedule"), model.schedule, around.zone, KINDS_OF_MESSAGES)


# Audiences


def _audiences(layers: Layers, around: Surroundings) -> tuple[MappedAudience, ...]:
    """The mapped audiences; mistakes are reported. All of them are of one merge policy (V1)."""
    document, path = layers.document, (*layers.path, "audiences")
    entries = layers.activation.audiences if layers.activation else None
    if entries is not None and not entries:
        document.report(path, "is empty; expected at least one audience")
    found: dict[str, MappedAudience] = {}
    for index, entry in enumerate(entries or ()):
        where = (*path, index) if isinstance(document.at(path), list) else path
        if entry is None or entry.audience is None:
            continue
        if entry.audience not in around.audiences:
            below = (*where, "audience") if isinstance(document.at(where), dict) else where
            message = f"unknown audience {entry.audience!r}{did_you_mean(entry.audience, around.audiences)}"
            document.report(below, message)
        elif entry.audience in found:
            document.report(where, f"{entry.audience!r} is in the list twice")
        else:
            found[entry.audience] = _audience(document, where, entry, around)
    _check_merge_policy(document, found, around)
    return tuple(found.values())


def _audience(document: Document, path: KeyPath, entry: MappedAudienceModel, around: Surroundings) -> MappedAudience:
    audience = entry.audience or ""
    return MappedAudience(audience, around.audiences[audience], entry.alias, document.location(path))


def _check_merge_policy(document: Document, found: Mapping[str, MappedAudience], around: Surroundings) -> None:
    first = next(iter(found.values()), None)
    for each in found.values():
        policy, other = around.merge_policies.get(each.id), around.merge_policies.get(first.id if first else "")
        if first and policy != other:
            message = (
                f"the audience {each.id!r} is of the merge policy {policy!r}, and {first.id!r} of {other!r}; expected "
                f"one for all audiences of an activation: make an activation for each"
            )
            document.problems.append(each.location.problem(message))


def _check_aliases(layers: Layers, audiences: Sequence[MappedAudience], message: _Message) -> None:
    """Check that requests that use aliases have one for each audience, and that no two audiences have one name."""
    needs = _needs_alias(layers, message)
    seen: dict[str, MappedAudience] = {}
    for each in audiences:
        if needs and each.alias is None:
            missing = f"the audience {each.id!r} needs an alias, as the request uses audience.alias"
            expected = f"expected {{audience: {each.id}, alias: ...}}"
            layers.document.problems.append(each.location.problem(f"{missing}; {expected}"))
        first = seen.setdefault(each.shown, each)
        if first is not each:
            alike = f"the receiver would know {first.id!r} and {each.id!r} by one name, {each.shown!r}"
            layers.document.problems.append(each.location.problem(f"{alike}; give one of them another alias"))


def _needs_alias(layers: Layers, message: _Message) -> bool:
    used = usage(
        layers.get("url") or "" if layers.destination.kind == "http" else "", as_text(message.shapes or ()), {}
    )
    return "audience.alias" in used.names and "audience.alias" not in message.targets


# What messages are made of


def _message(layers: Layers, receiver: MessageDestination) -> _Message:
    is_http = receiver.kind == "http"
    declared = max(layers.level("request"), layers.level("when")) if is_http else 0
    payload = layers.level("payload")
    if declared and declared == payload:
        layers.report("payload", "and request do not go together; remove one of them")
    is_declared = declared > 0 and declared >= payload
    columns = _columns(layers, is_http=is_http)
    return _Message(is_declared, columns, shapes_of(layers) if is_declared else [])


def _columns(layers: Layers, *, is_http: bool) -> tuple[Column, ...]:
    """The columns of ``columns`` or ``mapping``, whichever is written nearer (V5, V6)."""
    keys = ("columns", "mapping") if is_http else ("mapping",)
    key = max(keys, key=layers.level)
    if is_http and layers.level("mapping") == layers.level("columns") > 0:
        layers.report("columns", "and mapping are the same; remove one of them")
    path = layers.origin(key)
    if path is None or layers.get(key) == []:
        return ()
    found = numbered(build_columns(layers.document, path, layers.get(key)))
    if path != PRESET:
        check_targets(layers.document, path, found, None)
    return found


def _check_settings(layers: Layers, message: _Message, receiver: MessageDestination) -> dict[str, Any]:
    """Check what messages are made of, and return the fields of the activation that need nothing else."""
    is_http = receiver.kind == "http"
    if message.is_declared:
        check_names(layers, message.shapes or (), message.targets)
    else:
        check_profile_targets(layers.document, message.columns)
    url = receiver.url
    if url:
        check_url(layers, url, message.targets)
    _check_keys_of_payload(layers, message, is_http=is_http)
    aggregation = build_aggregation(
        layers,
        is_http=is_http,
        is_declared=message.is_declared,
        has_namespace=message.identity is not None,
    )
    common = {
        "identities": _identities(layers, message),
        "triggers": build_triggers(layers),
        "attributes_version": layers.get("attributes_version"),
        "resends_mapping": layers.get("on_mapping_change") == "resend",
        "unmapped_audiences": layers.get("unmapped_audiences") != "none",
        "names": bool(layers.get("names")),
        "aggregation": aggregation,
        "in_flight": layers.get("in_flight") or MessageActivation.in_flight,
        "dead_letter_after": dead_letter_after(layers),
    }
    if not is_http:
        return common
    return common | {
        "method": build_method(layers),
        "headers": _headers(layers),
        "answers": build_answers(layers),
        "preset": layers.get("preset") if layers.preset else None,
    }


def _check_keys_of_payload(layers: Layers, message: _Message, *, is_http: bool) -> None:
    """Check that settings of one payload are not written for the other one."""
    for key in _OF_PROFILES if message.is_declared else ():
        if layers.is_written(key):
            layers.report(key, "has no effect: it is for payload: profile, and this activation declares a request")
    for key in _OF_REQUESTS if is_http and not message.is_declared else ():
        if layers.get(key):
            layers.report(key, "is for declared requests: with payload: profile a message is about one profile")
    if is_http and layers.get("deduplicate") is not None:
        check_deduplicate(layers.document, layers.origin("deduplicate") or (), layers.get("deduplicate"))
    if message.is_declared and layers.get("deduplicate") and message.identity:
        layers.report(
            "deduplicate",
            "cannot be combined with a mapped identity namespace, which is already the key; remove one of them",
        )


def _identities(layers: Layers, message: _Message) -> tuple[str, ...] | None:
    """The namespaces that trigger and are sent; of a declared request those of its columns (V3)."""
    written = layers.get("identities")
    column = message.identity
    if written is None:
        if not message.is_declared:
            return None
        return (column.source.removeprefix(IDENTITY_PREFIX),) if column else ()
    found = tuple(dict.fromkeys(each for each in written if each))
    if len(found) < len([each for each in written if each]):
        layers.report("identities", "has a namespace twice")
    namespace = column.source.removeprefix(IDENTITY_PREFIX) if column else None
    if column and namespace not in found:
        message_ = f"the namespace {namespace!r} is not in identities{did_you_mean(namespace or '', found)}"
        layers.document.problems.append(column.location.problem(f"{message_}; add it there, or map another one"))
    return found


def _headers(layers: Layers) -> dict[str, str]:
    written, found = layers.get("headers") or {}, dict[str, str]()
    seen: dict[str, str] = {}
    for name, value in written.items():
        wrong = header_name(name)
        if not wrong and name.lower() in seen:
            wrong = f"{name!r} is the header {seen[name.lower()]!r} in other letters; remove one of them"
        seen[name.lower()] = name
        if wrong:
            layers.report("headers", wrong, name)
        elif value is not None:
            found[name] = value
    return found
