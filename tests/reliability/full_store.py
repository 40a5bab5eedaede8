"""A store of the toy contest with a file of every kind, and how each is used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import Toy
from rich.console import Console
from sweep_toy import open_toy, toy_sweep

from kit.artefact import sha256_bytes, sha256_file, write_json
from kit.cluster.shared import share
from kit.comparison.training_rows import training_accuracy
from kit.config import load_platform
from kit.data.prepared import Prepared, prepare
from kit.data.sources.decoding_record import DecodingRecord
from kit.ensemble.blend import Blend
from kit.oof_store import OofRun, load_run, load_runs
from kit.packaging.adaptation import Adaptation, chosen
from kit.packaging.fastest import fastest
from kit.packaging.members import read_members
from kit.pipeline.plan import Plan
from kit.pipeline.stages import blending, packing
from kit.platforms import ledger
from kit.platforms.upload import check_report
from kit.rehearsal.checks import passed
from kit.rehearsal.rehearse import Rehearsal, report_path
from kit.situation.settled import settled
from kit.situation.situation import find_situation
from kit.sweep.hours import Hours
from kit.sweep.stored import StoredSummary
from kit.sweep.study import check_digests, mark
from kit.train import checkpoint
from kit.train.precision import _known

SWEEP = toy_sweep(budget={"trials": 3})
QUIET = Console(quiet=True)
RUN, FOLD, ZIP = "oof/toy/tiny", "oof/toy/tiny/fold0", "submissions/toy-best2-toy.zip"


def make_full(toy: Toy) -> None:
    """Adds to a trained store what blending, packing, rehearsing, sweeping and comparing leave; nothing is trained."""
    contest, prepared, workspace = toy.contest(), toy.prepared(), toy.workspace
    find_situation(contest, prepared, workspace)
    runs = load_runs(workspace, "toy")
    made = blending.blend(contest, runs, "best2", workspace, QUIET)
    packed = packing.pack(contest, made, load_platform(toy.file("platforms", "toy")), workspace, toy.root / ZIP, QUIET)
    report = Rehearsal(packed.path, packed.sha256, "toy", "run", "hooks", (passed("starts", "1 s"),), None)
    report.to_json(report_path(packed.path))
    ledger.record_score(workspace, packed.path, "7", 0.8)
    plan = Plan(3.0, 2, "", prepared.fold_digest, {"tiny": 4.0}, data=prepared.data_digest)
    plan.write(workspace, contest)
    folder = toy.root / RUN
    Adaptation(0.0, "off", (0.3, 0.3, 0.4), {}).write(folder)
    training_accuracy(runs[-1], "toy", prepared, workspace)
    checkpoint.save(toy.root / FOLD / "checkpoint.pt", {"fit": torch.arange(5000), "made": {"fold": 0}})
    share(prepared, workspace.cache)
    sweep = toy.root / "oof/toy/sweeps/toy"
    study = open_toy(SWEEP, sweep)
    study.tell(study.ask(), 0.5)
    check_digests(study, digests_of(toy), "")
    Hours(sweep / "hours.json", 1.0, study=mark(study)).note(now=True)
    StoredSummary("toy", "a text", [("a title", "AAAA")], prepared.data_digest).write(sweep)
    key = sha256_bytes(json.dumps([["timm", "numpy"], []]).encode())
    write_json(workspace.cache / "runtimes.json", {key: "timm"})


def run(toy: Toy) -> dict[str, Any]:
    """All that a blend takes from a run."""
    found: OofRun = load_run(toy.root / RUN)
    return {key: getattr(found, key) for key in ("ids", "labels", "folds", "logits", "shifted", "cells", "info")}


def members(toy: Toy) -> Any:
    """All that a zip takes from the networks."""
    blend = Blend.from_json(toy.root / "oof/toy/blends/best2.json")
    return [(member.entry, member.weights) for member in read_members(blend, "toy", toy.workspace)]


def decoding(toy: Toy) -> Any:
    return DecodingRecord.read(toy.workspace, toy.contest())


def tables(toy: Toy) -> Prepared:
    return prepare(toy.contest(), toy.data, toy.workspace, lambda line: None)


def summary(toy: Toy) -> Any:
    return StoredSummary.read(toy.root / "oof/toy/sweeps/toy/summary.json")


def trials(toy: Toy) -> Any:
    return [(trial.value, trial.params) for trial in open_toy(SWEEP, toy.root / "oof/toy/sweeps/toy").trials]


def digests_of(toy: Toy) -> dict[str, str]:
    prepared = toy.prepared()
    return {"data": prepared.data_digest, "folds": prepared.fold_digest}


def hours(toy: Toy) -> Any:
    folder = toy.root / "oof/toy/sweeps/toy"
    journal = (folder / "journal.log").read_bytes()
    study = mark(open_toy(SWEEP, folder))
    (folder / "journal.log").write_bytes(journal)  # Optuna notes that it was opened
    return Hours(folder / "hours.json", None, study=study).allowed


def searched(toy: Toy) -> Any:
    """As a sweep that goes on takes its study."""
    study = open_toy(SWEEP, toy.root / "oof/toy/sweeps/toy")
    check_digests(study, digests_of(toy), "rm -r oof/toy/sweeps/toy")
    return len(study.trials)


def rehearsed(toy: Toy) -> Any:
    return check_report(toy.root / ZIP)


def adaptation(toy: Toy) -> Any:
    return chosen(toy.root / RUN)


def trained_rows(toy: Toy) -> Any:
    return training_accuracy(load_run(toy.root / RUN), "toy", toy.prepared(), toy.workspace)


def precision(toy: Toy) -> Any:
    return [_known(path) for path in sorted((toy.workspace.cache / "precision").glob("*.json"))]


USES: dict[str, Callable[[Toy], Any]] = {
    f"{RUN}/run.json": run,
    f"{FOLD}/fold.json": run,
    f"{FOLD}/oof.npz": run,
    f"{FOLD}/weights.safetensors": members,
    f"{FOLD}/member.json": members,
    f"{FOLD}/checkpoint.pt": lambda toy: checkpoint.load(toy.root / FOLD / "checkpoint.pt", "kit train tiny"),
    f"{RUN}/adaptation.json": adaptation,
    f"{RUN}/training_rows.json": trained_rows,
    "oof/toy/prepared.json": lambda toy: tables(toy).fold_digest,
    "oof/toy/images.json": decoding,
    "oof/toy/situation.json": lambda toy: settled(toy.contest().model_copy(update={"expects": "auto"}), toy.workspace),
    "oof/toy/plan.json": lambda toy: Plan.read(toy.workspace, toy.contest()),
    "oof/toy/blends/best2.json": members,
    "oof/toy/sweeps/toy/hours.json": hours,
    "oof/toy/sweeps/toy/summary.json": summary,
    "oof/toy/sweeps/toy/journal.log": trials,
    ZIP: rehearsed,
    ZIP.replace(".zip", ".rehearsal.json"): rehearsed,
    "submissions/ledger.jsonl": lambda toy: ledger.read(toy.workspace).astype(str).to_dict("records"),
    "oof/.cache/precision/*.json": precision,
    "oof/.cache/runtimes.json": lambda toy: fastest(["timm", "numpy"], [], toy.workspace.cache / "runtimes.json"),
}
"""A file of each kind -> what reads it."""


def same(one: Any, other: Any) -> bool:
    """Whether two uses gave the same."""
    if isinstance(one, np.ndarray) or torch.is_tensor(one):
        return bool((one == other).all())
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def digests(root: Path) -> dict[str, str]:
    """Digest of every file under oof/ and submissions/ but measured speeds."""
    found = [path for top in ("oof", "submissions") for path in (root / top).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): sha256_file(path) for path in found if not path.name.endswith(".lock")}


def without_seals(root: Path) -> None:
    """The store as it was before files had digests inside."""
    for path in root.rglob("*.json"):
        if "oof" in path.parts or "submissions" in path.parts:
            value = {key: one for key, one in json.loads(path.read_text()).items() if key not in ("seal", "markers")}
            if path.name in ("fold.json", "prepared.json"):
                value.pop("files", None)
            path.write_text(json.dumps(value))
    for path in [*root.rglob("journal.log"), *root.rglob("ledger.jsonl")]:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({k: v for k, v in one.items() if k != "seal"}) + "\n" for one in lines))
    saved = checkpoint.load(root / FOLD / "checkpoint.pt", "")
    torch.save(saved, root / FOLD / "checkpoint.pt")


def swap(root: Path, source: str, target: str) -> None:
    """Puts what lies at `source` to `target`, instead of what lies there."""
    place = root / target
    if place.is_dir():
        shutil.rmtree(place)
        shutil.copytree(root / source, place)
    else:
        shutil.copy(root / source, place)

