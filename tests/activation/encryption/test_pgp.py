"""Encrypted files: opened by the real gpg, and by nobody whom they are not for, whatever happens on the way
(F2, F3).
"""

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pysequoia
import pytest
from support import kills
from support.crash_points import Left, left_by_kills
from support.gnupg import Gpg, gpg
from support.kills import Moment
from support.refusals import refused
from support.servers import KEYS, S3, Sshd, s3, sshd
from support.shop import Shop, at, person, quick_folder

from muster.activation.config import workspace
from muster.activation.encryption import pgp_process
from muster.activation.encryption import sealing as encryption
from muster.activation.export import written_rows
from muster.activation.files import parts
from muster.activation.frames.columns import STATUS_TYPE

SLOT, NEXT = "2026-11-20T05:00Z", "2026-11-21T05:00Z"
PHRASE = "open sesame of the tests"
PARTNER, OTHER, OURS, EXPIRING = "keys/partner.asc", "keys/other.asc", "keys/ours.asc", "keys/expiring.asc"
SIGNED = {"key": OURS, "passphrase_env": "OUR_PASSPHRASE"}
ANN = b"profile_id,email,status\na,ann@x.com,realized\n"


def pgp(*public: str, **more: Any) -> dict[str, Any]:
    """``encryption`` of a destination."""
    return {"pgp": {"public_keys": list(public or (PARTNER,)), **more}}


@pytest.fixture(scope="module")
def keyring() -> Iterator[Gpg]:
    """A keyring with one key of each kind."""
    with gpg() as ring:
        for name in ("partner", "other"):
            ring.make(name)
        ring.make("ours", passphrase=PHRASE)
        ring.make("expiring", expires="20261120T000000")
        ring.make("signing", usage="sign")
        ring.revoke(ring.make("revoked"))
        yield ring


@pytest.fixture(scope="module")
def files(keyring: Gpg) -> dict[str, bytes]:
    """Key files by name."""
    public = {name: keyring.public(name) for name in ("partner", "other", "expiring", "signing", "revoked")}
    made = {f"keys/{name}.asc": content for name, content in public.items()}
    made["keys/stub.asc"] = keyring.subkeys("ours", PHRASE)
    return made | {
        OURS: keyring.private("ours", PHRASE),
        "keys/two.asc": keyring.public("partner", "other"),
        "keys/note.txt": b"no key\n",
    }


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Shop:
    """One person, evaluated, and key files; tests work on copies."""
    shop = Shop(tmp_path_factory.mktemp("evaluated") / "shop")
    shop.profiles("2026-11-20", [person("a", "ann@x.com")])
    shop.audience("all", where="true")
    for name, content in files.items():
        shop.write(name, "").write_bytes(content)
    shop.crm()
    shop.evaluate("2026-11-20T02:00Z")
    return shop


@pytest.fixture
def shop(tmp_path: Path, evaluated: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A copy of it; what is encrypted is the test's to say."""
    monkeypatch.setenv("OUR_PASSPHRASE", PHRASE)
    return copied(evaluated, tmp_path / "shop")


def copied(shop: Shop, root: Path) -> Shop:
    """The workspace as it is now, in another folder."""
    twin = Shop.__new__(Shop)
    twin.root, twin.settings = root, dict(shop.settings)
    shutil.copytree(shop.root, root)
    return twin


def exported(shop: Shop, at: str = SLOT, **destination: Any) -> bytes:
    """The one file that a destination sends then."""
    shop.crm(**({"encryption": pgp()} | destination))
    shop.run(at)
    [name] = shop.runs("crm/all")[-1]["files"]
    return (shop.root / name["path"]).read_bytes()


# What the receiver gets


@pytest.mark.parametrize(
    ("kind", "compression", "ending"),
    [
        ("csv", "none", ".csv.pgp"),
        ("csv", "gzip", ".csv.gz.pgp"),
        ("csv", "zip", ".csv.zip.pgp"),
        ("json", "zstd", ".json.zst.pgp"),
        ("parquet", "zstd", ".parquet.pgp"),
    ],
)
def test_what_gpg_opens_is_what_would_have_been_sent(
    shop: Shop, keyring: Gpg, kind: str, compression: str, ending: str
) -> None:
    """Compressed, then encrypted, the suffix after all others (F2); inside are the bytes of the same export without
    encryption.
    """
    plain = {"audience": "all", "id": "plain", "export": "full", "schedule": {"at": "05:00"}, "encryption": "none"}
    sealed = {"audience": "all", "id": "sealed", "export": "full", "schedule": {"at": "05:00"}}
    form: dict[str, Any] = {"format": kind, "compression": compression, "file_name": "{destination}_{datetime}"}
    shop.crm(**form, encryption=pgp(), activations=[plain, sealed])
    shop.run(SLOT)
    names = shop.files("crm")
    assert [name.partition("Z")[2] for name in names] == [ending.removesuffix(".pgp"), ending]
    clear, encrypted = ((shop.root / "out" / name).read_bytes() for name in names)
    assert keyring.opened(encrypted).clear == clear
    assert b"ann@x.com" not in encrypted


def test_it_is_signed_and_each_recipient_opens_it(shop: Shop, keyring: Gpg) -> None:
    """`sign_with` puts our signature on it; several keys open it, each alone, and no other."""
    content = exported(shop, encryption=pgp(PARTNER, OTHER, sign_with=SIGNED))
    opened = keyring.opened(content)
    assert (opened.clear, opened.recipients) == (ANN, 2)
    assert (
        opened.signed_by
        == keyring("--with-colons", "--fingerprint", "ours@example.com").decode().split("fpr:::::::::")[1].split(":")[0]
    )
    for name, opens in (("other", True), ("ours", False)):
        with gpg() as alone:
            alone("--import", content=keyring.private(name, PHRASE), passphrase=PHRASE)
            assert alone.cannot_open(content) is not opens


@pytest.mark.parametrize("phrase", [PHRASE, ""])
def test_a_subkey_signs_while_the_primary_key_is_offline(
    shop: Shop, keyring: Gpg, monkeypatch: pytest.MonkeyPatch, phrase: str
) -> None:
    """SPEC 7: of a key that GnuPG exported without its primary private part, what is there signs, with a passphrase or
    without.
    """
    name = "locked" if phrase else "open"
    fingerprint = keyring.make(name, passphrase=phrase, usage="sign")
    keyring("--quick-add-key", fingerprint, "ed25519", "sign", "never", passphrase=phrase)
    shop.write("keys/subkeys.asc", "").write_bytes(keyring.subkeys(name, phrase))
    monkeypatch.setenv("OUR_PASSPHRASE", phrase or "of another key")
    signed = {"key": "keys/subkeys.asc"} | ({"passphrase_env": "OUR_PASSPHRASE"} if phrase else {})
    opened = keyring.opened(exported(shop, encryption=pgp(sign_with=signed)))
    assert (opened.clear, opened.signed_by) == (ANN, fingerprint)


def test_a_file_that_takes_its_time_is_encrypted_by_another_process(
    shop: Shop, keyring: Gpg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal and other deliveries are not held up by a large file; it comes out the same, signed."""
    monkeypatch.setattr(encryption, "SMALL", 0)
    monkeypatch.setattr(pgp_process.Sealer, "sealed", None)
    opened = keyring.opened(exported(shop, encryption=pgp(sign_with=SIGNED)))
    assert opened.clear == ANN
    assert opened.signed_by


def an_encryption(shop: Shop) -> encryption.Encryption:
    """That of the workspace's one activation, as an export has it."""
    shop.crm(encryption=pgp())
    made = workspace.load(shop.root, os.environ).activations[0].encryption
    assert made
    return encryption.opened(made, shop.root, shop.root / ".muster/tmp", at(SLOT), os.environ)


def children() -> str:
    """The processes that this one has started, and not seen the end of."""
    return " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).strip()


def test_that_process_ends_with_what_it_is_for(shop: Shop) -> None:
    """Whoever stops in the middle leaves no process behind."""
    sealing, before = an_encryption(shop), children()
    with sealing.clear_text() as clear:
        clear.file.write(os.urandom(8 << 20))
        pieces = sealing._sealed(clear.file)  # noqa: SLF001  # no other way to stop in the middle
        assert len(next(pieces)) == 1 << 20
        assert children() != before
        pieces.close()  # type: ignore[attr-defined]  # a generator
    assert children() == before


def test_memory_does_not_grow_with_the_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clear text of 128 MiB is encrypted by a process that may have 64, and comes from it in pieces."""
    room = 64 << 20
    started = partial(subprocess.Popen, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (room, room)))
    monkeypatch.setattr(subprocess, "Popen", started)
    sealing = an_encryption(shop)
    with sealing.clear_text() as clear:
        clear.file.truncate(2 * room)
        pieces = [len(piece) for piece in sealing._sealed(clear.file)]  # noqa: SLF001  # what is between the two
    assert sum(pieces) > 2 * room
    assert max(pieces) <= 1 << 20


def test_a_full_disk_of_the_state_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: no room for the clear text fails the run, says where, and leaves nothing at the destination."""
    monkeypatch.setattr(encryption, "TemporaryFile", lambda **_: open("/dev/full", "r+b", buffering=0))  # noqa: PTH123, SIM115  # muster closes it
    shop.crm(encryption=pgp())
    said = shop.muster("run", "--at", SLOT)
    expected = (
        ".muster/tmp: cannot write the clear text before encryption: no space left on device; nothing was delivered"
    )
    assert (said.code, expected in said.err) == (1, True)
    assert shop.tree("out") == {}


def test_the_process_that_fails_fails_the_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 10: an export whose file cannot be encrypted fails, says so, and leaves nothing; the next attempt
    heals it.
    """
    monkeypatch.setattr(encryption, "SMALL", 0)
    monkeypatch.setattr(pgp_process.Keys, "packed", lambda _: b"[]")
    shop.crm(encryption=pgp())
    said = shop.muster("run", "--at", SLOT)
    assert (
        said.code,
        "cannot be encrypted: the encryption process ended with exit code 1; nothing was delivered" in said.err,
    ) == (1, True)
    assert shop.tree("out") == {}
    monkeypatch.undo()
    shop.crm(encryption=pgp())
    shop.run(SLOT)
    assert len(shop.files("crm")) == 1


def test_parts_empty_files_and_constant_names(shop: Shop, keyring: Gpg) -> None:
    """F2, F5, F1: each part is encrypted; without rows a header is, or nothing; a constant name is replaced."""
    shop.profiles("2026-11-20", [person(each) for each in "bcd"], part="more")
    shop.evaluate("2026-11-20T02:00Z", "--replace")
    every = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
    one = {**every, "id": "latest", "file_name": "latest", "export": "full", "max_rows_per_file": 9}
    shop.crm(
        encryption=pgp(), max_rows_per_file=3, activations=[every, {**every, "id": "quiet", "skip_empty": True}, one]
    )
    shop.run(SLOT)
    names = [Path(file["path"]).name for file in shop.runs("crm/all")[0]["files"]]
    assert names == ["crm_all_20261120T050000Z.csv.pgp", "crm_all_20261120T050000Z_2.csv.pgp"]
    assert [keyring.opened((shop.root / "out/crm" / name).read_bytes()).clear.count(b"\n") for name in names] == [4, 2]
    first = (shop.root / "out/crm/latest.csv.pgp").read_bytes()
    shop.run(NEXT)
    [empty] = shop.runs("crm/all")[-1]["files"]
    assert keyring.opened((shop.root / empty["path"]).read_bytes()).clear == b"profile_id,email,status\n"
    assert shop.runs("crm/quiet")[-1]["files"] == []
    assert keyring.opened((shop.root / "out/crm/latest.csv.pgp").read_bytes()).clear == keyring.opened(first).clear


def test_a_run_whose_rows_do_not_add_up_is_not_encrypted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """X10: the clear text is counted before it is encrypted; what is wrong with it fails the run."""
    monkeypatch.setattr(parts, "_sink", lambda *_: None)
    shop.crm(encryption=pgp())
    said = shop.muster("run", "--at", SLOT)
    assert (said.code, "1 row was counted but the file holds -1" in said.err) == (1, True)
    assert shop.tree("out") == {}


# What is known of it


def of_files(shop: Shop, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of the ledger's files."""
    with closing(sqlite3.connect(shop.root / ".muster/ledger.sqlite")) as ledger:
        return ledger.execute(
            f"SELECT {', '.join(columns)} FROM files JOIN runs USING (run_id) ORDER BY path"
        ).fetchall()


def manifest(shop: Shop) -> dict[str, Any]:
    """The one manifest."""
    [path] = (shop.root / "out/crm").glob("manifest-*.json")
    return dict(json.loads(path.read_text()))


def digest(content: bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(content).hexdigest()


def test_ledger_and_manifest_tell_of_the_encrypted_file(shop: Shop) -> None:
    """F4: size and checksum are those of the file that is there. Those of the clear text, which could give it away,
    stay in the ledger.
    """
    content = exported(shop)
    assert of_files(shop, "size", "sha256", "clear_size", "clear_sha256") == [
        (len(content), digest(content), len(ANN), digest(ANN))
    ]
    [told] = manifest(shop)["exportResults"]
    assert (told["size"], told["sha256"], told["rows"]) == (len(content), digest(content), 1)
    assert digest(ANN) not in "".join([json.dumps(manifest(shop)), shop.ok("runs", "list", "--json").out])


def test_files_that_are_not_encrypted_have_no_clear_text(shop: Shop) -> None:
    """The columns are for encrypted files alone."""
    shop.run(SLOT)
    assert of_files(shop, "clear_size", "clear_sha256") == [(None, None)]


def test_verify_and_reconcile_cannot_look_inside(shop: Shop) -> None:
    """Size and checksum are compared, and that this is all is said; who is in the file cannot be told."""
    exported(shop)
    said = shop.ok("verify")
    assert "intact" in said.out
    assert (
        "only size and checksum were compared: it is encrypted, and muster has no key that opens it"
        in said.out + said.err
    )
    assert "are encrypted, and muster has no key that opens them" in refused(shop, "reconcile", "crm/all")
    [path] = [shop.root / "out" / name for name in shop.files("crm")]
    path.write_bytes(path.read_bytes()[:-1])
    said = shop.muster("verify")
    assert (said.code, "its sha256 is" in said.out + said.err) == (1, True)


# Mistakes

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "none": (
        pgp("keys/none.asc"),
        "public_keys[0]: keys/none.asc does not exist; expected a key file, relative to the workspace",
    ),
    "folder": (pgp("keys"), "public_keys[0]: keys cannot be read: is a directory"),
    "no key": (pgp("keys/note.txt"), "public_keys[0]: keys/note.txt holds no OpenPGP key"),
    "two": (pgp("keys/two.asc"), "public_keys[0]: keys/two.asc holds 2 keys; expected one a file"),
    "private": (pgp(OURS), "public_keys[0]: keys/ours.asc holds a private key where a public one belongs"),
    "revoked": (pgp(PARTNER, "keys/revoked.asc"), "public_keys[1]: keys/revoked.asc holds the key "),
    "signs only": (
        pgp("keys/signing.asc"),
        "which cannot be encrypted to: it has no such subkey, or it is revoked",
    ),
    "twice": (
        pgp(PARTNER, PARTNER),
        "public_keys[1]: keys/partner.asc contains the same key as keys/partner.asc; remove one of them",
    ),
    "nobody": ({"pgp": {"public_keys": []}}, "public_keys: is empty; expected at least one key file to encrypt to"),
    "unsaid": ({"pgp": {}}, "public_keys: is required: the files of the keys to encrypt to"),
    "other": (
        "gpg",
        "encryption: 'gpg' is not an encryption; expected {pgp: {public_keys: [keys/partner.asc]}}, or none",
    ),
    "public": (
        pgp(sign_with={"key": OTHER}),
        "sign_with.key: keys/other.asc holds a public key; signing needs the private key",
    ),
    "elsewhere": (
        pgp(sign_with={"key": "keys/stub.asc"}),
        ", but its private part that signs is kept elsewhere; give it a subkey that signs",
    ),
    "in clear": (
        pgp(sign_with={"key": OURS, "passphrase_env": PHRASE}),
        "a value of 24 characters is not the name of an environment variable",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_key_that_cannot_be_used_is_a_mistake_of_the_config(shop: Shop, mistake: str) -> None:
    """SPEC 10: named by file, line and key, exit 2, before anything is written; the passphrase is in no message."""
    written, said = MISTAKES[mistake]
    shop.crm(encryption=written)
    found = refused(shop, "run", "--at", SLOT)
    assert found.startswith("error: destinations/crm.yml:")
    assert said in found
    assert PHRASE not in found


def test_a_passphrase_that_is_not_set_stops_the_exports_that_sign(shop: Shop) -> None:
    """SPEC 2, 10: the run fails with the variable's name, exit 1, and nothing is written; offline it is a warning."""
    shop.crm(encryption=pgp(sign_with={"key": OURS, "passphrase_env": "NOBODY"}))
    failed = shop.muster("run", "--at", SLOT)
    assert failed.code == 1
    assert "encryption.pgp.sign_with.passphrase_env: environment variable NOBODY is not set" in failed.err
    assert not shop.files("crm")
    assert shop.muster("validate", "--at", SLOT).code == 2
    shop.ok("validate", "--at", SLOT, "--offline")


def test_no_key_is_looked_at_twice(shop: Shop) -> None:
    """A mistake in the destination's keys is said once, however many activations it has, and an activation's own
    replaces them.
    """
    daily = [{"audience": "all", "id": name, "export": "full", "schedule": {"at": "05:00"}} for name in "xyz"]
    shop.crm(encryption=pgp("keys/none.asc"), activations=[*daily, {**daily[0], "id": "own", "encryption": pgp()}])
    assert refused(shop, "validate").count("does not exist") == 1
    shop.crm(encryption=pgp(OTHER), activations=[*daily, {**daily[0], "id": "own", "encryption": pgp()}])
    keys = {
        each.id: each.encryption and each.encryption.public_keys[0].path
        for each in workspace.load(shop.root, os.environ).activations
    }
    assert keys == {"x": OTHER, "y": OTHER, "z": OTHER, "own": PARTNER}


def test_a_missing_library_is_one_message(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, a config that encrypts is refused with how to install it; others do not need it."""
    monkeypatch.setattr("muster.activation.config.encryption.find_spec", lambda _: None)
    shop.ok("validate")
    shop.crm(encryption=pgp())
    said = 'encryption: PGP cannot be used: pysequoia is not installed; pip install "muster-activation[pgp]"'
    assert said in refused(shop, "validate")


def test_a_key_file_that_changes_is_read_again(shop: Shop, files: dict[str, bytes]) -> None:
    """A config that is remembered counts no more when a key file has changed: a key that was revoked is never used
    again.
    """
    exported(shop)
    assert (shop.root / ".muster/config.checked").exists()
    (shop.root / PARTNER).write_bytes(files["keys/revoked.asc"])
    assert "which is revoked" in refused(shop, "runs", "list")
    (shop.root / PARTNER).unlink()
    assert "does not exist" in refused(shop, "runs", "list")


# Keys that expire


@pytest.mark.parametrize(("moment", "good"), [("2026-11-19T05:00Z", True), (SLOT, False)])
def test_a_key_has_expired_at_the_instant_of_the_command(shop: Shop, moment: str, good: bool) -> None:
    """E1: it is `--at` that decides, not the machine's clock. Nothing is delivered with an expired key: the run
    is tried and fails (X1).
    """
    shop.profiles("2026-11-18", [person("a", "ann@x.com")])
    shutil.rmtree(shop.root / ".muster")
    shop.crm(encryption=pgp(PARTNER, EXPIRING))
    shop.evaluate("2026-11-18T02:00Z")
    shop.muster("run", "--at", "2026-11-18T02:00Z")
    said = shop.muster("run", "--at", moment)
    if good:
        assert (said.code, len(shop.files("crm"))) == (0, 1)
        return
    expired = "encryption.pgp.public_keys[1]: keys/expiring.asc expired at 2026-11-20T00:00:00Z (key "
    assert (said.code, shop.files("crm")) == (1, [])
    for command, code in (("run", 1), ("plan", 1), ("validate", 2)):
        said = shop.muster(command, "--at", moment)
        assert (said.code, expired in said.err) == (code, True), command


def test_the_others_go_on(shop: Shop) -> None:
    """X1: a key that has expired fails the activations that encrypt to it; the slot stays due until there is a
    new one.
    """
    daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
    shop.crm(
        encryption=pgp(EXPIRING), activations=[{**daily, "id": "stuck"}, {**daily, "id": "well", "encryption": pgp()}]
    )
    assert shop.muster("run", "--at", "2026-11-21T06:00Z").code == 1
    assert [Path(name).name for name in shop.files("crm")] == ["crm_well_20261121T050000Z.csv.pgp"]
    shutil.copy(shop.root / PARTNER, shop.root / EXPIRING)
    shop.run("2026-11-21T06:00Z")
    assert len(shop.files("crm")) == 2


def test_a_key_that_will_expire_is_told_of(shop: Shop) -> None:
    """`validate` says so 30 days before, and not earlier."""
    shop.crm(encryption=pgp(EXPIRING))
    shop.profiles("2026-10-01", [person("a")])
    note = "keys/expiring.asc expires at 2026-11-20T"
    assert note in shop.ok("validate", "--at", "2026-10-29T00:00Z").err
    assert note not in shop.ok("validate", "--at", "2026-10-12T00:00Z").err


# Signing keys


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        (
            None,
            (
                "sign_with.key: keys/ours.asc is locked by a passphrase; name the environment variable that "
                "holds it: passphrase_env"
            ),
        ),
        ("wrong horse battery", "sign_with.key: keys/ours.asc cannot be opened with the passphrase in OUR_PASSPHRASE"),
    ],
)
def test_a_private_key_that_stays_locked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, phrase: str | None, said: str
) -> None:
    """The run fails and says what is missing; neither the passphrase that is wrong nor the right one is told."""
    monkeypatch.setenv("OUR_PASSPHRASE", phrase or "")
    shop.crm(encryption=pgp(sign_with=SIGNED if phrase else {"key": OURS}))
    for command, code in (("validate", 2), ("run", 1)):
        found = shop.muster("-vv", command, "--at", SLOT)
        assert (found.code, said in found.err) == (code, True)
        assert not phrase or phrase not in found.err + found.out
    assert shop.files() == []


def test_secrets_are_nowhere(shop: Shop) -> None:
    """The passphrase and the clear text are in no log, no message, no ledger, no manifest and no file, also at full
    length of the log.
    """
    shop.crm(encryption=pgp(sign_with=SIGNED))
    said = shop.ok("-vv", "run", "--at", SLOT)
    known = b"".join([said.out.encode(), said.err.encode(), *shop.tree("out", ".muster").values()])
    assert PHRASE.encode() not in known
    assert b"ann@x.com" not in known


# Made again


def run_id(shop: Shop) -> str:
    """The newest run's."""
    return str(shop.runs("crm/all")[-1]["run_id"])


def test_replay_encrypts_anew_and_compares_the_clear_text(shop: Shop, keyring: Gpg, tmp_path: Path) -> None:
    """Encrypted bytes always differ: it says so, and that the clear text is that of then; the manifest beside it tells
    of its own files.
    """
    before = exported(shop)
    found = shop.ok("replay", run_id(shop), "--to", str(tmp_path / "again"))
    assert (
        "encrypted anew, which gives other bytes each time; their clear text has the bytes that were delivered"
        in found.out
    )
    [path] = (tmp_path / "again").glob("*.pgp")
    assert path.read_bytes() != before
    assert keyring.opened(path.read_bytes()).clear == ANN
    [told] = (tmp_path / "again").glob("manifest-*")
    assert json.loads(told.read_text())["exportResults"][0]["sha256"] == digest(path.read_bytes())
    told_as_json = shop.ok("replay", run_id(shop), "--to", str(tmp_path / "twice"), "--json").json
    assert (told_as_json["same"], told_as_json["encrypted"]) == (True, True)


def test_another_clear_text_is_seen(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What does not have the clear text's checksum is named by `replay` and not put back by `redeliver`."""
    exported(shop)
    read = written_rows.read
    monkeypatch.setattr(
        written_rows,
        "read",
        lambda *parts: read(*parts).with_columns(pl.lit("exited").cast(STATUS_TYPE).alias("status")),
    )
    assert (
        "not the bytes that were delivered" in shop.muster("replay", run_id(shop), "--to", str(tmp_path / "again")).err
    )
    shop.set()
    (shop.root / "out" / shop.files("crm")[0]).unlink()
    assert "made again, it does not have the bytes that were delivered" in shop.muster("redeliver", run_id(shop)).err
    assert shop.files("crm") == []


@pytest.mark.parametrize("command", [["replay"], ["redeliver"]], ids="".join)
def test_it_is_never_made_again_in_clear(shop: Shop, command: list[str]) -> None:
    """When the config encrypts no more, or its key has expired, a run's files stay what they were."""
    exported(shop)
    (shop.root / "out" / shop.files("crm")[0]).unlink()
    shop.crm()
    assert "delivered encrypted files, and the config has no `encryption` for crm/all now" in refused(
        shop, *command, run_id(shop)
    )
    shop.crm(encryption=pgp(EXPIRING))
    if datetime.now(UTC) > at("2026-11-21T00:00Z"):  # on a machine whose clock is right: these commands take no --at
        assert "expired at 2026-11-20T" in refused(shop, *command, run_id(shop))


def test_redeliver_tells_of_the_new_bytes(shop: Shop, keyring: Gpg) -> None:
    """What is put back was encrypted anew, with the keys of now: ledger and manifest tell its size and checksum, and
    `verify` agrees.
    """
    before = exported(shop)
    shop.crm(encryption=pgp(OTHER))
    [path] = [shop.root / "out" / name for name in shop.files("crm")]
    path.unlink()
    assert "1 file put back" in shop.ok("redeliver", run_id(shop)).out
    content = path.read_bytes()
    assert content != before
    assert keyring.opened(content).clear == ANN
    assert of_files(shop, "size", "sha256", "clear_sha256") == [(len(content), digest(content), digest(ANN))]
    assert manifest(shop)["exportResults"][0]["sha256"] == digest(content)
    shop.ok("verify")
    assert "nothing was written" in shop.ok("redeliver", run_id(shop)).out


# Other machines


@pytest.mark.parametrize("place", ["sftp", "s3"])
def test_other_machines_get_encrypted_files(
    shop: Shop, keyring: Gpg, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The staged file, which is uploaded, is the encrypted one; it is verified there, and put back there."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with sshd(tmp_path / "server") if place == "sftp" else s3(tmp_path / "server") as server:
        if isinstance(server, Sshd):
            shop.crm(url=server.url("/drop"), connection=server.connection, encryption=pgp())
        else:
            shop.crm(url=f"s3://{server.bucket}/drop", connection={"endpoint": server.endpoint()}, encryption=pgp())
        shop.run(SLOT)
        first = fetched(server)
        assert keyring.opened(first).clear == ANN
        shop.ok("verify")
        lose(server)
        shop.ok("redeliver", run_id(shop))
        assert keyring.opened(fetched(server)).clear == ANN
        shop.ok("verify")
    assert list((shop.root / ".muster/staging").iterdir()) == []


def fetched(server: Sshd | S3) -> bytes:
    """The one file that was sent there."""
    if isinstance(server, Sshd):
        [path] = (server.folder / "drop").glob("*.pgp")
        return path.read_bytes()
    with the_object(server) as (client, place):
        return bytes(client.get_object(**place)["Body"].read())


def lose(server: Sshd | S3) -> None:
    """Delete it there."""
    if isinstance(server, Sshd):
        [path] = (server.folder / "drop").glob("*.pgp")
        path.unlink()
        return
    with the_object(server) as (client, place):
        client.delete_object(**place)


@contextmanager
def the_object(server: S3) -> Iterator[tuple[Any, dict[str, str]]]:
    """A plain client, and where the one file is."""
    with closing(boto3.client("s3", endpoint_url=server.endpoint())) as client:
        listed = client.list_objects_v2(Bucket=server.bucket)["Contents"]
        [key] = [each["Key"] for each in listed if each["Key"].endswith(".pgp")]
        yield client, {"Bucket": server.bucket, "Key": key}


# Kills


@pytest.fixture
def quick() -> Iterator[tuple[Shop, pysequoia.Tsk]]:
    """Two people to send at one slot, in memory, to a key that opens quickly."""
    with quick_folder() as folder:
        shop, key = Shop(folder / "shop"), pysequoia.Tsk.generate("quick")
        shop.profiles("2026-11-20", [person(each, f"{each}-marker@x.com") for each in "ab"])
        shop.audience("all", where="true")
        shop.write(PARTNER, str(key.extract_certificate()))
        shop.crm(encryption=pgp())
        shop.evaluate("2026-11-20T02:00Z")
        yield shop, key


def at_the_destination(moments: Sequence[Moment]) -> list[Moment]:
    """Those that show there, commits, and when a file there is opened: before that for the encrypted text the clear
    text is complete.
    """
    opened = [each for each in moments if each.name.startswith("open out/") and "manifest" not in each.name]
    return [
        *opened,
        *(
            each
            for each in kills.some(moments)
            if not each.name.startswith("os.mkdir") and " .muster/" not in each.name
        ),
    ]


def left_there(shop: Shop, *command: str) -> list[Left]:
    """What kills of a command at such moments would leave."""
    place = shop.root.parent
    return left_by_kills(copied(shop, place / "whole"), place / "left", *command, shown=at_the_destination)[1]


def check_no_clear_text(shop: Shop, why: object) -> None:
    """Of what was to be encrypted, nothing lies anywhere, under whatever name."""
    assert [name for name, content in shop.tree("out", ".muster").items() if b"marker" in content] == [], why


def check_delivered(shop: Shop, key: pysequoia.Tsk, rows: int, why: object) -> None:
    """The run is whole: its files open, ledger and manifest tell their checksums, nothing hidden is left."""
    contents = [(shop.root / "out" / name).read_bytes() for name in shop.files("crm")]
    opened = [pysequoia.decrypt(content, key.decryptor()).bytes or b"" for content in contents]
    assert [clear.count(b"marker@x.com,realized\n") for clear in opened] == [rows] * (2 // rows), why
    assert [sha256 for (sha256,) in of_files(shop, "sha256")] == [digest(content) for content in contents], why
    assert [each["sha256"] for each in manifest(shop)["exportResults"]] == [digest(content) for content in contents], (
        why
    )
    assert not [name for name in shop.tree("out", ".muster/tmp") if Path(name).name.startswith(".")], why
    assert list((shop.root / ".muster/tmp").iterdir()) == [], why


def test_a_kill_at_any_step_of_an_export(quick: tuple[Shop, pysequoia.Tsk]) -> None:
    """F3, S6: no clear text is ever left; a file that was encrypted before it was recorded is the one that the next
    command delivers.
    """
    shop, key = quick
    command = ("run", "--at", SLOT)
    states = left_there(shop, *command)
    assert len(states) > 7
    for left in states:
        victim, moment = left.shop, left.moments
        check_no_clear_text(victim, moment)
        recorded = of_files(victim, "status = 'delivering'", "sha256")
        victim.run(SLOT)
        for is_delivering, sha256 in recorded:
            assert not is_delivering or (sha256,) in of_files(victim, "sha256"), moment
        check_delivered(victim, key, 2, moment)
        left.remove()


def test_a_kill_at_any_step_of_a_redelivery(quick: tuple[Shop, pysequoia.Tsk]) -> None:
    """F3: a manifest never tells of other bytes than stand there; asked again, all is whole, and the ledger tells of
    it.
    """
    shop, key = quick
    shop.crm(encryption=pgp(), max_rows_per_file=1)
    shop.run(SLOT)
    (shop.root / "out" / shop.files("crm")[1]).unlink()
    command = ("redeliver", run_id(shop))
    states = left_there(shop, *command)
    assert len(states) > 5
    for left in states:
        victim, moment = left.shop, left.moments
        check_no_clear_text(victim, moment)
        for each in manifest(victim)["exportResults"] if list((victim.root / "out/crm").glob("manifest-*")) else ():
            path = victim.root / "out/crm" / each["name"]
            assert not path.exists() or digest(path.read_bytes()) == each["sha256"], moment
        victim.ok(*command)
        check_delivered(victim, key, 1, moment)
        left.remove()
