"""Where everything lies in the state folder; no other module knows these names (F6, S6, SPEC 10).

.muster/
├── ledger.sqlite            what was evaluated, delivered and begun
├── ledger.checked           the ledger's fingerprint after the last clean command: while it matches, no full check
├── config.checked           the config that was found without mistake, and what that depends on
├── memberships/             a block for each evaluation and up to 64 audiences that rules decide (E8)
├── memberships/<audience>/  one file for each evaluation of an audience that is in no block (E8)
├── baselines/<destination>/<activation>/  the delivered set of the last success
├── numbering/               the number of every profile that an evaluation met, given once and for ever
├── rosters/                 the profiles of a snapshot by number, in their order; named by their checksums
├── profiles/<policy>/<instant>/  the merged view of a build of profiles from sources, and nothing else (P10)
├── graphs/<policy>/<instant>/    the identity graph of a build, ids that stay, lineage (P7); made with profiles/
├── rejects/                 for each run the profiles that it left out, with the reasons
├── decisions/               the rows that each run wrote, unless an evaluation's memberships say the same
├── outbox/<destination>/<activation>/<run>.<comparison>/  messages of a run that is being sent; made when there are any
├── staging/                 files of runs that wait to be uploaded to another machine; made when there are any
├── tmp/                     files being written; what is in it when a command starts was left by a killed one
├── pruning                  stands there while files of pruned history may still be there
├── incoming/                a backup that is being copied for a restore
├── restoring/               stands there while a backup replaces the state
├── damaged-<instant>/       files that a repair replaced
├── replaced-<instant>/      the state that a restore replaced
└── lock                     held by the command that writes
"""

import re
from collections.abc import Collection
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath

from muster.activation.instants import stamp

LEDGER = "ledger.sqlite"
LEDGER_JOURNAL = "ledger.sqlite-journal"
LEDGER_CHECKED = "ledger.checked"
CONFIG_CHECKED = "config.checked"
LOCK = "lock"
MEMBERSHIPS, BASELINES, NUMBERING, ROSTERS = "memberships", "baselines", "numbering", "rosters"
VIEWS, GRAPHS = "profiles", "graphs"
REJECTS, DECISIONS = "rejects", "decisions"
TEMPORARY, STAGING, OUTBOX = "tmp", "staging", "outbox"
PRUNING, INCOMING, RESTORING = "pruning", "incoming", "restoring"
DAMAGED, REPLACED = "damaged-", "replaced-"  # beginnings of names: an instant follows

COLUMN_OF_RUNS_FOLDER = {REJECTS: "rejects", DECISIONS: "decision"}  # folders of runs, and the ledger's column for each
_ALWAYS = (MEMBERSHIPS, BASELINES, NUMBERING, ROSTERS, *COLUMN_OF_RUNS_FOLDER)
OF_BUILDS = (VIEWS, GRAPHS)  # folders of builds of profiles from sources, made by the first build
NAMED_FOLDERS = (*_ALWAYS, *OF_BUILDS)  # all with files that the ledger refers to
FOLDERS = (*_ALWAYS, TEMPORARY)  # made by every command that writes
ASIDE = (DAMAGED, REPLACED)
_OF_BUILD = re.compile(rf"({VIEWS}|{GRAPHS})/[^/]+/\d{{8}}T\d{{6}}Z(-\d+)?/[^/]+\.parquet")
_FILES = (LEDGER, LEDGER_JOURNAL, LEDGER_CHECKED, CONFIG_CHECKED, LOCK, PRUNING)
KNOWN = {*FOLDERS, *OF_BUILDS, *_FILES, STAGING, OUTBOX}  # in a healthy state


def memberships_folder(audience: str) -> str:
    """Return the folder of an audience's evaluations."""
    return f"{MEMBERSHIPS}/{audience}"


def memberships_file(audience: str, at: datetime, generation: int) -> str:
    """Return the file for one evaluation of an audience; each repetition at the same instant is a generation."""
    suffix = f"-{generation}" if generation > 1 else ""
    return f"{memberships_folder(audience)}/{stamp(at)}{suffix}.parquet"


def block_file(at: datetime, named: Collection[str]) -> str:
    """Return the first free file for a block of an instant; ``named`` are the files of other blocks."""
    return _free_block(stamp(at), named)


def next_block_file(file: str, named: Collection[str]) -> str:
    """Return the first free file for a block of the same instant as another; ``named`` are the files of blocks."""
    return _free_block(PurePosixPath(file).stem.partition("-")[0], named)


def _free_block(instant: str, named: Collection[str]) -> str:
    suffixes = ("" if number == 1 else f"-{number}" for number in count(1))
    return next(file for suffix in suffixes if (file := f"{MEMBERSHIPS}/{instant}{suffix}.parquet") not in named)


def part_of(file: str, audience: str) -> str:
    """Return what the ledger calls an audience's part of a block; ids of audiences have no ``#``."""
    return f"{file}#{audience}"


def baseline_file(destination: str, activation: str, run_id: str) -> str:
    """Return the file for the delivered set that a run leaves."""
    return f"{BASELINES}/{destination}/{activation}/{run_id}.parquet"


def message_rows_file(destination: str, activation: str, run_id: str, compared: int) -> str:
    """Return the file for the delivered rows that a comparison of a run of messages leaves."""
    return f"{BASELINES}/{destination}/{activation}/{run_id}.{compared}.parquet"


def roster_file(sha256: str) -> str:
    """Return the file of the roster with a checksum."""
    return f"{ROSTERS}/{sha256}.parquet"


def numbering_file(sha256: str) -> str:
    """Return the file of the numbering with a checksum."""
    return f"{NUMBERING}/{sha256}.parquet"


def build_name(at: datetime, taken: Collection[str]) -> str:
    """Return the first free name for the folders of a build of an instant; ``taken`` are those of a policy's builds."""
    names = (stamp(at) if number == 1 else f"{stamp(at)}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)


def view_file(policy: str, build: str, part: int = 1) -> str:
    """Return a file of the merged view of a build that has a name (P10): views that fill the memory have several."""
    suffix = f"_{part}" if part > 1 else ""
    return f"{VIEWS}/{policy}/{build}/profiles{suffix}.parquet"


def graph_file(policy: str, build: str, kind: str) -> str:
    """Return one of the files of the identity graph of a build that has a name; ``kind`` says what it holds."""
    return f"{GRAPHS}/{policy}/{build}/{kind}.parquet"


def is_of_build(file: str) -> bool:
    """Return whether a path in the state folder is named as the files of builds are."""
    return bool(_OF_BUILD.fullmatch(file))


def build_in(file: str) -> tuple[str, str]:
    """Return the policy and the name of the build that a file in ``profiles/`` or ``graphs/`` is of."""
    _, policy, build, _ = file.split("/")
    return policy, build


def renamed_build(file: str, name: str) -> str:
    """Return where a file of a build is in folders of another name."""
    kind, policy, _, own = file.split("/")
    return f"{kind}/{policy}/{name}/{own}"


def rejects_file(run_id: str) -> str:
    """Return the file that lists the profiles a run left out."""
    return f"{REJECTS}/{run_id}.parquet"


def decision_file(run_id: str) -> str:
    """Return the file of the rows that a run wrote."""
    return f"{DECISIONS}/{run_id}.parquet"


def rewritten_file(file: str, taken: Collection[str]) -> str:
    """Return a free name for what a file of a run, of a delivered set or of one audience becomes: ``<name>~2`` etc."""
    stem = file.removesuffix(".parquet").partition("~")[0]
    return next(name for number in count(2) if (name := f"{stem}~{number}.parquet") not in taken)


def run_in(file: str) -> str:
    """Return the id of the run whose rejects or decision a file has."""
    return PurePosixPath(file).stem.partition("~")[0]


def outbox_folder(destination: str, activation: str, run_id: str, compared: int) -> str:
    """Return the folder of the outbox of a comparison of a run (V8)."""
    return f"{OUTBOX}/{destination}/{activation}/{run_id}.{compared}"


def kind_of(file: str) -> str:
    """Return the folder of the state in which a file lies, such as ``memberships``."""
    return file.partition("/")[0]


def temporary(folder: Path, name: str) -> Path:
    """Return where a file is written before it takes its place; ``folder`` is the state folder."""
    return folder / TEMPORARY / name.replace("/", "~")


def aside_folder(folder: Path, beginning: str, now: datetime) -> Path:
    """Return a folder that does not exist yet, for what a repair or a restore replaces at an instant."""
    wanted = f"{beginning}{stamp(now)}"
    others = sum(1 for _ in folder.glob(f"{wanted}*"))
    return folder / (f"{wanted}-{others + 1}" if others else wanted)


def is_aside(name: str) -> bool:
    """Return whether a name in the state folder is that of files which a repair or a restore replaced."""
    return name.startswith(ASIDE)
