"""What muster is installed with: licences that let it be passed on, lower bounds, and nothing that pyproject.toml does
not name.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
# Permissive ones, and those of Mozilla and Eclipse, which ask for changes to their own files alone.
ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "EPL-2.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
    | {"Zlib"}
)
FOR_USERS = [extra for extra in PROJECT["optional-dependencies"] if extra not in {"bench", "dev"}]
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_WRITTEN = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
LOOKED_UP = {"polars-hash": "MIT"}  # says nothing of it in its metadata; by its repository's LICENSE


def needed(*names: str) -> dict[str, Distribution]:
    """These and all that they need here, by name."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = _normal(waiting.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra, or of another system
        waiting += [
            asked.name
            for asked in map(Requirement, found[name].requires or ())
            if not asked.marker or asked.marker.evaluate({"extra": ""})
        ]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licences(package: Distribution) -> Iterator[str]:
    """What a package says of its licence: an expression, classifiers, or a word; each of the licences in it, of a
    choice the best.
    """
    about = package.metadata
    if expression := about.get("License-Expression"):
        yield from _parts(expression)
        return
    classified = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License :: ")
    ]
    if known := [_CLASSIFIERS.get(each, each) for each in classified if each != "OSI Approved"]:
        yield from known
        return
    written = (about.get("License") or "").strip()
    yield from _parts(
        _WRITTEN.get(written, written) if written else LOOKED_UP.get(_normal(about["Name"]), "none is named")
    )


def _parts(expression: str) -> Iterator[str]:
    for part in (
        re.split(r" (?:AND|WITH) ", expression) if "(" in expression or " OR " not in expression else [expression]
    ):
        choice = part.strip("()").split(" OR ")
        yield next((each for each in choice if each in ALLOWED), choice[0])


def odd(folder: Path, said: str) -> Distribution:
    """A package that says this of its licence."""
    place = folder / "odd-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.4\nName: odd\nVersion: 1\n{said}\n".replace("\n\n", "\n"))
    return Distribution.at(place)


def names(requirements: list[str]) -> list[str]:
    """The packages of a list of requirements."""
    return [Requirement(each).name for each in requirements]


@pytest.mark.parametrize("extra", ["", *FOR_USERS])
def test_every_licence_is_one_that_is_allowed(extra: str) -> None:
    """What muster is installed with, and what that is installed with, is under licences of the list; of the
    extras too.
    """
    asked = names(PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"])
    found = needed(*asked)
    assert len(found) >= len(asked)
    refused = {name: sorted(set(licences(each)) - ALLOWED) for name, each in found.items()}
    assert {name: each for name, each in refused.items() if each} == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("License-Expression: GPL-3.0-only", ["GPL-3.0-only"]),
        ("License-Expression: GPL-3.0-only OR LGPL-3.0-only", ["GPL-3.0-only"]),
        ("License-Expression: (Odd OR GPL-3.0-only) AND Strange", ["Odd", "Strange"]),
        ("License: Odd", ["Odd"]),
        ("", ["none is named"]),
    ],
)
def test_other_licences_are_seen(said: str, expected: list[str], tmp_path: Path) -> None:
    """A package under another licence, or none, is not let through."""
    assert list(licences(odd(tmp_path, said))) == expected
    assert not set(expected) & ALLOWED


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("License: EPL-2.0 OR GPL-2.0-or-later", ["EPL-2.0"]),
        ("License-Expression: (GPL-3.0-only OR MIT) AND BSD-3-Clause", ["MIT", "BSD-3-Clause"]),
    ],
)
def test_of_a_choice_one_will_do(said: str, expected: list[str], tmp_path: Path) -> None:
    """Where a package lets choose, one licence of the list is enough."""
    assert list(licences(odd(tmp_path, said))) == expected


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_every_dependency_has_a_lower_bound(extra: str) -> None:
    """Each is declared with the oldest version that will do, and it is that or a newer one which the tests
    have seen.
    """
    asked = [
        Requirement(each) for each in (PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"])
    ]
    assert asked
    for each in asked:
        assert any(bound.operator in (">=", "==", "~=") for bound in each.specifier), each
        found = needed(each.name).get(_normal(each.name))
        assert found is None or each.specifier.contains(found.version, prereleases=True), (
            f"{each}: {found and found.version}"
        )
