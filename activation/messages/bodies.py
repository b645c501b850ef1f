"""The body of one request, joined from constant parts and the texts of entries (V5, V6)."""

from collections.abc import Sequence

from muster.activation.messages.requests import REQUEST_ID


def body_of(parts: Sequence[str | None], texts: Sequence[Sequence[str | None]], request: str) -> bytes:
    """The body of the request with this id, in UTF-8.

    ``parts`` are the constant parts from place 0 on, null behind the last one; ``texts`` has a list for each place, the
    texts of the request's entries in their order, of which null ones are left out.
    """
    known = [part for part in parts if part is not None]
    lists = (",".join(text for text in listed if text is not None) for listed in texts)
    body = "".join(piece for pair in zip(known, [*lists, ""], strict=False) for piece in pair)
    return body.replace(REQUEST_ID, request).encode()


def record_of(text: str, request: str) -> bytes:
    """The bytes of one record of a stream: an entry's text at place 0, in UTF-8."""
    return text.replace(REQUEST_ID, request).encode()
