from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import Toy

from kit.artefact import read_json, sha256_file
from kit.pipeline.plan import Plan, plan_path
from kit.workspace import PROJECT

SCRIPT = PROJECT / "make_submission.py"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_submission", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HEAVY = ("torch", "timm", "torchvision", "matplotlib", "albumentations", "optuna")
"""What takes seconds to import, and a run that is there already does not need."""
WITHOUT = f"""
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ImportError(f"{{name}} is imported")
sys.meta_path.insert(0, Absent())
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(toy: Toy, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it, in the contest's folder, where HEAVY is not installed."""
    command = [sys.executable, "-c", WITHOUT, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=toy.root, capture_output=True, text=True, check=False)


def run_it(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command in this process; its exit code."""
    module = script()
    monkeypatch.setattr(sys, "argv", ["make_submission.py", *arguments])
    try:
        module.run_guarded(module.main)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_from_nothing_to_a_rehearsed_zip_and_again_from_what_is_there(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--contest", "toy", "--ensemble", "best2", "--out", "out/best2.zip")
    assert run_it(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    check_what_was_said(shown)
    path = toy.root / "out" / "best2.zip"
    check_zip(path)
    report = read_json(path.with_suffix(".rehearsal.json"))
    assert report["passed"]
    assert report["sha256"] == sha256_file(path)

    made = {file: file.stat().st_mtime_ns for file in toy.root.rglob("*") if is_made_once(file)}
    digest = sha256_file(path)
    again = start(toy, *arguments, "--json")
    assert again.returncode == 0, again.stderr
    summary = json.loads(again.stdout)
    assert " fold 0: " not in again.stderr, "a fit was made again"
    assert "These bytes passed before" in again.stderr
    assert {file: file.stat().st_mtime_ns for file in made} == made
    names = sorted(file.name for file in made)
    assert names == ["best2.html", "best2.rehearsal.json", *["fold.json"] * 4, *["run.json"] * 2]
    assert summary["sha256"] == digest == sha256_file(path)
    assert summary["rehearsal_passed"] is True
    assert summary["members"] == {"tiny": 0.5, "mini": 0.5}
    assert summary["expected"]["low"] <= summary["expected"]["point"] <= summary["expected"]["high"]
    assert Path(summary["zip"]).samefile(path)


def is_made_once(file: Path) -> bool:
    return file.name in ("fold.json", "run.json") or file.suffix == ".html" or file.name.endswith(".rehearsal.json")


def check_what_was_said(shown: str) -> None:
    for word in ("60 images of 16x16", "Out-of-fold leaderboard", "tiny fold 1", "mini fold 0", "expect", "kit upload"):
        assert word in shown
    expected = re.search(r"^expect +(\S+) on the hidden test, (\S+) to (\S+) with 80%", shown, re.MULTILINE)
    assert expected is not None
    assert float(expected[2]) <= float(expected[1]) <= float(expected[3])
    assert re.search(r"^zip +out/best2.zip|^zip +/\S+best2.zip", shown, re.MULTILINE)


def check_zip(path: Path) -> None:
    """Flat, with nothing of the kit imported, half precision, and a manifest that agrees with its files."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert {"model.py", "manifest.json", "residual.py"} <= set(names)
        assert not any("/" in name for name in names)
        assert len([name for name in names if name.endswith(".safetensors")]) == 4
        assert not re.search(rb"^\s*(from|import) kit\b", archive.read("model.py"), re.MULTILINE)
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["files"]) == set(names) - {"manifest.json"}
    weights = [member["weight"] for member in manifest["members"]]
    assert np.sum(weights) == pytest.approx(1)
    assert manifest["classes"] == ["red", "green", "blue"]


# ------------------------------------------------------------------------------------------------------- budget
def test_a_budget_plans_fewer_folds_and_epochs_and_keeps_to_them(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kit.cli import group
    from kit.pipeline import planned
    from kit.pipeline.race import Heat
    from kit.pipeline.stages import packing
    from kit.train.run_folder import scored_folds

    contest = toy.file("contests", "toy")
    contest.write_text(contest.read_text().replace("n_splits = 2", "n_splits = 10"))
    heats = {"tiny": [Heat(1000, 60, 0.8, 0.8, 3.0, 1e-4, 0.0, 1.0, "fp32")], "mini": []}
    monkeypatch.setattr(planned, "run_race", lambda *_: {"tiny": heats["tiny"]})
    monkeypatch.setattr(packing, "pack", interrupt)
    arguments = ("--contest", "toy", "--budget", "30")
    assert run_it(monkeypatch, *arguments) == 130
    assert "folds instead of 10" in capsys.readouterr().out
    plan = Plan.read(toy.workspace, toy.contest())
    assert plan is not None
    assert plan.n_splits in (3, 4, 5)
    assert list(plan.epochs) == ["tiny"], "the other could not be raced"
    assert 0 < plan.epochs["tiny"] <= 8
    assert plan.reasons

    assert run_it(monkeypatch, *arguments) == 130  # interrupted at the same place, having trained nothing anew
    shown = capsys.readouterr().out
    assert " steps" not in shown
    assert "made anew" not in shown

    replace(plan, raced="of other images").write(toy.workspace, toy.contest())
    assert run_it(monkeypatch, *arguments) == 130
    assert "changed since the last plan: they are measured again" in capsys.readouterr().out
    assert Plan.read(toy.workspace, toy.contest()).raced == plan.raced  # type: ignore[union-attr]

    group.main(["folds", "--contest", "toy"], standalone_mode=False)
    assert "made anew" not in capsys.readouterr().out, "another command keeps to the plan's folds"

    assert plan_path(toy.workspace, toy.contest()).exists()
    assert scored_folds(toy.prepared()) == list(range(10)), "without the plan, the contest's own"


@pytest.mark.slow
def test_a_budget_races_plans_trains_and_rehearses_in_its_time(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to three minutes on an idle core."""
    started = time.monotonic()
    assert run_it(monkeypatch, "--contest", "toy", "--budget", "3") == 0
    assert time.monotonic() - started < 180
    shown = capsys.readouterr().out
    for word in ("race: tiny", "race: mini", "the blend is expected at", "rehearsal"):
        assert word in shown
    plan = Plan.read(toy.workspace, toy.contest())
    assert plan is not None
    assert all(plan.heats[name][0]["rows"] == 30 for name in ("tiny", "mini"))


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


# ---------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--contest", "tyo"), "got 'tyo'. Did you mean 'toy'?"),
        (("--platform", "tpy"), "got 'tpy'. Did you mean 'toy'?"),
        (("--recipes", "tiny,mni"), "got 'mni'. Did you mean 'mini'?"),
        (("--ensemble", "bets5"), "got 'bets5'. Did you mean 'best5'?"),
        (("--data", "absent.npz"), "absent.npz"),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(
    arguments: tuple[str, ...],
    message: str,
    toy: Toy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_it(monkeypatch, "--contest", "toy", *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not list(toy.root.rglob("*.safetensors"))


@pytest.mark.parametrize("arguments", [("--budget", "0"), ("--budget", "soon"), ("--emsemble", "best5")])
def test_options_out_of_range_are_usage_errors(
    arguments: tuple[str, ...], toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_it(monkeypatch, "--contest", "toy", *arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_a_failed_rehearsal_is_exit_1_and_warns(
    trained: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = trained.file("platforms", "toy")
    platform.write_text(platform.read_text().replace("max_seconds = 300", "max_seconds = 300\nmax_memory_mb = 1"))
    assert run_it(monkeypatch, "--contest", "toy") == 1
    shown = capsys.readouterr().out
    assert "The rehearsal failed: do not upload this zip." in shown
    assert "kit upload" not in shown


def test_help_has_examples_and_every_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_it(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for option in ("contest", "data", "platform", "ensemble", "out", "budget", "json", "recipes", "root", "rehearsal"):
        assert f"--{option}" in shown
    assert "Examples:" in shown
    assert shown.count("python make_submission.py") >= 3
    assert max(map(len, shown.splitlines())) <= 80
