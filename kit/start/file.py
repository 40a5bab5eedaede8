"""The contest file that `kit init` writes: valid TOML, with what was seen and what was unsure as comments."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.config import PlatformConfig
from kit.data.forms.form import Form
from kit.start.survey import Survey

WIDTH = 110


def contest_text(
    name: str,
    found: Form,
    looks: Survey,
    platform: str,
    recipes: Mapping[str, Sequence[str]],
    facts: Sequence[str],
    doubts: Sequence[str],
    command: str,
    sample: Path | None = None,
    metric: str = "",
) -> str:
    """The file of the contest `name`."""
    lines = [
        f"# {name}: written by kit init. {command}",
        *_comments("Seen: ", facts),
        *_comments("UNSURE: ", doubts),
        f"name = {_value(name)}",
        "# In the order of the integer labels.",
        f"classes = {_value(found.classes)}",
        "# Height and width to which every image is brought, and in which the platform passes them.",
        f"image_size = {looks.image_size}",
        f"platform = {_value(platform)}  # kit platforms lists them",
        f"{'' if metric else '# '}metric = {_value(metric or 'accuracy')}  # what the contest judges by; "
        "docs/reference.md has the others",
        '# expects = "auto"  # or clean, shifted: what the hidden test looks like. auto: test images tell, else a bet',
        "",
        "[data]",
        f"kind = {_value(found.kind)}",
        *([f"path = {_value(found.path)}"] if found.path else []),
        *(f"{key} = {_value(value)}" for key, value in found.data.items()),
        *([f"test = {_value(found.test)}"] if found.test else []),
        *([f"sample = {_value(str(sample))}"] if sample is not None else []),
        f"resize = {_value(looks.resize)}  # or crop, pad",
        "",
        "# Left out, recipes are picked by expects, machine, minutes and the weights that are here. Now that would be:",
        "# [recipes]  # configs/recipes has more",
        *(f"# {machine} = {_value(names)}" for machine, names in recipes.items()),
    ]
    return "\n".join(lines) + "\n"


def platform_text(name: str, base: str, asked: PlatformConfig) -> str:
    """A platform file with the sample's columns."""
    keys = asked.model_dump(exclude_defaults=True, exclude={"name", "packages"})
    packages = [f"{key} = {_value(value)}" for key, value in asked.packages.items()]
    return "\n".join(
        [
            f"# {name}: {base} with the columns of the contest's sample submission. Written by kit init.",
            *(f"{key} = {_value(value)}" for key, value in keys.items()),
            *(["", "[packages]", *packages] if packages else []),
            "",
        ]
    )


def _comments(start: str, lines: Iterable[str]) -> list[str]:
    return [
        part
        for line in lines
        for part in textwrap.wrap(start + " ".join(line.split()), WIDTH, initial_indent="# ", subsequent_indent="#   ")
    ]


def _value(value: Any) -> str:
    """A TOML value: strings as JSON writes them, which TOML reads alike."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
