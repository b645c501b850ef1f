"""A counterpart of Azure Event Hubs on loopback: an AMQP 1.0 server of its own process, made with npm's rhea.

A missing server is a failure, never a skip: `.ci/servers` installs rhea.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.eventhub import _client_base
from azure.eventhub._pyamqp import _connection
from support.certificates import Certificate, self_signed

KEY = b64encode(sha256(b"a policy that allows nothing").digest()).decode()
VARIABLE = "SHOP_HUBS"
TOKEN = "a token of this machine"  # noqa: S105  # of the identity that tests play
HUB = "changes"
_PROGRAM = Path(__file__).with_suffix(".cjs")
_RHEA = Path(sys.prefix) / "rhea/node_modules/rhea"


@dataclass(frozen=True)
class EventHub:
    """One hub of a namespace. It accepts every batch until a test says otherwise."""

    amqp: int  # ports: without TLS, as Microsoft's own emulator
    amqps: int
    ws: int
    wss: int
    control: int
    certificate: Certificate
    partitions: int = 4

    def text(self, key: str = KEY, port: int | None = None) -> str:
        """A connection string that goes to the port without TLS."""
        return (
            f"Endpoint=sb://127.0.0.1:{port or self.amqp};SharedAccessKeyName=muster;SharedAccessKey={key};"
            "UseDevelopmentEmulator=true;"
        )

    @property
    def secured(self) -> str:
        """A connection string of a namespace with TLS; the destination says where the server listens."""
        return f"Endpoint=sb://localhost/;SharedAccessKeyName=muster;SharedAccessKey={KEY}"

    def say(self, *script: dict[str, Any], **more: Any) -> None:
        """What the next transfers are answered: ``{"say": "reject", "condition": ...}``, ``lose``, ``cut``,
        ``silence``, ``detach``, ``close``, ``release``, ``modify``, or ``{"wait": MILLISECONDS}``; ``by`` partition,
        the same of each; ``refused``: the id of whose events are refused; ``attach``: errors of the next links;
        ``token``: status and words for every token.
        """
        self._ask({"say": {"script": script, **more}})

    def reset(self) -> None:
        """Accept everything from now on, and forget what came."""
        self._ask({"reset": True})

    @property
    def state(self) -> dict[str, Any]:
        """All that the server knows: ``events`` by partition, ``transfers``, ``names`` of tokens, ``connections``."""
        return self._ask()

    @property
    def events(self) -> dict[str, list[Any]]:
        """What lies in each partition, in its order."""
        return {partition: [json.loads(each) for each in found] for partition, found in self.state["events"].items()}

    def _ask(self, said: dict[str, Any] | None = None) -> dict[str, Any]:
        content = json.dumps(said).encode() if said else None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}", content, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def hurry(patch: pytest.MonkeyPatch) -> None:
    """The client sleeps for half a second while it opens a link: from now on a tenth of that."""
    quick = SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(seconds / 10))
    for module in (_client_base, _connection):
        patch.setattr(module, "time", quick)


@contextlib.contextmanager
def event_hub(place: Path) -> Iterator[EventHub]:
    """A hub with four partitions, over TCP, TLS and websockets; its certificate signs itself."""
    if not _RHEA.exists():
        raise RuntimeError(f"rhea is not installed: .ci/servers {sys.prefix}")
    certificate = self_signed(place)
    options = {
        "rhea": str(_RHEA),
        "key": KEY,
        "hub": HUB,
        "partitions": EventHub.partitions,
        "certificate": str(certificate.certificate),
        "pem": str(certificate.key),
    }
    log = place / "hub.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["node", str(_PROGRAM), json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
        )
    assert process.stdin
    assert process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server has ended: {log.read_text()}")
        yield EventHub(**json.loads(line), certificate=certificate)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
