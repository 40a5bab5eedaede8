"""What a submission is held against: images with known labels, and the out-of-fold logits of its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.data.prepared import Prepared
from kit.errors import RehearsalError
from kit.oof_store import OofRun
from kit.packaging.members import ALL_ROWS

MEMBER_ROWS = 200
"""Most held-out rows predicted by one network."""


@dataclass(frozen=True)
class MemberRows:
    """What one network predicted for rows it was not trained on."""

    member: int
    """Its place in the manifest."""
    rows: np.ndarray
    """(r,) int64: places in the reference's images."""
    logits: np.ndarray
    """(r, V, C) float32: from the out-of-fold store."""
    eight_bits: bool = False
    """Whether its weights were rounded to eight bits since."""


@dataclass(frozen=True)
class Reference:
    """Images to predict."""

    images: np.ndarray
    """(R, S, S, 3) uint8."""
    labels: np.ndarray
    """(R,) int64."""
    num_classes: int
    members: tuple[MemberRows, ...] = field(default=())
    adapts: bool = False
    """Whether networks adapt to the other images of a call."""
    range: tuple[float, float] = (0.0, 255.0)
    """The values that the platform's arrays of another type than uint8 have for 0 and 255."""
    manifest: Mapping[str, Any] | None = None
    """Of a zip that the kit made: how its networks are blended."""
    class_names: tuple[str, ...] = ()


def make_reference(
    prepared: Prepared, rows: int, manifest: Mapping[str, Any] | None = None, runs: Sequence[OofRun] = ()
) -> Reference:
    """A sample of `rows` rows, the same every time; with the manifest's networks where `runs` hold theirs.

    RehearsalError where the manifest was packed from other data or folds than `prepared`.
    """
    count = min(rows, len(prepared.ids))
    chosen = np.sort(np.random.default_rng(0).permutation(len(prepared.ids))[:count])
    members: tuple[MemberRows, ...] = ()
    if manifest is not None and runs:
        _check_digests(manifest, prepared)
        by_name = {run.recipe: run for run in runs}
        members = tuple(
            _member_rows(number, entry, by_name[entry["recipe"]], prepared, chosen)
            for number, entry in enumerate(manifest["members"])
            if entry["recipe"] in by_name and entry["fold"] != ALL_ROWS  # of which no row is held out
        )
    return Reference(
        np.ascontiguousarray(prepared.images[chosen]),
        prepared.labels[chosen],
        len(prepared.class_names),
        members,
        manifest is not None and any("adapt" in entry for entry in manifest["members"]),
        _range(manifest),
        manifest,
        tuple(prepared.class_names),
    )


def _range(manifest: Mapping[str, Any] | None) -> tuple[float, float]:
    images = (manifest or {}).get("images") or {}
    low, high = images["range"] if images.get("arrays") and images.get("range") else (0.0, 255.0)
    return float(low), float(high)


def _member_rows(
    number: int, entry: Mapping[str, Any], run: OofRun, prepared: Prepared, chosen: np.ndarray
) -> MemberRows:
    place_of = {row_id: place for place, row_id in enumerate(run.ids)}
    places = np.array([place_of.get(row_id, -1) for row_id in prepared.ids[chosen]])
    held_out = np.flatnonzero((places >= 0) & (run.folds[places] == entry["fold"]))[:MEMBER_ROWS]
    unknown = [view for view in entry["views"] if view not in run.views]
    if unknown:
        raise RehearsalError(f"its manifest names view {unknown[0]!r}, which {run.recipe} has no scores of. Pack again")
    views = [run.views.index(view) for view in entry["views"]]
    logits = run.logits[places[held_out]][:, views]
    return MemberRows(number, held_out, logits, entry.get("precision") == "int8")


def _check_digests(manifest: Mapping[str, Any], prepared: Prepared) -> None:
    for key, value in (("data", prepared.data_digest), ("folds", prepared.fold_digest)):
        packed = manifest["digests"].get(key, value)
        if packed != value:
            raise RehearsalError(
                f"the zip must come from the same {key} as the store, but its manifest says {packed[:12]} and the "
                f"store has {value[:12]}. Pack it again: kit package"
            )
