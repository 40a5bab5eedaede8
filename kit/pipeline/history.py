"""What finished runs in the store say about the learning curves of their recipes, whatever their epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kit.artefact import read_json
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.errors import ArtefactError
from kit.pipeline.curves import Point
from kit.shifts.battery import Battery
from kit.storage import holding
from kit.train.run_folder import RUN, scored_folds
from kit.workspace import Workspace

SHARES = ("accuracy", "balanced_accuracy", "macro_f1")
"""Metrics in which a curve's scores are; of two classes the AUC too."""


def known_points(
    contest: ContestConfig, prepared: Prepared, recipes: Sequence[RecipeConfig], workspace: Workspace
) -> dict[str, list[Point]]:
    """By recipe, the scores of its complete runs on the same data; none under a metric that is no share."""
    if contest.metric not in SHARES and (contest.metric != "roc_auc" or len(contest.classes) > 2):
        return {}
    folder = workspace.oof(contest.name)
    infos = [_read(path) for path in holding(folder, RUN)]
    rows = int((prepared.folds >= 0).sum())
    cells = list(Battery.from_config(contest.shift).names)
    found: dict[str, list[Point]] = {}
    for recipe in recipes:
        for info in infos:
            if info.get("metric", contest.metric) != contest.metric or not _same(info, recipe, prepared):
                continue
            scores = info["fold_shifted"] if contest.expects == "shifted" and cells else info["fold_clean"]
            if contest.expects == "shifted" and info["cell_names"] != cells:
                continue  # scored under other shifts
            images = info["config"]["train"]["epochs"] * _train_rows(len(info["folds_done"]), rows, prepared)
            found.setdefault(recipe.name, []).append(Point(images, sum(scores) / len(scores), rows))
    return found


def _train_rows(folds: int, rows: int, prepared: Prepared) -> float:
    """Rows that a network of a run trained on: of one fold, all that it does not hold out."""
    return rows * (folds - 1) / folds if folds > 1 else len(prepared.split(scored_folds(prepared)[0]).train)


def _read(path: Any) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except ArtefactError:  # whoever uses the run says so; a plan can do without it
        return {}


def _same(info: dict[str, Any], recipe: RecipeConfig, prepared: Prepared) -> bool:
    if info.get("digests", {}).get("data") != prepared.data_digest:
        return False
    mine = recipe.model_dump(mode="json")
    theirs = dict(info["config"])
    return _without_epochs(mine) == _without_epochs(theirs)


def _without_epochs(config: dict[str, Any]) -> dict[str, Any]:
    train = {key: value for key, value in config["train"].items() if key != "epochs"}
    return config | {"name": "", "train": train}
