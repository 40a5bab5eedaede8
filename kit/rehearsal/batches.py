"""What a packed submission predicts for any number of images, a batch at a time, in the sandbox."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kit.array_file import BROKEN, load_arrays
from kit.config import PlatformConfig
from kit.errors import PackagingError
from kit.inference.decode import Batch
from kit.rehearsal.codabench import prediction_job, settings
from kit.rehearsal.programs import batches as program
from kit.rehearsal.sandbox import Interpreter, run_isolated
from kit.rehearsal.watch import Limits

AHEAD = 2
"""Batches that are decoded while another is predicted."""


@dataclass
class Feed:
    """The batches on their way to the submission; what became of each image is kept, the images are not."""

    folder: Path
    predicted: Path
    batches: Iterator[Batch]
    note: Callable[[int], None]
    lost: dict[int, str] = field(default_factory=dict)
    repaired: dict[int, str] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def run(self) -> None:
        """Write batch after batch, at most `AHEAD` beyond what is predicted, then the end."""
        try:
            for number, batch in enumerate(self.batches):
                if not self._wait(number - AHEAD):
                    return
                start = sum(self.rows)
                self.lost.update({start + place: reason for place, reason in batch.lost.items()})
                self.repaired.update({start + place: reason for place, reason in batch.repaired.items()})
                self.rows.append(len(batch.images))
                part = self.folder / "part.npy"
                np.save(part, batch.images, allow_pickle=False)
                part.rename(self.folder / f"{number:05d}.npy")
                self.note(start)
            self._wait(len(self.rows) - 1)
        except BaseException as error:
            self.error = error
        finally:
            (self.folder / "end").touch()

    def _wait(self, number: int) -> bool:
        """Until that batch is predicted, whose images then go; False where the submission has ended."""
        while number >= 0 and not (self.predicted / f"{number:05d}.npy").is_file():
            if self.stopped.is_set():
                return False
            time.sleep(0.01)
        if number >= 0:
            (self.folder / f"{number:05d}.npy").unlink(missing_ok=True)
        return True


def probabilities(
    submission: Path,
    batches: Iterator[Batch],
    prior: tuple[float, ...],
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
    note: Callable[[int], None] = lambda rows: None,
) -> tuple[np.ndarray, Feed]:
    """Probabilities (N, C) float64 that an unpacked submission gives; the prior for lost images.

    Labels of a submission without predict_proba become 0 and 1. The platform's bounds do not hold here.
    PackagingError where it fails or predicts anything else. `note` is told how many rows were handed over.
    """
    folders = {name: scratch / name for name in ("program", "input", "output")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    shutil.copy(program.__file__, folders["program"])
    (folders["program"] / "settings.json").write_text(json.dumps(settings(platform)))
    feed = Feed(folders["input"], folders["output"], batches, note)
    thread = threading.Thread(target=feed.run, daemon=True)
    thread.start()
    try:
        job = prediction_job("batches.py", submission, folders)
        outcome = run_isolated(job, python, Limits(shm_mb=platform.shm_mb))
    finally:
        feed.stopped.set()
        thread.join()
    if feed.error is not None:
        raise feed.error
    written = [folders["output"] / f"{number:05d}.npy" for number in range(len(feed.rows))]
    if not written or not all(path.is_file() for path in written):
        raise PackagingError(
            f"the submission gave no labels ({outcome.stderr[-300:].strip()}). Run kit rehearse on the zip"
        )
    proba = np.concatenate([_probabilities(path, rows, len(prior)) for path, rows in zip(written, feed.rows)])
    proba[sorted(feed.lost)] = prior
    return proba, feed


def _probabilities(path: Path, rows: int, classes: int) -> np.ndarray:
    try:
        found = load_arrays(path)
    except BROKEN as error:
        wrong = f"a prediction of the submission is no array ({error}). Run kit rehearse on the zip"
        raise PackagingError(wrong) from error
    if not isinstance(found, np.ndarray):
        raise PackagingError("a prediction of the submission is no array. Run kit rehearse on the zip")
    if found.shape == (rows, classes) and found.dtype.kind == "f" and np.isfinite(found).all():
        return found.astype(np.float64)
    labels = found.shape == (rows,) and found.dtype.kind in "iu"
    if not labels or not ((found >= 0) & (found < classes)).all():
        raise PackagingError(
            f"predictions must be labels 0 to {classes - 1} or probabilities ({rows}, {classes}), but are "
            f"{found.dtype} {found.shape}. Run kit rehearse on the zip"
        )
    return np.eye(classes)[found]
