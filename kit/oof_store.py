"""The out-of-fold store: what every recipe predicted for rows it was not trained on, checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.artefact import check_digest, read_json, read_npz
from kit.config import ShiftConfig
from kit.data.stale import Record
from kit.errors import OofError
from kit.shifts.battery import Battery
from kit.storage import exists, holding, reading
from kit.train.stored import MARKER as FOLD
from kit.train.stored import OOF, VAULT_ROWS, check_files
from kit.workspace import Workspace

FOLDS = "folds.csv"
RUN = "run.json"
"""Written last, of a run and of a fold; without it they are not complete."""

ARRAYS = {"ids", "labels", "logits", "shifted", "cells"}
"""Of oof.npz and of vault.npz."""

KEYS = {"folds_done", "cell_names", "config", "digests", "shift"}
"""What run.json must hold to be read."""


@dataclass(frozen=True)
class VaultRows:
    """What the networks of all F folds predict of the vault's rows, which none of them trained on; sorted by id."""

    ids: np.ndarray
    """(n,) str."""
    labels: np.ndarray
    """(n,) int64."""
    logits: np.ndarray
    """(F, n, V, C) float32."""
    shifted: np.ndarray
    """(F, n, K, V, C) float32."""
    cells: np.ndarray
    """(n, K) int64."""

    def seen(self, views: list[int]) -> VaultRows:
        """The rows through some of the views, by their places."""
        return replace(self, logits=self.logits[:, :, views], shifted=self.shifted[:, :, :, views])


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
    vault: VaultRows | None = None
    """None where the contest has no vault, or the run is from before there was one."""
    groups: np.ndarray | None = None
    """(N,) int64 of `folds.csv`: rows of one group (copies, a patient) hang together; None where it is not there."""

    @property
    def families(self) -> np.ndarray:
        """(N, K) str: family of each cell."""
        return np.array([name.partition(".")[0] for name in self.cell_names])[self.cells]


def load_run(path: Path) -> OofRun:
    """The complete run in `path` (oof/<contest>/<recipe>); OofError or ArtefactError says what to rerun."""
    recipe, contest = path.name, path.parent.name
    rerun = f"kit train {recipe} --contest {contest}"
    if not exists(path / RUN):
        raise OofError(f"{path}: not complete ({RUN} is missing). Finish it: {rerun}")
    info = read_json(path / RUN, rerun=rerun)
    if lacking := KEYS - info.keys():
        raise OofError(f"{path / RUN}: lacks {', '.join(sorted(lacking))}. Write it again: {rerun}")
    _check_data(path, info, rerun)
    _check_markers(path, info, rerun)
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
        vault=_load_vault(path, info, rerun) if info.get("vault") else None,
        groups=_groups(path.parent / FOLDS, whole["ids"][order]),
        **{key: array[order] for key, array in whole.items()},
    )
    _check(run, path, rerun)
    return run


def _check_data(path: Path, info: dict[str, Any], rerun: str) -> None:
    """OofError where the rows that lie beside the run now are not those that it was made from."""
    now = Record.read(path.parent / "prepared.json").clean.get("data")
    made = info["digests"].get("data", now)
    if now and made != now:
        raise OofError(
            f"{path}: made from other data ({made[:12]}) than lie beside it now ({now[:12]}). Train it again: "
            f"rm -r {path}; {rerun}"
        )


def _check_markers(path: Path, info: dict[str, Any], rerun: str) -> None:
    """ArtefactError where a fold was scored again, or replaced, since run.json was written: folds would be mixed."""
    for fold, digest in zip(info["folds_done"], info.get("markers", ())):
        check_digest(path / f"fold{fold}" / FOLD, digest, rerun)


def _load_vault(path: Path, info: dict[str, Any], rerun: str) -> VaultRows:
    """The vault as every fold's network predicts it; OofError where they do not speak of the same rows."""
    parts = []
    for fold in info["folds_done"]:
        arrays = _load_fold(path / f"fold{fold}", f"{rerun} --fold {fold}", VAULT_ROWS, "vault")
        order = np.argsort(arrays["ids"], kind="stable")
        parts.append({key: array[order] for key, array in arrays.items()})
    for part in parts[1:]:
        if any(not np.array_equal(part[key], parts[0][key]) for key in ("ids", "labels", "cells")):
            raise OofError(f"{path}: all folds must predict the same vault rows, but do not. Rerun: {rerun}")
    logits, shifted = (np.stack([part[key] for part in parts]) for key in ("logits", "shifted"))
    return VaultRows(parts[0]["ids"], parts[0]["labels"], logits, shifted, parts[0]["cells"])


def _load_fold(folder: Path, rerun: str, name: str = OOF, key: str = "rows") -> dict[str, np.ndarray]:
    """The arrays of a fold, as many rows as its marker says under `key`."""
    again = f"rm -r {folder}; {rerun}"
    marker = check_files(folder, (name,), rerun)
    arrays = read_npz(folder / name, rerun=again)
    if arrays.keys() != ARRAYS:
        raise OofError(f"{folder}/{name}: must hold {sorted(ARRAYS)}, but got {sorted(arrays)}. Rerun: {again}")
    rows = int(marker.get(key, 0))
    for key, array in arrays.items():
        if len(array) != rows:
            raise OofError(f"{folder}: {key} has {len(array):,} of {rows:,} rows. Train it again: {again}")
    return arrays


def _groups(path: Path, ids: np.ndarray) -> np.ndarray | None:
    """Groups (N,) int64 of rows by their id in folds.csv; None where the file is not of these rows."""
    if not exists(path):
        return None
    with reading(path):
        table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False).set_index("id")
    if "group" not in table or table.index.has_duplicates or not set(ids) <= set(table.index):
        return None
    return np.unique(table["group"].astype(str).loc[ids].to_numpy(), return_inverse=True)[1].astype(np.int64)


def _check(run: OofRun, path: Path, rerun: str) -> None:
    repeated = len(run.ids) - len(np.unique(run.ids))
    if repeated:
        raise OofError(f"{path}: every row must be predicted once, but {repeated:,} are there twice. Rerun: {rerun}")
    vault = run.vault
    if vault is not None and (seen := np.intersect1d(vault.ids, run.ids)).size:
        raise OofError(
            f"{path}: rows of the vault must be in no fold, but {len(seen):,} are, first {str(seen[0])!r}. "
            f"Rerun: {rerun}"
        )
    predicted = [run.logits, run.shifted] + ([] if vault is None else [vault.logits, vault.shifted])
    if not all(np.isfinite(array).all() for array in predicted):
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
    names = recipes if recipes is not None else [path.parent.name for path in holding(folder, RUN)]
    if not names:
        raise OofError(f"{folder}: holds no complete run. Train one: kit train RECIPE --contest {contest}")
    runs = [load_run(folder / name) for name in names]
    for run in runs[1:]:
        _check_same(runs[0], run)
    return runs


def check_shifts(runs: Sequence[OofRun], shift: ShiftConfig) -> None:
    """OofError for runs that were scored under other shifts than the contest's are now, or by another OpenCV's."""
    wanted = Battery.from_config(shift).identity
    again = "Score again, nothing is trained for it: kit train"
    others = "than the contest file and this version of the kit have"
    made_by = f"than OpenCV {wanted.get('opencv')}, which is installed, makes of the same images"
    for key, than in (("battery", others), ("opencv", made_by)):
        if stale := [run.recipe for run in runs if run.info["shift"].get(key) not in (None, wanted.get(key))]:
            raise OofError(f"{', '.join(stale)}: scored under other shifts {than}. {again} {' '.join(stale)}")


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

