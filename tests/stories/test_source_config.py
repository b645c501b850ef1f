"""Mistakes and notes about sources, through `muster validate` and other commands (P, G1, G2, G3)."""

from pathlib import Path

import polars as pl
import pytest
from support.shop import STATUS, Shop
from support.sourced import CRM, hold, sourced

FRIDAY, MORNING = "2026-11-20", "2026-11-20T05:00Z"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop of a CRM and a club, each with one row."""
    shop = sourced(tmp_path, "crm", "cards")
    shop.set(profiles={"from": "sources", "id_key": "q8w7e6r5t4"}, namespaces={"Card": {}})
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com", "Ann"), name_of=pl.String)
    hold(shop, "cards", FRIDAY, ("K1", "a@x.com", "2026-11-19", False))
    shop.crm(mapping=["profile_id", "email", STATUS], guards={"max_shrink": "50%"})
    return shop


def notes(shop: Shop) -> str:
    """What a valid workspace is told."""
    return shop.ok("validate", "--at", MORNING).err


def mistake(shop: Shop) -> str:
    """What `validate` says of a workspace with a mistake."""
    result = shop.muster("validate", "--at", MORNING)
    assert result.code == 2, result.out + result.err
    return result.err


def test_a_valid_workspace(shop: Shop) -> None:
    """P: sources, a policy made by default and an audience: nothing is missing, and nothing is noted of sources."""
    said = notes(shop)
    assert "merge" not in said
    assert "namespace" not in said
    assert "key" not in said


def test_notes(shop: Shop) -> None:
    """P7, P11: what is allowed, and maybe not meant: unused namespaces, ids without a key, mixed policies."""
    shop.set(
        profiles={"from": "sources"}, namespaces={"Card": {}, "Kard": {}}, merge_policies={"plain": {"graph": "none"}}
    )
    shop.audience("plain", where="true", merge_policy="plain")
    sends = [{"audience": each, "export": "full", "schedule": {"at": "05:00"}} for each in ("all", "plain")]
    shop.crm(activations=sends)
    said = notes(shop)
    assert ": namespaces.Kard: no source has identities of the namespace 'Kard'" in said
    assert "profile ids are made without a key" in said
    assert "destinations/crm.yml: its activations are of the merge policies 'default' (crm/all) and 'plain'" in said


def test_a_rename_that_hides_a_column(shop: Shop) -> None:
    """P8: a renamed column that takes the name of another one of the files is noted, as that one is in no profile."""
    shop.write("sources/crm.yml", CRM | {"columns": {"name_of": "email"}})
    assert "sources/crm.yml: columns.name_of: the files have a column 'name_of' too, which nobody sees" in notes(shop)
    for swapped in ({"name_of": "email", "email": "name_of"}, {"mail": "email"}):
        shop.write("sources/crm.yml", CRM | {"columns": swapped})
        assert "columns." not in notes(shop)


def test_files_of_sources_are_not_read_where_profiles_have_a_path(shop: Shop) -> None:
    """P: where profiles have a path, files in sources/ are named by `validate`, and change nothing."""
    del shop.settings["namespaces"]
    shop.set(profiles={"path": "data/crm", "id": "crm_id"})
    shop.write("sources/crm.yml", "identities: [")
    assert "sources/cards.yml, sources/crm.yml: not read, as profiles have a path" in notes(shop)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"emial": ["I1"]}, "sources/crm.yml:9: labels.emial: 'emial': the files have no such column"),
        ({"email": ["I3"]}, "sources/crm.yml:10: labels.email[0]: unknown label 'I3'"),
        ({"email": ["C12"]}, "sources/crm.yml:9: labels.email: C12 is never exported: sources.crm.email -> email"),
    ],
)
def test_labels_of_a_source(shop: Shop, labels: dict[str, list[str]], expected: str) -> None:
    """G1, G3: a label of a column that the source lacks, an unknown label and a violation are told with their lines."""
    shop.write("sources/crm.yml", CRM | {"labels": labels})
    assert expected in mistake(shop)


def test_labels_of_muster_yml(shop: Shop) -> None:
    """G1: labels of sources and merged columns are checked against what there is."""
    shop.set(labels={"sources.crm": ["I1"], "email": ["I1"], "identity_map.Card": ["I1"], "name_of": ["I2"]})
    notes(shop)
    shop.set(labels={"sources.crn": ["I1"]})
    assert "labels.sources.crn: 'sources.crn': there is no source 'crn'; did you mean 'crm'?" in mistake(shop)
    shop.set(labels={"nam_of": ["I1"]})
    assert "'nam_of': the profiles have no such column; did you mean 'name_of'?" in mistake(shop)


def test_stitched_people_go_to_nobody_who_may_know_one_identity(shop: Shop) -> None:
    """G2, G3: with a private graph C10 is on every activation: the core policy about it stops the export, and no file
    is written; without a graph, nothing is stitched.
    """
    shop.set(core_policies=["single-identity-personalization"])
    shop.crm(
        mapping=["profile_id"],
        marketing_actions=["single_identity_personalization"],
        guards={"max_shrink": "50%"},
        manifest=False,
    )
    path = 'for C10: merge policy "default" -> audience "all" -> crm/all'
    assert path in mistake(shop)
    shop.evaluate(f"{FRIDAY}T02:00Z")
    result = shop.muster("run", "--at", MORNING)
    assert (result.code, path in result.err, shop.files()) == (1, True, [])
    shop.set(merge_policies={"default": {"graph": "none"}})
    shop.ok("run", "--at", f"{FRIDAY}T06:00Z")
    assert len(shop.files()) == 1


@pytest.mark.parametrize("name", ["profile_id", "identity_map"])
def test_columns_with_the_names_of_the_view(shop: Shop, name: str) -> None:
    """P8: a source's column of that name is a mistake, at validation and when profiles are built, unless renamed."""
    hold(shop, "crm", FRIDAY, ("C1", "a@x.com", "x"), **{name: pl.String})
    expected = f"sources/crm.yml:1: the files have a column {name!r}"
    assert expected in mistake(shop)
    result = shop.muster("evaluate", "--at", f"{FRIDAY}T02:00Z")
    assert (result.code != 0, expected in result.err) == (True, True)
    shop.write("sources/crm.yml", CRM | {"columns": {"theirs": name}})
    notes(shop)
    shop.evaluate(f"{FRIDAY}T02:00Z")


def test_the_key_of_ids_is_nowhere(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: the key is a secret: neither state nor files nor messages hold it, whether it is text or from a variable."""
    secret = "q8w7e6r5t4"  # noqa: S105  # it is one
    for key in (secret, "${ID_KEY}"):
        monkeypatch.setenv("ID_KEY", secret)
        shop.set(profiles={"from": "sources", "id_key": key})
        said = [
            shop.evaluate(f"{FRIDAY}T02:00Z", "-v"),
            shop.run(MORNING, "-v"),
            shop.ok("validate", "-v", "--at", MORNING),
        ]
        assert not [each for each in said if secret in each.out + each.err]
        held = {name for name, content in shop.tree().items() if secret.encode() in content}
        assert held <= {"muster.yml"}
    shop.set(profiles={"from": "sources", "id_key": secret, "path": "x"})
    assert secret not in mistake(shop)


def test_every_command_tells_of_a_mistake(shop: Shop) -> None:
    """SPEC 10: a mistake in a source stops every command, with all others."""
    shop.write("sources/crm.yml", CRM | {"mode": "change"})
    shop.set(merge_policies={"x": {"sources": ["crn"]}})
    for command in (["evaluate", "--at", MORNING], ["run", "--at", MORNING], ["validate"], ["runs", "list"]):
        result = shop.muster(*command)
        assert result.code == 2
        assert "sources/crm.yml:8: mode: 'change' is not allowed; expected snapshot or changes" in result.err
        assert "merge_policies.x.sources[0]: there is no source 'crn'; did you mean 'crm'?" in result.err
