"""Soups: the weights of one architecture's runs averaged, fold by fold (Wortsman et al., 2022).

A soup costs one network's time in the submission, where a blend costs all of them. Runs that began from the
same weights may average well, others do not: a soup is scored on the held-out rows like any recipe, and kept
as a run where it is no worse than the best run in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from kit.artefact import read_json, read_npz, write_json
from kit.config import AugmentConfig, ContestConfig
from kit.data.folds import split
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.nested import difference
from kit.errors import EnsembleError
from kit.inference.adapt import interleaved, recalibrate
from kit.inference.model import load_net, preprocess
from kit.oof_store import FOLD, RUN, load_run
from kit.shifts.battery import Battery
from kit.train.augment.policy import augment
from kit.train.averaging import uniform_soup
from kit.train.device import pick_device, pinned
from kit.train.member import SPEC, write_member
from kit.train.scoring import OOF, fold_scores, score_fold
from kit.workspace import Workspace

BATCHES, BATCH = 32, 64
"""Training images for BatchNorm's statistics: averaged weights need their own."""


@dataclass(frozen=True)
class Soup:
    """A soup beside the best run in it: gaps in the contest's metric, and the paired standard error."""

    name: str
    best: str
    gap: float
    gap_se: float
    kept: bool


def cook(
    contest: ContestConfig,
    prepared: Prepared,
    workspace: Workspace,
    recipes: Sequence[str],
    name: str = "",
    echo: Echo = print,
) -> Soup:
    """Averages the runs of `recipes` into the run `name`, scores it, and keeps it where it does not lose.

    EnsembleError for fewer than two runs, for runs of different networks, and where `name` is taken.
    """
    if len(set(recipes)) < 2:
        raise EnsembleError(f"a soup needs at least two different runs, but got {list(recipes)}. Name more")
    name = name or "soup_" + "_".join(recipes)
    target = workspace.run(contest.name, name)
    if target.exists():
        raise EnsembleError(f"{target}: is there already. Give another name, or delete it")
    folders = [workspace.run(contest.name, recipe) for recipe in recipes]
    runs = [load_run(folder) for folder in folders]
    specs = [read_json(folder / f"fold{runs[0].info['folds_done'][0]}" / SPEC) for folder in folders]
    _check_alike(recipes, specs)
    try:
        for fold in runs[0].info["folds_done"]:
            _cook_fold(contest, prepared, folders, target, fold, runs[0].info, echo)
        _finish(target, name, folders, runs[0].info, contest.metric)
        return _judge(target, name, folders, contest)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _check_alike(recipes: Sequence[str], specs: list[dict[str, Any]]) -> None:
    for recipe, spec in zip(recipes, specs):
        for key in ("net", "size", "mean", "std", "views"):
            if spec[key] != specs[0][key]:
                raise EnsembleError(
                    f"a soup needs networks of one kind, but {recipes[0]} has {key} {specs[0][key]} and {recipe} "
                    f"{spec[key]}. Blend them instead: kit blend"
                )


def _cook_fold(
    contest: ContestConfig,
    prepared: Prepared,
    folders: list[Path],
    target: Path,
    fold: int,
    info: dict[str, Any],
    echo: Echo,
) -> None:
    """Writes the averaged weights of one fold, and what they say of its rows."""
    places = [folder / f"fold{fold}" for folder in folders]
    spec = read_json(places[0] / SPEC)
    states = [load_file(place / spec["weights"]) for place in places]
    device = pick_device()
    net = load_net(spec, str(places[0])).to(device)
    mixed = uniform_soup([{key: value.float() for key, value in state.items()} for state in states])
    net.load_state_dict({key: value.to(states[0][key].dtype) for key, value in mixed.items()})
    policy = AugmentConfig.model_validate(info["config"]["augment"])
    with pinned(fold):
        recalibrate(net, _batches(prepared, fold, spec, policy, device))
    goal = target / f"fold{fold}"
    write_member(goal, net.cpu().eval(), spec)
    battery = Battery.from_config(contest.shift)
    arrays = score_fold(goal, spec, prepared, fold, battery, device, lambda note: None)
    rows = len(arrays["ids"])
    write_json(goal / FOLD, {"rows": rows})
    echo(f"{target.name} fold {fold}: {rows:,} held-out rows scored")


def _batches(
    prepared: Prepared, fold: int, spec: dict[str, Any], policy: AugmentConfig, device: torch.device
) -> Iterator[torch.Tensor]:
    """Training images of the fold as the networks in the soup saw them."""
    generator = torch.Generator(device).manual_seed(fold)
    rows = np.random.default_rng(fold).permutation(split(prepared.folds, fold).train)[: BATCHES * BATCH]
    for part in interleaved(len(rows), BATCH):
        batch = np.array(prepared.images[np.sort(rows[part])])
        x = preprocess(batch, spec["size"], (0.0,) * 3, (1.0,) * 3).to(device).contiguous()
        x = augment(x, policy, generator)
        mean, std = (torch.tensor(spec[key], device=device).view(1, 3, 1, 1) for key in ("mean", "std"))
        yield ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def _finish(target: Path, name: str, folders: list[Path], info: dict[str, Any], metric: str) -> None:
    """The folds' markers and run.json, written last: what the first run says, with the soup's own scores."""
    own: dict[str, Any] = {"soup": [folder.name for folder in folders]}
    scores = [fold_scores(read_npz(target / f"fold{fold}" / OOF), metric) for fold in info["folds_done"]]
    for fold, found in zip(info["folds_done"], scores):
        marker = read_json(folders[0] / f"fold{fold}" / FOLD)
        write_json(target / f"fold{fold}" / FOLD, marker | found | own)
    own |= {"recipe": name, "minutes": 0.0}
    own |= {f"fold_{key}": [found[key] for found in scores] for key in ("clean", "shifted")}
    write_json(target / RUN, info | own)


def _judge(target: Path, name: str, folders: list[Path], contest: ContestConfig) -> Soup:
    """Keeps the soup's run where it scores no less than the best run in it; removes it otherwise."""
    pool = make_pool([load_run(folder) for folder in (*folders, target)], contest.expects, contest.metric)
    scores = [found.gain(pool.expects) for found in pool.member_scores()]
    best = int(np.argmax(scores[:-1]))
    gap, error = difference(pool.proba[-1], pool.proba[best], pool, pool.expects)
    if gap < 0:
        shutil.rmtree(target)
    return Soup(name, pool.names[best], gap, error, gap >= 0)
