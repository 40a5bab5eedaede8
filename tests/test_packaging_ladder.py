"""The size ladder: eight bits where held-out rows bear them, then fewer folds, each rung said with what it costs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.ensemble.blend import Blend
from kit.errors import PackagingError
from kit.inference.model import parse_arrays
from kit.oof_store import load_run
from kit.packaging import quantise
from kit.packaging.members import read_members
from kit.packaging.pack import PackedZip, package
from kit.packaging.quantise import eight_bits, measure, quantised
from kit.rehearsal.rehearse import rehearse
from kit.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small_calls")


@pytest.fixture(autouse=True)
def small_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's weights are small; eight bits apply to them too."""
    monkeypatch.setattr(quantise, "SMALL", 64)


def pack(workspace: Workspace, both: Blend, max_mb: float | None, said: list[str] | None = None) -> PackedZip:
    """The blend within `max_mb`; `said` takes the lines that packing printed."""
    return package(
        both,
        toy_contest(),
        workspace,
        toy_platform(max_mb=max_mb),
        workspace.submissions / "toy.zip",
        prepared=toy_prepared,
        echo=(said if said is not None else []).append,
    )


def test_eight_bits_are_at_most_half_a_step_off_and_stay_what_they_are() -> None:
    weights = np.random.default_rng(0).normal(size=(6, 5, 3, 3)).astype(np.float32)
    values, scale = eight_bits(weights)
    assert values.dtype == np.int8
    assert scale.shape == (6, 1, 1, 1)
    assert (np.abs(values * scale - weights) <= scale / 2 + 1e-7).all()
    again, _ = eight_bits(values * scale)
    np.testing.assert_array_equal(again, values)


def test_a_channel_of_zeros_stays_zero() -> None:
    values, scale = eight_bits(np.zeros((2, 3), dtype=np.float32))
    assert not (values * scale).any()


def test_weights_in_eight_bits_are_read_back_as_the_numbers_they_stand_for(workspace: Workspace, both: Blend) -> None:
    member = read_members(both, "toy", workspace)[0]
    small = quantised(member)
    assert len(small.weights) < len(member.weights)
    assert (small.entry["precision"], small.entry["sha256"] == member.entry["sha256"]) == ("int8", False)
    full, found = safetensors.torch.load(member.weights), parse_arrays(small.weights, "w")
    assert found.keys() == full.keys()
    for name, tensor in full.items():
        wanted = tensor.float().numpy()
        step = np.abs(wanted).max() / 127
        np.testing.assert_allclose(found[name], wanted, atol=step)


def test_what_eight_bits_cost_is_measured_on_held_out_rows(workspace: Workspace, both: Blend) -> None:
    members = [m for m in read_members(both, "toy", workspace) if m.entry["recipe"] == "one"]
    run = load_run(workspace.run("toy", "one"))
    unchanged = measure(members, run, toy_prepared())
    assert (unchanged.rows, unchanged.agree, unchanged.lost) == (120, 1.0, 0.0)
    spoilt = []
    for member in members:
        tensors = {name: torch.zeros_like(value) for name, value in safetensors.torch.load(member.weights).items()}
        spoilt.append(member.__class__(member.folder, member.spec, member.entry, safetensors.torch.save(tensors)))
    loss = measure(spoilt, run, toy_prepared())
    right = (run.logits.mean(1).argmax(1) == run.labels).mean()
    assert loss.lost == pytest.approx(right - 1 / 3)
    assert not loss.holds
    assert "refused" in str(loss)


def test_a_zip_that_fits_is_left_as_it_was_scored(workspace: Workspace, both: Blend) -> None:
    said: list[str] = []
    packed = pack(workspace, both, None, said)
    assert said == []
    assert not any("precision" in member for member in packed.manifest["members"])


def test_eight_bits_come_first_and_pass_the_rehearsal(workspace: Workspace, both: Blend) -> None:
    said: list[str] = []
    size = pack(workspace, both, None).size_mb
    packed = pack(workspace, both, size - 0.003, said)
    assert packed.size_mb < size
    assert {member["precision"] for member in packed.manifest["members"]} == {"int8"}
    assert [line.split()[0] for line in said] == ["fp16:", "int8:"]
    assert "accuracy" in said[1]
    found = rehearse(
        packed.path, toy_platform(), contest=toy_contest(), prepared=toy_prepared(), workspace=workspace, level="run"
    )
    assert [check for check in found.checks if not check.passed] == []
    assert "parity: labels, int8" in {check.name for check in found.checks}
    again = pack(workspace, both, size - 0.003)
    assert again.sha256 == packed.sha256


def test_where_eight_bits_lose_too_much_folds_give_way(
    workspace: Workspace, both: Blend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.packaging.precision_loss.MAY_LOSE", -1.0)
    said: list[str] = []
    size = pack(workspace, both, None).size_mb
    packed = pack(workspace, both, size - 0.003, said)
    members = packed.manifest["members"]
    assert [(member["recipe"], member["fold"]) for member in members] == [(r, 0) for r in packed.manifest["recipes"]]
    assert sum(member["weight"] for member in members) == pytest.approx(1.0)
    assert [line.split(":")[0].strip() for line in said] == ["fp16", "int8", "1 fold"]
    assert "refused" in said[1]
    with zipfile.ZipFile(packed.path) as zipped:
        assert sum(name.endswith(".safetensors") for name in zipped.namelist()) == 2


def test_the_end_of_the_ladder_is_a_refusal(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    """It says how to make what is smaller still."""
    with pytest.raises(PackagingError, match=r"at most 0\.01 MB.*Blend fewer members.*kit distill best2 RECIPE --cont"):
        pack(workspace, both, 0.01)
