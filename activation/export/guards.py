"""Guards: an upstream fault must not become a mass removal (X11)."""

from collections.abc import Iterable

from muster.activation.comparison.compare import Comparison
from muster.activation.errors import GuardError
from muster.activation.model.workspace import Guards, SourceLocation


def check_guards(guards: Guards, comparison: Comparison, activation: str) -> None:
    """``GuardError`` when the delivered set would shrink, or lose profiles, beyond the guards (X11).

    ``activation`` is ``DESTINATION/ACTIVATION``. The message has a line for each tripped guard, and below them an
    indented line for each way on.
    """
    faults, limits = [], []
    delivered, desired, removed = comparison.delivered_before, comparison.desired, comparison.no_longer_desired
    shrink = (delivered - desired) / delivered if delivered else 0.0
    if guards.max_shrink is not None and shrink > guards.max_shrink:
        digits = f"{guards.max_shrink * 100:.10g}"  # as the config has it
        finer = 1 + len(digits.partition(".")[2])
        faults.append(
            f"guard max_shrink: the delivered set would shrink from {delivered} to {desired} profiles, "
            f"by {shrink:.{finer}%}; at most {digits}% is allowed"
        )
        limits.append(guards.shrink_location)
    if guards.max_exited is not None and removed > guards.max_exited:
        faults.append(f"guard max_exited: {removed} delivered profiles would leave; at most {guards.max_exited} may")
        limits.append(guards.exited_location)
    if faults:
        raise GuardError("\n".join((*faults, *_ways_on(limits, activation))))


def _ways_on(limits: Iterable[SourceLocation], activation: str) -> list[str]:
    """Every way on after a tripped guard, an indented line for each; a corrected snapshot needs an evaluation (X11)."""
    written = " and ".join(f"{each.key or 'guards'} ({each.file}:{each.line})" for each in limits)
    return [
        "  nothing was written; the export stays due, and every `muster run` tries it again",
        "  if the data is wrong: correct it, then `muster evaluate`, then `muster run`",
        f"  if the change is right: `muster run --override-guards {activation}`, for this once",
        f"  if the guard is too strict: raise {written}, or switch it off with `none`",
    ]
