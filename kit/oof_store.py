"""The out-of-fold store: what every recipe predicted for rows it was not trained on, checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kit.artefact import read_json, read_npz
from kit.config import ShiftConfig
from kit.errors import OofError
from kit.shifts.battery import Battery
from kit.workspace import Workspace

RUN, FOLD = "run.json", "fold.json"
"""Written last, of a run and of a fold; without it they are not complete."""

KEYS = {"folds_done", "cell_names", "config", "digests", "shift"}
"""What run.json must hold to be read."""


@dataclass(frozen=True)
class OofRun:
    """Out-of-fold predictions of one recipe, rows sorted by id."""

    recipe: str
    ids: np.ndarray
    """(N,) str."""
    folds: np.ndarray
    """(N,) int64: the fold whose model predicted the row."""
    labels: np.ndarray
    """(N,) int64."""
    logits: np.ndarray
    """(N, V, C) float32: clean images, a slice a view."""
    shifted: np.ndarray
    """(N, K, V, C) float32: under K cells of the shift battery a row."""
    cells: np.ndarray
    """(N, K) int64: index into `cell_names`."""
    cell_names: tuple[str, ...]
    """"family.operator@severity"."""
    views: tuple[str, ...]
    info: dict[str, Any] = field(default_factory=dict)
    """run.json: config, digests (of data and folds), minutes, parameters, scores by fold."""

    @property
    def families(self) -> np.ndarray:
        """(N, K) str: family of each cell."""
        return np.array([name.partition(".")[0] for name in self.cell_names])[self.cells]


def load_run(path: Path) -> OofRun:
    """The complete run in `path` (oof/<contest>/<recipe>); OofError or ArtefactError says what to rerun."""
    recipe, contest = path.name, path.parent.name
    rerun = f"kit train {recipe} --contest {contest}"
    if not (path / RUN).exists():
        raise OofError(f"{path}: not complete ({RUN} is missing). Finish it: {rerun}")
    info = read_json(path / RUN, rerun=rerun)
    if lacking := KEYS - info.keys():
        raise OofError(f"{path / RUN}: lacks {', '.join(sorted(lacking))}. Write it again: {rerun}")
    parts = [_load_fold(path / f"fold{fold}", f"{rerun} --fold {fold}") for fold in info["folds_done"]]
    sizes = [len(part["ids"]) for part in parts]
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    order = np.argsort(whole["ids"], kind="stable")
    folds = np.repeat(np.array(info["folds_done"], dtype=np.int64), sizes)
    run = OofRun(
        recipe=recipe,
        folds=folds[order],
        cell_names=tuple(info["cell_names"]),
        views=tuple(info["config"]["views"]),
        info=info,
        **{key: array[order] for key, array in whole.items()},
    )
    _check(run, path, rerun)
    return run


def _load_fold(folder: Path, rerun: str) -> dict[str, np.ndarray]:
    again = f"rm -r {folder}; {rerun}"
    arrays = read_npz(folder / "oof.npz", rerun=again)
    wanted = {"ids", "labels", "logits", "shifted", "cells"}
    if arrays.keys() != wanted:
        raise OofError(f"{folder}/oof.npz: must hold {sorted(wanted)}, but got {sorted(arrays)}. Rerun: {again}")
    rows = read_json(folder / FOLD, rerun=again).get("rows", 0)
    for name, array in arrays.items():
        if len(array) != rows:
            raise OofError(f"{folder}: {name} has {len(array):,} of {rows:,} rows. Train it again: {again}")
    return arrays


def _check(run: OofRun, path: Path, rerun: str) -> None:
    repeated = len(run.ids) - len(np.unique(run.ids))
    if repeated:
        raise OofError(f"{path}: every row must be predicted once, but {repeated:,} are there twice. Rerun: {rerun}")
    if not (np.isfinite(run.logits).all() and np.isfinite(run.shifted).all()):
        raise OofError(f"{path}: logits must be finite, but some are NaN or infinite. Rerun: {rerun}")


def finished_at(path: Path) -> float:
    """When the newest fold of the complete run in `path` was finished, in seconds; another time is another run."""
    folds = read_json(path / RUN)["folds_done"]
    return max(float(read_json(path / f"fold{fold}" / FOLD)["time"]) for fold in folds)


def load_runs(workspace: Workspace, contest: str, recipes: list[str] | None = None) -> list[OofRun]:
    """Complete runs of a contest by name, or of `recipes` in their order; OofError where two do not belong together.

    Runs that are made from different data or folds are refused with both digests named.
    """
    folder = workspace.oof(contest)
    names = recipes if recipes is not None else sorted(path.parent.name for path in folder.glob(f"*/{RUN}"))
    if not names:
        raise OofError(f"{folder}: holds no complete run. Train one: kit train RECIPE --contest {contest}")
    runs = [load_run(folder / name) for name in names]
    for run in runs[1:]:
        _check_same(runs[0], run)
    return runs


def check_shifts(runs: Sequence[OofRun], shift: ShiftConfig) -> None:
    """OofError for runs that were scored under other shifts than the contest's are now."""
    wanted = Battery.from_config(shift).digest
    if stale := [run.recipe for run in runs if run.info["shift"].get("battery", wanted) != wanted]:
        raise OofError(
            f"{', '.join(stale)}: scored under other shifts than the contest file and this version of the kit have. "
            f"Score again, nothing is trained for it: kit train {' '.join(stale)}"
        )


def _check_same(one: OofRun, other: OofRun) -> None:
    for key, what in (("digests", "data and folds"), ("shift", "shift battery")):
        if one.info[key] != other.info[key]:
            raise OofError(
                f"{one.recipe} and {other.recipe} must come from the same {what}, but got {one.info[key]} "
                f"and {other.info[key]}. Delete the stale run and train it again: kit train {one.recipe} or "
                f"kit train {other.recipe}"
            )
    if not np.array_equal(one.ids, other.ids):
        raise OofError(f"{one.recipe} and {other.recipe} must hold the same rows. Train the one that is stale again")

