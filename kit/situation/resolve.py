"""A recipe's "auto" becomes what the contest's situation makes of it; what is stored with a run is the outcome."""

from __future__ import annotations

from kit.config import AugmentConfig, ContestConfig, RecipeConfig, TrainConfig
from kit.data.prepared import Prepared
from kit.inference.model import VIEWS
from kit.situation.balance import sampling
from kit.situation.situation import Situation, find_situation
from kit.situation.views import expanded
from kit.workspace import Workspace

FEWEST_EPOCHS, MOST_EPOCHS = 8, 120
STRONGER = 2.0
"""Rotation of the strong preset, of things that stand upright, in that of the mild one."""


def resolve(
    recipe: RecipeConfig, contest: ContestConfig, prepared: Prepared, workspace: Workspace
) -> RecipeConfig:
    """The recipe for this contest, whose situation is found where the recipe leaves something to it."""
    if _asks(recipe):
        found = find_situation(contest, prepared, workspace)
        rows = min((len(prepared.split(fold).train) for fold in prepared.fold_numbers), default=len(prepared.ids))
        recipe = resolved(recipe, found, rows)
    return _sampled(recipe.model_copy(update={"views": expanded(recipe.views)}), contest, prepared)


def is_open(recipe: RecipeConfig) -> bool:
    """Whether `resolve` would change the recipe."""
    return _asks(recipe) or recipe.train.sampling == "auto" or expanded(recipe.views) != recipe.views


def _asks(recipe: RecipeConfig) -> bool:
    """Whether the recipe leaves something to the situation."""
    augment = recipe.augment
    asked = (augment.symmetries, augment.rotate) + ((augment.crop, augment.colour) if augment.preset == "mild" else ())
    drawn = augment.preset == "auto" or (augment.preset in ("mild", "strong") and None in asked)
    return drawn or recipe.views == ("auto",) or recipe.train.steps > 0


def resolved(recipe: RecipeConfig, found: Situation, rows: int) -> RecipeConfig:
    """The recipe in a situation, for `rows` training rows a fold."""
    augment = _augment(recipe.augment, found)
    views = _views(augment, found) if recipe.views == ("auto",) else recipe.views
    return recipe.model_copy(update={"augment": augment, "train": _train(recipe.train, rows), "views": views})


def _sampled(recipe: RecipeConfig, contest: ContestConfig, prepared: Prepared) -> RecipeConfig:
    if recipe.train.sampling != "auto":
        return recipe
    weighted = recipe.train.class_weights != "none"
    drawn = "natural" if weighted else sampling(contest.metric, prepared.labels)
    train = recipe.train.model_copy(update={"sampling": drawn})
    return recipe.model_copy(update={"train": train})


def _views(augment: AugmentConfig, found: Situation) -> tuple[str, ...]:
    """The image itself, and one symmetry that keeps the label where training shows it too."""
    order = ("hflip", "transpose") if found.expects == "clean" else ("transpose", "hflip")
    shown = augment.symmetries if augment.preset in ("mild", "strong") else ()
    return ("identity", *[name for name in (*order, *VIEWS[1:]) if name in (shown or ())][:1])


def _augment(augment: AugmentConfig, found: Situation) -> AugmentConfig:
    preset = augment.preset
    if preset == "auto":
        preset = "mild" if found.expects == "clean" else "strong"
    if preset not in ("mild", "strong"):
        return augment
    may = found.allowed
    symmetries = may.symmetries if augment.symmetries is None else augment.symmetries
    rotate = may.rotate
    if preset == "strong":
        rotate = 180.0 if "rot90" in symmetries else STRONGER * may.rotate
    wanted = {"rotate": rotate} | ({"crop": may.crop, "colour": may.colour} if preset == "mild" else {})
    missing = {name: value for name, value in wanted.items() if getattr(augment, name) is None}
    return augment.model_copy(update={"preset": preset, "symmetries": symmetries} | missing)


def _train(train: TrainConfig, rows: int) -> TrainConfig:
    if not train.steps:
        return train
    epochs = train.steps / max(1, rows // train.batch_size)
    return train.model_copy(update={"epochs": float(min(max(round(epochs), FEWEST_EPOCHS), MOST_EPOCHS)), "steps": 0})
