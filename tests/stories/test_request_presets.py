"""Presets of requests: what each sends, to the byte, and how its receiver's answers are read (V1, V10).

The golden files hold the requests of two days: the first delivery, and a day on which one person has another e-mail
address, one left the audience and one came (accept with MUSTER_ACCEPT=1 after a look at the receiver's pages).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.event_shop import EventShop, somebody
from support.receiver import Received, Receiver, Say

from muster.activation.presets.message_presets import get_message_preset, message_preset_names
from muster.runs import list_presets, show_preset

GOLDEN = Path(__file__).parents[1] / "golden"
FIRST = (somebody("a", " Ann@x.com"), somebody("b"), somebody("c"), somebody("d", vip=False))
SECOND = (somebody("a", "ann@new.com"), somebody("b", vip=False), somebody("c"), somebody("d"))


def shop_with(preset: str, root: Path, receiver: Receiver) -> EventShop:
    """A workspace with one destination of a preset, which tells who is in `vips`, one request after the other."""
    shop = EventShop(root, receiver)
    lists, alias = ("/{audience.alias}/users", {"alias": "23845"}) if preset.startswith("meta") else ("", {})
    activation = {"audiences": [{"audience": "vips", **alias}]}
    place = receiver.url(f"/{preset}{lists}")
    shop.raw("api", preset=preset, url=place, in_flight=1, activations=[activation])
    return shop


def shown(requests: Sequence[Received]) -> str:
    return "".join(f"{each.method} {each.path}\n{each.body.decode()}\n" for each in requests)


@pytest.mark.parametrize("preset", message_preset_names())
def test_golden_requests(preset: str, tmp_path: Path, receiver: Receiver) -> None:
    """V1: the requests of a preset are those of its golden file: method, path and body, in their order."""
    shop, golden = shop_with(preset, tmp_path, receiver), GOLDEN / f"{preset}.txt"
    days = (("2026-11-20", FIRST), ("2026-11-21", SECOND))
    found = "\n".join(shown(shop.send(day, *rows)) for day, rows in days)
    if os.environ.get("MUSTER_ACCEPT"):
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize(
    ("preset", "answer", "refused"),
    [
        (
            "braze_users_track",
            Say(201, {"message": "success", "errors": [{"index": 1, "input_array": "attributes", "type": "wrong"}]}),
            {"b": "refused:201"},
        ),
        (
            "census_custom_destination",
            Say(
                200,
                {
                    "result": {
                        "record_results": [
                            {"identifier": "a", "success": True},
                            {"identifier": "b", "success": False, "error_message": "wrong"},
                            {"identifier": "c", "success": True},
                        ]
                    }
                },
            ),
            {"b": "refused:200"},
        ),
        ("meta_custom_audience_api", Say(200, {"num_received": 3, "num_invalid_entries": 1}), {}),
    ],
)
def test_who_was_refused(preset: str, answer: Say, refused: dict[str, str], tmp_path: Path, receiver: Receiver) -> None:
    """V10: answers name the refused by position or by key; a count alone refuses nobody."""
    shop = shop_with(preset, tmp_path, receiver)
    receiver.script = [answer]
    shop.send("2026-11-20", *FIRST)
    left_out = shop.ok("runs", "rejects", shop.done["run_id"], "--json").json
    assert {each["profile_id"]: each["reason"] for each in left_out} == refused
    assert (shop.done["status"], shop.done["excluded"]) == ("succeeded", len(refused))


def test_presets_are_listed_and_shown() -> None:
    """V1: presets of requests stand beside those of files, with their pages; `show` prints all that they set."""
    for name in message_preset_names():
        preset = get_message_preset(name)
        assert preset in list_presets()
        assert show_preset(name) == preset
        assert preset.pages
        assert preset.limits
        assert preset.destination.startswith("kind: http\n")


@pytest.mark.parametrize("preset", message_preset_names())
def test_the_example_of_a_preset_is_valid(preset: str, tmp_path: Path, receiver: Receiver) -> None:
    """V1: the example that `presets show` prints is a destination without mistakes."""
    shop = EventShop(tmp_path, receiver)
    shop.audience("everyone", where=True)
    (tmp_path / "destinations").mkdir(exist_ok=True)
    (tmp_path / "destinations" / f"{preset}.yml").write_text(get_message_preset(preset).example)
    listed = shop.ok("destinations", "list", "--json").json
    assert [(each["id"], each["kind"], each["activations"]) for each in listed] == [(preset, "http", 1)]
