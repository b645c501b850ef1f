"""The worked examples of docs/semantics.md, docs/governance.md and docs/profiles.md: a small notation for a workspace
and its data, commands and what comes out.

where: vip                              YAML that differs from the usual workspace, see ``USUAL``

profiles 2026-11-20                     a table: a dated snapshot, `events`, `memberships`, or `source crm 2026-11-20`
  profile_id  email    vip              two spaces or more between cells; `-` is null, `""` an empty string
  a           a@x.com  true

$ muster run --at 2026-11-20T05:00      a command, and what comes out of it:
  profile_id,email,status               the files that it wrote, else what it printed
  a,a@x.com,realized

change                                  YAML that is different from here on
  url: exports/elsewhere
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from support.doc_pages import ACCEPT, Block, Terminal, accept, agrees
from support.shop import Shop

_AUDIENCE = ("where", "source", "events")
_ACTIVATION = ("export", "schedule")
_TABLES = ("profiles", "events", "memberships", "source")
STATUS = {"source": "segment_membership.status", "target": "status"}
# The workspace that an example starts from; `muster run` evaluates once a day, from 02:00 on.
USUAL: dict[str, Any] = {
    "settings": {"evaluation": {"schedule": {"at": "02:00"}}},
    "where": True,
    "export": "incremental",
    "schedule": {"at": "05:00"},
    "mapping": ["profile_id", "email", STATUS],
    "manifest": False,
}


def _identities_of(column: str, namespace: str) -> list[dict[str, Any]]:
    primary = {"column": column, "namespace": namespace, "primary": True}
    return [primary, {"column": "email", "namespace": "Email"}]


# The sources of an example with tables `source ...`, as far as it has a table for them.
USUAL_SOURCES: dict[str, dict[str, Any]] = {
    "crm": {"identities": _identities_of("crm_id", "CRMID")},
    "shop": {"identities": _identities_of("account", "Account")},
    "web": {"kind": "events", "timestamp": "timestamp", "identities": _identities_of("cookie", "Cookie")},
}
USUAL_NAMESPACES = {"Account": {"priority": 2}, "Cookie": {"type": "cookie", "priority": 5}}


@dataclass
class Section:
    """A part of an example: a table, a change or a command, and the indented lines below it."""

    head: str
    lines: list[str] = field(default_factory=list)


def sections(text: str) -> tuple[dict[str, Any], list[Section], str]:
    """The YAML on top, the sections, and the YAML as it is written."""
    top, found = list[str](), list[Section]()
    for line in text.splitlines():
        if line.startswith(("$ ", "change", *(f"{table}" for table in _TABLES))) and ":" not in line.split(" ")[0]:
            found.append(Section(line))
        elif found:
            found[-1].lines.append(line.removeprefix("  "))
        else:
            top.append(line)
    for each in found:
        while each.lines and not each.lines[-1]:
            each.lines.pop()
    written = "\n".join(top).strip()
    return yaml.safe_load(written) or {}, found, written


class Example:
    """An example as it is carried out in a folder."""

    def __init__(self, page: Path, block: Block, folder: Path) -> None:
        self.page, self.block = page, block
        changes, self.sections, self.top = sections(block.text)
        self.shop = Shop(folder)
        self.terminal = Terminal(folder)
        self.state = USUAL | ({"where": None} if "source" in changes else {}) | changes
        self.configure()

    def configure(self) -> None:
        """Write the YAML files."""
        settings = USUAL["settings"] | self.state["settings"]
        if self.sources:
            self._write_sources()
            declared = USUAL_NAMESPACES | settings.get("namespaces", {})
            used = {
                each["namespace"] for one in self.sources.values() for each in one["identities"] if "namespace" in each
            }
            known = {name: each for name, each in declared.items() if name in used}
            settings |= {"profiles": {"from": "sources"}, **({"namespaces": known} if known else {})}
        self.shop.set(**settings)
        audience = {key: self.state[key] for key in _AUDIENCE if self.state.get(key) is not None}
        self.shop.audience("people", **audience)
        for name, content in self.state.get("audiences", {}).items():
            self.shop.audience(name, **content)
        for name, content in self.state.get("policies", {}).items():
            self.shop.write(f"policies/{name}.yml", content)
        activation = {"audience": "people"} | {
            key: self.state[key] for key in _ACTIVATION if self.state.get(key) is not None
        }
        others = {
            key: value
            for key, value in self.state.items()
            if key not in {"settings", "audiences", "policies", "sources", *_AUDIENCE, *_ACTIVATION}
        }
        self.shop.destination("crm", **({"url": "exports", "activations": [activation]} | others))

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """The sources by id: those of the YAML on top, and the usual ones that a table is of."""
        tables = [each.head.split()[1] for each in self.sections if each.head.startswith("source ")]
        return {name: USUAL_SOURCES[name] for name in tables if name in USUAL_SOURCES} | self.state.get("sources", {})

    def _write_sources(self) -> None:
        for name, content in self.sources.items():
            self.shop.write(f"sources/{name}.yml", {"path": f"data/{name}"} | content)

    def play(self) -> None:
        """Carry out all sections and compare; under `MUSTER_ACCEPT`, put what came out into the page."""
        said = [self.top] if self.top else []
        for section in self.sections:
            lines = self._play(section)
            said.append("\n".join([section.head, *(f"  {line}".rstrip() for line in lines)]))
        accept(self.page, self.block, "\n\n".join(said) + "\n")

    def _play(self, section: Section) -> list[str]:
        if section.head.startswith("$ "):
            return self._command(section)
        if section.head == "change":
            self.state |= yaml.safe_load("\n".join(section.lines))
            self.configure()
        else:
            self._table(section)
        return section.lines

    def _command(self, section: Section) -> list[str]:
        before = self._exports()
        printed = self.terminal.type(section.head[2:])
        written = {name: content for name, content in self._exports().items() if before.get(name) != content}
        if not section.head.startswith("$ muster"):
            written = {}
        errors = [line for line in printed.split("\n") if line.startswith(("error:", "warning:"))]
        comes = [*_shown(written), *errors] if written else printed.split("\n") if printed else []
        same = agrees(section.lines, "\n".join(comes))
        assert ACCEPT or section.lines or not errors, f"line {self.block.line}: {section.head}\n{printed}"
        assert ACCEPT or same or not section.lines, (
            f"line {self.block.line}: {section.head}\nthe page says\n"
            + "\n".join(section.lines)
            + "\nwhat comes out\n"
            + "\n".join(comes)
        )
        return section.lines if same else comes

    def _exports(self) -> dict[str, bytes]:
        found = sorted((self.shop.root / "exports").rglob("*"))
        return {path.relative_to(self.shop.root).as_posix(): path.read_bytes() for path in found if path.is_file()}

    def _table(self, section: Section) -> None:
        kind, *words = section.head.split()
        frame = table(section.lines)
        if kind == "source":
            self.shop.parquet(f"data/{words[0]}/{words[1]}.parquet", frame)
        elif kind == "profiles":
            self.shop.profiles(words[0], frame, *words[1:])
        elif kind == "events":
            self.shop.events(frame)
        else:
            self.shop.parquet("data/memberships/feed.parquet", frame)
            self.shop.set(memberships={"path": "data/memberships"})


def _shown(written: dict[str, bytes]) -> Iterator[str]:
    """The files that a command wrote: one text file by its lines, several each under its name, others by name."""
    for name, content in written.items():
        text = content.decode() if name.endswith((".csv", ".json")) else ""
        if len(written) > 1 or not text:
            yield f"{name}:" if text else name
        yield from text.removesuffix("\n").split("\n") if text else ()


def table(lines: list[str]) -> pl.DataFrame:
    """A table of cells with two spaces or more between them, each column with the type that suits all its cells."""
    heads, *rows = (re.split(r" {2,}", line.strip()) for line in lines if line)
    columns = {name: typed(name, [row[place] for row in rows]) for place, name in enumerate(heads)}
    return pl.DataFrame(columns)


def typed(name: str, cells: list[str]) -> pl.Series:
    """A column: whole numbers, numbers, decimals, booleans, dates, times, identity maps (`Phone:1 Email:a@x.com`),
    YAML, else text.
    """
    if name == "identity_map":
        return pl.Series(
            [_identities(cell) for cell in cells], dtype=pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
        )
    present = [cell for cell in cells if cell != "-"]
    for pattern, read in _TYPES:
        if present and all(re.fullmatch(pattern, cell) for cell in present):
            return pl.Series([None if cell == "-" else read(cell) for cell in cells])
    return pl.Series(
        [None if cell == "-" else json.loads(cell) if cell.startswith('"') else cell for cell in cells], dtype=pl.String
    )


def _identities(cell: str) -> list[dict[str, str]] | None:
    pairs = [pair.partition(":") for pair in cell.split()] if cell != "-" else None
    return pairs if pairs is None else [{"namespace": namespace, "id": value} for namespace, _, value in pairs]


def _moment(cell: str) -> datetime:
    return datetime.fromisoformat(cell).astimezone(UTC)


_TYPES: tuple[tuple[str, Any], ...] = (
    (r"-?(0|[1-9]\d*)", int),
    (r"-?\d+\.\d+", float),
    (r"-?\d+(\.\d+)?m", lambda cell: Decimal(cell.removesuffix("m"))),
    (r"true|false", lambda cell: cell == "true"),
    (r"\d{4}-\d\d-\d\d", date.fromisoformat),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", _moment),
    (r"[\[{].*[\]}]", yaml.safe_load),
)
