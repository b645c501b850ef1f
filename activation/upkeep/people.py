"""Whom a request to forget means: profiles and identities, in a snapshot or in the profiles of merge policies (G8).

With sources a person may be another profile in each merge policy. All of them are meant, with all their identities; and
where today's sources have nobody, the person whom the newest view of a policy has.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.errors import DataError, RefusedError
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, PROFILE_ID
from muster.activation.model.history import Build
from muster.activation.model.sources import Namespace
from muster.activation.profiles.forgotten import PAIRS, Forgotten
from muster.activation.session import Session
from muster.activation.sources.cleaning import cleaned, namespace_of
from muster.activation.state.ledger import builds_table
from muster.activation.values.identities import pairs
from muster.activation.views.lineage import Lineage
from muster.activation.views.new_ids import made_of

IDENTITY_MAP = "identity_map"  # of views: List(Struct(namespace, id))


@dataclass(frozen=True)
class Person:
    """Whom to forget: a profile id, or else an identity (namespace, id)."""

    profile_id: str | None = None
    identity: tuple[str, str] | None = None

    @property
    def shown(self) -> str:
        """The person as the caller named it."""
        return f"identity {':'.join(self.identity)!r}" if self.identity else f"profile {self.profile_id!r}"


@dataclass(frozen=True, eq=False)
class Found:
    """The ids and identities of a person, and the ids of others who have none but forgotten identities.

    Former ids are of sources: rows of earlier runs have ids that were aliases, and are told by no lineage any more.
    """

    ids: pl.Series  # String, sorted
    identities: pl.Series  # String, sorted: texts as of ``identities.pairs``
    likewise: pl.Series  # String, sorted
    former: pl.Series  # String, sorted: ids that may have been theirs, made of the identities, and are nobody else's
    is_there: bool  # whether a profile has one of the ids, or whether the identity was forgotten before


@dataclass(frozen=True, eq=False)
class _Profiles:
    """The profiles in which a person is looked for."""

    name: str  # for messages
    frame: pl.LazyFrame  # ``muster:id`` (String), ``pairs`` (List of String)
    lineage: Lineage | None = None
    is_linked: bool = True  # False where each primary identity is a profile of its own (P7)

    def of_identity(self, text: str) -> pl.DataFrame:
        """The profiles that hold an identity."""
        return engine.collect(self.frame.filter(pl.col(PAIRS).list.contains(text)))

    def of_ids(self, ids: Collection[str]) -> pl.Series:
        """Those of some ids (String) that profiles have."""
        return engine.collect(self.frame.filter(pl.col(ID).is_in(list(ids))).select(ID))[ID]

    def of_id(self, profile_id: str) -> pl.DataFrame:
        """The profile with an id, or that the id is an alias of."""
        return engine.collect(self.frame.filter(pl.col(ID).is_in(self.with_aliases([profile_id]))))

    def with_aliases(self, ids: Iterable[str]) -> list[str]:
        """The ids, the ids that survived where they are aliases, and all aliases of those."""
        found = set(ids)
        if self.lineage is not None:
            aliases = self.lineage.aliases
            found |= set(aliases.filter(pl.col("alias").is_in(list(found)))[PROFILE_ID])
            found |= set(aliases.filter(pl.col(PROFILE_ID).is_in(list(found)))["alias"])
        return sorted(found)

    def with_none_but(self, identities: pl.Series) -> pl.Series:
        """The ids (String) of the profiles that have identities, and only such ones (String)."""
        is_one = pl.element().is_in(identities.implode())
        has_none_else = pl.col(PAIRS).list.eval(is_one).list.all() & (pl.col(PAIRS).list.len() > 0)
        return engine.collect(self.frame.filter(has_none_else).select(ID))[ID]


def found(person: Person, session: Session, *, everybody: bool, even_unknown: bool) -> Found:
    """The ids and identities of a person, by the inputs at the instant of the session.

    ``RefusedError`` for an identity that nobody holds, and for one that several profiles hold unless ``everybody`` is
    meant. With sources, ``even_unknown`` takes an identity that nobody holds.
    """
    if session.workspace.profiles.from_sources:
        return _found_in_sources(person, session, everybody=everybody, even_unknown=even_unknown)
    return _found_in_snapshot(person, session, everybody=everybody)


# Profiles of a path


def _found_in_snapshot(person: Person, session: Session, *, everybody: bool) -> Found:
    snapshot = replace(session.opened.newest_snapshot, without=None, without_key="")  # with those forgotten before
    texts = pairs(snapshot.source.identity_map, snapshot.identity_type)
    profiles = _Profiles(snapshot.name, snapshot.frame().select(ID, texts.alias(PAIRS)))
    held = (
        profiles.of_identity("\0".join(person.identity)) if person.identity else profiles.of_id(str(person.profile_id))
    )
    if person.identity and held.is_empty():
        raise RefusedError(
            f"nobody in {snapshot.name} holds the {person.shown}; name the profile by its id: "
            "`muster profiles forget --id ID`"
        )
    _refuse_several(person, profiles, held, everybody=everybody)
    ids = held[ID] if person.identity else pl.Series(ID, [person.profile_id], dtype=pl.String)
    identities = _identities([held])
    before = session.opened.forgotten
    of_all = (before or Forgotten.nobody()).with_people(ids, identities).ids_in(snapshot)
    others = of_all.filter(~of_all.is_in(ids.implode()))
    likewise = others if before is None else others.filter(~before.has(others))  # not erased before
    return Found(ids.sort(), identities, likewise, _texts([]), is_there=not held.is_empty())


def _refuse_several(person: Person, profiles: _Profiles, held: pl.DataFrame, *, everybody: bool) -> None:
    if person.identity and held.height > 1 and not everybody:
        raise RefusedError(
            f"{held.height:,} profiles in {profiles.name} hold the {person.shown}: name one by its id, or pass --all "
            "to forget all of them"
        )


# Profiles from sources


def _found_in_sources(person: Person, session: Session, *, everybody: bool, even_unknown: bool) -> Found:
    """The person in the profiles of all merge policies: private graphs say who that is, if any has the person."""
    builds = [each for each in builds_table.list_all(session.ledger) if each.view]
    kept = [_of_build(each, session) for each in builds]
    newest = {build.policy: each for build, each in zip(builds, kept, strict=True) if build.changes_ids}
    policies = session.workspace.merge_policies
    today = [_of_policy(each, session, newest) for each in sorted(policies)]
    today += [each for policy, each in newest.items() if policy not in policies]
    text = _text(person, session)
    groups = (*_by_graph(today), *_by_graph(list(newest.values())))
    held = next(filter(None, (_held(person, text, each) for each in groups)), [])
    for profiles, rows in held:
        _refuse_several(person, profiles, rows, everybody=everybody)
    if person.identity and not held:
        return _nobody(person, text, session.opened.forgotten, even_unknown=even_unknown)
    identities = _identities(rows for _, rows in held)
    ids = {str(person.profile_id)} if person.profile_id else set[str]()
    ids = ids.union(*(rows[ID] for _, rows in held))
    ids = ids.union(*(each.with_aliases(ids) for each in today))
    others = set[str]().union(*(each.with_none_but(identities) for each in (*today, *kept))) - ids
    made = {_id_of(each, session) for each in identities} - ids - others
    former = made.difference(*(each.of_ids(made) for each in (*today, *newest.values())))
    return Found(_texts(ids), identities, _texts(others), _texts(former), is_there=bool(held))


def _id_of(identity: str, session: Session) -> str:
    """The profile id that is made of an identity (P7)."""
    namespace, _, id_ = identity.partition("\0")
    return made_of(namespace, id_, session.workspace.id_key)


def _of_policy(policy: str, session: Session, newest: Mapping[str, _Profiles]) -> _Profiles:
    """The profiles that the sources make of a merge policy at the instant, or the newest kept ones where they cannot.

    ``DataError`` when a source cannot be used, and no profiles of the policy are kept.
    """
    from muster.activation.profiles.opened_policy import OpenedPolicy  # noqa: PLC0415  # profiles of a path go without

    opened = session.of(policy).opened
    if not isinstance(opened, OpenedPolicy):
        raise TypeError(opened)
    try:
        view = opened.view
    except DataError as error:
        if policy not in newest:
            raise
        session.warnings.add(f"merge policy {policy!r}: {error}; who is meant is taken from the newest build")
        return newest[policy]
    is_linked = session.workspace.merge_policies[policy].graph == "private"
    return _of_view(policy, pl.scan_parquet(list(view.paths)), view.lineage, is_linked=is_linked)


def _of_build(build: Build, session: Session) -> _Profiles:
    """The profiles of the view of a build."""
    from muster.activation.views.build import kept_view  # noqa: PLC0415  # as above

    policy = session.workspace.merge_policies.get(build.policy)
    view = kept_view(build.policy, build.number, session.state, session.ledger)
    frame = pl.concat([session.state.read(each) for each in build.view or ()])
    lineage = view.lineage if build.graph else None
    return _of_view(build.policy, frame, lineage, is_linked=policy is None or policy.graph == "private")


def _of_view(policy: str, frame: pl.LazyFrame, lineage: Lineage | None, *, is_linked: bool) -> _Profiles:
    texts = pairs(IDENTITY_MAP, engine.schema_of(frame).get(IDENTITY_MAP))
    named = frame.select(pl.col(PROFILE_ID).alias(ID), texts.alias(PAIRS))
    return _Profiles(f"the profiles of merge policy {policy!r}", named, lineage, is_linked)


def _text(person: Person, session: Session) -> str | None:
    """The identity that a caller named, as it is compared (P2); None for a profile id, and one that never counts."""
    if person.identity is None:
        return None
    namespace, value = person.identity
    rules: Namespace = namespace_of(session.workspace.namespaces, namespace)
    found = pl.DataFrame({ID: [value]}).select(cleaned(pl.col(ID), rules)).item()
    return None if found is None else f"{namespace}\0{found}"


def _by_graph(of_all: Sequence[_Profiles]) -> tuple[list[_Profiles], list[_Profiles]]:
    """The profiles that private graphs make, and the others."""
    return [each for each in of_all if each.is_linked], [each for each in of_all if not each.is_linked]


def _held(person: Person, text: str | None, of_all: Iterable[_Profiles]) -> list[tuple[_Profiles, pl.DataFrame]]:
    """The profiles that a person is, where there are any; ``text`` is the identity, if the caller named one."""
    if person.profile_id is not None:
        found = [(each, each.of_id(person.profile_id)) for each in of_all]
    else:
        found = [(each, each.of_identity(text)) for each in of_all] if text else []
    return [(each, rows) for each, rows in found if not rows.is_empty()]


def _nobody(person: Person, text: str | None, before: Forgotten | None, *, even_unknown: bool) -> Found:
    """An identity that nobody holds: of somebody who was forgotten before, or of whom the caller wants to keep out."""
    identities, none = _texts([text] if text else []), _texts([])
    if text and before is not None and before.has_identities(identities).all():
        return Found(none, identities, none, none, is_there=True)
    if text and even_unknown:
        return Found(none, identities, none, none, is_there=False)
    raise RefusedError(
        f"nobody in the sources holds the {person.shown}; name the profile by its id, or pass --even-unknown to keep "
        "the identity out all the same"
    )


# Both


def _identities(held: Iterable[pl.DataFrame]) -> pl.Series:
    """The identities of profiles (String, sorted)."""
    texts = [rows[PAIRS].explode(empty_as_null=False).drop_nulls().alias(ID) for rows in held]
    return pl.concat(texts).unique().sort() if texts else _texts([])


def _texts(texts: Collection[str]) -> pl.Series:
    return pl.Series(ID, sorted(texts), dtype=pl.String)
