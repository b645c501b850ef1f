"""Parsers of the texts of policies, which runs and manifests record (G6, G7): so they take no environment variable."""

from collections.abc import Callable

from muster.activation.config import audience_values, scalars
from muster.activation.config.variables import has_reference
from muster.activation.config.yaml_reader import Scalar


def prose(value: Scalar) -> str:
    """The name of a policy, or an expression over labels."""
    return _recorded(value, scalars.prose)


def expression(value: Scalar) -> str:
    """SQL over profile columns."""
    return _recorded(value, audience_values.expression)


def _recorded(value: Scalar, parser: Callable[[Scalar], str]) -> str:
    if has_reference(value.written):
        raise ValueError(
            f"{value.shown} uses an environment variable; write the value itself, because runs record the policies by "
            f"which they were judged"
        )
    return parser(value)
