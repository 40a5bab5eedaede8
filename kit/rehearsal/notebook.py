"""A packed Kaggle notebook, tried in folders like Kaggle's."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from kit.config import PlatformConfig
from kit.packaging.form import Form, make_form
from kit.packaging.notebook import ABOUT
from kit.rehearsal import isolation
from kit.rehearsal.checks import Check, failed, judge, passed
from kit.rehearsal.codabench import limits_of
from kit.rehearsal.jail import Mount
from kit.rehearsal.leftovers import read_json
from kit.rehearsal.prediction_checks import check_predictions
from kit.rehearsal.reference import Reference
from kit.rehearsal.sandbox import Interpreter, Job, Outcome, run_isolated

TRIED = 64
"""Images of the trial whose predictions are looked at."""

MANY, MANY_SECONDS = 5000, 150.0
"""Images of the trial that memory is watched in, and the seconds for which it is made smaller."""

SLUG = re.compile(r"[A-Za-z0-9][\w-]*")
DATASET = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w-]*")
FILE = re.compile(r"\w[\w-]*\.ipynb")
"""What a notebook may name: nothing that leads to another folder."""

FELL_BACK = ("FAILED", "OUT OF TIME")
"""What the notebook prints before it leaves rows with the class prior."""


def try_notebook(
    submission: Path,
    reference: Reference,
    class_names: Sequence[str],
    metric: str,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
) -> list[Check]:
    """Run the notebook of an unpacked zip on images with known labels; what it wrote against what Kaggle takes."""
    try:
        about = read_json(submission / ABOUT)
        (dataset,), (competition,) = about["dataset_sources"], about["competition_sources"]
        if not (DATASET.fullmatch(dataset) and SLUG.fullmatch(competition) and FILE.fullmatch(about["code_file"])):
            raise ValueError(f"{dataset}, {competition}, {about['code_file']}")
        code = _code(read_json(submission / about["code_file"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = f"{ABOUT} must name one data set, one contest and the notebook ({error}). Pack again: kit package"
        return [failed("notebook: metadata", "missing or broken", wrong, "kaggle kernels push refuses it")]
    online = bool(about.get("enable_internet"))
    wrong = "the contest wants the internet off. Turn it off"
    checks = [judge("notebook: internet", not online, "on" if online else "off", wrong)]
    places = Places(submission, f"/kaggle/input/{dataset.partition('/')[2]}", f"/kaggle/input/{competition}")
    trial, form = _trial(reference, TRIED), make_form(platform, class_names, metric)
    outcome, written = _run(code, trial, places, form, platform, python, scratch / "some")
    ended = _ended(outcome, written, platform)
    if ended is not None or not written.is_file():
        return [*checks, ended or failed("notebook: runs", "no prediction", "it writes nothing")]
    found, given = check_predictions(written, platform, form, trial.ids)
    checks += [Check(f"notebook: {c.name}", c.passed, c.figure, c.wrong, c.shown) for c in found]
    if given is None:
        return checks
    known = trial.labels >= 0
    labels = given if given.ndim == 1 else given.argmax(axis=1)
    right = float((labels == trial.labels)[known].mean())
    figure = f"{right:.1%} of {known.sum()} right in {outcome.seconds:.0f} s"
    wrong = "its predictions belong to other images. Look at how it pairs files and ids"
    checks.append(judge("notebook: predictions", right > 1.5 / reference.num_classes, figure, wrong, "a low score"))
    many = int(min(MANY, MANY_SECONDS / max(_seconds(outcome) / TRIED, 1e-9)))
    if many > TRIED:
        outcome, written = _run(code, _trial(reference, many), places, form, platform, python, scratch / "many")
        figure = f"{many:,} images in {outcome.seconds:.0f} s, at most {outcome.peak_mb:,.0f} MB"
        checks.append(_ended(outcome, written, platform) or passed("notebook: many images", figure))
    return checks


def _code(notebook: Any) -> str:
    """What a notebook's cells of code hold together."""
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")


@dataclass(frozen=True)
class Places:
    """The unpacked zip, and where its notebook looks for it and for the contest's files."""

    submission: Path
    dataset: str
    competition: str


@dataclass(frozen=True)
class Trial:
    """Rows of a sample_submission.csv, and the bytes of their image files."""

    ids: np.ndarray
    """(N,) str: digits with leading zeros, which must stay."""
    labels: np.ndarray
    """(N,) int64; -1 where the image is damaged or missing."""
    files: tuple[bytes, ...]
    """(N,); empty where there is none."""


def _trial(reference: Reference, count: int) -> Trial:
    """The reference's images over and over, in an order that their names do not have; one is cut short, one missing."""
    rows = np.random.default_rng(2).permutation(len(reference.images))
    rows = rows[np.arange(count) % min(len(rows), TRIED)]
    encoded = {int(row): _png(reference.images[row]) for row in np.unique(rows)}
    files = [encoded[int(row)] for row in rows]
    ids = [f"{number:06d}" for number in np.random.default_rng(3).permutation(count + 2)]
    labels = np.append(reference.labels[rows], [-1, -1])
    return Trial(np.array(ids), labels, (*files, files[0][: len(files[0]) // 2], b""))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _run(
    code: str,
    trial: Trial,
    places: Places,
    form: Form,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
) -> tuple[Outcome, Path]:
    """The notebook's code among a contest's files; how it ended, and where its predictions should lie."""
    for name in ("contest/test", "code", "working"):
        (scratch / name).mkdir(parents=True)
    for one, content in zip(trial.ids, trial.files):
        if content:
            (scratch / "contest" / "test" / f"{one}.png").write_bytes(content)
    sample = pd.DataFrame({form.id_column: trial.ids, **dict.fromkeys(form.columns, 0)})
    sample.to_csv(scratch / "contest" / "sample_submission.csv", index=False)
    mounts = (
        Mount(places.submission, places.dataset),
        Mount(scratch / "contest", places.competition),
        Mount(scratch / "code", "/app/program"),
        Mount(scratch / "working", "/kaggle/working", writable=True),
    )
    for mount in mounts if isolation.best() not in isolation.OWN_ROOT else ():
        code = code.replace(mount.target, str(mount.source))
    (scratch / "code" / "notebook.py").write_text(code, encoding="utf-8")
    job = Job("/app/program/notebook.py", (), mounts, "/kaggle/working")
    return run_isolated(job, python, limits_of(platform)), scratch / "working" / platform.predictions_file


def _ended(outcome: Outcome, written: Path, platform: PlatformConfig) -> Check | None:
    """A failed check where the notebook ended early, or wrote its file without having predicted; else None."""
    lines = outcome.stdout.splitlines()
    fell_back = [place for place, line in enumerate(lines) if line.startswith(FELL_BACK)]
    if written.is_file() and not outcome.killed and not outcome.returncode and not fell_back:
        return None
    shown = "\n".join(lines[fell_back[0] :][:12]) if fell_back else outcome.stderr.strip()[-300:]
    reason = outcome.killed or shown
    what = "it writes class shares instead of predictions" if written.is_file() else "it ends without"
    wrong = f"{what} ({platform.predictions_file}): {reason}"
    return failed("notebook: runs", "no prediction", wrong, "Notebook Threw Exception, or a low score")


def _seconds(outcome: Outcome) -> float:
    """What the notebook says it took."""
    told = re.search(r"rows predicted in ([\d.]+) s", outcome.stdout)
    return float(told.group(1)) if told else outcome.seconds
