"""The command line: its words before Typer reads them, and the global options."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.runs import InputError

if TYPE_CHECKING:  # the front page is shown without it
    from pathlib import Path

_GLOBAL_FLAGS = {"-q", "--quiet", "-v", "-vv", "--verbose", "--allow-insecure-state"}
_GLOBAL_VALUES = {"-C", "--workspace", "--wait", "--log-format", "--memory-limit"}


@dataclass
class Options:
    """The options that every command takes."""

    workspace: "Path | None" = None
    quiet: bool = False
    verbose: int = 0
    wait: float = 0.0
    memory_limit: int | None = None  # bytes
    allow_insecure: bool = False  # a state folder that other users can write to


def memory(text: str | None) -> int | None:
    """``--memory-limit`` in bytes; ``InputError`` for other text."""
    from muster.runs import parse_memory

    try:
        return None if text is None else parse_memory(text)
    except ValueError as error:
        raise InputError(f"option '--memory-limit': {error}; see `muster --help`") from None


def is_verbose() -> bool:
    """Whether the command line asks for details."""
    return any(argument in {"-v", "-vv", "--verbose"} for argument in sys.argv)


def hoist(arguments: Sequence[str]) -> list[str]:
    """The words with global options first: ``run -C shop`` is ``-C shop run``. What follows ``--`` stays."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif _is_whole(word):
            front.append(word)
        elif word in _GLOBAL_VALUES:
            front += [word, _value_of(word, words)]
        else:
            rest.append(word)
    return [*front, *rest]


def command_in(hoisted: Sequence[str]) -> str:
    """The first word after the global options, which is the command; empty where there is none, or another option."""
    words = iter(hoisted)
    for word in words:
        if word in _GLOBAL_VALUES:
            next(words, None)
        elif not _is_whole(word):
            return "" if word.startswith("-") else word
    return ""


def _is_whole(word: str) -> bool:
    """Whether a word is a global option that takes no value, or one together with the value."""
    values = tuple(f"{name}=" for name in _GLOBAL_VALUES if name.startswith("--"))
    return word in _GLOBAL_FLAGS or word.startswith(values)


def _value_of(option: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise InputError(f"option {option!r} needs a value; see `muster --help`")
    return value
