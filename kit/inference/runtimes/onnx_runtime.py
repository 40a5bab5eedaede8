"""Networks in onnxruntime: no PyTorch. Shipped beside model.py; Python 3.7 syntax."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict

import numpy as np
import onnxruntime


def build(spec: Dict[str, Any], folder: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function (n, 3, S, S) float32 -> (n, C) logits that runs spec["weights"], an ONNX file in `folder`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        os.path.join(folder, spec["weights"]), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: np.ascontiguousarray(x)})[0]
