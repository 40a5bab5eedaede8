"""The manifest in a zip, as far as the rehearsal goes by it: it came with the zip, so it is checked like any input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.config import FolderName
from kit.errors import RehearsalError
from kit.rehearsal.leftovers import read_json


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Member(_Part):
    recipe: FolderName
    fold: Annotated[int, Field(ge=0)] | Literal["all"]
    views: list[str]


class _Images(_Part):
    arrays: bool | None = None
    range: tuple[float, float] | None = Field(default=None, strict=False)


class _Expected(_Part):
    point: float
    low: float
    high: float


class _Manifest(_Part):
    recipes: list[FolderName] = Field(min_length=1)
    members: list[_Member] = Field(min_length=1)
    digests: dict[str, str]
    images: _Images | None = None
    expected: _Expected | None = None


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The kit's manifest at `path`; None where there is none, as in zips that others made.

    Names of recipes lead into the store, so that they must be plain names. RehearsalError where a rule is broken.
    """
    if not path.is_file():
        return None
    manifest = read_json(path)
    if manifest is None:
        raise RehearsalError(f"{path.name} in the zip is no JSON. Pack it again: kit package")
    if not isinstance(manifest, dict) or "members" not in manifest:
        return None
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RehearsalError(
            f"{path.name} in the zip: {where}: {first['msg']}, but got {str(first['input'])[:80]!r}. Pack it again: "
            f"kit package"
        ) from error
    return manifest
