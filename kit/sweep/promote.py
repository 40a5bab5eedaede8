"""The best trials as recipe files, to be trained, blended and changed like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.study import Study

from kit.artefact import write_text
from kit.config import RecipeConfig, load_recipe
from kit.errors import SweepError
from kit.sweep.config import SweepConfig
from kit.sweep.confirm import read_confirmed, winners
from kit.sweep.search import trial_recipe


def promote(study: Study, sweep: SweepConfig, base: RecipeConfig, count: int, folder: Path, contest: str) -> list[Path]:
    """Writes the `count` best recipes into `folder`: those that were tested first, by their fresh gain.

    SweepError where the study has none. A file of that name is replaced: its trial is the same.
    """
    tested = {one.trial: one for one in read_confirmed(study)}
    found = winners(study, sweep, count + len(tested))
    ordered = sorted(found, key=lambda trial: -tested[trial.number].gain if trial.number in tested else float("inf"))
    if not ordered:
        raise SweepError(f"{sweep.name}: no trial is finished yet. Run it first: kit sweep {sweep.name}")
    paths = []
    for trial in ordered[:count]:
        recipe = trial_recipe(sweep, base, trial)
        score = trial.values[sweep.objective.index(sweep.score)]
        claim = [f"Trial {trial.number} of the sweep {sweep.name}, from {sweep.base}: {sweep.score} {score:.4f} there."]
        if one := tested.get(trial.number):
            claim.append(f"On fresh seeds and folds {one.gain:+.4f} ± {one.se:.4f} against its base.")
        claim.append(f"kit train {recipe.name} --contest {contest}")
        paths.append(folder / f"{recipe.name}.toml")
        write_text(paths[-1], "".join(f"# {line}\n" for line in claim) + to_toml(recipe))
        assert load_recipe(paths[-1]) == recipe, "what was written is what was trained"
    return paths


def to_toml(recipe: RecipeConfig) -> str:
    """The recipe as a file: what differs from the defaults, its name left to the file."""
    raw = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    plain = {key: value for key, value in raw.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for key, table in raw.items():
        if isinstance(table, dict):
            lines += ["", f"[{key}]", *(f"{name} = {_value(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """A value as TOML; strings and numbers are written as JSON writes them."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
