"""What zips carry: every runtime predicts as the network that was scored, and the fastest that agrees is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_packaging_graph import make

from kit.artefact import read_json
from kit.errors import PackagingError
from kit.inference.model import VIEWS, load_runner, net_logits
from kit.packaging import fastest as choosing
from kit.packaging.fastest import fastest
from kit.packaging.members import Member
from kit.packaging.quantise import quantised
from kit.packaging.runtime_files import GRAPHS, runtime_files, supported_operators
from kit.train.member import write_member

NETS = [("kit/residual", {"width": 16, "se": True}, 32), ("timm/resnet10t", {}, 64)]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 3), dtype=np.uint8)


def member(number: int, folder: Path) -> Member:
    """A network of `NETS` as training leaves it."""
    name, args, size = NETS[number]
    spec = {"net": {"name": name, "args": args, "num_classes": 4}, "weights": "weights.safetensors", "size": size}
    spec |= {"mean": [0.4] * 3, "std": [0.2] * 3, "views": [*VIEWS, "up", "darker"]}
    write_member(folder, make(name, args), spec)
    entry = {"recipe": f"net{number}", "fold": 0, **spec, "weights": f"net{number}.safetensors", "sha256": ""}
    return Member(folder, spec, entry, (folder / "weights.safetensors").read_bytes())


def predictions(runtime: str, one: Member, folder: Path) -> np.ndarray:
    """Logits (N, V, C) of a zip's files in a folder of their own."""
    folder.mkdir()
    (entry,), files = runtime_files(runtime, [one])
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return load_runner(entry, str(folder), runtime)(IMAGES, entry)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("runtime", ["timm", "torch", "onnx"])
def test_a_runtime_predicts_as_the_network_that_was_scored(runtime: str, number: int, tmp_path: Path) -> None:
    one = member(number, tmp_path)
    wanted = net_logits(one.network(), IMAGES, one.entry)
    assert wanted.shape == (5, 10, 4)
    np.testing.assert_allclose(predictions(runtime, one, tmp_path / "zip"), wanted, atol=2e-3, rtol=1e-3)
    small = quantised(one)
    rounded = net_logits(small.network(), IMAGES, small.entry)
    assert not np.allclose(rounded, wanted, atol=1e-4)
    np.testing.assert_allclose(predictions(runtime, small, tmp_path / "small"), rounded, atol=2e-3, rtol=1e-3)


def test_files_are_small_and_the_same_every_time(tmp_path: Path) -> None:
    one = member(1, tmp_path)
    parameters = sum(value.numel() for value in one.network().parameters())
    for runtime in ("timm", "torch", "onnx", "tensorflow"):
        _, files = runtime_files(runtime, [one])
        if runtime == "torch":  # its graph is traced again; tensorflow's is the same
            GRAPHS.clear()
        _, again = runtime_files(runtime, [one])
        assert files == again
        assert sum(map(len, files.values())) < 2 * parameters + 150_000, runtime
        if runtime != "timm":
            (_, files), (_, full) = runtime_files(runtime, [quantised(one)]), (None, files)
            assert sum(map(len, files.values())) < 0.6 * sum(map(len, full.values())), runtime


def test_an_operator_that_tensorflow_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = supported_operators
    monkeypatch.setattr("kit.packaging.runtime_files.supported_operators", lambda path: known(path) - {"relu.default"})
    with pytest.raises(PackagingError, match=r"net1: runtime tensorflow lacks relu\.default"):
        runtime_files("tensorflow", [member(1, tmp_path)])


# ---------------------------------------------------------------------------------------------- the choice
@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runtimes with seconds and logits as they are said to be; the list of those that were measured."""
    measured: list[str] = []
    said = {"timm": (3.0, 0.0), "torch": (2.0, 0.001), "onnx": (1.0, 0.5)}

    def time(runtime: str, entries: object, files: object) -> tuple[float, np.ndarray]:
        measured.append(runtime)
        if runtime == "tensorflow":
            raise ImportError("no tensorflow")
        seconds, offset = said[runtime]
        return seconds, np.full((2, 3), offset)

    monkeypatch.setattr(choosing, "_time", time)
    monkeypatch.setattr(choosing, "runtime_files", lambda runtime, members: ([], {}))
    return measured


def test_the_fastest_that_agrees_and_runs_here_is_taken_and_remembered(timed: list[str], tmp_path: Path) -> None:
    one = member(0, tmp_path)
    cache = tmp_path / "cache" / "runtimes.json"
    assert fastest(("timm", "torch", "onnx", "tensorflow"), [one], cache) == "torch"
    assert timed == ["timm", "torch", "onnx", "tensorflow"]
    assert fastest(("timm", "torch", "onnx", "tensorflow"), [one], cache) == "torch"
    assert len(timed) == 4
    assert list(read_json(cache).values()) == ["torch"]
    other = replace(one, entry=one.entry | {"sha256": "other"})
    fastest(("timm", "torch", "onnx", "tensorflow"), [other], cache)
    assert len(timed) == 8


def test_one_runtime_is_not_measured_and_none_is_an_error(timed: list[str], tmp_path: Path) -> None:
    assert fastest(("tensorflow",), [member(0, tmp_path)], tmp_path / "r.json") == "tensorflow"
    assert timed == []
    with pytest.raises(PackagingError, match="tensorflow: no tensorflow"):
        fastest(("tensorflow", "tensorflow"), [member(0, tmp_path)], tmp_path / "r.json")


@pytest.mark.parametrize(("runtime", "seconds"), [("torch", 1.0), ("onnx", 3.0)])
def test_a_runtime_is_as_fast_as_in_bfloat16_where_it_has_that(
    runtime: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def run(X: np.ndarray, entry: object, half: bool = False) -> np.ndarray:
        clock[0] += 1.0 if half else 3.0
        return np.full((len(X), 2, 3), 7.0 if half else 5.0)

    monkeypatch.setattr(choosing, "load_runner", lambda entry, folder, runtime: run)
    monkeypatch.setattr(choosing.time, "perf_counter", lambda: clock[0])
    found, logits = choosing._time(runtime, [{"recipe": "one"}, {"recipe": "one"}], {})
    assert found == seconds
    np.testing.assert_array_equal(logits, np.full((choosing.IMAGES, 6), 5.0))
