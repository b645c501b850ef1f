"""The field types of the models of event destinations, as ``fields`` has those of all other files (V1).

They stand apart as most workspaces have none.
"""

from datetime import timedelta
from typing import Annotated, Literal

from muster.activation.config import message_values
from muster.activation.config.scalars import field, one_of
from muster.activation.model.messages import AggregationKey, MessageTrigger

# destinations/: where messages go
RequestUrl = Annotated[str | None, field(message_values.request_url)]
TokenUrl = Annotated[str | None, field(message_values.token_url)]
HeaderName = Annotated[str | None, field(message_values.header_word)]
HeaderValue = Annotated[str | None, field(message_values.header_value)]
Stream = Annotated[str | None, field(message_values.stream)]
PartitionKeyWord = Annotated[Literal["profile_id"] | None, one_of("profile_id")]
HubNamespace = Annotated[str | None, field(message_values.hub_namespace)]
Hub = Annotated[str | None, field(message_values.hub)]
TransportWord = Annotated[Literal["amqp", "websocket"] | None, one_of("amqp", "websocket")]
InFlight = Annotated[int | None, field(message_values.in_flight)]
Period = Annotated[float | None, field(message_values.period)]

# destinations/: what messages are like, and what answers mean
PayloadWord = Annotated[Literal["profile"] | None, one_of("profile")]
TriggerWord = Annotated[
    MessageTrigger | Literal["consent"] | None, one_of("membership", "identity", "attributes", "consent")
]
MappingChangeWord = Annotated[Literal["keep", "resend"] | None, one_of("keep", "resend")]
UnmappedWord = Annotated[Literal["all", "none"] | None, one_of("all", "none")]
AggregationKeyWord = Annotated[AggregationKey | None, one_of("audience", "status", "namespace")]
MethodWord = Annotated[str | None, one_of("POST", "PUT", "PATCH", "DELETE")]
Size = Annotated[int | None, field(message_values.size)]
Wait = Annotated[timedelta | None, field(message_values.wait)]
Status = Annotated[int | None, field(message_values.status)]
AcceptingStatus = Annotated[int | None, field(message_values.accepting_status)]
BodyExpression = Annotated[str | None, field(message_values.expression)]
JsonPath = Annotated[str | None, field(message_values.json_path)]
