"""Does the expected score turn out true? Simulated contests of every kind of hidden test, scored by what a zip sends.

    python benchmarks/coverage.py --root coverage --data practice --contests 40
    python benchmarks/coverage.py --root coverage --data digits --contests 40
    python benchmarks/coverage.py --root coverage --data cells --npz training_set.npz --contests 40

practice draws its cells; digits are scikit-learn's, enlarged; any npz of images (N, S, S, 3) uint8 and labels is real
images under the name that --data gives. Recipes are trained once, and what is there is reused, predictions too, so the
same command goes on after a kill; with --seconds it begins no contest after so long and prints what is there. Every
contest then has hidden images that nothing was trained on, under operators that neither the battery nor the
augmentations use: clean, natural, contest and laboratory, another draw of operators each. Recipes and blends predict
them as their zip would: all folds averaged, all views, weights in half precision. Printed for each scenario: miss,
coverage and width of the 80 % interval, interval score (Gneiting and Raftery 2007), and the rank correlation over
recipes of expected and hidden scores within one contest. With --told, also the contest-like tests as they are expected
where their images are handed out without labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

from kit.artefact import read_json, read_npz, sha256_bytes, write_json, write_npz
from kit.config import ContestConfig, RecipeConfig, load_contest, load_recipe
from kit.data.cleaning.grouping import image_keys
from kit.data.practice.contest import hidden_test
from kit.data.practice.forms import FORMS, shifted_as
from kit.data.prepared import Prepared, prepare
from kit.ensemble.kinds.combine import Combiner, equal
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.expected import LEVEL, Expected, expected_score
from kit.ensemble.scoring.nested import evaluate
from kit.ensemble.scoring.scenarios import scenario_scores
from kit.ensemble.scoring.shares import shares_in_test, with_shares
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import OofRun, finished_at, load_runs
from kit.shifts.battery import Battery
from kit.train.run import train_recipe
from kit.workspace import Workspace

HIDDEN_SHARE = 0.28
"""Share of real images that no recipe is trained on."""


@dataclass(frozen=True)
class Source:
    """A contest, and the images that its hidden tests are made of; None where they are drawn."""

    contest: ContestConfig
    images: np.ndarray | None = None
    labels: np.ndarray | None = None

    def hidden(self, form: str, seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """The hidden test of the contest of that seed in that form: images (n, S, S, 3) uint8, labels (n,)."""
        rng = np.random.default_rng([seed, 0xC0])
        if self.images is None or self.labels is None:
            images, labels = _drawn(seed, rows)
        else:
            chosen = rng.permutation(len(self.labels))[:rows]
            images, labels = self.images[chosen], self.labels[chosen]
        return shifted_as(form, images, 1.0, 9000 + seed, rng), labels


@lru_cache(maxsize=1)
def _drawn(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The cells of one contest, of which all forms are made: drawing them takes longer than predicting them."""
    return hidden_test(seed=7000 + seed, n=rows, form="clean")


def source(options: argparse.Namespace) -> Source:
    """What --data names."""
    if options.data == "practice":
        return Source(load_contest("practice"))
    images, labels = _digits() if options.data == "digits" else _stored(options.npz, options.side)
    order = np.random.default_rng(0).permutation(len(labels))
    cut = round(HIDDEN_SHARE * len(labels))
    hidden, seen = order[:cut], order[cut:][: options.train_rows or None]
    path = options.root.resolve() / f"{options.data}.npz"
    write_npz(path, images=images[seen], labels=labels[seen])
    contest = {
        "name": options.data,
        "classes": [f"class {label}" for label in range(int(labels.max()) + 1)],
        "image_size": images.shape[1],
        "expects": "shifted",
        "data": {"kind": "npz", "path": str(path)},
        "folds": {"n_splits": 3},
        "recipes": {"cpu": load_contest("practice").recipes.cpu},
    }
    return Source(ContestConfig.model_validate(contest), images[hidden], labels[hidden])


def _digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    large = [cv2.resize(image.astype(np.float32), (48, 48), interpolation=cv2.INTER_CUBIC) for image in found.images]
    grey = np.clip(np.stack(large) / 16 * 220 + 15, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=3), found.target.astype(np.int64)


def _stored(path: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The images of an npz that occur once, in that size: copies would lie on both sides."""
    arrays = read_npz(path)
    keys = image_keys(arrays["images"])
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    once = np.flatnonzero(counts[place] == 1)
    images = [cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in arrays["images"][once]]
    return np.stack(images), arrays["labels"].reshape(-1)[once].astype(np.int64)


def predictions(
    runs: Sequence[OofRun], pool: Pool, given: Source, workspace: Workspace, form: str, seed: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) of a hidden test, and every recipe's probabilities (M, N, C); kept beside the runs."""
    made = [[run.recipe, finished_at(workspace.run(given.contest.name, run.recipe))] for run in runs]
    key = sha256_bytes(json.dumps([form, seed, rows, made]).encode())
    path = workspace.root / "contests" / given.contest.name / f"{form}-{seed}-{key[:12]}.npz"
    if path.exists():
        kept = read_npz(path)
        return kept["labels"], kept["proba"]
    images, labels = given.hidden(form, seed, rows)
    each = [
        _proba(run, entry.temperature, workspace.run(given.contest.name, run.recipe), images)
        for run, entry in zip(runs, pool.entries)
    ]
    write_npz(path, labels=labels, proba=np.stack(each))
    return labels, np.stack(each)


def _proba(run: OofRun, temperature: float, folder: Path, images: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) of a recipe as its zip gives them: the mean over folds."""
    total = np.zeros((len(images), run.logits.shape[2]))
    for fold in run.info["folds_done"]:
        place = folder / f"fold{fold}"
        spec = read_json(place / "member.json")
        total += merge_views(net_logits(load_net(spec, str(place)), images, spec), temperature)
    return total / len(run.info["folds_done"])


def promises(pool: Pool, blends: Sequence[str], rows: int) -> dict[str, tuple[Combiner, dict[str, Expected]]]:
    """Every blend and every recipe by itself, with the scores to expect of it by scenario."""
    found = {}
    for name in blends:
        nested = evaluate(kind(name), pool)
        found[name] = (nested.combiner, scenario_scores(nested.proba, pool, nested.combiner, rows))
    for place, name in enumerate(pool.names):
        alone = equal("mean", (place,))
        found[name] = (alone, scenario_scores(pool.proba[place], pool, alone, rows))
    return found


def report(
    runs: Sequence[OofRun], pool: Pool, given: Source, workspace: Workspace, options: argparse.Namespace
) -> None:
    """Prints how the scores to expect turned out."""
    blends = options.blends.split(",")
    made = promises(pool, blends, options.rows)
    done = simulated(runs, pool, given, workspace, options, made)
    count = len(done[FORMS[0]])
    print(
        f"\n{count} contests a scenario\n{'scenario':11} {'blend':9} {'expected':>8} {'interval':>15} {'hidden':>7} "
        f"{'bias':>7} {'|miss|':>7} {'covered':>8} {'width':>6} {'score':>6} {'vault':>6} {'ranks':>6}"
    )
    for form, scores in done.items():
        hidden = {name: [one[name] for one in scores] for name in made}
        ranks = _ranks({name: made[name][1][form].point for name in pool.names}, hidden)
        for name in blends:
            say(form, name, [made[name][1][form]] * count, np.array(hidden[name]), ranks)
        if options.told and form == "contest":
            told = [_told(given, pool, workspace, seed, options.rows, blends[0]) for seed in range(count)]
            say("told", blends[0], told, np.array(hidden[blends[0]]), float("nan"))


def simulated(
    runs: Sequence[OofRun],
    pool: Pool,
    given: Source,
    workspace: Workspace,
    options: argparse.Namespace,
    made: dict[str, tuple[Combiner, dict[str, Expected]]],
) -> dict[str, list[dict[str, float]]]:
    """By form, the hidden score of everything in `made` in each contest; as many as were done in --seconds."""
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    done: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for seed in range(options.contests):
        if time.monotonic() > end and seed > 1:
            break
        for form in FORMS:
            labels, proba = predictions(runs, pool, given, workspace, form, seed, options.rows)
            done[form].append(
                {
                    name: float((combiner.apply(proba).argmax(axis=1) == labels).mean())
                    for name, (combiner, _) in made.items()
                }
            )
        first = options.blends.partition(",")[0]
        print(f"contest {seed}: " + ", ".join(f"{form} {done[form][-1][first]:.3f}" for form in FORMS), flush=True)
    return done


def _ranks(expected: dict[str, float], hidden: dict[str, list[float]]) -> float:
    """Median over contests of the rank correlation over recipes."""
    names = list(expected)
    if len(names) < 3:
        return float("nan")
    points, scores = [expected[name] for name in names], np.array([hidden[name] for name in names])
    return float(np.median([spearmanr(points, scores[:, one]).statistic for one in range(scores.shape[1])]))


def say(form: str, name: str, expected: Sequence[Expected], scores: np.ndarray, ranks: float) -> None:
    """A line of the table: one expected score a contest."""
    point, low, high = (np.array([getattr(one, key) for one in expected]) for key in ("point", "low", "high"))
    miss, inside = scores - point, (low <= scores) & (scores <= high)
    outside = np.maximum(low - scores, 0) + np.maximum(scores - high, 0)
    penalty = float((high - low + 2 / (1 - LEVEL) * outside).mean())
    gain = expected[0].averaging
    vault = f"{gain.averaged:6.3f}" if gain is not None and gain.averaged is not None else "     -"
    print(
        f"{form:11} {name:9} {point.mean():8.3f} {f'{low.mean():.3f} to {high.mean():.3f}':>15} {scores.mean():7.3f} "
        f"{miss.mean():+7.3f} {np.abs(miss).mean():7.3f} {inside.mean():8.2f} {(high - low).mean():6.3f} "
        f"{penalty:6.3f} {vault} {ranks:6.2f}",
        flush=True,
    )


def _told(given: Source, pool: Pool, workspace: Workspace, seed: int, rows: int, blend: str) -> Expected:
    """The score to expect where the images of the contest of that seed are handed out; kept beside the runs."""
    battery = Battery.from_config(given.contest.shift)
    path = workspace.root / "contests" / given.contest.name / f"{seed}-{rows}-{battery.digest[:12]}-shares.json"
    if not path.exists():
        images, _ = given.hidden("contest", seed, rows)
        train: Prepared = prepare(given.contest, None, workspace, lambda line: None)
        write_json(path, shares_in_test(battery, np.asarray(train.images), images)[0])
    told = with_shares(pool, read_json(path))
    nested = evaluate(kind(blend), told)
    return expected_score(nested.proba, told, hidden_rows=rows, combiner=nested.combiner)


def recipes(contest: ContestConfig, names: str, epochs: float) -> list[RecipeConfig]:
    """The recipes by name, the contest's own by default; for other epochs where they are given."""
    made = []
    for name in names.split(",") if names else contest.recipes.cpu:
        recipe = load_recipe(name)
        if epochs:
            fewer = recipe.train.model_copy(update={"epochs": epochs})
            recipe = recipe.model_copy(update={"name": f"{name}-e{epochs:g}", "train": fewer})
        made.append(recipe)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="where runs are kept between calls")
    parser.add_argument("--data", default="practice", help="practice, digits, or a name for the images of --npz")
    parser.add_argument("--npz", type=Path, help="images and labels of a real data set")
    parser.add_argument("--side", type=int, default=48, help="its images are reduced to this")
    parser.add_argument("--train-rows", type=int, default=0, help="train on so many of its images; 0: on all")
    parser.add_argument("--recipes", default="", help="comma-separated; the practice contest's by default")
    parser.add_argument("--epochs", type=float, default=0.0, help="of every recipe; its own by default")
    parser.add_argument("--blends", default="best5,best1")
    parser.add_argument("--contests", type=int, default=40)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no contest after so long; 0: all of them")
    parser.add_argument("--told", action="store_true", help="also where test images are handed out")
    options = parser.parse_args()
    given, workspace = source(options), Workspace(options.root.resolve())
    prepared = prepare(given.contest, None, workspace, print)
    chosen = recipes(given.contest, options.recipes, options.epochs)
    for recipe in chosen:
        train_recipe(given.contest, prepared, recipe, workspace)
        print(f"{recipe.name}: trained", flush=True)
    runs = load_runs(workspace, given.contest.name, [recipe.name for recipe in chosen])
    report(runs, make_pool(runs, "shifted"), given, workspace, options)


if __name__ == "__main__":
    main()
