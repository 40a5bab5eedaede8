"""Every broken submission is caught, and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from submit_broken import BROKEN, LAST, Broken, model, write
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.rehearsal.rehearse import rehearse
from kit.rehearsal.result import Rehearsal, report_path
from kit.workspace import Workspace


def rehearsed(broken: Broken, folder: Path) -> Rehearsal:
    path = write(broken, folder / "foreign.zip")
    platform = toy_platform(**{"packages": {"numpy": ""}, **broken.platform})
    return rehearse(path, platform, contest=toy_contest(), prepared=toy_prepared(), workspace=Workspace(folder))


def test_a_good_foreign_zip_passes(tmp_path: Path) -> None:
    found = rehearsed(Broken("", model()), tmp_path)
    assert [check for check in found.checks if not check.passed] == []
    assert report_path(tmp_path / "foreign.zip").is_file()


def test_a_good_zip_that_returns_probabilities_passes(tmp_path: Path) -> None:
    proba = "scores = np.exp(scores - scores.max(1, keepdims=True)); return scores / scores.sum(1, keepdims=True)"
    body = model((LAST, proba), ("def predict", "def predict_proba"))
    found = rehearsed(Broken("", body, {"submits": "probabilities", "method": "predict_proba"}), tmp_path)
    assert [check for check in found.checks if not check.passed] == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_zip_is_caught_and_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if BROKEN[name].named == "never returns":  # the others get their minute
        monkeypatch.setattr("kit.rehearsal.calls.FIRST_SECONDS", 3.0)
    found = rehearsed(BROKEN[name], tmp_path)
    said = [f"{check.name}: {check.figure}: {check.wrong}" for check in found.checks if not check.passed]
    assert said, "passed"
    assert any(BROKEN[name].named in line for line in said), said
