"""References to environment variables in the text of a YAML value: ``${NAME}`` and ``${NAME:-text}`` (SPEC 2).

The default of a reference ends at the ``}`` that closes it; braces inside it are counted, so that a default may hold
placeholders such as ``{date}``, and references of its own. A default is looked at only when it is needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(\}|:-))")


@dataclass(frozen=True)
class _Reference:
    """A variable that is named in a text, and the text that stands for the variable when it is missing or empty."""

    name: str
    default: str | None


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text with the values of its variables, and why each variable that cannot be used cannot, by name."""
    wrong: dict[str, str] = {}

    def value(reference: _Reference) -> str:
        found = environ.get(reference.name)
        if not found and reference.default is not None:
            inner, more = expand(reference.default, environ)
            wrong.update(more)
            return inner
        if found is None:
            wrong[reference.name] = "is not set"
        elif any("\ud800" <= character <= "\udfff" for character in found):
            wrong[reference.name] = "is not UTF-8 text"
        return found or ""

    return _replaced(text, value), wrong


def without_values(text: str, stand_in: str = "x") -> str:
    """The text with ``stand_in`` in the place of each reference to a variable."""
    return _replaced(text, lambda _: stand_in)


def has_reference(text: str) -> bool:
    """Whether a text refers to a variable."""
    return any(not isinstance(part, str) for part in _parts(text))


def _replaced(text: str, value: Callable[[_Reference], str]) -> str:
    return "".join(part if isinstance(part, str) else value(part) for part in _parts(text))


def _parts(text: str) -> Iterator[str | _Reference]:
    """The literal parts of a text, ``$$`` as ``$``, and its references in order; any other ``$`` is literal."""
    position = 0
    while match := _REFERENCE.search(text, position):
        start, end, default = match.start(), match.end(), None
        if match[2] == ":-":
            closing = _closing(text, end)
            if closing is None:  # never closed, so no reference
                yield text[position:end]
                position = end
                continue
            default, end = text[end:closing], closing + 1
        yield text[position:start]
        yield _Reference(match[1], default) if match[1] else "$"
        position = end
    yield text[position:]


def _closing(text: str, start: int) -> int | None:
    """The position of the brace that closes a reference whose default begins at ``start``."""
    depth = 0
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}" and depth == 0:
            return position
        elif text[position] == "}":
            depth -= 1
    return None
