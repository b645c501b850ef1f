"""Bodies that are made again are those of the outbox: digest, keys, records (V8, V11)."""

from pathlib import Path

import pytest
from support.outboxes import RUN, Planned, batches, texts_of, written

from muster.activation.outbox.bodies import Body, digest_of_bodies

PLAN = [Planned([0, 1, 2]), Planned([3]), Planned([4], is_too_large=True), Planned([5, 6], phase=1)]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("each", [1, 2, 1000])
def test_bodies_are_those_of_the_outbox(tmp_path: Path, is_stream: bool, each: int) -> None:
    """V11: the digest is that of the outbox's texts, however many requests a batch has; so are bytes and keys."""
    url = "" if is_stream else "https://crm.example/profiles?ask=\x00"
    outbox = written(tmp_path, PLAN, is_stream=is_stream, url=url)
    outbox.prepare()
    found: list[Body] = []
    digest = digest_of_bodies(batches(PLAN, each=each, is_stream=is_stream, url=url), found.append)
    assert digest == outbox.record["texts"]["sha256"]
    assert digest == digest_of_bodies(batches(PLAN, is_stream=is_stream, url=url))
    assert [body.number for body in found if body.is_sent] == [0, 1, 3]
    assert [body.entries for body in found] == [3, 1, 1, 2]
    for body in found:
        stored = outbox.stored(body.number)
        sent = outbox.outgoing(str(body.number), stored, stored.entries)
        if is_stream:
            assert body.filled(sent.id) == b"".join(record.data + b"\n" for record in sent.records)
        else:
            assert body.filled(sent.id) == sent.body
            assert body.key(RUN.run_id, 1, sent.id) == sent.key
    outbox.close()


def test_new_keys_are_others_and_stay_what_they_are(tmp_path: Path) -> None:
    """V11: `--new-keys` changes the key alone; asked for again, it changes it again."""
    outbox = written(tmp_path, PLAN)
    outbox.prepare()
    stored = outbox.stored(0)
    keys, bodies = set(), set()
    for outbox.new_keys in ("", "again 1", "again 2", "again 1"):
        sent = outbox.outgoing("0", stored, stored.entries)
        keys.add(sent.key)
        bodies.add((sent.id, sent.url, sent.body))
    assert (len(keys), len(bodies)) == (3, 1)
    outbox.close()


def test_records_are_the_texts_of_entries() -> None:
    """V5: a record an entry, in their order."""
    found: list[Body] = []
    digest_of_bodies(batches(PLAN, is_stream=True), found.append)
    assert found[0].records == tuple(texts_of(person) for person in (0, 1, 2))
    assert found[0].filled("id") == b"".join(texts_of(person).encode() + b"\n" for person in (0, 1, 2))
