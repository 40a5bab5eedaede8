"""What a training program saved: the state dict is found in its envelope, and keys lose their wrappers' prefixes."""

from __future__ import annotations

import argparse
import pickle
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from kit.errors import NetError

ENVELOPES = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
)
"""Keys under which programs keep the weights; averaged ones first, as timm takes them."""

PREFIXES = ("module.", "model.", "_orig_mod.")
"""Of DataParallel and averages, of Lightning, and of torch.compile."""

_SCALAR: Any = np.float64(0).__reduce__()[0]
HARMLESS: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
)
"""What usual checkpoints hold beside tensors and cannot run code: numpy's numbers, parsed arguments."""


def read_torch(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of torch.save; NetError, which says what the file holds, where there is none."""
    with safe_globals(list(HARMLESS)):
        try:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise NetError(f"{path}: holds {_objects(path)}, and reading those could run any code. {SAVE}") from error
    state = _opened(loaded)
    if state is None:
        raise NetError(f"{path}: holds {_described(loaded)}, and no state dict in it. {SAVE}")
    return _bare(state)


SAVE = "Save the weights alone where it was made: torch.save(net.state_dict(), ...)"


def _objects(path: Path) -> str:
    try:
        names = get_unsafe_globals_in_checkpoint(path)
    except Exception:  # no zip of torch's: a pickle of another kind
        names = []
    return f"Python objects ({', '.join(sorted(names)[:5])})" if names else "something else than tensors"


def _opened(loaded: Any) -> Mapping[str, Tensor] | None:
    """The tensors by name, in whatever envelope; None where there are none."""
    if not isinstance(loaded, Mapping):
        return None
    for key in ENVELOPES:
        if isinstance(loaded.get(key), Mapping) and (state := _opened(loaded[key])) is not None:
            return state
    tensors = {key: value for key, value in loaded.items() if isinstance(key, str) and isinstance(value, Tensor)}
    return tensors or None


def _bare(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without the prefixes that most of them bear."""
    bare = dict(state)
    while prefix := next((one for one in PREFIXES if _most(bare, one)), ""):
        bare = {key.removeprefix(prefix): value for key, value in bare.items()}
    return bare


def _most(state: Mapping[str, Tensor], prefix: str) -> bool:
    return sum(key.startswith(prefix) for key in state) > len(state) / 2


def _described(loaded: Any) -> str:
    if isinstance(loaded, Mapping):
        parts = [f"{key!r} ({type(value).__name__})" for key, value in list(loaded.items())[:8]]
        return f"a dict of {', '.join(parts) or 'nothing'}"
    if isinstance(loaded, (list, tuple)):
        kinds = Counter(type(value).__name__ for value in loaded)
        return f"a {type(loaded).__name__} of {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
    return f"one {type(loaded).__name__}"
