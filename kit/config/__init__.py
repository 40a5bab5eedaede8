"""Contest, recipe and platform files: their models, and how they are found and read."""

from kit.config.contest import (
    CleanConfig,
    ContestConfig,
    DataConfig,
    FoldsConfig,
    PolicyConfig,
    RecipeSets,
    ShiftConfig,
)
from kit.config.files import find, folders, list_names, load_contest, load_platform, load_recipe, parse, read_toml
from kit.config.platform import PlatformConfig
from kit.config.recipe import (
    AugmentConfig,
    ContrastiveConfig,
    Family,
    FinetuneConfig,
    NetConfig,
    RecipeConfig,
    StoppingConfig,
    TrainConfig,
)
from kit.config.section import Count, FolderName, Positive, Section, Share, View

__all__ = [
    "AugmentConfig",
    "CleanConfig",
    "ContestConfig",
    "ContrastiveConfig",
    "Count",
    "DataConfig",
    "Family",
    "FinetuneConfig",
    "FolderName",
    "FoldsConfig",
    "NetConfig",
    "PlatformConfig",
    "PolicyConfig",
    "Positive",
    "RecipeConfig",
    "RecipeSets",
    "Section",
    "Share",
    "ShiftConfig",
    "StoppingConfig",
    "TrainConfig",
    "View",
    "find",
    "folders",
    "list_names",
    "load_contest",
    "load_platform",
    "load_recipe",
    "parse",
    "read_toml",
]
