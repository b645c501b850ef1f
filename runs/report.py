"""What a command did, and how it ends (SPEC 9, X1)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from muster.activation.errors import InputError, MistakeError, MusterError

if TYPE_CHECKING:
    from muster.activation.evaluation.evaluate import Evaluation
    from muster.activation.export.carry_out import Outcome


@dataclass
class Report:
    """What a command did, and how it ends."""

    at: datetime
    evaluation: "Evaluation | None" = None
    outcomes: list["Outcome"] = field(default_factory=list)
    finished: list["Outcome"] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evaluation_error: MusterError | None = None

    @property
    def errors(self) -> list[Exception]:
        """Everything that failed."""
        failed = [outcome.error for outcome in (*self.finished, *self.outcomes) if outcome.error]
        audiences = list(self.evaluation.failures.values()) if self.evaluation else []
        return [*([self.evaluation_error] if self.evaluation_error else []), *audiences, *failed]

    @property
    def exit_code(self) -> int:
        """0 all done; 1 something failed and the rest was done; 2 if nothing else was done and only mistakes stood in the way (X1)."""
        if not self.errors:
            return 0
        mistakes = all(isinstance(error, (MistakeError, InputError)) for error in self.errors)
        return 2 if mistakes and not self.done else 1

    @property
    def done(self) -> bool:
        """Whether something was evaluated or exported."""
        exported = any(not outcome.error for outcome in (*self.finished, *self.outcomes))
        return exported or bool(self.evaluation and self.evaluation.evaluated)
