"""The report that `evaluate`, `run` and `export` return: successes, failures, the exit code (SPEC 9, X1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import InputError, MistakeError, MusterError

if TYPE_CHECKING:
    from muster.activation.evaluation.evaluate import Evaluation
    from muster.activation.export.carry_out import Outcome


_AMOUNT = re.compile(r"(?<![^\s(])[0-9][^\s,;)]*")


@dataclass(frozen=True)
class Report:
    """The successes and failures of one call at an instant.

    ``outcomes`` are the exports of this call, ``finished`` the runs of an interrupted command that it dealt with.
    """

    at: datetime
    evaluation: "Evaluation | None" = None
    outcomes: tuple["Outcome", ...] = ()
    finished: tuple["Outcome", ...] = ()
    notes: tuple[str, ...] = ()
    evaluation_error: MusterError | None = None
    warnings: tuple[str, ...] = ()  # logged as they were found
    errors_before: Mapping[str, str] = field(default_factory=dict)  # of runs that had failed before the call, by id

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Every error: of the evaluation, of audiences, of exports."""
        failed = [outcome.error for outcome in (*self.finished, *self.outcomes) if outcome.error]
        audiences = list(self.evaluation.failures.values()) if self.evaluation else []
        return (*([self.evaluation_error] if self.evaluation_error else []), *audiences, *failed)

    @property
    def new_failures(self) -> tuple["Outcome", ...]:
        """The outcomes whose slot failed for the first time, or for another reason than before (SPEC 9, hooks).

        Amounts and times in a message make no other reason: a file that is staler each hour is one failure.
        """
        return tuple(
            each
            for each in (*self.finished, *self.outcomes)
            if each.error and _reason(str(each.error)) != _reason(self.errors_before.get(each.run.run_id))
        )

    @property
    def exit_code(self) -> int:
        """The exit code of the command (X1): 0 all done; 1 something failed, the rest was done.

        2 when nothing was evaluated, no run was tried, and every error is a mistake in the config, the input or the
        data. A run that a damaged state stops was not tried (SPEC 10).
        """
        if not self.errors:
            return 0
        tried = any(not isinstance(outcome.error, InputError) for outcome in (*self.finished, *self.outcomes))
        mistakes = all(isinstance(error, (MistakeError, InputError)) for error in self.errors)
        return 2 if mistakes and not tried and not self.did_something else 1

    @property
    def did_something(self) -> bool:
        """Whether an audience was evaluated or an export succeeded."""
        exported = any(not outcome.error for outcome in (*self.finished, *self.outcomes))
        return exported or bool(self.evaluation and self.evaluation.evaluated)


def _reason(error: str | None) -> str | None:
    """An error's message without the amounts and times in it."""
    return error and _AMOUNT.sub("#", error)
