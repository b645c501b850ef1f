"""Parsers of the values of identity namespaces: steps that clean ids, and the pattern of ids (P2)."""

from muster.activation.config.scalars import text
from muster.activation.config.yaml_reader import Scalar


def normalize_step(value: Scalar) -> str:
    """One step such as ``lower`` or ``e164(US)`` that turns an id into an id, in its canonical spelling."""
    from muster.activation.values import identity_steps  # noqa: PLC0415  # most workspaces declare no namespace

    return identity_steps.read(text(value))


def pattern(value: Scalar) -> str:
    """A regular expression for whole ids."""
    from muster.activation.values import patterns  # noqa: PLC0415  # most workspaces declare no pattern

    if wrong := patterns.mistake(text(value)):
        raise ValueError(f"{value.shown} is not a regular expression: {wrong}")
    return value.text
