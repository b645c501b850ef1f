"""The shape of event destinations as Pydantic models: which keys each kind and its activations have (V1).

Every field is its value, its default, or None where a mistake has been reported, as in ``models``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BeforeValidator, PlainValidator

from muster.activation.config.base_models import ConnectionModel, Model, spell_out_list
from muster.activation.config.fields import (
    ColumnName,
    Count,
    Flag,
    Id,
    OnFailedWord,
    Prose,
    Seconds,
    Text,
    Tries,
    VariableName,
)
from muster.activation.config.message_fields import (
    AcceptingStatus,
    AggregationKeyWord,
    BodyExpression,
    HeaderName,
    HeaderValue,
    Hub,
    HubNamespace,
    InFlight,
    JsonPath,
    MappingChangeWord,
    MethodWord,
    PartitionKeyWord,
    PayloadWord,
    Period,
    RequestUrl,
    Size,
    Status,
    Stream,
    TokenUrl,
    TransportWord,
    TriggerWord,
    UnmappedWord,
    Wait,
)
from muster.activation.config.models import (
    ActivationModel,
    AllGuardsEntry,
    ColumnEntry,
    DestinationModel,
    FileOptions,
    ScheduleEntry,
)
from muster.activation.config.scalars import scalar
from muster.activation.config.yaml_reader import Scalar, Tree

Raw: TypeAlias = Annotated[Any, PlainValidator(lambda value: value)]  # checked where the columns are known
Words: TypeAlias = Annotated[list[Text] | None, BeforeValidator(spell_out_list)]

_OF_FILES = "is for destinations of files, and this one takes messages"
_FILE_KEYS: dict[str, str] = dict.fromkeys(
    (DestinationModel.model_fields | ActivationModel.model_fields | FileOptions.model_fields).keys(), _OF_FILES
)
_OF_HTTP = "is for destinations of kind http"
_OF_DESTINATION = dict.fromkeys(
    ("name", "kind", "preset", "url", "auth", "mtls", "allow_insecure", "place", "retries", "timeout", "rate",
     "marketing_actions"),
    "is of the whole destination: write it beside activations",
)  # fmt: skip
_OF_ACTIVATION = dict.fromkeys(
    ("audiences", "schedule", "enabled", "on_failed_evaluation"), "is of one activation: write it in activations"
)
_OF_ADDRESSES = "is for destinations of files or of kind http"


class AuthHeaderModel(Model):
    """``header:`` of ``auth``: the header that holds a secret."""

    name: HeaderName
    value_env: VariableName


class BasicModel(Model):
    """``basic:`` of ``auth``: a user and a password."""

    user_env: VariableName
    password_env: VariableName


class QueryModel(Model):
    """``query:`` of ``auth``: the parameter of urls that holds a secret."""

    name: Text
    value_env: VariableName


class OAuth2Model(Model):
    """``oauth2:`` of ``auth``: where a client gets tokens, and what it asks for."""

    token_url: TokenUrl
    client_id_env: VariableName
    client_secret_env: VariableName
    scope: Text = None
    audience: Text = None
    resource: Text = None
    parameters: dict[str, Text] | None = None


class MtlsModel(Model):
    """``mtls:``: the files of the client's certificate and key, and of the authorities that servers are known by."""

    usual_keys = ("certificate", "key")

    certificate: Text = None
    key: Text = None
    ca: Text = None


class AuthModel(Model):
    """``auth:``; ``message_access`` checks that it has one kind, with ``mtls`` beside it or alone."""

    usual_keys = ("bearer_env",)

    bearer_env: VariableName = None
    header: AuthHeaderModel | None = None
    basic: BasicModel | None = None
    query: QueryModel | None = None
    oauth2: OAuth2Model | None = None
    mtls: MtlsModel | None = None


class BestEffortModel(Model):
    """``best_effort:`` of ``aggregation`` (V7)."""

    max_profiles: Count = None
    max_bytes: Size = None


class ConfigurableModel(Model):
    """``configurable:`` of ``aggregation`` (V7)."""

    usual_keys = ("max_profiles",)

    max_profiles: Count = None
    max_bytes: Size = None
    max_age: Wait = None
    key: Annotated[list[AggregationKeyWord] | None, BeforeValidator(spell_out_list)] = None


class AggregationModel(Model):
    """``aggregation:``; ``message_settings`` checks that it has exactly one kind (V7)."""

    usual_keys = ("best_effort", "configurable")

    best_effort: BestEffortModel | None = None
    configurable: ConfigurableModel | None = None


def _spell_out_aggregation(value: Tree) -> object:
    """``{best_effort: {}}`` for ``best_effort``."""
    if not isinstance(value, Scalar):
        return value
    if scalar(value).text != "best_effort":
        raise ValueError(
            f"{value.shown} is not an aggregation; expected one such as {{best_effort: {{max_profiles: 50}}}}"
        )
    return {"best_effort": {}}


class MethodModel(Model):
    """``method:`` by kind of change (V6)."""

    realized: MethodWord
    exited: MethodWord
    changed: MethodWord = None


def _spell_out_method(value: Tree) -> object:
    """``{realized: PUT, exited: PUT}`` for ``PUT``."""
    return {"realized": scalar(value), "exited": scalar(value)} if isinstance(value, Scalar) else value


class SuccessModel(Model):
    """``success:``: the statuses that accept (V10)."""

    status: Annotated[list[AcceptingStatus] | None, BeforeValidator(spell_out_list)]


def _spell_out_success(value: Tree) -> object:
    """``{status: [200]}`` for ``[200]`` and ``200``."""
    return {"status": value} if isinstance(value, Scalar | list) else value


class PatternModel(Model):
    """One entry of ``throttled:`` or ``fatal:``: marks of an answer (V10)."""

    usual_keys = ("status", "body")

    status: Status = None
    body: BodyExpression = None


def _spell_out_patterns(value: Tree) -> object:
    """A list of patterns for one pattern; ``{body: TEXT}`` for ``TEXT``."""
    entries = value if isinstance(value, list) else [value]
    return [{"body": each} if isinstance(each, Scalar) else each for each in entries]


Patterns: TypeAlias = Annotated[list[PatternModel | None] | None, BeforeValidator(_spell_out_patterns)]


class ResultModel(Model):
    """``result:``; ``message_settings`` checks which keys stand together (V10)."""

    usual_keys = ("errors", "each", "refused_count")

    errors: JsonPath = None
    index: JsonPath = None
    each: JsonPath = None
    key: JsonPath = None
    ok: JsonPath = None
    reason: JsonPath = None
    refused_count: JsonPath = None


class DeadLetterModel(Model):
    """``dead_letter:``: after how many runs a refused profile is not offered any more (V10)."""

    after: Count


def _spell_out_dead_letter(value: Tree) -> object:
    """``none`` offers refused profiles for ever."""
    if not isinstance(value, Scalar):
        return value
    if scalar(value).text != "none":
        raise ValueError(f"{value.shown} is no number of runs; expected {{after: 3}}, or none")
    return DeadLetterModel(after=None)


class RateModel(Model):
    """``rate:``: at most so many requests in a period (V13)."""

    requests: Count
    per: Period = 1.0


class MappedAudienceModel(Model):
    """One entry of ``audiences:`` (V1)."""

    audience: Text
    alias: Text = None


def _spell_out_audience(value: Tree) -> object:
    """``{audience: loyal}`` for ``loyal``."""
    return {"audience": scalar(value)} if isinstance(value, Scalar) else value


AudienceEntry: TypeAlias = Annotated[MappedAudienceModel | None, BeforeValidator(_spell_out_audience)]


class MessageOptions(Model):
    """Settings of every event destination that an activation may override."""

    payload: PayloadWord = None
    mapping: list[ColumnEntry] | None = None
    identities: Words = None
    triggers: Annotated[list[TriggerWord] | None, BeforeValidator(spell_out_list)] = None
    attributes_version: ColumnName = None
    on_mapping_change: MappingChangeWord = None
    unmapped_audiences: UnmappedWord = None
    names: Flag = None
    aggregation: Annotated[AggregationModel | None, BeforeValidator(_spell_out_aggregation)] = None
    guards: AllGuardsEntry = None
    in_flight: InFlight = None
    dead_letter: Annotated[DeadLetterModel | None, BeforeValidator(_spell_out_dead_letter)] = None


class HttpOptions(MessageOptions):
    """Settings of a destination of kind http that an activation may override."""

    columns: list[ColumnEntry] | None = None
    deduplicate: list[ColumnName] | None = None
    method: Annotated[MethodModel | None, BeforeValidator(_spell_out_method)] = None
    request: Raw = None
    when: Raw = None
    headers: dict[str, HeaderValue] | None = None
    success: Annotated[SuccessModel | None, BeforeValidator(_spell_out_success)] = None
    throttled: Patterns = None
    fatal: Patterns = None
    result: ResultModel | None = None


_HTTP_KEYS = dict.fromkeys(HttpOptions.model_fields.keys() - MessageOptions.model_fields.keys(), _OF_HTTP)
_HTTP_DESTINATION_KEYS = dict.fromkeys(("preset", "auth", "mtls"), _OF_HTTP) | {"url": _OF_ADDRESSES}


class MessageActivationModel(MessageOptions):
    """One entry of ``activations:`` of an event destination."""

    foreign_keys: ClassVar[Mapping[str, str]] = {
        **_FILE_KEYS,
        **_HTTP_KEYS,
        **_OF_DESTINATION,
        "audience": "is for destinations of files; write audiences, a list of one or more",
    }

    audiences: Annotated[list[AudienceEntry] | None, BeforeValidator(spell_out_list)]
    schedule: ScheduleEntry = None
    id: Id = None
    enabled: Flag = True
    on_failed_evaluation: OnFailedWord = "hold"


class HttpActivationModel(MessageActivationModel, HttpOptions):
    """One entry of ``activations:`` of a destination of kind http."""


class MessageDestinationModel(MessageOptions):
    """What the files of all event destinations have."""

    foreign_keys: ClassVar[Mapping[str, str]] = {
        **_FILE_KEYS,
        **_HTTP_KEYS,
        **_HTTP_DESTINATION_KEYS,
        **_OF_ACTIVATION,
        "audience": _OF_FILES,
    }

    kind: Text
    id: Id = None
    name: Prose = None
    place: Prose = None
    retries: Tries = None
    timeout: Seconds = None
    rate: RateModel | None = None
    marketing_actions: Words = None
    activations: list[MessageActivationModel | None] | None = None


class HttpModel(MessageDestinationModel, HttpOptions):
    """A file in destinations/ of kind http."""

    preset: Text = None
    url: RequestUrl = None
    auth: AuthModel | None = None
    mtls: MtlsModel | None = None
    allow_insecure: Flag = None
    activations: list[HttpActivationModel | None] | None = None  # type: ignore[assignment]  # entries with more keys


class KinesisModel(MessageDestinationModel):
    """A file in destinations/ of kind kinesis."""

    stream: Stream
    partition_key: PartitionKeyWord = "profile_id"
    connection: ConnectionModel | None = None
    allow_insecure: Flag = None


class EventHubsModel(MessageDestinationModel):
    """A file in destinations/ of kind event_hubs."""

    namespace: HubNamespace
    hub: Hub
    transport: TransportWord = "amqp"
    connection_string_env: VariableName = None
    connection: ConnectionModel | None = None


MODELS: dict[str, type[MessageDestinationModel]] = {
    "http": HttpModel,
    "kinesis": KinesisModel,
    "event_hubs": EventHubsModel,
}
