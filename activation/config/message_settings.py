"""What an activation of messages says of aggregation, answers, triggers and retries (V3, V7, V10)."""

from dataclasses import replace
from typing import Any

from muster.activation.config.message_layers import Layers
from muster.activation.config.message_models import AggregationModel, MethodModel, ResultModel
from muster.activation.model.messages import (
    MESSAGE_TRIGGERS,
    Aggregation,
    Answers,
    MessageActivation,
    Pattern,
    Result,
)

HTTP_DEFAULT = Aggregation(max_profiles=100, max_bytes=1_000_000)  # V7
_FORMS = (("errors",), ("errors", "index"), ("each", "key"), ("each", "key", "ok"), ("refused_count",))


def build_aggregation(layers: Layers, *, is_http: bool, is_declared: bool, has_namespace: bool) -> Aggregation:
    """How profiles are grouped into requests; mistakes are reported (V7)."""
    default = HTTP_DEFAULT if is_http else Aggregation()
    model: AggregationModel | None = layers.get("aggregation")
    if model is None:
        return default
    given = [kind for kind in ("best_effort", "configurable") if kind in model.model_fields_set]
    if len(given) != 1:
        found = "found both" if given else "found none"
        layers.report("aggregation", f"expected exactly one of best_effort and configurable, {found}")
        return default
    if model.configurable is None:
        limits = model.best_effort.model_dump(exclude_none=True) if model.best_effort else {}
        return replace(default, **limits)
    written = model.configurable
    key = tuple(dict.fromkeys(each for each in written.key or () if each))
    if len(key) != len([each for each in written.key or () if each]):
        layers.report("aggregation", "has a word twice", "configurable", "key")
    if is_declared and "namespace" in key and not has_namespace:
        message = "'namespace' needs a column of identities, such as {source: identity_map.Email, target: EMAIL}"
        layers.report("aggregation", message, "configurable", "key")
    waited = {} if written.max_age is None else {"max_age": written.max_age}
    most = written.max_profiles or default.max_profiles
    return Aggregation("configurable", most, written.max_bytes, key=key, **waited)


def build_method(layers: Layers) -> dict[str, str]:
    """The HTTP method by kind of change; under an empty kind that of all (V6)."""
    model: MethodModel | None = layers.get("method")
    if model is None:
        return {"": "POST"}
    found = {kind: getattr(model, kind) for kind in MethodModel.model_fields if getattr(model, kind)}
    if len({*found.values()}) <= 1:
        return {"": next(iter(found.values()), "POST")}
    return found


def build_answers(layers: Layers) -> Answers:
    """What answers mean (V10)."""
    success = layers.get("success")
    return Answers(
        tuple(each for each in (success.status if success else None) or () if each),
        _patterns(layers, "throttled"),
        _patterns(layers, "fatal"),
        _result(layers),
    )


def _patterns(layers: Layers, key: str) -> tuple[Pattern, ...]:
    found = []
    for index, model in enumerate(layers.get(key) or ()):
        if model is not None and not model.model_fields_set:
            layers.report(key, "is empty; expected a status, a body, or both", index)
        elif model is not None and (model.status is not None or model.body is not None):
            found.append(Pattern(model.status, model.body))
    return tuple(found)


def _result(layers: Layers) -> Result | None:
    """How an answer says who was refused: one of three forms."""
    model: ResultModel | None = layers.get("result")
    if model is None:
        return None
    written = model.model_fields_set - {"reason"}
    if written not in [{*form} for form in _FORMS]:
        forms = "errors and index; each, key and ok; or refused_count"
        found = f"found {' and '.join(key for key in ResultModel.model_fields if key in written) or 'none'}"
        layers.report("result", f"expected the keys {forms}, {found}")
        return None
    if "reason" in model.model_fields_set and "refused_count" in written:
        layers.report("result", "needs errors or each beside it: a count has no reasons", "reason")
    return Result(**model.model_dump())


def build_triggers(layers: Layers) -> tuple[Any, ...]:
    """The changes that send somebody, in the order of V3; withdrawals of consent always do."""
    written = layers.get("triggers")
    if written is None:
        return MESSAGE_TRIGGERS
    if not written:
        layers.report("triggers", f"is empty; expected some of {', '.join(MESSAGE_TRIGGERS)}")
    for index, word in enumerate(written):
        if word and word in written[:index]:
            layers.report("triggers", f"{word!r} is in the list twice", index)
    found = tuple(each for each in MESSAGE_TRIGGERS if each in written)
    if layers.get("attributes_version") and "attributes" not in found:
        layers.report("attributes_version", "has no effect: triggers has no 'attributes'")
    return found


def dead_letter_after(layers: Layers) -> int | None:
    """After how many runs a refused profile is not offered any more; None: it is offered for ever (V10)."""
    if layers.level("dead_letter") == 0:
        return MessageActivation.dead_letter_after
    model = layers.get("dead_letter")
    after: int | None = model.after if model else None
    return after
