"""TensorFlow's runtime against torch, by operator: strides, dilations, paddings, groups, kernels and odd shapes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from operator_grid import CHANNELS, convolutions, others

from kit.config import load_platform
from kit.inference.runtimes.torch_runtime import function
from kit.packaging.runtime_files import RUNTIMES
from kit.rehearsal.environment import platform_python

SIZES = (7, 9, 12)


def write_cases(folder: Path) -> int:
    """Every call at every size that torch takes it at, with what torch computes; how many."""
    generator = torch.Generator().manual_seed(0)
    arrays: dict[str, np.ndarray] = {}
    cases: list[list[object]] = []
    for size in SIZES:
        x = torch.randn(2, CHANNELS, size, size, generator=generator)
        for name, arguments, shape in (*convolutions(), *others()):
            weights = [torch.randn(each, generator=generator) for each in ((shape, shape[:1]) if shape else ())]
            try:
                y = function(name)(x, *weights, *arguments)
            except RuntimeError:
                continue
            number = len(cases)
            arrays |= {f"x{number}": x.numpy(), f"y{number}": y.numpy()}
            arrays |= {f"w{number}_{place}": weight.numpy() for place, weight in enumerate(weights)}
            cases.append([name, arguments, len(weights)])
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
    (folder / "cases.json").write_text(json.dumps(cases))
    return len(cases)


@pytest.mark.slow  # seconds, but the environment is made once (some minutes, 1.5 GB)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_tensorflow_runs_every_operator_as_torch_does(tmp_path: Path) -> None:
    assert write_cases(tmp_path) > 1000
    python = os.environ.get("KIT_TENSORFLOW_PYTHON") or str(platform_python(load_platform("an2dl2024")).executable)
    script = Path(__file__).with_name("operator_grid.py")
    done = subprocess.run([python, str(script), str(RUNTIMES), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []
