"""Destinations whose files could become inputs, spoil the state, or be another destination's by a link (F1).

Links are resolved here, so the answer is about this machine as it is now. ``refusals`` is asked by `validate` and when
an export starts; what the YAML alone decides about equal names is checked by ``config.workspace``.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from glob import has_magic
from pathlib import Path

from muster.activation.model import naming
from muster.activation.model.name_patterns import FOLDERS, Segment, can_lie_in, literal, of_glob, of_name
from muster.activation.model.workspace import Activation, Destination, Workspace
from muster.activation.stores import urls
from muster.activation.stores.kind import variables_of
from muster.activation.stores.kinds import kind_of

_INPUTS = ("profiles", "events", "memberships")


@dataclass(frozen=True)
class _Location:
    """A folder or glob: the machine or service it is on, its fixed folders, and the pattern below them."""

    machine: tuple[str, ...]  # of this machine nothing; else the scheme and the service
    folders: tuple[str, ...]
    pattern: tuple[Segment, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of the whole path."""
        return (*map(literal, self.folders), *self.pattern)

    @property
    def resolved(self) -> "_Location":
        """The location with all links of its fixed folders followed; the location itself on another machine."""
        return self if self.machine else replace(self, folders=_followed(self.folders))


@dataclass(frozen=True)
class _Place:
    """A place that no export may write to: what it is, and every location that it has."""

    what: str
    locations: tuple[_Location, ...]


def refusals(workspace: Workspace) -> dict[str, str]:
    """Why nothing may be exported to a destination, by its id; destinations that may be written to are left out."""
    _followed.cache_clear()  # links may have changed since another call of this process
    places = _places(workspace)
    activations: dict[str, list[Activation]] = {}
    for each in workspace.activations:
        activations.setdefault(each.destination, []).append(each)
    found: dict[str, str] = {}
    for destination in workspace.destinations.values():
        own = activations.get(destination.id, [])
        if destination.url and (reason := _into_a_place(destination, own, places, workspace)):
            found[destination.id] = reason
    return _joined_by_links(workspace) | found


# Inputs and the state


def _places(workspace: Workspace) -> list[_Place]:
    """The inputs and the state of a workspace."""
    state = _Location((), workspace.state.parts)
    shown = urls.normalise(str(workspace.state), workspace.root)
    found = [_Place(f"the state folder ({shown})", (state, state.resolved))]
    inputs = {f"{name}.path of muster.yml": getattr(workspace, name) for name in _INPUTS}
    inputs |= {f"path of {each.location.file}": each for each in workspace.sources.values()}
    for what, each in inputs.items():
        if each and each.path:  # profiles from sources have none
            location = _input_location(what, each.path, each.connection, workspace)
            locations = (location, location.resolved, *_linked(location))
            found.append(_Place(f"{what} ({urls.redact(each.path)})", locations))
    return found


def _input_location(name: str, path: str, connection: Mapping[str, str], workspace: Workspace) -> _Location:
    """Where an input is: a pattern only if the path is a glob, and no file or folder has that very name."""
    fixed = path.split("/")
    local = kind_of(urls.normalise(path, workspace.root)) == kind_of("")
    is_glob = has_magic(path) and not (local and os.path.lexists(workspace.root / urls.normalise(path, workspace.root)))
    while is_glob and has_magic("/".join(fixed)):
        fixed.pop()
    pattern = tuple(of_glob(part) for part in path.split("/")[len(fixed) :] if part)
    described = Destination(name, name, "/".join(fixed), connection, variables=workspace.variables)
    service = kind_of(urls.normalise(path, workspace.root)).service(described.url, connection, variables_of(described))
    return replace(_location(replace(described, service=service), workspace.root), pattern=pattern)


def _location(destination: Destination, root: Path) -> _Location:
    normalised = urls.normalise(destination.url, root)
    kind = kind_of(normalised)
    if not kind.is_remote:
        return _Location((), Path(os.path.normpath(urls.local_path(normalised, root))).parts)
    return _Location((kind.scheme, destination.service), tuple(normalised.partition("://")[2].split("/")))


def _linked(location: _Location) -> Iterator[_Location]:
    """The locations of links directly in an input folder, or among the matches of a glob: they are read, too."""
    if location.machine:
        return
    try:
        with os.scandir(Path(*location.resolved.folders)) as entries:
            links = [Path(each.path) for each in entries if each.is_symlink()]
    except OSError:  # there is no such folder, or whoever reads the input says what is wrong with it
        return
    first, rest = location.pattern[:1], location.pattern[1:]
    for link in links:
        if not first or can_lie_in([literal(link.name)], first):
            below = location.pattern if first == (FOLDERS,) else rest
            yield replace(location, folders=_followed(link.parts), pattern=below)


@cache
def _followed(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The folders of a path with all links followed; as they are where links form a circle."""
    try:
        return Path(*folders).resolve().parts
    except (OSError, RuntimeError):
        return folders


def _into_a_place(
    destination: Destination, activations: Sequence[Activation], places: Sequence[_Place], workspace: Workspace
) -> str:
    """Why a destination's files could get into a place, or nothing."""
    url, where = urls.redact(destination.url), destination.location
    own = _location(destination, workspace.root)
    for place in places:
        if _meets(own, (), place):
            verb = "is" if any(own.resolved == other.resolved for other in place.locations) else "lies in"
            return (
                f"{where.file}:{where.line}: url: {url!r} {verb} {place.what}{_by_link(own, (), place)}; "
                f"give exports a folder of their own"
            )
    near = [place for place in places if _is_near(own, place)]
    for activation in activations:
        if not near and "/" not in activation.file_name:
            continue  # cheap, for workspaces of many activations
        audience = workspace.audiences[activation.audience].name
        for path in naming.symbolic_paths(activation, workspace.name, audience):
            names = tuple(path.split("/"))
            for place in places if _turns_off(own, names) else near:
                if _meets(own, names, place):
                    return (
                        f"{where.file}:{where.line}: url: files of {activation.key} below {url!r} can lie in "
                        f"{place.what}{_by_link(own, names, place)}; change the url, or file_name"
                    )
    return ""


def _is_near(own: _Location, place: _Place) -> bool:
    """Whether a place can be below a destination, so that names decide."""
    return any(
        form.machine == other.machine
        and (FOLDERS in other.pattern or can_lie_in(form.segments, other.segments[: len(form.segments)]))
        for form in (own, own.resolved)
        for other in place.locations
    )


def _turns_off(own: _Location, names: Sequence[str]) -> bool:
    """Whether a folder of a name below a destination is a link, which can lead to any place."""
    spelled, followed = _forms(own, names)
    below = spelled.folders[len(own.folders) :]
    return followed.folders != (*own.resolved.folders, *below)


def _meets(own: _Location, names: Sequence[str], place: _Place) -> bool:
    """Whether a name below a destination can be in a place, as it is spelled or with links followed."""
    return any(
        form.machine == other.machine and can_lie_in(form.segments, other.segments)
        for form in _forms(own, names)
        for other in place.locations
    )


def _by_link(own: _Location, names: Sequence[str], place: _Place) -> str:
    """The remark that only a link leads into the place."""
    spelled = can_lie_in(_forms(own, names)[0].segments, place.locations[0].segments)
    return "" if spelled else " (by a link)"


def _forms(own: _Location, names: Sequence[str]) -> list[_Location]:
    """A name below a destination, as it is spelled and with the links of its known folders followed."""
    known = next((i for i, name in enumerate(names) if not name.isprintable()), len(names))
    known = min(known, max(len(names) - 1, 0))  # the file's own name is replaced, never followed
    below = tuple(map(of_name, names[known:]))
    spelled = replace(own, folders=(*own.folders, *names[:known]), pattern=below)
    return [spelled, spelled.resolved]


# Two urls that are one folder


def _joined_by_links(workspace: Workspace) -> dict[str, str]:
    """Why the later one of two destinations may not be written to that a link joins, and whose names can be equal.

    A link below a url can join two activations of one destination, too.
    """
    local = {
        each.id: _location(each, workspace.root)
        for each in workspace.destinations.values()
        if each.url and not kind_of(urls.normalise(each.url, workspace.root)).is_remote
    }
    audiences = {each.id: each.name for each in workspace.audiences.values()}
    activations = [each for each in workspace.activations if each.destination in local]
    are_linked = any(_is_linked(each, workspace.root) for each in local.values()) or any(
        _turns_off(local[each.destination], path.split("/"))
        for each in activations
        if "/" in each.file_name
        for path in naming.symbolic_paths(each, workspace.name, audiences[each.audience])
    )
    if not are_linked:
        return {}
    pairs = naming.collisions(
        activations, workspace.name, audiences, lambda each: local[each.destination].resolved.folders, _followed
    )
    return {later.destination: _joined(later, earlier, workspace) for later, earlier in reversed(pairs)}


def _is_linked(location: _Location, root: Path) -> bool:
    """Whether a link leads to a folder, other than one above the workspace."""
    return os.path.relpath(Path(*location.folders), root) != os.path.relpath(
        Path(*location.resolved.folders), Path(*_followed(root.parts))
    )


def _joined(later: Activation, earlier: Activation, workspace: Workspace) -> str:
    one, other = workspace.destinations[later.destination], workspace.destinations[earlier.destination]
    where, joined = one.location, f"a link joins folders below {urls.redact(one.url)!r}"
    if one is not other:
        joined = (
            f"a link joins {urls.redact(one.url)!r} with {urls.redact(other.url)!r} of "
            f"{other.location.file}:{other.location.line}"
        )
    return (
        f"{where.file}:{where.line}: url: {joined}, and {later.key} can write a file of the same name as "
        f"{earlier.key}; change the url, or put {{destination}} and {{activation}} into file_name"
    )
