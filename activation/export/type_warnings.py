"""Warnings about mapped columns whose type is another one than at the last delivery (D7)."""

from collections.abc import Iterator

from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.type_changes import changed_types
from muster.activation.model.history import Baseline
from muster.activation.model.workspace import Activation


def type_warnings(
    activation: Activation, layout: Layout, baseline: Baseline | None, last: LastMapping | None
) -> Iterator[str]:
    """A warning for each column whose type has changed since the run that made the baseline.

    Once a run with the new type has succeeded there is none any more: that run is the last delivery then.
    """
    if baseline is None or last is None:
        return
    for target, then, now in changed_types(layout, last, activation.format):
        yield (
            f"{activation.key}: column {target!r} is {now} in {layout.snapshot.name}, and was {then} at the last "
            f"delivery, {baseline.run_id}; check that the receiver reads it"
        )
