"""The search space: what Optuna draws, as a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from kit.config import RecipeConfig, parse
from kit.errors import ConfigError
from kit.sweep.config import AxisConfig

Space = Mapping[str, AxisConfig]
PLAIN = (str, int, float, bool, type(None))


class Draws(Protocol):
    """The part of an Optuna trial that draws."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


def encode(value: Any) -> Any:
    """A choice as Optuna stores it: lists and tables as JSON."""
    return value if isinstance(value, PLAIN) else f"json:{json.dumps(value, sort_keys=True)}"


def decode(value: Any) -> Any:
    """What `encode` was given."""
    return json.loads(value[5:]) if isinstance(value, str) and value.startswith("json:") else value


def draw(trial: Draws, space: Space) -> dict[str, Any]:
    """Values of those keys whose conditions hold, in the order of the space."""
    values: dict[str, Any] = {}
    for key, axis in space.items():
        if all(other in values and values[other] in allowed for other, allowed in axis.when.items()):
            values[key] = _draw(trial, key, axis)
    return values


def _draw(trial: Draws, key: str, axis: AxisConfig) -> Any:
    if axis.choices:
        return decode(trial.suggest_categorical(key, [encode(choice) for choice in axis.choices]))
    assert axis.low is not None
    assert axis.high is not None
    if axis.whole:
        return trial.suggest_int(key, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    return trial.suggest_float(key, axis.low, axis.high, step=axis.step, log=axis.log)


def changed(base: RecipeConfig, values: Mapping[str, Any], name: str = "") -> RecipeConfig:
    """The base recipe with dotted keys set, under another name where one is given; ConfigError as of a recipe file."""
    raw = base.model_dump(mode="json")
    for key, value in values.items():
        _set(raw, key, value)
    return parse(RecipeConfig, raw | ({"name": name} if name else {}), Path(base.name))


def _set(raw: Any, key: str, value: Any) -> None:
    *way, last = key.split(".")
    inner = raw
    for part in way:
        inner = _step_into(inner, part, key)
    if isinstance(inner, list):
        inner[_index(inner, last, key)] = value
    elif isinstance(inner, dict):
        inner[last] = value
    else:
        raise ConfigError(f"{key}: must name a key of a recipe, but {'.'.join(way)} is a value ({inner!r})")


def _step_into(inner: Any, part: str, key: str) -> Any:
    if isinstance(inner, list):
        return inner[_index(inner, part, key)]
    if isinstance(inner, dict):
        return inner.setdefault(part, {})
    raise ConfigError(f"{key}: must name a key of a recipe, but what stands before {part!r} is a value ({inner!r})")


def _index(inner: list[Any], part: str, key: str) -> int:
    if not part.isdecimal() or int(part) >= len(inner):
        raise ConfigError(f"{key}: {part!r} must be a place from 0 to {len(inner) - 1} of {inner}")
    return int(part)


def value_at(base: RecipeConfig, key: str) -> Any:
    """The base recipe's own value of a dotted key; None where it has none."""
    inner: Any = base.model_dump(mode="json")
    for part in key.split("."):
        if isinstance(inner, list) and part.isdecimal() and int(part) < len(inner):
            inner = inner[int(part)]
        else:
            inner = inner.get(part) if isinstance(inner, dict) else None
    return inner


def base_params(base: RecipeConfig, space: Space) -> dict[str, Any]:
    """The base recipe as a point of the space, as far as it lies in it: the first trial starts there."""
    params = {}
    for key, axis in space.items():
        value = value_at(base, key)
        if axis.choices and value in axis.choices:
            params[key] = encode(value)
        elif axis.low is not None and isinstance(value, (int, float)) and axis.low <= value <= (axis.high or 0):
            params[key] = value
    return params


def differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> list[str]:
    """What differs between two nested tables, one line a key."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{where}{key}: ")
        elif before != after:
            lines.append(f"{where}{key}: {_shown(before)} -> {_shown(after)}")
    return lines


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)
