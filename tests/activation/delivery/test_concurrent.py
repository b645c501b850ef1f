"""Deliveries to other machines beside each other and beside other work: none holds another up, and each comes to its
end (F3, S6, X1).
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from support import kills, servers
from support.bucket_shop import FIRST, SECOND, SECRETS, BucketShop
from support.s3_gate import Answer, Before, Gate, Request, refusal
from support.shop import person

from muster.activation.destinations.remote import RemoteTarget
from muster.activation.stores import retrying

FIRST_FILE = "profile_id,status\na,realized\nb,realized\n"
SECOND_FILE = "profile_id,status\nb,exited\nc,realized\n"
PATIENCE = 300  # seconds that a test waits for what must come, on however slow a machine
NAMES = ["crm_all_20261120T050000Z.csv", "crm_all_20261121T050000Z.csv"]


@pytest.fixture
def shop(
    tmp_path: Path, before_s3: Gate, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BucketShop]:
    """A workspace without destinations, whose credentials are in the environment; what is tried again is so at once."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with mock.patch.object(retrying, "_FIRST_PAUSE", 0.01):
        yield BucketShop(tmp_path / "shop", request.node.name, before_s3.endpoint)


def test_days_in_a_bucket(shop: BucketShop, s3: servers.S3) -> None:
    """F3, F4, S6, X3: first export, incremental one, manifests, nothing staged afterwards, nothing due; `verify` and
    `reconcile` agree.
    """
    shop.bucket("crm")
    shop.ok("validate", "--at", FIRST)
    shop.run(FIRST)
    shop.run(SECOND)
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE, NAMES[1]: SECOND_FILE}
    manifests = [
        json.loads(content)
        for name, content in s3.objects(f"{shop.prefix}/crm/").items()
        if name.startswith("manifest-")
    ]
    assert sorted(each["exportResults"][0]["name"] for each in manifests) == NAMES
    assert [run["files"][0]["path"] for run in shop.runs()] == [f"s3://drop/{shop.prefix}/crm/{name}" for name in NAMES]
    assert shop.staged == []
    assert "nothing is due" in shop.run(SECOND).out
    assert {run["result"] for run in shop.ok("verify", "--all", "--json").json} == {"intact"}
    assert shop.ok("reconcile", "crm/all", "--at", SECOND, "--json").json["differing"] == []


def test_files_of_a_rewound_run_are_replaced(shop: BucketShop, s3: servers.S3) -> None:
    """F1, S8: when the slot of a rewound run comes, its file takes the place of the rewound run's on another machine
    too, and the old manifest goes; a file of somebody else is not replaced.
    """
    shop.bucket("crm")
    shop.run(FIRST)
    shop.run("2062-01-01T05:00Z")
    shop.ok("state", "rewind", "--to", "2026-11-21T04:00Z")
    shop.profiles("2026-11-22", [person("a"), person("c"), person("d")])
    shop.run("2062-01-01T05:00Z")
    name = "crm_all_20620101T050000Z.csv"
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE, name: "profile_id,status\nd,realized\n"}
    assert sum("2062" in each and "manifest" in each for each in s3.objects(f"{shop.prefix}/crm/")) == 1
    shop.ok("state", "rewind", "--to", "2026-11-22T04:00Z")
    s3.client.put_object(Bucket="drop", Key=f"{shop.prefix}/crm/{name}", Body=b"mine")
    assert shop.muster("run", "--at", "2062-01-01T05:00Z").code == 1
    assert shop.lying(s3, "crm")[name] == "mine"


def test_a_plan_asks_nothing_of_the_place(shop: BucketShop, before_s3: Gate) -> None:
    """SPEC 9: `plan` shows what `run` would do, with exact counts, without a connection and without a file staged."""
    shop.bucket("crm")
    planned = shop.ok("plan", "--at", FIRST, "--json").json
    assert [(step["action"], step.get("realized")) for step in planned if step["action"] == "export"] == [("export", 2)]
    assert before_s3.requests == []
    assert not (shop.root / ".muster").exists()


def test_what_was_lost_is_found_missing_and_put_back(shop: BucketShop, s3: servers.S3) -> None:
    """`verify` names what is not there or not as it was delivered, `redeliver` puts exactly that back."""
    shop.bucket("crm", max_rows_per_file=1)
    shop.run(FIRST)
    everything = s3.objects(f"{shop.prefix}/")
    first, second = (f"{shop.prefix}/crm/{name}" for name in (NAMES[0], NAMES[0].replace(".csv", "_2.csv")))
    s3.client.delete_object(Bucket="drop", Key=first)
    s3.put(second, b"profile_id,status\nz,realized\n")
    result = shop.muster("verify")
    assert result.code == 1
    assert "the file is missing" in result.out + result.err
    assert "sha256" in result.out + result.err
    run_id = shop.runs()[0]["run_id"]
    assert "--force overwrites it" in shop.muster("redeliver", run_id).err
    shop.ok("redeliver", run_id, "--force")
    assert s3.objects(f"{shop.prefix}/") == everything
    assert shop.staged == []


def test_a_constant_name_is_replaced(shop: BucketShop, s3: servers.S3) -> None:
    """F1: each export takes the place of the one before; parts that have no successor are removed."""
    shop.bucket("crm", file_name="latest", max_rows_per_file=1, mapping=["profile_id"])
    shop.run(FIRST)
    assert shop.lying(s3, "crm") == {"latest.csv": "profile_id\na\n", "latest_2.csv": "profile_id\nb\n"}
    shop.run(SECOND)
    assert shop.lying(s3, "crm") == {"latest.csv": "profile_id\nc\n"}


def test_nobodys_file_is_replaced(shop: BucketShop, s3: servers.S3) -> None:
    """F1: the run waits until the file that stands there is moved away; its name is told."""
    shop.bucket("crm")
    s3.put(f"{shop.prefix}/crm/{NAMES[0]}", b"theirs")
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert (
        f"{shop.prefix}/crm/{NAMES[0]}: another file already has this name, and muster does not overwrite it; "
        f"move it away"
    ) in result.err
    assert shop.lying(s3, "crm") == {NAMES[0]: "theirs"}
    s3.client.delete_object(Bucket="drop", Key=f"{shop.prefix}/crm/{NAMES[0]}")
    shop.run("2026-11-20T06:00Z")
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}


# Trying again


def _times(operation: str, count: int, answer: Answer) -> Before:
    return lambda request: answer if request.operation == operation and request.number < count else None


def test_what_may_pass_is_tried_again(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """Two answers that the server is busy, and then the file: one run, one warning for each try, exit 0."""
    shop.bucket("crm", manifest=False)
    before_s3.before = _times("PutObject", 2, refusal(503, "SlowDown"))
    result = shop.run(FIRST)
    assert before_s3.counts["PutObject"] == 3
    assert [line.rpartition("; ")[2][-8:] for line in result.err.splitlines()] == ["(1 of 4)", "(2 of 4)"]
    assert "S3 answers SlowDown; trying again in" in result.err
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}


def test_pauses_grow_and_are_spread_by_chance() -> None:
    """Each pause is twice the one before, and a bit: many machines that were refused at once do not come back
    at once.
    """
    with mock.patch.object(retrying, "sleep_using_event") as sleeping:
        waits: list[float] = []
        sleeping.return_value = waits.append
        target = RemoteTarget(
            "s3://drop", mock.Mock(side_effect=retrying.PassingError("busy")), Path(), 0o600, retries=6
        )
        with pytest.raises(retrying.ExportError, match="cannot be reached: busy; tried 7 times"):
            target.reach()
    assert all(0.5 * 2**number <= wait <= 0.5 * 2**number + 0.5 for number, wait in enumerate(waits))
    assert len({wait % 0.5 for wait in waits}) == 6


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_says_how_often(shop: BucketShop, before_s3: Gate, retries: int) -> None:
    """`retries:` bounds the tries; then the run stays `delivering`, with the reason, and the next command
    finishes it.
    """
    shop.bucket("crm", retries=retries)
    before_s3.before = _times("PutObject", 99, refusal(503, "SlowDown"))
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert before_s3.counts["PutObject"] == retries + 1
    assert f"S3 answers SlowDown{'; tried 3 times' if retries else ''}" in result.err
    assert shop.statuses() == {"crm/all": ["delivering"]}
    before_s3.open()
    shop.run(FIRST)
    assert shop.statuses() == {"crm/all": ["succeeded"]}


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId"])
def test_what_cannot_pass_is_not_tried_again(shop: BucketShop, before_s3: Gate, code: str) -> None:
    """Bad credentials and missing rights are told at once."""
    shop.bucket("crm")
    before_s3.before = _times("PutObject", 99, refusal(403, code))
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert before_s3.counts["PutObject"] == 1
    assert "trying again" not in result.err


def test_a_place_that_was_given_up_is_not_asked_again(shop: BucketShop, before_s3: Gate) -> None:
    """What else the command has for it fails at once, with the reason, told once with the activations' names."""
    shop.bucket("crm", activations=["one", "two", "three"], retries=1)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert sum(before_s3.counts.values()) == 2
    (told,) = [line for line in result.err.splitlines() if "not tried again in this command: S3 answers 503" in line]
    assert sum(f"crm/{name}" in told for name in ("one", "two", "three")) == 2
    assert shop.statuses() == {f"crm/{name}": ["delivering"] for name in ("one", "two", "three")}


def _lie(request: Request, answer: Answer) -> Answer:
    """Another size for every file that is there."""
    if request.operation == "HeadObject" and answer.status == 200:
        return Answer(
            200, {name: "7" if name.lower() == "content-length" else value for name, value in answer.headers.items()}
        )
    return answer


def test_a_place_that_lies_gets_no_manifest(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """F3: a file that the place reports otherwise is removed and tried again; the run is not over before it is there as
    it was meant.
    """
    shop.bucket("crm", retries=1)
    before_s3.after = _lie
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert "S3 reports 7 bytes, or a checksum, other than what was sent; it was removed; tried 2 times" in result.err
    assert before_s3.counts["PutObject"] == 2
    assert s3.objects(f"{shop.prefix}/") == {}
    assert shop.statuses() == {"crm/all": ["delivering"]}
    before_s3.open()
    shop.run("2026-11-20T06:00Z")
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}
    assert shop.staged == []


def test_a_lost_answer_ends_well(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """F1, F3: the file got through, its answer did not: it is found, not sent again, and not taken for
    somebody else's.
    """
    shop.bucket("crm", manifest=False)
    before_s3.after = lambda request, answer: (
        None if request.operation == "PutObject" and request.number == 0 else answer
    )
    shop.run(FIRST)
    assert before_s3.counts["PutObject"] == 1
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}


# Nobody waits


@pytest.fixture
def dead(s3: servers.S3) -> Iterator[servers.Proxy]:
    """A server that takes everything and answers nothing."""
    with servers.proxy(s3.port) as made:
        made.dead = True
        yield made


def test_a_place_that_does_not_answer_holds_nobody_up(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """X1, S6: while one place does not answer, all the others get everything, their manifests too; then it has its
    turn.
    """
    for name in ("a-slow", "crm", "mailer"):
        shop.bucket(name, activations=["one", "two"], timeout="10m")
    delivered = threading.Semaphore(0)

    def before(request: Request) -> Answer | None:
        if "/a-slow/" in request.key:  # without a manifest of the others it would not get its answer
            return (
                None
                if all(delivered.acquire(timeout=PATIENCE) for _ in range(4)) and not delivered.release(4)
                else refusal(403, "AccessDenied")
            )
        return None

    def after(request: Request, answer: Answer) -> Answer:
        if request.operation == "PutObject" and "/manifest-" in request.key and "/a-slow/" not in request.key:
            delivered.release()
        return answer

    before_s3.before, before_s3.after = before, after
    shop.run(FIRST)
    assert set(map(tuple, shop.statuses().values())) == {("succeeded",)}
    assert len(shop.lying(s3)) == 6


def test_a_dead_place_ends_by_its_timeout(shop: BucketShop, dead: servers.Proxy) -> None:
    """`timeout:` ends the wait for an answer; the other destination is delivered, and the exit code tells the
    failure.
    """
    shop.bucket("a-dead", retries=0, timeout="1s", connection=shop.connection(dead.port))
    shop.bucket("crm")
    began = time.monotonic()
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert 1 <= time.monotonic() - began < 60  # what it would wait without `timeout`
    assert "a-dead_all_20261120T050000Z.csv cannot be written: no answer in time" in result.err
    assert shop.statuses() == {"a-dead/all": ["delivering"], "crm/all": ["succeeded"]}


def test_one_job_at_a_time(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """`--jobs 1` delivers to one destination at a time, and to all of them."""
    for name in ("crm", "mailer", "ads"):
        shop.bucket(name, activations=["one", "two"])
    shop.run(FIRST, "--jobs", "1")
    assert before_s3.most_busy == 1
    assert len(shop.lying(s3)) == 6


def test_as_many_jobs_as_are_asked_for(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """`--jobs 2` delivers to two destinations at once: each waits for the other here."""
    for name in ("crm", "mailer"):
        shop.bucket(name)
    meeting = threading.Barrier(2)

    def meet(request: Request) -> None:
        if request.operation == "PutObject" and "/manifest-" not in request.key:
            meeting.wait(PATIENCE)

    before_s3.before = meet
    shop.run(FIRST, "--jobs", "2")
    assert len(shop.lying(s3)) == 2


# Going on


def test_a_run_left_at_a_dead_place_holds_up_nobody_else(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """S6: a run that is `delivering` where nothing can be delivered: others go on, its own activation starts nothing
    new.
    """
    shop.bucket("a-dead", activations=["one", "two"], retries=0)
    shop.bucket("crm")
    before_s3.before = lambda request: refusal(503, "SlowDown") if "/a-dead/" in request.key else None
    assert shop.muster("run", "--at", FIRST).code == 1
    result = shop.muster("run", "--at", SECOND)
    assert result.code == 1
    assert shop.statuses() == {
        "a-dead/one": ["delivering"],
        "a-dead/two": ["delivering"],
        "crm/all": ["succeeded", "succeeded"],
    }
    assert "a-dead/one: an earlier run is not finished; nothing new is started" in result.err
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE, NAMES[1]: SECOND_FILE}


def test_what_was_held_up_goes_on_in_the_same_command(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """S6, X8: the place is back: the run of before is finished with the bytes of before, then the newer slot, relative
    to it.
    """
    shop.bucket("crm", retries=0)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    assert shop.muster("run", "--at", FIRST).code == 1
    staged = shop.staged
    assert len(staged) == 1
    before_s3.open()
    shop.run(SECOND)
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE, NAMES[1]: SECOND_FILE}
    assert shop.statuses() == {"crm/all": ["succeeded", "succeeded"]}
    assert shop.staged == []


def test_the_place_of_then_is_gone_on_with(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """S6: a run is finished at its own url, whatever the config says now; where that is not known any more, this is
    told.
    """
    shop.bucket("crm", retries=0)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    assert shop.muster("run", "--at", FIRST).code == 1
    shop.prefix += "-moved"
    shop.bucket("crm")
    before_s3.open()
    result = shop.muster("run", "--at", SECOND)
    assert result.code == 1
    assert (
        "no destination 'crm' with this url is in the config now, so muster has no connection for it; put it back"
        in result.err
    )
    shop.prefix = shop.prefix.removesuffix("-moved")
    shop.bucket("crm")
    shop.run(SECOND)
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE, NAMES[1]: SECOND_FILE}


def test_nobody_else_gets_the_files_of_a_destination_that_is_gone(
    shop: BucketShop, s3: servers.S3, before_s3: Gate
) -> None:
    """S6: what is left of a destination that is no more waits for it; another with the same url may be somebody else's,
    by its login.
    """
    shop.bucket("crm", retries=0)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    assert shop.muster("run", "--at", FIRST).code == 1
    before_s3.open()
    (shop.root / "destinations/crm.yml").unlink()
    other = {"url": f"s3://drop/{shop.prefix}/crm", "connection": shop.connection(s3.port)}
    shop.destination("other", **other, mapping=["profile_id"], activations=[])
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    assert "no destination 'crm' with this url is in the config now" in result.err
    assert shop.lying(s3) == {}


def test_another_service_is_another_place(shop: BucketShop, s3: servers.S3) -> None:
    """X9: a bucket of the same name at another endpoint holds nothing yet: a new baseline, everyone is sent, and `plan`
    says so.
    """
    shop.bucket("crm")
    shop.run(FIRST)
    shop.bucket("crm", connection=shop.connection(s3.port))
    said = (
        f"crm/all: s3://drop/{shop.prefix}/crm is at another service or of another user now: the new place "
        f"holds nothing yet"
    )
    assert said in " ".join(shop.ok("plan", "--at", SECOND).out.split())
    shop.run(SECOND)
    assert shop.lying(s3, "crm")[NAMES[1]] == "profile_id,status\na,realized\nc,realized\n"
    assert [run["first_export"] for run in shop.runs()] == [True, True]


def test_a_file_that_is_gone_may_be_removed(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """F1: services that answer 404 to the removal of what is not there have no file there, which is what was wanted."""
    shop.bucket("crm", file_name="latest", max_rows_per_file=1, mapping=["profile_id"])
    shop.run(FIRST)
    s3.client.delete_object(Bucket="drop", Key=f"{shop.prefix}/crm/latest_2.csv")
    shop.profiles("2026-11-21", [person("c")])
    before_s3.before = lambda request: refusal(404, "NoSuchKey") if request.operation == "DeleteObject" else None
    shop.run(SECOND)
    assert shop.lying(s3, "crm") == {"latest.csv": "profile_id\nc\n"}


def test_a_quick_receiver_gets_a_file_once(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """F3: a file that a receiver took right after S3 had it, and said so with its checksum, is not sent again."""
    shop.bucket("crm")

    def take(request: Request, answer: Answer) -> Answer:
        if request.operation == "PutObject" and request.key.endswith(".csv"):
            s3.client.delete_object(Bucket="drop", Key=request.key)
        return answer

    before_s3.after = take
    shop.run(FIRST)
    sent = [request.key.rpartition("/")[2] for request in before_s3.requests if request.operation == "PutObject"]
    assert (sent[0], len(sent)) == (NAMES[0], 2)  # and the manifest
    assert shop.lying(s3) == {}


def test_a_check_removes_its_file_though_it_failed(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """docs/destinations.md: `destinations check` leaves nothing behind, also when the place could be written to and not
    read.
    """
    shop.bucket("crm", retries=0)
    before_s3.before = lambda request: refusal(503, "SlowDown") if request.operation == "GetObject" else None
    assert shop.muster("destinations", "check").code == 1
    assert s3.objects(f"{shop.prefix}/") == {}


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_staged_files_that_are_lost_are_made_again(
    shop: BucketShop, s3: servers.S3, before_s3: Gate, harm: str
) -> None:
    """F3: the run begins afresh, with the same name and the same bytes; what came to harm is never sent."""
    shop.bucket("crm", retries=0)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    assert shop.muster("run", "--at", FIRST).code == 1
    [staged] = (shop.root / ".muster/staging").iterdir()
    if harm == "lost":
        staged.unlink()
    else:
        staged.write_bytes(staged.read_bytes().replace(b"a", b"z"))
    before_s3.open()
    if harm == "damaged":
        result = shop.muster("run", "--at", "2026-11-20T06:00Z")
        assert result.code == 1
        assert "the file in the state folder is not as it was written; the next command writes it again" in result.err
        assert shop.lying(s3, "crm") == {}
    shop.run("2026-11-20T06:00Z")
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}
    assert shop.statuses() == {"crm/all": ["succeeded"]}


def test_an_export_waits_for_its_own_activation(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """S6, X7: `export` finishes what was interrupted before it starts something new of that activation."""
    shop.bucket("crm", retries=0)
    before_s3.before = lambda _: refusal(503, "SlowDown")
    assert shop.muster("run", "--at", FIRST).code == 1
    result = shop.muster("export", "crm/all", "--at", FIRST)
    assert result.code == 1
    assert "crm/all: its last run is not finished" in result.err
    before_s3.open()
    shop.ok("export", "crm/all", "--at", FIRST)
    assert sorted(shop.lying(s3, "crm")) == [NAMES[0], NAMES[0].replace(".csv", "_on_demand.csv")]


def test_stopped_in_the_middle_of_a_delivery(shop: BucketShop, s3: servers.S3, before_s3: Gate) -> None:
    """SPEC 9: SIGTERM ends a command that waits for an answer, though none comes, with 143; the next one finishes the
    run.
    """
    shop.bucket("crm")
    hanging, over, answered = threading.Event(), threading.Event(), list[bool]()

    def hang(request: Request) -> None:
        if request.operation == "PutObject":
            hanging.set()
            answered.append(not over.wait(PATIENCE))

    before_s3.before = hang
    victim = kills.Victim(shop.root, "run", "--at", FIRST, variables=SECRETS)
    assert hanging.wait(PATIENCE)
    assert victim.stop() == 143
    assert answered == []
    over.set()
    before_s3.open()
    assert shop.statuses() == {"crm/all": ["delivering"]}
    shop.run(FIRST)
    assert shop.lying(s3, "crm") == {NAMES[0]: FIRST_FILE}
