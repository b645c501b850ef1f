"""Guards: an upstream fault must not become a mass removal (X11)."""

from muster.activation.comparison.compare import Comparison
from muster.activation.errors import GuardError
from muster.activation.model.workspace import Guards


def check_guards(guards: Guards, comparison: Comparison, activation: str) -> None:
    """``GuardError`` when the delivered set would shrink, or lose profiles, beyond the guards (X11).

    ``activation`` is ``DESTINATION/ACTIVATION``.
    """
    delivered, desired, removed = comparison.delivered_before, comparison.desired, comparison.no_longer_desired
    remedy = f"check the snapshot and the audience; if it is right, run `muster run --override-guards {activation}`"
    shrink = (delivered - desired) / delivered if delivered else 0.0
    if guards.max_shrink is not None and shrink > guards.max_shrink:
        digits = f"{guards.max_shrink * 100:.10g}"  # as the config has it
        finer = 1 + len(digits.partition(".")[2])
        raise GuardError(
            f"guard max_shrink: the delivered set would shrink from {delivered} to {desired} profiles, "
            f"by {shrink:.{finer}%}; at most {digits}% is allowed; {remedy}"
        )
    if guards.max_exited is not None and removed > guards.max_exited:
        raise GuardError(
            f"guard max_exited: {removed} delivered profiles would leave; at most {guards.max_exited} may; {remedy}"
        )
