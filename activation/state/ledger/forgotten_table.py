"""The table ``forgotten``: keyed digests of the profile ids and identities of forgotten people, and the key (G8)."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Literal

from muster.activation.instants import iso
from muster.activation.state.ledger.database import Ledger

Kind = Literal["profile", "identity", "former"]  # former: the id of a profile from sources, which hides nobody
KINDS: tuple[Kind, ...] = ("profile", "identity", "former")
_KEY = "key"


def key(ledger: Ledger) -> str | None:
    """Return the key of the digests, in hex; None as long as nobody was forgotten."""
    row = ledger.ask_one("SELECT digest FROM forgotten WHERE kind = ?", _KEY)
    return row["digest"] if row else None


def digests(ledger: Ledger, kind: Kind) -> list[str]:
    """Return the digests (HMAC-SHA-256, in hex) of one kind."""
    return [row["digest"] for row in ledger.ask("SELECT digest FROM forgotten WHERE kind = ? ORDER BY digest", kind)]


def fingerprint(ledger: Ledger) -> str:
    """Return a digest of all digests: it changes when somebody is forgotten."""
    return sha256("\n".join(each for kind in KINDS for each in digests(ledger, kind)).encode()).hexdigest()


def put_key(ledger: Ledger, value: str, at: datetime) -> None:
    """Record the key of the digests, in hex, unless there is one. In a transaction."""
    if key(ledger) is None:
        ledger.change("INSERT INTO forgotten VALUES (?, ?, ?)", _KEY, value, iso(at))


def put(ledger: Ledger, kind: Kind, values: Iterable[str], at: datetime) -> None:
    """Record digests of a kind, unless they are there already. In a transaction."""
    ledger.change_many("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?)", [(kind, each, iso(at)) for each in values])
