"""Competition bundles: every rule that Codabench's reader has, and a run of their own programs."""

from __future__ import annotations

import itertools
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from submit_broken import model
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.errors import PackagingError
from kit.platforms.bundle import HiddenTest, write_bundle
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.jail import Mount
from kit.rehearsal.sandbox import Job, run_isolated
from kit.rehearsal.watch import Limits

HIDDEN = HiddenTest(toy_prepared(40).images, toy_prepared(40).labels)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """An unpacked bundle of two phases."""
    path = tmp_path / "bundle.zip"
    phases = {"development": HIDDEN, "final": HIDDEN}
    write_bundle(
        toy_contest(), toy_platform(packages={"numpy": ""}), phases, path, start=datetime(2024, 11, 1, tzinfo=UTC)
    )
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_the_bundle_keeps_every_rule_of_codabench(bundle: Path) -> None:
    competition = yaml.safe_load((bundle / "competition.yaml").read_text())
    assert competition["version"] == 2
    assert competition["title"]
    assert (bundle / competition["image"]).stat().st_size > 0
    for page in [competition["terms"], *(page["file"] for page in competition["pages"])]:
        assert (bundle / page).read_text().strip()
    indexes = [task["index"] for task in competition["tasks"]]
    assert len(set(indexes)) == len(indexes)
    for task in competition["tasks"]:
        assert task["name"]
        for key in ("scoring_program", "ingestion_program", "input_data", "reference_data"):
            assert (bundle / task[key]).is_dir()
    for program in ("ingestion_program", "scoring_program"):
        command = yaml.safe_load((bundle / program / "metadata.yaml").read_text())["command"]
        assert (bundle / program / command.split()[1].removeprefix("/app/program/")).is_file()
    phases = competition["phases"]
    assert [phase["index"] for phase in phases] == list(range(len(phases)))
    for phase in phases:
        assert phase["name"]
        assert set(phase["tasks"]) <= set(indexes)
        assert datetime.fromisoformat(phase["start"]) < datetime.fromisoformat(phase["end"])
    for before, after in itertools.pairwise(phases):
        assert datetime.fromisoformat(after["start"]) >= datetime.fromisoformat(before["end"])
    (board,) = competition["leaderboards"]
    columns = board["columns"]
    assert all(column.keys() >= {"index", "key", "title", "sorting"} for column in columns)
    assert len({column["key"] for column in columns}) == len({column["index"] for column in columns}) == len(columns)


def test_its_programs_score_a_submission_under_the_leaderboards_keys(bundle: Path, tmp_path: Path) -> None:
    competition = yaml.safe_load((bundle / "competition.yaml").read_text())
    task = competition["tasks"][0]
    for name in ("submission", "predictions", "scores"):
        (tmp_path / name).mkdir()
    (tmp_path / "submission" / "model.py").write_bytes(model()["model.py"])
    python = this_python(toy_platform(packages={"numpy": ""}))

    def run(program: str, mounts: tuple[Mount, ...]) -> None:
        command = yaml.safe_load((bundle / program / "metadata.yaml").read_text())["command"].split()
        job = Job(command[1], tuple(command[2:]), (Mount(bundle / program, "/app/program"), *mounts), "/app/program")
        outcome = run_isolated(job, python, Limits(seconds=60))
        assert outcome.returncode == 0, outcome.stderr

    run(
        task["ingestion_program"],
        (
            Mount(tmp_path / "submission", "/app/ingested_program"),
            Mount(bundle / task["input_data"], "/app/input_data"),
            Mount(tmp_path / "predictions", "/app/output", writable=True),
        ),
    )
    run(
        task["scoring_program"],
        (
            Mount(bundle / task["reference_data"], "/app/input/ref"),
            Mount(tmp_path / "predictions", "/app/input/res"),
            Mount(tmp_path / "scores", "/app/output", writable=True),
        ),
    )
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores.keys() == {column["key"] for column in competition["leaderboards"][0]["columns"]}
    assert scores["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (replace(HIDDEN, images=HIDDEN.images[:, :8]), r"must be \(N, 24, 24, 3\) uint8, but got \(40, 8"),
        (replace(HIDDEN, images=HIDDEN.images / 255), "float64"),
        (replace(HIDDEN, labels=HIDDEN.labels[:5]), r"must be \(40,\), but got \(5,\)"),
        (replace(HIDDEN, labels=HIDDEN.labels + 1), "go from 1 to 3"),
    ],
)
def test_unfit_hidden_images_are_refused(hidden: HiddenTest, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=message):
        write_bundle(toy_contest(), toy_platform(), {"final": hidden}, tmp_path / "b.zip")


def test_a_bundle_needs_a_phase(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="at least one phase"):
        write_bundle(toy_contest(), toy_platform(), {}, tmp_path / "b.zip")


def test_bundles_are_reproducible(tmp_path: Path) -> None:
    for name in ("a", "b"):
        start = datetime(2024, 1, 1, tzinfo=UTC)
        write_bundle(toy_contest(), toy_platform(), {"final": HIDDEN}, tmp_path / name, start=start)
    assert np.array_equal(*[np.frombuffer((tmp_path / name).read_bytes(), np.uint8) for name in ("a", "b")])
