"""The tree of errors, as the docstring of its module draws it (SPEC 9, 10)."""

import ast
import re
from pathlib import Path

from support import source_tree

from muster.activation import errors

ROOT = Path(errors.__file__).parent
DRAWN = re.compile(r"^([│├└─ ]*)(\w+Error) +(\d)   \S", re.MULTILINE)


def classes() -> dict[str, tuple[str, int | None]]:
    """Every class of activation whose name ends in ``Error``: its base, and the exit code that its body sets."""
    found: dict[str, tuple[str, int | None]] = {}
    for _, tree in source_tree.modules(ROOT.parent, "activation"):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                codes = [
                    each.value.value
                    for each in node.body
                    if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "exit_code"
                    if isinstance(each.value, ast.Constant)
                ]
                found[node.name] = ast.unparse(node.bases[0]).rpartition(".")[2], next(iter(codes), None)
    return found


def drawn() -> dict[str, tuple[str, int]]:
    """Each class of the drawing: the class above it, and its exit code."""
    above: dict[int, str] = {0: "Exception"}
    found = {}
    for mark in DRAWN.finditer(errors.__doc__ or ""):
        depth = len(mark[1]) // 4
        above[depth + 1] = mark[2]
        found[mark[2]] = above[depth], int(mark[3])
    return found


def test_the_drawing_has_every_class_of_the_tree() -> None:
    """One tree, one exit code a class: a class added anywhere in activation is drawn."""
    known, tree = classes(), {"MusterError": ("Exception", 1)}
    while new := {name: base for name, (base, _) in known.items() if base in tree and name not in tree}:
        for name, base in new.items():
            own = known[name][1]
            tree[name] = base, tree[base][1] if own is None else own
    assert drawn() == tree


def test_every_class_says_what_failed() -> None:
    """The first sentence of each class's docstring is not the sentence of its base."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MusterError)]
    sentences = [kind.__doc__ for kind in kinds]
    assert None not in sentences
    assert len(set(sentences)) == len(kinds)
