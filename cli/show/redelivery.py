"""Text output of `replay` and `redeliver`."""

from typing import TYPE_CHECKING

from muster.runs import counted

if TYPE_CHECKING:
    from muster.runs import Redelivered, Remade, Resent


def replayed(done: "Remade") -> str:
    """Print the result of `replay`."""
    as_delivered = "the bytes that were delivered"
    if done.error:
        outcome = "written, but see below"
    elif done.is_encrypted:
        outcome = f"encrypted anew, which gives other bytes each time; their clear text has {as_delivered}"
    else:
        outcome = as_delivered
    if done.requests is not None:
        bodies = counted(len(done.files), "body", "bodies")
        outcome = "written, but see below" if done.error else "as they were sent; nothing was sent now"
        return f"{done.run.run_id} of {done.run.key}: {bodies} in {done.folder}: {outcome}"
    manifest = " and the manifest" if done.run.manifest_name else ""
    return f"{done.run.run_id} of {done.run.key}: {_counted(len(done.files))}{manifest} in {done.folder}: {outcome}"


def redelivered(done: "Redelivered") -> list[str]:
    """Print the result of `redeliver`."""
    run = f"{done.run.run_id} of {done.run.key}"
    if not done.written and not done.manifest_written:
        return [f"{run}: everything is at {done.run.url} as it was delivered; nothing was written"]
    untouched = len(done.run.files) - len(done.written)
    beside = f"; {_counted(untouched)} {'was' if untouched == 1 else 'were'} there" if untouched else ""
    lines = [f"{run}: {_counted(len(done.written))} put back{beside}"]
    lines += [f"  {done.run.url}/{path}" for path in done.written]
    return [*lines, *([f"  {done.run.url}/{done.run.manifest_name}"] if done.manifest_written else [])]


def resent(done: "Resent") -> str:
    """Print the result of `redeliver` of a run that sent messages."""
    sent = f"{counted(done.messages, 'message')} in {counted(done.requests, 'request')} sent again to {done.run.url}"
    refused = f"; {counted(done.refused, 'entry', 'entries')} refused" if done.refused else ""
    return f"{done.run.run_id} of {done.run.key}: {sent}{refused}"


def _counted(files: int) -> str:
    return counted(files, "file") if files else "no file"
