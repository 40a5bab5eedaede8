"""The calls of a rehearsal: the same images in every form that a platform might pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit.config import PlatformConfig
from kit.rehearsal.reference import Reference
from kit.rehearsal.sandbox import SUBMISSION

SOME, FEWEST_OF_SOME, SHARE_OF_SOME = 96, 32, 4
"""Rows of the calls that are made in many forms: most, fewest, and one in so many of the rehearsal's rows."""
HINTS = 24
"""Rows of calls that only tell why predictions are wrong."""
DARK, BRIGHT = 32, 8

BLENDED = 16
SINGLE = 1 + 1 + 7 + 4
"""Images of the first call, of those with 1 and 7, and of the constant ones."""

MANY, MANY_SECONDS = 5000, 150.0
"""Images of the largest call, and the seconds beyond which it is left out."""

FIRST_SECONDS = 60.0
"""Seconds for one image, predicted before all others: a class that never returns is ended then, and not at the
platform's limit. On a machine that is busy with other things, three times as many."""


@dataclass(frozen=True)
class Calls:
    """The calls that were made, for the predictions to be held against."""

    reference: Reference
    some: np.ndarray
    """(S,) rows of the reference that every form of a call holds."""
    order: np.ndarray
    """(S,) the permutation of `some` in call "permuted"."""
    many: int
    """Images of the largest call: the reference's over and over."""
    many_seconds: float = MANY_SECONDS
    """It is left out where it would take longer."""

    @property
    def blended(self) -> np.ndarray:
        """(B,) rows of the reference on which the blend is computed again from its networks' logits."""
        return self.some[:BLENDED]


def rows_of_some(rows: int) -> int:
    """How many of a rehearsal's `rows` are predicted in many forms."""
    return min(rows, SOME, max(FEWEST_OF_SOME, rows // SHARE_OF_SOME))


def images_of_calls(rows: int) -> int:
    """Images that all networks predict in the calls of a rehearsal of `rows`, the largest call left out."""
    forms = 7 * rows_of_some(rows)  # see `_forms`
    return rows + forms + 2 * HINTS + 2 * DARK + BRIGHT + BLENDED + SINGLE


def write_calls(
    reference: Reference, platform: PlatformConfig, folder: Path, many_seconds: float = MANY_SECONDS
) -> Calls:
    """Write the driver's plan and its inputs into `folder`, seen as /app/input_data."""
    rng = np.random.default_rng(1)
    count = rows_of_some(len(reference.images))
    some = np.sort(rng.permutation(len(reference.images))[:count])
    calls = Calls(reference, some, rng.permutation(count), MANY, many_seconds)
    jobs = [
        _job(folder, "first", reference.images[:1], within=FIRST_SECONDS),
        *_forms(calls, folder),
        *_sizes(calls, folder),
        *_brightness(calls, folder),
        *_members(reference, folder),
        *_blend(calls, folder),
    ]
    plan = {
        "submission": SUBMISSION,
        "class_name": platform.class_name,
        "constructor": platform.constructor,
        "method": platform.method,
        "input": platform.input,
        "jobs": jobs,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    return calls


def _job(folder: Path, name: str, images: np.ndarray, **more: Any) -> dict[str, Any]:
    file = folder / f"{name}.npy"
    np.save(file, images, allow_pickle=False)
    return {"call": "predict", "name": name, "input": f"/app/input_data/{file.name}"} | more


def _forms(calls: Calls, folder: Path) -> list[dict[str, Any]]:
    """All images once, then some of them in other orders, types and memory layouts."""
    images = calls.reference.images
    some = images[calls.some]
    return [
        _job(folder, "all", images),
        _job(folder, "some", some),
        _job(folder, "again", some),
        _job(folder, "permuted", some[calls.order]),
        _job(folder, "int64", _in_range(some, calls.reference.range, np.int64)),
        _job(folder, "float32", _in_range(some, calls.reference.range, np.float32)),
        _job(folder, "strided", some, layout="strided"),
        _job(folder, "read_only", some, layout="read_only"),
    ]


def _in_range(images: np.ndarray, bounds: tuple[float, float], dtype: type) -> np.ndarray:
    """uint8 images as arrays of another type have them; whole numbers only where the range has 255 steps."""
    low, high = bounds
    values = low + images.astype(np.float64) * ((high - low) / 255)
    if dtype is np.int64 and high - low < 255:
        return values
    return np.round(values).astype(dtype) if dtype is np.int64 else values.astype(dtype)


def _sizes(calls: Calls, folder: Path) -> list[dict[str, Any]]:
    """Calls with 1, 7, 0 and 5,000 images."""
    images = calls.reference.images
    many = images[np.arange(calls.many) % len(images)]
    return [
        _job(folder, "one", images[calls.some[:1]]),
        _job(folder, "seven", images[calls.some[:7]]),
        _job(folder, "none", images[:0]),
        _job(folder, "many", many, like="all", at_most_seconds=calls.many_seconds),
    ]


def _brightness(calls: Calls, folder: Path) -> list[dict[str, Any]]:
    """Constant and very dark images, and scales that a correct submission need not take.

    A dark image's label must not depend on whether a bright one is in the same call; the last two tell,
    when the predictions are wrong, whether the scale is the reason.
    """
    some = calls.reference.images[calls.some]
    dark = some[:DARK] // 128
    constant = np.repeat(np.array([0, 1, 128, 255], dtype=np.uint8), some[0].size).reshape(4, *some.shape[1:])
    scaled = some[:HINTS].astype(np.float32)
    return [
        _job(folder, "constant", constant),
        _job(folder, "dark", dark),
        _job(folder, "dark_and_bright", np.concatenate([dark, some[:BRIGHT]])),
        _job(folder, "divided", scaled / 255),
        _job(folder, "multiplied", scaled * 255),
    ]


def _blend(calls: Calls, folder: Path) -> list[dict[str, Any]]:
    """What a zip of the kit's makes of a few images, and the logits of every network that it makes it from."""
    manifest = calls.reference.manifest
    if manifest is None or calls.reference.adapts:
        return []
    images = calls.reference.images[calls.blended]
    members = range(len(manifest["members"]))
    return [
        _job(folder, "blend", images, call="predict_proba"),
        *(_job(folder, f"blend{m}", images, call="member_logits", arguments={"member": m}) for m in members),
    ]


def _members(reference: Reference, folder: Path) -> list[dict[str, Any]]:
    """The logits of each network on rows it was not trained on."""
    return [
        _job(
            folder,
            f"member{part.member}",
            reference.images[part.rows],
            call="member_logits",
            arguments={"member": part.member},
        )
        for part in reference.members
    ]
