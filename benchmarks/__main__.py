"""The command line of the benchmarks."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import messages, micro, night, profiles, report, results
from benchmarks.measure import FailedError
from benchmarks.night import Bench
from benchmarks.results import Result

PANDAS_PROFILES = 100_000

app = typer.Typer(
    help=(
        "Measure muster against its peers, as whole processes: wall time, CPU time, peak memory. What they "
        "write is compared first."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
uploads = typer.Typer(help="Files to servers on this machine, against the plain clients.", no_args_is_help=True)
app.add_typer(uploads, name="uploads")
_console = Console()

Profiles = Annotated[int, typer.Option("--profiles", "-n", metavar="N", min=1000, help="Profiles of the first day.")]
Often = Annotated[int, typer.Option("--runs", min=1, help="How often each contender runs at each size, in turns.")]
Runs = Annotated[int, typer.Option("--runs", min=1, help="How often each contender runs, in turns.")]
Work = Annotated[
    Path,
    typer.Option("--work", help="Folder for data, workspaces and output; some GB. What was generated stays there."),
]
Results = Annotated[
    Path, typer.Option("--results", help="Folder of the stored results.", show_default="benchmarks/results")
]
Shuffled = Annotated[bool, typer.Option("--shuffled", metavar="", help="Snapshots that are not sorted by profile id.")]

_PROFILES, _RUNS, _IDENTITIES = 1_000_000, 5, 10_000_000
_WORK = Path(tempfile.gettempdir()) / "muster-benchmarks"


@app.command("night")
def run_night(
    profiles: Profiles = _PROFILES,
    runs: Runs = _RUNS,
    work: Work = _WORK,
    out: Results = results.FOLDER,
    shuffled: Shuffled = False,
) -> None:
    """Measure the night, 40 audiences and 80 files, with muster, DuckDB (plain, and synced) and plain Polars."""
    _keep(night.measured(_bench(work, runs, shuffled=shuffled), profiles, night.WAYS), out)


@app.command("pandas")
def run_pandas(
    profiles: Profiles = PANDAS_PROFILES, runs: Runs = _RUNS, work: Work = _WORK, out: Results = results.FOLDER
) -> None:
    """Measure the night with muster, DuckDB, plain Polars and pandas, at a size that suits pandas."""
    _keep(night.measured(_bench(work, runs), profiles, night.ALL_WAYS, "pandas"), out)


@app.command("growth")
def run_growth(
    profiles: Profiles = _PROFILES, runs: Often = 1, work: Work = _WORK, out: Results = results.FOLDER
) -> None:
    """Measure the night at 1, 2, 5 and 10 times N profiles with muster, DuckDB and plain Polars."""
    _keep(night.growth(_bench(work, runs), profiles), out)


@app.command("large")
def run_large(
    profiles: Profiles = _PROFILES, runs: Runs = _RUNS, work: Work = _WORK, out: Results = results.FOLDER
) -> None:
    """Measure muster's night at N profiles, at ten times N, and there with a memory limit of 1 GiB."""
    _keep(night.large(_bench(work, runs), profiles), out)


@app.command("syncs")
def run_syncs(profiles: Profiles = _PROFILES, work: Work = _WORK, out: Results = results.FOLDER) -> None:
    """Count the fsync and fdatasync calls of a night; needs strace."""
    _keep(night.syncs(_bench(work, 1), profiles), out)


@app.command("micro")
def run_micro(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(micro.WORKLOADS)}, or all.")],
    profiles: Profiles = _PROFILES,
    runs: Runs = _RUNS,
    work: Work = _WORK,
    out: Results = results.FOLDER,
) -> None:
    """Measure one small workload, or all; few-changes runs at ten times N profiles."""
    if name != "all" and name not in micro.WORKLOADS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(micro.WORKLOADS)}, all", param_hint="NAME")
    for each in micro.WORKLOADS if name == "all" else [name]:
        bench = _bench(work, runs)
        _keep(micro.WORKLOADS[each](bench, profiles * micro.FACTORS.get(each, 1)), out)
        bench.clear("micro")


@app.command("profiles")
def run_profiles(
    identities: Annotated[int, typer.Option("--identities", min=1000, help="Identities of the graph.")] = _IDENTITIES,
    people: Annotated[
        int, typer.Option("--people", min=1000, help="People of the merge, with three fragments each.")
    ] = _PROFILES,
    runs: Often = 1,
    work: Work = _WORK,
    out: Results = results.FOLDER,
) -> None:
    """Measure profiles from sources: the graph on two days, one person looked up, and the merge, beside DuckDB."""
    _keep(profiles.graph(_bench(work, runs), identities), out)
    _keep(profiles.merge(_bench(work, runs), people), out)


@app.command("messages")
def run_messages(
    profiles: Profiles = _PROFILES, runs: Runs = _RUNS, work: Work = _WORK, out: Results = results.FOLDER
) -> None:
    """Measure messages: building bodies, and a backfill of N profiles to a local receiver, beside the plain client."""
    _keep(messages.measured(_bench(work, runs), profiles), out)


@uploads.command("sftp")
def run_sftp(
    size: Annotated[int, typer.Option("--mib", min=1, help="Size of the file.")] = 1024,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How often each client runs, in turns.")] = _RUNS,
) -> None:
    """Upload one file to an sshd on this machine with muster's store, the plain client and asyncssh's put.

    Prints MiB/s, and memory over the base.
    """
    from benchmarks import uploads_sftp  # noqa: PLC0415  # needs the extra, and data libraries that this process does without

    found = uploads_sftp.measured(size << 20, runs, lambda words: _console.print(words, style="dim", highlight=False))
    for client, each in found.items():
        share = each["rate"] / found["sftp"]["rate"]
        _console.print(
            f"{client:10}{each['rate']:8.0f} MiB/s  {share:5.2f} of the plain client  {each['memory']:6.0f} "
            f"MiB of memory"
        )


Mib = Annotated[int, typer.Option("--mib", min=1, help="Size of each file.")]
Files = Annotated[int, typer.Option("--files", min=1, help="How many files, one after the other.")]


@uploads.command("azure")
def run_azure(size: Mib = 100, files: Files = 1, runs: Runs = _RUNS, out: Results = results.FOLDER) -> None:
    """Upload files to Azurite on this machine with muster's delivery and with azure-storage-blob."""
    _upload("azure", size, files, runs, out)


@uploads.command("gcs")
def run_gcs(size: Mib = 100, files: Files = 1, runs: Runs = _RUNS, out: Results = results.FOLDER) -> None:
    """Upload files to gcp-storage-emulator on this machine with muster's delivery and with google-cloud-storage."""
    _upload("gcs", size, files, runs, out)


def _upload(cloud: str, size: int, files: int, runs: int, out: Path) -> None:
    """Print the medians, and print and keep the share of the plain client's throughput."""
    from benchmarks import uploads_cloud  # noqa: PLC0415  # needs data libraries that this process does without

    found = uploads_cloud.measured(
        cloud, size << 20, files, runs, lambda words: _console.print(words, style="dim", highlight=False)
    )
    for client, each in found.items():
        _console.print(
            f"{client:7}{each['wall']:7.2f} s, CPU {each['cpu']:.2f} s, server's {each['server_cpu']:.2f} s, "
            f"{each['memory']:.0f} MiB of memory",
            highlight=False,
        )
    share = found["muster"]["share"]
    _console.print(f"throughput: {share:.2f} of the plain client", highlight=False)
    before = results.load(out, "uploads")
    Result("uploads", 0, facts={**(before.facts if before else {}), cloud: round(share, 3)}).save(out)


@app.command("e164")
def run_e164(
    numbers: Annotated[int, typer.Option("--numbers", min=1000, help="How many different numbers.")] = 200_000,
    out: Results = results.FOLDER,
) -> None:
    """Measure the transform e164 on different telephone numbers, beside libphonenumber alone."""
    from benchmarks import phone_numbers  # noqa: PLC0415  # needs data libraries that this process does without

    found = phone_numbers.main(numbers)
    for form, each in found.items():
        _console.print(f"{form}: " + ", ".join(f"{way} {rate:,.0f} a second" for way, rate in each.items()))
    slowest = min(each["muster"] for each in found.values())
    Result("e164", 0, facts={"per_second": slowest}).save(out)


@app.command("report")
def write_report(
    out: Results = results.FOLDER,
    docs: Annotated[
        Path, typer.Option("--docs", help="Folder of performance.md and img/.", show_default="docs")
    ] = report.DOCS,
) -> None:
    """Write docs/performance.md and its charts from the stored results."""
    report.render(out, docs)
    report.targets(results.load_all(out, report.ALL)).show(_console, "targets")


@app.command("all")
def run_all(
    profiles: Profiles = _PROFILES, runs: Runs = _RUNS, work: Work = _WORK, out: Results = results.FOLDER
) -> None:
    """Measure everything, then write the report. Takes hours at the default size."""
    run_night(profiles, runs, work, out)
    run_pandas(min(profiles, PANDAS_PROFILES), runs, work, out)
    run_micro("all", profiles, runs, work, out)
    run_profiles(profiles * 10, profiles, 1, work, out)
    run_messages(profiles, runs, work, out)
    if shutil.which("strace"):
        run_syncs(profiles, work, out)
    run_large(profiles, runs, work, out)
    run_growth(profiles, 1, work, out)
    write_report(out)


def _bench(work: Path, runs: int, *, shuffled: bool = False) -> Bench:
    work.mkdir(parents=True, exist_ok=True)
    return Bench(work, runs, lambda words: _console.print(words, style="dim", highlight=False), shuffled)


def _keep(result: Result, folder: Path) -> None:
    result.save(folder)
    report.show(_console, result)


if __name__ == "__main__":
    try:
        app(standalone_mode=True, prog_name="python -m benchmarks")
    except FailedError as problem:
        Console(stderr=True).print(f"error: {problem}", style="red", highlight=False, markup=False)
        raise SystemExit(1) from None
