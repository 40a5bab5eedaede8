"""Packing: a blend's networks, the code that runs them and a manifest, in one reproducible zip."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.artefact import sha256_bytes, sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.data.prepared import Prepared
from kit.ensemble.blend import Blend
from kit.errors import PackagingError
from kit.submit import model
from kit.submit.adaptation import adapting
from kit.submit.archive import write_zip
from kit.submit.fastest import fastest
from kit.submit.ladder import Rung, rungs
from kit.submit.members import read_members
from kit.submit.notebook import notebook_files
from kit.submit.runtime_files import Entries, Files, runtime_files
from kit.workspace import Workspace

FORMAT = 1
MANIFEST = "manifest.json"

Echo = Callable[[str], object]


@dataclass(frozen=True)
class PackedZip:
    """A packed submission."""

    path: Path
    sha256: str
    size_mb: float
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Notebook:
    """What a code competition's notebook is named after: its data set ("user/slug") and its contest (slug)."""

    dataset: str = ""
    competition: str = ""


def package(
    blend: Blend,
    contest: ContestConfig,
    workspace: Workspace,
    platform: PlatformConfig,
    out: Path,
    *,
    prepared: Callable[[], Prepared] | None = None,
    notebook: Notebook | None = None,
    adapt: bool = False,
    echo: Echo = print,
) -> PackedZip:
    """Pack `blend` into the zip `out`; PackagingError when a piece is missing or it is too big.

    Of several runtimes that the platform allows, the fastest here that agrees with the first is taken. Where
    the platform's max_mb does not hold all, the size ladder is gone down and `echo` told of every rung;
    `prepared` gives the pictures that eight bits are measured on. With `adapt`, recipes for which `kit adapt`
    found a method that wins adapt to the pictures of a call.
    """
    if platform.artefact == "predictions":
        raise PackagingError(f"{platform.name} takes predictions, not code. Make them: kit predict")
    members = read_members(blend, contest.name, workspace)
    if adapt:
        members, platform = adapting(members, platform)
    runtime = fastest(platform.runtimes, members, workspace.cache / "runtimes.json")
    fixed = {"model.py": _model_file(platform)}
    if platform.artefact == "notebook":
        named = notebook or Notebook()
        fixed |= notebook_files(contest, platform, named.dataset, named.competition)
    for rung in rungs(members, contest.name, workspace, prepared):
        entries, written = runtime_files(runtime, rung.members)
        files = {**written, **fixed}
        manifest = _manifest(blend, contest, platform, runtime, entries, files)
        files[MANIFEST] = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
        if _fits(files, platform, rung, echo):
            break
    else:
        raise _too_big(files, platform)
    _check_syntax(files, platform)
    write_zip(out, lay_out(files, platform))
    return PackedZip(out, sha256_file(out), out.stat().st_size / 1e6, manifest)


def _model_file(platform: PlatformConfig) -> bytes:
    """model.py as it is, with one line more where the platform wants a class of another name."""
    data = Path(model.__file__).read_bytes()
    if hasattr(model, platform.class_name):
        return data
    return data + f"{platform.class_name} = Model\n".encode()


def _manifest(
    blend: Blend,
    contest: ContestConfig,
    platform: PlatformConfig,
    runtime: str,
    entries: Entries,
    files: Files,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "contest": contest.name,
        "platform": platform.name,
        "runtime": runtime,
        "classes": list(contest.classes),
        "num_classes": len(contest.classes),
        "image_size": contest.image_size,
        "output": platform.output,
        "max_seconds": platform.max_seconds,
        "recipes": [member.recipe for member in blend.members],
        "combiner": blend.combiner,
        "members": entries,
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


def _fits(files: Mapping[str, bytes], platform: PlatformConfig, rung: Rung, echo: Echo) -> bool:
    """Whether a rung is small enough; said where there is a bound."""
    size = sum(len(data) for data in files.values()) / 1e6
    fits = not platform.max_mb or size <= platform.max_mb
    if rung.name != "fp16" or not fits:
        echo(f"  {rung.name}: {size:.1f} MB, {'fits' if fits else 'too big'} ({rung.note})")
    return fits


def _too_big(files: Mapping[str, bytes], platform: PlatformConfig) -> PackagingError:
    size = sum(len(data) for data in files.values()) / 1e6
    largest = sorted(files, key=lambda name: -len(files[name]))[:3]
    return PackagingError(
        f"a zip for {platform.name} holds at most {platform.max_mb:g} MB, but this one would have "
        f"{size:.1f} MB (largest: {', '.join(largest)}). Blend fewer members or smaller networks"
    )
