"""TensorFlow's runtime in the platform's own environment: the predictions of the networks, eagerly and in TFLite."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_packaging_graph import NETS, make

from kit.config import load_platform
from kit.inference import model
from kit.inference.model import net_logits
from kit.packaging.members import Member
from kit.packaging.runtime_files import runtime_files
from kit.rehearsal.environment import platform_python
from kit.train.member import write_member

HALVES = ("eager", "again", "half")
VIEWS = ["identity", "rot90", "scale0.9", "darker"]

SCRIPT = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import model
assert "torch" not in sys.modules
X = np.load("x.npy")
for entry in json.load(open("entries.json")):
    run = model.load_runner(entry, ".", "tensorflow")
    np.save(entry["recipe"] + ".eager.npy", run(X, entry))
    network = run.args[0]
    np.save(entry["recipe"] + ".half.npy", run(X, entry, half=True))
    np.save(entry["recipe"] + ".again.npy", run(X, entry))
    network.call = network.by_tflite()
    np.save(entry["recipe"] + ".lite.npy", run(X, entry))
"""


def write(number: int, name: str, args: dict, size: int, folder: Path) -> Member:
    """A network of `NETS` as training leaves it."""
    net_spec = {"name": name, "args": args, "num_classes": 4}
    spec = {"net": net_spec, "weights": "weights.safetensors", "size": size, "mean": [0.4] * 3, "std": [0.2] * 3}
    spec["views"] = VIEWS
    write_member(folder, make(name, args), spec)
    entry = {"recipe": f"net{number}", "fold": 0, **spec, "weights": f"net{number}.safetensors", "sha256": ""}
    return Member(folder, spec, entry, (folder / "weights.safetensors").read_bytes())


@pytest.mark.slow  # a minute, and the environment is made once (some minutes, 1.5 GB)
def test_tensorflow_predicts_as_torch_does_without_torch(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    members = [write(number, *net, tmp_path / str(number)) for number, net in enumerate(NETS)]
    entries, files = runtime_files("tensorflow", members)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    np.save(tmp_path / "x.npy", images)
    (tmp_path / "entries.json").write_text(json.dumps(entries))
    python = platform_python(load_platform("an2dl2024")).executable
    here = str(Path(model.__file__).parent)
    subprocess.run([str(python), "-c", SCRIPT, here], cwd=tmp_path, check=True, capture_output=True)
    for member in members:
        wanted = net_logits(member.network(), images, member.entry)
        for way in ("eager", "lite"):
            found = np.load(tmp_path / f"{member.entry['recipe']}.{way}.npy")
            np.testing.assert_allclose(found, wanted, atol=1e-3 * max(1.0, np.abs(wanted).max()), err_msg=way)
        eager, again, half = (np.load(tmp_path / f"{member.entry['recipe']}.{way}.npy") for way in HALVES)
        np.testing.assert_array_equal(again, eager, err_msg="bfloat16 lasts no longer than its call")
        np.testing.assert_allclose(half, eager, atol=0.1 * max(1.0, np.abs(eager).max()))
