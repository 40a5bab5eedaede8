"""The contest's file: where its data lie, how they are cleaned and held out, what the hidden test is expected to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from kit.config.section import Count, FolderName, Section, Severity, Share, Symmetries
from kit.errors import ConfigError
from kit.metrics.registry import get_metric, is_own


def _known_metric(name: str) -> str:
    try:
        if not is_own(name):  # a file of the user's own is looked for where the contest file is known
            get_metric(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return name


class DataConfig(Section):
    """Where the training data lie and their form."""

    kind: Literal["practice", "npz", "folder", "csv", "medmnist", "zip", "parquet", "hdf5"] = "npz"
    path: str = ""
    """The file or folder; csv: the table; medmnist: the npz, or a name that the `medmnist` package downloads."""
    images: str | tuple[str, ...] = ""
    """npz, hdf5: key of the images; csv, parquet: folder or zip of the images, beside the table, or a list of several;
    folder: a list of folders in it that hold the classes, each a split; medmnist: folder of its downloads.

    Guessed when empty, with a note.
    """
    labels: str = ""
    """npz: key of the labels, or the file that holds them, beside that of the images; csv: column; npy: that file."""
    label_pattern: str = ""
    """folder, zip: regular expression whose first group, found in a file's name, is its label: "^([a-z]+)\\."."""
    group_pattern: str = ""
    """folder, zip, csv: regular expression whose first group, found in a file's name (csv: an id) or else in its path,
    is its patient or slide: images of one value stay in one fold."""
    id_column: str = ""
    group_column: str = ""
    """csv: column, npz: key; rows of one value (patient, slide) stay in one fold."""
    fold_column: str = ""
    """csv: column, npz: key of the user's own folds or splits, used by [folds] kind = "column"."""
    splits: tuple[str, ...] = ()
    """medmnist: which of its splits are read as training data; train and val when empty."""
    test: str = ""
    """Unlabelled test images, where the contest hands them out: a folder, zip, npz, npy or csv."""
    sample: str = ""
    """The contest's sample_submission.csv, where a file of predictions is submitted: its columns, ids and order."""
    resize: Literal["squash", "crop", "pad"] = "squash"
    """How an image of another shape becomes square: whole and distorted, central square, black borders."""
    on_error: Literal["raise", "skip", "repair"] = "raise"
    """What an unreadable image does: stops the run, is left out, or is decoded as far as it goes."""

    @property
    def image_places(self) -> tuple[str, ...]:
        """`images` as a list."""
        return (self.images,) if isinstance(self.images, str) else self.images

    @property
    def image_key(self) -> str:
        """`images` as the one name of an array or folder."""
        return self.images if isinstance(self.images, str) else next(iter(self.images), "")

    @model_validator(mode="after")
    def _patterns_with_a_group(self) -> DataConfig:
        for key in ("label_pattern", "group_pattern"):
            pattern = getattr(self, key)
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"{key} must be a regular expression ({error}): {pattern!r}") from None
            if pattern and not groups:
                raise ValueError(f"{key} must have a group, what it looks for, in brackets, but got {pattern!r}")
        return self


class CleanConfig(Section):
    """What cleaning groups and drops."""

    junk_copies: Count = 5
    """An image repeated at least this often under contradictory labels is junk: all copies are dropped."""
    duplicates: Literal["keep", "drop"] = "keep"
    """What becomes of further copies of an image under one label; kept ones stay in the first one's fold."""
    near_duplicates: bool = True
    """Whether re-encoded, resized, cropped, shifted, brighter, turned copies are looked for, and grouped."""
    similarity: Share | Literal["learned"] = "learned"
    """What makes two images one: learned from the data, or a correlation after alignment of one's own choice."""
    likeness: Share | None = None
    """The old name of `similarity`, taken for one version more."""
    outliers: bool = True
    """Whether images unlike the rest are suspected."""
    max_share: Share = 0.02
    """Largest share of the images that is dropped without `kit clean --accept REASON`; 0 drops nothing."""

    @model_validator(mode="after")
    def _one_name(self) -> CleanConfig:
        if self.likeness is not None and self.similarity != "learned":
            raise ValueError("similarity and likeness are two names of one thing: give similarity alone")
        return self

    @property
    def chosen_similarity(self) -> float | None:
        """The correlation that a person chose; None where it is learned."""
        return self.likeness if self.similarity == "learned" else self.similarity


class FoldsConfig(Section):
    """How rows are held out."""

    kind: Literal["group_kfold", "holdout", "column"] = "group_kfold"
    n_splits: Annotated[int, Field(ge=2)] = 5
    vault: Annotated[float, Field(ge=0.0, le=0.5)] = 0.04
    """Share of the rows that no network trains on and every fold's predicts: what averaging the folds adds shows there.

    At least 100 rows; none where those would be more than twice this share, or where one network a recipe is sent.
    """
    repeats: Count = 1
    """How often k-fold is drawn anew; the first is the one that recipes are compared on."""
    shuffle: bool = True
    """false: folds are blocks in the order of the rows, which shows what shuffling does."""
    shares: tuple[Share, ...] = (0.7, 0.3)
    """holdout: training and scored part, or training, inner validation and scored part."""
    held_out: tuple[str, ...] = ("val", "valid", "validation")
    """column: values that are scored, where the column does not hold fold numbers."""
    inner: tuple[str, ...] = ()
    """column: values that only early stopping watches."""

    @model_validator(mode="after")
    def _whole_shares(self) -> FoldsConfig:
        if len(self.shares) not in (2, 3) or abs(sum(self.shares) - 1) > 1e-6 or min(self.shares) <= 0:
            raise ValueError(f"shares must be two or three positive numbers that add up to 1, but got {self.shares}")
        return self


class ShiftConfig(Section):
    """The battery that the shifted score uses."""

    battery: Literal["default", "clean"] | list[str] = "default"
    """A list names families (`blur`), operators (`blur.motion`) or cells (`blur.motion@3`)."""
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)] = (1, 2, 3, 4, 5)
    cells_per_row: Count = 4
    """Shifted images of every row, in balance over all cells."""
    mixture_share: Share = 0.75
    """Share of them that are mixtures of two to four operators: contests draw one to four an image, about evenly."""
    seed: int = 0


class PolicyConfig(Section):
    """What the data allow in training and at test time, where the contest knows better than `kit.situation` finds."""

    symmetries: Symmetries | None = None
    """Symmetries of the square that keep the label; found from the data where it is not given."""
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] | None = None
    """Degrees to either side by which mild augmentation may turn an image."""
    crop: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Least share of an image's area that mild augmentation may cut out."""
    colour: Share | None = None
    """How far mild augmentation may change brightness, contrast and saturation."""


class RecipeSets(Section):
    """The recipes in play, by the machine that trains them. Where there is no list, the situation chooses; a GPU trains
    what is listed for a CPU alone."""

    gpu: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()


class ContestConfig(Section):
    """One contest."""

    name: FolderName
    title: str = ""
    classes: tuple[str, ...]
    """Names in the order of the integer labels."""
    image_size: Count
    """Height and width of the images that the platform passes."""
    metric: Annotated[str, AfterValidator(_known_metric)] = "accuracy"
    """accuracy, balanced_accuracy, macro_f1, micro_f1, weighted_f1, quadratic_kappa, matthews, log_loss, roc_auc,
    top5_accuracy, map@5 (any number), or the user's own: "my_metric.py:score"."""
    expects: Literal["auto", "clean", "shifted"] = "auto"
    """What the hidden test is expected to look like; augmentation, views and the selection score follow it.

    auto: unlabelled test images decide where the contest hands some out; else it is a bet on clean, and printed as one.
    """
    seed: int = 2024
    platform: str = "codabench-timm"
    ensemble: str = "best5"
    """What `make_submission.py` blends where it is told nothing else; `kit blend --help` lists the names."""
    data: DataConfig = DataConfig()
    clean: CleanConfig = CleanConfig()
    folds: FoldsConfig = FoldsConfig()
    shift: ShiftConfig = ShiftConfig()
    policy: PolicyConfig = PolicyConfig()
    recipes: RecipeSets = RecipeSets()

    scenario: Literal["contest", "natural", "laboratory"] = "contest"
    """Which kind of shift selection follows; set by expects = "contest", "natural" or "laboratory"."""

    @property
    def sample_file(self) -> Path | None:
        """The file of [data] sample; None where there is none."""
        return Path(self.data.sample).expanduser() if self.data.sample else None

    @model_validator(mode="before")
    @classmethod
    def _scenario_expected(cls, values: Any) -> Any:
        """A scenario that `expects` names is a kind of shift."""
        if isinstance(values, dict) and values.get("expects") in ("contest", "natural", "laboratory"):
            return values | {"expects": "shifted", "scenario": values["expects"]}
        return values

    @model_validator(mode="after")
    def _distinct_classes(self) -> ContestConfig:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must be two or more different names, but got {list(self.classes)}")
        return self
