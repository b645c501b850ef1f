"""The layout of the code is a rule like any other: each check reads the source, and each is tried on planted
violations.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.source_tree import ORDER, imports, modules

from muster.activation.stores.kinds import KINDS

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "activation": {"activation"},
    "schedules": {"activation", "schedules"},
    "runs": {"activation", "schedules", "runs"},
    "cli": {"runs", "cli", "sample_data"},
    "sample_data": {"sample_data"},
}
NO_FILES = {"model", "values", "sql", "rules", "mapping", "comparison"}  # their modules import none of these:
FILE_MODULES = {"os", "sqlite3", "tempfile", "shutil", "glob", "mmap"}
NO_PLANS = {"model", "values", "rules"}  # their modules do not import the engine
ENGINE = "muster.activation.frames.engine"
# What a package does not know though it stands above: these are never imported there.
NOT_FOR = {
    "evaluation": {"stores", "destinations", "encryption", "presets", "files"},
    "delivery": {"inputs", "profiles", "mapping", "comparison", "files", "evaluation"},
}
TERMINAL = {"typer", "click", "rich", "argparse", "getpass"}
FILES = {"os", "pathlib", "shutil", "tempfile", "glob", "io", "sqlite3", "polars", "pyarrow"}
PLANS_RUN_IN = "activation/frames/engine.py"
RUNS_A_PLAN = re.compile(r"collect|collect_all|collect_async|collect_all_async|collect_batches|sink_\w+")
PRINTS_IN = ("cli/show/terminal.py", "cli/show/front_page.py", "sample_data/receiver.py")
READS_THE_CLOCK = re.compile(r".+\.(now|utcnow|today)|time\.(time|time_ns|localtime|gmtime|ctime|strftime|asctime)")
WAITS_FOR_WRITERS = "activation/system/file_ages.py"  # compares times of files with now: no result depends on it
CHANCE = {"random", "secrets", "uuid"}
KEY_IS_MADE_IN = "activation/profiles/forgotten.py"  # of the digests of forgotten people (G8)
VAGUE = re.compile(r"(util|helper|base|core|manager|service|common|misc|stuff)s?")
DISTRIBUTION_OF = {
    "azure": "azure-storage-blob",
    "google": "google-cloud-storage",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
    "pydantic_core": "pydantic",  # its other half, of the version that pydantic asks for
}
NEVER_IMPORTED = {"tzdata"}  # zoneinfo finds it by itself, on machines without zone files


@cache
def calls(tree: ast.Module) -> Sequence[tuple[ast.Call, str]]:
    """Every call, with what is called as it is written."""
    return [(node, ast.unparse(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def import_directions(root: Path) -> Iterator[str]:
    """cli -> runs -> schedules -> activation, never back; imports are absolute and begin with `muster`, the one name
    that is installed.
    """
    for path, tree in modules(root):
        package = path.split("/")[0]
        for line, name in imports(tree):
            first, _, rest = name.partition(".")
            there = rest.split(".")[0]
            if not first:
                yield f"{path}:{line}: relative import {name}"
            elif first in MAY_IMPORT:
                yield f"{path}:{line}: {name} is not installed under this name; import muster.{name}"
            elif first in {"tests", "support", "benchmarks"} or (
                first == "muster" and there not in MAY_IMPORT[package]
            ):
                yield f"{path}:{line}: {package} must not import {name}"


def imports_are_of_installed_names(root: Path) -> Iterator[str]:
    """Tests and benchmarks import what an installed place has: `muster.activation`, never `activation`."""
    for path, tree in modules(root, "tests", "benchmarks"):
        for line, name in imports(tree):
            if name.split(".")[0] in MAY_IMPORT:
                yield f"{path}:{line}: import muster.{name}"


def packages_build_on_lower_ones(root: Path) -> Iterator[str]:
    """A package of `activation` imports only packages that stand before it in ORDER, and each package stands there."""
    for path, tree in modules(root, "activation"):
        here = _room(_dotted(path))
        if path == "activation/__init__.py":
            continue
        if here not in ORDER:
            yield f"{path}: {here} is not in ORDER"
            continue
        for line, name in imports(tree):
            there = _room(name.removeprefix("muster."))
            if name.startswith("muster.activation.") and there in ORDER and ORDER.index(there) > ORDER.index(here):
                yield f"{path}:{line}: {here} must not import {there}"


def some_packages_do_not_know_others(root: Path) -> Iterator[str]:
    """Who is in an audience does not depend on where files go, nor how files arrive on what they were made of: packages
    in NOT_FOR import none of the packages that are listed there.
    """
    for path, tree in modules(root, "activation"):
        here = _room(_dotted(path))
        for line, name in imports(tree):
            there = _room(name.removeprefix("muster."))
            if name.startswith("muster.activation.") and there in NOT_FOR.get(here, ()):
                yield f"{path}:{line}: {here} must not import {there}"


def modules_form_no_circle(root: Path) -> Iterator[str]:
    """No module imports itself by way of others, also not inside functions or for types alone."""
    known = {f"muster.{_dotted(path).removesuffix('.__init__')}": tree for path, tree in modules(root)}
    graph = {module: _imported(tree, known) - {module} for module, tree in known.items()}
    yield from (f"{' -> '.join(circle)}" for circle in _circles(graph))


def some_packages_touch_no_file_and_run_no_plan(root: Path) -> Iterator[str]:
    """Packages in NO_FILES import no module that reaches files; those in NO_PLANS do not import the engine."""
    for path, tree in modules(root, "activation"):
        here = _room(_dotted(path))
        for line, name in imports(tree):
            if here in NO_FILES and name.split(".")[0] in FILE_MODULES:
                yield f"{path}:{line}: {here} touches no file; it must not import {name}"
            if here in NO_PLANS and (name == ENGINE or name.startswith(f"{ENGINE}.")):
                yield f"{path}:{line}: {here} runs no plan; it must not import {name}"


def packages_say_what_they_are(root: Path) -> Iterator[str]:
    """A package's ``__init__`` says what it is, what comes in, what goes out."""
    for path, tree in modules(root, "activation", "runs", "cli"):
        said = ast.get_docstring(tree) or ""
        if path.endswith("/__init__.py") and path.count("/") > 1 and not re.search(r"\nIn: .+\nOut: ", said, re.DOTALL):
            yield f"{path}: does not say what comes in and what goes out"


def _room(dotted: str) -> str:
    """The package of `activation` that a module belongs to: ``activation.sql.parse`` is in ``sql``; ``activation``
    itself in none.
    """
    return [*dotted.split("."), ""][1]


def _imported(tree: ast.Module, known: Iterable[str]) -> set[str]:
    """Which known modules a module imports."""
    names = {name for _, name in imports(tree)}
    return {name if name in known else name.rpartition(".")[0] for name in names} & set(known)


def _circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """One circle for each module that is on one and reaches it first in the order of names."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> Iterator[list[str]]:
        if module in trail:
            yield [*trail[trail.index(module) :], module]
            return
        if module in done:
            return
        for each in sorted(graph[module]):
            yield from visit(each, [*trail, module])
        done.add(module)

    for module in sorted(graph):
        yield from visit(module, [])


def what_packages_know(root: Path) -> Iterator[str]:
    """`activation` knows no terminal; `schedules` knows neither terminal nor file; only sample data is made by chance
    (F4), and one key.
    """
    unknown = {
        "activation": TERMINAL | CHANCE,
        "schedules": TERMINAL | CHANCE | FILES,
        "runs": TERMINAL | CHANCE,
        "cli": CHANCE,
        "sample_data": TERMINAL,
    }
    for path, tree in modules(root):
        for line, name in imports(tree):
            if path == KEY_IS_MADE_IN and name == "secrets.token_hex":
                continue
            if name.split(".")[0] in unknown[path.split("/")[0]]:
                yield f"{path}:{line}: {name} is not for this package to know"


def plans_run_in_one_place(root: Path) -> Iterator[str]:
    """Only the engine collects and sinks; others hand it lazy frames and lazy sinks."""
    for path, tree in modules(root, "activation", "schedules", "runs", "cli"):
        if path == PLANS_RUN_IN:
            continue
        for line, name in imports(tree):
            if name.startswith("polars.") and RUNS_A_PLAN.fullmatch(name.rpartition(".")[2]):
                yield f"{path}:{line}: {name} runs a plan outside {PLANS_RUN_IN}"
        for call, name in calls(tree):
            owner, _, method = name.rpartition(".")
            lazy = any(
                word.arg == "lazy" and isinstance(word.value, ast.Constant) and word.value.value is True
                for word in call.keywords
            )
            sinks_lazily = method.startswith("sink_") and lazy
            if owner and owner.split(".")[-1] != "engine" and RUNS_A_PLAN.fullmatch(method) and not sinks_lazily:
                yield f"{path}:{call.lineno}: {method} runs a plan outside {PLANS_RUN_IN}"


def printing_is_in_one_place(root: Path) -> Iterator[str]:
    """Only the rendering module prints, and the front page, which is shown before that could be loaded."""
    for path, tree in modules(root):
        for call, name in calls(tree):
            if path not in PRINTS_IN and name in {
                "print",
                "typer.echo",
                "typer.secho",
                "rich.print",
                "sys.stdout.write",
                "sys.stderr.write",
            }:
                yield f"{path}:{call.lineno}: {name} outside {PRINTS_IN[0]}"


def the_clock_is_an_argument(root: Path) -> Iterator[str]:
    """E1: only `cli` reads the machine's clock, but for how long ago a file was written, and nobody its zone."""
    for path, tree in modules(root):
        at_home = path.startswith("cli/") or path == WAITS_FOR_WRITERS
        for line, name in imports(tree):
            if not at_home and name.startswith("time.") and READS_THE_CLOCK.fullmatch(name):
                yield f"{path}:{line}: {name} reads the clock"
        for call, name in calls(tree):
            if not at_home and READS_THE_CLOCK.fullmatch(name):
                yield f"{path}:{call.lineno}: {name} reads the clock"
            if name.endswith(".astimezone") and not call.args and not call.keywords:
                yield f"{path}:{call.lineno}: astimezone() without a zone takes the machine's"


def names_say_something(root: Path) -> Iterator[str]:
    """No module or package is called utils, helpers, base, core, manager, service or the like."""
    for path, _ in modules(root):
        for part in Path(path).with_suffix("").parts:
            if VAGUE.fullmatch(part.strip("_")):
                yield f"{path}: {part} says nothing"


def docstrings(root: Path) -> Iterator[str]:
    """Every module and every public function and method states its contract."""
    for path, tree in modules(root):
        if not ast.get_docstring(tree):
            yield f"{path}: no docstring"
        bodies = [
            tree.body,
            *(node.body for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")),
        ]
        for node in (
            node for body in bodies for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ):
            if not node.name.startswith("_") and not ast.get_docstring(node):
                yield f"{path}:{node.lineno}: {node.name} has no docstring"


def functions_are_short(root: Path) -> Iterator[str]:
    """No function has more than 50 lines."""
    for path, tree in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno + 1 > 50:
                yield f"{path}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"


def modules_are_small(root: Path) -> Iterator[str]:
    """No module has more than 400 lines."""
    for path, _ in modules(root):
        lines = len((root / path).read_text().splitlines())
        if lines > 400:
            yield f"{path}: has {lines} lines"


def dependencies_are_declared(root: Path) -> Iterator[str]:
    """What the packages import is a dependency or in an extra, what tests and benchmarks import that or in theirs; none
    is for nothing.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    runtime, optional = {_distribution(line) for line in project["dependencies"]}, _extras(project)
    extras = [line for extra in ("dev", "bench") for line in project["optional-dependencies"].get(extra, [])]
    development = runtime | {_distribution(line) for line in extras}
    imported = set()
    for path, line, distribution in _third_party(root, *MAY_IMPORT):
        imported.add(distribution)
        if distribution not in runtime | optional:
            yield f"{path}:{line}: {distribution} is not in dependencies"
    for path, line, distribution in _third_party(root, "tests", "benchmarks"):
        if distribution not in development:
            yield f"{path}:{line}: {distribution} is in neither dependencies nor dev"
    yield from (
        f"pyproject.toml: {name} is declared and never imported" for name in sorted(runtime - imported - NEVER_IMPORTED)
    )


def extras_are_not_needed(root: Path) -> Iterator[str]:
    """A module that needs an extra is imported at its beginning by such modules alone: without the extra all else
    works.
    """
    optional = _extras(tomllib.loads((root / "pyproject.toml").read_text())["project"])
    needing = {
        f"muster.{_dotted(path)}"
        for path, _line, distribution in _third_party(root, *MAY_IMPORT)
        if distribution in optional
    }
    for path, tree in modules(root):
        for line, name in imports(ast.Module(tree.body, [])) if f"muster.{_dotted(path)}" not in needing else ():
            if {name, name.rpartition(".")[0]} & needing and line in {node.lineno for node in tree.body}:
                yield f"{path}:{line}: {name} needs an extra"


def kinds_are_known_in_their_folders_alone(root: Path) -> Iterator[str]:
    """No module outside the folders of the kinds of destinations has the scheme of one in its text: each asks the
    kind's declaration.
    """
    folders = {f"activation/stores/{kind.client.split('.')[3]}/" for kind in KINDS.values()}
    remote = {scheme for scheme, kind in KINDS.items() if kind.is_remote}
    beginning = re.compile(rf"(?<!\w)({'|'.join(KINDS)}):/", re.IGNORECASE)
    for path, tree in modules(root, "activation", "schedules", "runs", "cli"):
        if not path.startswith(tuple(folders)):
            for line, text in _texts(tree):
                if text.lower() in remote or beginning.search(text):
                    yield f"{path}:{line}: {text!r} is known to the kind of destination alone"


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text of a module but for docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _dotted(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")


def _extras(project: dict[str, Any]) -> set[str]:
    """What the extras of users install, which are all but those of developers."""
    extras = {
        extra: lines for extra, lines in project["optional-dependencies"].items() if extra not in {"dev", "bench"}
    }
    return {_distribution(line) for lines in extras.values() for line in lines}


def _third_party(root: Path, *packages: str) -> Iterator[tuple[str, int, str]]:
    own = (
        set(MAY_IMPORT)
        | {"muster", "tests", "support", "benchmarks"}
        | {path.stem for package in ("tests", "benchmarks") for path in (root / package).rglob("*.py")}
        | {path.parent.name for path in (root / "tests").rglob("__init__.py")}
    )
    for path, tree in modules(root, *packages):
        for line, name in imports(tree):
            first = name.split(".")[0]
            if first and first not in own and first not in sys.stdlib_module_names:
                yield path, line, DISTRIBUTION_OF.get(first, first.replace("_", "-").lower())


def _distribution(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


Check = Callable[[Path], Iterator[str]]
CHECKS: list[Check] = [
    import_directions,
    imports_are_of_installed_names,
    packages_build_on_lower_ones,
    some_packages_do_not_know_others,
    modules_form_no_circle,
    some_packages_touch_no_file_and_run_no_plan,
    packages_say_what_they_are,
    what_packages_know,
    plans_run_in_one_place,
    printing_is_in_one_place,
    the_clock_is_an_argument,
    names_say_something,
    docstrings,
    functions_are_short,
    modules_are_small,
    dependencies_are_declared,
    extras_are_not_needed,
    kinds_are_known_in_their_folders_alone,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_code_keeps_the_rule(check: Check) -> None:
    """The rule in the check's docstring holds in every module."""
    assert sum(1 for _ in modules(ROOT)) > 20, "the source was not found"
    assert not list(check(ROOT))


def test_contributing_names_files_that_exist() -> None:
    """The table "to change X, open Y" leads nowhere else than to files of this project."""
    named = re.findall(r"`([a-z_]+/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 40
    assert not [path for path in named if not (ROOT / path).exists()]


PLANTED = [
    (import_directions, "activation/new.py", "from muster.schedules import due"),
    (import_directions, "activation/new.py", "def f():\n    import muster.cli.main"),
    (import_directions, "schedules/new.py", "import muster.cli"),
    (import_directions, "activation/new.py", "from muster.sample_data import STORY"),
    (import_directions, "cli/new.py", "from tests import conftest"),
    (import_directions, "cli/new.py", "from . import render"),
    (import_directions, "cli/new.py", "from support import shop"),
    (import_directions, "cli/new.py", "from activation import errors"),
    (import_directions, "schedules/new.py", "import muster.runs"),
    (import_directions, "runs/new.py", "from muster.cli.show import terminal"),
    (import_directions, "cli/new.py", "from muster.activation.errors import MusterError"),
    (imports_are_of_installed_names, "tests/cli/test_new.py", "from activation.errors import MusterError"),
    (imports_are_of_installed_names, "benchmarks/new.py", "def f():\n    import cli"),
    (packages_build_on_lower_ones, "activation/model/new.py", "from muster.activation.values import text"),
    (packages_build_on_lower_ones, "activation/model/new.py", "def f():\n    from muster.activation import session"),
    (packages_build_on_lower_ones, "activation/errors.py", "import muster.activation.instants"),
    (packages_build_on_lower_ones, "activation/lounge/new.py", "x = 1"),
    (
        some_packages_do_not_know_others,
        "activation/evaluation/new.py",
        "from muster.activation.destinations.opening import Targets",
    ),
    (
        some_packages_do_not_know_others,
        "activation/evaluation/new.py",
        "def f():\n    from muster.activation import encryption",
    ),
    (some_packages_do_not_know_others, "activation/delivery/new.py", "from muster.activation.inputs import feeds"),
    (some_packages_do_not_know_others, "activation/delivery/new.py", "import muster.activation.profiles.opened"),
    (modules_form_no_circle, "activation/model/new.py", "def f():\n    from muster.activation.model import new_too"),
    (some_packages_touch_no_file_and_run_no_plan, "activation/sql/new.py", "import os.path"),
    (
        some_packages_touch_no_file_and_run_no_plan,
        "activation/values/new.py",
        "from muster.activation.frames import engine",
    ),
    (
        some_packages_touch_no_file_and_run_no_plan,
        "activation/values/new.py",
        "from muster.activation.frames.engine import collect",
    ),
    (packages_say_what_they_are, "activation/model/__init__.py", '"""Nouns."""'),
    (what_packages_know, "activation/new.py", "import typer"),
    (what_packages_know, "activation/new.py", "from rich.table import Table"),
    (what_packages_know, "activation/new.py", "from uuid import uuid4"),
    (what_packages_know, "schedules/new.py", "from pathlib import Path"),
    (what_packages_know, "schedules/new.py", "import polars as pl"),
    (plans_run_in_one_place, "activation/new.py", "frame.collect()"),
    (plans_run_in_one_place, "activation/new.py", "pl.scan_parquet(x).filter(y).collect(engine='streaming')"),
    (plans_run_in_one_place, "activation/new.py", "pl.collect_all([a, b])"),
    (plans_run_in_one_place, "activation/new.py", "from polars import collect_all"),
    (plans_run_in_one_place, "activation/new.py", "frame.sink_csv(path)"),
    (plans_run_in_one_place, "activation/new.py", "frame.sink_parquet(path, lazy=False)"),
    (plans_run_in_one_place, "cli/new.py", "frame.collect()"),
    (printing_is_in_one_place, "activation/new.py", "print('x')"),
    (printing_is_in_one_place, "cli/main.py", "print('x')"),
    (printing_is_in_one_place, "cli/main.py", "typer.echo('x')"),
    (the_clock_is_an_argument, "activation/new.py", "from datetime import datetime, UTC\ndatetime.now(UTC)"),
    (the_clock_is_an_argument, "schedules/new.py", "from datetime import date as day\nday.today()"),
    (the_clock_is_an_argument, "activation/new.py", "time.time()"),
    (the_clock_is_an_argument, "runs/new.py", "datetime.now(UTC)"),
    (the_clock_is_an_argument, "activation/new.py", "from time import time"),
    (the_clock_is_an_argument, "cli/new.py", "moment.astimezone()"),
    (names_say_something, "activation/utils.py", ""),
    (names_say_something, "schedules/_helper.py", ""),
    (names_say_something, "cli/core/words.py", ""),
    (docstrings, "activation/new.py", "x = 1"),
    (docstrings, "activation/new.py", '"""New."""\ndef f():\n    return 1'),
    (docstrings, "activation/new.py", '"""New."""\nclass A:\n    """A."""\n    def f(self):\n        return 1'),
    (functions_are_short, "activation/new.py", "def f():\n" + "    x = 1\n" * 50),
    (modules_are_small, "activation/new.py", "x = 1\n" * 401),
    (dependencies_are_declared, "activation/new.py", "import requests"),
    (dependencies_are_declared, "activation/new.py", "import pytest"),
    (dependencies_are_declared, "tests/test_new.py", "import numpy"),
    (dependencies_are_declared, "activation/errors.py", ""),
    (dependencies_are_declared, "tests/test_new.py", "import asyncssh"),
    (extras_are_not_needed, "cli/new.py", "from muster.activation.stores.new import Store"),
    (extras_are_not_needed, "cli/new.py", "from muster.activation.stores import new"),
    (extras_are_not_needed, "activation/new.py", "import muster.activation.stores.new"),
    (kinds_are_known_in_their_folders_alone, "activation/stores/new.py", "def f(url): return url.startswith('s3://')"),
    (kinds_are_known_in_their_folders_alone, "runs/new.py", "def f(scheme): return scheme == 'sftp'"),
    (kinds_are_known_in_their_folders_alone, "cli/new.py", "def f(path): return f'file:/{path}'"),
]
ALLOWED = [
    (import_directions, "schedules/new.py", "from muster.activation import instants"),
    (
        import_directions,
        "cli/new.py",
        "import muster.runs.opening\nfrom muster.runs import MusterError\nfrom muster import sample_data",
    ),
    (
        packages_build_on_lower_ones,
        "activation/values/new.py",
        "from muster.activation.model import history\nfrom muster.activation import errors",
    ),
    (
        some_packages_do_not_know_others,
        "activation/evaluation/new.py",
        "from muster.activation.inputs import feeds\nfrom muster.activation import session",
    ),
    (some_packages_do_not_know_others, "activation/delivery/new.py", "import muster.activation.destinations.target"),
    (modules_form_no_circle, "activation/model/new.py", "from muster.activation import errors"),
    (some_packages_touch_no_file_and_run_no_plan, "activation/state/new.py", "import os"),
    (packages_say_what_they_are, "activation/model/__init__.py", '"""Nouns.\n\nIn: text.\nOut: nouns.\n"""'),
    (
        plans_run_in_one_place,
        "activation/new.py",
        "frame.collect_schema()\nengine.collect(frame)\nframe.sink_csv(path, lazy=True)",
    ),
    (plans_run_in_one_place, "activation/frames/engine.py", "pl.collect_all([a])"),
    (printing_is_in_one_place, "cli/show/terminal.py", "print('x')"),
    (printing_is_in_one_place, "activation/new.py", "def f(print_it): return print_it"),
    (the_clock_is_an_argument, "cli/new.py", "datetime.now(UTC)"),
    (the_clock_is_an_argument, "activation/new.py", "time.perf_counter()\nmoment.astimezone(UTC)\nnow()"),
    (names_say_something, "activation/baseline.py", ""),
    (
        docstrings,
        "activation/new.py",
        '"""New."""\ndef _f():\n    return 1\nclass _A:\n    def f(self):\n        return 1',
    ),
    (functions_are_short, "activation/new.py", "def f():\n" + "    x = 1\n" * 49),
    (modules_are_small, "activation/new.py", "x = 1\n" * 400),
    (dependencies_are_declared, "tests/test_new.py", "import pytest\nimport yaml\nimport new_fixture"),
    (dependencies_are_declared, "activation/new.py", "import asyncssh"),
    (extras_are_not_needed, "activation/new.py", "import asyncssh\nfrom muster.activation.stores.new import Store"),
    (extras_are_not_needed, "cli/new.py", "def f():\n    from muster.activation.stores.new import Store"),
    (kinds_are_known_in_their_folders_alone, "activation/stores/gcs/new.py", "FORM = 'gs://bucket'"),
    (kinds_are_known_in_their_folders_alone, "cli/new.py", '"""As s3://x."""\nNAMES = ("file", "https://x")'),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project without a fault."""
    for package in (*MAY_IMPORT, "tests", "benchmarks"):
        (tmp_path / package).mkdir()
    (tmp_path / "activation/uses_all.py").write_text('"""It."""\nimport polars\nimport yaml\n')
    (tmp_path / "activation/stores").mkdir()
    (tmp_path / "activation/stores/new.py").write_text('"""It."""\nimport asyncssh\n')
    (tmp_path / "activation/uses_all.py").rename(tmp_path / "activation/errors.py")
    (tmp_path / "activation/model").mkdir()
    (tmp_path / "activation/model/new_too.py").write_text('"""It."""\nfrom muster.activation.model import new\n')
    (tmp_path / "tests/new_fixture.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["Polars>=2", "PyYAML", "tzdata"]\n[project.optional-dependencies]\n'
        'dev = ["pytest>=8"]\nsftp = ["asyncssh[bcrypt]>=2"]\n'
    )
    return tmp_path


def plant(tree: Path, path: str, source: str) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(source)


@pytest.mark.parametrize(("check", "path", "source"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_violation_is_found(tree: Path, check: Check, path: str, source: str) -> None:
    """A check that finds nothing in a faultless project finds the one fault that is put there."""
    assert not list(check(tree))
    plant(tree, path, source)
    assert list(check(tree))


@pytest.mark.parametrize(("check", "path", "source"), ALLOWED, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_allowed_is_not_called_a_violation(tree: Path, check: Check, path: str, source: str) -> None:
    """The rules leave room for what they are not about."""
    plant(tree, path, source)
    assert not list(check(tree))
