"""The code of a Kaggle notebook, run beside a network of three lines: what it leaves behind, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from submit_toy import toy_contest, toy_platform

from kit.packaging.notebook import ABOUT, CODE, notebook_files

MODEL = """import os, signal, time
import numpy as np

class Model:
    calls = 0

    def predict_proba(self, images, max_seconds=None):
        Model.calls += 1
        {first}
        proba = np.full((len(images), 3), 0.05)
        proba[np.arange(len(images)), images[:, 0, 0, 0] % 3] = 0.9
        return proba
"""
COUNT = 150
"""Images of the contest, more than two batches."""
PRIOR = [0.5, 0.3, 0.2]


def run(
    tmp_path: Path, first: str = "pass", sample: str = "sample_submission.csv", seconds: int = 100, more: str = ""
) -> tuple[str, Path]:
    """What the notebook prints, and the file that it leaves. more: the name of one image more, that of the first."""
    named = {"artefact": "notebook", "predictions_file": "submission.csv", "label_form": "index"}
    platform = toy_platform(**named, max_seconds=seconds)
    files = notebook_files(toy_contest(), platform, "me/weights", "contest")
    for name, content in files.items():
        (tmp_path / "weights").mkdir(exist_ok=True)
        (tmp_path / "weights" / name).write_bytes(content)
    size = toy_contest().image_size
    spec = {"size": size, "resize": "squash", "range": None, "prior": PRIOR}
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps({"images": spec}))
    (tmp_path / "weights" / "model.py").write_text(MODEL.format(first=first))
    (tmp_path / "weights" / "predictions.py").write_text(
        files["predictions.py"].decode().replace("BATCH_BYTES = 24 << 20", "BATCH_BYTES = 1")
    )
    tests = tmp_path / "contest" / "test"
    tests.mkdir(parents=True)
    for row in range(COUNT):
        Image.fromarray(np.full((size, size, 3), row, np.uint8)).save(tests / f"{row:05d}.png")
    if more:
        Image.new("RGB", (size, size)).save(tests / more)
    ids = [f"{row:05d}" for row in reversed(range(COUNT))]
    pd.DataFrame({"id": ids, "label": 0}).to_csv(tmp_path / "contest" / sample, index=False)
    code = "".join(json.loads(files[CODE])["cells"][0]["source"])
    for name in ("weights", "contest"):
        code = code.replace(f"/kaggle/input/{name}", str(tmp_path / name))
    assert ABOUT in files
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    return done.stdout + done.stderr, tmp_path / "submission.csv"


def labels(path: Path) -> list[int]:
    table = pd.read_csv(path, dtype={"id": str})
    assert table["id"].tolist() == [f"{row:05d}" for row in reversed(range(COUNT))]
    assert not path.with_name(path.name + ".part").exists()
    return table["label"].tolist()


RIGHT = [row % 3 for row in reversed(range(COUNT))]


@pytest.mark.parametrize("sample", ["sample_submission.csv", "sampleSubmission.csv", "sample_submission_stage1.csv"])
def test_every_row_is_predicted_whatever_the_sample_is_called(sample: str, tmp_path: Path) -> None:
    said, path = run(tmp_path, sample=sample)
    assert labels(path) == RIGHT
    assert f"{COUNT} of {COUNT} rows predicted" in said


def test_an_id_of_two_images_leaves_a_complete_file(tmp_path: Path) -> None:
    said, path = run(tmp_path, more="00007.jpg")
    assert labels(path) == [0] * COUNT
    assert "FAILED: Ambiguous" in said


def test_a_batch_that_fails_leaves_its_rows_with_the_likeliest_class(tmp_path: Path) -> None:
    said, path = run(tmp_path, first="if Model.calls == 2: raise MemoryError()")
    assert labels(path) == [*RIGHT[:64], *[0] * 64, *RIGHT[128:]]
    assert "FAILED: 64 rows" in said


def test_a_slow_network_stops_in_time(tmp_path: Path) -> None:
    said, path = run(tmp_path, first="time.sleep(1.5)", seconds=2)
    assert labels(path) == [*RIGHT[:64], *[0] * (COUNT - 64)]
    assert f"OUT OF TIME: {COUNT - 64} rows" in said


def test_one_that_is_killed_leaves_a_complete_file(tmp_path: Path) -> None:
    _, path = run(tmp_path, first="if Model.calls == 2: os.kill(os.getpid(), signal.SIGKILL)")
    assert labels(path) == [0] * COUNT
