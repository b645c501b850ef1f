"""The second snapshot: the first one, changed by a day."""

from copy import deepcopy
from random import Random

from muster.sample_data import STORY
from muster.sample_data.names import between, phone_number
from muster.sample_data.people import BLACK_FRIDAY, COUNT, Profile, is_ordinary, newcomer

NEWCOMERS = 20
DELETED = 8  # plus one of the story


def second_day(first: list[Profile], registered: set[str]) -> list[Profile]:
    """The profiles of the second snapshot, sorted by id.

    ``registered``: ids of the customers who signed up for Black Friday in the app on the first day.
    """
    rng = Random("a day later")
    profiles = deepcopy(first)
    ordinary = sorted((profile for profile in profiles if is_ordinary(profile)), key=lambda _: rng.random())
    deleted = {profile["profile_id"] for profile in ordinary[:DELETED]} | {STORY["deleted"].profile_id}
    _change_at_random(rng, ordinary[DELETED:])
    _tell_the_story({profile["profile_id"]: profile for profile in profiles})
    for profile in profiles:
        if profile["profile_id"] in registered:
            profile["tags"] = [*(profile["tags"] or []), BLACK_FRIDAY]
    remaining = [profile for profile in profiles if profile["profile_id"] not in deleted]
    return sorted(
        remaining + [newcomer(rng, COUNT + 1 + number) for number in range(NEWCOMERS)],
        key=lambda profile: str(profile["profile_id"]),
    )


def _change_at_random(rng: Random, profiles: list[Profile]) -> None:
    """Change points, subscriptions, consents, phones and the order of identities, each for other people."""
    for profile in profiles[:200]:
        if profile["loyalty"]:
            profile["loyalty"]["points"] += between(rng, 1, 300)
    for profile in profiles[200:235]:
        profile["newsletter"] = not profile["newsletter"]
    for profile in profiles[235:255]:
        if profile["consents"]:
            answer = profile["consents"]["marketing"]["email"]
            answer["val"] = "n" if answer["val"] == "y" else "y"
    for profile in profiles[255:265]:
        if profile["loyalty"]:
            profile["loyalty"]["tier"] = "platinum"
    for profile in profiles[265:280]:
        profile["identity_map"].append(
            {"namespace": "Phone", "id": phone_number(rng, "+44 7700 900###").replace(" ", "")}
        )
    for profile in profiles[280:340]:
        profile["identity_map"].reverse()


def _tell_the_story(by_id: dict[str, Profile]) -> None:
    story = {role: by_id[person.profile_id] for role, person in STORY.items()}
    story["new_phone"]["phone"] = "+1 617 555 0199"
    story["new_phone"]["identity_map"].append({"namespace": "Phone", "id": "+16175550199"})
    story["email_gained"]["email"] = "priya.nair@example.com"
    story["email_gained"]["identity_map"].append({"namespace": "Email", "id": "priya.nair@example.com"})
    story["email_lost"]["email"] = None
    story["email_lost"]["identity_map"] = [
        entry for entry in story["email_lost"]["identity_map"] if entry["namespace"] != "Email"
    ]
    story["withdrew"]["consents"]["marketing"]["email"]["val"] = "n"
    story["points_only"]["loyalty"]["points"] += 250
    story["reordered"]["identity_map"].reverse()
