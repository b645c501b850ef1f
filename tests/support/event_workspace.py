"""Good event destinations as YAML texts, for tests that read them or spoil one of them."""

from collections.abc import Mapping
from pathlib import Path

CRM = """\
name: CRM events
kind: http
url: https://crm.example.com/profiles
auth: {oauth2: {token_url: https://login.example.com/token, client_id_env: CRM_ID, client_secret_env: CRM_SECRET}}
headers: {X-Source: muster}
payload: profile
mapping: [{source: person.name.first, target: person.name.firstName}, {source: email, target: personalEmail.address}]
aggregation: {best_effort: {max_profiles: 10, max_bytes: 1MB}}
activations:
  - {id: loyalty, audiences: [delorean-owners, city-dallas, basic-site-active], schedule: each_run}
"""

ADS = """\
kind: http
preset: meta_custom_audience_api
url: "https://graph.facebook.com/v25.0/{audience.alias}/users"
aggregation: {configurable: {max_profiles: 10000, key: [audience, status]}}
method: {realized: POST, exited: DELETE}
identities: [Email]
columns: [{target: EMAIL, source: identity_map.Email, transform: [trim, lower, sha256]}]
request: {payload: {schema: [EMAIL], data: {each: profiles, as: [=EMAIL]}}}
success: {status: [200]}
result: {refused_count: num_invalid_entries}
activations:
  - id: all
    audiences: [{audience: delorean-owners, alias: "23845"}, {audience: city-dallas, alias: "23846"}]
    schedule: each_run
"""

EVENTS = """\
kind: http
url: https://crm.example.com/profiles
activations:
  - {audiences: [loyal]}
"""

STREAM = """\
kind: kinesis
stream: profiles
connection: {region: eu-west-1, access_key_id_env: CRM_ID, secret_access_key_env: CRM_SECRET}
activations:
  - {id: all, audiences: [loyal, city-dallas]}
"""

HUB = """\
kind: event_hubs
namespace: Acme
hub: people
connection_string_env: CRM_SECRET
transport: websocket
activations:
  - {audiences: [loyal]}
"""

_AUDIENCES = ("loyal", "delorean-owners", "city-dallas", "basic-site-active")


def event_files(files: Mapping[str, str]) -> dict[str, str]:
    """The files of a workspace with four audiences, without a destination but those given."""
    good = {f"audiences/{each}.yml": "where: true\n" for each in _AUDIENCES}
    settings = "workspace: acme\nprofiles: {path: data/profiles}\n"
    return {"muster.yml": settings} | good | dict(files)


def write_events(root: Path, files: Mapping[str, str]) -> Path:
    """Write the files of ``event_files`` into a folder, and return it."""
    for name, text in event_files(files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def spoiled(text: str, changes: str) -> str:
    """A text after changes with `` && `` between them: ``old|new``, or ``@line`` for a line more at the end."""
    for change in changes.split(" && "):
        if change.startswith("@"):
            text = f"{text}{change[1:]}\n"
        else:
            old, new = change.split("|", 1)
            assert old in text, (old, text)
            text = text.replace(old, new)
    return text
