"""The data at a glance: counts, sizes, intensities, what cleaning dropped, examples, and how far the test
differs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.config import ContestConfig
from kit.data.adversarial import Adversarial, compare
from kit.data.cleaning.contact_sheet import COLUMNS, Block, write_sheet
from kit.data.prepared import cleaned
from kit.data.sources.imageset import ImageSet
from kit.data.sources.stream import look_at_test
from kit.echo import Echo
from kit.workspace import Workspace

SAMPLE = 2000
"""Images that the intensity statistics look at."""


@dataclass(frozen=True)
class ClassCount:
    """Rows of one class: given, kept, and the share of the kept ones."""

    name: str
    rows: int
    kept: int
    share: float


@dataclass(frozen=True)
class Channel:
    """Intensities of one channel, grey levels 0..255: mean, standard deviation, and quantiles of 1, 50 and
    99 %.
    """

    name: str
    mean: float
    std: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class DataReport:
    """What `kit data` prints."""

    contest: str
    digest: str
    rows: int
    kept: int
    classes: tuple[ClassCount, ...]
    sizes: tuple[tuple[str, int], ...]
    """("width x height", rows) before resizing, the commonest first."""
    channels: tuple[Channel, ...]
    dropped: tuple[tuple[str, int], ...]
    """(reason, rows)."""
    conflicts: int
    notes: tuple[str, ...]
    image: str
    """Path of the class examples."""
    adversarial: Adversarial | None

    @property
    def imbalance(self) -> float:
        """Rows of the largest class over those of the smallest, among the kept."""
        counts = [one.kept for one in self.classes if one.kept]
        return max(counts) / min(counts)

    def as_dict(self) -> dict[str, Any]:
        """JSON values; of the adversarial validation the figures alone."""
        values = asdict(self)
        told = self.adversarial
        values["adversarial"] = told and {"auc": told.auc, "interval": told.interval, "advice": told.advice}
        return values | {"imbalance": self.imbalance}

    def lines(self) -> list[str]:
        """The report as text, a line a fact."""
        names = max(len(one.name) for one in self.classes)
        lines = [f"{self.contest}: {self.rows:,} images, {self.kept:,} kept, digest {self.digest[:12]}"]
        lines += [
            f"  {one.name:<{names}}  {one.rows:>8,} rows  {one.kept:>8,} kept  {one.share:6.1%}" for one in self.classes
        ]
        lines += [f"  largest class over smallest: {self.imbalance:.1f}"]
        lines += ["sizes: " + ", ".join(f"{size} ({count:,})" for size, count in self.sizes[:5])]
        lines += [
            f"{one.name}: mean {one.mean:.1f}, std {one.std:.1f}, "
            f"1 % {one.low:.0f}, median {one.median:.0f}, 99 % {one.high:.0f}"
            for one in self.channels
        ]
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in self.dropped) or "nothing"
        lines += [f"cleaning dropped {dropped}; {self.conflicts:,} rows carry contradictory labels"]
        lines += [*self.notes, f"class examples: {self.image}"]
        return lines + _adversarial_lines(self.adversarial)


def _adversarial_lines(told: Adversarial | None) -> list[str]:
    if told is None:
        return []
    low, high = told.interval
    return [
        f"train against test: AUC {told.auc:.3f} (95 %: {low:.3f} to {high:.3f}; 0.5 cannot be told apart)",
        f"  {told.advice}",
    ]


def data_report(
    contest: ContestConfig, path: Path | None, workspace: Workspace, test: Path | None = None, echo: Echo = print
) -> DataReport:
    """Report on the contest's training data, cleaned as `prepare` does, and on its test images where it has
    some.

    Writes `data.png` (class examples, test images least and training images most like the other side) beside
    `clean.csv`.
    """
    image_set, table = cleaned(contest, path, workspace, echo)
    unlabelled = _test_images(contest, test, path, workspace)
    keep = np.flatnonzero(table["keep"].to_numpy())
    told = None if unlabelled is None else compare(image_set.images[keep], unlabelled.images)
    image = workspace.oof(contest.name) / "data.png"
    blocks = [_examples(image_set, keep, label, name) for label, name in enumerate(image_set.class_names)]
    if told is not None and unlabelled is not None:
        blocks += _surest(image_set, keep, unlabelled, told)
    write_sheet(image, blocks)
    return DataReport(
        contest=contest.name,
        digest=image_set.digest,
        rows=len(image_set),
        kept=len(keep),
        classes=_class_counts(image_set, keep),
        sizes=_sizes(image_set),
        channels=_channels(image_set.images),
        dropped=_dropped(table),
        conflicts=int(table["conflict"].sum()),
        notes=image_set.notes,
        image=str(image),
        adversarial=told,
    )


def _test_images(contest: ContestConfig, test: Path | None, data: Path | None, workspace: Workspace) -> ImageSet | None:
    """The contest's test images; MedMNIST's from the file of the training data, None where there are none."""
    if test is None and not contest.data.test:
        if contest.data.kind != "medmnist":
            return None
        test = data
    return look_at_test(contest, test, workspace)


def _class_counts(image_set: ImageSet, keep: np.ndarray) -> tuple[ClassCount, ...]:
    labels = image_set.need_labels()
    rows, kept = (np.bincount(one, minlength=len(image_set.class_names)) for one in (labels, labels[keep]))
    return tuple(
        ClassCount(name, int(rows[label]), int(kept[label]), float(kept[label] / len(keep)))
        for label, name in enumerate(image_set.class_names)
    )


def _sizes(image_set: ImageSet) -> tuple[tuple[str, int], ...]:
    if image_set.sizes is None:
        return ()
    counts = pd.Series([f"{width}x{height}" for height, width in image_set.sizes.tolist()]).value_counts()
    return tuple((str(size), int(count)) for size, count in counts.items())


def _channels(images: np.ndarray) -> tuple[Channel, ...]:
    step = max(1, len(images) // SAMPLE)
    values = np.asarray(images[::step])
    return tuple(
        Channel(name, float(one.mean()), float(one.std()), *map(float, np.quantile(one, (0.01, 0.5, 0.99))))
        for name, one in zip(("red", "green", "blue"), np.moveaxis(values, 3, 0))
    )


def _dropped(table: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    reasons = table.loc[~table["keep"], "reason"].replace("", "by hand").value_counts()
    return tuple((str(reason), int(count)) for reason, count in reasons.items())


def _examples(image_set: ImageSet, keep: np.ndarray, label: int, name: str) -> Block:
    """Kept images of one class, evenly spread over the rows."""
    rows = keep[image_set.need_labels()[keep] == label]
    chosen = rows[np.linspace(0, len(rows) - 1, min(COLUMNS, len(rows))).astype(int)]
    return Block(f"{name}: {len(rows):,} kept", image_set.images[chosen], image_set.ids[chosen].tolist())


def _surest(image_set: ImageSet, keep: np.ndarray, test: ImageSet, told: Adversarial) -> list[Block]:
    """The images that the classifier between train and test is surest of."""
    rows = told.test_rows[: 2 * COLUMNS]
    captions = [f"{share:.2f} {one}" for share, one in zip(told.test_probability, test.ids[rows])]
    like = keep[told.train_rows[:COLUMNS]]
    return [
        Block("test images least like the training images", test.images[rows], captions, "probability, id"),
        Block("training images most like the test", image_set.images[like], image_set.ids[like].tolist()),
    ]
