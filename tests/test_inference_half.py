"""The shipped file in bfloat16: labels are those of float32, and nothing is halved that would not be faster."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from submit_toy import toy_contest, toy_platform, toy_prepared, write_store

from kit.ensemble.blend import blend
from kit.oof_store import load_runs
from kit.packaging import archive
from kit.packaging.pack import package
from kit.workspace import Workspace

FADED = (toy_prepared(300).images * 0.15 + 90).astype(np.uint8)
"""Images that the toy networks are unsure of."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of two recipes, unpacked."""
    workspace = Workspace(tmp_path_factory.mktemp("half"))
    write_store(workspace, toy_prepared())
    made = blend(load_runs(workspace, "toy"), "best2")
    packed = package(made, toy_contest(), workspace, toy_platform(), workspace.submissions / "toy.zip")
    archive.unpack(packed.path, workspace.root / "zip")
    return workspace.root / "zip"


@pytest.fixture
def shipped(folder: Path) -> ModuleType:
    """Its model.py."""
    spec = importlib.util.spec_from_file_location("shipped_half", folder / "model.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labels_are_those_of_float32_though_probabilities_are_not(
    shipped: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "half_is_faster", lambda run, X, spec: True)
    model = shipped.Model()
    exact = model.blended(FADED, None, False)
    quick = model.blended(FADED, None, True)
    assert 0 < np.abs(quick - exact).max() < 0.02
    best = np.sort(quick, axis=1)[:, -2:]
    margin = best[:, 1] - best[:, 0]
    monkeypatch.setattr(shipped, "DOUBT", float(np.median(margin)))
    found = model.predict_proba(FADED)
    doubtful = margin < np.median(margin)
    assert doubtful.sum() == 150
    np.testing.assert_allclose(found[doubtful], exact[doubtful], atol=1e-6)
    np.testing.assert_array_equal(found[~doubtful], quick[~doubtful])
    np.testing.assert_array_equal(found.argmax(1), exact.argmax(1))


def test_few_images_stay_in_float32(shipped: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "half_is_faster", lambda run, X, spec: True)
    model = shipped.Model()
    np.testing.assert_array_equal(model.predict_proba(FADED[:40]), model.blended(FADED[:40], None, False))
    assert model.halves == {}


@pytest.mark.parametrize(("slower", "off", "wanted"), [(0.5, 0.0, True), (2.0, 0.0, False), (0.5, 9.0, False)])
def test_it_must_be_faster_and_agree(
    shipped: ModuleType, monkeypatch: pytest.MonkeyPatch, slower: float, off: float, wanted: bool
) -> None:
    clock = [0.0]
    monkeypatch.setattr(shipped.time, "time", lambda: clock[0])

    def run(X: np.ndarray, spec: dict[str, Any], half: bool) -> np.ndarray:
        clock[0] += slower if half else 1.0
        return np.tile([1.0, 0.0, off if half else 0.0], (len(X), 1, 1))

    assert shipped.half_is_faster(run, FADED, {"size": 24, "views": ["identity", "rot90"]}) is wanted
