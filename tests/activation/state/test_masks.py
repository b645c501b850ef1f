"""A delivered set that is a part of an evaluation's members: the state keeps whom, by number (X8, G4)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.shop import STATUS, Shop, identities, person

from muster.activation.errors import StateError
from muster.activation.model.history import StoredFile
from muster.activation.state.block_frames import masked_by_number, schema_of
from muster.activation.state.blocks import write_block
from muster.activation.state.files import NUMBERING, State


def shop_of(root: Path, *days: str) -> Shop:
    """A shop with a run after each day's evaluation; a day names those of `a` to `d` who consent."""
    shop = Shop(root)
    shop.write("policies/mail.yml", {"actions": ["email_targeting"], "consent": "ok"})
    shop.audience("all", where="true")
    after = {"audience": "all", "export": "incremental", "schedule": "after_evaluation"}
    mapping = ["profile_id", "email", STATUS]
    shop.destination("crm", mapping=mapping, activations=[after], marketing_actions=["email_targeting"])
    for number, consenting in enumerate(days):
        day(shop, 20 + number, consenting)
    return shop


def day(shop: Shop, date: int, consenting: str) -> list[str]:
    """One day more; whom it sent, exits with a minus."""
    shop.profiles(f"2026-11-{date}", [_somebody(each, ok=each in consenting) for each in "abcd"])
    shop.evaluate(f"2026-11-{date}T02:00Z")
    rows = shop.delivered("crm/all")[-1]
    return [("-" if row["status"] == "exited" else "") + row["profile_id"] for row in rows]


def _somebody(name: str, *, ok: bool) -> dict[str, Any]:
    return person(name, ok=ok, identity_map=identities(Email=[f"{name}@x.com"]))


def masks(shop: Shop) -> list[Path]:
    """The files of the state that are masks."""
    return [path for path in (shop.root / ".muster/baselines/crm/all").iterdir() if _is_mask(path)]


def _is_mask(path: Path) -> bool:
    return pl.read_parquet_schema(path).names() == ["delivered"]


def test_a_mask_is_the_delivered_set(tmp_path: Path) -> None:
    """X8: the next export, `baseline show` and `reconcile` agree on whom the last one delivered; of masks the newest
    stays.
    """
    shop = shop_of(tmp_path, "ab")
    [first] = masks(shop)
    assert pl.read_parquet(first)["delivered"].to_list() == [True, True, False, False]
    assert shop.ok("baseline", "show", "--json").json[0]["profiles"] == 2
    assert day(shop, 21, "bc") == ["-a", "c"]
    [second] = masks(shop)
    assert (second.name != first.name, pl.read_parquet(second)["delivered"].to_list()) == (
        True,
        [False, True, True, False],
    )
    shop.ok("reconcile", "crm/all")
    assert day(shop, 22, "abcd") == ["a", "d"]
    assert masks(shop) == [], "everybody was delivered: the evaluation says it"


def test_a_mask_is_kept_as_other_files_of_the_state(tmp_path: Path) -> None:
    """`state check` compares the checksum of a mask, `state repair` resets the delivered set of a damaged one, `prune`
    and `state backup` keep it.
    """
    shop = shop_of(tmp_path / "shop", "ab", "bc")
    shop.set(retention={"evaluations": {"count": 1}, "runs": {"count": 1}})
    shop.ok("prune")
    shop.ok("state", "backup", str(tmp_path / "copy"))
    assert shop.ok("state", "check").code == 0
    [mask] = masks(shop)
    whole = mask.read_bytes()
    mask.write_bytes(whole[:-20])
    checked = shop.muster("state", "check")
    assert (checked.code, f"baselines/crm/all/{mask.name}" in checked.out + checked.err) == (2, True)
    result = shop.muster("evaluate", "--at", "2026-11-22T02:00Z")
    assert (result.code, "state is damaged" in result.err) == (1, True)
    shop.ok("state", "restore", str(tmp_path / "copy"), "--force")
    assert day(shop, 22, "c") == ["-b"]
    [mask] = masks(shop)
    mask.unlink()
    shop.ok("state", "repair", "--reset-baseline", "crm/all")
    assert day(shop, 23, "c") == ["c"]


def test_a_rewind_takes_the_mask_along(tmp_path: Path) -> None:
    """S8: after a rewind the delivered set is that of before: nobody is sent again."""
    shop = shop_of(tmp_path, "ab")
    shop.ok("state", "rewind", "--to", "2026-11-20T01:00Z")
    assert len(masks(shop)) == 1
    assert day(shop, 21, "bc") == ["-a", "c"]


@pytest.mark.parametrize("realized", [True, False, None])
def test_masks_hide_members_alone(realized: bool | None) -> None:
    """A member who was not delivered is not realized; who exited, and who never was a member, stays that."""
    times = pl.Series("last_qualification_time", [datetime(2026, 11, 20, tzinfo=UTC)] * 2, pl.Datetime("us", "UTC"))
    found = pl.DataFrame([pl.Series("realized", [realized, realized], pl.Boolean), times])
    masked = masked_by_number(found, pl.Series([True, False, True]))
    assert masked["realized"].to_list() == [realized, False if realized else realized]
    assert masked["last_qualification_time"].equals(times)


def test_a_stored_file_is_kept_with_its_mask(tmp_path: Path) -> None:
    """What the ledger keeps of a delivered set comes back as it was, with and without a mask."""
    part, mask = _masked_part(tmp_path, "one")
    for stored in (replace(part, mask=mask), mask):
        assert StoredFile.of(stored.record) == stored


def test_a_mask_is_of_the_numbers_of_its_part(tmp_path: Path) -> None:
    """A part that was made again by another numbering has others at the numbers of a mask, which is then refused."""
    (part, mask), (again, _) = _masked_part(tmp_path, "one"), _masked_part(tmp_path, "two")
    state = State(tmp_path, 0o600)
    assert state.read_by_number(replace(part, mask=mask))["realized"].to_list() == [True, False]
    for read in (state.read, state.read_by_number):
        with pytest.raises(StateError, match="of a numbering that was damaged since; run `muster baseline reset"):
            read(replace(again, mask=mask))


def _masked_part(folder: Path, numbering: str) -> tuple[StoredFile, StoredFile]:
    """A part in which two are members, by the numbers of a numbering, and a mask that has the first of them."""
    state, file = State(folder, 0o600), f"memberships/{numbering}.parquet"
    for name in ("tmp", "memberships"):
        (folder / name).mkdir(exist_ok=True)
    time = pl.Series([datetime(2026, 11, 20, tzinfo=UTC)] * 2, dtype=pl.Datetime("us", "UTC"))
    columns = (["a", "b"], [True, True], time)
    block = pl.LazyFrame(dict(zip(schema_of(["all"]).names(), columns, strict=True)))
    part = write_block(state, file, block, ["all"], {NUMBERING: numbering})["all"]
    return part, state.write_mask(pl.Series([True, False]), f"baselines/crm/all/{numbering}.parquet", part)


@pytest.mark.parametrize("status", [True, False], ids=["status", "no status"])
def test_forgetting_reaches_a_masked_delivered_set(tmp_path: Path, *, status: bool) -> None:
    """G8: who was delivered leaves the set, at once or with the exit; who was not delivered changes nothing of it."""
    shop = shop_of(tmp_path)
    after = {"audience": "all", "export": "incremental", "schedule": "after_evaluation"}
    mapping = ["profile_id", *([STATUS] if status else [])]
    shop.destination("crm", mapping=mapping, activations=[after], marketing_actions=["email_targeting"])
    shop.profiles("2026-11-20", [_somebody(each, ok=each in "ab") for each in "abcd"])
    shop.evaluate("2026-11-20T02:00Z")
    assert len(masks(shop)) == 1
    shop.ok("profiles", "forget", "c", "--yes")
    shop.ok("profiles", "forget", "a", "--yes")
    assert shop.ok("state", "check").code == 0
    assert shop.ok("baseline", "show", "--json").json[0]["profiles"] == 1 + status
    shop.profiles("2026-11-21", [_somebody(each, ok=True) for each in "abcd"])
    shop.evaluate("2026-11-21T02:00Z")
    assert shop.sent("crm/all") == (["a,exited", "d,realized"] if status else ["d"])
    assert shop.ok("baseline", "show", "--json").json[0]["profiles"] == 2
