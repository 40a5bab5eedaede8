"""The GPU's benchmark runs whole at a tiny size on any machine, and a part that is cut off leaves its rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every part, one after the other; each goes on from the one before it."""
    folder = tmp_path_factory.mktemp("gpu")
    done = start("--tiny", "--out", folder, "--stretch", 3)
    assert done.stdout.count("exit code 0") == 4, done.stdout + done.stderr
    return folder


def test_every_part_ends_whole(out: Path) -> None:
    questions = [row["question"] for row in rows(out, "toy")]
    assert questions == ["scores", "scores", "same scores", "same network", "resumed"]
    assert {row["way"] for row in rows(out, "speed")} >= {"bare", "kit", "loop"}
    assert all(float(row["images_per_second"]) > 0 for row in rows(out, "speed"))
    run, *networks = rows(out, "run")
    assert run["exit_code"] == 0
    assert run["rehearsal_passed"] is True
    assert [row["recipe"] for row in networks] == ["strong"]


def test_on_one_device_what_is_asked_twice_is_the_same(out: Path) -> None:
    same, network, resumed = rows(out, "toy")[2:]
    assert same["same"] is True
    assert network["labels_alike"] == 1.0
    assert resumed["steps"] == resumed["steps_of_whole"]
    assert {row["question"]: row for row in rows(out, "predict")}["labels alike on GPU and CPU"]["share"] == 1.0


def test_a_slow_part_is_cut_off_and_its_rows_stay(tmp_path: Path) -> None:
    done = start("--tiny", "--out", tmp_path, "--only", "speed", "--stretch", 0.01)
    assert "cut off" in done.stdout
    assert "nothing was measured" in done.stdout or "not whole" in done.stdout


def test_what_the_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import gpu

    def requires(name: str) -> list[str]:
        if name == "rich":
            raise gpu.metadata.PackageNotFoundError
        return ["not-here>=2 ; extra == 'more'"]

    assert gpu.missing(tmp_path) == []
    monkeypatch.setattr(gpu.metadata, "requires", requires)
    assert gpu.missing(tmp_path) == ["rich"]
