"""What a store holds apart from times and speeds, so that two of them can be held against each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit.artefact import PART, read_npz, sha256_arrays, sha256_file

VOLATILE = {
    "time", "seconds", "minutes", "images_per_second", "train_seconds", "markers", "seal", "threads", "origin",
    "checks", "isolation",
}  # fmt: skip
"""Keys of JSON files that differ between two runs of one command, or hold digests of what does."""
LOOKED_AT = (".html", ".png", ".log")
"""Endings of files for people: that they are there is enough."""


def essence(root: Path) -> dict[str, str]:
    """Path under `root` -> what the file holds; caches left out."""
    found = {}
    for top in ("oof", "submissions"):
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and ".cache" not in path.parts:
                found[str(path.relative_to(root))] = _held(path)
    return found


def _held(path: Path) -> str:
    if path.suffix in LOOKED_AT:
        return "there"
    if path.suffix == ".json":
        return json.dumps(_lasting(json.loads(path.read_text())))
    if path.suffix == ".jsonl":
        return json.dumps(sorted({json.dumps(_lasting(json.loads(line))) for line in path.read_text().splitlines()}))
    if path.suffix == ".npz":
        arrays = read_npz(path)
        return sha256_arrays(*(arrays[name] for name in sorted(arrays)))
    return sha256_file(path)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(one) for key, one in value.items() if key not in VOLATILE}
    return [_lasting(one) for one in value] if isinstance(value, list) else value


def strays(root: Path, temporary: Path) -> list[str]:
    """Half-written files, locks and temporary folders that nobody holds any more."""
    found = [path for path in root.rglob("*") if path.name.endswith((PART, ".lock", ".part"))]
    found += list(root.rglob(".decoding-*")) + list(temporary.iterdir())
    return [str(path) for path in found if path.name != "journal.lock"]


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Paths that are not in both, or hold different things."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
