"""Every broken submission is caught, and named."""

from __future__ import annotations

from dataclasses import replace
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


@pytest.mark.parametrize(("added", "wrong"), [(1, ""), (0, "labels must be 1 to 3, but got 0 to 2")])
def test_labels_that_count_from_1_are_returned_as_the_training_data_have_them(
    added: int, wrong: str, tmp_path: Path
) -> None:
    path = write(Broken("", model((LAST, f"return scores.argmax(axis=1) + {added}"))), tmp_path / "foreign.zip")
    names = ("1", "2", "3")
    contest = toy_contest().model_copy(update={"classes": names})
    prepared = replace(toy_prepared(), class_names=names)
    platform = toy_platform(packages={"numpy": ""})
    found = rehearse(path, platform, contest=contest, prepared=prepared, workspace=Workspace(tmp_path))
    assert [check.wrong for check in found.checks if not check.passed] == [wrong] * bool(wrong)


@pytest.mark.usefixtures("small_calls")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_zip_is_caught_and_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if BROKEN[name].named == "never returns":  # the others get their minute; one that sleeps three times as many
        monkeypatch.setattr("kit.rehearsal.calls.FIRST_SECONDS", 1.0)
    found = rehearsed(BROKEN[name], tmp_path)
    said = [f"{check.name}: {check.figure}: {check.wrong}" for check in found.checks if not check.passed]
    assert said, "passed"
    assert any(BROKEN[name].named in line for line in said), said
