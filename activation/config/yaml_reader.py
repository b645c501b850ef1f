"""One YAML file as scalars, lists and dicts with their lines, environment variables put in (SPEC 2, 10).

YAML's own typing of scalars (``17:00`` is 1020, ``no`` is false, ``007`` is 7) is not used: each keeps its text, and
the parser of its key decides. A mistake found here is reported in the document and stands as ``None`` in the data, so
that later steps pass over it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from muster.activation.config.sources import UnreadError
from muster.activation.config.variables import expand
from muster.activation.config.yaml_syntax import MAX_DEPTH, YamlError, compose, too_deep
from muster.activation.errors import Problem
from muster.activation.model.workspace import SourceLocation
from muster.activation.system.os_errors import system_message

KeyPath: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_TAGS = frozenset(
    _TAG + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as ``written``, its ``text`` with variables put in, and whether it was ``plain`` (without quotes)."""

    text: str
    written: str
    plain: bool

    @property
    def expanded(self) -> bool:
        """Whether variables were put in: then the text may hold a secret."""
        return self.text != self.written

    @property
    def shown(self) -> str:
        """The value for a message: as written, so that no secret is in it."""
        written = " ".join(self.written.split()) if "\n" in self.written else self.written
        return repr(written if len(written) <= 80 else f"{written[:77]}...")


Tree: TypeAlias = "Scalar | dict[str, Tree] | list[Tree] | None"  # None: a mistake that has been reported


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that is missing in a value which only some exports need: where, and the value as ``written``."""

    path: KeyPath
    problem: Problem
    written: str


def dotted(path: KeyPath) -> str:
    """A key path as messages show it: ``activations[2].schedule.at``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


@dataclass
class Document:
    """The data, lines and mistakes of one file. ``data`` is None when the file could not be read."""

    file: str
    data: dict[str, Tree] | None = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    needed_by_exports: Callable[[KeyPath], bool] = lambda _: False  # whether a missing variable there is no mistake
    unset: list[Unset] = field(default_factory=list)  # the missing variables that are no mistakes

    def location(self, path: KeyPath) -> SourceLocation:
        """Where the value at ``path`` is written, or the nearest written value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return SourceLocation(self.file, self.lines.get(path, 0), dotted(path))

    def report(self, path: KeyPath, message: str, *, key: KeyPath | None = None) -> None:
        """Report a mistake at ``path``. ``key`` replaces the key in the message, for a key that is missing."""
        location = self.location(path)
        shown = location.key if key is None else dotted(key)
        self.problems.append(Problem(location.file, location.line, shown, message))

    def report_variable(self, path: KeyPath, message: str, written: str = "") -> None:
        """Report a variable that is missing at ``path``: in ``unset`` where only exports need it, else as a mistake."""
        if self.needed_by_exports(path):
            location = self.location(path)
            problem = replace(location.problem(message), stops_only_exports=True)
            self.unset.append(Unset(path, problem, written))
        else:
            self.report(path, message)

    def unset_below(self, *paths: KeyPath) -> list[Unset]:
        """The missing variables of the values at these paths, and below them."""
        return [each for each in self.unset if any(each.path[: len(path)] == path for path in paths)]

    def at(self, path: KeyPath) -> Tree:
        """The value at ``path``; None when there is none."""
        value: Tree = self.data
        for part in path:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def entries(self, path: KeyPath) -> list[KeyPath]:
        """The paths of the entries of the list at ``path``."""
        value = self.at(path)
        return [(*path, index) for index in range(len(value))] if isinstance(value, list) else []

    def shown(self, path: KeyPath) -> str:
        """The scalar at ``path``, quoted as written; empty when there is none."""
        value = self.at(path)
        return value.shown if isinstance(value, Scalar) else ""


def read_document(
    file: str,
    content: bytes | OSError,
    environ: Mapping[str, str],
    needed_by_exports: Callable[[KeyPath], bool] = lambda _: False,
) -> Document:
    """The document of a file. Mistakes of syntax and missing variables become problems of the document (SPEC 10).

    ``needed_by_exports`` says at which paths a missing variable is no mistake, because only some exports need it.
    """
    document = Document(file, needed_by_exports=needed_by_exports)
    try:
        node = compose(_text(content))
        document.lines[()] = node.start_mark.line + 1
        if isinstance(node, MappingNode):
            document.data = _Conversion(document, environ).mapping(node, ())
        else:
            document.report(
                (), f"expected 'key: value' lines, found {'a list' if isinstance(node, SequenceNode) else 'text'}"
            )
    except YamlError as error:
        document.problems = [Problem(file, error.line, "", error.message)]
    return document


def _text(content: bytes | OSError) -> str:
    if isinstance(content, UnreadError):
        raise YamlError(0, f"is not read: {content}")
    if isinstance(content, OSError):
        raise YamlError(0, f"cannot be read: {system_message(content)}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(content[: error.start].count(b"\n") + 1, "is not UTF-8 text") from None


@dataclass(frozen=True)
class _Conversion:
    """From PyYAML's nodes to data, with the document that collects lines and mistakes, and the variables."""

    document: Document
    environ: Mapping[str, str]

    def value(self, node: Node, path: KeyPath) -> Tree:
        if node.tag not in _TAGS:
            self.document.report(
                path, f"the YAML tag {node.tag.replace(_TAG, '!!')!r} is not supported; write the value without it"
            )
            return None
        if isinstance(node, ScalarNode):
            return self.scalar(node, path)
        if len(path) >= MAX_DEPTH:
            raise too_deep(node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        return self.items(node, path) if isinstance(node, SequenceNode) else None

    def items(self, node: SequenceNode, path: KeyPath) -> list[Tree]:
        for index, child in enumerate(node.value):
            self.document.lines[*path, index] = child.start_mark.line + 1
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Tree]:
        entries = self.entries(node, path)
        for key, (line, _) in entries.items():
            self.document.lines[*path, key] = line
        return {key: self.value(child, (*path, key)) for key, (_, child) in entries.items()}

    def entries(self, node: MappingNode, path: KeyPath) -> dict[str, tuple[int, Node]]:
        """Key to line and value node; keys that are written override keys that ``<<`` merges in."""
        own: dict[str, tuple[int, Node]] = {}
        inherited: dict[str, tuple[int, Node]] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                inherited |= self.inherited(child, path, line)
            elif (key := self.key(key_node, path, line)) is None:
                continue
            elif key in own:
                message = f"the key is written twice, first on line {own[key][0]}"
                self.document.problems.append(Problem(self.document.file, line, dotted((*path, key)), message))
            else:
                own[key] = line, child
        return own | {key: entry for key, entry in inherited.items() if key not in own}

    def inherited(self, node: Node, path: KeyPath, line: int) -> dict[str, tuple[int, Node]]:
        """The entries that ``<<: *name`` or ``<<: [*first, *second]`` merges in; the first alias wins."""
        parents = node.value if isinstance(node, SequenceNode) else [node]
        if not all(isinstance(parent, MappingNode) for parent in parents):
            self.document.problems.append(
                Problem(self.document.file, line, dotted((*path, "<<")), "expected an alias of keys and values")
            )
            return {}
        # Mistakes in the merged mapping are reported where it is written.
        elsewhere = replace(self, document=Document(self.document.file))
        found: dict[str, tuple[int, Node]] = {}
        for parent in reversed(parents):
            found |= elsewhere.entries(parent, path)
        return found

    def key(self, node: Node, path: KeyPath, line: int) -> str | None:
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        self.document.problems.append(Problem(self.document.file, line, dotted(path), "expected a key that is text"))
        return None

    def scalar(self, node: ScalarNode, path: KeyPath) -> Scalar | None:
        written = str(node.value)
        if "$" not in written:
            return Scalar(written, written, plain=not node.style)
        text, wrong = expand(written, self.environ)
        for name, reason in wrong.items():
            self.document.report_variable(path, f"the environment variable {name} {reason}", written)
        return None if wrong else Scalar(text, written, plain=not node.style)
