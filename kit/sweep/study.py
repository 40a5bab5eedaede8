"""The study of a sweep: made once, and opened again only by the same sweep and the same kit."""

from __future__ import annotations

import json
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

import kit
from kit.artefact import sha256_bytes
from kit.config import RecipeConfig
from kit.errors import SweepError
from kit.sweep.config import SweepConfig
from kit.sweep.pruning import make_pruner
from kit.sweep.space import differences
from kit.sweep.storage import settled

IDENTITY, VERSION, DIGESTS = "identity", "kit", "digests"
EXCESS = "excess"
"""Attribute of a trial: how far it is over each limit, as shares of it."""


def identity(sweep: SweepConfig, base: RecipeConfig, contest: dict[str, Any]) -> dict[str, Any]:
    """What two runs of a sweep must share so that their trials can be compared."""
    values = sweep.model_dump(mode="json", exclude={"name", "budget", "seed", "confirm", "reserve"})
    return values | {"base": base.model_dump(mode="json"), "contest": contest}


def open_study(sweep: SweepConfig, made: dict[str, Any], storage: BaseStorage, name: str) -> Study:
    """The study `name`, made where it is not there; SweepError where another sweep or kit made it."""
    with settled():
        sampler, pruner = make_sampler(sweep, 0), make_pruner(sweep, made["base"]["train"]["epochs"])
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        pruner=pruner,
        directions=sweep.directions,
        load_if_exists=True,
    )
    attrs = study.user_attrs
    if IDENTITY not in attrs:
        study.set_user_attr(VERSION, kit.__version__)
        study.set_user_attr(IDENTITY, json.dumps(made))  # last: who finds it, finds both
    else:
        _check_same(name, attrs, made)
    with settled():
        study.sampler = make_sampler(sweep, len(study.get_trials(deepcopy=False)))
    return study


def _check_same(name: str, attrs: dict[str, Any], made: dict[str, Any]) -> None:
    if attrs.get(VERSION, kit.__version__) != kit.__version__:
        raise SweepError(
            f"study {name}: was made by kit {attrs[VERSION]}, and this is {kit.__version__}: their trials cannot be "
            f"compared. Install that version, or give the sweep another name"
        )
    changed = differences(json.loads(attrs[IDENTITY]), json.loads(json.dumps(made)))
    if changed:
        raise SweepError(
            f"study {name}: was made by another sweep of that name ({'; '.join(changed)}). "
            f"Undo the change, or give the sweep another name"
        )


def check_digests(study: Study, digests: dict[str, str], anew: str) -> None:
    """SweepError where the study's trials were made on other images, folds or shifts, or by another metric; `anew` is
    how to begin again.

    digests: of data and folds, of the battery where scores depend on it, of the user's own metric; noted where the
    study has no trials yet, or is from before they were.
    """
    known = study.user_attrs.get(DIGESTS)
    if known is None:
        study.set_user_attr(DIGESTS, digests)
        return
    pairs = {name: (known.get(name, now), now) for name, now in digests.items()}
    changed = [f"{name} {old[:8]}, now {now[:8]}" for name, (old, now) in pairs.items() if old != now]
    if changed:
        raise SweepError(
            f"study {study.study_name}: its trials were made on other images, folds, shifts or by another metric "
            f"({'; '.join(changed)}), and cannot be compared with new ones. Give the sweep another name, or begin "
            f"anew: {anew}"
        )


def mark(study: Study) -> str:
    """Tells the files of this study from those of another: hex sha256 of its name, its identity and its data."""
    attrs = study.user_attrs
    told = json.dumps([study.study_name, attrs.get(IDENTITY), attrs.get(DIGESTS)], sort_keys=True)
    return sha256_bytes(told.encode())


def make_sampler(sweep: SweepConfig, done: int) -> BaseSampler:
    """The sweep's sampler; `done` trials lie behind, so that a resumed search does not draw the same again."""
    seed = sweep.seed + done
    limited = sweep.limits.max_megabytes is not None or sweep.limits.max_seconds is not None
    # From Optuna 5 on a trial is told its constraints itself (`kit.sweep.search`), and samplers no longer ask for them.
    excess = excesses if limited and not hasattr(Trial, "set_constraint") else None
    if sweep.sampler == "random":
        return RandomSampler(seed=seed)
    if sweep.sampler == "nsga2":
        return NSGAIISampler(seed=seed, constraints_func=excess)
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, constraints_func=excess)


def excesses(trial: FrozenTrial) -> list[float]:
    """How far a trial is over each limit; above 0 breaks it."""
    return list(trial.user_attrs.get(EXCESS, [0.0]))
