"""Where artefacts lie: `oof/` and `submissions/` under one root, the current directory by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout that holds the kit and its `configs/`."""


@dataclass(frozen=True)
class Workspace:
    """The folders of one working place; nothing is made before it is written to."""

    root: Path = field(default_factory=Path.cwd)

    def oof(self, contest: str) -> Path:
        """`oof/<contest>`: clean.csv, folds.csv and a folder a recipe."""
        return self.root / "oof" / contest

    def run(self, contest: str, recipe: str) -> Path:
        """`oof/<contest>/<recipe>`: fold folders and run.json."""
        return self.oof(contest) / recipe

    @property
    def submissions(self) -> Path:
        """`submissions`: zips, rehearsals, the ledger."""
        return self.root / "submissions"

    @property
    def cache(self) -> Path:
        """`oof/.cache`: decoded images and measured speeds; safe to delete."""
        return self.root / "oof" / ".cache"
