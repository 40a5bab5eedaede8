"""An Apple chip's GPU, whose results are made up: no machine with one was at hand."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch

import kit
from kit.cluster.crew import Crew
from kit.cluster.devices import USABLE, find_devices
from kit.echo import hide_warnings
from kit.train import device as module
from kit.train import precision
from kit.train.device import free_bytes, global_state, has_bf16, pick_device, release, set_global_state, settle
from kit.train.memory import ran_out
from kit.train.precision import CANDIDATES, Trial, choose_precision

MPS, CPU = torch.device("mps"), torch.device("cpu")
WARNING = "The operator 'aten::x' is not currently supported on the MPS backend and will fall back to run on the CPU."


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A chip with 16 GiB that may be used, 4 of which are, under macOS 13; what it is asked to do."""
    asked: dict[str, object] = {"macos": (13, 0)}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *version: asked["macos"] >= version)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 16 << 30)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 4 << 30)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: torch.tensor([1, 2, 3], dtype=torch.uint8))
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: asked.update(state=state))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: asked.update(waited=True))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: asked.update(emptied=True))
    return asked


def test_it_is_chosen_where_it_is_and_a_gpu_of_nvidia_before_it(
    chip: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pick_device() == MPS
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device().type == "cuda"


def test_fits_run_on_it_one_at_a_time_or_as_many_as_are_asked_for(chip: dict[str, object]) -> None:
    (device,) = find_devices()
    assert (device.kind, device.places, device.memory_mb) == ("mps", 1, 16 * 1024 * USABLE)
    assert device.unknown_mb == device.memory_mb
    assert find_devices(2)[0].places == 2


def test_a_run_uses_it_without_measuring_cores(chip: dict[str, object], tmp_path: Path) -> None:
    with Crew() as crew:
        backend = crew.backend(None, None, [], None)  # type: ignore[arg-type]  # which are looked at for a CPU alone
        assert [device.kind for device in backend.devices] == ["mps"]


def test_bfloat16_is_tried_where_its_system_has_it(chip: dict[str, object]) -> None:
    assert not has_bf16(MPS)
    assert precision.candidates(MPS) == ((False, False),)
    chip["macos"] = (14, 0)
    assert has_bf16(MPS)
    assert precision.candidates(MPS) == ((False, False), (True, False))
    assert precision.candidates(CPU) == CANDIDATES


def test_without_bfloat16_a_fit_is_in_float32(
    chip: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "__init__", lambda self, net, batch, device, candidate: vars(self).update(
        candidate=candidate, images=len(batch), seconds=[]))  # fmt: skip
    monkeypatch.setattr(Trial, "step", lambda self: 0.01)
    chosen = choose_precision(lambda: torch.nn.Identity(), torch.zeros(4, 3, 8, 8), MPS, tmp_path, "key")
    assert (chosen.bf16, chosen.channels_last) == (False, False)


def test_clocks_memory_and_random_states_are_its_own(chip: dict[str, object]) -> None:
    settle(MPS)
    release(MPS)
    assert chip["waited"] is chip["emptied"] is True
    assert free_bytes(MPS) == 12 << 30
    state = global_state(MPS)
    assert state["device"].tolist() == [1, 2, 3]
    set_global_state(state, MPS)
    assert torch.equal(chip["state"], state["device"])  # type: ignore[arg-type]


def test_a_fit_that_began_on_the_cpu_goes_on_there(chip: dict[str, object]) -> None:
    set_global_state(global_state(CPU), MPS)
    assert "state" not in chip
    assert module.machine_name(MPS).startswith("mps")


def test_memory_that_runs_out_is_known_by_its_words() -> None:
    assert ran_out(RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1 GB)"))


def test_operators_that_it_lacks_run_on_the_cpu_and_the_warning_is_seen() -> None:
    assert kit
    assert os.environ["PYTORCH_ENABLE_MPS_FALLBACK"] == "1"
    with warnings.catch_warnings(record=True) as seen:
        hide_warnings()
        warnings.warn(WARNING, UserWarning, stacklevel=1)
        warnings.warn("something for developers", UserWarning, stacklevel=1)
    assert [str(one.message) for one in seen] == [WARNING]
