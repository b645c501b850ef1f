"""docs/how-it-works.md is true: its drawing agrees with the imports, and the modules that it names exist."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.doc_pages import blocks
from support.source_tree import ORDER, PACKAGES, imports, modules

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-it-works.md"
BOXES = re.compile(r"\[ +([a-z_]+) +\]|([a-z_]+)(?=[ ,]|$)")
TO_THE_RIGHT, TO_THE_LEFT = re.compile(r" *─+► *"), re.compile(r" *◄─+ *")
ARROW_HEADS = "►◄▼"

Arrow = tuple[str, str]  # from, to: the second package imports the first


def packages() -> set[str]:
    """The names that a drawing may use: the packages of activation, and those beside it."""
    return {*ORDER, *PACKAGES} - {"activation"}


def package_of(module: str) -> str:
    """`muster.activation.files.parts` is of `files`, `muster.runs.jobs` of `runs`."""
    parts = module.removeprefix("muster.").removeprefix("activation.").split(".")
    return parts[0]


def imported(root: Path) -> set[Arrow]:
    """Each pair of packages of which the second imports the first."""
    return {
        (package_of(name), package_of(path.removesuffix(".py").replace("/", ".")))
        for path, tree in modules(root)
        for _, name in imports(tree)
        if name.startswith("muster.")
    }


def names(line: str, known: set[str]) -> list[tuple[int, int, str]]:
    """The packages of one line of a drawing, with the columns that each covers, brackets included."""
    found = [(match.start(), match.end(), match[1] or match[2]) for match in BOXES.finditer(line)]
    return [each for each in found if each[2] in known]


def arrows(drawing: str, known: set[str]) -> Iterator[Arrow]:
    """The arrows of a drawing, between neighbours of a line and down a column of `│`; ValueError for a loose end."""
    lines = drawing.splitlines()
    found = 0
    for number, line in enumerate(lines):
        placed = names(line, known)
        for (_, end, left), (start, _, right) in pairwise(placed):
            if TO_THE_RIGHT.fullmatch(line[end:start]):
                yield left, right
                found += 1
            elif TO_THE_LEFT.fullmatch(line[end:start]):
                yield right, left
                found += 1
        for column in (index for index, character in enumerate(line) if character == "▼"):
            yield _tail(lines, number, column, known), _at(lines, number + 1, column, known)
            found += 1
    if found != sum(drawing.count(head) for head in ARROW_HEADS):
        raise ValueError("an arrow does not lead from one package to another")


def _tail(lines: list[str], number: int, column: int, known: set[str]) -> str:
    while lines[number - 1][column : column + 1] == "│":
        number -= 1
    return _at(lines, number - 1, column, known)


def _at(lines: list[str], number: int, column: int, known: set[str]) -> str:
    for start, end, name in names(lines[number], known) if 0 <= number < len(lines) else ():
        if start <= column < end:
            return name
    raise ValueError(f"line {number + 1}, column {column + 1}: an arrow leads nowhere")


def drawing() -> str:
    """The one drawing of the page."""
    [block] = [block for block in blocks(PAGE, "text") if "▼" in block.text]
    return block.text


def test_every_arrow_is_an_import() -> None:
    """Where the drawing has an arrow from one package to another, the second imports the first."""
    drawn = list(arrows(drawing(), packages()))
    assert len(drawn) > 20
    assert not [arrow for arrow in drawn if arrow not in imported(ROOT)]


def test_every_package_is_drawn() -> None:
    """The drawing has each package of activation, and those that use it."""
    known = packages()
    drawn = {name for line in drawing().splitlines() for _, _, name in names(line, known)}
    assert drawn >= {*ORDER, "schedules", "runs", "cli"}


def test_the_text_names_every_package_and_modules_that_exist() -> None:
    """The walk meets every package of activation; each path in backticks is there."""
    text = PAGE.read_text(encoding="utf-8")
    paths = re.findall(r"`([a-z_]+/[\w./*]*)`", text)
    assert len(paths) > 40
    assert not [path for path in paths if not list(ROOT.glob(path.rstrip("/")))]
    met = {Path(path).parts[1].removesuffix(".py") for path in paths if path.startswith("activation/")}
    assert met >= set(ORDER)


KNOWN = {"sql", "rules", "export", "stores"}


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("sql ──► rules", [("sql", "rules")]),
        ("rules ◄── sql   words about sql", [("sql", "rules")]),
        ("[ sql ]\n   │\n   ▼\n[ rules ]", [("sql", "rules")]),
        ("[ sql ]\n   ▼\n[ rules ] ──► export", [("rules", "export"), ("sql", "rules")]),
        ("sql   rules", []),
    ],
)
def test_a_drawing_is_read(planted: str, found: list[Arrow]) -> None:
    """Arrows are read along lines and down columns."""
    assert sorted(arrows(planted, KNOWN)) == found


@pytest.mark.parametrize(
    "planted", ["sql ──► nobody", "▼", "[ sql ]\n   │\n   ▼\n          [ rules ]", "sql ─► x ─► rules"]
)
def test_an_arrow_without_an_end_is_refused(planted: str) -> None:
    """An arrow that does not lead from a package to a package is a mistake of the drawing."""
    with pytest.raises((ValueError, IndexError)):
        list(arrows(planted, KNOWN))


@pytest.mark.parametrize("planted", ["export ──► sql", "[ export ]\n    │\n    ▼\n[ rules ]", "stores ◄── rules"])
def test_a_planted_arrow_that_no_import_backs_is_found(planted: str) -> None:
    """An arrow against the imports fails the check."""
    assert [arrow for arrow in arrows(planted, KNOWN) if arrow not in imported(ROOT)]
