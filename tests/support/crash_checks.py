"""What must hold of a workspace after kills: all that matters of one, compared, and what a reader sees."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from support.crash_shop import ledger_of
from support.shop import Shop


def twin_of(shop: Shop, name: str) -> Shop:
    """The workspace as it is now, in another folder."""
    folder = shop.root.parent / name
    shutil.copytree(shop.root, folder)
    twin = Shop(folder)
    twin.set(**shop.settings)
    return twin


def memory(shop: Shop) -> dict[str, Any]:
    """All that matters of a workspace: every file at the destinations, hidden ones too, and all that the state knows,
    but for the clock.
    """
    state = {
        name: content
        for name, content in shop.tree(".muster").items()
        if Path(name).name not in {"ledger.sqlite", "ledger.checked", "config.checked", "lock"}
    }
    return {"visible": shop.tree("out"), "state": state} | ledger_of(shop)


def check_same(found: dict[str, Any], expected: dict[str, Any], why: object) -> None:
    for part, content in expected.items():
        assert found[part] == content, f"{part} after a kill at {why}"


def check_whole(shop: Shop, before: dict[str, bytes], after: dict[str, bytes], why: object) -> None:
    """F3, what a reader sees right after a kill: files as they were or as they will be, and all that a new manifest
    names.
    """
    for name, content in shop.tree("out").items():
        if not Path(name).name.startswith("."):
            assert content in (before.get(name), after.get(name)), f"{name} is partial after a kill at {why}"
            if Path(name).name.startswith("manifest-") and name not in before:
                _check_manifest(shop.root / name)


def _check_manifest(path: Path) -> None:
    for file in json.loads(path.read_text())["exportResults"]:
        content = (path.parent / file["sinkPath"].lstrip("/") / file["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def check_manifests(shop: Shop) -> None:
    """F3, S6: at rest, each visible data file is named by the manifest of exactly one of the runs that may name it, the
    newest.
    """
    named: dict[str, list[str]] = {}
    for manifest in (shop.root / "out").rglob("manifest-*.json"):
        content = json.loads(manifest.read_text())
        for file in content["exportResults"]:
            path = (manifest.parent / file["sinkPath"].lstrip("/") / file["name"]).relative_to(shop.root / "out")
            named.setdefault(path.as_posix(), []).append(content["flowRunId"])
    assert set(shop.files()) <= named.keys()
    for path, runs in named.items():
        if "new/" not in path:  # a constant name is named again by each run
            assert len(runs) == 1, path
            assert path in shop.files()


def bare(shop: Shop) -> dict[str, bytes]:
    """What lies there but for what the clock or the workspace's own folder decides."""
    return {
        name: content
        for name, content in shop.tree(".muster", "out").items()
        if not Path(name).name.startswith(("ledger.", "config."))
    }
