"""Workers of `LocalBackend` as forks of a process that has imported torch and the kit: each costs seconds less."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from kit.cluster import local, worker

FORKED = get_context("forkserver")
IMPORTED = ["kit.cluster.training", "kit.train.run", "sklearn.model_selection", "pytest"]


class Serve:
    """What a worker does, with the environment of whoever starts it, who is not the process that it is a fork of."""

    def __getstate__(self) -> dict[str, Any]:
        return {"environment": dict(os.environ)}

    def __call__(self, pipe: Connection, parent: int, log: Path) -> None:
        import torch

        os.environ.clear()
        os.environ.update(self.environment)  # type: ignore[attr-defined]
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        worker.serve(pipe, os.getppid(), log)


@contextmanager
def warm_workers() -> Iterator[None]:
    """From now on; `tests/test_cluster_local.py` and the first of `tests/test_cluster_training.py` have cold ones."""
    FORKED.set_forkserver_preload(IMPORTED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "SPAWN", FORKED)
        patch.setattr(local, "serve", Serve())
        yield
