"""Packing: a blend's networks, the code that runs them and a manifest, in one reproducible zip."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.artefact import read_json, sha256_bytes, sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.ensemble.blend import Blend
from kit.errors import PackagingError
from kit.nets.registry import describe
from kit.oof import RUN
from kit.submit import adapt, model
from kit.submit.adaptation import chosen
from kit.submit.archive import write_zip
from kit.workspace import Workspace

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class PackedZip:
    """A packed submission."""

    path: Path
    sha256: str
    size_mb: float
    manifest: dict[str, Any]


def package(
    blend: Blend, contest: ContestConfig, workspace: Workspace, platform: PlatformConfig, out: Path
) -> PackedZip:
    """Pack `blend` into the zip `out`; PackagingError when a piece is missing or it is too big."""
    members, files = _members(blend, contest.name, workspace)
    files["model.py"] = Path(model.__file__).read_bytes()
    if any("adapt" in member for member in members):
        files["adapt.py"] = Path(adapt.__file__).read_bytes()
    for member in members:
        for name in describe(member["net"]["name"], member["net"]["args"]).files:
            files[name] = (Path(model.__file__).parents[1] / "nets" / name).read_bytes()
    _check_syntax(files, platform)
    manifest = _manifest(blend, contest, platform, members, files)
    files[MANIFEST] = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
    _check_size(files, platform)
    write_zip(out, lay_out(files, platform))
    return PackedZip(out, sha256_file(out), out.stat().st_size / 1e6, manifest)


def _members(blend: Blend, contest: str, workspace: Workspace) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Manifest entries of all (recipe, fold) networks, best first, and their weights by file name.

    The first fold of every recipe comes before the second of any: when time runs out, all recipes have
    spoken.
    """
    ranked: list[tuple[int, int, dict[str, Any]]] = []
    files: dict[str, bytes] = {}
    for place, part in enumerate(blend.members):
        if part.external:
            raise PackagingError(
                f"{part.recipe}: a zip holds networks alone, but its predictions come from {part.external}. "
                f"Blend without it"
            )
        folder = workspace.run(contest, part.recipe)
        rerun = f"kit train {part.recipe} --contest {contest}"
        folds = read_json(folder / RUN, rerun)["folds_done"]
        adapts = chosen(folder)
        for fold in folds:
            entry, weights = _member(folder / f"fold{fold}", part.recipe, fold, rerun)
            files[entry["weights"]] = weights
            share = part.weight / len(folds)
            entry |= {"temperature": part.temperature, "merge": part.merge, "views": list(part.views)}
            entry |= {"weight": share} | ({"adapt": adapts} if adapts else {})
            ranked.append((fold, place, entry))
    ranked.sort(key=lambda item: item[:2])
    return [entry for _, _, entry in ranked], files


def _member(folder: Path, recipe: str, fold: int, rerun: str) -> tuple[dict[str, Any], bytes]:
    spec = read_json(folder / "member.json", rerun)
    try:
        weights = (folder / spec["weights"]).read_bytes()
    except OSError as error:
        raise PackagingError(f"{folder}: the weights are missing ({error}). Rerun: {rerun}") from error
    name = f"{recipe}.fold{fold}.safetensors"
    entry = {"recipe": recipe, "fold": fold, **spec, "weights": name, "sha256": sha256_bytes(weights)}
    return entry, weights


def _manifest(
    blend: Blend,
    contest: ContestConfig,
    platform: PlatformConfig,
    members: list[dict[str, Any]],
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "contest": contest.name,
        "platform": platform.name,
        "runtime": "timm",
        "classes": list(contest.classes),
        "num_classes": len(contest.classes),
        "image_size": contest.image_size,
        "output": platform.output,
        "max_seconds": platform.max_seconds,
        "recipes": [member.recipe for member in blend.members],
        "combiner": blend.combiner,
        "members": members,
        "expected": asdict(blend.expected),
        "nested": asdict(blend.nested),
        "digests": blend.digests,
        "files": {name: {"sha256": sha256_bytes(data), "bytes": len(data)} for name, data in sorted(files.items())},
    }


def lay_out(files: Mapping[str, bytes], platform: PlatformConfig) -> dict[str, bytes]:
    """Where each file lies in the zip: model.py at the root, the rest where the platform wants it."""
    folder = f"{platform.weights_folder}/" if platform.weights_folder else ""
    placed = {name if name == "model.py" else folder + name: data for name, data in files.items()}
    return placed | ({platform.marker: b""} if platform.marker else {})


def _check_syntax(files: Mapping[str, bytes], platform: PlatformConfig) -> None:
    version = (3, int(platform.python.split(".")[1]))
    for name, data in files.items():
        if name.endswith(".py"):
            try:
                ast.parse(data, name, feature_version=version)
            except SyntaxError as error:
                raise PackagingError(
                    f"{name}: must be valid Python {platform.python} for {platform.name}, but line "
                    f"{error.lineno} is not ({error.msg}). Rewrite it"
                ) from error


def _check_size(files: Mapping[str, bytes], platform: PlatformConfig) -> None:
    size = sum(len(data) for data in files.values()) / 1e6
    if platform.max_mb and size > platform.max_mb:
        largest = sorted(files, key=lambda name: -len(files[name]))[:3]
        raise PackagingError(
            f"a zip for {platform.name} holds at most {platform.max_mb:g} MB, but this one would have "
            f"{size:.1f} MB (largest: {', '.join(largest)}). Blend fewer members or smaller networks"
        )
