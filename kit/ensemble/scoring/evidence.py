"""What the scenarios are read off: a blend's nested predictions, clean and under the battery's cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.averaging import Gain, gain_under
from kit.ensemble.scoring.expected import LEVEL, Expected, one_worse
from kit.metrics.registry import get_metric


@dataclass(frozen=True)
class Evidence:
    """What the scenarios are read off.

    proba: (N, 1 + K, C) nested predictions; pool: with the cells of the battery; combiner: the blend's, to see it with
    all folds on the vault. values: (N, 1 + K), whose means are scores.
    """

    proba: np.ndarray
    pool: Pool
    combiner: Combiner
    hidden_rows: int
    values: np.ndarray
    row_weights: np.ndarray | None

    def gain(self, shares: Mapping[str, float], score: float) -> Gain | None:
        """What averaging the folds adds to `score` under a mixture of cells; None where it is not known."""
        names = self.pool.cell_names
        seen = cell_weights(shares, names, self.pool.cells)

        def on_vault(cells: np.ndarray) -> np.ndarray:
            return cell_weights(shares, names, cells)

        return gain_under(self.combiner, self.pool, self.proba, seen, on_vault, score)

    def expected(
        self, centres: np.ndarray, noise: float, gain: Gain | None, scenario: str, row_sd: float
    ) -> Expected:
        """The interval about `centres` (DRAWS,) with the noise of our rows, of theirs and of the gain.

        row_sd: standard deviation of the metric's value of one hidden image.
        """
        metric = get_metric(self.pool.metric)
        if gain is not None:
            centres = centres + gain.gain
            noise = float(np.hypot(noise, gain.se))
        point = float(metric.clipped(float(centres.mean())))
        rare, row_sd = one_worse(point, row_sd, self.pool)
        spread = np.sqrt(noise**2 + rare**2 + row_sd**2 / self.hidden_rows)
        scores = metric.clipped(centres + spread * np.random.default_rng(1).standard_normal(len(centres)))
        low, high = (float(bound) for bound in np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        return Expected(
            point, low, high, scenario, hidden_rows=self.hidden_rows, local=point, averaging=gain, row_sd=row_sd
        )


def cell_weights(shares: Mapping[str, float], cell_names: tuple[str, ...], cells: np.ndarray) -> np.ndarray:
    """Weights (N, 1 + K) of the clean image and of cells (N, K), of mean 1; 0 everywhere where no share is drawn."""
    drawn = np.bincount(cells.ravel(), minlength=len(cell_names))
    wanted = np.array([shares.get(name, 0.0) for name in cell_names])
    weights = np.zeros((len(cells), 1 + cells.shape[1]))
    weights[:, 1:] = np.where(drawn > 0, wanted / np.maximum(drawn, 1), 0.0)[cells]
    return weights * (weights.size / weights.sum()) if weights.any() else weights
