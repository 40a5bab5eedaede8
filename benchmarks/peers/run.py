"""The kit and what a contestant would otherwise use, on the same rows, weights and minutes; scored on unseen rows.

    python benchmarks/peers/run.py prepare --contest an2dl2024 --data training_set.npz --root peers-bench
    python benchmarks/peers/run.py env fastai --root peers-bench                 once for each; the kit needs none
    python benchmarks/peers/run.py fit fastai --minutes 15 --root peers-bench    kit, plain, timm, ...
    python benchmarks/peers/run.py table --root peers-bench

`prepare` cleans the rows as the kit does, keeps a fifth of them from everybody (near-duplicates stay on one side),
and writes both as images: the unseen ones clean, and under the mixtures of the battery. `env` makes an environment
of its own; with `--share` it sees the packages of this one and installs what is missing, which saves gigabytes where
versions allow it. `fit` gives a peer its minutes, from its first line to its last step; predicting comes after.
`--rows N` in `prepare` is for a try. Every peer does as its own documentation advises:

    plain       a DataLoader with albumentations, AdamW, one cycle
    timm        the parts of timm's train.py, which is no part of its package: RandAugment, random erasing, MixUp, EMA
    fastai      vision_learner, aug_transforms, fine_tune
    autogluon   MultiModalPredictor with its defaults; autogluon-best with its preset best_quality
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kit.config import load_contest
from kit.data.prepared import Prepared, prepare
from kit.inference.model import load_module
from kit.shifts.battery import Battery
from kit.workspace import PROJECT, Workspace

HERE = Path(__file__).resolve().parent
SCRIPTS = {"plain": "plain.py", "timm": "timm_parts.py", "fastai": "fastai_fit.py", "autogluon": "autogluon_fit.py",
           "autogluon-best": "autogluon_fit.py"}  # fmt: skip
PACKAGES = {
    "plain": ["torch", "torchvision", "timm", "albumentations==2.0.8", "safetensors"],
    "timm": ["torch", "torchvision", "timm", "safetensors"],
    "fastai": ["fastai==2.8.*", "timm", "safetensors"],
    "autogluon": ["autogluon.multimodal==1.6.*", "torch===2.13.0", "torchvision===0.28.0", "safetensors"],
}
MIXTURES = 3
"""Shifted copies of every unseen row."""


def prepared_rows(given: argparse.Namespace) -> Prepared:
    """The contest's cleaned rows in five folds."""
    contest = load_contest(given.contest)
    found = prepare(contest, given.data, Workspace(given.root / "clean"), print)
    return found.take(np.sort(np.random.default_rng(0).permutation(len(found.ids))[: given.rows or None]))


def make_data(given: argparse.Namespace) -> None:
    """Images of the rows to train on, a folder a class, and of the unseen ones, numbered; the same rows for the kit."""
    found = prepared_rows(given)
    unseen, train = np.flatnonzero(found.folds == 0), np.flatnonzero(found.folds > 0)
    images, data = np.array(found.images), given.root / "data"
    shutil.rmtree(data, ignore_errors=True)
    for row in train:
        _save(data / "train" / found.class_names[found.labels[row]] / f"{row:06}.png", images[row])
    shift = load_contest(given.contest).shift
    battery = Battery.from_config(shift.model_copy(update={"battery": ("mixture",), "cells_per_row": MIXTURES}))
    cells = battery.draw(found.ids[unseen])
    sets = {"clean": images[unseen]}
    for number in range(cells.shape[1]):
        sets[f"mixture{number}"] = battery.apply(images[unseen], found.ids[unseen], cells[:, number])
    for name, of_set in sets.items():
        for number, image in enumerate(of_set):
            _save(data / "unseen" / name / f"{number:06}.png", image)
    np.savez(data / "train.npz", images=images[train], labels=found.labels[train])
    np.savez(data / "unseen.npz", labels=found.labels[unseen], **sets)
    about = {"classes": list(found.class_names), "contest": given.contest, "size": int(images.shape[1])}
    (data / "about.json").write_text(json.dumps(about))
    print(f"{len(train):,} rows to train on, {len(unseen):,} unseen, each clean and under {cells.shape[1]} mixtures")


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, compress_level=1)


def environment(name: str, root: Path) -> Path:
    """Python of the peer's environment; this one's where none was made."""
    python = root / "envs" / name.removesuffix("-best") / "bin" / "python"
    return python if python.exists() else Path(sys.executable)


def make_environment(given: argparse.Namespace) -> None:
    """A virtual environment with the peer's packages."""
    name = given.name.removesuffix("-best")
    folder = (given.root / "envs" / name).resolve()
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    if given.share:
        where = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        (Path(where.strip()) / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[name]], check=True, env=env)


def fit(given: argparse.Namespace) -> None:
    """One peer's minutes, and what it predicts of the unseen rows."""
    data = (given.root / "data").resolve()
    about = json.loads((data / "about.json").read_text())
    out = given.root.resolve() / f"{given.name}-{given.minutes:g}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    weights = Path(given.weights or os.environ.get("KIT_WEIGHTS", "weights")).resolve()
    job = about | {"data": str(data), "out": str(out), "seconds": 60 * given.minutes, "weights": str(weights),
                   "net": given.net, "best": given.name.endswith("-best")}  # fmt: skip
    (out / "job.json").write_text(json.dumps(job))
    if given.name == "kit":
        fit_kit(job)
        return
    command = [environment(given.name, given.root), HERE / SCRIPTS[given.name], out / "job.json"]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"NO_ALBUMENTATIONS_UPDATE": "1"}
    with (out / "log").open("w") as log:
        done = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, check=False, env=env)
    said = json.loads((out / "said.json").read_text()) if (out / "said.json").exists() else {"failed": done.returncode}
    print(f"{given.name}: {({key: value for key, value in said.items() if key != 'predicted'})}")


def fit_kit(job: dict[str, Any]) -> None:
    """make_submission.py within the minutes, cleaning and rehearsal in them; then its zip."""
    data, out = Path(job["data"]), Path(job["out"])
    command = [sys.executable, PROJECT / "make_submission.py", "--contest", job["contest"], "--root", out]
    command += ["--data", data / "train.npz", "--budget", job["seconds"] / 60, "--out", out / "kit.zip", "--json"]
    env = os.environ | {"KIT_WEIGHTS": job["weights"]}
    started = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=out, check=False, env=env)
    seconds = time.monotonic() - started
    (out / "log").write_text(done.stderr + done.stdout)
    with zipfile.ZipFile(out / "kit.zip") as archive:
        archive.extractall(out / "zip")
    model = load_module(f"{out}/zip/model.py").Model()
    with np.load(data / "unseen.npz") as sets:
        predicted = {name: model.predict(sets[name]).tolist() for name in sets.files if name != "labels"}
    said = {"predicted": predicted, "seconds": seconds, "exit_code": done.returncode}
    (out / "said.json").write_text(json.dumps(said))
    print(f"kit: {seconds:.0f} s, exit code {done.returncode}")


def table(root: Path) -> str:
    """A line a fit: accuracy on the unseen rows, clean and under mixtures, each with its standard error."""
    with np.load(root / "data" / "unseen.npz") as sets:
        labels = sets["labels"]
    lines = ["| fit | seconds | clean | mixtures | epochs |", "|---|---|---|---|---|"]
    for path in sorted(root.glob("*/said.json")):
        said = json.loads(path.read_text())
        right = {name: np.array(one) == labels for name, one in said["predicted"].items()}
        shifted = np.mean([one for name, one in right.items() if name != "clean"], axis=0)
        cells = (f"{one.mean():.4f} ± {one.std() / len(one) ** 0.5:.4f}" for one in (right["clean"], shifted))
        lines.append(f"| {path.parent.name} | {said['seconds']:.0f} | {' | '.join(cells)} | {said.get('epochs', '')} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "env", "fit", "table"):
        command = commands.add_parser(name)
        command.add_argument("--root", type=Path, default=Path("peers-bench"))
        if name == "prepare":
            command.add_argument("--contest", default="an2dl2024")
            command.add_argument("--data", type=Path)
            command.add_argument("--rows", type=int, help="at most so many rows, for a try")
        if name == "env":
            command.add_argument("name", choices=SCRIPTS)
            command.add_argument("--share", action="store_true", help="see this environment's packages")
        if name == "fit":
            command.add_argument("name", choices=("kit", *SCRIPTS))
            command.add_argument("--minutes", type=float, default=15.0)
            command.add_argument("--net", default="mobilenetv2_100", help="timm's name; its weights lie in --weights")
            command.add_argument("--weights", type=Path, help="folder of NET.safetensors; $KIT_WEIGHTS by default")
    given = parser.parse_args()
    given.root.mkdir(parents=True, exist_ok=True)
    {"prepare": make_data, "env": make_environment, "fit": fit, "table": lambda one: print(table(one.root))}[
        given.command
    ](given)


if __name__ == "__main__":
    main()
