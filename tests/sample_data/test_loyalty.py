"""The loyalty club holds the story that it tells, and the mistakes that its rules are for."""

from collections import Counter, defaultdict
from pathlib import Path

import polars as pl
import pytest
from support.shop import Result, invoke

from muster import sample_data
from muster.sample_data import CLUB, CLUB_ACTIVATIONS, DAYS, EVALUATIONS, club

WORKSPACE = Path(sample_data.__file__).parent / "loyalty"
CRM = {day: pl.read_parquet(WORKSPACE / f"data/crm/{day}.parquet") for day in DAYS}
CARDS = pl.read_parquet(WORKSPACE / "data/cards/*.parquet")
VISITS = pl.read_parquet(WORKSPACE / "data/web/*.parquet")


def addresses_of_browsers(until: object) -> dict[str, set[str]]:
    """By address, the browsers in which it was used up to an instant."""
    found: dict[str, set[str]] = defaultdict(set)
    for ecid, email in (
        VISITS.filter(pl.col("timestamp") <= until, pl.col("email").is_not_null()).select("ecid", "email").rows()
    ):
        found[email].add(ecid)
    return found


def cards_at(day: int) -> dict[str, dict[str, object]]:
    """The newest row of each card at an evaluation."""
    rows = CARDS.filter(pl.col("updated_at") <= EVALUATIONS[day]).sort("updated_at").to_dicts()
    return {row["card"]: row for row in rows}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What the second part of the demo tells."""
    return invoke("demo", str(tmp_path_factory.mktemp("club") / "demo"), "--sample", "loyalty")


def lines_with(text: str, *words: str) -> list[list[str]]:
    """The words of each line that has all of some words."""
    return [line.split() for line in text.splitlines() if all(word in line for word in words)]


def test_one_browser_makes_two_people_one() -> None:
    """P3: the two addresses meet in one browser after the first evaluation, and nowhere before or besides."""
    one, other = CLUB["merged"].addresses
    customer, card = CLUB["merged"].keys
    assert CRM[DAYS[0]].filter(pl.col("crm_id") == customer)["email"].to_list() == [one]
    assert cards_at(0)[card]["email"] == other
    before, after = addresses_of_browsers(EVALUATIONS[0]), addresses_of_browsers(EVALUATIONS[1])
    assert before[one]
    assert not before[other]
    assert after[other] == after[one] == before[one]
    assert other not in CRM[DAYS[1]]["email"].to_list()


def test_both_are_sent_before_they_merge() -> None:
    """P11: each of the two has its own newsletter column on the first day, and the card's row is the newer one."""
    customer, card = CLUB["merged"].keys
    [record] = CRM[DAYS[0]].filter(pl.col("crm_id") == customer).to_dicts()
    assert record["newsletter"]
    assert cards_at(0)[card]["newsletter"]
    assert cards_at(0)[card]["updated_at"] > record["updated_at"]


def test_visits_of_before_signing_in() -> None:
    """P9: three views of tents by a browser that has no name until after the first evaluation."""
    [address] = CLUB["known"].addresses
    assert not addresses_of_browsers(EVALUATIONS[0])[address]
    [browser] = addresses_of_browsers(EVALUATIONS[1])[address]
    views = VISITS.filter(pl.col("ecid") == browser, pl.col("category") == "camping")
    assert views.height == 3
    assert views["timestamp"].max() < EVALUATIONS[0]


def test_a_card_goes_and_another_changes() -> None:
    """P1: a deleted card, of somebody whom no other source has; points that change."""
    [gone], [_, card] = CLUB["closed"].keys, CLUB["points"].keys
    before, after = cards_at(0), cards_at(1)
    assert (before[gone]["is_deleted"], after[gone]["is_deleted"]) == (False, True)
    assert CLUB["closed"].address not in CRM[DAYS[1]]["email"].to_list()
    assert after[card]["points"] == before[card]["points"] + 250


def test_the_club_has_what_rules_are_for() -> None:
    """P1 to P5: records without a key, a blocked address, a till and a tablet that link many, shared addresses."""
    assert CRM[DAYS[0]].filter(pl.col("crm_id").is_null() | pl.col("crm_id").is_in(["", "N/A"])).height == 3
    till = CARDS.filter(pl.col("email") == club.TILL)
    assert till["card"].n_unique() == club.TILL_CARDS > 20
    assert (CARDS["email"] == club.NOBODY).any()
    tablet = VISITS.filter(pl.col("email").is_not_null()).group_by("ecid").agg(pl.col("email").n_unique())
    assert sorted(tablet["email"])[-2:] == [2, club.TABLET_VISITORS]
    shared = Counter(email.strip().lower() for email in CRM[DAYS[0]]["email"] if email)
    assert sum(number > 1 for number in shared.values()) == 5
    assert VISITS["ecid"].str.contains(r"^[0-9]{38}$").all()


def test_the_people_of_the_club_are_in_its_story() -> None:
    """LOYALTY.md has a row for each person, with keys, name and what happened."""
    text = (WORKSPACE.parent / "LOYALTY.md").read_text()
    for person in CLUB.values():
        assert f"| {', '.join(person.keys)} | {person.name} | {person.happens} |" in text
    destinations = [path.stem for path in (WORKSPACE / "destinations").iterdir()]
    assert {key.partition("/")[0] for key in CLUB_ACTIVATIONS} == set(destinations)


def test_the_demo_shows_a_merge_and_what_it_did_to_a_file(demo: Result) -> None:
    """P7, P8, P11: two profiles on the first day, one on the second; the old address leaves the receiver."""
    assert (demo.code, demo.err) == (0, "")
    one, other = CLUB["merged"].addresses
    first, second = (lines_with(demo.out, f"{day}T05:00:00Z", "...") for day in DAYS)
    ids = {row[1] for row in first}
    assert sorted((row[2], row[3]) for row in first) == [(other, "realized"), (one, "realized")]
    assert sorted((row[2], row[3]) for row in second) == [(other, "realized"), (one, "exited")]
    assert len(ids) == 2
    assert {row[1] for row in second} < ids
    [profile] = lines_with(demo.out, "profile ", "", f"{second[0][1].removesuffix('...')}")
    assert profile[0] == "profile"
    assert lines_with(demo.out, "person.name.first", "Nora", "crm")
    assert lines_with(demo.out, "points", "1340", "cards")
    assert "1 profile was merged into another" in demo.out


def test_the_demo_says_what_became_of_the_others(demo: Result) -> None:
    """P1, P9: who was known by a cookie joins, whose card is gone leaves, a changed attribute is no reason."""
    told = {
        person.name: next(
            line.split("  ")[-1].strip() for line in demo.out.splitlines() if line.startswith(person.name)
        )
        for role, person in CLUB.items()
        if role != "merged"
    }
    assert told == {
        "Emil Falk": "camping: realized",
        "Jun Watanabe": "newsletter: exited",
        "Rosa Marchand": "not sent: nothing changed",
    }
