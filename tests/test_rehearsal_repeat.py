from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_toy import contest, full_workspace
from rich.console import Console
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.artefact import read_json, sha256_file, write_json
from kit.ensemble.blend import Blend
from kit.packaging.packed import PackedZip
from kit.pipeline.stages import rehearsal as stage
from kit.pipeline.stages.conclusion import conclude, summary
from kit.rehearsal.calls import MANY_SECONDS
from kit.rehearsal.checks import failed, passed
from kit.rehearsal.repeat import conditions, level_of, passed_before, read_report
from kit.rehearsal.result import Rehearsal, report_path
from kit.workspace import Workspace

SECONDS = MANY_SECONDS


def report_on(path: Path, seconds: float = SECONDS, fails: bool = False, **platform: Any) -> Rehearsal:
    """The report of a rehearsal for the toy platform, as `kit.rehearsal.rehearse` leaves it beside the zip."""
    checks = (passed("dtype", "int64"), failed("order", "3 of 9", "shuffles") if fails else passed("order", "9"))
    under = conditions(toy_platform(**platform), toy_contest(), "run", seconds)
    made = Rehearsal(path, sha256_file(path), "toy", "run", "hooks", checks, 0.5, {"clean": 0.75}, under)
    made.to_json(report_path(path))
    return made


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "toy.zip"
    path.write_bytes(b"the bytes of a zip")
    return path


def before(path: Path, seconds: float = SECONDS, **platform: Any) -> Rehearsal | None:
    return passed_before(path, sha256_file(path), toy_platform(**platform), toy_contest(), seconds)


def test_the_same_bytes_under_the_same_conditions_count_as_rehearsed(zipped: Path) -> None:
    made = report_on(zipped)
    assert before(zipped) == made
    assert before(zipped, title="another title", rehearsal_rows=60) == made, "it was tried with more rows"
    assert before(zipped, seconds=10.0) == made


@pytest.mark.parametrize(
    "change",
    [
        {"rehearsal_rows": 121},
        {"max_seconds": 100.0},
        {"packages": {"torch": "2.0", "timm": "", "numpy": ""}},
        {"output": "tensor"},
        {"name": "another"},
    ],
)
def test_another_platform_or_more_rows_do_not(change: dict[str, Any], zipped: Path) -> None:
    report_on(zipped)
    assert before(zipped, **change) is None


def test_another_zip_version_metric_or_code_does_not(zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_on(zipped)
    metric = toy_contest().model_copy(update={"metric": "macro_f1"})
    assert passed_before(zipped, sha256_file(zipped), toy_platform(), metric, SECONDS) is None
    with monkeypatch.context() as patch:
        patch.setattr("kit.rehearsal.repeat.metadata.version", lambda name: "0.0")
        assert before(zipped) is None
    with monkeypatch.context() as patch:
        patch.setattr("kit.rehearsal.repeat.sha256_sources", lambda folder: "changed")
        assert before(zipped) is None
    assert before(zipped) is not None
    zipped.write_bytes(b"other bytes")
    assert before(zipped) is None


def test_a_failed_or_shortened_or_broken_one_does_not(zipped: Path) -> None:
    assert before(zipped) is None, "there is none"
    report_on(zipped, fails=True)
    assert before(zipped) is None
    report_on(zipped, seconds=20.0)
    assert before(zipped, seconds=20.0) is not None
    assert before(zipped) is None, "its largest call was left out for want of time"
    values = read_json(report_path(zipped))
    write_json(report_path(zipped), {key: value for key, value in values.items() if key != "under"})
    assert read_report(zipped) is None, "of a version that did not note it"
    report_path(zipped).write_text("{")
    assert before(zipped) is None


def test_one_in_the_platforms_own_environment_counts_too(zipped: Path) -> None:
    under = conditions(toy_platform(), toy_contest(), "platform", SECONDS)
    made = replace(report_on(zipped), level="platform", under=under)
    made.to_json(report_path(zipped))
    assert before(zipped) == made
    replace(made, level="check").to_json(report_path(zipped))
    assert before(zipped) is None


def test_the_level_is_that_of_a_rehearsal(zipped: Path) -> None:
    assert level_of(toy_platform()) == "run"
    absent = toy_platform(packages={"no-such-package-here": ""})
    assert level_of(absent) == "platform"
    assert level_of(absent, "check") == "check"
    assert conditions(absent, toy_contest(), "platform", SECONDS)["versions"].keys() == {"python"}


# ------------------------------------------------------------------------------------------------------ the stage
@pytest.mark.parametrize(
    ("when", "there", "made", "said"),
    [
        ("new", False, 1, ""),
        ("new", True, 0, "passed before"),
        ("again", True, 1, ""),
        ("none", False, 0, "NOT REHEARSED"),
        ("none", True, 0, "passed before"),
    ],
)
def test_the_stage_runs_a_zip_where_it_is_asked_to(
    when: stage.When, there: bool, made: int, said: str, zipped: Path, both: Blend, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = report_on(zipped) if there else None
    calls = []

    def rehearse(path: Path, *_: Any, **__: Any) -> Rehearsal:
        calls.append(path)
        return report_on(path)

    monkeypatch.setattr(stage, "make_rehearsal", rehearse)
    packed = PackedZip(zipped, sha256_file(zipped), 1.0, {"platform": "toy"}, both)
    result = stage.rehearse(
        toy_contest(), packed, toy_prepared(), toy_platform(), Workspace(zipped.parent), Console(), when=when
    )
    assert len(calls) == made
    shown = capsys.readouterr().out
    assert said in shown
    assert ("passed before" in shown) == (said == "passed before")
    assert (result is None) == (when == "none" and not there)
    if there and not made:
        assert result == known
        assert "order" in shown, "its checks are shown"


def test_a_zip_that_was_not_rehearsed_is_named_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, path = full_workspace(tmp_path)
    report_path(path).unlink()
    made = Blend.from_json(next((workspace.oof("toy") / "blends").glob("*.json")))
    packed = PackedZip(path, sha256_file(path), 1.0, {"platform": "toy"}, made)
    conclude(contest(), packed, None, workspace, Console(width=200))
    shown = capsys.readouterr().out
    assert "The zip was not rehearsed" in shown
    assert f"next      kit rehearse {path} --contest toy --platform toy" in shown
    assert "next      kit upload" not in shown
    values = summary(contest(), packed, None)
    assert values["rehearsal_passed"] is None
    assert values["hidden"] is None
    assert np.isfinite(values["expected"]["point"])
