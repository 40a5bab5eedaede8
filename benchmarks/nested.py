"""Is a nested score true? Pools with a known truth: what each kind claims, less what it scores on fresh rows.

    python benchmarks/nested.py --rows 1140 --pools 40

Members are networks of nearly equal skill that share part of their errors, as recipes of one contest are; fresh
rows are drawn from the same networks. A claim is unbiased where its mean miss lies within two standard errors of 0.
"""

from __future__ import annotations

import argparse

import numpy as np

from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool
from kit.ensemble.scoring.nested import evaluate
from kit.inference.model import softmax

KINDS = ("best1", "best5", "all", "greedy", "greedy-metric", "weights", "stack")


def draw(rng: np.random.Generator, skill: np.ndarray, rows: int, classes: int) -> Pool:
    """A pool of networks with that skill (M,) on fresh rows."""
    labels = rng.integers(classes, size=rows)
    logits = rng.normal(size=(len(skill), rows, classes)) + rng.normal(size=(rows, classes))
    logits[:, np.arange(rows), labels] += skill[:, None]
    proba = softmax(1.5 * logits)[:, :, None].astype(np.float32)
    names = tuple(f"net{member}" for member in range(len(skill)))
    cells = np.zeros((rows, 0), dtype=np.int64)
    return Pool(names, proba, labels, rng.permutation(rows) % 5, cells, expects="clean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1140)
    parser.add_argument("--pools", type=int, default=40)
    parser.add_argument("--members", type=int, default=12)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    misses: dict[str, list[tuple[float, float, float]]] = {name: [] for name in KINDS}
    for _ in range(options.pools):
        skill = rng.normal(2.6, 0.1, size=options.members)
        pool, fresh = draw(rng, skill, options.rows, 8), draw(rng, skill, 20_000, 8)
        for name in KINDS:
            found = evaluate(kind(name), pool)
            truth = fresh.score(found.combiner.apply(fresh.proba)).clean
            misses[name].append((found.resubstitution.clean - truth, found.nested.clean - truth, truth))
    print(f"{options.pools} pools of {options.members} members, {options.rows:,} rows; points of accuracy")
    print(f"{'kind':14} {'truth':>7} {'resubstitution':>16} {'nested':>16}")
    for name, rows in misses.items():
        values = np.array(rows)
        means, errors = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
        claims = " ".join(f"{100 * m:+8.2f} ± {100 * e:.2f} " for m, e in zip(means[:2], errors[:2]))
        print(f"{name:14} {means[2]:7.4f} {claims}")


if __name__ == "__main__":
    main()
