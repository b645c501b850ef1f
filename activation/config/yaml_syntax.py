"""YAML text to PyYAML's nodes, with limits on depth and aliases, and its errors in plain words (SPEC 10)."""

import re
from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

MAX_DEPTH = 50
MAX_VALUES = 500_000
_SAFE_DEPTH = 2_000  # levels that PyYAML can compose; ``yaml_reader`` stops at MAX_DEPTH

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LAYOUT = "check the indentation, or put the whole value in quotes if it starts with a quote or a bracket"

# Part of a message of PyYAML (of the C or the Python parser), and advice for the writer of the file. Advice with
# "begins here" is reported where PyYAML's context begins.
_ADVICE = {
    "another document": "a second document starts here; expected one",
    "mapping values are not allowed": "check the indentation, or put a value that contains ': ' in quotes",
    "undefined alias": "a value that starts with '*' must be in quotes",
    "cannot start any token": "{character} cannot be here; {remedy}",
    "tab character": "a tab cannot be here; indent with spaces",
    "unexpected end of stream": "a quote that begins here is not closed",
    "node content": "a value or a closing bracket is missing",
    "',' or": (
        "a value in brackets that begins here is not closed, lacks a comma, or contains ${NAME} or tags[0] without "
        "quotes"
    ),
    "expected '-' indicator": "check the indentation; each entry of the list must start with '- '",
    "expected ':'": "what begins here is not 'key: value'",
    "expected key": _LAYOUT,
    "block end": _LAYOUT,
    "unknown escape character": "unknown escape in double quotes; write \\\\ for a backslash, or use single quotes",
}


class YamlError(Exception):
    """A mistake of syntax, with its line; 0 when it concerns the whole file."""

    def __init__(self, line: int, message: str) -> None:
        self.line, self.message = line, message
        super().__init__(message)


class _LoopError(Exception):
    """An alias refers to a value that contains this alias."""


def compose(text: str) -> Node:
    """The top node of a document; ``YamlError`` for wrong syntax, too deep nesting, and aliases without bounds."""
    if match := _UNPRINTABLE.search(text):
        raise YamlError(text[: match.start()].count("\n") + 1, f"holds the control character {match[0]!a}")
    try:
        if not _is_shallow(text):
            _check_depth(text)
        node: Node | None = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise _explained(error, text) from None
    except yaml.YAMLError as error:
        raise YamlError(0, f"is not valid YAML: {error}") from None
    if node is None:
        raise YamlError(0, "is empty; expected 'key: value' lines")
    if "&" in text:  # an alias names an anchor
        _check_aliases(node)
    return node


def _is_shallow(text: str) -> bool:
    """Whether the text has too few brackets and too little indentation to overflow the stack of PyYAML's composer.

    A collection in brackets takes a bracket. Any other begins further right than the one around it; a list may begin
    as far right as its key.
    """
    return text.count("[") + text.count("{") + 2 * max(map(len, text.split("\n"))) < _SAFE_DEPTH


def _check_depth(text: str) -> None:
    """Raise ``YamlError`` when the text nests too deep, without composing it."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise too_deep(event.start_mark.line + 1 if event.start_mark else 0)


def too_deep(line: int) -> YamlError:
    """The mistake of nesting deeper than MAX_DEPTH."""
    return YamlError(line, f"is nested more than {MAX_DEPTH} levels deep")


def _explained(error: yaml.MarkedYAMLError, text: str) -> YamlError:
    problem = error.problem or "cannot be read"
    advice = next((advice for part, advice in _ADVICE.items() if part in problem), problem)
    mark = (error.context_mark if "begins here" in advice else None) or error.problem_mark or error.context_mark
    if mark is None:
        return YamlError(0, f"is not valid YAML: {advice}")
    if _brackets_open(text, mark) > MAX_DEPTH:  # newer parsers refuse deep nesting, each with its own words and depth
        return too_deep(mark.line + 1)
    character = "".join(text.split("\n")[mark.line : mark.line + 1])[mark.column : mark.column + 1]
    if "{character}" in advice:
        named, remedy = (
            ("a tab", "indent with spaces") if character == "\t" else (repr(character), "put the value in quotes")
        )
        advice = advice.format(character=named, remedy=remedy)
    return YamlError(mark.line + 1, f"is not valid YAML: {advice}")


def _brackets_open(text: str, mark: yaml.Mark) -> int:
    """The number of open brackets and braces at ``mark``; those inside quotes count too."""
    lines = text.split("\n")
    before = "\n".join((*lines[: mark.line], "".join(lines[mark.line : mark.line + 1])[: mark.column]))
    return sum(before.count(opened) - before.count(closed) for opened, closed in ("[]", "{}"))


def _check_aliases(node: Node) -> None:
    try:
        values, levels = _unfolded(node, {})
    except _LoopError:
        raise YamlError(node.start_mark.line + 1, "an alias (*name) is inside the value that it names") from None
    if values > MAX_VALUES or levels > MAX_DEPTH:
        raise YamlError(0, f"aliases (*name) unfold to more than {MAX_VALUES:,} values or {MAX_DEPTH} levels")


def _unfolded(node: Node, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """The number of values and levels of a node with aliases unfolded; ``_LoopError`` for a node that holds itself."""
    if id(node) in known:
        counted = known[id(node)]
        if counted is None:
            raise _LoopError
        return counted
    known[id(node)] = None
    parts = [_unfolded(child, known) for child in _children(node)]
    known[id(node)] = counted = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
    return counted


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, SequenceNode):
        yield from node.value
