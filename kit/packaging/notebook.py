"""Kaggle's code competitions: the notebook that runs a packed zip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit import inference
from kit.config import ContestConfig, PlatformConfig
from kit.data.sources.embedded_images import image_columns
from kit.data.sources.load import form_of_test
from kit.data.sources.table_file import read_table
from kit.errors import PackagingError
from kit.inference.columns import Spec
from kit.packaging.form import make_form, submits

CODE, ABOUT = "submission.ipynb", "kernel-metadata.json"
SHIPPED = ("columns.py", "decode.py", "matching.py", "predictions.py")
"""Files of kit/inference that the notebook imports."""
MARGIN = 0.85
"""Share of the platform's time that predicting may take: reading the networks and writing the file take some."""

NOTEBOOK = """import glob
import json
import os
import re
import sys
import time

import pandas as pd

START = time.time()
SUBMISSION = {submission!r}
TEST = {test!r}
sys.path.insert(0, SUBMISSION)
import columns
import decode
import matching
from predictions import Predictions, rows_a_batch

found = sorted(glob.glob(os.path.join(TEST, "**", "*.csv"), recursive=True), key=len)
named = [path for path in found if re.search("(?i)sample.*submi|submi.*sample", os.path.basename(path))]
sample = pd.read_csv(named[0], dtype=str, keep_default_na=False)
with open(os.path.join(SUBMISSION, "manifest.json"), encoding="utf-8") as file:
    images = json.load(file)["images"]
id_column = {id_column!r} if {id_column!r} in sample.columns else sample.columns[0]
ids = sample[id_column].tolist()
others = [name for name in sample.columns if name != id_column]
spec = {spec!r}
if {auto!r}:
    spec["names"] = columns.spelled(sample[others[0]].tolist(), spec["classes"])
predictions = Predictions(ids, images["prior"])


def write(proba):
    for name, values in columns.filled(others, proba, spec).items():
        sample[name] = values
    sample.to_csv({out!r} + ".part", index=False)
    os.replace({out!r} + ".part", {out!r})


write(predictions.proba)  # a complete file, whatever happens from here on


def read(path):
    with open(os.path.join(TEST, path), "rb") as file:
        return file.read()


def predict(batch, seconds):
    return model.predict_proba(batch, max_seconds=seconds)


try:
    from model import Model

    model = Model()
    paths = matching.match(ids, matching.image_files(TEST, decode.SUFFIXES))
    rows = [row for row, path in enumerate(paths) if path is not None]
    if not rows:
        raise ValueError("no id of the sample has an image file under %s" % TEST)
    batches = decode.read_batches([paths[row] for row in rows], read, images, rows_a_batch(images["size"]))
    predictions.fill(predict, rows, batches, {seconds!r})
except Exception as error:
    print("FAILED: %r" % error)
write(predictions.proba)
print("%d of %d rows predicted in %.3f s" % (predictions.filled.sum(), len(ids), time.time() - START))
print("\\n".join(predictions.lines()[:50]))
"""


def notebook_files(
    contest: ContestConfig, platform: PlatformConfig, dataset: str, competition: str
) -> dict[str, bytes]:
    """The notebook, what it imports, and its kernel-metadata.json; PackagingError where a name is missing.

    dataset: "user/slug" of the data set that the zip becomes; competition: slug of the contest. Inputs lie
    under /kaggle/input/<slug>, the internet is off, and the predictions go to the platform's predictions_file.
    """
    if dataset.count("/") != 1 or not competition:
        raise PackagingError(
            f'a notebook finds its files by name: dataset must be "user/slug" and competition a slug, but got '
            f"{dataset!r} and {competition!r}. Give --dataset me/cells-weights --competition cells"
        )
    _check_files(contest)
    user, slug = dataset.split("/")
    code = NOTEBOOK.format(
        submission=f"/kaggle/input/{slug}",
        test=f"/kaggle/input/{competition}",
        id_column=platform.id_column,
        out=platform.predictions_file,
        seconds=MARGIN * platform.max_seconds if platform.max_seconds else None,
        spec=_spec(platform, contest),
        auto=platform.label_form == "auto",
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
        "enable_gpu": platform.gpu,
        "enable_internet": False,
        "dataset_sources": [dataset],
        "competition_sources": [competition],
    }
    jsons = {CODE: notebook, ABOUT: about}
    written = {name: (json.dumps(value, indent=1) + "\n").encode() for name, value in jsons.items()}
    return written | {name: (Path(inference.__path__[0]) / name).read_bytes() for name in SHIPPED}


def _check_files(contest: ContestConfig) -> None:
    """PackagingError where the test images are known to be no files: the notebook reads files alone."""
    test = Path(contest.data.test).expanduser()
    if not contest.data.test or not test.exists():
        return
    form = form_of_test(test)
    if form in ("npz", "hdf5") or (form in ("csv", "parquet") and image_columns(read_table(test))):
        raise PackagingError(
            f"the notebook reads image files, but {test} holds the images itself. Submit a file of predictions: "
            f"--platform kaggle-csv"
        )


def _spec(platform: PlatformConfig, contest: ContestConfig) -> Spec:
    """What the notebook fills the columns of its sample with, one of them or as many as there are classes."""
    spec = make_form(platform, contest.classes, contest.metric).spec
    wanted = submits(platform, contest.metric)
    if wanted == "probabilities":
        spec["one"] = "probability" if len(contest.classes) == 2 else "ranked"
    return spec
