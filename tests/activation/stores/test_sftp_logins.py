"""Who logs in to an SFTP server, and which servers are believed; what is refused says what to do (SPEC 2, SPEC 10)."""

import getpass
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import Sshd, password_server, sshd
from support.sftp_drop import FIRST, NAME, check, drop_shop, names
from support.shop import Shop, quick_folder

PASSWORD, PASSPHRASE = "an invented password", "an invented passphrase"  # of nobody


@pytest.fixture(scope="module")
def running() -> Iterator[Sshd]:
    """One server for all tests here; its users start in its folder."""
    with quick_folder() as place, sshd(place / "sshd", f"Subsystem sftp internal-sftp -d {place}/sshd/drop") as server:
        yield server


def refused(shop: Shop, server: Sshd) -> str:
    """What `run` says, which cannot log in: exit 1 and one message."""
    result = shop.muster("run", "--at", FIRST)
    assert result.code == 1
    [said] = [line for line in result.err.splitlines() if not line.startswith("warning: ")]  # that its activation waits
    assert names(server.folder) == names(server.folder, hidden=True) == []
    assert "Traceback" not in said
    return said


def keygen(path: Path, passphrase: str = "") -> None:
    """A key that belongs to nobody."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", path], check=True)


def locked(server: Sshd, folder: Path) -> Path:
    """A copy of the user's key that needs a passphrase."""
    path = folder / "locked_key"
    path.write_bytes(server.key.read_bytes())
    path.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", path], check=True)
    return path


# Logging in


def test_a_key_with_a_passphrase(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: the passphrase of a key file is taken from the variable that the destination names, and shown nowhere."""
    monkeypatch.setenv("KEY_PASSPHRASE", PASSPHRASE)
    connection = server.connection | {"key_file": str(locked(server, tmp_path)), "passphrase_env": "KEY_PASSPHRASE"}
    shop = drop_shop(tmp_path / "shop", server, connection=connection)
    shop.run(FIRST)
    check(shop, server.folder / "in")
    monkeypatch.setenv("KEY_PASSPHRASE", "some other passphrase")
    other = drop_shop(tmp_path / "other", server, url=server.url("/other"), connection=connection)
    result = other.muster("run", "--at", FIRST)
    assert result.code == 1
    assert "connection.key_file cannot be decrypted: check connection.passphrase_env" in result.err
    assert "some other" not in result.err


def test_a_key_with_a_passphrase_that_nobody_gives(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: that one is needed is said."""
    shop = drop_shop(
        tmp_path / "shop", server, connection=server.connection | {"key_file": str(locked(server, tmp_path))}
    )
    assert "connection.passphrase_env" in refused(shop, server)


def test_the_agent_gives_the_key(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: without a key file or a password the SSH agent is asked; without an agent the login is refused."""
    known = {"known_hosts": str(server.known_hosts)}
    assert "the login is refused" in refused(drop_shop(tmp_path / "without", server, connection=known), server)
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            while not socket.exists():
                assert agent.poll() is None
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", server.key], check=True)
            shop = drop_shop(tmp_path / "shop", server, connection=known)
            shop.run(FIRST)
        finally:
            agent.terminate()
    check(shop, server.folder / "in")


def test_the_key_and_the_hosts_of_the_home_folder(server: Sshd, tmp_path: Path) -> None:
    """SPEC 2: without a word in the destination the files of `~/.ssh` are used, as `sftp` does."""
    (tmp_path / ".ssh").mkdir(0o700)
    (tmp_path / ".ssh/id_ed25519").write_bytes(server.key.read_bytes())
    (tmp_path / ".ssh/id_ed25519").chmod(0o600)
    (tmp_path / ".ssh/known_hosts").write_text(server.known_hosts.read_text())
    shop = drop_shop(tmp_path / "shop", server, connection={})
    shop.run(FIRST)
    check(shop, server.folder / "in")


def test_the_config_of_the_user_says_where_a_host_is(server: Sshd, tmp_path: Path) -> None:
    """docs/destinations.md: address, port, user and key of a host that the url only names are those of ~/.ssh/config; a
    port in the url comes first.
    """
    (tmp_path / ".ssh").mkdir(mode=0o700)
    said = {"HostName": "127.0.0.1", "Port": server.port, "User": getpass.getuser(), "IdentityFile": server.key}
    (tmp_path / ".ssh/config").write_text(
        "Host partner\n" + "".join(f"  {key} {value}\n" for key, value in said.items())
    )
    url = f"sftp://partner{server.folder}/in"
    refused_by = refused(drop_shop(tmp_path / "unknown", server, url=url, connection={}), server)
    assert refused_by.endswith(server.known_hosts.read_text().strip())
    (tmp_path / ".ssh/known_hosts").write_text(server.known_hosts.read_text())
    shop = drop_shop(tmp_path / "shop", server, url=url, connection={})
    shop.run(FIRST)
    check(shop, server.folder / "in")
    other = drop_shop(tmp_path / "other", server, url=f"sftp://partner:1{server.folder}/other", connection={})
    assert other.muster("run", "--at", FIRST).code == 1


def test_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: a password is taken from the variable that the destination names; another one is refused, and neither is
    shown anywhere.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    with password_server(tmp_path / "server", PASSWORD) as server:
        connection = {"password_env": "DROP_PASSWORD", "known_hosts": str(server.known_hosts)}
        shop = drop_shop(tmp_path / "shop", server, connection=connection)
        monkeypatch.setenv("DROP_PASSWORD", "an invented mistake")
        said = refused(shop, server)
        assert "the login is refused: check the user, and the key or password" in said
        assert "mistake" not in said
        monkeypatch.setenv("DROP_PASSWORD", PASSWORD)
        result = shop.muster("-vv", "run", "--at", FIRST)
        assert result.code == 0
        check(shop, server.folder / "in")
    said = result.out + result.err
    kept = b"".join(path.read_bytes() for path in (shop.root / ".muster").rglob("*") if path.is_file())
    assert PASSWORD not in said
    assert PASSWORD.encode() not in kept


def test_the_user_of_the_connection_comes_first(server: Sshd, tmp_path: Path) -> None:
    """SPEC 2: `user` in the connection counts, whatever the url says."""
    url = server.url("/in")
    user = url.split("//")[1].split("@")[0]
    nobody = url.replace(f"//{user}@", "//somebody-else@")
    assert "the login is refused" in refused(drop_shop(tmp_path / "else", server, url=nobody), server)
    shop = drop_shop(tmp_path / "shop", server, url=nobody, connection=server.connection | {"user": user})
    shop.run(FIRST)
    check(shop, server.folder / "in")


def test_a_folder_below_that_of_the_login(server: Sshd, tmp_path: Path) -> None:
    """SPEC 2: `/~/` stands for the folder in which the server lets the user begin."""
    shop = drop_shop(tmp_path / "shop", server, url=f"{server.url().removesuffix(str(server.folder))}/~/in/my%20files")
    shop.run(FIRST)
    check(shop, server.folder / "in/my files")


def test_a_wrong_key(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: a key that the server does not know, and a key file that is not there."""
    keygen(tmp_path / "stranger")
    shop = drop_shop(tmp_path / "shop", server, connection=server.connection | {"key_file": str(tmp_path / "stranger")})
    assert refused(shop, server).endswith("the login is refused: check the user, and the key or password")
    shop = drop_shop(tmp_path / "other", server, connection=server.connection | {"key_file": "keys/none"})
    assert refused(shop, server).endswith("connection.key_file keys/none cannot be read: no such file or directory")
    (tmp_path / "other/keys").mkdir()
    (tmp_path / "other/keys/none").write_text("no key")
    assert "connection.key_file cannot be used" in refused(shop, server)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            {"password_env": "NOT_SET_ANYWHERE"},
            "destinations/drop.yml:5: connection.password_env: environment variable NOT_SET_ANYWHERE is not set",
        ),
        ({"passphrase_env": "NOT_SET_ANYWHERE"}, "connection.passphrase_env: needs key_file beside it"),
        ({"password": PASSWORD}, "unknown key"),
        ({"region": "x"}, "connection.region: is not a key of a connection to sftp://"),
    ],
)
def test_mistakes_in_the_connection(server: Sshd, tmp_path: Path, line: dict[str, str], said: str) -> None:
    """SPEC 2, SPEC 10: a missing variable fails the runs, by its name; other mistakes are of the config; a password in
    clear is never taken, nor repeated.
    """
    result = drop_shop(tmp_path / "shop", server, connection=line).muster("run", "--at", FIRST)
    assert result.code == (1 if "is not set" in said else 2)
    assert said in result.err
    assert PASSWORD not in result.err


def test_a_password_in_the_url(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: a password in clear is refused in the url too, and not repeated."""
    url = server.url("/in").replace("@", ":invented-secret@")
    result = drop_shop(tmp_path / "shop", server, url=url).muster("run", "--at", FIRST)
    assert result.code == 2
    assert "url: holds a password; name an environment variable" in result.err
    assert "invented-secret" not in result.err
    monkeypatch.setenv("DROP_PASSWORD", "invented-secret")
    url = server.url("/in").replace("@", ":${DROP_PASSWORD}@")
    said = refused(
        drop_shop(tmp_path / "other", server, url=url, connection={"known_hosts": str(server.known_hosts)}), server
    )
    assert "the login is refused" in said
    assert "invented-secret" not in said


# Believing a server


def test_an_unknown_host_is_refused_with_the_line_to_add(server: Sshd, tmp_path: Path) -> None:
    """SPEC 2, SPEC 10: nothing is sent to a host that is not known; the message has its fingerprint and the line that
    makes it known.
    """
    known = tmp_path / "nobody_yet"
    shop = drop_shop(tmp_path / "shop", server, connection=server.connection | {"known_hosts": str(known)}, retries=3)
    said = refused(shop, server)
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", server.key.parent / "host_key.pub"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    assert f"the host key is not known; its fingerprint is {fingerprint}" in said
    assert said.split(f"add this line to {known}: ")[1] == server.known_hosts.read_text().strip()
    known.write_text(said.split(f"add this line to {known}: ")[1] + "\n")
    shop.run("2026-11-20T06:10Z")
    assert names(server.folder) == [f"in/{NAME}"]


def test_a_changed_host_is_refused(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: where another key is known, no line to add is given: somebody may stand in between."""
    keygen(tmp_path / "former")
    former = " ".join((tmp_path / "former.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {former}\n")
    shop = drop_shop(tmp_path / "shop", server, connection=server.connection | {"known_hosts": str(tmp_path / "known")})
    said = refused(shop, server)
    assert "the host key has changed: it is SHA256:" in said
    assert "find out why" in said
    assert "add this line" not in said


def test_a_host_known_by_another_kind_of_key(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: a host that offers no key of the kind that is known is not believed either, and not tried again."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", "", "-f", tmp_path / "former"], check=True)
    former = " ".join((tmp_path / "former.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"[127.0.0.1]:{server.port} {former}\n")
    shop = drop_shop(
        tmp_path / "shop", server, connection=server.connection | {"known_hosts": str(tmp_path / "known")}, retries=3
    )
    said = refused(shop, server)
    assert "the host key has changed" in said


def test_a_host_that_is_not_there(server: Sshd, tmp_path: Path) -> None:
    """SPEC 10: a name that nobody has, and a port where nobody listens."""
    shop = drop_shop(tmp_path / "shop", server, url="sftp://drop.invalid/in", retries=3)
    assert "the host is not found" in refused(shop, server)
    shop = drop_shop(tmp_path / "other", server, url=server.url("/in", 1))
    assert "connect" in refused(shop, server)


@pytest.mark.usefixtures("server")
def test_a_server_that_speaks_no_sftp(tmp_path: Path) -> None:
    """SPEC 10: logging in is not enough."""
    with sshd(tmp_path / "mute", "PermitTTY no") as mute:
        said = refused(drop_shop(tmp_path / "shop", mute, retries=2), mute)
    assert "the server offers no SFTP" in said
