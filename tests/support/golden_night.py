"""Two workspaces over three days that use all the bytes of files depend on, and digests of what they deliver.

`tests/golden/night-c1c7e5c.json` holds the digests of what the commit c1c7e5c delivered. It is never made again with
newer code; a change of the inputs or settings needs it anew, from that commit. It was made so:

    git archive c1c7e5c | tar -x -C /tmp/old
    cd /tmp/old && PYTHONPATH=/tmp/old:CHECKOUT/tests python -m support.golden_night CHECKOUT/tests/golden
"""

import gzip
import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from support.golden_inputs import DAYS, events, feed, snapshot
from support.shop import SINCE, STATUS, Shop

GOLDEN = Path(__file__).parents[1] / "golden/night-c1c7e5c.json"
WORKSPACES = ("text", "whole")

# Settings

AUDIENCES: dict[str, dict[str, Any]] = {
    "everyone": {"where": "true"},
    "gold": {"where": "gold AND points >= 0"},
    "adults": {"where": "born <= CURRENT_DATE - INTERVAL '18 years' OR loyalty.tier = 'gold'"},
    "buyers": {
        "events": {
            "bought": {"measure": "count", "where": "event_type = 'purchase'", "within": "4d"},
            "spent": {"measure": "sum(amount)", "where": "event_type = 'purchase'"},
            "last_kind": {"measure": "last(event_type)", "within": "2d"},
        },
        "where": "bought >= 1 AND (spent > 20 OR last_kind = 'view')",
    },
    "rare": {
        "events": {
            "kinds": {"measure": "count_distinct(category)"},
            "least": {"measure": "min(amount)", "where": "event_type = 'cart'"},
            "most": {"measure": "max(amount)", "where": "event_type = 'cart'"},
            "middle": {"measure": "avg(amount)", "where": "category = 'scifi'"},
            "first_kind": {"measure": "first(event_type)", "within": "3d"},
        },
        "where": "kinds >= 2 AND (least < most OR middle >= 25 OR first_kind = 'cart')",
    },
    "mailed": {"where": "ARRAY_LENGTH(identity_map.Email) >= 1 AND NOT audience.rare"},
    "best": {"where": "audience.gold AND (audience.buyers OR audience.listed)"},
    "listed": {"source": "memberships"},
    "mixed": {"where": "score > 1 AND country <> 'DE'", "source": "memberships"},
    "nobody": {"where": "points > 100000"},
    "changing": {"where": "EXTRACT(DAY FROM CURRENT_DATE) % 2 = points % 2"},
}
MAIL = {"source": "email", "target": "mail"}
CSV_VALUES = (
    "points",
    "small",
    "score",
    "balance",
    "born",
    "seen",
    "made",
    "opens",
    "span",
    "photo",
    "tags",
    "loyalty",
)
EVERY_TYPE = ["profile_id", "note", "gold", *CSV_VALUES, STATUS, SINCE]
SHEET = ["profile_id", "last_name", "note", "points", "gold", "score", STATUS]
TRANSFORMED: list[Any] = [
    {"source": "profile_id", "target": "who", "transform": "sha256"},
    {"source": "email", "target": "mail", "transform": ["gmail", "lower", "hash_unless_hashed"], "mandatory": True},
    {"source": "email", "target": "md5", "transform": ["trim", "md5_base64"]},
    {"source": "phone", "target": "phone", "transform": ["e164(country)", "digits"]},
    {"source": "last_name", "target": "name", "transform": ["nfc", "strip_punctuation", "strip_spaces", "upper"]},
    {"source": "born", "target": "born", "transform": "date(%d/%m/%Y)"},
    {"source": "tags", "target": "tags", "join": "|", "transform": "default(none)"},
    {"source": "tags[-1]", "target": "tag"},
    {"expression": "CONCAT(first_name, ' ', CAST(points * 2 AS VARCHAR))", "target": "greeting"},
    {"expression": "DATE_PART('hour', now()) * 100 + MONTH(born)", "target": "number"},
    STATUS,
]
DAILY = {"at": "06:00"}
LAST = DAILY | {"start": "2026-11-22"}
Settings = dict[str, Any]


def sent(audience: str, name: str | None = None, **more: Any) -> Settings:
    """An activation: incremental, and daily unless told otherwise."""
    return {"audience": audience, "id": name or audience, "export": "incremental", "schedule": DAILY} | more


def full(audience: str, name: str | None = None, **more: Any) -> Settings:
    """An activation: full, and on the last day unless told otherwise."""
    return {"audience": audience, "id": name or audience, "export": "full", "schedule": LAST} | more


def destinations(day: int) -> Iterator[tuple[str, Settings]]:
    """The destinations of the workspace with text ids; some settings of ``turning`` change on the 22nd."""
    activations = [
        sent("gold"),
        sent("gold", "keys", changes=["membership", "identity", "keys"]),
        sent("gold", "attributes", changes=["membership", "identity", "keys", "attributes"]),
        full(
            "adults",
            "parted",
            max_rows_per_file=40,
            file_name="all the {activation}",
            schedule=LAST | {"start": "2026-11-21"},
        ),
        sent("best", schedule="after_evaluation"),
        sent("listed"),
        sent("gold", "unmapped", mapping=["profile_id", STATUS], deduplicate=["email", "country"]),
        sent("everyone", "now", schedule="on_demand"),
        sent("nobody", skip_empty=True, schedule=LAST),
    ]
    crm = ["profile_id", MAIL | {"mandatory": True}, "first_name", STATUS, SINCE]
    yield "crm", {"mapping": crm, "deduplicate": ["email"], "activations": activations}

    mail = {"source": "phone", "target": "mail"} if day >= 22 else MAIL
    mapping = ["profile_id", mail | {"mandatory": True}, STATUS, {"source": "country", "target": "land"}]
    adults = sent("adults", export="full" if day == 21 else "incremental")
    deduplicate = ["phone" if day >= 22 else "email"]
    yield "turning", {"mapping": mapping, "deduplicate": deduplicate, "activations": [adults]}

    identity = {"source": "identity_map.Email", "target": "mail", "transform": ["trim", "lower"]}
    mapping = [identity, "profile_id", "first_name", STATUS, SINCE]
    yield "ids", {"mapping": mapping, "activations": [sent("changing"), full("mailed")]}
    yield "hashed", {"mapping": TRANSFORMED, "deduplicate": ["email"], "activations": [sent("rare")]}

    yield "sheets", {"mapping": SHEET, "file_name": "{export}/{activation}-{local_datetime}", "activations": sheets()}
    kinds = [full("buyers", "gzip", compression="gzip"), full("gold", "zip", compression="zip")]
    yield (
        "packed",
        {"mapping": SHEET, "file_name": "{activation}-{run_id}", "max_rows_per_file": 25, "activations": kinds},
    )
    yield (
        "lake",
        {
            "format": "parquet",
            "mapping": EVERY_TYPE,
            "activations": [sent("buyers"), full("everyone", compression="zstd", max_rows_per_file=150)],
        },
    )
    yield (
        "lines",
        {
            "format": "json",
            "mapping": EVERY_TYPE,
            "manifest": False,
            "activations": [full("adults", compression="zstd")],
        },
    )

    braze = [{"source": "profile_id", "target": "external_id"}, "email", "phone", "first_name", STATUS]
    yield "braze", {"preset": "braze", "mapping": braze, "activations": [sent("mixed")]}
    google = ["email", "phone", {"source": "note", "target": "Zip"}, "country"]
    names = [
        {"source": name, "target": target} for name, target in (("first_name", "First Name"), ("note", "Last Name"))
    ]
    yield "google", {"preset": "google_customer_match", "mapping": [*google, *names], "activations": [full("everyone")]}


def sheets() -> list[Settings]:
    """Activations with other CSV options each."""
    styles: dict[str, dict[str, Any]] = {
        "always": {"quote_style": "always", "delimiter": ";", "sanitize_formulas": True, "bom": True},
        "non-numeric": {"quote_style": "non_numeric", "quote": "'", "null_value": "NULL", "header": False},
        "escaped": {"escape": "\\", "delimiter": "||"},
        "spreadsheet": {"encoding": "utf-16", "delimiter": "\t", "line_terminator": "\r\n", "null_value": "-"},
    }
    never = {"quote_style": "never", "encoding": "latin-1", "null_value": "none"}
    return [
        *(full("adults", name, csv=csv) for name, csv in styles.items()),
        full("everyone", mapping=EVERY_TYPE),
        full("rare", "never", csv=never, mapping=["small", "balance", "seen", STATUS]),
    ]


def few_destinations() -> Iterator[tuple[str, Settings]]:
    """The destinations of the workspace with integer ids."""
    activations = [
        sent("gold", deduplicate=["email"]),
        sent("listed"),
        sent("mixed", changes=["membership", "attributes"]),
        full("everyone", "parted", max_rows_per_file=60),
    ]
    yield "crm", {"mapping": ["profile_id", MAIL, "points", STATUS, SINCE], "activations": activations}
    activations = [full("buyers"), sent("mixed", "now", schedule="on_demand")]
    yield "lake", {"format": "parquet", "mapping": ["profile_id", "note", STATUS], "activations": activations}
    identity = {"source": "identity_map.Phone", "target": "phone"}
    yield "ids", {"format": "json", "mapping": ["profile_id", identity, STATUS], "activations": [sent("adults")]}


def furnish(shop: Shop, day: int, *, by_text: bool) -> None:
    """Write the destinations of a day."""
    for name, content in destinations(day) if by_text else few_destinations():
        usual = {"url": f"out/{name}"} if "preset" in content else {"url": f"out/{name}", "format": "csv"}
        shop.write(f"destinations/{name}.yml", usual | content)


def night(root: Path, *, by_text: bool) -> Shop:
    """Three days of a workspace: inputs come in the night, cron calls in the morning, and on the last day in the
    evening, somebody asks for a file.
    """
    shop = Shop(
        root,
        workspace="text" if by_text else "whole",
        timezone="Europe/Berlin",
        evaluation={"schedule": {"at": "03:00"}, "keep_exited": "1d"},
        memberships={"path": "data/memberships"},
        guards={"max_shrink": "90%"},
    )
    shop.events(events(by_text=by_text))
    for name, content in AUDIENCES.items():
        shop.audience(name, **content)
    for day in DAYS:
        furnish(shop, day, by_text=by_text)
        today = snapshot(day, by_text=by_text)
        half = today.height // 2
        shop.profiles(f"2026-11-{day}", today[:half])
        shop.profiles(f"2026-11-{day}", today[half:].select(*reversed(today.columns)), part="part-1")
        shop.parquet(f"data/memberships/{day}.parquet", feed(day, by_text=by_text))
        shop.run(f"2026-11-{day}T07:00Z", "-q")
    shop.ok("export", "-q", "crm/now" if by_text else "lake/now", "--at", f"2026-11-{DAYS[-1]}T20:00Z")
    return shop


# Digests


def digests(shop: Shop) -> dict[str, str]:
    """The digest of each file at the destinations, by the path below the folder ``out``.

    CSV and JSON files are digested as they are. A compressed file is unpacked first, and of a Parquet file columns,
    types and rows are digested: these bytes are made by libraries, whose releases may differ.
    """
    out = shop.root / "out"
    files = {path.relative_to(out).as_posix(): path for path in sorted(out.rglob("*")) if path.is_file()}
    contents = {name: _content(path) for name, path in files.items()}
    unlike = {name for name in files if name.endswith((".gz", ".zst", ".zip", ".parquet"))}
    return {name: hashlib.sha256(_manifest(contents, name, unlike)).hexdigest() for name in contents}


def _content(path: Path) -> bytes:
    """What a file holds."""
    return _READ.get(path.suffix, Path.read_bytes)(path)


def _zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        inside = [(each.filename, each.date_time) for each in archive.infolist()]
        return repr(inside).encode() + b"".join(archive.read(each) for each in archive.infolist())


def _zstd(path: Path) -> bytes:
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        return bytes(stream.read())


def _rows(path: Path) -> bytes:
    frame = pl.read_parquet(path)
    return "\n".join(repr(each) for each in (*frame.schema.items(), *frame.iter_rows())).encode()


_READ: Mapping[str, Callable[[Path], bytes]] = {
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
    ".zst": _zstd,
    ".zip": _zipped,
    ".parquet": _rows,
}


def _manifest(contents: Mapping[str, bytes], name: str, unlike: set[str]) -> bytes:
    """The content of a file; in a manifest without sizes and checksums of the files that libraries make."""
    content = contents[name]
    if not Path(name).name.startswith("manifest-"):
        return content
    text = content.decode()
    for each in json.loads(text)["exportResults"]:
        if f"{Path(name).parent.as_posix()}{each['sinkPath'].rstrip('/')}/{each['name']}" in unlike:
            text = text.replace(each["sha256"], "sha256").replace(f'"size": {each["size"]}', '"size": 0')
    return text.encode()


def delivered(folder: Path, workspace: str) -> dict[str, str]:
    """The digests of what the workspace ``text`` or ``whole`` delivers."""
    return digests(night(folder / workspace, by_text=workspace == "text"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        found = {each: delivered(Path(made), each) for each in WORKSPACES}
    Path(sys.argv[1], GOLDEN.name).write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
