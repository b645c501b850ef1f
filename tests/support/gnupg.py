"""The real gpg, with a keyring of its own: makes keys as of any time, and opens what was encrypted. A context manager.

A missing gpg is a failure, never a skip: `.ci/run` installs what a fresh machine lacks.
"""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Opened:
    """An encrypted file, opened."""

    clear: bytes
    status: str  # what gpg tells programs

    @property
    def signed_by(self) -> str | None:
        """The fingerprint of the primary key whose good signature is on it."""
        valid = [line.split() for line in self.status.splitlines() if line.startswith("[GNUPG:] VALIDSIG ")]
        return valid[0][-1] if valid and "GOODSIG" in self.status else None

    @property
    def recipients(self) -> int:
        """To how many subkeys it is encrypted."""
        return self.status.count("[GNUPG:] ENC_TO ")


@dataclass(frozen=True)
class Gpg:
    """A keyring."""

    home: Path

    def __call__(self, *words: str, content: bytes = b"", passphrase: str = "") -> bytes:
        """What a gpg command prints; it must succeed."""
        done = self._run(*words, content=content, passphrase=passphrase)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def _run(self, *words: str, content: bytes = b"", passphrase: str = "") -> "subprocess.CompletedProcess[bytes]":
        usual = [
            "--homedir",
            str(self.home),
            "--batch",
            "--yes",
            "--no-tty",
            "--quiet",
            "--armor",
            "--trust-model",
            "always",
        ]
        usual += ["--pinentry-mode", "loopback", "--passphrase", passphrase]
        return subprocess.run(["gpg", *usual, *words], input=content, capture_output=True, timeout=300, check=False)

    def make(
        self,
        name: str,
        *,
        passphrase: str = "",
        usage: str = "default",
        expires: str = "never",
        at: str = "20200101T000000",
    ) -> str:
        """A key made at some time; its fingerprint."""
        algorithm = "ed25519" if usage == "sign" else "future-default"
        self(
            "--faked-system-time",
            at,
            "--quick-generate-key",
            f"{name} <{name}@example.com>",
            algorithm,
            usage,
            expires,
            passphrase=passphrase,
        )
        listed = self("--with-colons", "--list-keys", f"{name}@example.com").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def public(self, *names: str) -> bytes:
        """Public keys, as one file."""
        return self("--export", *(f"{name}@example.com" for name in names))

    def private(self, name: str, passphrase: str = "") -> bytes:
        """A private key, locked as it was made."""
        return self("--export-secret-keys", f"{name}@example.com", passphrase=passphrase)

    def subkeys(self, name: str, passphrase: str = "") -> bytes:
        """The private subkeys alone: of the primary key a stub."""
        return self("--export-secret-subkeys", f"{name}@example.com", passphrase=passphrase)

    def revoke(self, fingerprint: str) -> None:
        """Revoke a key, by the certificate that gpg made with it."""
        text = (self.home / f"openpgp-revocs.d/{fingerprint}.rev").read_text()
        self("--import", content=text.replace(":-----BEGIN", "-----BEGIN").encode())

    def opened(self, content: bytes) -> Opened:
        """Decrypt, and look at the signature."""
        done = self._run("--status-fd", "2", "--decrypt", content=content)
        assert done.returncode == 0, done.stderr.decode()
        return Opened(done.stdout, done.stderr.decode(errors="replace"))

    def cannot_open(self, content: bytes) -> bool:
        """Whether it has no key for it."""
        return b"No secret key" in self._run("--status-fd", "2", "--decrypt", content=content).stderr


@contextlib.contextmanager
def gpg() -> Iterator[Gpg]:
    """A new keyring, in a folder with a short name: its agent listens there."""
    with tempfile.TemporaryDirectory(prefix="gpg", dir="/tmp", ignore_cleanup_errors=True) as home:
        keyring = Gpg(Path(home))
        (keyring.home / "gpg-agent.conf").write_text(
            "s2k-count 65536\n"
        )  # or else it takes seconds to find out how slow this machine is
        try:
            yield keyring
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, timeout=300)
