"""Config files by name or path: found, read, and checked against their model, unknown keys refused with the near one.

A name is looked up as a path first, then as `configs/<kind>/<name>.toml` in the current directory, then in the kit's
own checkout. A file holds only what differs from the defaults. Its header is a claim: the command, the time it takes,
the score to expect.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from kit.config.contest import ContestConfig
from kit.config.platform import PlatformConfig
from kit.config.recipe import RecipeConfig
from kit.errors import ConfigError, did_you_mean
from kit.metrics.registry import get_metric, is_own
from kit.storage import reading
from kit.workspace import PROJECT

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
        with reading(path):
            return tomllib.loads(path.read_text(encoding="utf-8")), path
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
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
