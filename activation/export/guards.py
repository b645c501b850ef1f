"""Guards: an upstream fault must not become a mass removal (X11)."""

from collections.abc import Iterable, Iterator

from muster.activation.comparison.compare import Comparison
from muster.activation.errors import GuardError
from muster.activation.model.workspace import Guards, SourceLocation

Fault = tuple[str, SourceLocation]  # what trips a guard, and where the guard is written


def check_guards(guards: Guards, comparison: Comparison, activation: str) -> None:
    """``GuardError`` when the delivered set would shrink, or lose profiles, beyond the guards (X11).

    ``activation`` is ``DESTINATION/ACTIVATION``. The message has a line for each tripped guard, and below them an
    indented line for each way on.
    """
    delivered, desired, leaving = comparison.delivered_before, comparison.desired, comparison.no_longer_desired
    faults = list(removal_faults(guards, delivered, desired, leaving, "the delivered set"))
    if faults:
        raise tripped(faults, activation, "nothing was written; the export stays due")


def removal_faults(guards: Guards, delivered: int, desired: int, leaving: int, what: str) -> Iterator[Fault]:
    """What trips the guards when ``what`` becomes ``desired`` and ``leaving`` of the ``delivered`` profiles go."""
    shrink = (delivered - desired) / delivered if delivered else 0.0
    if guards.max_shrink is not None and shrink > guards.max_shrink:
        digits = f"{guards.max_shrink * 100:.10g}"  # as the config has it
        finer = 1 + len(digits.partition(".")[2])
        change = f"{what} would shrink from {delivered} to {desired} profiles, by {shrink:.{finer}%}"
        yield f"guard max_shrink: {change}; at most {digits}% is allowed", guards.shrink_location
    if guards.max_exited is not None and leaving > guards.max_exited:
        of = "" if what == "the delivered set" else f" of {what}"
        yield (
            f"guard max_exited: {leaving} delivered profiles{of} would leave; at most {guards.max_exited} may",
            guards.exited_location,
        )


def tripped(faults: Iterable[Fault], activation: str, nothing: str, again: str = "muster run") -> GuardError:
    """The error about tripped guards: a line each, and an indented line for each way on.

    ``nothing`` says what was not done; ``again`` is the command that takes ``--override-guards``.
    """
    told = list(faults)
    ways = _ways_on([location for _, location in told], activation, nothing, again)
    return GuardError("\n".join((*(text for text, _ in told), *ways)))


def _ways_on(limits: Iterable[SourceLocation], activation: str, nothing: str, again: str) -> list[str]:
    """Every way on after a tripped guard, an indented line for each; a corrected snapshot needs an evaluation (X11)."""
    written = " and ".join(dict.fromkeys(f"{each.key or 'guards'} ({each.file}:{each.line})" for each in limits))
    override = f"{again} --override-guards {activation}" if again == "muster run" else again
    return [
        f"  {nothing}, and every `muster run` tries it again" if "due" in nothing else f"  {nothing}",
        "  if the data is wrong: correct it, then `muster evaluate`, then `muster run`",
        f"  if the change is right: `{override}`, for this once",
        f"  if the guard is too strict: raise {written}, or switch it off with `none`",
    ]
