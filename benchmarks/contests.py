"""The kit as a new user runs it beside a plain loop, on real sets that it was not made for, for equal minutes.

    python benchmarks/contests.py --minutes 5                     every set that is here
    python benchmarks/contests.py --minutes 20 --sets natural10,digits
    python benchmarks/contests.py --minutes 0.5 --rows 120        a try

For each set: a contest file that holds nothing but the classes, the size and what the hidden test looks like; then
`make_submission.py --budget M`, and its zip predicts rows that were handed to nobody. Beside it the better of two plain
loops (MobileNetV2 from pretrained weights, ResNet-18 from scratch; flips where they are right), each of which gets all
of the minutes. What is done is kept under --root and not done again. Pretrained weights are what `kit weights` finds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from contest_sets import SETS, Set, load_set
from plain_loop import NETS, fit_predict
from rich.console import Console
from rich.table import Table

from kit.errors import NetError
from kit.inference.model import load_module
from kit.workspace import PROJECT


def contest_text(name: str, found: Set) -> str:
    """The contest file."""
    return "\n".join(
        [
            f"name = {json.dumps(name)}",
            f"classes = {json.dumps(list(found.classes))}",
            f"image_size = {found.images.shape[1]}",
            f"expects = {json.dumps(found.expects)}",
            "[data]",
            'kind = "npz"',
            'path = "train.npz"',
        ]
    )


def run_kit(name: str, found: Set, minutes: float, folder: Path) -> dict[str, Any]:
    """Right predictions on the unseen rows, seconds, and the score that the kit expected."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "train.npz", images=found.images, labels=found.labels)
    (folder / "contest.toml").write_text(contest_text(name, found))
    zipped = folder / "kit.zip"
    command = [sys.executable, PROJECT / "make_submission.py", "--contest", folder / "contest.toml", "--root", folder]
    command += ["--data", folder / "train.npz", "--budget", f"{minutes:g}", "--out", zipped, "--json"]
    started = time.monotonic()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=folder, check=False)
    seconds = time.monotonic() - started
    (folder / "kit.log").write_text(done.stderr + done.stdout)
    if not zipped.exists():
        return {"failed": (done.stderr or done.stdout)[-300:], "seconds": seconds}
    said = json.loads(done.stdout[done.stdout.index("{") :])
    right = predict(zipped, found.unseen) == found.unseen_labels
    return {"right": right.astype(int).tolist(), "seconds": seconds, "expected": said["expected"]["point"]}


def predict(zipped: Path, images: np.ndarray) -> np.ndarray:
    """Labels by the submission in a zip."""
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(zipped).extractall(folder)
        return np.asarray(load_module(f"{folder}/model.py").Model().predict(images)).astype(int)


def run_loop(net: str, found: Set, minutes: float) -> dict[str, Any]:
    """Right predictions of one plain loop on the unseen rows, and its seconds."""
    started = time.monotonic()
    try:
        labels = fit_predict(
            net, found.images, found.labels, found.unseen, len(found.classes), found.flips, minutes
        )
    except NetError as error:
        return {"failed": str(error)[:300], "seconds": 0.0}
    right = (labels == found.unseen_labels).astype(int).tolist()
    return {"right": right, "seconds": time.monotonic() - started}


def kept(path: Path, make: Any) -> dict[str, Any]:
    """What `make` gave, from the file where it is there; failures are tried again."""
    if path.exists() and "failed" not in (found := json.loads(path.read_text())):
        return dict(found)
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return dict(found)


Errors = tuple[float, float]
"""Shares of the unseen rows that the kit and the better loop get wrong."""


def row(name: str, kit: dict[str, Any], loops: dict[str, dict[str, Any]]) -> tuple[list[str], Errors | None]:
    """A line of the table, and the errors where both are there."""
    done = {net: np.array(one["right"]) for net, one in loops.items() if "right" in one}
    if "right" not in kit:
        return [name, "FAILED: " + str(kit.get("failed"))[-60:], "", "", "", ""], None
    ours = np.array(kit["right"])
    if not done:
        return [name, f"{ours.mean():.3f}", f"{kit['expected']:.3f}", "not run", "", f"{kit['seconds'] / 60:.1f}"], None
    best = max(done, key=lambda net: done[net].mean())
    gap = ours.astype(float) - done[best]
    error = gap.std() / np.sqrt(len(gap))
    cells = [
        name,
        f"{ours.mean():.3f}",
        f"{kit['expected']:.3f}",
        f"{done[best].mean():.3f} ({best})",
        f"{gap.mean():+.3f} +- {error:.3f}",
        f"{kit['seconds'] / 60:.1f}",
    ]
    return cells, (1 - ours.mean(), 1 - done[best].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--rows", type=int, help="at most so many training and unseen rows: for a try")
    parser.add_argument("--root", type=Path, default=Path("contests-bench"))
    parser.add_argument("--only", choices=("kit", "loop"), help="leave the other out")
    chosen = parser.parse_args()
    table = Table(title=f"{chosen.minutes:g} minutes each", title_justify="left")
    for heading in ("set", "kit", "kit expected", "plain loop", "kit - loop", "minutes"):
        table.add_column(heading)
    console, errors = Console(width=120), []
    for name in chosen.sets.split(","):
        found = load_set(name, chosen.rows)
        if found is None:
            console.print(f"{name}: not here")
            continue
        folder = (chosen.root / f"{name}-{chosen.minutes:g}-{chosen.rows or 'all'}").resolve()
        kit: dict[str, Any] = {"failed": "left out"}
        loops: dict[str, dict[str, Any]] = {}
        if chosen.only != "loop":
            kit = kept(folder / "kit.json", lambda: run_kit(name, found, chosen.minutes, folder))  # noqa: B023
        for net in NETS if chosen.only != "kit" else ():
            loops[net] = kept(folder / f"{net}.json", lambda: run_loop(net, found, chosen.minutes))  # noqa: B023
        cells, wrong = row(name, kit, loops)
        table.add_row(*cells)
        errors += [wrong] if wrong else []
        scores = {net: np.mean(one["right"]).round(4) for net, one in {"kit": kit, **loops}.items() if "right" in one}
        console.print(f"{name}: {scores}")
    console.print(table)
    if errors:
        ours, theirs = np.mean(errors, axis=0)
        console.print(f"errors: kit {ours:.3f}, plain loop {theirs:.3f}, {1 - ours / theirs:.0%} of them removed")


if __name__ == "__main__":
    main()
