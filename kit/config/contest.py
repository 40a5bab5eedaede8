"""Contest, recipe and platform files: TOML, validated, unknown keys refused with the near one named.

A file holds only what differs from the defaults below. Its header is a claim: the command, the time it takes,
the score to expect. A name is looked up as a path first, then as `configs/<kind>/<name>.toml` in the current
directory, then in the kit's own checkout.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kit.errors import ConfigError, did_you_mean
from kit.metrics.registry import get_metric, is_own
from kit.workspace import PROJECT

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Severity = Annotated[int, Field(ge=1, le=5)]


def _one_folder(name: str) -> str:
    if not name.strip() or name.startswith(".") or "/" in name or "\\" in name:
        raise ValueError(f"name must do for a folder (no slash, no dot in front), but got {name!r}")
    return name


FolderName = Annotated[str, AfterValidator(_one_folder)]
"""Artefacts lie in a folder of that name."""


def _known_metric(name: str) -> str:
    try:
        if not is_own(name):  # a file of the user's own is looked for where the contest file is known
            get_metric(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return name


class Section(BaseModel):
    """A table of a TOML file: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


# ---------------------------------------------------------------------------------------------- contest
class DataConfig(Section):
    """Where the training data lie and their form."""

    kind: Literal["practice", "npz", "folder", "csv", "medmnist", "zip", "parquet", "hdf5"] = "npz"
    path: str = ""
    """The file or folder; csv: the table; medmnist: the npz, or a name that the `medmnist` package downloads."""
    images: str | tuple[str, ...] = ""
    """npz, hdf5: key of the images; csv, parquet: folder or zip of the images, beside the table, or a list of several;
    medmnist: folder of its downloads.

    Guessed, and said, when empty.
    """
    labels: str = ""
    """npz: key of the labels; csv: column of the labels; npy: the file of the labels, beside the images."""
    label_pattern: str = ""
    """folder, zip: regular expression whose first group, found in a file's name, is its label: "^([a-z]+)\\."."""
    id_column: str = ""
    group_column: str = ""
    """csv: column, npz: key; rows of one value (patient, slide) stay in one fold."""
    fold_column: str = ""
    """csv: column, npz: key of the user's own folds or splits, used by [folds] kind = "column"."""
    splits: tuple[str, ...] = ()
    """medmnist: which of its splits are read as training data; train and val when empty."""
    test: str = ""
    """Unlabelled test images, where the contest hands them out: a folder, zip, npz, npy or csv."""
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
    def _pattern_with_a_group(self) -> DataConfig:
        if not self.label_pattern:
            return self
        try:
            groups = re.compile(self.label_pattern).groups
        except re.error as error:
            raise ValueError(f"label_pattern must be a regular expression ({error}): {self.label_pattern!r}") from None
        if not groups:
            raise ValueError(f"label_pattern must have a group, the label, in brackets, but got {self.label_pattern!r}")
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


View = Literal["identity", "rot90", "rot180", "rot270", "hflip", "vflip", "transpose", "antitranspose"]
"""The symmetries of the square, by the names that test-time views have."""


def _closed(symmetries: tuple[str, ...]) -> tuple[str, ...]:
    if "identity" not in symmetries:
        raise ValueError(f'symmetries must hold "identity", which leaves an image as it is, but got {list(symmetries)}')
    return symmetries


Symmetries = Annotated[tuple[View, ...], AfterValidator(_closed)]


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
    """The recipes in play, by the kind of machine that can train them; chosen by the situation where both are empty."""

    gpu: tuple[str, ...] = ()
    cpu: tuple[str, ...] = ()


class ContestConfig(Section):
    """One contest."""

    name: FolderName
    title: str = ""
    classes: tuple[str, ...]
    """Names in the order of the integer labels."""
    image_size: Count
    """Height and width of the images that the platform hands in."""
    metric: Annotated[str, AfterValidator(_known_metric)] = "accuracy"
    """accuracy, balanced_accuracy, macro_f1, micro_f1, weighted_f1, quadratic_kappa, matthews, log_loss, roc_auc,
    top5_accuracy, map@5 (any number), or the user's own: "my_metric.py:score"."""
    expects: Literal["auto", "clean", "shifted"] = "auto"
    """What the hidden test is expected to look like; augmentation, views and the selection score follow it.

    auto: unlabelled test images decide where the contest hands some out; else it is a bet on clean, and said to be one.
    """
    seed: int = 2024
    platform: str = "codabench-timm"
    data: DataConfig = DataConfig()
    clean: CleanConfig = CleanConfig()
    folds: FoldsConfig = FoldsConfig()
    shift: ShiftConfig = ShiftConfig()
    policy: PolicyConfig = PolicyConfig()
    recipes: RecipeSets = RecipeSets()

    scenario: Literal["contest", "natural", "laboratory"] = "contest"
    """Which kind of shift selection follows; set by expects = "contest", "natural" or "laboratory"."""

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


# ----------------------------------------------------------------------------------------------- recipe
class NetConfig(Section):
    """The network, by name (`kit nets` lists them), and what it starts from."""

    name: str
    args: dict[str, Any] = {}
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
    sampling: Literal["natural", "weighted", "oversample", "smote", "smote_embeddings"] = "natural"
    """How rare classes are brought up in the training part: rows drawn by class, repeated, or made up (SMOTE).

    "smote" blends pixels; "smote_embeddings" what the head is given, in a fit of the head alone.
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
    bn: Literal["train", "frozen"] = "train"
    """Whether BatchNorm's running statistics move."""
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
    """Test-time views; the out-of-fold rows see the same. auto: the image, and a symmetry that keeps the label."""
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


# --------------------------------------------------------------------------------------------- platform
class PlatformConfig(Section):
    """What a platform runs, and its limits."""

    name: str = ""
    title: str = ""
    artefact: Literal["code", "predictions", "notebook"] = "code"
    """What is handed in: a zip with a class, a file of predictions, or a notebook with its weights."""
    runtimes: tuple[Literal["timm", "torch", "onnx", "tensorflow"], ...] = ("timm",)
    """What the networks may run in; of several, packing takes the fastest that agrees."""
    class_name: str = "Model"
    constructor: Literal["", "path"] = ""
    """What the class is called with: nothing, or the folder of the submission."""
    input: Literal["numpy", "tensorflow"] = "numpy"
    output: Literal["labels", "tensor"] = "labels"
    """What `predict` is given and returns: arrays, or a TensorFlow tensor each."""
    submits: Literal["auto", "labels", "probabilities"] = "auto"
    """Labels (N,), or probabilities (N, C) in the order of the classes. auto: a file what the contest's metric takes, a
    class labels."""
    method: str = "predict"
    """The method of the class that is called with the images."""
    weights_folder: str = ""
    """Folder of the zip that holds everything but model.py; "" for a flat zip."""
    marker: str = ""
    """Name of an empty file that must lie in the zip."""
    predictions_file: str = ""
    id_column: str = "id"
    label_column: str = "label"
    label_form: Literal["auto", "index", "name", "one_hot"] = "auto"
    """Form of a predictions file: a label's number, its name, or a column a class. auto: as in the sample, else its
    number. The columns and their order are the sample's, where there is one."""
    python: str = "3.9"
    """Version of the platform's Python; model.py keeps to its syntax."""
    packages: dict[str, str] = {}
    """Importable packages with their versions ("" for any)."""
    max_mb: Positive | None = None
    max_seconds: Positive | None = None
    max_memory_mb: Positive | None = None
    shm_mb: Positive = 64
    """Size of /dev/shm; Docker's default starves DataLoader workers."""
    threads: Count | None = None
    gpu: bool = False
    """notebook: whether it asks for a GPU."""
    network: bool = False
    """Whether the platform lets a submission reach the network; rehearsals never do."""
    rehearsal_rows: Count = 2000

    @model_validator(mode="after")
    def _known_python(self) -> PlatformConfig:
        if not self.python.startswith("3."):
            raise ValueError(f'python must be "3.x", but got {self.python!r}')
        return self

    @model_validator(mode="after")
    def _names_its_predictions(self) -> PlatformConfig:
        if self.artefact != "code" and not self.predictions_file:
            raise ValueError(f"artefact {self.artefact!r} needs predictions_file, the name of what is handed in")
        return self


# ---------------------------------------------------------------------------------------------- loading
Config = TypeVar("Config", bound=BaseModel)
KINDS = ("contests", "recipes", "platforms", "sweeps")


def load_contest(name: str | Path) -> ContestConfig:
    """The contest of that name or path; ConfigError when it is missing or breaks a rule."""
    values, path = read_toml("contests", name)
    made = parse(ContestConfig, values, path)
    if not is_own(made.metric):
        return made
    beside = path.parent / made.metric  # where the file is found nowhere, the message names it as it was written
    found = str(beside) if Path(str(beside).rpartition(":")[0]).is_file() else made.metric
    get_metric(found)
    return made.model_copy(update={"metric": found})


def load_recipe(name: str | Path) -> RecipeConfig:
    """The recipe of that name or path, named after its file."""
    values, path = read_toml("recipes", name)
    return parse(RecipeConfig, {"name": path.stem} | values, path)


def load_platform(name: str | Path) -> PlatformConfig:
    """The platform of that name or path, named after its file."""
    values, path = read_toml("platforms", name)
    return parse(PlatformConfig, {"name": path.stem} | values, path)


def folders(kind: str) -> list[Path]:
    """Where files of `kind` lie, nearest first."""
    assert kind in KINDS
    return list(dict.fromkeys([Path.cwd() / "configs" / kind, PROJECT / "configs" / kind]))


def list_names(kind: str) -> list[str]:
    """Sorted names of all files of `kind`."""
    return sorted({path.stem for folder in folders(kind) for path in folder.glob("*.toml")})


def find(kind: str, name: str | Path) -> Path:
    """The file of that name or path; ConfigError names the near one."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return path
    for folder in folders(kind):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = list_names(kind)
    raise ConfigError(
        f"{kind[:-1]} must be a TOML file or one of {', '.join(known) or '(none)'}, but got {str(name)!r}."
        f"{did_you_mean(str(name), known)}"
    )


def read_toml(kind: str, name: str | Path) -> tuple[dict[str, Any], Path]:
    """The raw values of a file of `kind`, and its path."""
    path = find(kind, name)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}). Fix the file.") from error


def parse(model: type[Config], values: dict[str, Any], path: Path) -> Config:
    """`values` as `model`; ConfigError lists every rule that is broken, with the near key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, problem) for problem in error.errors()]
        raise ConfigError(f"{path}: " + "; ".join(lines)) from error


def _explain(model: type[BaseModel], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        near = did_you_mean(str(problem["loc"][-1]), known)
        return f"unknown key {where!r}.{near} Known: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"key {where!r} is missing. Add it"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    return f"{where}: {problem['msg']}, but got {problem['input']!r}"


def _keys_at(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    place: Any = model
    for part in loc:
        if _is_section(place):
            field = place.model_fields.get(str(part))
            place = field.annotation if field else None
        else:  # tables by a name of the user's choice
            place = get_args(place)[1] if get_origin(place) is dict else None
    return list(place.model_fields) if _is_section(place) else []


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
