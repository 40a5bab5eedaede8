"""What is already known of a contest's situation: read from its store, nothing is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.artefact import read_json
from kit.config import ContestConfig
from kit.storage import exists
from kit.workspace import Workspace

VERSION = 1
"""Of what is looked for; another one is found anew."""


def settled(contest: ContestConfig, workspace: Workspace) -> ContestConfig:
    """The contest with `expects` clean or shifted: as it says, as was found from its data, or the bet on clean.

    It stays as it is where test images are to decide and nobody has looked at them yet.
    """
    if contest.expects != "auto":
        return contest
    kept, key = read_kept(situation_path(workspace, contest)), key_of(contest)
    known = kept is not None and kept["told"] and key == {name: kept["key"].get(name) for name in key}
    if known and kept is not None:
        return contest.model_copy(update={"expects": kept["told"][0]})
    return contest if has_test(contest) else contest.model_copy(update={"expects": "clean"})


def situation_path(workspace: Workspace, contest: ContestConfig) -> Path:
    """Where the situation of a contest lies."""
    return workspace.oof(contest.name) / "situation.json"


def has_test(contest: ContestConfig) -> bool:
    """Whether the contest hands unlabelled test images out."""
    return bool(contest.data.test) or contest.data.kind == "medmnist"


def key_of(contest: ContestConfig) -> dict[str, Any]:
    """What a situation depends on beside the rows."""
    return {"test": contest.data.test, "version": VERSION, "seed": contest.seed}


def read_kept(path: Path) -> dict[str, Any] | None:
    """What was found before; None where nothing was."""
    kept = read_json(path, f"rm {path}, and the same command again") if exists(path) else None
    return dict(kept) if isinstance(kept, dict) and {"key", "probe", "told"} <= kept.keys() else None
