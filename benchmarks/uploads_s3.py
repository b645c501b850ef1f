"""How fast a file comes to S3, and with what memory: muster's store against boto3's ``upload_file``, in turns.

    python -m benchmarks.uploads_s3 measure --size 1GB --runs 5
    python -m benchmarks.uploads_s3 measure --endpoint http://127.0.0.1:4568 --key-id S3RVER --secret S3RVER

boto3 asks for a CRC32 of each part by default; with SHA-256, as muster does, the server has the same work. Each upload
is a process of its own, which takes the time from the call to its return, and its peak of memory over what it had
before. Without an endpoint moto's server is started; it is one Python process, and bounds what either can reach.
"""

import contextlib
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import ClientError

from benchmarks.measure import ROOT, module, output
from muster.activation.config.sizes import parse_memory
from muster.activation.model.workspace import Destination
from muster.activation.stores.protocol import Sent
from muster.activation.stores.s3.store import S3Store

BUCKET, REGION = "uploads", "eu-central-1"
_MIB = 1 << 20

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, add_completion=False)


def _client(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION)


def _with_muster(endpoint: str, path: Path, sha256: str) -> None:
    store = S3Store(Destination("d", "d", f"s3://{BUCKET}/muster", {"endpoint": endpoint, "region": REGION}), ROOT)
    store.stat(path.name)  # so that there is a connection
    _timed(lambda: store.put(Sent(path, path.name, ".temporary", path.stat().st_size, sha256), replace=True))


def _with_boto3(endpoint: str, path: Path, _sha256: str, **options: str) -> None:
    client = _client(endpoint)
    client.head_bucket(Bucket=BUCKET)
    _timed(lambda: client.upload_file(str(path), BUCKET, f"boto3/{path.name}", ExtraArgs=options))


def _with_sha256(endpoint: str, path: Path, sha256: str) -> None:
    _with_boto3(endpoint, path, sha256, ChecksumAlgorithm="SHA256")


_WAYS = {"muster": _with_muster, "boto3": _with_boto3, "boto3-sha256": _with_sha256}


def _timed(upload: Any) -> None:
    """Call ``upload``; print the seconds, and by how many bytes of memory the peak exceeded the start."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before, start = _memory("VmRSS"), time.perf_counter()
    upload()
    took = time.perf_counter() - start
    print(took, _memory("VmHWM") - before)  # noqa: T201  # for the process that started this one


def _memory(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def _moto(folder: Path) -> Iterator[str]:
    sys.path.insert(0, str(ROOT / "tests"))
    from support import servers  # noqa: PLC0415  # what the tests use

    with servers.s3(folder) as server:
        yield server.endpoint()


def _file(folder: Path, size: int) -> tuple[Path, str]:
    """Write a file that does not compress; returns the path and the checksum."""
    path, digest, left = folder / "file", hashlib.sha256(), size
    with path.open("wb") as file:
        while left:
            piece = os.urandom(min(left, _MIB))
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
    return path, digest.hexdigest()


@app.command()
def measure(
    size: Annotated[str, typer.Option(help="Of the file.")] = "1GB",
    runs: Annotated[int, typer.Option(min=1, help="Of each, in turns.")] = 5,
    endpoint: Annotated[str, typer.Option(help="An S3 server; default: moto's, started for this.")] = "",
    key_id: str = "AKIDEXAMPLE",
    secret: str = "invented-secret-key",  # noqa: S107  # of a server on this machine
) -> None:
    """Print each run, the medians and their ratios."""
    os.environ |= {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        place = endpoint or stack.enter_context(_moto(folder / "moto"))
        with contextlib.suppress(ClientError):  # it is there
            _client(place).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        _report(place, _file(folder, parse_memory(size)), runs)


@app.command()
def once(way: str, endpoint: str, path: Path, sha256: str) -> None:
    """Print the cost of one upload: seconds, and by how many bytes of memory the peak exceeded the start."""
    _WAYS[way](endpoint, path, sha256)


def _report(endpoint: str, file: tuple[Path, str], runs: int) -> None:
    path, sha256 = file
    megabytes = path.stat().st_size / 1e6
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
    for _ in range(runs):
        for way in _WAYS:
            seconds, peak = map(float, output(module("uploads_s3", "once", way, endpoint, path, sha256)).split())
            found[way].append((seconds, peak))
            speed = f"{way:12} {seconds:6.2f} s  {megabytes / seconds:6.0f} MB/s"
            print(f"{speed}  {peak / _MIB:5.0f} MiB over the base")  # noqa: T201
            _client(endpoint).delete_object(Bucket=BUCKET, Key=f"{way.partition('-')[0]}/{path.name}")
    medians = {way: statistics.median(seconds for seconds, _ in each) for way, each in found.items()}
    peaks = {way: max(peak for _, peak in each) / _MIB for way, each in found.items()}
    for way in _WAYS:
        speed = f"{way:12} median {medians[way]:.2f} s, {megabytes / medians[way]:.0f} MB/s"
        print(f"{speed}; at most {peaks[way]:.0f} MiB over the base")  # noqa: T201
    ratios = ", ".join(f"{medians[way] / medians['muster']:.2f} of {way}" for way in list(_WAYS)[1:])
    print(f"muster's throughput is {ratios}")  # noqa: T201


if __name__ == "__main__":
    app()
