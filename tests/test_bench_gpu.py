"""The GPU's benchmark runs whole at a tiny size on any machine, and a part that is cut off leaves its rows."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.workspace import PROJECT

SCRIPT = PROJECT / "benchmarks" / "gpu.py"


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(out: Path, part: str) -> list[dict[str, object]]:
    table = json.loads((out / f"{part}.json").read_text())
    assert table["whole"]
    assert not [row for row in table["rows"] if "failed" in row]
    return list(table["rows"])


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, in this process."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("gpu")


def test_a_small_contest_is_asked_every_question(gpu: Any, tmp_path: Path) -> None:
    gpu.part("toy", argparse.Namespace(out=tmp_path, tiny=True))
    cpu, device, same, network, resumed = rows(tmp_path, "toy")
    assert same["gap"] == pytest.approx(float(device["clean"]) - float(cpu["clean"]))
    assert network["labels_alike"] == 1.0
    assert resumed["steps"] == resumed["steps_of_whole"] > 1


def test_speeds_are_measured_of_the_kit_and_of_what_it_stands_beside(gpu: Any, tmp_path: Path) -> None:
    gpu.part("speed", argparse.Namespace(out=tmp_path, tiny=True))
    found = rows(tmp_path, "speed")
    assert {row["way"] for row in found} >= {"bare", "kit", "loop"}
    assert all(float(row["images_per_second"]) > 0 for row in found)


@pytest.mark.slow
def test_every_part_ends_whole_and_goes_on_from_the_one_before_it(tmp_path: Path) -> None:
    """A minute on an idle core."""
    done = start("--tiny", "--out", tmp_path, "--stretch", 3)
    assert done.stdout.count("exit code 0") == 4, done.stdout + done.stderr
    run, *networks = rows(tmp_path, "run")
    assert run["exit_code"] == 0
    assert run["rehearsal_passed"] is True
    assert [row["recipe"] for row in networks] == ["strong"]
    predicted = {row["question"]: row for row in rows(tmp_path, "predict")}
    assert predicted["labels alike on GPU and CPU"]["share"] == 1.0
    assert float(predicted["obvious way"]["times_as_long"]) > 0


def test_a_slow_part_is_cut_off_and_its_rows_stay(tmp_path: Path) -> None:
    done = start("--tiny", "--out", tmp_path, "--only", "speed", "--stretch", 0.01)
    assert "cut off" in done.stdout
    assert "nothing was measured" in done.stdout or "not whole" in done.stdout


def test_what_the_machine_lacks_is_named(gpu: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def requires(name: str) -> list[str]:
        if name == "rich":
            raise gpu.metadata.PackageNotFoundError
        return ["not-here>=2 ; extra == 'more'"]

    assert gpu.missing(tmp_path) == []
    monkeypatch.setattr(gpu.metadata, "requires", requires)
    assert gpu.missing(tmp_path) == ["rich"]
