"""What the models of all YAML files share: the strictness, ``connection:``, short forms, words for required keys."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model

from muster.activation.config.fields import Endpoint, Text, VariableName
from muster.activation.config.scalars import one_of, scalar
from muster.activation.config.yaml_reader import Scalar, Tree
from muster.activation.stores.kinds import KINDS as DESTINATION_KINDS

REQUIRED = {
    "audience": "the id of an audience",
    "schedule": 'one such as {at: "05:00"}, {every: 3h}, {cron: "0 6 1 * *"}, after_evaluation or on_demand',
    "measure": "one such as count or sum(amount)",
    "format": "csv, parquet or json",
    "url": "the folder that files go to, such as exports/crm",
    "workspace": "a short name for the workspace",
    "profiles": "where the profile snapshots are, such as {path: data/profiles}; or {from: sources}",
    "actions": "the marketing actions that the policy is about, such as [email_targeting]",
    "path": "a folder, a file or a glob of Parquet files",
    "identities": "the columns with identities, such as [{column: email, namespace: Email, primary: true}]",
    "precedence": "the ids of sources, the most trusted first, such as [crm, loyalty]",
    "pgp": "keys such as {public_keys: [keys/partner.asc]}",
    "public_keys": "the files of the keys to encrypt to, such as [keys/partner.asc]",
    "key": "the file of the private key that signs, such as keys/ours.asc",
    "audiences": 'the audiences that are told, such as [loyal], or [{audience: loyal, alias: "23845"}]',
    "kind": "files, http, kinesis or event_hubs",
    "stream": "the name of the stream, such as profiles",
    "namespace": "the namespace of the event hub, such as acme or acme.servicebus.windows.net",
    "hub": "the name of the event hub, such as profiles",
    "name": "the name that the receiver knows it by",
    "value_env": "the environment variable that holds the secret",
    "user_env": "the environment variable that holds the user",
    "password_env": "the environment variable that holds the password",
    "token_url": "the address that gives tokens, such as https://login.example.com/token",
    "client_id_env": "the environment variable that holds the id of the client",
    "client_secret_env": "the environment variable that holds the secret of the client",
    "max_profiles": "how many entries make a full request, such as 1000",
    "status": "the statuses that accept, such as [200, 202]",
    "after": "a number of runs, such as 3",
    "requests": "a number of requests, such as 50",
    "realized": "what is sent of people who are in an audience",
    "exited": "what is sent of people who left",
}


class Model(BaseModel):
    """A mapping of known keys; an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    usual_keys: ClassVar[tuple[str, ...]] = ()  # for messages, of a model without a required key
    foreign_keys: ClassVar[Mapping[str, str]] = {}  # keys of models beside it, and what is said of them here


def _connection_fields() -> dict[str, Any]:
    """The optional fields of ``connection``: each key that a kind of destination declares."""
    holds: dict[str, Any] = {"text": Text, "endpoint": Endpoint, "variable": VariableName}
    return {
        key.name: (Annotated[str | None, one_of(*key.words)] if key.words else holds[key.holds], None)
        for kind in DESTINATION_KINDS.values()
        for key in kind.keys
    }


_ConnectionKeys = create_model("_ConnectionKeys", __base__=Model, **_connection_fields())


class ConnectionModel(_ConnectionKeys):  # type: ignore[misc, valid-type]  # its fields are made from the table of kinds
    """``connection:``: how muster reaches another machine. ``connections`` checks which keys a kind of url takes."""


def spell_out_list(value: Tree) -> object:
    """``[email]`` for ``email``: one value of a list may stand alone."""
    return [scalar(value)] if isinstance(value, Scalar) else value


LabelList: TypeAlias = Annotated[list[Text] | None, BeforeValidator(spell_out_list)]
