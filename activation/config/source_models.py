"""The shape of what makes profiles of sources, as Pydantic models: files in ``sources/`` and blocks of muster.yml (P).

Every field is its value, its default, or None where a mistake has been reported, as in ``models``.
"""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, create_model

from muster.activation.config.base_models import ConnectionModel, LabelList, Model, spell_out_list
from muster.activation.config.fields import (
    AnyText,
    ColumnName,
    Duration,
    Flag,
    GraphWord,
    Id,
    Limit,
    NamespaceTypeWord,
    NormalizeStep,
    Pattern,
    Prose,
    SourceKindWord,
    SourceModeWord,
    SourcesWord,
    Text,
)
from muster.activation.config.scalars import scalar
from muster.activation.config.yaml_reader import Scalar, Tree

SourceList: TypeAlias = Annotated[list[Text] | None, BeforeValidator(spell_out_list)]

_FROM: dict[str, Any] = {"from": (SourcesWord, None)}
_FromKey = create_model("_FromKey", __base__=Model, **_FROM)


class ProfilesModel(_FromKey):  # type: ignore[misc, valid-type]  # the name of its base's key is a word of Python
    """``profiles:`` in muster.yml; ``profiles`` checks that it has one of ``path`` and ``from``."""

    usual_keys = ("path",)

    path: Text = None
    id: ColumnName = "profile_id"
    identity_map: ColumnName = "identity_map"
    connection: ConnectionModel | None = None
    max_age: Duration = None
    id_key: AnyText = None

    @property
    def from_sources(self) -> bool:
        """Whether profiles are made of sources."""
        return getattr(self, "from") is not None


class NamespaceModel(Model):
    """One entry of ``namespaces:``."""

    type: NamespaceTypeWord = "other"
    priority: Limit = 9
    unique: Flag = False
    normalize: Annotated[list[NormalizeStep] | None, BeforeValidator(spell_out_list)] = None
    blocked: Annotated[list[AnyText] | None, BeforeValidator(spell_out_list)] = None
    blocked_like: Annotated[list[AnyText] | None, BeforeValidator(spell_out_list)] = None
    pattern: Pattern = None


class IdentityGraphModel(Model):
    """``identity_graph:`` in muster.yml (P4, P6)."""

    max_identities: Limit = None
    max_links: Limit = None


class AttributesModel(Model):
    """``attributes:`` of a merge policy (P8)."""

    precedence: list[Text] | None


def _spell_out_attributes(value: Tree) -> object:
    """``newest`` has no list of sources."""
    if not isinstance(value, Scalar):
        return value
    word = scalar(value)
    if word.text != "newest":
        raise ValueError(f"{word.shown} is not allowed; expected newest, or {{precedence: [crm, loyalty]}}")
    return None


class MergePolicyModel(Model):
    """One entry of ``merge_policies:`` (P7, P8)."""

    graph: GraphWord = "private"
    attributes: Annotated[AttributesModel | None, BeforeValidator(_spell_out_attributes)] = None
    sources: SourceList = None


class SourceIdentityModel(Model):
    """One entry of ``identities:`` of a source; ``source_files`` checks which keys go together."""

    column: ColumnName = None
    namespace: Text = None
    primary: Flag = False
    identity_map: ColumnName = None


class SourceModel(Model):
    """A file in sources/ (P1)."""

    path: Text
    identities: list[SourceIdentityModel | None] | None
    id: Id = None
    name: Prose = None
    kind: SourceKindWord = "records"
    mode: SourceModeWord = None
    profile: Flag = True
    updated_at: ColumnName = None
    deleted: ColumnName = None
    timestamp: ColumnName = None
    columns: dict[str, ColumnName] | None = None
    labels: dict[str, LabelList] | None = None
    connection: ConnectionModel | None = None
    max_age: Duration = None
