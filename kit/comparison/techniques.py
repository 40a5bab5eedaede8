"""Techniques that studies compare: each takes a recipe to the same one with it, or without it where it has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kit.config import RecipeConfig

Switch = Callable[[RecipeConfig], RecipeConfig | None]

NORMALISED = {"kit/cnn": "none", "kit/unet": "batch", "kit/residual": "batch"}
"""Networks whose normalisation is an argument, and what it is where the argument is left out."""

CONTRASTIVE_SHARE = 0.5
FROZEN_SHARE, BODY_LR = 0.4, 0.1
"""Fine-tuning after feature extraction: the head alone first, then all at a smaller rate (Kornblith et al. 2019)."""


@dataclass(frozen=True)
class Technique:
    """A name, whether a recipe uses it, and the recipe with it turned over (None where it does not apply)."""

    name: str
    used: Callable[[RecipeConfig], bool]
    turned: Switch

    def variant(self, recipe: RecipeConfig) -> RecipeConfig | None:
        """The other recipe of the pair, named after what differs: `study1_cnn+smote`, `resnet-pretrained`."""
        made = self.turned(recipe)
        sign = "-" if self.used(recipe) else "+"
        return None if made is None else made.model_copy(update={"name": f"{recipe.name}{sign}{self.name}"})


def _changed(recipe: RecipeConfig, section: str, **values: Any) -> RecipeConfig:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=values)})


def _augmented(recipe: RecipeConfig) -> bool:
    return recipe.augment.preset != "none" or bool(recipe.augment.policy)


def _augmentation(recipe: RecipeConfig) -> RecipeConfig:
    return _changed(recipe, "augment", preset="none", policy=() if _augmented(recipe) else "classic")


def _norm(recipe: RecipeConfig) -> str | None:
    if recipe.net.name not in NORMALISED:
        return None
    return str(recipe.net.args.get("norm", NORMALISED[recipe.net.name]))


def _with_norm(recipe: RecipeConfig, norm: str) -> RecipeConfig:
    return _changed(recipe, "net", args=recipe.net.args | {"norm": norm})


def _batch_norm(recipe: RecipeConfig) -> RecipeConfig | None:
    if recipe.net.name != "kit/cnn" or _norm(recipe) == "group":  # the one of NORMALISED that does without
        return None
    return _with_norm(recipe, "none" if _norm(recipe) == "batch" else "batch")


def _group_norm(recipe: RecipeConfig) -> RecipeConfig | None:
    if _norm(recipe) not in ("batch", "group"):
        return None
    return _with_norm(recipe, "batch" if _norm(recipe) == "group" else "group")


def _smoted(recipe: RecipeConfig) -> bool:
    return recipe.train.sampling in ("smote", "smote_embeddings")


def _smote(recipe: RecipeConfig) -> RecipeConfig:
    return _changed(recipe, "train", sampling="natural" if _smoted(recipe) else "smote")


def _class_weights(recipe: RecipeConfig) -> RecipeConfig:
    return _changed(recipe, "train", class_weights="inverse" if recipe.train.class_weights == "none" else "none")


def _extracts(recipe: RecipeConfig) -> bool:
    return bool(recipe.net.pretrained) and recipe.finetune.frozen == 1


def _fine_tuning(recipe: RecipeConfig) -> RecipeConfig | None:
    if not recipe.net.pretrained:
        return None
    if _extracts(recipe):
        return _changed(recipe, "finetune", frozen=FROZEN_SHARE, body_lr=BODY_LR, bn="frozen")
    return _changed(recipe, "finetune", frozen=1.0, blocks=None, gradual=False)


def _pretraining(recipe: RecipeConfig) -> RecipeConfig | None:
    """Random weights instead, from which all layers learn: nothing can be extracted from them."""
    if not recipe.net.pretrained:
        return None
    bare = _changed(recipe, "net", pretrained=False)
    return _changed(bare, "finetune", frozen=0.0, blocks=None, gradual=False, body_lr=1.0, bn="train")


def _contrastive(recipe: RecipeConfig) -> RecipeConfig:
    return _changed(recipe, "contrastive", share=0.0 if recipe.contrastive.share else CONTRASTIVE_SHARE)


TECHNIQUES = (
    Technique("augmentation", _augmented, _augmentation),
    Technique("batch_norm", lambda recipe: _norm(recipe) == "batch", _batch_norm),
    Technique("group_norm", lambda recipe: _norm(recipe) == "group", _group_norm),
    Technique("smote", _smoted, _smote),
    Technique("class_weights", lambda recipe: recipe.train.class_weights != "none", _class_weights),
    Technique("fine_tuning", lambda recipe: bool(recipe.net.pretrained) and not _extracts(recipe), _fine_tuning),
    Technique("pretraining", lambda recipe: bool(recipe.net.pretrained), _pretraining),
    Technique("supcon", lambda recipe: recipe.contrastive.share > 0, _contrastive),
)
"""All but shuffling, which is a matter of the folds."""

SHUFFLING = "shuffling"
NAMES = (*(technique.name for technique in TECHNIQUES), SHUFFLING)
