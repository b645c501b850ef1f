"""What an HTTP answer means: accepted, refused, tried again, or the end of the run; which entries it names (V10)."""

import json
from typing import Any

import pytest
from support.endpoints import outgoing

from muster.activation.endpoints.http.answers import MOST_BYTES, bytes_needed, meaning_of
from muster.activation.endpoints.http.connections import EXCERPT_BYTES, Reply
from muster.activation.endpoints.http.retry_after import retry_after
from muster.activation.endpoints.protocol import Answer
from muster.activation.endpoints.wording import failure_of
from muster.activation.model.messages import Answers, Pattern, Result

URL = "http://127.0.0.1/"
RECORDS = [{"identifier": f"p{number}", "city": "Hill Valley"} for number in range(3)]


def meant(status: int, body: Any = b"", answers: Answers | None = None, **reply: Any) -> Answer:
    """What an answer means for a request with three entries."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = outgoing(URL, json.dumps({"params": {"records": RECORDS}}).encode(), entries=3)
    return meaning_of(Reply(status, reply.pop("headers", {}), text, **reply), answers or Answers(), request)


def refused(body: Any, result: Result, status: int = 200) -> Answer:
    """What an accepted answer says of its entries."""
    return meant(status, body, Answers(result=result))


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204, 207), "accepted"),
        ((429,), "throttled"),
        ((408, 500, 502, 503, 504, 599), "failing"),
        ((400, 413, 422), "refused"),
        ((301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 409, 410, 415, 451), "fatal"),
    ],
)
def test_a_status_says_what_became_of_a_request(statuses: tuple[int, ...], meaning: str) -> None:
    """V10: 2xx accepts; 408, 429 and 5xx are tried again; 400, 413 and 422 refuse; any other ends the run."""
    assert {meant(status).meaning for status in statuses} == {meaning}
    assert [meant(status).reason for status in statuses] == [str(status) for status in statuses]


def test_only_statuses_in_success_accept() -> None:
    """V10: 2xx by `success`; another 2xx is any other answer."""
    answers = Answers(success=(200,))
    assert meant(200, answers=answers).meaning == "accepted"
    assert meant(202, answers=answers).meaning == "fatal"
    assert "success" in failure_of(meant(202, answers=answers))


def test_patterns_say_otherwise() -> None:
    """V10: `throttled` and `fatal` patterns go before the status: by status, by body, or by both together."""
    answers = Answers(
        throttled=(Pattern(400, r'"code": ?(4|17)\b'), Pattern(403)),
        fatal=(Pattern(None, "OAuthException"), Pattern(500, "disabled")),
    )
    assert meant(400, b'{"code": 17}', answers).meaning == "throttled"
    assert meant(400, b'{"code": 170}', answers).meaning == "refused"
    assert meant(403, b"", answers).meaning == "throttled"
    assert meant(200, b'{"type": "OAuthException", "code": 4}', answers).meaning == "fatal"
    assert meant(500, b"account disabled", answers).meaning == "fatal"
    assert meant(200, b"account disabled", answers).meaning == "accepted"


def test_a_proxys_400_about_tls_refuses_nobody() -> None:
    """V10: nginx answers 400 where a client shows no certificate, which no smaller request can mend."""
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    assert meant(400, page).meaning == "fatal"
    assert "mtls" in failure_of(meant(400, page))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "Sat, 28 Nov 2026 10:00:30 GMT", "Date": "Sat, 28 Nov 2026 10:00:00 GMT"}, 30),
        ({"Retry-After": "Sat, 28 Nov 2026 09:00:00 GMT", "Date": "Sat, 28 Nov 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Sat, 28 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": "Sat, 28 Nov 2026 10:00:00 GMT"}, None),
        ({"Retry-After": "-1"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """V10: Retry-After is kept; a date is read against the answer's own, as clocks differ."""
    assert retry_after(headers) == seconds
    assert meant(503, headers=headers).retry_after == meant(429, headers=headers).retry_after == seconds
    assert meant(400, headers=headers).retry_after is None


ERRORS = Result(errors="result.errors", index="position")


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"result": {"errors": [{"position": 2}, {"position": 0}, {"position": 2}]}}, [0, 2]),
        ({"result": {"errors": [{"position": "1", "why": "no mail"}]}}, [1]),
        ({"result": {"errors": []}}, []),
        ({"result": {"errors": None}}, []),
        ({"result": {}}, []),
        ({}, []),
        (b"", []),
    ],
)
def test_errors_name_entries_by_position(body: Any, places: list[int]) -> None:
    """V10: accepted, minus what `errors` and `index` attribute; the reason of each is the answer's status."""
    answer = refused(body, ERRORS, status=207)
    assert answer.meaning == "accepted"
    assert answer.refused == dict.fromkeys(places, "207")


@pytest.mark.parametrize("position", [3, -1, None, "x", 1.5, True])
def test_an_error_that_names_no_entry_refuses_the_request(position: Any) -> None:
    """V10: halving finds the entry that an error without a position is about."""
    assert refused({"result": {"errors": [{"position": position}]}}, ERRORS).meaning == "refused"
    assert refused({"result": {"errors": ["bad request"]}}, ERRORS).meaning == "refused"
    assert refused({"result": {"errors": {"message": "bad"}}}, ERRORS).meaning == "refused"


EACH = Result(each="record_results", key="identifier", ok="success")


def results(*accepted: bool | None) -> dict[str, Any]:
    """An answer as Census's: an element for each of the three entries, but for None."""
    pairs = [(record["identifier"], ok) for record, ok in zip(RECORDS, accepted, strict=True)]
    return {"record_results": [{"identifier": name, "success": ok} for name, ok in reversed(pairs) if ok is not None]}


def test_results_name_entries_by_key() -> None:
    """V10: `each`, `key` and `ok`: in whatever order; an entry without a result was not accepted."""
    assert refused(results(True, True, True), EACH).refused == {}
    assert refused(results(True, False, True), EACH).refused == {1: "200"}
    assert refused(results(False, True, None), EACH).refused == {0: "200", 2: "200"}
    assert refused({"record_results": []}, EACH).refused == {0: "200", 1: "200", 2: "200"}


@pytest.mark.parametrize(
    ("said", "is_accepted"),
    [("ok", True), (201, True), (1, True), (400, False), ("failed", False), (None, False), (0, False)],
)
def test_ok_may_be_a_word_or_a_status(said: Any, is_accepted: bool) -> None:
    """V10: `ok` holds where it is true, a word for success, or a status of 2xx."""
    body = {"record_results": [{"identifier": record["identifier"], "success": said} for record in RECORDS]}
    assert (refused(body, EACH).refused == {}) == is_accepted


def test_results_may_call_entries_by_another_field_name() -> None:
    """V10: where entries have no field of that name, it is the first that names each entry once and all results."""
    body = {
        "record_results": [{"id": "p1", "success": False}, {"id": "p0", "success": True}, {"id": "p2", "success": True}]
    }
    assert refused(body, Result(each="record_results", key="id", ok="success")).refused == {1: "200"}


def test_without_ok_results_hold_refused_entries_alone() -> None:
    """V10: a list of failures: who is not in it was accepted."""
    failures = Result(each="failed", key="identifier")
    assert refused({"failed": [{"identifier": "p2"}]}, failures).refused == {2: "200"}
    assert refused({"failed": []}, failures).refused == {}
    assert refused({}, failures).refused == {}


def test_a_result_for_somebody_else_refuses_the_request() -> None:
    """V10: what names no entry of the request is found by halving."""
    body = {"record_results": [{"identifier": "p9", "success": False}]}
    assert refused(body, EACH).meaning == "refused"


def test_the_one_entry_of_a_request_needs_no_name() -> None:
    """V10: a culprit that is alone is found whatever the receiver calls it."""
    request = outgoing(URL, b'[{"id":"p7"}]', entries=1)
    reply = Reply(200, {}, b'{"record_results":[{"identifier":"other","success":false}]}')
    assert meaning_of(reply, Answers(result=EACH), request).refused == {0: "200"}


@pytest.mark.parametrize("body", [{"error": {"code": -32000}}, {"record_results": {"p1": True}}, b"<html>", b"\xff{"])
def test_results_that_are_missing_leave_the_request_unanswered(body: Any) -> None:
    """V2, V10: an answer that should say what became of each entry and does not is neither acceptance nor refusal."""
    answer = refused(body, EACH)
    assert answer.meaning == "lost"
    assert "result" in failure_of(answer)


def test_an_answer_that_is_no_json_says_nothing_of_its_errors() -> None:
    """V10: with `errors` the page of a portal, an answer cut short or too long is no acceptance; an empty one is."""
    assert refused(b"<html>please log in</html>", ERRORS).meaning == "lost"
    assert meant(200, b"{}", Answers(result=ERRORS), is_whole=False).meaning == "lost"
    assert meant(200, b"[" * 100_000, Answers(result=ERRORS)).meaning == "lost"
    assert meant(204, b" ", Answers(result=ERRORS)).meaning == "accepted"
    assert meant(200, b"<html>", Answers()).meaning == "accepted"
    assert meant(200, b"{}", is_broken=True).meaning == "lost"


def test_a_count_of_refused_entries_is_told() -> None:
    """V10: `refused_count`: all accepted, the count told; never more than the request has."""
    count = Result(refused_count="num_invalid_entries")
    answer = refused({"num_received": 3, "num_invalid_entries": 2}, count)
    assert (answer.meaning, answer.refused, answer.refused_count) == ("accepted", {}, 2)
    assert refused({"num_invalid_entries": 9}, count).refused_count == 3
    assert refused({"num_invalid_entries": "many"}, count).refused_count == 0
    assert refused({}, count).refused_count == 0


def test_answers_are_read_as_far_as_they_are_needed() -> None:
    """V10: whole where they name entries or are looked at by a pattern, else for the excerpt."""
    assert bytes_needed(Answers()) == bytes_needed(Answers(fatal=(Pattern(403),))) == EXCERPT_BYTES
    assert bytes_needed(Answers(result=EACH)) == bytes_needed(Answers(throttled=(Pattern(None, "busy"),))) == MOST_BYTES


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 415, 429])
def test_the_end_of_a_run_says_what_would_help(status: int) -> None:
    """SPEC 10: the status, and what to look at."""
    said = failure_of(Answer("fatal", str(status)))
    assert said.startswith(f"the receiver answers {status}: ")
    assert said.count("`") in (0, 2)
