"""Every metric by the name that a contest file gives it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kit.errors import ConfigError, did_you_mean
from kit.metrics.accuracy import accuracy, balanced_accuracy
from kit.metrics.f1 import macro_f1, weighted_f1
from kit.metrics.kappa import matthews, quadratic_kappa
from kit.metrics.log_loss import log_loss
from kit.metrics.metric import Metric
from kit.metrics.own import load_own
from kit.metrics.ranking import average_precision, roc_auc, top_k

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", accuracy),
        Metric("balanced_accuracy", "balanced accuracy", balanced_accuracy, post="offsets"),
        Metric("macro_f1", "macro F1", macro_f1, post="offsets"),
        Metric("micro_f1", "micro F1", accuracy),  # one label an image: hits over rows, as accuracy is
        Metric("weighted_f1", "weighted F1", weighted_f1, post="offsets"),
        Metric("quadratic_kappa", "quadratic weighted kappa", quadratic_kappa, low=-1.0, post="grades"),
        Metric("matthews", "Matthews correlation", matthews, low=-1.0, post="offsets"),
        Metric("log_loss", "log loss", log_loss, False, high=None, takes="probabilities", post="calibration"),
        Metric("roc_auc", "ROC AUC", roc_auc, takes="probabilities"),
    )
}

AT_K: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    r"top([1-9]\d*)_accuracy": ("top-{} accuracy", top_k),
    r"map@([1-9]\d*)": ("MAP@{}", average_precision),
}
"""Metrics of any k, by a pattern of their name."""

NAMES = (*METRICS, "top5_accuracy", "map@5", "my_metric.py:score")
"""What messages list; of top and map, any number."""


def get_metric(name: str) -> Metric:
    """The metric of that name; ConfigError names the near one."""
    return load_own(name) if is_own(name) else _built_in(name)


def is_own(name: str) -> bool:
    """Whether a name is that of a user's function, "my_metric.py:score"."""
    return ".py:" in name


def same_metric(one: str, other: str) -> bool:
    """Whether two names are of one metric; the user's own may be named by another path."""
    return one == other or (is_own(one) and is_own(other) and Path(one).name == Path(other).name)


def own_file(name: str) -> Path | None:
    """The file of the user's own metric "file.py:function"; None for a metric of the kit."""
    return Path(name.rpartition(":")[0]) if is_own(name) else None


@functools.cache
def _built_in(name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    for pattern, (title, values) in AT_K.items():
        if match := re.fullmatch(pattern, name):
            k = int(match[1])
            return Metric(name, title.format(k), functools.partial(values, k), takes="probabilities")
    raise ConfigError(
        f"metric must be one of {', '.join(NAMES)} (top and map with any number), but got {name!r}."
        f"{did_you_mean(name, list(NAMES))}"
    )
