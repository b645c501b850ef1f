"""Labels with profiles from sources: what reaches an activation, and by which path (G2, P7), by the YAML alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop

from muster.activation.config import workspace as config
from muster.activation.governance.judged import Judge, Judgement, record

CRM = {
    "path": "data/crm",
    "identities": [
        {"column": "crm_id", "namespace": "CRMID", "primary": True},
        {"column": "email", "namespace": "Email"},
        {"column": "person.phones", "namespace": "Phone"},
    ],
    "columns": {"points": "loyalty.points", "town": "city"},
    "labels": {"email": ["I1"], "person.phones": ["S1"], "loyalty.points": ["C2"], "city": ["S2"], "crm_id": ["C5"]},
}
LOYALTY = {
    "path": "data/loyalty",
    "identities": [{"column": "card", "namespace": "Card", "primary": True}, {"identity_map": "ids"}],
    "labels": {"points": ["C3"], "ids.Email": ["RHD"]},
}
WEB = {
    "kind": "events",
    "path": "data/web",
    "timestamp": "at",
    "identities": [{"column": "ecid", "namespace": "ECID", "primary": True}],
    "columns": {"page": "url"},
    "labels": {"url": ["C4"], "at": ["C6"], "ecid": ["C7"]},
}
EVERY_ID = {"I1", "S1", "C5", "RHD", "C7"}  # what feeds a namespace


def judged(
    root: Path, mapping: list[Any], *, policy: str = "default", where: str = "true", **settings: Any
) -> Judgement:
    """The judgement of `ads/all`, without C10; ``where`` and ``events`` are the audience's."""
    shop = Shop(root, profiles={"from": "sources", "id_key": "q8w7e6"}, namespaces={"Card": {"priority": 2}})
    sources = settings.pop("sources", {"crm": CRM, "loyalty": LOYALTY, "web": WEB})
    for name, source in sources.items():
        shop.write(f"sources/{name}.yml", source)
    shop.audience("all", where=where, merge_policy=policy, events=settings.pop("events", {}))
    merge = {"crm-only": {"sources": ["crm"]}, "cards": {"graph": "none", "sources": ["loyalty", "web"]}}
    shop.set(**({"merge_policies": merge} | settings))
    activation = {"audience": "all", "export": "full", "schedule": "on_demand"}
    shop.destination("ads", marketing_actions=["onsite_advertising"], mapping=mapping, activations=[activation])
    found = config.load(root, {})
    return Judge(found).of(found.activations[0])


def labels(judgement: Judgement) -> set[str]:
    """The labels of an activation but for C10."""
    return {label for each in judgement.labelled for label in each.labels} - {"C10"}


@pytest.mark.parametrize(
    ("mapped", "expected"),
    [
        # a merged column has the labels of the columns of all sources that give it, under the names of the files
        ("email", {"I1"}),
        ("points", {"C2", "C3"}),
        ("town", {"S2"}),
        ("city", set()),
        ("loyalty.points", {"C2"}),
        ("loyalty", {"C2"}),
        ("loyalty.card", set()),
        ("person", {"S1"}),
        ("person.phones[0]", {"S1"}),
        ("person.name", set()),
        ("first_name", set()),
        # a namespace has the labels of the columns that feed it
        ("identity_map.CRMID", {"C5"}),
        ("identity_map.Email", {"I1", "RHD"}),
        ("identity_map.Phone", {"S1"}),
        ("identity_map.Card", set()),
        ("identity_map.ECID", {"C7"}),
        ("identity_map", EVERY_ID),
        ("profile_id", set()),
    ],
)
def test_what_a_mapped_column_carries(tmp_path: Path, mapped: str, expected: set[str]) -> None:
    """G2, P8: labels of sources follow renames into merged columns, and identity columns into namespaces."""
    assert labels(judged(tmp_path, [{"source": mapped, "target": "t"}])) == expected


@pytest.mark.parametrize(
    ("mapped", "policy", "expected"),
    [
        ("points", "crm-only", {"C2"}),
        ("points", "cards", {"C3"}),
        ("email", "cards", set()),
        ("identity_map.Email", "crm-only", {"I1"}),
        ("identity_map.Email", "cards", {"RHD"}),
        ("identity_map.ECID", "cards", set()),
    ],
)
def test_only_the_sources_of_the_policy_count(tmp_path: Path, mapped: str, policy: str, expected: set[str]) -> None:
    """G2: what the policy does not read gives no label; without a graph, events bring no identity."""
    assert labels(judged(tmp_path, [{"source": mapped, "target": "t"}], policy=policy)) == expected


def test_what_rules_and_measures_carry(tmp_path: Path) -> None:
    """G2: a rule carries the labels of the columns that it reads; measures those of event sources, time included."""
    assert labels(judged(tmp_path, ["first_name"], where="points > 3 AND 'x' = ANY(identity_map.Phone)")) >= {
        "C2",
        "C3",
    }
    events = {"visits": {"measure": "count", "where": "page = '/'"}}
    assert labels(judged(tmp_path, ["first_name"], where="visits > 1", events=events)) == {"C4", "C6", "C7"}
    assert labels(judged(tmp_path, ["first_name"], where="visits > 1", events={"visits": {"measure": "count"}})) == {
        "C6",
        "C7",
    }


@pytest.mark.parametrize(
    ("policy", "expected"), [("default", {*EVERY_ID, "PSPD"}), ("crm-only", {"I1", "S1", "C5"}), ("cards", {"PSPD"})]
)
def test_an_id_without_a_key_tells_who_it_is(tmp_path: Path, policy: str, expected: set[str]) -> None:
    """P7: without `id_key`, `profile_id` has the labels of all namespaces that ids are made of.

    Without a graph these are the namespaces of primary identities.
    """
    own = {"identity_map.Card": ["PSPD"], "email": ["C8"]} if policy != "crm-only" else {}
    without = {"from": "sources"}
    found = judged(tmp_path, ["profile_id"], policy=policy, profiles=without, labels=own)
    assert labels(found) - {"C8"} == expected
    assert not labels(judged(tmp_path, ["profile_id"], policy=policy, labels=own))


@pytest.mark.parametrize(
    ("policy", "expected"), [("default", {"C1", "C9", "C11"}), ("crm-only", {"C9"}), ("cards", {"C1", "C11"})]
)
def test_the_sources_of_the_policy_have_labels(tmp_path: Path, policy: str, expected: set[str]) -> None:
    """G2: labels of the sources of the activation's merge policy are on it, whatever it reads."""
    own = {"sources.crm": ["C9"], "sources.loyalty": ["C1"], "sources.web": ["C11"]}
    assert labels(judged(tmp_path, ["first_name"], policy=policy, labels=own)) == expected


def test_labels_of_muster_yml_hold_for_merged_columns(tmp_path: Path) -> None:
    """G2: a label of a merged column is one of the namespaces that the column feeds, too."""
    own = {"email": ["C8"], "events.ecid": ["C9"], "identity_map.Phone": ["PSPD"]}
    assert labels(judged(tmp_path, ["email"], labels=own)) == {"I1", "C8"}
    assert labels(judged(tmp_path, ["identity_map.Email"], labels=own)) == {"I1", "C8", "RHD"}
    assert labels(judged(tmp_path, ["identity_map.ECID"], labels=own)) == {"C7", "C9"}
    assert labels(judged(tmp_path, ["identity_map.Phone"], labels=own)) == {"S1", "PSPD"}


def test_profiles_of_a_graph_have_c10(tmp_path: Path) -> None:
    """G2: C10 is on every activation whose policy has a private graph, and on no other."""
    for policy, expected in (("default", True), ("crm-only", True), ("cards", False)):
        found = judged(tmp_path, ["first_name"], policy=policy)
        assert any("C10" in each.labels for each in found.labelled) is expected


@pytest.mark.parametrize(
    ("deny", "mapping", "told"),
    [
        ("I1", ["email"], 'sources.crm.email -> email -> column "email" -> ads/all'),
        ("C3", ["points"], 'sources.loyalty.points -> points -> column "points" -> ads/all'),
        ("C2", ["points"], 'sources.crm.loyalty.points -> points -> column "points" -> ads/all'),
        (
            "RHD",
            ["identity_map.Email"],
            'sources.loyalty.ids.Email -> identity_map.Email -> column "identity_map_Email"',
        ),
        ("C10", ["first_name"], 'merge policy "default" -> audience "all" -> ads/all'),
        ("C9", ["first_name"], 'sources.crm -> merge policy "default" -> audience "all" -> ads/all'),
    ],
)
def test_the_path_of_a_violation(tmp_path: Path, deny: str, mapping: list[Any], told: str) -> None:
    """G3: a violation names the way from the source over column or audience to the activation."""
    Shop(tmp_path).write("policies/p.yml", {"actions": ["onsite_advertising"], "deny": deny})
    (violation,) = judged(tmp_path, mapping, labels={"sources.crm": ["C9"]}).violations
    assert f"for {deny}: {told}" in str(violation)


def test_c12_of_a_column_of_a_source_is_a_violation_there(tmp_path: Path) -> None:
    """G3: C12 in a source's file needs no policy, and the mistake is at the label."""
    sources: Mapping[str, Any] = {"crm": CRM | {"labels": {"email": ["C12"]}}}
    (violation,) = judged(tmp_path, ["identity_map.Email"], sources=sources, merge_policies={}).violations
    assert violation.location.file == "sources/crm.yml"
    assert violation.location.key == "labels.email"
    assert "sources.crm.email -> identity_map.Email" in str(violation)


def test_a_run_records_c10_without_any_policy(tmp_path: Path) -> None:
    """G7: what an activation has by its merge policy is recorded, also where muster.yml has no label."""
    found = record(judged(tmp_path, ["first_name"]))
    assert found is not None
    assert {
        "on": 'merge policy "default"',
        "labels": ["C10"],
        "path": ['merge policy "default"', 'audience "all"', "ads/all"],
    } in found["labels"]
