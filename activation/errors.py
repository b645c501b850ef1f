"""All errors that reach the user: one tree, with the exit code and the meaning of each class (SPEC 9, 10).

MusterError                  1   something failed
├── ExportError              1   one audience or one export failed; the others go on (X1)
│   ├── MistakeError         1   ... by a mistake in the config that only the data shows
│   │   ├── RuleError        1   ... in the rule of one audience
│   │   └── TimeOutsideError 1   ... an INT96 timestamp is outside the years 1 to 9999
│   ├── GuardError           1   ... because a guard stopped it (X11)
│   ├── PolicyError          1   ... because a policy, or the label C12, forbids it (G3)
│   ├── ReadError            1   ... because a file, or the data in it, could not be read
│   │   └── UnsupportedError 1   ... that may be whole, and holds something that Polars does not decode
│   ├── UnfinishedError      1   ... for now: the run goes on with the next command (V8)
│   └── LostFilesError       1   ... because staged files are missing
├── InputError               2   config, usage or input is wrong; nothing was written
│   ├── ConfigError          2   mistakes in the YAML files, all of them together
│   ├── DataError            2   a Parquet file, a folder or a column is not as expected
│   │   └── AbsentError      2   ... because a path leads to no file, or to no snapshot of an instant or before
│   ├── RefusedError         2   the request is understood and not allowed (E6, X7)
│   └── StateError           2   the state folder is damaged, or newer than this muster
│       └── MovedError       2   another muster replaced a state file that this command was reading
└── LockedError              3   another muster holds the workspace

A command exits with 1 if exports failed, and with 2 if it did nothing and each failure is a mistake or wrong input.
Errors of one package that its callers translate (``StoreError``, ``SqlError``, ``YamlError``) are not in the tree.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake and its location: ``file:line: key: message``, without the parts that are not known."""

    file: str
    line: int
    key: str
    message: str
    stops_only_exports: bool = False  # a missing variable that only exports need (SPEC 2)

    def __str__(self) -> str:
        location = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (location, self.key, self.message) if part)


class MusterError(Exception):
    """Something failed; the message is for the user."""

    exit_code = 1


class ExportError(MusterError):
    """One audience or one export failed; the others go on (X1)."""


class MistakeError(ExportError):
    """One audience or export failed by a mistake in the config that only the data shows, such as a type (X1)."""


class GuardError(ExportError):
    """A guard stopped one export: the delivered set would lose more profiles than the config allows (X11)."""


class PolicyError(ExportError):
    """A policy, or the label C12, forbids one export what it reads (G3)."""


class UnfinishedError(ExportError):
    """A run could not be ended: its state stays ``delivering``, and the next command goes on (V8)."""


class InputError(MusterError):
    """Config, usage or input is wrong; nothing was written."""

    exit_code = 2


class ConfigError(InputError):
    """Mistakes in the YAML files, all of them together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(InputError):
    """A Parquet file, a folder or a column is not as expected."""


class AbsentError(DataError):
    """A path leads to no Parquet file, or to no snapshot that is dated at or before an instant (D2, P1)."""


class RefusedError(InputError):
    """The request is understood and not allowed (E6, X7)."""


class StateError(InputError):
    """The state folder is damaged, or a newer muster wrote it."""


class MovedError(StateError):
    """Another muster replaced a state file that this command, without a lock, was reading; the caller starts again."""


class LockedError(MusterError):
    """Another muster holds the workspace."""

    exit_code = 3


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``"; did you mean 'email'?"``: the nearest of ``known``, else all of a few, else nothing."""
    from difflib import get_close_matches  # noqa: PLC0415  # every command imports this module, few need the hint

    names = sorted(set(known))
    folded = {other.casefold(): other for other in names}
    near = [folded[other] for other in get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"; did you mean {' or '.join(repr(other) for other in near)}?"
    if 0 < len(names) <= 8:
        return f"; known are {', '.join(repr(other) for other in names)}"
    return ""
