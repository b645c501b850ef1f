"""A good workspace as YAML texts, for tests that spoil one of them."""

from pathlib import Path

MUSTER = """\
workspace: acme
profiles: {path: data/profiles}
events: {path: data/events}
memberships: {path: data/memberships}
"""
AUDIENCE = "where: age > 17\n"

DESTINATION = """\
url: exports/crm
format: csv
mapping: [profile_id]
activations:
  - {audience: adults, export: full, schedule: {at: "05:00"}}
"""
NEXT = DESTINATION.count("\n") + 1  # the line on which text after DESTINATION stands

GOOD = {"muster.yml": MUSTER, "audiences/adults.yml": AUDIENCE, "destinations/crm.yml": DESTINATION}
SECRET = "hunter2-s3cret"  # noqa: S105 (it has to look like one)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in (GOOD | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return root


SPEC_FILES = {
    "muster.yml": """\
workspace: acme-retail
timezone: Europe/Berlin
profiles:
  path: data/profiles
  id: customer
  identity_map: ids
events:
  path: data/events
  profile_id: who
  timestamp: at
memberships:
  path: data/memberships
evaluation:
  schedule: {at: "02:00"}
  keep_exited: 2w
state: var/state
file_mode: "0640"
""",
    "audiences/delorean-owners.yml": (
        "name: Customers with DeLorean cars\nwhere: car_make = 'DeLorean' AND country = 'US'\n"
    ),
    "audiences/fans.yaml": """\
id: sci-fi-fans
name: Science fiction fans
events:                                   # named measures over the profile's events
  scifi_views: {measure: count, where: "event_type = 'view' AND category = 'scifi'", within: 30d}
  spend_90d:   {measure: sum(amount), where: "event_type = 'purchase'", within: 90d}
where: scifi_views >= 3 AND (spend_90d > 50 OR audience."delorean-owners")
""",
    "audiences/store-visitors.yml": "name: Store visitors\nsource: memberships\n",
    "destinations/crm.yml": """\
name: CRM nightly
url: exports/crm
format: csv
csv: {delimiter: ";", quote: "'", quote_style: always, header: false, null_value: "-", line_terminator: '\\r\\n',
      bom: on, sanitize_formulas: true}
compression: gzip
file_name: "{destination}/{activation}_{datetime}"
max_rows_per_file: 5_000
manifest: false
skip_empty: true
guards: {max_shrink: 30%, max_exited: 10000}
mapping:
  - profile_id
  - {source: email, target: email_address, mandatory: true}
  - {source: person.name.first}
  - {source: segment_membership.status, target: status}
deduplicate: [email]
activations:
  - {audience: delorean-owners, export: incremental, schedule: {at: ["17:00", "05:00", "05:00"]}}
  - {audience: sci-fi-fans, export: full, schedule: after_evaluation}
  - {audience: store-visitors, export: incremental, schedule: {every: 3h, start: 2026-11-01, end: 2026-12-01}}
  - {audience: sci-fi-fans, id: sci-fi-monthly, export: full, schedule: {cron: "0 6 1 * *", timezone: Asia/Tokyo}}
  - {audience: delorean-owners, id: delorean-adhoc, schedule: on_demand}
""",
    "destinations/archive.yml": """\
url: exports/archive
format: parquet
mapping: [profile_id]
activations:
  - {audience: adults, export: full, schedule: after_evaluation}
""",
}
