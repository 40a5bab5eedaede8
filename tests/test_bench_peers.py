"""Peers are given the rows that the kit trains on, and none of those that all are scored on."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Toy
from PIL import Image

from kit.workspace import PROJECT


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks" / "peers"))
    return importlib.import_module("run")


@pytest.fixture
def root(run: Any, toy: Toy) -> Path:
    """The toy contest's images, as peers find them."""
    contest = toy.file("contests", "toy")
    given = argparse.Namespace(contest=str(contest), data=toy.data, root=toy.root / "peers", rows=None)
    run.make_data(given)
    return Path(given.root)


def test_no_unseen_row_is_trained_on_and_all_see_the_same_images(root: Path) -> None:
    files = {name: sorted((root / "data" / "train").glob(f"{name}/*.png")) for name in ("red", "green", "blue")}
    train = {np.asarray(Image.open(path)).tobytes() for paths in files.values() for path in paths}
    with np.load(root / "data" / "train.npz") as given, np.load(root / "data" / "unseen.npz") as unseen:
        assert {image.tobytes() for image in given["images"]} == train
        assert not {image.tobytes() for image in unseen["clean"]} & train
        assert len(given["labels"]) + len(unseen["labels"]) == 60
        mixtures = [name for name in unseen.files if name.startswith("mixture")]
        assert mixtures
        for name in ("clean", *mixtures):
            paths = sorted((root / "data" / "unseen" / name).glob("*.png"))
            assert np.array_equal(np.stack([np.asarray(Image.open(path)) for path in paths]), unseen[name])
        assert not np.array_equal(unseen["clean"], unseen[mixtures[0]])


def test_the_table_says_what_is_right_with_its_error(run: Any, root: Path) -> None:
    with np.load(root / "data" / "unseen.npz") as unseen:
        labels, names = unseen["labels"], [name for name in unseen.files if name != "labels"]
    predicted = {name: labels.tolist() for name in names} | {"clean": (1 - labels).tolist()}
    right = float((1 - labels == labels).mean())
    folder = root / "plain-0.5"
    folder.mkdir()
    (folder / "said.json").write_text(json.dumps({"predicted": predicted, "seconds": 30.4, "epochs": 2.5}))
    line = run.table(root).splitlines()[2]
    assert line.startswith(f"| plain-0.5 | 30 | {right:.4f} ± ")
    assert "| 1.0000 ± 0.0000 | 2.5 |" in line


def test_a_peer_reads_its_job_and_finds_the_local_weights(
    run: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = importlib.import_module("common")
    job = {"data": str(root / "data"), "out": str(root), "weights": "/somewhere", "classes": ["red", "green", "blue"],
           "seconds": 60.0, "net": "mobilenetv2_100", "size": 16, "best": False}  # fmt: skip
    (root / "job.json").write_text(json.dumps(job))
    monkeypatch.setattr("sys.argv", ["plain.py", str(root / "job.json")])
    read = common.Job()
    assert {label for _, label in read.train_files()} == {0, 1, 2}
    assert set(read.unseen_files()) > {"clean"}
    from timm.models import _registry

    config = _registry._model_pretrained_cfgs["mobilenetv2_100.ra_in1k"]
    for key in ("file", "hf_hub_id", "url"):  # put back afterwards
        monkeypatch.setattr(config, key, getattr(config, key))
    read.use_local_weights()
    assert str(config.file) == "/somewhere/mobilenetv2_100.safetensors"
    assert not config.has_weights or config.file
