"""What the models of all YAML files share: the strictness, ``connection:``, short forms, words for required keys."""

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
}


class Model(BaseModel):
    """A mapping of known keys; an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    usual_keys: ClassVar[tuple[str, ...]] = ()  # for messages, of a model without a required key


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
