"""The source as syntax trees: every module of the project, what it imports, and the order of activation's packages."""

import ast
import gc
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

PACKAGES = ("activation", "schedules", "runs", "cli", "sample_data")
# The packages of `activation`, lowest first: an import may only go up this list.
ORDER = (
    *("errors", "instants", "wording", "model", "system", "frames", "values", "sql", "rules"),
    *("stores", "endpoints", "destinations", "encryption", "presets", "config", "inputs", "sources", "graph", "state"),
    *("views", "profiles", "mapping", "governance", "comparison", "files"),
    *("session", "evaluation", "profile_changes", "messages", "delivery", "outbox", "settling"),
    *("export", "sending", "redelivery", "audit", "upkeep"),
)


def modules(root: Path, *packages: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module of some packages (all, if none is named): its path below ``root``, and its syntax tree."""
    for package in packages or PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            yield path.relative_to(root).as_posix(), _parsed(path.read_text())


@cache
def _parsed(text: str) -> ast.Module:
    """A module's tree, made once: every check looks at the same few hundred modules, and nobody changes a tree.

    Python 3.11 refuses to parse when the collection of garbage runs Python code meanwhile.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_enabled:
            gc.enable()


@cache
def imports(tree: ast.Module) -> Sequence[tuple[int, str]]:
    """Every absolute import, also those inside functions: its line, and the full dotted name of what is imported."""
    return list(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)
