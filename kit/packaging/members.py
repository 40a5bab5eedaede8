"""The networks of a blend: one entry a (recipe, fold), in the order in which a submission runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.artefact import read_json, sha256_bytes
from kit.ensemble.blend import Blend
from kit.errors import PackagingError
from kit.inference.model import fill_net, parse_arrays
from kit.oof_store import RUN
from kit.storage import reading
from kit.train.stored import checked_spec
from kit.workspace import Workspace

if TYPE_CHECKING:
    import torch

ALL_ROWS = "all"
"""In the place of a fold's number: the network that was trained on all rows."""


@dataclass(frozen=True)
class Member:
    """One trained network."""

    folder: Path
    """Where training left it."""
    spec: dict[str, Any]
    """member.json: what `load_net` takes, weights by their name in `folder`."""
    entry: dict[str, Any]
    """Its entry in the manifest, weights by their name in the zip."""
    weights: bytes

    def network(self) -> torch.nn.Module:
        """The network with `weights`, in inference mode, float32."""
        return fill_net(self.spec["net"], str(self.folder), parse_arrays(self.weights, self.entry["weights"]))


def read_members(blend: Blend, contest: str, workspace: Workspace) -> list[Member]:
    """All networks of a blend, best first; PackagingError or ArtefactError names the command that fixes it.

    The first fold of every recipe comes before the second of any: when time runs out, all recipes have
    spoken.
    """
    ranked: list[tuple[int, int, Member]] = []
    for place, part in enumerate(blend.members):
        if part.external:
            raise PackagingError(
                f"{part.recipe}: a zip holds networks alone, but its predictions come from {part.external}. "
                f"Blend without it"
            )
        folder = workspace.run(contest, part.recipe)
        rerun = f"kit train {part.recipe} --contest {contest}"
        info = read_json(folder / RUN, rerun)
        _check_same(blend, part.recipe, info.get("digests", blend.digests), rerun)
        folds = info["folds_done"]
        blended = {"temperature": part.temperature, "merge": part.merge, "views": list(part.views)}
        blended["weight"] = part.weight / len(folds)
        for fold in folds:
            member = _read(folder / f"fold{fold}", part.recipe, fold, rerun, blended)
            ranked.append((fold, place, member))
    ranked.sort(key=lambda item: item[:2])
    return [member for _, _, member in ranked]


def _check_same(blend: Blend, recipe: str, digests: dict[str, str], rerun: str) -> None:
    if digests != blend.digests:
        raise PackagingError(
            f"{blend.name}: blended from other data or folds ({blend.digests}) than {recipe} was trained on "
            f"({digests}). Blend again: kit blend {blend.name}. Where the run is the stale one: {rerun}"
        )


def _read(folder: Path, recipe: str, fold: int, rerun: str, blended: dict[str, Any]) -> Member:
    spec = checked_spec(folder, rerun)
    try:
        with reading(folder / spec["weights"]):
            weights = (folder / spec["weights"]).read_bytes()
    except OSError as error:
        raise PackagingError(f"{folder}: the weights are missing ({error}). Rerun: {rerun}") from error
    named = {"weights": f"{recipe}.fold{fold}.safetensors", "sha256": sha256_bytes(weights)}
    return Member(folder, spec, {"recipe": recipe, "fold": fold, **spec, **named, **blended}, weights)
