"""Kaggle's code competitions: the notebook that runs a packed zip."""

from __future__ import annotations

import json
from typing import Any

from kit.config import ContestConfig, PlatformConfig
from kit.errors import PackagingError

CODE, ABOUT = "submission.ipynb", "kernel-metadata.json"

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
images = [path for path in files if path.lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".webp"))]
paths = {{os.path.splitext(os.path.basename(path))[0]: path for path in images}}
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
