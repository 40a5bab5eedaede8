"""Kaggle's code competitions: the notebook that runs a packed zip, and its trial in folders like Kaggle's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kit.config import ContestConfig, PlatformConfig
from kit.errors import PackagingError
from kit.submit.checks import Check, failed, judge
from kit.submit.codabench import limits_of
from kit.submit.jail import Mount, namespaces
from kit.submit.prediction_checks import check_predictions
from kit.submit.reference import Reference
from kit.submit.sandbox import Interpreter, Job, run_isolated

CODE, ABOUT = "submission.ipynb", "kernel-metadata.json"

TRIED = 64
"""Pictures of the trial."""

NOTEBOOK = """import glob
import os
import sys

import numpy as np
import pandas as pd
from PIL import Image

SUBMISSION = {submission!r}
TEST = {test!r}
sys.path.insert(0, SUBMISSION)
from model import Model

sample = pd.read_csv(glob.glob(os.path.join(TEST, "sample_submission.csv"))[0])
files = glob.glob(os.path.join(TEST, "**", "*.*"), recursive=True)
pictures = [path for path in files if path.lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".webp"))]
paths = {{os.path.splitext(os.path.basename(path))[0]: path for path in pictures}}
ids = [os.path.splitext(str(value))[0] for value in sample[{id_column!r}]]
images = np.stack([np.asarray(Image.open(paths[name]).convert("RGB").resize(({size}, {size}))) for name in ids])
labels = Model().predict(images, max_seconds={seconds})
names = {names!r}
sample[{label_column!r}] = [names[label] for label in labels] if names else labels
sample.to_csv("submission.csv", index=False)
"""


def notebook_files(
    contest: ContestConfig, platform: PlatformConfig, dataset: str, competition: str
) -> dict[str, bytes]:
    """The notebook and its kernel-metadata.json; PackagingError where the data set or the contest is not named.

    dataset: "user/slug" of the data set that the zip becomes; competition: slug of the contest. Inputs lie
    under /kaggle/input/<slug>, the internet is off, and the answer goes to submission.csv.
    """
    if dataset.count("/") != 1 or not competition:
        raise PackagingError(
            f'a notebook finds its files by name: dataset must be "user/slug" and competition a slug, but got '
            f"{dataset!r} and {competition!r}. Give --dataset me/cells-weights --competition cells"
        )
    user, slug = dataset.split("/")
    code = NOTEBOOK.format(
        submission=f"/kaggle/input/{slug}",
        test=f"/kaggle/input/{competition}",
        id_column=platform.id_column,
        label_column=platform.label_column,
        size=contest.image_size,
        seconds=0.9 * platform.max_seconds if platform.max_seconds else None,
        names=list(contest.classes) if platform.label_form == "name" else None,
    )
    cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": code}
    python = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": [cell], "metadata": python, "nbformat": 4, "nbformat_minor": 4}
    about = {
        "id": f"{user}/{slug}-submission",
        "title": f"{slug} submission",
        "code_file": CODE,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": False,
        "enable_internet": False,
        "dataset_sources": [dataset],
        "competition_sources": [competition],
    }
    return {name: (json.dumps(value, indent=1) + "\n").encode() for name, value in ((CODE, notebook), (ABOUT, about))}


def try_notebook(
    submission: Path,
    reference: Reference,
    class_names: Sequence[str],
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
) -> list[Check]:
    """Run the notebook of an unpacked zip on pictures with known labels; what it wrote against what Kaggle takes."""
    try:
        about = json.loads((submission / ABOUT).read_text(encoding="utf-8"))
        (dataset,), (competition,) = about["dataset_sources"], about["competition_sources"]
        cells = json.loads((submission / about["code_file"]).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        wrong = f"{ABOUT} must name one data set, one contest and the notebook ({error}). Pack again: kit package"
        return [failed("notebook: metadata", "missing or broken", wrong, "kaggle kernels push refuses it")]
    online = bool(about.get("enable_internet"))
    wrong = "the contest wants the internet off. Turn it off"
    checks = [judge("notebook: internet", not online, "on" if online else "off", wrong)]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    ids, labels = _lay_out(scratch, reference, platform)
    mounts = (
        Mount(submission, f"/kaggle/input/{dataset.partition('/')[2]}"),
        Mount(scratch / "contest", f"/kaggle/input/{competition}"),
        Mount(scratch / "code", "/app/program"),
        Mount(scratch / "working", "/kaggle/working", writable=True),
    )
    for mount in mounts if not namespaces() else ():
        code = code.replace(mount.target, str(mount.source))
    (scratch / "code" / "notebook.py").write_text(code, encoding="utf-8")
    outcome = run_isolated(Job("/app/program/notebook.py", (), mounts, "/kaggle/working"), python, limits_of(platform))
    written = scratch / "working" / platform.predictions_file
    if not written.is_file():
        reason = outcome.killed or outcome.stderr.strip()[-300:]
        wrong = f"it ends without {platform.predictions_file}: {reason}"
        return [*checks, failed("notebook: runs", "no answer", wrong, "Notebook Threw Exception")]
    found, given = check_predictions(written, platform, class_names, ids)
    checks += [Check(f"notebook: {c.name}", c.passed, c.figure, c.wrong, c.shown) for c in found]
    if given is not None:
        right = float((given == labels).mean())
        bar = 1.5 / reference.num_classes
        figure = f"{right:.1%} of {len(ids)} right in {outcome.seconds:.0f} s"
        wrong = "its answers belong to other pictures. Look at how it pairs files and ids"
        checks.append(judge("notebook: answers", right > bar, figure, wrong, "a low score"))
    return checks


def _lay_out(scratch: Path, reference: Reference, platform: PlatformConfig) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and sample_submission.csv as a contest has them, in an order that their names do not have."""
    for name in ("contest/test", "code", "working"):
        (scratch / name).mkdir(parents=True)
    rows = np.random.default_rng(2).permutation(len(reference.images))[:TRIED]
    ids = np.array([f"picture{number:04d}" for number in np.random.default_rng(3).permutation(len(rows))])
    for name, row in zip(ids, rows):
        Image.fromarray(reference.images[row]).save(scratch / "contest" / "test" / f"{name}.png")
    sample = pd.DataFrame({platform.id_column: ids, platform.label_column: 0})
    sample.to_csv(scratch / "contest" / "sample_submission.csv", index=False)
    return ids, reference.labels[rows]
