"""Parsers of ``mapping:`` entries and of ``region``: sources, transforms, expressions, separators (SPEC 6: M1).

``columns`` checks what the parsed entries of one mapping have to fit.
"""

from muster.activation.config.scalars import one_line
from muster.activation.config.variables import has_reference
from muster.activation.config.yaml_reader import Scalar
from muster.activation.model.workspace import IDENTITY_PREFIX, STATUS_SOURCE, TIME_SOURCE


def source(value: Scalar) -> str:
    """The source of a column: a profile column, a membership field or an identity namespace."""
    name = one_line(value)
    if name.startswith("segment_membership.") and name not in (STATUS_SOURCE, TIME_SOURCE):
        raise ValueError(f"{value.shown} is not a membership field; expected {STATUS_SOURCE} or {TIME_SOURCE}")
    if name == IDENTITY_PREFIX:
        raise ValueError(f"{value.shown} names no identity namespace; expected one, such as {IDENTITY_PREFIX}Email")
    return name


def recorded(value: Scalar) -> str:
    """Text without environment variables: the record of a run keeps it, to rebuild the run's files from it."""
    if has_reference(value.written):
        raise ValueError(
            f"{value.shown} uses an environment variable; write the value itself, because runs record how their "
            f"columns are computed"
        )
    return value.text


def transform(value: Scalar) -> str:
    """One transform step such as ``date(%Y)``, in its canonical spelling."""
    from muster.activation.values import transforms  # noqa: PLC0415  # most mappings have none

    return transforms.read(recorded(value)).written


def column_expression(value: Scalar) -> str:
    """SQL over profile columns; ``ValueError`` says where the expression is wrong."""
    from muster.activation.rules import audiences, expressions  # noqa: PLC0415  # most mappings have none

    expression = recorded(value).strip()
    if not expression:
        raise ValueError("is empty; expected an expression such as CONCAT(first_name, ' ', last_name)")
    if wrong := expressions.mistake(expression):
        raise ValueError(f"{audiences.shortened(expression)}: {wrong}")
    return expression


def region(value: Scalar) -> str:
    """The default region of phone numbers: two capital letters such as ``US``, or a profile column."""
    from muster.activation.values import transforms  # noqa: PLC0415  # most destinations have none

    name = one_line(value)
    try:
        transforms.read(f"e164({recorded(value)})")
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"'e164({name})': ")) from error
    return name
