"""The folder of a recipe's run: which folds are there, made from what; run.json once all of them are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.artefact import as_json, read_json, sha256_file, write_json
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.errors import ArtefactError, TrainError
from kit.lock import remove_left_overs
from kit.storage import exists
from kit.train.provenance import VERSIONS, differences, identity, versions
from kit.train.stored import CHECKPOINT, MARKER
from kit.workspace import Workspace

RUN = "run.json"


@dataclass(frozen=True)
class RunFolder:
    """oof/<contest>/<recipe>/, with a folder for each fold."""

    contest: ContestConfig
    prepared: Prepared
    recipe: RecipeConfig
    workspace: Workspace

    @property
    def path(self) -> Path:
        return self.workspace.run(self.contest.name, self.recipe.name)

    def fold(self, fold: int) -> Path:
        return self.path / f"fold{fold}"

    def identity(self) -> dict[str, Any]:
        """What a finished fold must agree with to be reused."""
        return identity(self.contest, self.prepared, self.recipe)

    def rerun(self, fold: int) -> str:
        return f"kit train {self.recipe.name} --contest {self.contest.name} --fold {fold}"

    def trained(self, fold: int) -> bool:
        """Whether the fold's network is there; TrainError where it was made from something else."""
        return self._marker(fold) is not None

    def finished(self, fold: int) -> bool:
        """Whether it is there and was scored under the battery as it is now; TrainError as for `trained`."""
        marker = self._marker(fold)
        return marker is not None and marker["shift"] == self.identity()["shift"]

    def _marker(self, fold: int) -> dict[str, Any] | None:
        path = self.fold(fold) / MARKER
        if not exists(path):
            return None
        marker = read_json(path, rerun=self.rerun(fold))
        self.check_made(path, marker, fold)
        return dict(marker)

    def check_made(self, path: Path, made: dict[str, Any], fold: int) -> None:
        """TrainError where the artefact at `path` was `made` from something else than would make it now."""
        changed = differences(made, self.identity())
        changed += ["fold"] if made.get("fold", fold) != fold else []
        if changed:
            raise TrainError(
                f"{path}: made with another {', '.join(changed)} than now. Delete {self.path} to train it again"
                f" ({self.rerun(fold)}), or give the recipe another name"
            )

    def complete(self) -> bool:
        """Writes run.json once every fold of the contest is there; whether it is."""
        folds = scored_folds(self.prepared)
        if not all(self.finished(fold) for fold in folds):
            return False
        for fold in folds:  # of processes that were killed between a marker and the removal of these
            (self.fold(fold) / CHECKPOINT).unlink(missing_ok=True)
        for folder in (self.path, self.workspace.cache):
            remove_left_overs(folder, "*.lock")
        markers = [read_json(self.fold(fold) / MARKER, self.rerun(fold)) for fold in folds]
        summary = {
            "recipe": self.recipe.name,
            "folds_done": folds,
            "markers": [sha256_file(self.fold(fold) / MARKER) for fold in folds],
            "vault": len(self.prepared.vault),
            "minutes": sum(marker["seconds"] for marker in markers) / 60,
            "parameters": markers[0]["parameters"],
            "cell_names": markers[0]["cell_names"],
            **({"metric": markers[0]["metric"]} if "metric" in markers[0] else {}),
            "fold_clean": [marker["clean"] for marker in markers],
            "fold_shifted": [marker["shifted"] for marker in markers],
            "train_score": float(np.mean([marker["train_score"] for marker in markers])),
            "precision": markers[0]["precision"],
        }
        made = self.identity() | summary
        if not self._stands(made):
            write_json(self.path / RUN, made | versions())
        return True

    def _stands(self, made: dict[str, Any]) -> bool:
        """Whether run.json is there and says what is `made`: then its time and versions stay those of the fits."""
        try:
            kept = read_json(self.path / RUN)
        except ArtefactError:
            return False
        return isinstance(kept, dict) and {key: kept[key] for key in kept if key not in VERSIONS} == as_json(made)


def scored_folds(prepared: Prepared) -> list[int]:
    """Folds that are held out in turn; negative numbers mark rows that never are."""
    return sorted(fold for fold in set(prepared.folds.tolist()) if fold >= 0)
