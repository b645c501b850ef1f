"""Killed while files go to a bucket: nothing is lost, nothing comes twice, nothing is left behind, there or here (F1,
F3, S6).
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support import kills, servers
from support.bucket_shop import FIRST, SECOND, SECRETS, BucketShop
from support.random_histories import MORE
from support.random_shop import RandomShop, assassinated, check
from support.reader_audit import audit, evaluated
from support.s3_gate import Answer, Gate, Request
from support.shop import Shop, quick_folder

KILLS = 10 * min(MORE, 12)
WRITES = {
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "DeleteObject",
}


@pytest.fixture
def before_s3(before_s3: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The open gate; and the keys that the workspaces name."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return before_s3


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory."""
    with quick_folder() as folder:
        yield folder


def kill_at_second_part(gate: Gate, root: Path, *arguments: str, late: bool) -> None:
    """Run a command and kill it when the second part of a file is on its way, or when the server has it and muster does
    not know.
    """
    gate.open()
    victim = kills.Victim(root, *arguments, variables=SECRETS)

    def kill(request: Request) -> None:
        if (request.operation, request.number) == ("UploadPart", 1):
            victim.kill()

    def kill_late(request: Request, answer: Answer) -> Answer:
        kill(request)
        return answer

    if late:
        gate.after = kill_late
    else:
        gate.before = kill
    assert victim.ended(300)
    gate.open()


def test_killed_in_the_middle_of_a_large_file(place: Path, before_s3: Gate, s3: servers.S3) -> None:
    """F3: parts of 40 MB that were on their way when SIGKILL came belong to no upload after the next run; the file is
    whole. The same for `redeliver`.
    """
    shop = BucketShop(place / "shop", "large", before_s3.endpoint)
    people = pl.DataFrame({"profile_id": [f"{number:02}" for number in range(40)]})
    shop.profiles("2026-11-20", people.with_columns(email=pl.col("profile_id").str.pad_start(1 << 20, "x")))
    shop.bucket("crm", mapping=["profile_id", "email"])
    kill_at_second_part(before_s3, shop.root, "run", "--at", FIRST, late=False)
    assert len(s3.uploads(f"{shop.prefix}/")) == 1
    assert shop.lying(s3) == {}
    shop.run("2026-11-20T06:00Z")
    assert s3.uploads(f"{shop.prefix}/") == []
    [(name, content)] = shop.lying(s3, "crm").items()
    assert len(content) > 40 << 20
    assert content.count("\n") == 41
    assert shop.staged == []
    assert shop.statuses() == {"crm/all": ["succeeded"]}

    s3.client.delete_object(Bucket="drop", Key=f"{shop.prefix}/crm/{name}")
    [run] = shop.runs()
    kill_at_second_part(before_s3, shop.root, "redeliver", run["run_id"], late=True)
    assert len(s3.uploads(f"{shop.prefix}/")) == 1
    shop.run("2026-11-20T07:00Z")
    assert s3.uploads(f"{shop.prefix}/") == []
    assert shop.staged == []
    shop.ok("redeliver", run["run_id"])
    assert shop.lying(s3, "crm") == {name: content}


def test_the_files_of_a_killed_run_may_be_taken(place: Path, before_s3: Gate, s3: servers.S3) -> None:
    """S6, X3, X8: a receiver takes all as soon as the manifest is there, before muster could record that: the same
    comes again, to the byte, and the next comparison is with it.
    """
    shop = BucketShop(place / "shop", "taken", before_s3.endpoint)
    shop.bucket("crm")
    victim = kills.Victim(shop.root, "run", "--at", FIRST, variables=SECRETS)

    def kill(request: Request, answer: Answer) -> Answer:
        if request.operation == "PutObject" and "manifest-" in request.key:
            victim.kill()
        return answer

    before_s3.after = kill
    assert victim.ended(300)
    before_s3.open()
    taken = s3.objects(f"{shop.prefix}/crm/")
    for name in taken:
        s3.client.delete_object(Bucket="drop", Key=f"{shop.prefix}/crm/{name}")
    shop.run(SECOND)
    assert taken.items() <= s3.objects(f"{shop.prefix}/crm/").items()
    [new] = shop.lying(s3, "crm").keys() - taken.keys()
    assert sorted(shop.lying(s3, "crm")[new].splitlines()[1:]) == ["b,exited", "c,realized"]
    assert shop.staged == []


class Assassin:
    """Kills `muster run` at a request that changes the bucket, before the server or after muster heard of it, or at any
    moment.
    """

    def __init__(self, before_s3: Gate) -> None:
        self.chance = random.Random(5)  # noqa: S311  # which moments, no secret
        self.gate = before_s3
        self.usual = 6  # requests that change something, of one command
        self.kills = 0

    def attack(self, shop: Shop, moment: str) -> None:
        """Start the command and kill it; a kill that came too late does not count."""
        self.gate.open()
        victim = kills.Victim(shop.root, "run", "--at", moment, variables=SECRETS)
        number, how = (
            self.chance.randrange(max(self.usual, 1)),
            self.chance.choice(("unheard", "unanswered", "whenever")),
        )

        def kill(request: Request) -> None:
            before = sum(each.operation in WRITES for each in self.gate.requests) - 1
            if request.operation in WRITES and before >= number:
                victim.kill()

        def kill_late(request: Request, answer: Answer) -> Answer:
            kill(request)
            return answer

        if how == "unheard":
            self.gate.before = kill
        elif how == "unanswered":
            self.gate.after = kill_late
        hit = victim.ended(self.chance.uniform(0, 0.8) if how == "whenever" else 300)
        if not hit and how != "whenever":
            self.usual = sum(each.operation in WRITES for each in self.gate.requests)
        self.kills += hit
        self.gate.open()


def in_bucket(random_shop: RandomShop, root: Path, prefix: str, endpoint: str) -> Shop:
    """The random shop, each of its destinations a prefix of the bucket."""
    shop = random_shop.write(root)
    keys = {"endpoint": endpoint, "access_key_id_env": "SHOP_KEY_ID", "secret_access_key_env": "SHOP_SECRET"}
    for path in (root / "destinations").iterdir():
        url = f"url: s3://drop/{prefix}/{path.stem}\nconnection: {json.dumps(keys)}"
        path.write_text(path.read_text().replace(f"url: out/{path.stem}", url))
    return shop


def copied(random_shop: RandomShop, s3: servers.S3, prefix: str, folder: Path) -> list[Path]:
    """What lies in the bucket, in folders for whoever checks, one a destination."""
    places = random_shop.places(folder)
    for place in places:
        for name, content in s3.objects(f"{prefix}/{place.name}/").items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    return places


def test_kills_at_random_moments(place: Path, before_s3: Gate, s3: servers.S3) -> None:
    """F1, F3, S2, S4, S6, X3, X8: after each kill the next `run` finishes the work. Then every file in the bucket is
    whole and named by one manifest, every slot was delivered once, and nothing staged or half uploaded is left.
    """
    assassin, delivered, seed = Assassin(before_s3), 0, 0
    while assassin.kills < KILLS:
        seed += 1
        random_shop = RandomShop.of(seed, days=2)
        prefix = f"kills-{seed}"
        shop = in_bucket(random_shop, place / f"shop-{seed}", prefix, before_s3.endpoint)
        ticks = random_shop.ticks()
        for _ in assassinated(shop, ticks, assassin, KILLS):
            pass
        found = audit(shop.root, *copied(random_shop, s3, prefix, place / f"copy-{seed}"))
        delivered += check(random_shop, ticks, found, evaluated(shop.root / ".muster"))
        assert s3.uploads(f"{prefix}/") == []
    assert delivered
    print(  # noqa: T201  # `make soak` shows it
        f"{assassin.kills} kills, {delivered} deliveries, none lost, none doubled"
    )
