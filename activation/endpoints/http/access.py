"""Credentials of requests: from environment variables, or a token that is renewed early and after a 401 (V10, V12).

No secret is in an error or a representation.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from muster.activation.endpoints.http.header_lines import cannot_stand
from muster.activation.errors import ExportError
from muster.activation.model.messages import Auth, MessageDestination


@dataclass(frozen=True)
class Credentials:
    """What a request carries to say who sends it."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: str = field(default="", repr=False)  # percent-encoded, to be added to the url
    secrets: tuple[str, ...] = field(default=(), repr=False)  # texts that no message may hold

    def signed(self, url: str) -> str:
        """The url with what authentication adds to it."""
        if not self.query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{self.query}"


class Access(Protocol):
    """Where requests get their credentials from. Its functions are called by several threads at a time."""

    def credentials(self) -> Credentials:
        """What the next request carries; ``UnansweredError`` when none can be had."""

    def renewed(self, used: Credentials) -> Credentials | None:
        """Others than ``used``, which a receiver did not accept; None where there are never others."""


@dataclass(frozen=True)
class FixedAccess:
    """Credentials that stay what they are."""

    fixed: Credentials

    def credentials(self) -> Credentials:
        """The credentials."""
        return self.fixed

    def renewed(self, used: Credentials) -> Credentials | None:
        """None: there are no others."""
        _ = used
        return None


def fixed_access(destination: MessageDestination, variables: Mapping[str, str]) -> FixedAccess:
    """The credentials that variables hold, in the form of ``auth``; ``ExportError`` when one is missing or unusable."""
    auth = destination.auth
    if auth is None:
        return FixedAccess(Credentials())
    secrets = {key: secret_of(destination, auth, key, variables) for key in auth.names}
    found = _in_form(auth, secrets)
    if cannot_stand(found.headers.values()):
        variable = " and ".join(sorted(auth.names.values()))
        raise ExportError(f"{destination.id}: auth: {variable} holds characters that a header cannot have")
    return FixedAccess(found)


def _in_form(auth: Auth, secrets: Mapping[str, str]) -> Credentials:
    known = tuple(secrets.values())
    match auth.kind:
        case "bearer":
            return Credentials(bearer(secrets["bearer_env"]), secrets=known)
        case "header":
            return Credentials({auth.header or "Authorization": secrets["value_env"]}, secrets=known)
        case "basic":
            return Credentials(basic(secrets["user_env"], secrets["password_env"]), secrets=known)
        case _:
            name, value = quote(auth.parameter or "", safe=""), quote(secrets["value_env"], safe="")
            return Credentials(query=f"{name}={value}", secrets=known)


def bearer(token: str) -> dict[str, str]:
    """The header of a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """The header of a user and a password, in UTF-8 (RFC 7617)."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def secret_of(destination: MessageDestination, auth: Auth, key: str, variables: Mapping[str, str]) -> str:
    """The value of the variable that a key of ``auth`` names, without white space around it.

    Files and secret stores put a line end behind a secret. ``ExportError`` when there is no value.
    """
    name = auth.names[key]
    value = variables.get(name, "").strip()
    if not value:
        raise ExportError(f"{destination.id}: auth: the environment variable {name} is not set")
    if key == "user_env" and ":" in value:
        raise ExportError(f"{destination.id}: auth: {name} holds a colon, which no user of basic authentication has")
    return value
