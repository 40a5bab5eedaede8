"""Students on the size ladder: when they take their turn, and that a zip names what is really in it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import Toy
from rich.console import Console
from submit_toy import toy_contest, toy_platform, toy_prepared
from substitute_toy import add, alone, pack, room, steps, teacher
from test_make_submission import run_it

from kit.cli import group
from kit.config import load_platform
from kit.ensemble.blend import Blend
from kit.ensemble.scoring.expected import with_folds
from kit.errors import PackagingError
from kit.packaging.pack import PackedZip, package
from kit.pipeline.stages import packing
from kit.platforms import ledger
from kit.rehearsal.rehearse import rehearse
from kit.report.zips import open_submission
from kit.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small_calls")

SPOILT = 12
"""Rows of each fold's 60 that a run is made to predict wrongly."""


@pytest.fixture
def store(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the store."""
    shutil.copytree(workspace.oof("toy"), tmp_path / "oof" / "toy")
    return Workspace(tmp_path)


def packed_alone(packed: PackedZip, store: Workspace, name: str) -> None:
    """The zip holds that run, and its scores are that run's."""
    own = alone(store, name)
    assert packed.manifest["recipes"] == [name]
    assert {member["recipe"] for member in packed.manifest["members"]} == {name}
    assert packed.manifest["nested"] == asdict(own.nested)
    assert packed.manifest["expected"] == asdict(with_folds(own.expected, len(packed.manifest["members"])))
    assert packed.manifest["combiner"] == own.combiner
    assert packed.manifest["digests"] == own.digests
    assert packed.blend.nested == own.nested


def test_a_student_that_loses_nothing_stands_for_the_blend_before_folds_are_left_out(
    store: Workspace, both: Blend
) -> None:
    add(store, "stands", teacher=teacher(both))
    said: list[str] = []
    limit = room(store, alone(store, "stands"), -0.5)
    packed = pack(store, both, limit, said)
    assert steps(said) == ["fp16", "student, fp16"]
    assert f"(best2: {both.nested.clean:.4f})" in said[1]
    assert f"shifted {packed.blend.nested.shifted:.4f}" in said[1]
    packed_alone(packed, store, "stands")
    assert [member["fold"] for member in packed.manifest["members"]] == [0, 1]
    found = rehearse(
        packed.path, toy_platform(), contest=toy_contest(), prepared=toy_prepared(), workspace=store, level="run"
    )
    assert [check for check in found.checks if not check.passed] == []
    assert pack(store, both, limit).sha256 == packed.sha256


def test_a_student_that_scores_lower_comes_after_fewer_folds_of_the_blend(store: Workspace, both: Blend) -> None:
    add(store, "pupil", SPOILT, teacher=teacher(both))
    said: list[str] = []
    packed = pack(store, both, room(store, both, 1.5), said)
    assert steps(said) == ["fp16", "1 fold"]
    assert packed.blend.members == both.members
    assert packed.blend.expected == with_folds(both.expected, 1)
    assert packed.manifest["expected"] == asdict(packed.blend.expected)
    said.clear()
    packed = pack(store, both, room(store, alone(store, "pupil"), 0.5), said)
    assert steps(said) == ["fp16", "1 fold", "student, fp16", "student, 1 fold"]
    assert f"pupil: out-of-fold clean {packed.blend.nested.clean:.4f} (best2: {both.nested.clean:.4f})" in said[3]
    packed_alone(packed, store, "pupil")
    assert len(packed.manifest["members"]) == 1
    assert packed.manifest["expected"]["point"] < both.expected.point
    assert packed.manifest["nested"]["clean"] <= both.nested.clean - 0.15


def test_a_better_student_goes_before_a_worse_one_and_a_broken_one_is_left_out(store: Workspace, both: Blend) -> None:
    add(store, "a-worse", 1, teacher=teacher(both))
    add(store, "b-better", teacher=teacher(both))
    said: list[str] = []
    limit = room(store, alone(store, "a-worse"), 0.5)
    pack(store, both, room(store, both, 1.5), said)
    assert "b-better" in said[1]
    (store.run("toy", "b-better") / "fold1" / "weights.safetensors").unlink()
    said.clear()
    packed = pack(store, both, limit, said)
    assert any(line.startswith("  b-better: left out. ") for line in said)
    assert packed.manifest["recipes"] == ["a-worse"]


def test_a_student_that_the_platform_cannot_run_holds_nothing_up(
    store: Workspace, both: Blend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kit.packaging import pack as packing

    write = packing.runtime_files

    def refusing(runtime: str, members: Any) -> Any:
        if members[0].entry["recipe"] == "pupil":
            raise PackagingError("pupil: runtime lacks an operator of its network")
        return write(runtime, members)

    add(store, "pupil", teacher=teacher(both))
    limit = room(store, both, 1.5)
    monkeypatch.setattr(packing, "runtime_files", refusing)
    said: list[str] = []
    packed = pack(store, both, limit, said)
    assert "  student, fp16: left out. pupil: runtime lacks an operator of its network" in said
    assert packed.blend.members == both.members
    assert steps(said)[-1] == "1 fold"


def test_eight_bits_are_measured_on_what_stands_in_too(
    store: Workspace, both: Blend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.packaging.quantise.SMALL", 64)
    add(store, "pupil", teacher=teacher(both))
    said, asked = list[str](), list[int]()

    def prepared() -> Any:
        asked.append(1)
        return toy_prepared()

    packed = package(
        both,
        toy_contest(),
        store,
        toy_platform(max_mb=room(store, alone(store, "pupil"), 0.05)),
        store.submissions / "toy.zip",
        prepared=prepared,
        echo=said.append,
    )
    assert steps(said) == ["fp16", "int8", "student, fp16", "student, int8"]
    assert "pupil: 100.00% of 120 held-out labels agree" in said[3]
    assert f"shifted {packed.blend.nested.shifted:.4f} (best2: {both.nested.shifted:.4f})" in said[3]
    assert {member["precision"] for member in packed.manifest["members"]} == {"int8"}
    assert asked == [1]


def test_only_where_there_is_no_student_is_one_asked_for(store: Workspace, both: Blend) -> None:
    with pytest.raises(PackagingError, match="kit distill best2 RECIPE --contest toy"):
        pack(store, both, 0.01)
    add(store, "pupil", teacher=teacher(both))
    with pytest.raises(PackagingError, match="Blend fewer members or smaller networks$"):
        pack(store, both, 0.01)


# ---------------------------------------------------------------------------------------------- what follows
def test_the_ledger_and_the_store_say_what_was_packed(store: Workspace, both: Blend) -> None:
    add(store, "pupil", SPOILT, teacher=teacher(both))
    platform = toy_platform(max_mb=room(store, alone(store, "pupil"), 0.5))
    shown = StringIO()
    packed = packing.pack(toy_contest(), both, platform, store, None, Console(file=shown, width=300))
    row = ledger.read(store).iloc[-1]
    assert row["members"] == ["pupil"]
    assert (row["clean"], row["expected"]) == (packed.blend.nested.clean, packed.blend.expected.point)
    assert row["expected"] < both.expected.point
    assert "best2 did not fit: pupil was packed in its place" in shown.getvalue()
    kept = Blend.from_json(store.oof("toy") / "blends" / "pupil.json")
    assert open_submission(packed.path).holds(kept)


def test_scores_of_the_platform_move_what_is_expected_of_it_too(store: Workspace, both: Blend) -> None:
    add(store, "pupil", teacher=teacher(both))
    limit = room(store, alone(store, "pupil"), -0.5)
    before = pack(store, both, limit).manifest["expected"]
    for number, remote in enumerate((0.50, 0.51, 0.52)):
        made = replace(pack(store, both, None), sha256=f"{number}" * 64)
        ledger.record_zip(store, made)
        ledger.append(store, "scored", sha256=made.sha256, score=remote)
    remote = ledger.remote_scores(store, "toy", both.expects)
    platform, out = toy_platform(max_mb=limit), store.submissions / "toy.zip"
    after = package(both, toy_contest(), store, platform, out, remote=remote, echo=lambda line: None)
    after = after.manifest["expected"]
    assert after["note"].startswith("recalibrated on 3 remote scores")
    assert after["point"] < before["point"]


def test_the_whole_pipeline_ends_with_what_was_packed(
    trained: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A student really taught, of a smaller network, packed by kit package and by make_submission.py."""
    for command in (["blend", "best2"], ["distill", "best2", "mini"]):
        assert CliRunner().invoke(group, [*command, "--contest", "toy"], catch_exceptions=False).exit_code == 0
    pupil = alone(trained.workspace, "mini-of-best2")
    platform = trained.file("platforms", "toy")
    whole = package(pupil, trained.contest(), trained.workspace, load_platform(platform), trained.root / "pupil.zip")
    limit = whole.size_mb
    small = ["package", "best2", "--contest", "toy", "--max-mb", str(limit), "--out", "small.zip"]
    shown = CliRunner().invoke(group, small, catch_exceptions=False).output
    assert re.search(r"student, fp16: \d\.\d MB, fits", shown)
    assert "best2 did not fit: mini-of-best2 was packed in its place" in shown
    assert open_submission(trained.root / "small.zip").manifest["recipes"] == ["mini-of-best2"]

    platform.write_text(f"max_mb = {limit}\n{platform.read_text()}")
    capsys.readouterr()
    assert run_it(monkeypatch, "--contest", "toy", "--ensemble", "best2", "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["members"] == {"mini-of-best2": 1.0}
    assert summary["nested"] == asdict(pupil.nested)
    assert summary["expected"] == asdict(pupil.expected)
