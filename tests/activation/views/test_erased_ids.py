"""Kept ids without some people: nothing of theirs stays, and everybody else keeps an id (G8, P7)."""

import polars as pl

from muster.activation.model.sources import BUILT_IN
from muster.activation.views.erased_ids import without
from muster.activation.views.ids import IDENTITIES, KeptIds, decide
from muster.activation.views.kept_ids import next_ids


def identities(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """Identities of a build: namespace, id and graph."""
    return pl.DataFrame([(name, each, None, graph) for name, each, graph in rows], IDENTITIES, orient="row")


def kept(*rows: tuple[str, str, int]) -> KeptIds:
    """What a first build of some identities leaves."""
    found = identities(*rows)
    return next_ids(found, decide(found, BUILT_IN, KeptIds.none(), 1))


def texts(*pairs: tuple[str, str]) -> pl.Series:
    """Identities as a search for somebody has them."""
    return pl.Series(["\0".join(pair) for pair in pairs])


def ids_of(found: KeptIds) -> dict[str, str]:
    """The id to which each identity led."""
    names = found.profiles["profile_id"]
    return {row["id"]: names[row["profile"]] for row in found.identities.iter_rows(named=True)}


PEOPLE = (("CRMID", "1", 0), ("Email", "ann@x", 0), ("CRMID", "2", 1), ("Email", "bob@x", 1), ("CRMID", "3", 2))


def test_others_keep_their_ids() -> None:
    """G8: rows of the people and of their identities go; places of the others are counted anew."""
    before = kept(*PEOPLE)
    ann = ids_of(before)["1"]
    after = without(before, pl.Series([ann]), texts(("CRMID", "1"), ("Email", "ann@x"))).kept
    assert ids_of(after) == {each: name for each, name in ids_of(before).items() if name != ann}
    assert ann not in after.profiles["profile_id"]
    others = identities(("CRMID", "2", 5), ("Email", "bob@x", 5), ("CRMID", "3", 0))
    assert set(decide(others, BUILT_IN, after, 2).profiles["profile_id"]) == set(ids_of(after).values())


def test_an_id_made_of_an_identity_of_theirs_stays_and_forgets_it() -> None:
    """G8, P7: whose id was made of an identity that is somebody else's by now keeps the id, without the text."""
    before = kept(*PEOPLE)
    bob = ids_of(before)["2"]
    after = without(before, pl.Series([], dtype=pl.String), texts(("CRMID", "2"))).kept
    assert ids_of(after)["bob@x"] == bob
    assert "2" not in [*after.profiles["id"], *after.identities["id"]]
    parts = identities(("Email", "bob@x", 0), ("CRMID", "3", 1))
    assert bob in decide(parts, BUILT_IN, after, 2).profiles["profile_id"]
