"""nginx before a receiver of messages: TLS, certificates of clients, too many requests, connections that are cut.

Certificates are made anew each time, by an authority that only tests know.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from support.servers import free_port, wait_for

_CONFIG = """\
daemon off;
master_process off;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 200; }}
http {{
  access_log off;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  scgi_temp_path {place}/scgi;
  uwsgi_temp_path {place}/uwsgi;
  client_max_body_size 10m;
  limit_req_zone $request_uri zone=uris:1m rate=1r/s;
  limit_req_status 429;
{servers}}}
"""
_SERVER = """\
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {place}/{name}.pem;
    ssl_certificate_key {place}/{name}.key;
{more}    location / {{ proxy_pass http://127.0.0.1:{behind}; }}
    location /limited {{
      limit_req zone=uris nodelay;
      add_header Retry-After 7 always;
      proxy_pass http://127.0.0.1:{behind};
    }}
    location /cut {{ return 444; }}
  }}
"""
_MTLS = "    ssl_client_certificate {place}/ca.pem;\n    ssl_verify_client on;\n"


@dataclass(frozen=True)
class Nginx:
    """Servers with TLS, by the certificate that each shows; ``mtls`` wants one of its client too.

    In ``folder``: ``ca.pem``, and ``NAME.pem`` with ``NAME.key`` of ``client``, ``stranger`` (of another authority),
    ``stale`` (expired), and ``locked``, whose key has a passphrase.
    """

    folder: Path
    ports: dict[str, int]

    def url(self, server: str, path: str = "/") -> str:
        """The url of a path at a server: ``good``, ``mtls``, ``expired``, ``elsewhere`` (for another host)."""
        return f"https://127.0.0.1:{self.ports[server]}{path}"


@dataclass(frozen=True)
class _Signer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _authority(place: Path, name: str) -> _Signer:
    signer = _Signer(_name(name), _key())
    _write(place, name, signer, signer.key, days=10, extensions=[x509.BasicConstraints(ca=True, path_length=None)])
    return signer


def _certificate(place: Path, name: str, signer: _Signer, *, days: int = 10, host: str = "127.0.0.1") -> None:
    known = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    _write(place, name, signer, _key(), days=days, extensions=[x509.SubjectAlternativeName([known])])


def _write(
    place: Path,
    name: str,
    signer: _Signer,
    key: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    extensions: list[x509.ExtensionType],
) -> None:
    today = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(signer.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=20))
        .not_valid_after(today + timedelta(days=days))
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
    (place / f"{name}.pem").write_bytes(builder.sign(signer.key, SHA256()).public_bytes(Encoding.PEM))
    sealed = BestAvailableEncryption(b"open") if name == "locked" else NoEncryption()
    (place / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))


@contextlib.contextmanager
def nginx(place: Path, behind: int) -> Iterator[Nginx]:
    """An nginx on loopback before a server at the port ``behind``."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light, as .ci/programs does")
    place.mkdir(parents=True, exist_ok=True)
    ours, theirs = _authority(place, "ca"), _authority(place, "other-ca")
    for name in ("good", "mtls", "client", "locked"):
        _certificate(place, name, ours)
    _certificate(place, "elsewhere", ours, host="crm.example.com")
    for name in ("expired", "stale"):
        _certificate(place, name, ours, days=-1)
    _certificate(place, "stranger", theirs)
    ports = {name: free_port() for name in ("good", "mtls", "expired", "elsewhere")}
    servers = "".join(
        _SERVER.format(
            place=place, name=name, port=port, behind=behind, more=_MTLS.format(place=place) if name == "mtls" else ""
        )
        for name, port in ports.items()
    )
    (place / "nginx.conf").write_text(_CONFIG.format(place=place, servers=servers))
    log = place / "error.log"
    process = subprocess.Popen([program, "-p", str(place), "-e", str(log), "-c", str(place / "nginx.conf")])
    try:
        wait_for(ports["good"], process, log)
        yield Nginx(place, ports)
    finally:
        process.terminate()
        process.wait()
