"""A request about nobody: what `destinations check --send-test` sends (V11).

Of ``payload: profile`` it is an empty array; of a declared request its tree with empty lists, the first mapped audience
and the status ``realized``. A stream gets one record, an empty object.
"""

import json
from typing import Any
from urllib.parse import quote

from muster.activation.endpoints.protocol import Outgoing, Record
from muster.activation.messages.shapes import DEFAULT_METHOD
from muster.activation.model.messages import MessageActivation
from muster.activation.model.request_tree import (
    Constant,
    Each,
    Elements,
    Members,
    Name,
    Node,
    read_tree,
    shape_of,
    url_parts,
)

TEST = "muster-test"  # its id, and whatever names a profile in its url
_KIND = "realized"


def request_about_nobody(activation: MessageActivation) -> Outgoing:
    """The request of an activation that tells the receiver nothing of anybody."""
    if activation.kind != "http":
        return Outgoing(TEST, TEST, records=(Record(TEST, b"{}"),))
    known = _known(activation)
    parts = url_parts(activation.url or "")
    url = "".join(quote(str(known.get(each.text, TEST)), safe="") if each.is_name else each.text for each in parts)
    tree = shape_of(activation.request, _KIND)
    body: Any = _value(read_tree(tree), known) if activation.payload == "request" and tree else []
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Outgoing(TEST, TEST, shape_of(activation.method, _KIND) or DEFAULT_METHOD, url, text.encode())


def _known(activation: MessageActivation) -> dict[str, str | None]:
    """The values of names that are about no profile."""
    first = activation.audiences[0]
    return {
        "audience.id": first.id,
        "audience.alias": first.alias,
        "audience.name": first.name,
        "status": _KIND,
        "request.id": TEST,
        "run.id": TEST,
    }


def _value(node: Node, known: dict[str, str | None]) -> Any:
    """A tree without its lists over profiles; null drops its key, and stays in lists (V6)."""
    match node:
        case Constant(value):
            return value
        case Name(name):
            return known.get(name)
        case Members(entries):
            found = {key: _value(below, known) for key, below in entries}
            return {key: value for key, value in found.items() if value is not None}
        case Elements(items):
            return [_value(below, known) for below in items]
        case Each():
            return []
