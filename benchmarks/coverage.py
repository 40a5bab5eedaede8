"""Does the expected score turn out true? Practice contests with unseen shift mixtures, scored by trained
networks.

    python benchmarks/coverage.py --root /tmp/coverage --contests 24

Trains twelve recipes on the practice contest, then draws contests (what is there of both is reused, so the same
command goes on after a kill): the cells of one seed under the mixture of another, which no part of the kit has
seen. Every recipe and blend predicts them as its zip would (the folds' probabilities averaged); its hidden score is
held against the expected one. Printed: coverage of the 80 % interval, mean absolute miss, and the rank correlation
over recipes of shifted and of clean out-of-fold scores with the hidden score. With --told, best5 also as it is expected
where the hidden test's images are handed out without labels (20 s a contest).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from kit.artefact import read_json, read_npz, sha256_bytes, write_json, write_npz
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.practice.contest import hidden_test
from kit.data.prepared import Prepared, prepare
from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.expected import Expected, expected_score
from kit.ensemble.scoring.nested import evaluate
from kit.ensemble.scoring.shares import shares_in_test, with_shares
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import OofRun, finished_at, load_runs
from kit.shifts.battery import Battery
from kit.train.run import train_recipe
from kit.workspace import Workspace

BLENDS = ("best1", "best3", "best5", "all", "geometric5", "greedy", "weights")

VARIANTS: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "practice_plain_short": ("practice_plain", {}, {"epochs": 5}),
    "practice_classic": ("practice_plain", {"preset": "classic"}, {}),
    "practice_mild": ("practice_strong", {"magnitude": 0.3}, {}),
    "practice_one": ("practice_strong", {"operators": (0, 1)}, {}),
    "practice_two": ("practice_strong", {"operators": (1, 2)}, {"epochs": 10}),
    "practice_short": ("practice_strong", {}, {"epochs": 6}),
}
"""Recipes beside the contest's own: (base, changes of [augment], changes of [train])."""


def recipes(contest: ContestConfig) -> list[RecipeConfig]:
    made = [load_recipe(name) for name in contest.recipes.cpu]
    for name, (base, augment, train) in VARIANTS.items():
        recipe = load_recipe(base)
        parts = {
            "name": name,
            "augment": recipe.augment.model_copy(update=augment),
            "train": recipe.train.model_copy(update=train),
        }
        made.append(recipe.model_copy(update=parts))
    return made


def hidden_proba(run: OofRun, temperature: float, workspace: Workspace, images: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) of a recipe as its zip gives them: the mean over folds."""
    total = np.zeros((len(images), run.logits.shape[2]))
    folds = run.info["folds_done"]
    for fold in folds:
        folder = workspace.run("practice", run.recipe) / f"fold{fold}"
        spec = read_json(folder / "member.json")
        total += merge_views(net_logits(load_net(spec, str(folder)), images, spec), temperature)
    return total / len(folds)


def predictors(pool: Pool, rows: int) -> dict[str, tuple[Combiner, Expected]]:
    """Every blend, fitted, with the score to expect of it."""
    found = {}
    for name in BLENDS:
        nested = evaluate(kind(name), pool)
        found[name] = (nested.combiner, expected_score(nested.proba, pool, hidden_rows=rows))
    return found


def hidden_scores(
    runs: Sequence[OofRun], pool: Pool, workspace: Workspace, seed: int, rows: int, blends: dict[str, Combiner]
) -> tuple[np.ndarray, dict[str, float]]:
    """Hidden accuracy of every recipe (M,) and of every blend, in the contest of that seed."""
    labels, proba = answers(runs, pool, workspace, seed, rows)
    alone = (proba.argmax(axis=2) == labels).mean(axis=1)
    return alone, {n: float((c.apply(proba).argmax(axis=1) == labels).mean()) for n, c in blends.items()}


def answers(
    runs: Sequence[OofRun], pool: Pool, workspace: Workspace, seed: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) of the contest of that seed, and every recipe's probabilities (M, N, C); kept beside the runs."""
    made = [[run.recipe, finished_at(workspace.run("practice", run.recipe))] for run in runs]
    key = sha256_bytes(json.dumps([seed, rows, made]).encode())
    path = workspace.root / "contests" / f"{seed}-{key[:12]}.npz"
    if path.exists():
        kept = read_npz(path)
        return kept["labels"], kept["proba"]
    images, labels = hidden_test(seed=7000 + seed, n=rows, mixture_seed=9000 + seed)
    proba = np.stack(
        [hidden_proba(run, entry.temperature, workspace, images) for run, entry in zip(runs, pool.entries)]
    )
    write_npz(path, labels=labels, proba=proba)
    return labels, proba


def expected_when_told(
    contest: ContestConfig, prepared: Prepared, pool: Pool, workspace: Workspace, seed: int, rows: int
) -> Expected:
    """The score to expect of best5 where the images of the contest of that seed are known; kept beside the runs."""
    battery = Battery.from_config(contest.shift)
    path = workspace.root / "contests" / f"{seed}-{rows}-{battery.digest[:12]}-shares.json"
    if not path.exists():
        images, _ = hidden_test(seed=7000 + seed, n=rows, mixture_seed=9000 + seed)
        write_json(path, shares_in_test(battery, np.asarray(prepared.images), images)[0])
    told = with_shares(pool, read_json(path))
    return expected_score(evaluate(kind("best5"), told).proba, told, hidden_rows=rows)


def report(
    runs: Sequence[OofRun], pool: Pool, workspace: Workspace, contests: int, rows: int
) -> dict[str, np.ndarray]:
    """Prints how the blends' expected scores turned out; hidden scores (contests,) by blend."""
    made = predictors(pool, rows)
    combiners = {name: combiner for name, (combiner, _) in made.items()}
    alone, blended = [], []
    for seed in range(contests):
        found = hidden_scores(runs, pool, workspace, seed, rows, combiners)
        alone.append(found[0])
        blended.append(found[1])
        print(f"contest {seed}: best5 {found[1]['best5']:.4f}", flush=True)
    scores = {name: np.array([one[name] for one in blended]) for name in made}
    print(f"\n{'blend':12} {'expected':>9} {'interval':>16} {'hidden':>8} {'miss':>7} {'|miss|':>7} {'covered':>8}")
    for name, (_, expected) in made.items():
        say(name, [expected] * contests, scores[name])
    _ranks(pool, np.array(alone))
    return scores


def say(name: str, expected: Sequence[Expected], scores: np.ndarray) -> None:
    """A line of the table: one expected score a contest."""
    point, low, high = (np.array([getattr(one, key) for one in expected]) for key in ("point", "low", "high"))
    miss, inside = scores - point, (low <= scores) & (scores <= high)
    interval = f"{low.mean():.3f} to {high.mean():.3f}"
    print(
        f"{name:12} {point.mean():9.4f} {interval:>16} {scores.mean():8.4f} {miss.mean():+7.4f} "
        f"{np.abs(miss).mean():7.4f} {inside.mean():8.2f}"
    )


def _ranks(pool: Pool, alone: np.ndarray) -> None:
    """Rank correlations over recipes, contest by contest, for shifted and clean out-of-fold scores."""
    own = pool.member_scores()
    print(f"\n{'recipe':22} {'clean':>7} {'shifted':>8} {'hidden':>7}")
    for place in np.argsort(-alone.mean(axis=0)):
        found = own[place]
        print(f"{pool.names[place]:22} {found.clean:7.4f} {found.shifted:8.4f} {alone[:, place].mean():7.4f}")
    for title, scores in (("shifted", [s.shifted for s in own]), ("clean", [s.clean for s in own])):
        each = [float(spearmanr(scores, contest).statistic) for contest in alone]
        whole = float(spearmanr(scores, alone.mean(axis=0)).statistic)
        miss = float(np.abs(alone - np.array(scores)).mean())
        print(
            f"{title} out-of-fold score: rank correlation with the hidden one {whole:.3f} over all contests, "
            f"median {np.median(each):.3f} in one; mean absolute miss {miss:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="where runs are kept between calls")
    parser.add_argument("--contests", type=int, default=24)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--told", action="store_true", help="also where test images are handed out")
    options = parser.parse_args()
    contest, workspace = load_contest("practice"), Workspace(options.root.resolve())
    prepared = prepare(contest, None, workspace, print)
    chosen = recipes(contest)
    for recipe in chosen:
        train_recipe(contest, prepared, recipe, workspace)
        print(f"{recipe.name}: trained", flush=True)
    runs = load_runs(workspace, contest.name, [recipe.name for recipe in chosen])
    pool = make_pool(runs, "shifted")
    scores = report(runs, pool, workspace, options.contests, options.rows)
    if options.told:
        seeds = range(options.contests)
        told = [expected_when_told(contest, prepared, pool, workspace, seed, options.rows) for seed in seeds]
        say("best5, told", told, scores["best5"])


if __name__ == "__main__":
    main()
