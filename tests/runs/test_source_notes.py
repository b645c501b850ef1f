"""Notes of `validate` about profiles from sources (P7, P11)."""

from pathlib import Path

from support.shop import Shop

from muster.activation.config.workspace import load
from muster.runs.source_notes import source_notes

ID = {"column": "id", "namespace": "CRMID", "primary": True}


def shop_of(root: Path, *identities: dict[str, object], **settings: object) -> Shop:
    """A workspace with one source."""
    shop = Shop(root, profiles={"from": "sources", "id_key": "q8w7e6"}, **settings)
    shop.write("sources/crm.yml", {"path": "data/crm", "identities": [ID, *identities]})
    return shop


def notes(shop: Shop, held: frozenset[str] | None = frozenset()) -> list[str]:
    return list(source_notes(load(shop.root, {}), lambda: held))


def test_a_declared_namespace_that_no_source_has(tmp_path: Path) -> None:
    """P: a declared namespace that nothing uses is named with its line; built-in ones may stay unused."""
    declared = {"CRMID": {"unique": True}, "Card": {"priority": 3}}
    (note,) = notes(shop_of(tmp_path, namespaces=declared))
    assert note.startswith("muster.yml:")
    assert "namespaces.Card: no source has identities of the namespace 'Card'" in note
    assert not notes(shop_of(tmp_path, {"column": "card", "namespace": "Card"}, namespaces=declared))


def test_an_identity_map_may_have_any_namespace(tmp_path: Path) -> None:
    """P: with an identity map in a source, the profiles say which namespaces there are."""
    shop = shop_of(tmp_path, {"identity_map": "ids"}, namespaces={"Card": {}})
    assert not notes(shop, frozenset({"CRMID", "Card"}))
    assert len(notes(shop, frozenset({"CRMID"}))) == 1
    assert not notes(shop, None)


def test_ids_without_a_key(tmp_path: Path) -> None:
    """P7: without `id_key`, ids can be computed from addresses and numbers, which is noted."""
    shop = shop_of(tmp_path)
    assert not notes(shop)
    shop.set(profiles={"from": "sources"})
    assert "who knows an e-mail address or a number can compute the id" in " ".join(notes(shop))


def test_one_destination_with_two_policies(tmp_path: Path) -> None:
    """P11: who gets profiles of two merge policies gets one person by two ids, which is noted once."""
    shop = shop_of(tmp_path, merge_policies={"plain": {"graph": "none"}})
    shop.audience("all", where="true")
    shop.audience("cards", where="true", merge_policy="plain")
    sends = [{"audience": each, "export": "full", "schedule": "on_demand"} for each in ("all", "cards")]
    shop.destination("crm", mapping=["profile_id"], activations=sends[:1])
    assert not notes(shop)
    shop.destination("crm", mapping=["profile_id"], activations=sends, file_name="{activation}_{date}")
    (note,) = notes(shop)
    assert note.startswith("destinations/crm.yml: its activations are of the merge policies 'default' (crm/all) and")
    shop.destination("crm", mapping=["profile_id"], activations=[sends[0], sends[1] | {"enabled": False}])
    assert not notes(shop)


def test_profiles_with_a_path_have_no_such_notes(tmp_path: Path) -> None:
    """P: a workspace with `profiles.path` hears nothing of this."""
    assert not notes(Shop(tmp_path))


def test_answers_of_sources_that_are_not_read(tmp_path: Path) -> None:
    """G4: a consent policy that counts no source of the activation's merge policy finds no answer, which is noted."""
    shop = shop_of(tmp_path, merge_policies={"other": {"sources": ["shop"]}})
    shop.write("sources/shop.yml", {"path": "data/shop", "identities": [ID]})
    shop.write("policies/opt-in.yml", {"actions": ["analytics"], "consent": "y", "consent_from": ["shop"]})
    shop.audience("all", where="true")
    shop.crm(marketing_actions=["analytics"])
    assert not notes(shop)
    shop.write("policies/opt-in.yml", {"actions": ["analytics"], "consent": "y", "consent_from": ["crm"]})
    shop.audience("all", where="true", merge_policy="other")
    (note,) = notes(shop)
    assert note.startswith("crm/all: policy 'opt-in' is judged by 'crm' alone, which the merge policy 'other' does not")
