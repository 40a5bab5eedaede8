"""All folds of one recipe: what is missing is trained, scored and written; the marker of a fold comes last."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from pydantic import ValidationError
from rich.progress import Progress
from torch import nn

import kit
from kit.artefact import read_json, sha256_file, write_json
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import TrainError
from kit.inference.model import net_logits
from kit.lock import alone, remove_left_overs
from kit.nets.coverage import check_sees
from kit.nets.pretrained import load_pretrained
from kit.nets.registry import build
from kit.nets.weights.needs import completed
from kit.shifts.battery import Battery
from kit.situation.resolve import is_open, resolve
from kit.train import checkpoint
from kit.train.batches import Material
from kit.train.device import pick_device, pinned, settle, usable_cores
from kit.train.fit import LOWERED, Diverged, Fit
from kit.train.images import resized
from kit.train.material import make_material
from kit.train.member import SPEC, member_spec, write_member
from kit.train.memory import with_batch_share
from kit.train.parallel import ALONE, Ranks, check_shareable
from kit.train.policy import compose, policy_steps
from kit.train.precision import Precision, choose_precision, doubt_precision
from kit.train.progress import FitDisplay, fit_bars
from kit.train.resizing import check_growth
from kit.train.scoring import fold_scores, score_fold
from kit.train.stored import MARKER, checked_spec, file_digests
from kit.workspace import Workspace

CHECKPOINT, RUN = "checkpoint.pt", "run.json"
LAYOUT = 2
"""Of what a checkpoint holds: a fit that another version of the kit began is begun again."""
AfterEpoch = Callable[[int, Fit], None]
"""Called with the fold and its fit after every epoch, once the checkpoint is written; may raise to end the fit."""


@dataclass(frozen=True)
class Trainer:
    """One recipe on one contest."""

    contest: ContestConfig
    prepared: Prepared
    recipe: RecipeConfig
    """With all that it leaves to the contest's situation filled in."""
    workspace: Workspace
    device: torch.device
    batch_share: float = 1.0
    """Share of the recipe's batch that fits into this device's memory."""
    after_epoch: AfterEpoch | None = None
    ranks: Ranks = ALONE
    """This process among those that train each fit together."""
    deadline: float | None = None
    """When each fit should have made its last step, in the seconds of time.monotonic()."""

    def __post_init__(self) -> None:
        if is_open(self.recipe):  # filled in here, so that whoever makes a trainer stores what is really trained
            found = self.ranks.first_then_others(
                lambda: resolve(self.recipe, self.contest, self.prepared, self.workspace)
            )
            object.__setattr__(self, "recipe", found)

    @property
    def folder(self) -> Path:
        return self.workspace.run(self.contest.name, self.recipe.name)

    def fold_folder(self, fold: int) -> Path:
        return self.folder / f"fold{fold}"

    def identity(self) -> dict[str, Any]:
        """What a finished fold must agree with to be reused."""
        config = self.recipe.model_dump(mode="json")
        battery = Battery.from_config(self.contest.shift)
        return {
            "config": config,
            "shift": self.contest.shift.model_dump(mode="json") | {"battery": battery.digest},
            "digests": {"data": self.prepared.data_digest, "folds": self.prepared.fold_digest},
        }

    def rerun(self, fold: int) -> str:
        return f"kit train {self.recipe.name} --contest {self.contest.name} --fold {fold}"

    def trained(self, fold: int) -> bool:
        """Whether the fold's network is there; TrainError where it was made from something else."""
        return self._marker(fold) is not None

    def finished(self, fold: int) -> bool:
        """Whether it is there and was scored under the battery as it is now; TrainError as for `trained`."""
        marker = self._marker(fold)
        return marker is not None and marker["shift"] == self.identity()["shift"]

    def _marker(self, fold: int) -> dict[str, Any] | None:
        path = self.fold_folder(fold) / MARKER
        if not path.exists():
            return None
        marker = read_json(path, rerun=self.rerun(fold))
        self._check_made(path, marker, fold)
        return dict(marker)

    def _check_made(self, path: Path, made: dict[str, Any], fold: int) -> None:
        wanted = self.identity()
        made = made | {"config": _filled(made.get("config"))}
        changed = [key for key in wanted if key != "shift" and made.get(key) != wanted[key]]
        changed += ["fold"] if made.get("fold", fold) != fold else []
        if changed:
            raise TrainError(
                f"{path}: made with another {', '.join(changed)} than now. Delete {self.folder} to train it again"
                f" ({self.rerun(fold)}), or give the recipe another name"
            )

    def train(self, folds: Sequence[int], echo: Echo) -> None:
        """Trains and scores those of `folds` that are missing, then completes the run where it is whole."""
        missing = self.ranks.agreed(lambda: [fold for fold in folds if not self.finished(fold)])
        if missing:
            check_names(self.contest, self.recipe)
            again = self.ranks.agreed(lambda: [fold for fold in missing if self.trained(fold)])
            with fit_bars(self.ranks.first) as bars:
                for fold in again if self.ranks.first else []:
                    with self._claimed(fold, echo):
                        if not self.finished(fold):
                            self._score_again(fold, bars, echo)
                if new := [fold for fold in missing if fold not in again]:
                    images = resized(self.prepared.images, self.recipe.size)
                    for fold in new:
                        with self._claimed(fold, echo):
                            if self.ranks.size > 1 or not self.finished(fold):
                                self._train_fold(fold, images, bars, echo)
        if self.ranks.first:
            self.complete()

    def _claimed(self, fold: int, echo: Echo) -> AbstractContextManager[None]:
        """One process at a time works at a fold; TrainError instead of waiting where others wait for this one."""
        if not self.ranks.first:
            return nullcontext()
        name = f"{self.recipe.name} fold {fold}"

        def busy() -> None:
            if self.ranks.size > 1:
                raise TrainError(f"{name}: another process trains it. Run the same command again when it has ended")
            echo(f"{name}: another process trains it; waiting for its end")

        return alone(self.folder / f".fold{fold}.lock", busy)

    def _score_again(self, fold: int, bars: Progress | None, echo: Echo) -> None:
        """The network stays; the battery is another than the one that it was scored under."""
        checked_spec(self.fold_folder(fold), self.rerun(fold))
        path = self.fold_folder(fold) / MARKER
        display = FitDisplay(f"{self.recipe.name} fold {fold}", 1, 1, bars, echo)
        result = self._score(fold, display) | file_digests(self.fold_folder(fold))
        write_json(path, read_json(path) | self.identity() | result | versions())
        display.close(f"scored again, because the shifts changed; {_scores(result)}")

    def _train_fold(self, fold: int, images: torch.Tensor, bars: Progress | None, echo: Echo) -> None:
        started = time.perf_counter()
        with pinned(self.recipe.train.seed + fold):
            fit, before, display = self._begun(fold, images, bars, echo)
            try:
                net = fit.run(lambda state: self._keep(fold, fit, state), display)
            except Diverged as error:
                if fit.rate_share < 1 or self.ranks.size > 1:
                    raise
                display.close(f"{error}. Once more from the last checkpoint, at {LOWERED:.0%} of the rate")
                fit, before, display = self._begun(fold, images, bars, echo)
                fit.rate_share = LOWERED
                net = fit.run(lambda state: self._keep(fold, fit, state), display)
            if not self.ranks.first:
                return
            write_member(self.fold_folder(fold), net, self.spec())
            result = self._score(fold, display)
        result |= {"parameters": sum(p.numel() for p in net.parameters())}
        result |= {"train_score": fit.score, "train_seconds": fit.seconds, "images_per_second": fit.images_per_second}
        result |= {"seconds": before + time.perf_counter() - started, "precision": fit.precision.name}
        result |= {"batch_size": fit.recipe.train.batch_size, "threads": usable_cores(), "processes": self.ranks.size}
        result |= {"rate_share": fit.rate_share, "steps": fit.step, "steps_planned": fit.pace.planned}
        result |= {"fold": fold} | file_digests(self.fold_folder(fold))
        write_json(self.fold_folder(fold) / MARKER, self.identity() | result | versions())
        (self.fold_folder(fold) / CHECKPOINT).unlink(missing_ok=True)
        steps = f"{fit.step} steps" + (f" of {fit.pace.planned}, to end in time" if fit.pace.shortened else "")
        speed = f"{steps}, {fit.seconds:.0f} s, {fit.images_per_second:,.0f} img/s"
        display.close(f"{speed}; {_scores(result)}")
        self._doubt_precision(fit, echo)

    def _begun(
        self, fold: int, images: torch.Tensor, bars: Progress | None, echo: Echo
    ) -> tuple[Fit, float, FitDisplay]:
        """The fit where its checkpoint left it, the seconds that it has taken, and what shows it."""
        state = self._interrupted(fold)
        fit = self.new_fit(fold, images, begun=state is not None)
        if state is not None:
            fit.resume(state)
        return fit, fit.seconds, FitDisplay(f"{self.recipe.name} fold {fold}", fit.total, fit.step, bars, echo)

    def _keep(self, fold: int, fit: Fit, state: dict[str, Any]) -> None:
        if not self.ranks.first:
            return
        made = self.identity() | {"fold": fold}
        kept = {"made": made, "fit": state, "batch_size": fit.recipe.train.batch_size, "layout": LAYOUT}
        checkpoint.save(self.fold_folder(fold) / CHECKPOINT, kept)
        if self.after_epoch is not None:
            self.after_epoch(fold, fit)

    def _interrupted(self, fold: int) -> dict[str, Any] | None:
        """The state of the fit that an interrupted process left; None where there is none that this one can take."""
        path = self.fold_folder(fold) / CHECKPOINT
        state = self.ranks.agreed(lambda: checkpoint.load(path, self.rerun(fold)))
        if state is None:
            return None
        self._check_made(path, state["made"], fold)
        batch = with_batch_share(self.recipe, self.batch_share).train.batch_size
        if state.get("batch_size", batch) != batch:  # steps of another size are no part of this fit
            return None
        found: dict[str, Any] = state["fit"]
        return found if state.get("layout") == LAYOUT else None

    def spec(self) -> dict[str, Any]:
        """How the network is described in the submission."""
        return member_spec(self.recipe, len(self.prepared.class_names))

    def new_fit(self, fold: int, images: torch.Tensor, begun: bool = False) -> Fit:
        """The fit at its first step; `begun` as in `Fit`."""
        recipe = with_batch_share(self.recipe, self.batch_share)
        net, material = self.new_net(), self.material(fold, images)  # before speeds are measured, which draws too
        if self.ranks.size > 1:
            check_shareable(recipe, len(material.rows), self.ranks)
        precision = self.precision(images)
        return Fit(recipe, net, material, precision, self.device, self.ranks, self.deadline, begun)

    def material(self, fold: int, images: torch.Tensor) -> Material:
        """What the fold is trained on."""
        spec = self.spec()
        mean, std = tuple(spec["mean"]), tuple(spec["std"])
        return make_material(self.prepared, self.recipe, fold, images, mean, std)

    def new_net(self) -> nn.Module:
        """The network with the weights that it starts from."""
        net = self.recipe.net
        args = self.spec()["net"]["args"]
        built = build(net.name, len(self.prepared.class_names), args)
        load_pretrained(built, net.pretrained, net.name, args)
        return built

    def time_step(self, images: torch.Tensor, steps: int = 6) -> tuple[float, str]:
        """Seconds of one training step, augmentation included, and the precision; from a few of `images`.

        The median of `steps`, the first of which does not count.

        No rows are made up for it: SMOTE would ask for images beyond these few.
        """
        train = self.recipe.train.model_copy(update={"sampling": "natural"})
        tune = self.recipe.finetune.model_copy(update={"head": "random"})  # one from all rows is no part of a step
        plain = self.recipe.model_copy(update={"train": train, "finetune": tune})
        fit = replace(self, recipe=plain).new_fit(-1, images)
        fit.step = fit.total // 2  # where layers that are frozen at first have been let go
        rows = torch.arange(self.recipe.train.batch_size) % len(images)
        seconds = []
        for _ in range(steps):
            started = time.perf_counter()
            fit.train_step(rows)
            settle(self.device)
            seconds.append(time.perf_counter() - started)
        return sorted(seconds[1:])[(steps - 1) // 2], fit.precision.name

    def time_image(self, images: np.ndarray) -> float:
        """Seconds for one of `images` (n, H, W, 3) through the network as it is scored, with all views."""
        spec = self.spec()
        net = self.new_net().to(self.device).to(memory_format=torch.channels_last).eval()
        net_logits(net, images[:32], spec)
        started = time.perf_counter()
        net_logits(net, images, spec)
        return (time.perf_counter() - started) / len(images)

    def precision(self, images: torch.Tensor) -> Precision:
        """Measured once a machine, network, size and batch."""
        batch = images[: self.recipe.train.batch_size].float() / 255
        key = self._precision_key(tuple(batch.shape))
        bare = completed(self.recipe.net).model_copy(update={"pretrained": False})
        fresh = replace(self, recipe=self.recipe.model_copy(update={"net": bare}))
        return self.ranks.agreed(
            lambda: choose_precision(fresh.new_net, batch, self.device, self.workspace.cache, key)
        )

    def _doubt_precision(self, fit: Fit, echo: Echo) -> None:
        """Speeds that no longer hold are measured again; where a step is more than a pass each way, none is known."""
        train = self.recipe.train
        if self.device.type != "cpu" or self.recipe.contrastive.share or train.accumulate > 1 or self.ranks.size > 1:
            return
        shape = (fit.recipe.train.batch_size, 3, self.recipe.size, self.recipe.size)
        seen = fit.passed_per_second
        doubt = doubt_precision(self.workspace.cache, self._precision_key(shape), self.device, seen) if seen else ""
        if doubt:
            echo(f"{self.recipe.name}: {doubt}")

    def _precision_key(self, shape: tuple[int, ...]) -> str:
        return f"{self.recipe.net.name} {completed(self.recipe.net).args} {shape}"

    def _score(self, fold: int, display: FitDisplay) -> dict[str, Any]:
        """Writes the fold's out-of-fold rows, and what it says of the vault; the scores of the former."""
        battery = Battery.from_config(self.contest.shift)
        folder = self.fold_folder(fold)
        spec = read_json(folder / SPEC)  # as it was trained: weights that were found then may lie elsewhere now
        arrays = score_fold(folder, spec, self.prepared, fold, battery, self.device, display.note)
        return {
            **fold_scores(arrays, self.contest.metric),
            "rows": len(arrays["ids"]),
            "vault": len(self.prepared.vault),
            "cell_names": [cell.name for cell in battery.cells],
        }

    def complete(self) -> bool:
        """Writes run.json once every fold of the contest is there; whether it is."""
        folds = scored_folds(self.prepared)
        if not all(self.finished(fold) for fold in folds):
            return False
        for fold in folds:  # of processes that were killed between a marker and the removal of these
            (self.fold_folder(fold) / CHECKPOINT).unlink(missing_ok=True)
        for folder in (self.folder, self.workspace.cache):
            remove_left_overs(folder, "*.lock")
        markers = [read_json(self.fold_folder(fold) / MARKER, self.rerun(fold)) for fold in folds]
        summary = {
            "recipe": self.recipe.name,
            "folds_done": folds,
            "markers": [sha256_file(self.fold_folder(fold) / MARKER) for fold in folds],
            "vault": len(self.prepared.vault),
            "minutes": sum(marker["seconds"] for marker in markers) / 60,
            "parameters": markers[0]["parameters"],
            "cell_names": markers[0]["cell_names"],
            "fold_clean": [marker["clean"] for marker in markers],
            "fold_shifted": [marker["shifted"] for marker in markers],
            "train_score": float(np.mean([marker["train_score"] for marker in markers])),
            "precision": markers[0]["precision"],
        }
        write_json(self.folder / RUN, self.identity() | summary | versions())
        return True


def _scores(result: dict[str, Any]) -> str:
    shifted = "" if result["shifted"] is None else f", shifted {result['shifted']:.4f}"
    return f"clean {result['clean']:.4f}{shifted}"


def _filled(config: Any) -> Any:
    """A stored recipe with the keys that came after it was made: their defaults are what it had."""
    try:
        return RecipeConfig.model_validate(config).model_dump(mode="json")
    except ValidationError:
        return config


def scored_folds(prepared: Prepared) -> list[int]:
    """Folds that are held out in turn; negative numbers mark rows that never are."""
    return sorted(fold for fold in set(prepared.folds.tolist()) if fold >= 0)


def check_names(contest: ContestConfig, recipe: RecipeConfig) -> None:
    """ConfigError or NetError for a view, shift, network or transform that there is not: hours later is too late.

    NetError, too, for a network that would see a part of the image.
    """
    Battery.from_config(contest.shift)
    spec = member_spec(recipe, len(contest.classes))
    check_sees(spec["net"]["name"], completed(recipe.net).args, recipe.size)
    check_growth(recipe)
    compose(policy_steps(recipe.augment.policy))


def versions() -> dict[str, Any]:
    """What made an artefact."""
    made_by = {"kit": kit.__version__, "python": platform.python_version(), "torch": torch.__version__}
    return {"versions": made_by | {"timm": timm.__version__, "numpy": np.__version__}, "time": time.time()}


def train_recipe(
    contest: ContestConfig,
    prepared: Prepared,
    recipe: RecipeConfig,
    workspace: Workspace,
    echo: Echo = print,
    folds: Sequence[int] | None = None,
    ranks: Ranks = ALONE,
    batch_share: float = 1.0,
) -> None:
    """Trains every missing fold of `recipe` (or of `folds`) on the best device; reuses what is there.

    batch_share: of the recipe's batch, where memory is short. ranks: this process among those that call it alike, to
    train each fit together.
    """
    every = scored_folds(prepared)
    unknown = sorted(set(folds or []) - set(every))
    if unknown:
        raise TrainError(f"fold must be one of {every}, but got {unknown[0]}. See folds.csv, or `kit folds`")
    trainer = Trainer(contest, prepared, recipe, workspace, pick_device(ranks.local), batch_share, ranks=ranks)
    trainer.train(folds or every, echo)
