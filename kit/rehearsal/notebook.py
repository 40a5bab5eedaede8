"""A packed Kaggle notebook, tried in folders like Kaggle's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kit.config import PlatformConfig
from kit.packaging.notebook import ABOUT
from kit.rehearsal.checks import Check, failed, judge
from kit.rehearsal.codabench import limits_of
from kit.rehearsal.jail import Mount, namespaces
from kit.rehearsal.prediction_checks import check_predictions
from kit.rehearsal.reference import Reference
from kit.rehearsal.sandbox import Interpreter, Job, run_isolated

TRIED = 64
"""Images of the trial."""


def try_notebook(
    submission: Path,
    reference: Reference,
    class_names: Sequence[str],
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
) -> list[Check]:
    """Run the notebook of an unpacked zip on images with known labels; what it wrote against what Kaggle takes."""
    try:
        about = json.loads((submission / ABOUT).read_text(encoding="utf-8"))
        (dataset,), (competition,) = about["dataset_sources"], about["competition_sources"]
        cells = json.loads((submission / about["code_file"]).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError) as error:
        wrong = f"{ABOUT} must name one data set, one contest and the notebook ({error}). Pack again: kit package"
        return [failed("notebook: metadata", "missing or broken", wrong, "kaggle kernels push refuses it")]
    online = bool(about.get("enable_internet"))
    wrong = "the contest wants the internet off. Turn it off"
    checks = [judge("notebook: internet", not online, "on" if online else "off", wrong)]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    ids, labels = _lay_out(scratch, reference, platform)
    mounts = (
        Mount(submission, f"/kaggle/input/{dataset.partition('/')[2]}"),
        Mount(scratch / "contest", f"/kaggle/input/{competition}"),
        Mount(scratch / "code", "/app/program"),
        Mount(scratch / "working", "/kaggle/working", writable=True),
    )
    for mount in mounts if not namespaces() else ():
        code = code.replace(mount.target, str(mount.source))
    (scratch / "code" / "notebook.py").write_text(code, encoding="utf-8")
    outcome = run_isolated(Job("/app/program/notebook.py", (), mounts, "/kaggle/working"), python, limits_of(platform))
    written = scratch / "working" / platform.predictions_file
    if not written.is_file():
        reason = outcome.killed or outcome.stderr.strip()[-300:]
        wrong = f"it ends without {platform.predictions_file}: {reason}"
        return [*checks, failed("notebook: runs", "no answer", wrong, "Notebook Threw Exception")]
    found, given = check_predictions(written, platform, class_names, ids)
    checks += [Check(f"notebook: {c.name}", c.passed, c.figure, c.wrong, c.shown) for c in found]
    if given is not None:
        right = float((given == labels).mean())
        bar = 1.5 / reference.num_classes
        figure = f"{right:.1%} of {len(ids)} right in {outcome.seconds:.0f} s"
        wrong = "its answers belong to other images. Look at how it pairs files and ids"
        checks.append(judge("notebook: answers", right > bar, figure, wrong, "a low score"))
    return checks


def _lay_out(scratch: Path, reference: Reference, platform: PlatformConfig) -> tuple[np.ndarray, np.ndarray]:
    """Images and sample_submission.csv as a contest has them, in an order that their names do not have."""
    for name in ("contest/test", "code", "working"):
        (scratch / name).mkdir(parents=True)
    rows = np.random.default_rng(2).permutation(len(reference.images))[:TRIED]
    ids = np.array([f"image{number:04d}" for number in np.random.default_rng(3).permutation(len(rows))])
    for name, row in zip(ids, rows):
        Image.fromarray(reference.images[row]).save(scratch / "contest" / "test" / f"{name}.png")
    sample = pd.DataFrame({platform.id_column: ids, platform.label_column: 0})
    sample.to_csv(scratch / "contest" / "sample_submission.csv", index=False)
    return ids, reference.labels[rows]
