"""What an HTTP answer means (V10).

2xx, of those in ``success``   accepted, but for what ``result`` says was refused
429, a ``throttled`` pattern   too many: tried again
408, 5xx                       tried again
400, 413, 422                  refused
any other, a ``fatal`` pattern the run ends
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from muster.activation.endpoints.http.connections import EXCERPT_BYTES, MOST_BYTES, Reply
from muster.activation.endpoints.http.results import Refused, UnattributedError, UnreadableError, refused_in
from muster.activation.endpoints.http.retry_after import retry_after
from muster.activation.endpoints.protocol import Answer, Meaning, Outgoing
from muster.activation.model.messages import Answers, Pattern, Result

_REFUSED = frozenset({400, 413, 422})
# A proxy before the receiver says 400 about TLS, which no request can mend.
_ABOUT_TLS = re.compile(
    rb"No required SSL certificate was sent|The SSL certificate error|plain HTTP request was sent to HTTPS port"
)


def bytes_needed(answers: Answers) -> int:
    """How much of an answer is read."""
    patterns = (*answers.throttled, *answers.fatal)
    return MOST_BYTES if answers.result or any(each.body for each in patterns) else EXCERPT_BYTES


def meaning_of(reply: Reply, answers: Answers, outgoing: Outgoing) -> Answer:
    """What an answer means for a request; without the excerpt."""
    meaning = _meaning(reply, answers)
    if meaning == "accepted":
        return _accepted(reply, answers.result, outgoing)
    wait = retry_after(reply.headers) if meaning in ("throttled", "failing") else None
    return Answer(meaning, str(reply.status), retry_after=wait)


def _meaning(reply: Reply, answers: Answers) -> Meaning:
    if _matches(reply, answers.fatal):
        return "fatal"
    if _matches(reply, answers.throttled):
        return "throttled"
    status = reply.status
    if 200 <= status < 300:
        return "accepted" if not answers.success or status in answers.success else "fatal"
    if status == 429:
        return "throttled"
    if status == 408 or status >= 500:
        return "failing"
    return "refused" if status in _REFUSED and not _ABOUT_TLS.search(reply.body) else "fatal"


def _matches(reply: Reply, patterns: Iterable[Pattern]) -> bool:
    text: str | None = None
    for pattern in patterns:
        if pattern.status not in (None, reply.status):
            continue
        if pattern.body is None:
            return True
        text = reply.body.decode(errors="replace") if text is None else text
        if re.search(pattern.body, text):
            return True
    return False


def _accepted(reply: Reply, result: Result | None, outgoing: Outgoing) -> Answer:
    """An accepted request; lost when the answer breaks off, or does not say which entries were accepted."""
    if reply.is_broken:
        return Answer("lost", "the connection broke within the answer")
    status = str(reply.status)
    if result is None or not reply.body.strip():
        return Answer("accepted", status)
    try:
        found = _refused(reply, result, outgoing)
    except UnattributedError:
        return Answer("refused", status)
    except UnreadableError:
        return Answer("lost", "the answer does not say which entries were accepted; see `result`")
    return Answer("accepted", status, dict.fromkeys(found.positions, status), refused_count=found.count)


def _refused(reply: Reply, result: Result, outgoing: Outgoing) -> Refused:
    if not reply.is_whole:
        raise UnreadableError
    body = _json(outgoing.body) if result.each is not None else None
    return refused_in(_json(reply.body), result, body, outgoing.entries)


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError from None
