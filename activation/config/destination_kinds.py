"""Which kind of destination a file is of: files, or messages of some kind (V1)."""

from difflib import get_close_matches

from muster.activation.config.yaml_reader import Document, Scalar
from muster.activation.errors import did_you_mean

FILES = "files"
KINDS = (FILES, "http", "kinesis", "event_hubs")


def kind_of_file(document: Document) -> str | None:
    """The kind of destination that a file says it is; None after reporting a wrong one."""
    written = document.at(("kind",))
    if document.data is None or "kind" not in document.data:
        return FILES
    if isinstance(written, Scalar) and (written.text in KINDS):
        return written.text
    if isinstance(written, Scalar) and written.text:
        expected = f"expected {', '.join(KINDS)}"
        near = did_you_mean(written.text, KINDS) if get_close_matches(written.text, KINDS) else ""
        document.report(("kind",), f"{written.shown} is not a kind of destination; {expected}{near}")
    elif written is not None:
        document.report(("kind",), f"expected a kind of destination: {', '.join(KINDS)}")
    return None
