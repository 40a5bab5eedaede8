"""The recipe's file: a network, what training does to its images, and how it is fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kit.config.section import Count, FolderName, Positive, Section, Share, Symmetries


class NetConfig(Section):
    """The network, by name (`kit nets` lists them), and what it starts from."""

    name: str
    args: dict[str, Any] = Field(default_factory=dict)
    pretrained: bool | str = False
    """true: where they are found (`kit weights`); "file.safetensors": that local file; false: none."""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    """Normalisation of the 0..1 scaled channels; that of its weights, else the network's own, where it is left out."""


Family = Literal[
    "blur", "colour", "compression", "geometry", "illumination", "noise", "occlusion", "resolution", "tone"
]
"""Kinds of shift, of the battery and of the training operators alike."""


class AugmentConfig(Section):
    """What training does to an image; presets are explained by `kit augment`."""

    preset: Literal["auto", "none", "flips", "classic", "mild", "strong"] = "auto"
    """auto: mild where the hidden test is expected to be like the training data, strong where it is shifted."""
    symmetries: Symmetries | None = None
    """Symmetries of the square that an image may be given (presets `mild`, `strong`); found from the data if not given.

    All eight stand for quarter turns, flips and rotation by any angle.
    """
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] | None = None
    """Degrees to either side (preset `mild`; `strong` without quarter turns); found from the data if not given."""
    crop: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Least share of the area that a crop keeps (preset `mild`); found from the data if not given."""
    colour: Share | None = None
    """Range of brightness, contrast and saturation (preset `mild`); found from the data if not given."""
    operators: tuple[int, int] = (0, 4)
    """Fewest and most operators an image, drawn evenly (preset `strong`)."""
    magnitude: Share = 1.0
    """Share of each operator's full range (preset `strong`)."""
    clean_share: Share = 0.1
    """Share of images that only get flips and quarter turns (preset `strong`)."""
    without: tuple[Family, ...] = ()
    """Families whose operators are not drawn (preset `strong`): what the network then does under them is honest."""
    mixup: Annotated[float, Field(ge=0.0)] = 0.0
    cutmix: Annotated[float, Field(ge=0.0)] = 0.0
    """Beta parameters; 0 is off."""
    cutout: Share = 0.0
    """Side, as a share of the image's, of a square that is blanked in every image; 0: none."""
    mix_share: Share = 0.5
    """Share of batches that are mixed, where mixup or cutmix is on."""
    policy: str | tuple[dict[str, Any], ...] = ()
    """albumentations' transforms, by name with their arguments, or a preset of such; before `preset`'s."""

    @model_validator(mode="after")
    def _ordered_operators(self) -> AugmentConfig:
        low, high = self.operators
        if not 0 <= low <= high:
            raise ValueError(f"operators must be [fewest, most] with 0 <= fewest <= most, but got [{low}, {high}]")
        return self

    @model_validator(mode="after")
    def _leaves_out_of_strong(self) -> AugmentConfig:
        if self.without and self.preset not in ("auto", "strong"):
            raise ValueError(f'without needs preset = "strong", whose families it names, but got {self.preset!r}')
        return self


class TrainConfig(Section):
    """The fit of one fold."""

    epochs: Positive = 20
    batch_size: Count = 64
    steps: Annotated[int, Field(ge=0)] = 0
    """Optimiser steps, from which `epochs` follow for the rows of the contest, 8 to 120 of them; 0: as given."""
    accumulate: Count = 1
    """Parts in which a batch is computed, their gradients added up: for batches that memory does not hold."""
    start_size: Annotated[int, Field(ge=0)] = 0
    """Progressive resizing: height and width of the first training images; 0: `size` from the start."""
    grow: Annotated[float, Field(gt=0.0, le=1.0)] = 0.75
    """Share of the fit after which they have grown to `size`."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "lion"] = "adamw"
    lr: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.05
    schedule: Literal["cosine", "one_cycle", "step", "constant"] = "one_cycle"
    warmup: Share = 0.15
    """Share of all steps spent warming up."""
    loss: Literal["cross_entropy", "focal", "bce"] = "cross_entropy"
    focal_gamma: Annotated[float, Field(ge=0.0)] = 2.0
    label_smoothing: Share = 0.1
    class_weights: Literal["none", "inverse", "effective"] = "none"
    """Weights of the classes in the loss."""
    sampling: Literal["auto", "natural", "weighted", "oversample", "smote", "smote_embeddings"] = "auto"
    """How rare classes are brought up in the training part: rows drawn by class, repeated, or made up (SMOTE).

    "auto": every class as often where the metric counts classes alike (AUC, balanced accuracy, macro F1), the largest
    has ten times the rows of the smallest and the loss has no weights; else as rows come. "smote" blends pixels;
    "smote_embeddings" what the head is given, in a fit of the head alone.
    """
    clip_grad: Annotated[float, Field(ge=0.0)] = 1.0
    ema_decay: Share = 0.0
    """0: the last weights are kept; else their exponential moving average."""
    swa: Share = 0.0
    """Share of the fit, its tail, whose epochs are averaged equally; 0: none."""
    soup: Literal["none", "uniform", "greedy"] = "none"
    """How the epochs of that tail are averaged instead: greedy keeps those that help on the inner split."""
    recalibrate_bn: bool = False
    """Recompute BatchNorm's statistics over the training rows at the end."""
    seed: int = 0


class StoppingConfig(Section):
    """Early stopping, on an inner split of the training part, never on the rows that are scored."""

    share: Share = 0.0
    """Share of the training part that is watched and not trained on; 0: off."""
    patience: Count = 5
    """Epochs without a smaller loss after which the fit ends with the best epoch's weights."""
    plateau_patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a smaller loss after which the learning rate falls; 0: it does not."""
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5


class ContrastiveConfig(Section):
    """Supervised contrastive pre-training, before the classifier is trained."""

    share: Share = 0.0
    """Share of the fit that it takes; 0: none."""
    temperature: Positive = 0.1
    dim: Count = 128
    """Length of the projections that are compared."""
    then: Literal["linear", "full"] = "linear"
    """What learns afterwards: the head alone, or everything."""


class FinetuneConfig(Section):
    """Which layers of a pretrained network learn when, and how fast."""

    head: Literal["random", "probe"] = "random"
    """How the head starts. probe: fitted to the frozen body's features first, so that the body does not unlearn what it
    knows while the head is still random (LP-FT, arXiv:2202.10054)."""
    frozen: Share = 0.0
    """Share of the fit for which the head alone learns; 1: feature extraction."""
    blocks: Annotated[int, Field(ge=0)] | None = None
    """How many layers before the head learn after that; all where it is not given."""
    gradual: bool = False
    """They are let go one by one over the rest of the fit, the last first."""
    body_lr: Positive = 1.0
    """Factor on the learning rate of all but the head."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor on the learning rate for every layer further from the head."""
    bn: Literal["train", "frozen", "matched"] = "train"
    """Whether BatchNorm's running statistics move. matched: they do, from those of these images, with scales that keep
    what the pretrained network computes."""
    head_l1: Annotated[float, Field(ge=0.0)] = 0.0
    head_l2: Annotated[float, Field(ge=0.0)] = 0.0
    """Penalties on the head's weights, added to the loss."""


class RecipeConfig(Section):
    """One way to train a network; the unit that the leaderboard ranks."""

    name: FolderName = ""
    """That of its file where it is not given."""
    net: NetConfig
    size: Count
    """Height and width at which the network sees the image."""
    views: tuple[str, ...] = ("auto",)
    """Test-time views; the out-of-fold rows see the same. auto: the image, and a symmetry that keeps the label. A name
    of ttach's aliases stands for its views: d4_transform, flip_transform, hflip_transform."""
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    stopping: StoppingConfig = StoppingConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()

    @model_validator(mode="after")
    def _views_alone(self) -> RecipeConfig:
        if "auto" in self.views and len(self.views) > 1:
            raise ValueError(f'views must be a list of names, or "auto" alone, but got {list(self.views)}')
        return self

    @model_validator(mode="after")
    def _embeddings_stay(self) -> RecipeConfig:
        head_alone = self.finetune.frozen == 1 or self.finetune.blocks == 0
        if self.train.sampling == "smote_embeddings" and (not head_alone or self.contrastive.share):
            raise ValueError(
                'train.sampling = "smote_embeddings" needs a body that does not change: set finetune.frozen = 1, '
                "and no [contrastive]"
            )
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RecipeConfig:
        if self.train.soup != "none" and self.train.swa == 0:
            raise ValueError(f'train.soup = "{self.train.soup}" needs train.swa, the share of the fit it is made of')
        if self.train.start_size > self.size:
            raise ValueError(f"train.start_size must be at most size = {self.size}, but got {self.train.start_size}")
        if self.train.soup == "greedy" and self.stopping.share == 0:
            raise ValueError('train.soup = "greedy" needs stopping.share: it is chosen on rows that are not scored')
        return self
