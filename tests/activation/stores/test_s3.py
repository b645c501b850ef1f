"""Files in S3: whole or not there, compared with what S3 reports, nobody's replaced, no upload left half done
(F1, F3).
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import servers
from support.s3_gate import Answer, Gate, Request, refusal

from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import DamagedError, PassingError, Sent, StoreError, TakenError, UnusableError
from muster.activation.stores.s3 import multipart
from muster.activation.stores.s3 import store as store_s3
from muster.activation.stores.s3.multipart import MIB, MOST_PARTS, part_size
from muster.activation.stores.s3.store import S3Store

LARGEST = 5 << 40  # bytes that S3 takes as one file
SMALLEST_PART, LARGEST_PART = 5 * MIB, 5 << 30  # that it takes, the last one aside
KINDS = [pytest.param(1000, id="whole"), pytest.param(MIB + 7, id="parts")]  # with the limits of ``before_s3``
PUTS = {"PutObject", "CompleteMultipartUpload"}  # after which a file is there


@pytest.fixture
def before_s3(before_s3: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The open gate; and files of more than 1 MiB go in parts of that size."""
    for name, value in servers.KEYS.items():
        monkeypatch.setenv(name, value)
    with mock.patch.multiple(multipart, WHOLE=MIB, PART=MIB):
        yield before_s3


@pytest.fixture(scope="module")
def store(the_gate: Gate) -> Iterator[S3Store]:
    """A store behind the gate: to make one takes a fifth of a second."""
    with mock.patch.dict(os.environ, servers.KEYS):
        made = S3Store(Destination("crm", "crm", "s3://drop/crm", {"endpoint": the_gate.endpoint}, timeout=120), Path())
        made.reach()
    yield made
    made.close()


def sent(folder: Path, size: int, name: str) -> Sent:
    """A staged file of so many bytes."""
    path = folder / "staged"
    content = hashlib.shake_128(name.encode()).digest(size)
    path.write_bytes(content)
    return Sent(path, name, ".staged", size, hashlib.sha256(content).hexdigest())


@pytest.fixture(params=KINDS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Sent:
    """A file that goes whole, then one that goes in parts, with names of their own."""
    return sent(tmp_path, request.param, f"{request.node.name}/ü & +.csv")


# Whole or in parts


def test_a_small_file_is_one_put(before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path) -> None:
    """F3: a file of up to 32 MiB is one request, which nothing of it precedes; S3 is given its checksum, and asked for
    it afterwards.
    """
    small = sent(tmp_path, 1000, "small.csv")
    store.put(small, replace=False)
    assert [each.operation for each in before_s3.requests] == ["HeadObject", "PutObject", "HeadObject"]
    put = before_s3.requests[1]
    assert put.headers["x-amz-checksum-sha256"]
    assert put.headers["If-None-Match"] == "*"
    assert s3.get("crm/small.csv") == small.path.read_bytes()


def test_a_large_file_goes_in_parts(before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path) -> None:
    """F3: a larger file appears with the completion of its upload, of which nothing is left."""
    large = sent(tmp_path, 2 * MIB + 9, "large.csv")
    store.put(large, replace=False)
    assert before_s3.counts["UploadPart"] == 3
    assert before_s3.counts["PutObject"] == 0
    assert s3.get("crm/large.csv") == large.path.read_bytes()
    assert s3.uploads("crm/") == []


def test_the_limits_are_those_of_the_docs() -> None:
    """docs/destinations.md: 32 MiB in one request, parts of 8 MiB, eight at a time."""
    assert (multipart.WHOLE, multipart.PART, multipart.AT_ONCE) == (32 * MIB, 8 * MIB, 8)


@given(st.integers(1, LARGEST))
def test_no_limit_on_parts_cuts_a_file(size: int) -> None:
    """Up to the 5 TiB that S3 takes, parts are as many and as large as it allows, and no larger than they must be."""
    each = part_size(size)
    assert -(-size // each) <= MOST_PARTS
    assert SMALLEST_PART <= each <= LARGEST_PART
    assert each == multipart.PART or -(-size // (each - MIB)) > MOST_PARTS


# Compared


def _shorter(request: Request, answer: Answer) -> Answer:
    return _changed(request, answer, "content-length", "999")


def _other_checksum(request: Request, answer: Answer) -> Answer:
    return _changed(request, answer, "x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")


def _gone(request: Request, answer: Answer) -> Answer:
    return Answer(404) if request.operation == "HeadObject" else answer


def _changed(request: Request, answer: Answer, name: str, value: str) -> Answer:
    if request.operation != "HeadObject" or answer.status != 200:
        return answer
    return Answer(200, {key: value if key.lower() == name else said for key, said in answer.headers.items()})


@pytest.mark.parametrize("lie", [_shorter, _other_checksum])
def test_what_s3_reports_otherwise_is_removed(
    before_s3: Gate, store: S3Store, s3: servers.S3, file: Sent, lie: Callable[[Request, Answer], Answer]
) -> None:
    """F3: size and checksum that S3 reports are compared; a file that differs goes away, and is tried again."""
    before_s3.after = lie
    with pytest.raises(
        PassingError, match=r"S3 reports .* bytes, or a checksum, other than what was sent; it was removed"
    ):
        store.put(file, replace=False)
    assert s3.get(f"crm/{file.name}") is None


def test_a_file_that_s3_took_and_does_not_have_is_tried_again(before_s3: Gate, store: S3Store, file: Sent) -> None:
    """F3: the same for one that is not there, if S3 did not say that it has what was sent: else a receiver was
    quick.
    """
    before_s3.after = lambda request, answer: _without_checksum(request, _gone(request, answer))
    with pytest.raises(PassingError, match="reports that it does not exist"):
        store.put(file, replace=False)


def _without_checksum(_: Request, answer: Answer) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "x-amz-checksum-sha256"}
    return Answer(answer.status, headers, answer.body)


@pytest.mark.parametrize("of_parts", [True, False])
def test_older_servers_are_compared_by_their_entity_tag(
    before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path, of_parts: bool
) -> None:
    """F3: where no SHA-256 is reported the MD5 in the entity tag is compared, of the parts or of the whole, without
    reading the file.
    """
    file = sent(tmp_path, 2 * MIB + 9, f"older-{of_parts}.csv")
    whole = hashlib.md5(file.path.read_bytes(), usedforsecurity=False).hexdigest()

    def after(request: Request, answer: Answer) -> Answer:
        answer = _without_checksum(request, answer)
        return answer if of_parts else _changed(request, answer, "etag", f'"{whole}"')

    before_s3.after = after
    store.put(file, replace=False)
    assert before_s3.counts["GetObject"] == 0
    assert s3.get(f"crm/{file.name}") == file.path.read_bytes()


@pytest.mark.parametrize("is_whole", [True, False])
def test_where_nothing_is_reported_the_file_is_read(
    before_s3: Gate, store: S3Store, file: Sent, is_whole: bool
) -> None:
    """F3: where not even the entity tag says it, as with keys of one's own, the file is read again and compared."""

    def after(request: Request, answer: Answer) -> Answer:
        answer = _without_checksum(request, answer)
        if request.operation == "GetObject" and not is_whole:
            return Answer(answer.status, answer.headers, b"x" * len(answer.body))
        return _changed(request, answer, "etag", '"opaque"')

    before_s3.after = after
    if is_whole:
        store.put(file, replace=False)
    else:
        with pytest.raises(PassingError, match="it was removed"):
            store.put(file, replace=False)
    assert before_s3.counts["GetObject"] == 1


def test_a_file_that_may_be_written_and_not_read(before_s3: Gate, store: S3Store, s3: servers.S3, file: Sent) -> None:
    """F3: S3 checks what it receives; where it may not be asked afterwards, its answer to the upload has to do."""
    before_s3.before = lambda request: (
        refusal(403, "AccessDenied") if request.operation in {"HeadObject", "GetObject"} else None
    )
    store.put(file, replace=False)
    before_s3.open()
    assert s3.get(f"crm/{file.name}") == file.path.read_bytes()


def test_a_staged_file_that_came_to_harm_is_not_sent(
    before_s3: Gate, store: S3Store, s3: servers.S3, file: Sent
) -> None:
    """F3: what is uploaded has the checksum that the ledger and the manifest name."""
    content = bytearray(file.path.read_bytes())
    content[-1] ^= 1
    file.path.write_bytes(content)
    with pytest.raises(DamagedError):
        store.put(file, replace=False)
    assert s3.get(f"crm/{file.name}") is None
    assert s3.uploads("crm/") == []
    assert not PUTS & before_s3.counts.keys()


@pytest.mark.parametrize("lost", ["PutObject", "CompleteMultipartUpload"])
def test_a_try_that_got_through_is_not_repeated(
    before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path, lost: str
) -> None:
    """F1, F3: after an answer that was lost the file is found to be there, as it was meant: nothing is sent again."""
    file = sent(tmp_path, 1000 if lost == "PutObject" else MIB + 7, f"{lost}.csv")
    before_s3.after = lambda request, answer: None if request.operation == lost else answer
    with pytest.raises(PassingError):
        store.put(file, replace=False)
    before_s3.open()
    store.put(file, replace=False)
    assert set(before_s3.counts) == {"HeadObject"}
    assert s3.get(f"crm/{file.name}") == file.path.read_bytes()


def test_what_stands_there_is_believed_only_as_far_as_s3_vouches_for_it(
    before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path
) -> None:
    """F1: a file of the same size that says of itself to be this one, and is not, is another's."""
    file = sent(tmp_path, MIB + 7, "pretender.csv")
    upload = s3.client.create_multipart_upload(
        Bucket="drop", Key="crm/pretender.csv", Metadata={"sha256": file.sha256}
    )["UploadId"]
    place = {"Bucket": "drop", "Key": "crm/pretender.csv", "UploadId": upload}
    part = s3.client.upload_part(**place, PartNumber=1, Body=bytes(file.size))
    s3.client.complete_multipart_upload(**place, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    with pytest.raises(TakenError):
        store.put(file, replace=False)
    reported = store.stat("pretender.csv")
    assert reported is not None
    assert (reported.size, reported.sha256) == (file.size, None)
    assert before_s3.counts["PutObject"] == 0


# Nobody's file is replaced


def test_a_name_that_is_taken_is_never_replaced(before_s3: Gate, store: S3Store, s3: servers.S3, file: Sent) -> None:
    """F1: what stands there stays, and nothing is uploaded."""
    s3.put(f"crm/{file.name}", b"theirs")
    with pytest.raises(TakenError):
        store.put(file, replace=False)
    assert s3.get(f"crm/{file.name}") == b"theirs"
    assert set(before_s3.counts) == {"HeadObject"}
    store.put(file, replace=True)
    assert s3.get(f"crm/{file.name}") == file.path.read_bytes()


def test_somebody_may_come_in_between(before_s3: Gate, store: S3Store, s3: servers.S3, file: Sent) -> None:
    """F1: S3 itself refuses a file when another got its name after muster looked; the upload leaves nothing."""

    def come_first(request: Request) -> None:
        if request.operation in PUTS:
            s3.put(f"crm/{file.name}", b"theirs")

    before_s3.before = come_first
    with pytest.raises(TakenError):
        store.put(file, replace=False)
    assert s3.get(f"crm/{file.name}") == b"theirs"
    assert s3.uploads("crm/") == []


def test_a_place_that_knows_no_conditions(before_s3: Gate, s3: servers.S3, tmp_path: Path) -> None:
    """F1: where S3 is spoken without conditional writes, the look before has to do, also for the files that follow."""
    before_s3.before = lambda request: refusal(501, "NotImplemented") if "If-None-Match" in request.headers else None
    plain = S3Store(Destination("crm", "crm", "s3://drop/plain", {"endpoint": before_s3.endpoint}), Path())
    for name in ("one.csv", "two.csv"):
        plain.put(sent(tmp_path, 1000, name), replace=False)
    assert before_s3.counts["PutObject"] == 3
    s3.put("plain/three.csv", b"theirs")
    with pytest.raises(TakenError):
        plain.put(sent(tmp_path, 1000, "three.csv"), replace=False)
    assert s3.get("plain/three.csv") == b"theirs"


# Nothing is left


def test_an_upload_that_fails_is_aborted(before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path) -> None:
    """F3: parts that S3 has already are given back when another does not get through."""
    before_s3.before = lambda request: (
        refusal(500, "InternalError") if (request.operation, request.number) == ("UploadPart", 1) else None
    )
    with pytest.raises(PassingError, match="S3 answers InternalError"):
        store.put(sent(tmp_path, 2 * MIB + 9, "fails.csv"), replace=False)
    assert s3.uploads("crm/") == []


def test_an_upload_that_was_interrupted_goes_before_the_next(
    before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path
) -> None:
    """F3: unfinished uploads of a name are aborted by the next upload of it, those of other names are not touched."""
    for name in ("again.csv", "again.csv.gz"):
        s3.client.create_multipart_upload(Bucket="drop", Key=f"crm/{name}")
    store.put(sent(tmp_path, MIB + 7, "again.csv"), replace=False)
    assert s3.uploads("crm/") == ["crm/again.csv.gz"]
    store.clear("again.csv.gz", "")
    assert s3.uploads("crm/") == []
    assert before_s3.counts["AbortMultipartUpload"] == 2


UNLISTED = {
    403: ("AccessDenied", "access denied: the right s3:ListBucketMultipartUploads is missing"),
    501: ("NotImplemented", "cannot list"),
}


@pytest.mark.parametrize("status", UNLISTED)
def test_uploads_that_cannot_be_listed_hold_nothing_up(
    before_s3: Gate, store: S3Store, s3: servers.S3, tmp_path: Path, status: int
) -> None:
    """F3: a file goes all the same, and the log says what may be left."""
    word, why = UNLISTED[status]
    before_s3.before = lambda request: refusal(status, word) if request.operation == "ListMultipartUploads" else None
    with mock.patch.object(store_s3.log, "warning") as warned:
        store.put(sent(tmp_path, MIB + 7, f"unlisted-{status}.csv"), replace=False)
    assert s3.get(f"crm/unlisted-{status}.csv") is not None
    [call] = warned.call_args_list
    assert f"crm/unlisted-{status}.csv: parts of an interrupted upload may be left: " in call.args[0] % call.args[1:]
    assert why in call.args[-1]


# What S3 says


class Said(NamedTuple):
    """A refusal, and what becomes of it."""

    status: int
    code: str
    kind: type[StoreError]
    words: str


@pytest.mark.parametrize(
    "said",
    [
        Said(*each)
        for each in (
            (503, "SlowDown", PassingError, "S3 answers SlowDown"),
            (500, "InternalError", PassingError, "S3 answers InternalError"),
            (429, "TooManyRequests", PassingError, "S3 answers TooManyRequests"),
            (400, "BadDigest", PassingError, "S3 answers BadDigest"),
            (400, "RequestTimeout", PassingError, "S3 answers RequestTimeout"),
            (404, "NoSuchBucket", UnusableError, "there is no bucket drop"),
            (403, "InvalidAccessKeyId", UnusableError, "the service does not know the access key"),
            (403, "SignatureDoesNotMatch", UnusableError, "the secret key does not belong to the access key"),
            (400, "ExpiredToken", UnusableError, "the credentials have expired"),
            (301, "PermanentRedirect", UnusableError, "the bucket is in another region; set connection.region"),
            (403, "RequestTimeTooSkewed", UnusableError, "the clock of this machine is wrong by minutes"),
            (403, "AccessDenied", StoreError, "access denied: the right s3:PutObject is missing"),
            (400, "EntityTooLarge", StoreError, "S3 answers EntityTooLarge: said for a test"),
        )
    ],
    ids=lambda said: said.code,
)
def test_a_refusal_is_told_for_what_it_is(before_s3: Gate, store: S3Store, tmp_path: Path, said: Said) -> None:
    """SPEC 10: what may pass, what holds for the whole place, and what for this file alone, in words that say what to
    do.
    """
    before_s3.before = lambda request: refusal(said.status, said.code) if request.operation == "PutObject" else None
    with pytest.raises(said.kind) as caught:
        store.put(sent(tmp_path, 10, f"refused-{said.code}.csv"), replace=False)
    assert said.kind is not StoreError or not isinstance(caught.value, PassingError | UnusableError | TakenError)
    assert str(caught.value) == said.words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "AccessDenied",
            (
                "access denied: the right s3:GetObject is missing; without s3:ListBucket S3 answers the same "
                "for a file that does not exist"
            ),
        ),
        ("InvalidAccessKeyId", "the service does not know the access key"),
    ],
)
def test_why_a_look_is_refused(before_s3: Gate, store: S3Store, code: str, words: str) -> None:
    """SPEC 10: an answer to HEAD has no body to say why; the reason is asked for."""
    before_s3.before = lambda request: Answer(403) if request.operation == "HeadObject" else refusal(403, code)
    with pytest.raises(StoreError) as caught:
        store.stat("some.csv")
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("operation", "right"),
    [("ListMultipartUploads", "s3:ListBucketMultipartUploads"), ("DeleteObject", "s3:DeleteObject")],
)
def test_the_missing_right_is_named(before_s3: Gate, store: S3Store, operation: str, right: str) -> None:
    """SPEC 10: exactly the right that an IAM policy lacks."""
    before_s3.before = lambda request: refusal(403, "AccessDenied") if request.operation == operation else None
    with pytest.raises(StoreError, match=f"^access denied: the right {right} is missing$"):
        store.clear("some.csv", "") if operation == "ListMultipartUploads" else store.delete("some.csv")


def test_an_answer_that_breaks_off_may_pass(before_s3: Gate, store: S3Store, tmp_path: Path) -> None:
    """A dropped connection is tried again."""
    before_s3.after = lambda request, answer: None if request.operation == "PutObject" else answer
    with pytest.raises(PassingError, match="the connection broke"):
        store.put(sent(tmp_path, 10, "broken.csv"), replace=False)


@pytest.mark.usefixtures("before_s3")
def test_a_place_where_nobody_listens_may_come_back() -> None:
    """A refused connection is tried again: a server that restarts refuses too."""
    port = servers.free_port()
    nobody = S3Store(Destination("crm", "crm", "s3://drop", {"endpoint": f"http://127.0.0.1:{port}"}), Path())
    with pytest.raises(PassingError, match="no connection can be made"):
        nobody.stat("some.csv")
