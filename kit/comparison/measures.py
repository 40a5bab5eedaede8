"""What is known of one recipe, and of two that differ in one technique."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from kit.ensemble.scoring.scores import numbered, operators, row_se, shifted_se
from kit.inference.model import merge_views
from kit.oof_store import OofRun


@dataclass(frozen=True)
class Measures:
    """One line of the table; all but `shifted` and `training` are of clean out-of-fold rows."""

    recipe: str
    net: str
    size: int
    epochs: float
    clean: float
    """Accuracy."""
    spread: float | None
    """Standard deviation of the accuracy over folds; None where there is one."""
    precision: float
    recall: float
    f1: float
    """Means over the classes."""
    shifted: float | None
    training: float
    """Accuracy on training rows."""
    gap: float
    """`training` less `clean`: how far it overfits."""
    minutes: float
    parameters: int
    recalls: tuple[float, ...]
    """Recall of each class."""

    def row(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Flat values for a table, the classes' recalls by name."""
        values = asdict(self)
        recalls = values.pop("recalls")
        return values | {f"recall {name}": value for name, value in zip(class_names, recalls)}


@dataclass(frozen=True)
class Difference:
    """Accuracy with a technique less without it, on the same rows."""

    technique: str
    without: str
    used: str
    """Recipes, named as their runs are."""
    clean: float
    clean_se: float
    """Paired standard error over rows; what another seed of the fits would change comes on top."""
    shifted: float | None
    shifted_se: float | None
    macro_f1: float
    """Difference of macro F1."""

    @property
    def row(self) -> dict[str, Any]:
        """Flat values for a table."""
        return asdict(self)


def probabilities(run: OofRun) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) predicted for the clean and (N, K) for the shifted images: the mean over views decides."""
    return merge_views(run.logits, 1.0).argmax(-1), merge_views(run.shifted, 1.0).argmax(-1)


def measure(run: OofRun, training: float, num_classes: int) -> Measures:
    """The line of a run whose networks are right on `training` (0..1) of their own training rows."""
    clean, shifted = probabilities(run)
    hit = clean == run.labels
    folds = [float(hit[run.folds == fold].mean()) for fold in np.unique(run.folds)]
    precision, recall, f1, _ = by_class(run.labels, clean, num_classes)
    config = run.info["config"]
    return Measures(
        recipe=run.recipe,
        net=describe_net(config["net"]),
        size=config["size"],
        epochs=config["train"]["epochs"],
        clean=float(hit.mean()),
        spread=float(np.std(folds, ddof=1)) if len(folds) > 1 else None,
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        shifted=float((shifted == run.labels[:, None]).mean()) if shifted.size else None,
        training=training,
        gap=training - float(hit.mean()),
        minutes=run.info["minutes"],
        parameters=run.info["parameters"],
        recalls=tuple(map(float, recall)),
    )


def describe_net(net: dict[str, Any]) -> str:
    """A network's name, for hybrids its backbones, and whether it starts from pretrained weights."""
    name = " + ".join(net["args"]["backbones"]) if "backbones" in net["args"] else net["name"].removeprefix("timm/")
    return f"{name}, pretrained" if net["pretrained"] else name


def by_class(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> tuple[np.ndarray, ...]:
    """Precision, recall, F1 and rows (C,) of each class; 0 where a class is never predicted or has no rows."""
    return tuple(precision_recall_fscore_support(labels, predicted, labels=range(num_classes), zero_division=0))


def difference(technique: str, used: OofRun, without: OofRun, num_classes: int) -> Difference:
    """The pair held against each other row by row; both hold the same ids, whatever their folds."""
    assert np.array_equal(used.ids, without.ids), "a pair is compared on the same rows"
    (clean, shifted), (bare, bare_shifted) = probabilities(used), probabilities(without)
    gap = (clean == used.labels).astype(float) - (bare == used.labels)
    f1 = [float(by_class(used.labels, predicted, num_classes)[2].mean()) for predicted in (clean, bare)]
    far: tuple[float | None, float | None] = (None, None)
    if shifted.size:
        far = _shifted(shifted, bare_shifted, used)
    return Difference(technique, without.recipe, used.recipe, float(gap.mean()), row_se(gap), *far, f1[0] - f1[1])


def _shifted(predicted: np.ndarray, bare: np.ndarray, run: OofRun) -> tuple[float, float]:
    truth = run.labels[:, None]
    gap = (predicted == truth).astype(float) - (bare == truth)
    return float(gap.mean()), shifted_se(gap, numbered(operators(run.cell_names))[run.cells])
