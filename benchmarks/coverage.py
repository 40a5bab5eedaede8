"""Does the expected score turn out true? Simulated contests of every kind of hidden test, scored by what a zip sends.

    python benchmarks/coverage.py --root coverage --data practice
    python benchmarks/coverage.py --root coverage --data digits
    python benchmarks/coverage.py --root coverage --data cells --npz training_set.npz --train-rows 1400

practice draws its cells; digits are scikit-learn's, enlarged; any npz of images (N, S, S, 3) uint8 and labels is real
images under the name that --data gives. Recipes are trained on several training sets. Each of those meets its share of
the contests: hidden images that it does not hold, under operators that neither the battery nor the augmentations use,
as clean, natural, contest and laboratory, another draw of operators each. Recipes and blends predict them as their zip
would: all folds averaged, all views, weights in half precision.

Networks and predictions are kept and every training set ends with the table so far, so the same command goes on after a
kill; with --seconds it begins no contest after so long. Printed for each scenario: bias (hidden less expected), miss,
coverage and width of the 80 % interval, interval score (Gneiting and Raftery 2007), and the rank correlation over
recipes of expected and hidden scores within one contest. Contests of one training set hang together, so standard errors
are over training sets. Other --seed, other training sets and contests: nothing is tuned on those that are reported.
With --told, also the contest-like tests as they are expected where their images are handed out without labels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from coverage_sets import Source, make_source
from coverage_table import COLUMNS, table

from kit.artefact import read_json, read_npz, sha256_bytes, write_csv, write_json, write_npz
from kit.config import ContestConfig, RecipeConfig, load_recipe
from kit.data.practice.forms import FORMS
from kit.data.prepared import Prepared, prepare
from kit.ensemble.kinds.combine import Combiner, equal
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.expected import Expected, expected_score
from kit.ensemble.scoring.nested import evaluate
from kit.ensemble.scoring.scenarios import scenario_scores
from kit.ensemble.scoring.shares import shares_in_test, with_shares
from kit.inference.model import load_net, merge_views, net_logits
from kit.oof_store import OofRun, finished_at, load_runs
from kit.shifts.battery import Battery
from kit.train.run import train_recipe
from kit.workspace import Workspace

Promises = dict[str, tuple[Combiner, dict[str, Expected]]]
"""Every blend and every recipe by itself, with the scores to expect of it by scenario."""


def trained(given: Source, workspace: Workspace, options: argparse.Namespace) -> tuple[list[OofRun], Pool]:
    """The runs of one training set, trained where they are missing, and their pool."""
    prepared = prepare(given.contest, None, workspace, lambda line: None)
    chosen = recipes(given.contest, options)
    for recipe in chosen:
        train_recipe(given.contest, prepared, recipe, workspace, lambda line: None)
    runs = load_runs(workspace, given.contest.name, [recipe.name for recipe in chosen])
    return runs, make_pool(runs, "shifted")


def predictions(
    runs: Sequence[OofRun], pool: Pool, given: Source, workspace: Workspace, form: str, seed: int, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) of a hidden test, and every network's probabilities (M, F, N, C); kept beside the runs."""
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
    """Probabilities (F, N, C) float32 by each network of a recipe, all views merged."""
    each = []
    for fold in run.info["folds_done"]:
        place = folder / f"fold{fold}"
        spec = read_json(place / "member.json")
        each.append(merge_views(net_logits(load_net(spec, str(place)), images, spec), temperature))
    return np.stack(each).astype(np.float32)


def promises(pool: Pool, blends: Sequence[str], rows: int) -> Promises:
    """What is expected of hidden tests of so many images."""
    found = {}
    for name in blends:
        nested = evaluate(kind(name), pool)
        found[name] = (nested.combiner, scenario_scores(nested.proba, pool, nested.combiner, rows))
    for place, name in enumerate(pool.names):
        alone = equal("mean", (place,))
        found[name] = (alone, scenario_scores(pool.proba[place], pool, alone, rows))
    return found


def met(
    runs: Sequence[OofRun], pool: Pool, given: Source, workspace: Workspace, seed: int, rows: int, made: Promises
) -> list[dict[str, Any]]:
    """The records of the contest of that seed: what was expected of everything in `made`, and what it got."""
    records = []
    for form in FORMS:
        labels, proba = predictions(runs, pool, given, workspace, form, seed, rows)
        for name, (combiner, expected) in made.items():
            sent, alone = (
                float((combiner.apply(some).argmax(axis=-1) == labels).mean()) for some in (proba.mean(axis=1), proba)
            )
            records.append(record(seed, form, name, name in pool.names, expected[form], sent, sent - alone))
    return records


def record(
    contest: int, scenario: str, name: str, recipe: bool, one: Expected, hidden: float, gained: float
) -> dict[str, Any]:
    """By `coverage_table.COLUMNS`, the training set left out."""
    gain = float("nan") if one.averaging is None else one.averaging.gain
    values = (contest, scenario, name, recipe, one.point, one.low, one.high, hidden, gain, gained)
    return dict(zip(COLUMNS[1:], values))


def told(
    given: Source, pool: Pool, workspace: Workspace, records: Sequence[dict[str, Any]], rows: int, blend: str
) -> list[dict[str, Any]]:
    """The records of the contest-like tests again, as they are expected where their images are handed out."""
    again = []
    for one in records:
        if one["scenario"] == "contest" and one["name"] == blend:
            expected = _told(given, pool, workspace, one["contest"], rows, blend)
            again.append(record(one["contest"], "told", blend, False, expected, one["hidden"], one["gained"]))
    return again


def _told(given: Source, pool: Pool, workspace: Workspace, seed: int, rows: int, blend: str) -> Expected:
    """The score to expect where the images of the contest of that seed are handed out; kept beside the runs."""
    battery = Battery.from_config(given.contest.shift)
    path = workspace.root / "contests" / given.contest.name / f"{seed}-{rows}-{battery.digest[:12]}-shares.json"
    if not path.exists():
        images, _ = given.hidden("contest", seed, rows)
        train: Prepared = prepare(given.contest, None, workspace, lambda line: None)
        write_json(path, shares_in_test(battery, np.asarray(train.images), images)[0])
    shared = with_shares(pool, read_json(path))
    nested = evaluate(kind(blend), shared)
    return expected_score(nested.proba, shared, hidden_rows=rows, combiner=nested.combiner)


def recipes(contest: ContestConfig, options: argparse.Namespace) -> list[RecipeConfig]:
    """The recipes by name, the contest's own by default; of other epochs and size where they are given."""
    made = []
    for name in options.recipes.split(",") if options.recipes else contest.recipes.cpu:
        recipe = load_recipe(name)
        if options.epochs:
            fewer = recipe.train.model_copy(update={"epochs": options.epochs})
            recipe = recipe.model_copy(update={"name": f"{recipe.name}-e{options.epochs:g}", "train": fewer})
        if options.size:
            recipe = recipe.model_copy(update={"name": f"{recipe.name}-{options.size}px", "size": options.size})
        made.append(recipe)
    return made


def one_training(number: int, options: argparse.Namespace, workspace: Workspace, end: float) -> list[dict[str, Any]]:
    """The records of one training set and its contests; as many as are begun before `end`."""
    seed, each = 1_000 * options.seed + number, -(-options.contests // options.trainings)
    given = make_source(options.data, options.npz, seed, options.train_rows, workspace.root)
    runs, pool = trained(given, workspace, options)
    print(f"{given.contest.name}: trained", flush=True)
    made = promises(pool, options.blends.split(","), options.rows)
    records: list[dict[str, Any]] = []
    for place in range(number * each, min((number + 1) * each, options.contests)):
        if time.monotonic() > end:
            break
        records += met(runs, pool, given, workspace, 1_000 * options.seed + place, options.rows, made)
        print(f"{given.contest.name}: contest {place} done", flush=True)
    if options.told:
        records += told(given, pool, workspace, records, options.rows, options.blends.partition(",")[0])
    return [{"training": seed, **one} for one in records]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="where runs are kept between calls")
    parser.add_argument("--data", default="practice", help="practice, digits, or a name for the images of --npz")
    parser.add_argument("--npz", type=Path, help="images and labels of a real data set")
    parser.add_argument("--train-rows", type=int, default=0, help="train on so many of its images; 0: on all")
    parser.add_argument("--recipes", default="", help="comma-separated; the practice contest's by default")
    parser.add_argument("--epochs", type=float, default=0.0, help="of every recipe; its own by default")
    parser.add_argument("--size", type=int, default=0, help="side of the images that networks get; the recipes' own")
    parser.add_argument("--blends", default="best2")
    parser.add_argument("--contests", type=int, default=40, help="hidden tests a scenario")
    parser.add_argument("--trainings", type=int, default=8, help="training sets, which share the contests out")
    parser.add_argument("--rows", type=int, default=500, help="of a hidden test")
    parser.add_argument("--seed", type=int, default=0, help="of training sets and contests")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no contest after so long; 0: all of them")
    parser.add_argument("--told", action="store_true", help="also where test images are handed out")
    options = parser.parse_args()
    workspace = Workspace(options.root.resolve())
    workspace.root.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.seconds if options.seconds else float("inf")
    records: list[dict[str, Any]] = []
    for number in range(options.trainings):
        if time.monotonic() > end:
            break
        records += one_training(number, options, workspace, end)
        found = pd.DataFrame(records, columns=list(COLUMNS))
        write_csv(workspace.root / f"{options.data}-{options.seed}.csv", found)
        print(table(found), flush=True)


if __name__ == "__main__":
    main()
