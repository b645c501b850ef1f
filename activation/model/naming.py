"""Names of files and manifests (F1, F2, F4): functions of the decision, never of the clock.

A template is text with ``{placeholders}``. Values are cleaned before they are put in, so only a ``/`` of the template
makes folders. No folder or file name may start with ``.``: readers skip hidden files, and temporary files are hidden.
No file may be called ``manifest-...``: readers wait for manifests.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cache, cached_property, lru_cache

from muster.activation.errors import did_you_mean
from muster.activation.model.exports import run_id
from muster.activation.model.foreign_names import foreign_mistakes
from muster.activation.model.name_times import (
    TIMES,
    TIMESTAMP,
    Said,
    letters_of_dates,
    pattern_mistake,
    said_by,
    symbols,
    time_values,
)
from muster.activation.model.workspace import Activation, ExportMode, Trigger

PLACEHOLDERS = (
    *("workspace", "destination", "destination_name", "audience_id", "audience_name", "activation"),
    *("export", "trigger", "run_id", *TIMES, TIMESTAMP),
)
MAX_BYTES = 255  # of one folder or file name, on every file system in use
MAX_PART = 999_999

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_DIGIT, _OFFSET, _TIMESTAMP, _RUN_ID = "\1", "\2", "\3", "\4"  # in names, for what depends on the run
_PART_SUFFIX = re.compile(rf"_(?:[2-9]|[1-9{_DIGIT}][0-9{_DIGIT}]{{1,5}})$")
_EXTENSIONS = {"csv": ".csv", "parquet": ".parquet", "json": ".json"}
_COMPRESSED = {"none": "", "gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
_ENCRYPTED = ".pgp"
_DEVICE = re.compile(  # names that Windows takes for devices
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.IGNORECASE
)
_ANY_TIME = datetime(2026, 11, 21, 17, tzinfo=UTC)
_NOT_A_TEMPLATE = "\0"  # stands for placeholders, where they are taken out of a template


@lru_cache(maxsize=4096)
def clean(value: str) -> str:
    """The value with ``_`` for every character outside ``[A-Za-z0-9._-]`` (F1)."""
    return _UNSAFE.sub("_", value)


def template_mistakes(template: str) -> list[str]:
    """Mistakes in a ``file_name`` that do not depend on values, one sentence each (F1)."""
    bare = _PLACEHOLDER.sub("x", template)
    written = dict.fromkeys(_PLACEHOLDER.findall(template))
    found = list(filter(None, map(_placeholder_mistake, written)))
    found += foreign_mistakes(_PLACEHOLDER.sub(_NOT_A_TEMPLATE, template), PLACEHOLDERS)
    if "{" in bare or "}" in bare:
        found.append("a brace has no partner; a placeholder looks like {date}")
    if not template.isprintable():
        found.append("holds a character that cannot be printed")
    if "\\" in template:
        found.append("holds a backslash; folders are made with '/'")
    if template.startswith("/"):
        found.append("starts with '/'; expected a name inside the destination's url")
    else:
        found += _part_mistakes(bare)
    return found


def _placeholder_mistake(name: str) -> str:
    """The mistake in one placeholder, or nothing."""
    if name in PLACEHOLDERS:
        return ""
    word = re.split(r"[:!.\[]", name)[0].strip()
    if word in TIMES and name.startswith(f"{word}:"):
        return pattern_mistake(name)
    if word in PLACEHOLDERS:
        takers = f"only {', '.join(TIMES)} take a pattern such as {{date:%Y%m%d}}"
        return f"{{{name}}} must be written {{{word}}}: {takers}"
    if "%" in (letters := letters_of_dates(name)):
        return f"unknown placeholder {{{name}}}; write {{datetime:{letters}}}"
    known = did_you_mean(word, PLACEHOLDERS) or f"; known are {', '.join(PLACEHOLDERS)}"
    return f"unknown placeholder {{{name}}}{known}"


def _part_mistakes(name: str) -> list[str]:
    """The first mistake in the folder and file names of a path: empty, dots only, hidden, or changed by Windows."""
    parts = name.split("/")
    if not all(part.strip() for part in parts):
        return ["has an empty folder or file name"]
    if dots := next((part for part in parts if part in (".", "..")), None):
        return [f"has the part {dots!r}; expected names only"]
    if any(part.startswith(".") for part in parts):
        return ["has a folder or file name that starts with '.', which would be hidden"]
    if device := next((part for part in parts if _DEVICE.fullmatch(part)), None):
        return [f"has the part {device!r}, which is a device to Windows"]
    loose = any(part != part.strip() for part in parts) or any(part.endswith(".") for part in parts[:-1])
    return (
        ["has a folder or file name that starts or ends with a space, or a folder that ends with '.'"] if loose else []
    )


@lru_cache(maxsize=4096)
def placeholders(template: str) -> frozenset[str]:
    """The placeholders that a template uses."""
    return frozenset(_PLACEHOLDER.findall(template))


def is_constant(template: str) -> bool:
    """Whether each export replaces the previous file, because the name has no time and no run id (F1)."""
    return said_of_time(template).nothing and "run_id" not in placeholders(template)


def said_of_time(template: str) -> Said:
    """What the names that a template makes say of a run's time (F1)."""
    return said_by(placeholders(template))


def time_texts(template: str, instant: datetime, zone: tzinfo) -> tuple[str, ...]:
    """The times in a name that a template makes for a run at an instant; two runs share a name if these are equal."""
    used = placeholders(template)
    values = time_values(used, instant, zone)
    return tuple(values[each] for each in sorted(used & values.keys()))


def manifest_name(workspace: str, destination: str, run: str) -> str:
    """The name of a run's manifest, ``manifest-{workspace}-{destination}-{run_id}.json`` (F4)."""
    return f"manifest-{clean(workspace)}-{clean(destination)}-{clean(run)}.json"


def file_names(  # noqa: PLR0917 (callers pass by keyword)
    activation: Activation,
    workspace_name: str,
    audience_name: str,
    trigger: Trigger,
    export: ExportMode,
    scheduled: datetime,
    run_id: str,
    parts: int,
) -> list[str]:
    """Paths of a run's files, relative to the destination, with ``/`` as separator (F1, F2).

    Each is the template's name, ``_on_demand`` if needed, the part number from 2 on, and the extension.
    """
    values = _values(activation, workspace_name, audience_name, trigger, export)
    values |= _moment(activation, scheduled, run_id)
    stem, ending = _stem(activation, trigger, values), extension(activation)
    return [f"{stem}{'' if part == 1 else f'_{part}'}{ending}" for part in range(1, parts + 1)]


def _moment(activation: Activation, scheduled: datetime, run: str) -> dict[str, str]:
    """The placeholders' values that depend on the run's time and id."""
    times = time_values(placeholders(activation.file_name), scheduled, activation.schedule.zone)
    return {**times, "run_id": clean(run)}


def _values(
    activation: Activation, workspace: str, audience_name: str, trigger: Trigger, export: ExportMode
) -> dict[str, str]:
    """The placeholders' values that do not depend on the run's time and id, cleaned."""
    values = {
        "workspace": workspace,
        "destination": activation.destination,
        "destination_name": activation.destination_name,
        "audience_id": activation.audience,
        "audience_name": audience_name,
        "activation": activation.id,
        "export": export,
        "trigger": trigger,
    }
    return {name: clean(value) for name, value in values.items()}


def _stem(activation: Activation, trigger: Trigger, values: Mapping[str, str]) -> str:
    name = _PLACEHOLDER.sub(lambda match: values[match[1]], activation.file_name)
    is_distinct = placeholders(activation.file_name) & {"trigger", "run_id"}
    return name if is_distinct or trigger != "on_demand" else f"{name}_on_demand"


def extension(activation: Activation) -> str:
    """The extension of an activation's files: format, compression, encryption (F2)."""
    inside = activation.format == "parquet"
    compressed = "" if inside else _COMPRESSED[activation.compression]
    return _EXTENSIONS[activation.format] + compressed + (_ENCRYPTED if activation.encryption else "")


def name_in_archive(path: str) -> str:
    """The name of the file inside a zip archive: the archive's own, without its extensions (F2)."""
    return path.rpartition("/")[2].removesuffix(_ENCRYPTED).removesuffix(_COMPRESSED["zip"])


def _cases(activation: Activation) -> Iterator[tuple[Trigger, ExportMode]]:
    """Trigger and mode of each kind of run that an activation can have: by schedule, and on demand."""
    if activation.schedule.kind == "after_evaluation":
        yield "after_evaluation", activation.export
    elif activation.schedule.kind != "on_demand":
        yield "scheduled", activation.export
    yield "on_demand", "full"


def name_mistakes(activation: Activation, workspace_name: str, audience_name: str) -> list[str]:
    """Mistakes in an activation's file names that its values cause (F1): hidden, like a manifest's, or too long."""
    found: list[str] = []
    longest = 0
    for stem in _sample_stems(activation, workspace_name, audience_name):
        found += _part_mistakes(stem)
        if stem.rpartition("/")[2].lower().startswith("manifest-"):
            found.append("starts with 'manifest-', as only manifests do")
        parts = f"{stem}_{MAX_PART}{extension(activation)}".split("/")
        longest = max(longest, *(len(part.encode()) for part in parts))
    if longest > MAX_BYTES:
        found.append(f"can be {longest} bytes long; expected at most {MAX_BYTES}")
    return list(dict.fromkeys(found))


def _sample_stems(activation: Activation, workspace_name: str, audience_name: str) -> Iterator[str]:
    """One name for each kind of run, of any time."""
    for trigger, export in _cases(activation):
        values = _values(activation, workspace_name, audience_name, trigger, export)
        # Values as long as those of every run: all times, and all run ids, have one length.
        yield _stem(activation, trigger, values | _moment(activation, _ANY_TIME, _any_run_id()))


@cache
def _any_run_id() -> str:
    return run_id("", "", "", "scheduled", _ANY_TIME)


@dataclass(frozen=True)
class _Name:
    """One name that an activation can give, with tokens for the values that depend on the run."""

    activation: Activation
    folder: tuple[str, ...]
    stem: str
    extension: str

    @cached_property
    def key(self) -> str:
        """Text that is equal for two names if some file system takes them for one file."""
        return _folded("/".join((*self.folder, self.stem))) + self.extension

    @cached_property
    def first_part_key(self) -> str:
        """The ``key`` of the name without a part number: this name can be a later part of that file."""
        return _folded("/".join((*self.folder, _PART_SUFFIX.sub("", self.stem)))) + self.extension

    def meets(self, other: "_Name") -> bool:
        """Whether the urls of both activations are equal, or one contains the other; letter case in urls counts."""
        shared = min(len(self.folder), len(other.folder))
        return self.folder[:shared] == other.folder[:shared]


def _folded(name: str) -> str:
    """The name without differences of letter case, or of how accents are encoded."""
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def collisions(
    activations: Iterable[Activation],
    workspace_name: str,
    audience_names: Mapping[str, str],
    folder: Callable[[Activation], tuple[str, ...]],
    follow: Callable[[tuple[str, ...]], tuple[str, ...]] | None = None,
) -> list[tuple[Activation, Activation]]:
    """Pairs (later, earlier) of activations that can write one file at one instant, in any part (F1). Ignores case.

    ``folder`` gives the parts of an activation's url, so that urls inside each other are compared too. Scheduled names
    are compared with on-demand names, because both can be asked for at one instant. ``follow`` gives the folder that a
    known folder of a name is, if links lead to another.
    """
    by_key: dict[str, list[_Name]] = defaultdict(list)
    by_first: dict[str, list[_Name]] = defaultdict(list)
    found = []
    for activation in activations:
        names = [
            _followed(name, follow) if follow else name
            for name in _symbolic_names(
                activation, workspace_name, audience_names[activation.audience], folder(activation)
            )
        ]
        others = (
            other
            for name in names
            for other in (*by_key[name.key], *by_key[name.first_part_key], *by_first[name.key])
            if name.meets(other)
        )
        if earlier := next(others, None):
            found.append((activation, earlier.activation))
        for name in names:
            by_key[name.key].append(name)
            by_first[name.first_part_key].append(name)
    return found


def _followed(name: _Name, follow: Callable[[tuple[str, ...]], tuple[str, ...]]) -> _Name:
    """The name with its known folders, up to the first one that depends on the run, where links lead."""
    *folders, last = name.stem.split("/")
    known = next((i for i, part in enumerate(folders) if not part.isprintable()), len(folders))
    if not known:
        return name
    rest = "/".join((*folders[known:], last))
    return replace(name, folder=follow((*name.folder, *folders[:known])), stem=rest)


def _symbolic_names(
    activation: Activation, workspace_name: str, audience_name: str, folder: tuple[str, ...]
) -> Iterator[_Name]:
    """An activation's names, with control characters, which no template has, for values that depend on the run."""
    times = symbols(placeholders(activation.file_name), _DIGIT, _OFFSET, _TIMESTAMP)
    moment = {**times, "run_id": f"{_RUN_ID}{activation.key}{_RUN_ID}"}
    for trigger, export in _cases(activation):
        values = _values(activation, workspace_name, audience_name, trigger, export) | moment
        yield _Name(activation, folder, _stem(activation, trigger, values), extension(activation))


def symbolic_paths(activation: Activation, workspace_name: str, audience_name: str) -> Iterator[str]:
    """The paths that an activation can give below its url, first and later parts, and its manifest's (F1, F4).

    Control characters stand for values that depend on the run (``name_patterns.of_name``).
    """
    for name in _symbolic_names(activation, workspace_name, audience_name, ()):
        stem = name.stem.replace(f"\4{activation.key}\4", "\4")
        yield from (f"{stem}{name.extension}", f"{stem}_\x1f{name.extension}")
    if activation.manifest:
        yield f"manifest-{clean(workspace_name)}-{clean(activation.destination)}-\4.json"
