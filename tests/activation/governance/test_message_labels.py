"""Labels and policies of activations that send messages (V5, G2, G3)."""

from pathlib import Path
from typing import Any

from support.shop import Shop

from muster.activation.config import workspace as config
from muster.activation.governance.judged import Judge, Judgement, record
from muster.activation.model.workspace import Workspace

LABELS = {"email": ["I1"], "health": ["RHD"], "identity_map.Phone": ["I2"], "income": ["C3"], "profile_id": ["S1"]}
ADS = ["onsite_advertising"]


def workspace(root: Path, deny: str = "", actions: list[str] | None = None, **destination: Any) -> Workspace:
    """`ads/all` tells the audience all; sick, rich and known by their labels are not mapped."""
    shop = Shop(root, labels=LABELS)
    shop.audience("all", where="true")
    shop.audience("sick", where="health = 'bad'")
    shop.audience("rich", where="income > 5")
    shop.audience("plain", where="city = 'Berlin'")
    shop.destination(
        "ads",
        **(
            {
                "kind": "http",
                "url": "https://ads.example.com/people",
                "marketing_actions": ADS if actions is None else actions,
                "activations": [{"audiences": ["all"]}],
            }
            | destination
        ),
    )
    if deny:
        shop.write("policies/p.yml", {"actions": ADS, "deny": deny})
    return config.load(root, {})


def judged(root: Path, deny: str = "", **destination: Any) -> Judgement:
    found = workspace(root, deny, **destination)
    return Judge(found).of(found.message_activations[0])


def labels(judgement: Judgement) -> set[str]:
    return {label for each in judgement.labelled for label in each.labels}


def test_every_namespace_counts_as_mapped(tmp_path: Path) -> None:
    """V5, G2: messages of profiles hold the whole identity map; with `identities` the named namespaces alone."""
    assert labels(judged(tmp_path / "all")) == {"I2"}
    assert labels(judged(tmp_path / "one", identities=["Email"])) == set()
    assert labels(judged(tmp_path / "two", identities=["Email", "Phone"])) == {"I2"}


def test_what_a_message_carries(tmp_path: Path) -> None:
    """G2: mapped columns, `attributes_version`, and the rules of all mapped audiences, not only of the first."""
    found = judged(tmp_path, mapping=["email"], identities=[], activations=[{"id": "x", "audiences": ["all", "sick"]}])
    assert labels(found) == {"I1", "RHD"}
    assert labels(judged(tmp_path / "moves", identities=[], attributes_version="income")) == {"C3"}


def test_what_a_request_carries(tmp_path: Path) -> None:
    """G2, V6: a declared request has the namespace of its column, deduplication keys, and profile ids that it uses."""
    request = {"people": {"each": "profiles", "as": "=MAIL"}}
    columns = [{"source": "email", "target": "MAIL"}]
    assert labels(judged(tmp_path / "columns", columns=columns, request=request)) == {"I1"}
    phone = [{"source": "identity_map.Phone", "target": "MAIL"}]
    assert labels(judged(tmp_path / "phone", columns=phone, request=request)) == {"I2"}
    key = {"columns": columns, "deduplicate": ["income"]}
    assert labels(judged(tmp_path / "key", request=request, **key)) == {"I1", "C3"}
    by_id = {"people": {"each": "profiles", "as": "=profile_id"}}
    assert labels(judged(tmp_path / "id", request=by_id)) == {"S1"}
    assert labels(judged(tmp_path / "url", url="https://a.example.com/{profile_id}", request={"a": 1})) == {"S1"}


def test_a_stream_carries_the_id(tmp_path: Path) -> None:
    """G2: a record of Kinesis has the profile id as its partition key."""
    stream = {"kind": "kinesis", "stream": "people", "activations": [{"audiences": ["all"]}], "identities": []}
    shop = Shop(tmp_path, labels=LABELS)
    shop.audience("all", where="true")
    shop.destination("ads", **stream)
    found = config.load(tmp_path, {})
    assert labels(Judge(found).of(found.message_activations[0])) == {"S1"}


def test_a_violation_stops_messages(tmp_path: Path) -> None:
    """G3: a policy that is true of the labels is violated, and says the way from the column to the activation."""
    found = judged(tmp_path, "I2")
    assert [str(each) for each in found.violations] == [
        "policy 'p' denies onsite_advertising for I2: identity_map.Phone -> identities -> ads/all"
    ]


def test_unmapped_audiences_that_violate_are_left_out(tmp_path: Path) -> None:
    """V5: messages leave out an unmapped audience whose labels would violate a policy, and tell the others."""
    found = judged(tmp_path, "RHD")
    assert found.violations == ()
    assert found.told == ("plain", "rich")
    assert [str(each) for each in found.untold["sick"]] == [
        "policy 'p' denies onsite_advertising for RHD: health -> audience \"sick\" -> ads/all"
    ]
    assert (record(found) or {})["untold_audiences"] == ["sick"]


def test_unmapped_audiences_go_with_each_other(tmp_path: Path) -> None:
    """V5: what is told together may not violate a policy together; audiences are taken by id."""
    found = judged(tmp_path, "RHD AND C3")
    assert (found.told, [*found.untold]) == (("plain", "rich"), ["sick"])


def test_which_audiences_are_unmapped(tmp_path: Path) -> None:
    """V5: none with `unmapped_audiences: none` nor with a declared request; without policies all others."""
    assert judged(tmp_path / "all", actions=[]).told == ("plain", "rich", "sick")
    assert judged(tmp_path / "none", unmapped_audiences="none").told == ()
    assert judged(tmp_path / "request", request={"a": 1}).told == ()
    both = [{"id": "x", "audiences": ["all", "sick"]}]
    found = workspace(tmp_path / "two", activations=both)
    assert Judge(found).told_audiences(found.message_activations[0]) == ("plain", "rich")


def test_unmapped_audiences_of_other_merge_policies(tmp_path: Path) -> None:
    """V5: profiles of another merge policy are other profiles, so their audiences are not told."""
    shop = Shop(
        tmp_path,
        profiles={"from": "sources"},
        merge_policies={"default": {"graph": "private"}, "apart": {"graph": "none"}},
    )
    identities = [{"column": "email", "namespace": "Email", "primary": True}]
    shop.write("sources/crm.yml", {"path": "data/crm", "identities": identities})
    for name, policy in (("all", "default"), ("other", "default"), ("apart", "apart")):
        shop.write(f"audiences/{name}.yml", {"where": True, "merge_policy": policy})
    shop.destination("ads", kind="http", url="https://a.example.com/x", activations=[{"audiences": ["all"]}])
    found = config.load(tmp_path, {})
    assert Judge(found).told_audiences(found.message_activations[0]) == ("other",)
