"""What the models of all config files share: a table of TOML, and the types of its values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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


class Section(BaseModel):
    """A table of a TOML file: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


View = Literal["identity", "rot90", "rot180", "rot270", "hflip", "vflip", "transpose", "antitranspose"]
"""The symmetries of the square, by the names that test-time views have."""


def _closed(symmetries: tuple[str, ...]) -> tuple[str, ...]:
    if "identity" not in symmetries:
        raise ValueError(f'symmetries must hold "identity", which leaves an image as it is, but got {list(symmetries)}')
    return symmetries


Symmetries = Annotated[tuple[View, ...], AfterValidator(_closed)]
