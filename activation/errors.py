"""Every way muster can say no: one tree, one exit code and one sentence a class (SPEC 9, 10).

MusterError                1   something failed
├── ExportError            1   one audience or one export failed; the others go on (X1)
│   └── MistakeError       1   ... by a mistake that only the data shows; 2 if nothing else was done
├── InputError             2   config, usage or input is wrong; nothing was written
│   ├── ConfigError        2   mistakes in the YAML files, all of them together
│   ├── DataError          2   a Parquet file, folder or column is not what it must be
│   ├── RefusedError       2   the request is understood and not allowed (E6, X7)
│   └── StateError         2   the state folder is damaged or newer than this muster
└── LockedError            3   another muster holds the workspace
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake and its place: ``file:line: key: message`` with the parts that are known."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class MusterError(Exception):
    """Something failed; the message is for the user."""

    exit_code = 1


class ExportError(MusterError):
    """One audience or one export failed; the others go on (X1)."""


class MistakeError(ExportError):
    """One audience or export failed by a mistake that only the data shows: a column, a type, a value (X1)."""


class InputError(MusterError):
    """Config, usage or input is wrong; nothing was written."""

    exit_code = 2


class ConfigError(InputError):
    """Mistakes in the YAML files, all of them together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(InputError):
    """A Parquet file, a folder or a column is not what it must be."""


class RefusedError(InputError):
    """The request is understood and not allowed."""


class StateError(InputError):
    """The state folder is damaged or was made by a newer muster."""


class MovedError(StateError):
    """Another muster replaced what this command, which holds no lock, was about to read: it is to be carried out again."""


class LockedError(MusterError):
    """Another muster holds the workspace."""

    exit_code = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of ``known``, or all of a few, or nothing: ``"; did you mean 'email'?"``."""
    from difflib import get_close_matches  # noqa: PLC0415  # every command loads this module, few make a mistake

    names = sorted(set(known))
    folded = {other.casefold(): other for other in names}
    near = [folded[other] for other in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"; did you mean {' or '.join(repr(other) for other in near)}?"
    if 0 < len(names) <= 8:
        return f"; known are {', '.join(repr(other) for other in names)}"
    return ""
