"""Where something is written in the YAML."""

from dataclasses import dataclass

from muster.activation.errors import Problem


@dataclass(frozen=True)
class SourceLocation:
    """A location in the YAML: the file relative to the workspace, the line from 1, the dotted key."""

    file: str = ""
    line: int = 0
    key: str = ""

    def problem(self, message: str) -> Problem:
        """A mistake at this location."""
        return Problem(self.file, self.line, self.key, message)


NOWHERE = SourceLocation()
