"""Submissions that break on a platform, each in one way that was seen in published ones, and the words that name it."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

GOOD = """
import numpy as np

class Model:
    def __init__(self):
        self.bias = np.array([0.0, 1.0, 2.0], dtype=np.float32)

    def predict(self, X):
        X = np.asarray(X).astype(np.float32) / 255
        scores = 10 * X.mean(axis=(1, 2)) + self.bias
        return scores.argmax(axis=1)
"""
"""Right on the toy contest, and only when images are scaled once."""


@dataclass(frozen=True)
class Broken:
    """A zip with one fault; `named` is one of the words that a report must hold."""

    named: str
    files: Mapping[str, bytes]
    platform: Mapping[str, object] = field(default_factory=dict)


def model(*changes: tuple[str, str]) -> dict[str, bytes]:
    """A zip of GOOD with pieces of its text replaced."""
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return {"model.py": text.encode()}


def predict(body: str, imports: str = "") -> dict[str, bytes]:
    """A zip whose predict does `body` first."""
    indented = "".join(f"        {line}\n" for line in body.splitlines())
    start = "    def predict(self, X):\n"
    return model((start, start + indented), ("import numpy as np", f"import numpy as np\n{imports}"))


def foreign_pickle() -> bytes:
    """A pickle of a class that lives in a training script."""
    return pickle.dumps(np.float32).replace(b"numpy", b"train") + b""


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LAST = "return scores.argmax(axis=1)"
OPEN_WEIGHTS = "self.bias = np.load('bias.npy')"
BIAS = "self.bias = np.array([0.0, 1.0, 2.0], dtype=np.float32)"
SCALE = "X = np.asarray(X).astype(np.float32) / 255"

FORK = "pid = getattr(os, 'fo' + 'rk')()\nif not pid:\n    os._exit(0)"

BROKEN: dict[str, Broken] = {
    "folder inside": Broken("folder inside", {"best/model.py": GOOD.encode()}),
    "no model.py": Broken("is not in the zip", {"modell.py": GOOD.encode()}),
    "undefined name": Broken("undefined name", model((LAST, "return postprocess(scores)"))),
    "wrong keyword": Broken("wrong arguments", model(("argmax(axis=1)", "argmax(axes=1)"))),
    "scaled twice": Broken("scaled twice", model(("/ 255", "/ 255 / 255"))),
    "not scaled": Broken("not scaled", model(("/ 255\n", "\n        X = X % 1.0001\n"))),
    "float labels": Broken("float labels", model((LAST, "return scores.argmax(axis=1).astype(float)"))),
    "names of classes": Broken(
        "not their names", model((LAST, "return np.array(['a', 'b', 'c'])[scores.argmax(axis=1)]"))
    ),
    "never returns": Broken("never returns", predict("while True:\n    pass")),
    "waits forever": Broken("never returns", predict("time.sleep(1e6)", "import time")),
    "labels for probabilities": Broken("a probability a class", model(), {"submits": "probabilities"}),
    "logits for probabilities": Broken("of sum 1", model((LAST, "return scores")), {"submits": "probabilities"}),
    "one-hot": Broken("one-hot", model((LAST, "return np.eye(3, dtype=int)[scores.argmax(axis=1)]"))),
    "labels from 1": Broken("labels must be 0 to 2", model((LAST, "return scores.argmax(axis=1) + 1"))),
    "cuda": Broken(
        "CUDA tensor", predict("torch.zeros(1).cuda()", "import torch"), {"packages": {"torch": "", "numpy": ""}}
    ),
    "download": Broken("download", predict("urlopen('https://example.org/w')", "from urllib.request import urlopen")),
    "hidden download": Broken(
        "download", predict("socket.create_connection(('example.org', 443), 1)", "import socket")
    ),
    "too slow": Broken("too slow", predict("time.sleep(0.02 * len(X))", "import time"), {"max_seconds": 1}),
    "endless": Broken("too slow", predict("while True:\n    pass"), {"max_seconds": 0.5}),
    "too big": Broken("too big", model() | {"bias.npy": npy(np.zeros(300_000))}, {"max_mb": 1}),
    "too much memory": Broken("too much memory", predict("np.ones(10 ** 8)[::7].sum()"), {"max_memory_mb": 400}),
    "tensorflow": Broken("missing package", model(("import numpy as np", "import numpy as np\nimport tensorflow"))),
    "macosx": Broken("junk", model() | {"__MACOSX/._model.py": b"\0"}),
    "ds_store": Broken("junk", model() | {".DS_Store": b"\0"}),
    "path escape": Broken("path escape", model() | {"../evil.py": b"print(1)"}),
    "writes beside itself": Broken(
        "writes beside itself", predict("open(os.path.join(os.path.dirname(__file__), 'x'), 'w')", "import os")
    ),
    "mutates X": Broken("mutates X", predict("if X.flags.writeable and X.size:\n    X[0] = 0")),
    "working directory": Broken("working directory", model((BIAS, OPEN_WEIGHTS)) | {"bias.npy": npy(np.arange(3))}),
    "argv": Broken("reads argv", model((BIAS, "import sys; self.bias = float(sys.argv[1])"))),
    "batch order": Broken("order", model((LAST, "return np.sort(scores.argmax(axis=1))"))),
    "batch statistics": Broken("come together", model((SCALE, SCALE + "\n        X = X * len(X) / 120"))),
    "random output": Broken("random output", model((LAST, "return np.random.randint(0, 2, len(X)) * 0 + "
        "np.where(np.random.rand(len(X)) < 0.9, scores.argmax(axis=1), 0)"))),
    "sys.exit": Broken("sys.exit", predict("sys.exit(0)", "import sys")),
    "prints megabytes": Broken("prints megabytes", predict("print('x' * 3_000_000)")),
    "spawns workers": Broken("spawns workers", predict("Pool(2).close()", "from multiprocessing import Pool")),
    "forks": Broken("spawns workers", predict(FORK, "import os")),
    "stray command": Broken("command:", model() | {"metadata": b"command: python model.py\n"}),
    "missing marker": Broken("the platform wants an empty file", model(), {"marker": "metadata"}),
    "missing weights": Broken("is not there", model((BIAS, "self.bias = np.load(__file__[:-8] + 'weights.npy')"))),
    "wrong class name": Broken("wrong class name", model(("class Model", "class MyModel"))),
    "no predict": Broken("no method predict", model(("def predict", "def forward"))),
    "constructor": Broken("wrong arguments", model(("def __init__(self)", "def __init__(self, path)"))),
    "new syntax": Broken("not valid Python 3.9", predict("match 1:\n    case 1: pass")),
    "pickled class": Broken("pickled class", model() | {"net.pkl": foreign_pickle()}),
    "guessed scale": Broken("scale is guessed", model((SCALE, "X = np.asarray(X, np.float32)\n"
        "        if X.max() > 1:\n            X = X / 255"))),
    "scale by type": Broken("scale is guessed from the type", model((SCALE, "X = X / 255 / (1 if X.dtype == np.uint8 "
        "else 255)"))),
    "absolute path": Broken("absolute path", model((BIAS, "self.bias = np.load('/home/me/bias.npy')"))),
    "fixed batch": Broken("of this size", model((SCALE, f"{SCALE}\n        X.reshape(-1, 12, 24, 24, 3)"))),
    "empty call": Broken("empty call", predict("X = X / np.max(X) * np.max(X)")),
    "read-only": Broken("read-only", predict("X += 0")),
    "killed": Broken("process ended", predict("os.kill(os.getpid(), 9)", "import os")),
    "column": Broken("one label an image", model((LAST, "return scores.argmax(axis=1)[:, None].tolist()"))),
}  # fmt: skip


def write(broken: Broken, path: Path) -> Path:
    """The zip on disk, as someone's own tool makes it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in broken.files.items():
            archive.writestr(name, data)
    return path
