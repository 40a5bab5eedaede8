"""What a finished fold left on disk: its marker says the digest of every file, and is written last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.artefact import check_digest, read_json, sha256_file

MARKER = "fold.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS, SPEC = "weights.safetensors", "member.json"
OOF, VAULT_ROWS = "oof.npz", "vault.npz"
FILES = (WEIGHTS, SPEC, OOF, VAULT_ROWS)


def file_digests(folder: Path) -> dict[str, Any]:
    """The marker's "files": hex sha256 by name of what lies in the fold's `folder`."""
    return {"files": {name: sha256_file(folder / name) for name in FILES if (folder / name).is_file()}}


def check_files(folder: Path, names: Sequence[str], rerun: str) -> dict[str, Any]:
    """The marker; ArtefactError, with the command `rerun`, where one of the files is not as the marker says.

    A marker from before there were digests says nothing of them.
    """
    again = f"rm -r {folder}; {rerun}"
    marker: dict[str, Any] = read_json(folder / MARKER, again)
    if isinstance(marker, dict) and "files" in marker:
        for name in names:
            check_digest(folder / name, marker["files"].get(name, "none"), again)
    return marker


def checked_spec(folder: Path, rerun: str) -> dict[str, Any]:
    """member.json of a finished fold, it and the weights as its marker says; ArtefactError as for `check_files`."""
    check_files(folder, (WEIGHTS, SPEC), rerun)
    spec: dict[str, Any] = read_json(folder / SPEC, f"rm -r {folder}; {rerun}")
    return spec


def run_of(folder: Path) -> str:
    """The command that trains the fold in oof/<contest>/<recipe>/fold<k> again."""
    contest, recipe, fold = folder.parts[-3:]
    return f"kit train {recipe} --contest {contest} --fold {fold.removeprefix('fold')}"
