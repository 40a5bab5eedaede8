"""A workspace as the stages leave it: simulated runs, a blend, a zip with its rehearsal, images, decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from data_toy import some_images
from ensemble_toy import make_runs

from kit import artefact
from kit.config import CleanConfig, ContestConfig, RecipeSets
from kit.data.cleaning.clean import clean
from kit.data.sources import cache
from kit.data.sources.decoding import Allocate
from kit.data.sources.imageset import ImageSet
from kit.ensemble.blend import Blend, blend
from kit.oof_store import OofRun
from kit.packaging.archive import write_zip
from kit.rehearsal.checks import failed, passed
from kit.rehearsal.result import Rehearsal, report_path
from kit.workspace import Workspace

CLASSES = ("round <b>", "a$lobe$d", "白血球", "d & e")
JUNK = 6


def contest(**changes: Any) -> ContestConfig:
    """Four classes whose names would break a careless page."""
    values = {"expects": "shifted"} | changes
    return ContestConfig(name="toy", classes=CLASSES, image_size=16, recipes=RecipeSets(), **values)


def image_set(run: OofRun) -> ImageSet:
    """The rows of `run`, and some copies of one image under other labels."""
    ids = np.concatenate([run.ids, [f"junk{row}" for row in range(JUNK)]])
    shown = some_images(len(run.ids) + 1)
    images = np.concatenate([shown, np.repeat(shown[-1:], JUNK - 1, axis=0)])
    labels = np.concatenate([run.labels, np.arange(JUNK) % len(CLASSES)])
    return ImageSet(ids, images, labels, CLASSES)


def write_data(workspace: Workspace, images: ImageSet) -> None:
    """The cache, clean.csv and prepared.json."""

    def decode(allocate: Allocate) -> ImageSet:
        decoded = allocate(images.images.shape)
        decoded[:] = images.images
        return replace(images, images=decoded)

    cache.cached(workspace.cache / "data", "toy", decode, images.class_names)
    artefact.write_csv(workspace.oof("toy") / "clean.csv", clean(images, CleanConfig()))
    record = {"clean": {"data": images.digest}, "folds": {}}
    artefact.write_json(workspace.oof("toy") / "prepared.json", record)


def write_run(workspace: Workspace, run: OofRun, preset: str = "none", **more: Any) -> None:
    """A run as training leaves it, less its weights."""
    folder = workspace.run("toy", run.recipe)
    folds = np.unique(run.folds).tolist()
    hit = run.logits.mean(1).argmax(1) == run.labels
    shifted = run.shifted.mean(2).argmax(2) == run.labels[:, None]
    for fold in folds:
        rows = run.folds == fold
        keys = ("ids", "labels", "logits", "shifted", "cells")
        artefact.write_npz(folder / f"fold{fold}" / "oof.npz", **{key: getattr(run, key)[rows] for key in keys})
        artefact.write_json(folder / f"fold{fold}" / "fold.json", {"rows": int(rows.sum())})
    info = {
        "recipe": run.recipe,
        "config": {"views": list(run.views), "augment": {"preset": preset}},
        "shift": {},
        "folds_done": folds,
        "cell_names": list(run.cell_names),
        "minutes": 1.5,
        "parameters": 1_250_000,
        "fold_clean": [float(hit[run.folds == fold].mean()) for fold in folds],
        "fold_shifted": [float(shifted[run.folds == fold].mean()) if shifted.size else None for fold in folds],
        "versions": {"kit": "0.1.0"},
        "time": 1.0,
    }
    artefact.write_json(folder / "run.json", info | run.info | more)


def write_blend(workspace: Workspace, runs: list[OofRun], name: str = "best3") -> Blend:
    """The blend of that name."""
    made = blend(runs, name)
    made.to_json(workspace.oof("toy") / "blends" / f"{name}.json")
    return made


def write_submission(workspace: Workspace, made: Blend, name: str = "toy-best3.zip") -> Path:
    """A zip that holds the manifest of `made`."""
    manifest = {
        "contest": "toy",
        "recipes": [member.recipe for member in made.members],
        "combiner": made.combiner,
        "digests": made.digests,
        "members": [{} for _ in made.members],
    }
    path = workspace.submissions / name
    write_zip(path, {"manifest.json": json.dumps(manifest).encode(), "model.py": b"class Model: ...\n"})
    return path


def write_rehearsal(zip_path: Path, hidden: float | None = 0.5, fails: bool = False) -> None:
    """The report beside a zip, with one check that fails where it is asked for."""
    checks = [passed("dtype", "int64"), failed("order", "3 of 9", "shuffles <rows>") if fails else passed("order", "9")]
    sha256 = artefact.sha256_file(zip_path)
    Rehearsal(zip_path, sha256, "toyground", "run", "none", tuple(checks), hidden).to_json(report_path(zip_path))


def toy_runs(members: int = 4, **more: Any) -> list[OofRun]:
    """Runs on the toy's data; net0 is the best by far on clean rows and the worst on shifted ones."""
    runs = make_runs(members, rows=160, **more)
    truth = np.eye(len(CLASSES), dtype=np.float32)[runs[0].labels][:, None]
    runs[0] = replace(runs[0], logits=runs[0].logits + 2 * truth, shifted=runs[0].shifted - 3 * truth[:, None])
    digest = image_set(runs[0]).digest
    for run in runs:
        run.info["digests"] = {"data": digest, "folds": "f" * 64}
    return runs


def full_workspace(root: Path) -> tuple[Workspace, Path]:
    """Everything there is, and the path of the zip."""
    workspace, runs = Workspace(root), toy_runs()
    write_data(workspace, image_set(runs[0]))
    for run in runs:
        write_run(workspace, run, "none" if run.recipe == "net0" else "strong")
    path = write_submission(workspace, write_blend(workspace, runs))
    write_rehearsal(path)
    return workspace, path
