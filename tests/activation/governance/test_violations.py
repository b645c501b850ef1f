"""Violations: policies over labels, C12, and how a violation is told (G3)."""

from pathlib import Path

import pytest
from support.shop import Shop

from muster.activation.config import workspace as config
from muster.activation.governance.judged import Judge, Judgement, applied, problems, record
from muster.activation.rules import labels


@pytest.mark.parametrize(
    ("expression", "present", "causes"),
    [
        ("RHD", {"RHD", "C3"}, {"RHD"}),
        ("RHD OR (C3 AND I1)", {"RHD", "C3"}, {"RHD"}),
        ("RHD OR (C3 AND I1)", {"C3", "I1", "S1"}, {"C3", "I1"}),
        ("RHD OR (C3 AND I1)", {"RHD", "C3", "I1"}, {"RHD", "C3", "I1"}),
        ("C4 AND NOT PSPD", {"C4"}, {"C4"}),
        ("NOT PSPD", {"C4"}, set()),
    ],
)
def test_the_labels_that_make_a_policy_deny(expression: str, present: set[str], causes: set[str]) -> None:
    """G3: a violation names the labels without which the policy would not deny, and no others."""
    parsed = labels.parse(expression)
    assert parsed.is_true(present)
    assert parsed.causes(present) == causes


LABELS = {"email": ["I1"], "health": ["RHD"], "secret": ["C12"]}


def judged(root: Path, policy: str, actions: list[str], mapping: list[object], **settings: object) -> Judgement:
    """The judgement of `ads/all` with this mapping, in a workspace with one policy for onsite_advertising."""
    shop = Shop(root, **({"labels": LABELS} | settings))
    shop.audience("all", where="true")
    activation = {"audience": "all", "export": "full", "schedule": "on_demand"}
    shop.destination("ads", marketing_actions=actions, mapping=mapping, activations=[activation])
    if policy:
        shop.write("policies/p.yml", {"actions": ["onsite_advertising", "analytics"], "deny": policy})
    found = config.load(root, {})
    return Judge(found).of(found.activations[0])


ADS = ["onsite_advertising"]


@pytest.mark.parametrize(
    ("policy", "actions", "mapping", "told"),
    [
        ("I1", ADS, ["email"], "policy 'p' denies onsite_advertising for I1: email -> column \"email\" -> ads/all"),
        ("I1", ["analytics", *ADS], ["email"], "policy 'p' denies analytics and onsite_advertising for I1: email -> "),
        (
            "I1 AND RHD",
            ADS,
            ["email", {"source": "health.score", "target": "s"}],
            'for I1 and RHD: email (I1) -> column "email" -> ads/all; health.score (RHD) -> column "s" -> ads/all',
        ),
        ("I1", ADS, ["email", {"source": "email", "target": "m"}], 'column "email" -> ads/all (and 1 more)'),
        ("NOT RHD", ADS, ["city"], "policy 'p' denies onsite_advertising of ads/all, as NOT RHD is true of its labels"),
        ("", [], ["secret"], 'C12 is never exported: secret -> column "secret" -> ads/all'),
    ],
)
def test_what_a_violation_says(
    policy: str, actions: list[str], mapping: list[object], told: str, tmp_path: Path
) -> None:
    """G3: a violation names policy, actions in common, labels, and the path; C12 needs no policy and no action."""
    [violation] = judged(tmp_path, policy, actions, mapping).violations
    assert told in str(violation)


@pytest.mark.parametrize(
    ("policy", "actions", "mapping"),
    [
        ("I1", ["email_targeting"], ["email"]),
        ("I1", [], ["email"]),
        ("I1 AND RHD", ADS, ["email"]),
        ("I1", ADS, ["city"]),
        ("", ADS, ["email"]),
    ],
)
def test_what_violates_nothing(policy: str, actions: list[str], mapping: list[object], tmp_path: Path) -> None:
    """G3: a violation needs an action in common, and labels that make `deny` true."""
    assert judged(tmp_path, policy, actions, mapping).violations == ()


def test_a_policy_that_is_off_denies_nothing(tmp_path: Path) -> None:
    """G3: `enabled: false` keeps a policy without using it; core policies are off until `core_policies` names them."""
    shop = Shop(tmp_path, labels={"email": ["C4"]})
    shop.audience("all", where="true")
    activation = {"audience": "all", "export": "full", "schedule": "on_demand"}
    actions = ["email_targeting"]
    shop.destination("ads", marketing_actions=actions, mapping=["email"], activations=[activation])
    shop.write("policies/p.yml", {"actions": actions, "deny": "C4", "enabled": False})
    found = config.load(tmp_path, {})
    assert Judge(found).of(found.activations[0]).violations == ()
    shop.set(core_policies=["email-targeting"])
    found = config.load(tmp_path, {})
    [violation] = Judge(found).of(found.activations[0]).violations
    assert str(violation).startswith("policy 'email-targeting' denies email_targeting for C4")
    line = 1 + (tmp_path / "muster.yml").read_text().split("\n").index("- email-targeting")
    assert str(problems(Judge(found).of(found.activations[0]))[0]).startswith(f"muster.yml:{line}: core_policies[0]: ")


def test_every_violation_of_an_activation_is_told(tmp_path: Path) -> None:
    """G3: all of them, C12 first, then by the id of the policy, each with its file and line."""
    judgement = judged(
        tmp_path, "I1", ADS, ["email", "secret"], labels=LABELS | {"city": ["C6"]}, core_policies=["onsite-advertising"]
    )
    assert [each.policy and each.policy.id for each in judgement.violations] == [None, "p"]
    assert [(each.file, bool(each.line)) for each in problems(judgement)] == [
        ("muster.yml", True),
        ("policies/p.yml", True),
    ]


def test_what_nothing_governs_is_recorded_nowhere(tmp_path: Path) -> None:
    """G6, G7: without labels, policies and marketing actions, runs record nothing and manifests have no new key."""
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    shop.destination(
        "ads", mapping=["email"], activations=[{"audience": "all", "export": "full", "schedule": "on_demand"}]
    )
    found = config.load(tmp_path, {})
    judgement = Judge(found).of(found.activations[0])
    assert (record(judgement), applied(judgement, {})) == (None, None)


def test_an_activation_is_judged_once(tmp_path: Path) -> None:
    """Cost: one command traces an activation once, however often it asks."""
    judgement = judged(tmp_path, "I1", ADS, ["email"])
    judge = Judge(found := config.load(tmp_path, {}))
    assert judge.of(found.activations[0]) is judge.of(found.activations[0])
    assert judge.of(found.activations[0]) == judgement
