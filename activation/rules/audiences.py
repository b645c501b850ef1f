"""Audiences' rules: mistakes that show without data, and rules bound to the columns of a snapshot (E2, SPEC 10).

``problems`` gives the mistakes that the YAML alone shows. Other mistakes raise ``RuleError``, which stops one audience
and no other (X1).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.errors import MistakeError, Problem, did_you_mean
from muster.activation.frames.columns import INTERNAL
from muster.activation.frames.polars_messages import DIVISION_BY_ZERO, failed_conversion
from muster.activation.model.workspace import Audience, Measure, SourceLocation, Workspace
from muster.activation.rules.order import ANY_INSTANT, cycles
from muster.activation.sql.binding import bind
from muster.activation.sql.parse import Parsed, parse
from muster.activation.sql.rewrite import AUDIENCE, IDENTITY, IN_A_MEASURE
from muster.activation.sql.tokens import SqlError
from muster.activation.values.dtypes import describe_short_name
from muster.activation.values.known_columns import Columns

LONGEST = 200  # characters of an expression that a message quotes


class RuleError(MistakeError):
    """The rule of one audience cannot be evaluated; the other audiences go on (X1).

    The message has the rule's location, its text and the mistake.
    """

    def __init__(self, location: SourceLocation, expression: str, message: str) -> None:
        self.problem = _problem(location, expression, message)
        self.location = location
        self.expression = expression
        super().__init__(str(self.problem))


@dataclass(frozen=True, eq=False)
class AudienceRule:
    """An audience's rule, bound to columns. ``expr`` is a Boolean without nulls: null is not a match (E2)."""

    audience: str
    expr: pl.Expr
    columns: frozenset[str]  # names in the snapshot of the profile columns that the rule reads
    measures: frozenset[str]  # columns of measures that the rule reads
    audiences: frozenset[str]  # ids; the rule reads each as the Boolean column ``audience_column(id)``
    namespaces: frozenset[str]  # the rule reads each as the List(String) column ``identity_column(namespace)``


def audience_column(audience: str) -> str:
    """The column behind ``audience.<id>`` in a rule: Boolean, never null."""
    return AUDIENCE + audience


def identity_column(namespace: str) -> str:
    """The column behind ``identity_map.<namespace>`` in a rule: List(String), never null, empty without identities."""
    return IDENTITY + namespace


def problems(workspace: Workspace) -> list[Problem]:
    """All mistakes in rules that need no data: syntax, what is not allowed, unknown audiences, cycles (E2, E4)."""
    found = [
        problem for audience in workspace.audiences.values() for problem in _audience_problems(audience, workspace)
    ]
    return found + [_cycle_problem(cycle, workspace.audiences) for cycle in cycles(workspace.audiences)]


def bind_rule(
    audience: Audience,
    columns: Columns,
    measures: Mapping[str, tuple[str, pl.DataType]],
    at: datetime,
    zone: ZoneInfo,
    *,
    audiences: Collection[str] = (),
    against_identities: str = "",
) -> AudienceRule:
    """An audience's rule bound to the profile columns, with their types in the snapshot.

    ``measures`` has, by the name in the rule, the column and type of each measure; ``audiences`` are ids for hints.
    ``against_identities`` says why identity namespaces cannot be asked, if they cannot.
    ``RuleError`` if a name does not exist or a type does not fit (SPEC 10).
    """
    text = audience.where if audience.where is not None else "true"
    try:
        _check_clashes(measures, columns)
        parsed = parse(text, at, zone, {name: column for name, (column, _) in measures.items()})
        _check_namespaces(parsed, against_identities)
        bind(parsed, columns.beside({name: dtype for name, (_, dtype) in measures.items()}), audiences)
    except SqlError as error:
        raise RuleError(_keyed(audience.location), text, str(error)) from error
    return AudienceRule(
        audience=audience.id,
        expr=parsed.expr.fill_null(value=False),
        columns=parsed.columns - measures.keys(),
        measures=frozenset(measures[name][0] for name in parsed.columns & measures.keys()),
        audiences=parsed.audiences,
        namespaces=parsed.namespaces,
    )


def _check_namespaces(parsed: Parsed, against_identities: str) -> None:
    if parsed.namespaces and against_identities:
        raise SqlError(against_identities)


def clashes(workspace: Workspace, columns: Columns) -> list[Problem]:
    """A problem for each profile column whose name has another meaning in rules (E2)."""
    measures = [
        measure for audience in workspace.audiences.values() for measure in audience.measures if measure.name in columns
    ]
    found = [
        measure.location.problem(f"the profiles have a column {measure.name!r} too; rename the measure")
        for measure in measures
    ]
    if "audience" in columns:
        message = "the profiles have a column 'audience', which means audience.<id> in rules; rename the column"
        found.append(Problem("muster.yml", 0, "profiles", message))
    return found


def explain(error: BaseException, location: SourceLocation, expression: str) -> RuleError:
    """A failure on the data as ``RuleError``, with the column and the number of values, and no value (X1)."""
    if isinstance(error, MistakeError) and not isinstance(error, RuleError):  # the value that fails is in the file (D6)
        return RuleError(_keyed(location), expression, str(error))
    cause = str(error.__cause__ or error)
    failed = failed_conversion(cause)
    if DIVISION_BY_ZERO in cause:
        return RuleError(_keyed(location), expression, "it divides by zero; NULLIF(x, 0) makes a divisor of zero null")
    if failed is None:
        return RuleError(_keyed(location), expression, "it cannot be computed on this data")
    is_named = failed.column and not failed.column.startswith(INTERNAL)
    where = f"column {failed.column}" if is_named else "a part of it"
    values = "a value" if failed.count == 1 else f"at least {failed.count} values"
    hint = (
        "check the format that it is read with"
        if failed.target.startswith(("date", "time"))
        else "TRY_CAST gives null instead"
    )
    source, target = describe_short_name(failed.source), describe_short_name(failed.target)
    message = f"{values} of {where} cannot be converted from {source} into {target}; {hint}"
    return RuleError(_keyed(location), expression, message)


def shortened(text: str) -> str:
    """An expression on one line, cut to ``LONGEST`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _problem(location: SourceLocation, expression: str, message: str) -> Problem:
    shown = shortened(expression)
    return location.problem(f"{shown}: {message}" if shown else message)


def _keyed(location: SourceLocation) -> SourceLocation:
    """The location of an audience with ``where`` as key, if it has none."""
    return location if location.key else replace(location, key="where")


def _audience_problems(audience: Audience, workspace: Workspace) -> list[Problem]:
    found = [problem for measure in audience.measures for problem in _measure_problems(measure, workspace.zone)]
    if audience.where is None:
        return found
    location = _keyed(audience.location)
    try:
        parsed = parse(audience.where, ANY_INSTANT, workspace.zone)
    except SqlError as error:
        return [*found, _problem(location, audience.where, str(error))]
    reasons = (_against_reference(name, audience, workspace.audiences) for name in sorted(parsed.audiences))
    return found + [_problem(location, audience.where, reason) for reason in reasons if reason]


def _against_reference(name: str, audience: Audience, known: Mapping[str, Audience]) -> str:
    """Why a rule cannot refer to an audience: there is none, or its profiles are of another policy (E4, P)."""
    if name not in known:
        return _unknown_audience(name, audience.where or "", known)
    own, other = audience.merge_policy, known[name].merge_policy
    if own == other:
        return ""
    return (
        f"audience {name!r} has the merge policy {other!r}, and this one {own!r}; an audience refers only to those of "
        f"its own policy"
    )


def _unknown_audience(name: str, text: str, known: Collection[str]) -> str:
    """The message for an unknown id: ``audience.delorean-owners`` without quotes is ``delorean`` minus ``owners``."""
    meant = [other for other in known if other.startswith(name) and f"audience.{other}" in text]
    if meant:
        return f'audience.{meant[0]} needs quotes: audience."{meant[0]}"'
    return f"unknown audience {name!r}{did_you_mean(name, known)}"


def _measure_problems(measure: Measure, zone: ZoneInfo) -> list[Problem]:
    try:
        if measure.where is not None:
            parse(measure.where, ANY_INSTANT, zone, alone=IN_A_MEASURE)
    except SqlError as error:
        return [_problem(measure.location, measure.where or "", str(error))]
    return []


def _check_clashes(measures: Iterable[str], columns: Columns) -> None:
    clashing = sorted(set(measures) & set(columns.names))
    if clashing:
        raise SqlError(f"{clashing[0]!r} is both a measure and a profile column; call the measure something else")


def _cycle_problem(cycle: tuple[str, ...], audiences: Mapping[str, Audience]) -> Problem:
    first = audiences[cycle[0]]
    ring = " -> ".join((*cycle, cycle[0]))
    return _problem(_keyed(first.location), first.where or "", f"audiences refer to each other in a circle: {ring}")
