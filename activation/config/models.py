"""The shape of the YAML files as Pydantic models: which keys there are, and the type of each (SPEC 2).

Every field is its value, its default, or None where a mistake has been reported: builders pass over None.
``model_fields_set`` holds the keys that are written, right or wrong.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, TypeAlias

from pydantic import BeforeValidator

from muster.activation.config.base_models import REQUIRED, ConnectionModel, LabelList, Model, spell_out_list
from muster.activation.config.fields import (
    AnyText,
    ChangeWord,
    Character,
    ColumnExpression,
    ColumnName,
    CompressionWord,
    Count,
    Cron,
    Days,
    Delimiter,
    Duration,
    EncodingWord,
    Exits,
    ExportWord,
    Expression,
    FeedWord,
    FileMode,
    FilesWord,
    Flag,
    Folder,
    FormatWord,
    Hours,
    Id,
    LineTerminator,
    LocalTime,
    MeasureCall,
    Memory,
    Moment,
    MonthDay,
    OnFailedWord,
    Percentage,
    PolicyExpression,
    PolicyText,
    PresetWord,
    Prose,
    QuoteStyleWord,
    Region,
    Rows,
    Seconds,
    Separator,
    Source,
    Template,
    Text,
    TransformStep,
    Tries,
    Url,
    VariableName,
    Zone,
)
from muster.activation.config.scalars import scalar
from muster.activation.config.source_models import (
    IdentityGraphModel,
    MergePolicyModel,
    NamespaceModel,
    ProfilesModel,
)
from muster.activation.config.yaml_reader import Scalar, Tree
from muster.activation.errors import did_you_mean

KINDS = ("at", "every", "cron", "after_evaluation", "on_demand")
KINDS_OF_MESSAGES = (*KINDS, "each_run")
_BARE_KINDS = ("after_evaluation", "on_demand", "each_run")


class EventsModel(Model):
    """``events:`` in muster.yml."""

    path: Text
    profile_id: ColumnName = "profile_id"
    timestamp: ColumnName = "timestamp"
    connection: ConnectionModel | None = None
    max_age: Duration = None


class MembershipsModel(Model):
    """``memberships:`` in muster.yml."""

    path: Text
    connection: ConnectionModel | None = None
    max_age: Duration = None


def _spell_out_schedule(value: Tree) -> object:
    """``on_demand`` for ``{on_demand: true}`` (S1)."""
    if not isinstance(value, Scalar):
        return value
    word = scalar(value).text
    if word not in _BARE_KINDS:
        near = did_you_mean(word, _BARE_KINDS)
        raise ValueError(f"{value.shown} is not a schedule; expected {REQUIRED['schedule']}{near}")
    return {word: Scalar("true", "true", plain=True)}


def _spell_out_column(value: Tree) -> object:
    """``email`` for ``{source: email}`` (SPEC 2)."""
    return {"source": scalar(value)} if isinstance(value, Scalar) else value


class ScheduleModel(Model):
    """``schedule:``; ``schedules`` checks that it has exactly one kind (S1)."""

    at: Annotated[list[LocalTime] | None, BeforeValidator(spell_out_list)] = None
    every: Hours = None
    cron: Cron = None
    after_evaluation: Flag = None
    on_demand: Flag = None
    each_run: Flag = None  # of activations that send messages (V1)
    start: Moment = None
    end: Moment = None
    timezone: Zone = None
    monthly: MonthDay = None  # beside ``at``


ScheduleEntry: TypeAlias = Annotated[ScheduleModel | None, BeforeValidator(_spell_out_schedule)]


class EvaluationModel(Model):
    """``evaluation:`` in muster.yml."""

    schedule: ScheduleEntry = None
    keep_exited: Duration = None


class KeepModel(Model):
    """How much of one kind of history `muster prune` keeps."""

    days: Days = None
    count: Count = None


class RetentionModel(Model):
    """``retention:`` in muster.yml."""

    evaluations: KeepModel | None = None
    runs: KeepModel | None = None


class HooksModel(Model):
    """``hooks:`` in muster.yml: for each event the words of a command (SPEC 9)."""

    run_failed: list[AnyText] | None = None
    guard_tripped: list[AnyText] | None = None
    run_succeeded: list[AnyText] | None = None
    finished: list[AnyText] | None = None


class GuardsModel(Model):
    """``guards:`` (X11); None also switches a guard off."""

    foreign_keys: ClassVar[Mapping[str, str]] = {"max_messages": "is for destinations that take messages"}

    max_shrink: Percentage = None
    max_exited: Exits = None


class AllGuardsModel(GuardsModel):
    """``guards:`` of muster.yml and of event destinations (X11, V11)."""

    max_messages: Exits = None


def _spell_out_guards(value: Tree, model: type[GuardsModel] = GuardsModel) -> object:
    """``{max_shrink: none, max_exited: none}`` for ``none``, which switches every guard off."""
    if not isinstance(value, Scalar):
        return value
    if scalar(value).text.lower() != "none":
        raise ValueError(f"{value.shown} are no guards; expected some such as {{max_shrink: 30%}}, or none")
    return dict.fromkeys(model.model_fields, value)


def _spell_out_all_guards(value: Tree) -> object:
    """``{max_shrink: none, max_exited: none, max_messages: none}`` for ``none``."""
    return _spell_out_guards(value, AllGuardsModel)


GuardsEntry: TypeAlias = Annotated[GuardsModel | None, BeforeValidator(_spell_out_guards)]
AllGuardsEntry: TypeAlias = Annotated[AllGuardsModel | None, BeforeValidator(_spell_out_all_guards)]


class SettingsModel(Model):
    """muster.yml."""

    workspace: Id
    profiles: ProfilesModel | None
    timezone: Zone = None
    events: EventsModel | None = None
    memberships: MembershipsModel | None = None
    namespaces: dict[str, NamespaceModel | None] | None = None
    identity_graph: IdentityGraphModel | None = None
    merge_policies: dict[str, MergePolicyModel | None] | None = None
    evaluation: EvaluationModel | None = None
    state: Folder = ".muster"
    file_mode: FileMode = 0o600
    memory_limit: Memory = None
    retention: RetentionModel | None = None
    hooks: HooksModel | None = None
    guards: AllGuardsEntry = None
    labels: dict[str, LabelList] | None = None
    custom_labels: dict[str, Prose] | None = None
    custom_actions: dict[str, Prose] | None = None
    core_policies: list[Text] | None = None


class PolicyModel(Model):
    """A file in policies/ (G3, G4); ``governance`` checks that it has one of ``deny`` and ``consent``."""

    actions: Annotated[list[Text] | None, BeforeValidator(spell_out_list)]
    id: Id = None
    name: PolicyText = None
    deny: PolicyText = None
    consent: PolicyExpression = None
    consent_from: Annotated[list[Text] | None, BeforeValidator(spell_out_list)] = None
    enabled: Flag = True


class MeasureModel(Model):
    """One named measure of an audience (E3)."""

    measure: MeasureCall
    where: Expression = None
    within: Duration = None


class AudienceModel(Model):
    """A file in audiences/."""

    id: Id = None
    name: Prose = None
    where: Expression = None
    source: FeedWord = None
    events: dict[str, MeasureModel | None] | None = None
    merge_policy: Text = None


class ColumnModel(Model):
    """One entry of ``mapping:`` (M1); ``columns`` checks that it has a source or an expression."""

    source: Source = None
    target: ColumnName = None
    mandatory: Flag = False
    transform: Annotated[list[TransformStep] | None, BeforeValidator(spell_out_list)] = None
    expression: ColumnExpression = None
    join: Separator = None


class CsvModel(Model):
    """``csv:``; an option that is not written comes from the destination, the preset or the defaults."""

    delimiter: Delimiter = None
    quote: Character = None
    quote_style: QuoteStyleWord = None
    header: Flag = None
    null_value: AnyText = None
    line_terminator: LineTerminator = None
    bom: Flag = None
    sanitize_formulas: Flag = None
    encoding: EncodingWord = None
    escape: Character = None


class SignWithModel(Model):
    """``sign_with:`` of PGP."""

    key: Text
    passphrase_env: VariableName = None


class PgpModel(Model):
    """``pgp:``: the keys to encrypt to, and the key that signs."""

    public_keys: Annotated[list[Text] | None, BeforeValidator(spell_out_list)]
    sign_with: SignWithModel | None = None


class EncryptionModel(Model):
    """``encryption:``; without ``pgp`` it is switched off."""

    pgp: PgpModel | None


def _spell_out_encryption(value: Tree) -> object:
    """``none`` switches off the encryption of the destination."""
    if not isinstance(value, Scalar):
        return value
    if scalar(value).text != "none":
        raise ValueError(
            f"{value.shown} is not an encryption; expected {{pgp: {{public_keys: [keys/partner.asc]}}}}, or none"
        )
    return EncryptionModel(pgp=None)


ColumnEntry: TypeAlias = Annotated[ColumnModel | None, BeforeValidator(_spell_out_column)]


class FileOptions(Model):
    """Settings of a destination that an activation may override."""

    preset: PresetWord = None
    region: Region = None
    format: FormatWord = None
    csv: CsvModel | None = None
    compression: CompressionWord = None
    file_name: Template = None
    max_rows_per_file: Rows = None
    manifest: Flag = None
    skip_empty: Flag = None
    guards: GuardsEntry = None
    encryption: Annotated[EncryptionModel | None, BeforeValidator(_spell_out_encryption)] = None
    mapping: list[ColumnEntry] | None = None
    deduplicate: list[ColumnName] | None = None
    changes: list[ChangeWord] | None = None


class ActivationModel(FileOptions):
    """One entry of ``activations:``."""

    audience: Text
    schedule: ScheduleEntry
    id: Id = None
    export: ExportWord = None
    enabled: Flag = True
    on_failed_evaluation: OnFailedWord = "hold"


class DestinationModel(FileOptions):
    """A file in destinations/ of kind files."""

    url: Url
    kind: FilesWord = "files"
    id: Id = None
    name: Prose = None
    connection: ConnectionModel | None = None
    retries: Tries = None
    timeout: Seconds = None
    marketing_actions: Annotated[list[Text] | None, BeforeValidator(spell_out_list)] = None
    activations: list[ActivationModel | None] | None = None
