"""The field types of the YAML models: what a key holds once read, and the parser that reads it (SPEC 2, 10).

Each type is the value, or None where a mistake has been reported. To find what a key accepts, look the key up in
``models`` and its type here: the parser named beside it has the rule and the message.
"""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from muster.activation.config import (
    audience_values,
    column_values,
    destination_values,
    policy_values,
    scalars,
    source_values,
    times,
)
from muster.activation.config.scalars import at_least, field, field_or_nothing, one_of
from muster.activation.model.sources import GraphKind, NamespaceType, SourceKind, SourceMode
from muster.activation.model.workspace import (
    Change,
    Compression,
    Encoding,
    ExportMode,
    Format,
    Measure,
    OnFailedEvaluation,
    QuoteStyle,
)

# Any file
Id = Annotated[str | None, field(scalars.identifier)]
Text = Annotated[str | None, field(scalars.text)]
AnyText = Annotated[str | None, field(scalars.as_written)]
Prose = Annotated[str | None, field(scalars.prose)]
ColumnName = Annotated[str | None, field(scalars.one_line)]
Flag = Annotated[bool | None, field(scalars.flag)]

# Schedules
Duration = Annotated[timedelta | None, field(times.duration)]
Zone = Annotated[ZoneInfo | None, field(times.zone)]
LocalTime = Annotated[time | None, field(times.local_time)]
Hours = Annotated[int | None, field(times.hours)]
MonthDay = Annotated[str | None, field(times.month_day)]
Cron = Annotated[str | None, field(times.cron)]
Moment = Annotated[date | datetime | None, field(times.moment)]

# muster.yml
Folder = Annotated[str | None, field(scalars.folder)]
FileMode = Annotated[int | None, field(scalars.file_mode)]
Memory = Annotated[int | None, field(scalars.memory)]
Days = Annotated[int | None, field(scalars.days)]
Count = Annotated[int | None, field(at_least(1))]

# sources/, and what muster.yml says of them
SourcesWord = Annotated[Literal["sources"] | None, one_of("sources")]
NamespaceTypeWord = Annotated[NamespaceType | None, one_of("person", "email", "phone", "device", "cookie", "other")]
GraphWord = Annotated[GraphKind | None, one_of("private", "none")]
SourceKindWord = Annotated[SourceKind | None, one_of("records", "events")]
SourceModeWord = Annotated[SourceMode | None, one_of("snapshot", "changes")]
NormalizeStep = Annotated[str | None, field(source_values.normalize_step)]
Pattern = Annotated[str | None, field(source_values.pattern)]
Limit = Annotated[int | None, field(at_least(1))]

# audiences/
Expression = Annotated[str | None, field(audience_values.expression)]
MeasureCall = Annotated[Measure | None, field(audience_values.measure)]
FeedWord = Annotated[Literal["memberships"] | None, one_of("memberships")]

# policies/
PolicyText = Annotated[str | None, field(policy_values.prose)]
PolicyExpression = Annotated[str | None, field(policy_values.expression)]

# destinations/: where files go
Url = Annotated[str | None, field(destination_values.url)]
Endpoint = Annotated[str | None, field(destination_values.endpoint)]
VariableName = Annotated[str | None, field(destination_values.variable_name)]
Seconds = Annotated[float | None, field(destination_values.seconds)]
Tries = Annotated[int | None, field(destination_values.tries)]

# destinations/: what files are like
FilesWord = Annotated[Literal["files"] | None, one_of("files")]
PresetWord = Annotated[str | None, field(destination_values.preset)]
FormatWord = Annotated[Format | None, one_of("csv", "parquet", "json")]
CompressionWord = Annotated[Compression | None, one_of("none", "gzip", "zstd", "zip")]
Template = Annotated[str | None, field(destination_values.template)]
Rows = Annotated[int | None, field(at_least(1))]
Delimiter = Annotated[str | None, field(destination_values.csv_delimiter)]
Character = Annotated[str | None, field(destination_values.csv_character)]
LineTerminator = Annotated[str | None, field(destination_values.line_terminator)]
QuoteStyleWord = Annotated[QuoteStyle | None, one_of("necessary", "always", "non_numeric", "never")]
EncodingWord = Annotated[Encoding | None, one_of("utf-8", "utf-16", "latin-1")]
Percentage = Annotated[float | None, field_or_nothing(scalars.percentage)]
Exits = Annotated[int | None, field_or_nothing(at_least(0))]
ChangeWord = Annotated[Change | None, one_of("membership", "identity", "keys", "attributes")]
ExportWord = Annotated[ExportMode | None, one_of("full", "incremental")]
OnFailedWord = Annotated[OnFailedEvaluation | None, one_of("hold", "use_newest")]

# destinations/: the columns of a mapping
Source = Annotated[str | None, field(column_values.source)]
TransformStep = Annotated[str | None, field(column_values.transform)]
ColumnExpression = Annotated[str | None, field(column_values.column_expression)]
Region = Annotated[str | None, field(column_values.region)]
Separator = Annotated[str | None, field(column_values.recorded)]
