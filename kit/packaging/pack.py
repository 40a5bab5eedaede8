"""Packing: a blend's networks, the code that runs them and a manifest, in one reproducible zip."""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from kit.artefact import sha256_bytes, sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.data.prepared import Prepared
from kit.data.sources.decoding_record import DecodingRecord, path_of
from kit.echo import Echo
from kit.ensemble.blend import Blend
from kit.ensemble.compress.substitute import has_student
from kit.errors import PackagingError
from kit.inference import model
from kit.metrics.registry import get_metric, same_metric
from kit.packaging.adaptation import adapting
from kit.packaging.archive import stored_size, write_zip
from kit.packaging.fastest import fastest
from kit.packaging.form import label_values
from kit.packaging.ladder import Ladder, Rung
from kit.packaging.members import Member, read_members
from kit.packaging.notebook import notebook_files
from kit.packaging.packed import PackedZip
from kit.packaging.runtime_files import Entries, Files, runtime_files
from kit.workspace import Workspace

FORMAT = 1
MANIFEST = "manifest.json"


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
    final: bool = False,
    remote: tuple[list[float], list[float]] = ([], []),
    echo: Echo = print,
) -> PackedZip:
    """Pack `blend` into the zip `out`; PackagingError when a piece is missing or it is too big.

    Of several runtimes that the platform allows, the fastest here that agrees with the first is taken. Where
    the platform's max_mb does not hold all, the size ladder is gone down and `echo` told of every rung;
    `prepared` gives the images that eight bits are measured on. With `adapt`, recipes for which `kit adapt`
    found a method that wins adapt to the images of a call. With `final`, a network of the strongest recipe that
    was trained on all rows is added where it fits. `remote` holds local and remote scores of earlier zips, by
    which the score to expect of what stands for the blend is corrected.
    """
    if platform.artefact == "predictions":
        raise PackagingError(f"{platform.name} takes predictions, not code. Make them: kit predict")
    if not same_metric(blend.metric, contest.metric):
        raise PackagingError(
            f"{blend.name}: blended for {blend.metric}, but {contest.name} is judged by {contest.metric}. Blend again: "
            f"kit blend {blend.name} --contest {contest.name}"
        )
    members = read_members(blend, contest.name, workspace)
    if adapt:
        members, platform = adapting(members, platform)

    def read(other: Blend) -> list[Member]:
        found = read_members(other, contest.name, workspace)
        return adapting(found, platform)[0] if adapt else found

    images = functools.cache(prepared) if prepared else None
    ladder = Ladder(contest.name, workspace, read, images, remote, echo)
    packer = Packer(contest, platform, workspace, _fixed_files(contest, platform, notebook or Notebook()))
    rungs = ladder.rungs(blend, members)
    if final:
        from kit.packaging.final import with_all_rows  # torch, to train it

        if images is None:
            raise PackagingError("a network on all rows needs the images, but got none. Give the contest's data")
        rungs = chain([ladder.final(blend, with_all_rows(blend, members, contest, images(), workspace, echo))], rungs)
    rung, files, manifest = packer.first_that_fits(blend, rungs, echo)
    _check_syntax(files, platform)
    write_zip(out, lay_out(files, platform))
    return PackedZip(out, sha256_file(out), out.stat().st_size / 1e6, manifest, rung.blend)


@dataclass(frozen=True)
class Packer:
    """What the rungs of one zip have in common.

    fixed: files that do not depend on the networks. runtimes: by blend, the fastest of those that may be.
    """

    contest: ContestConfig
    platform: PlatformConfig
    workspace: Workspace
    fixed: Files
    runtimes: dict[str, str] = field(default_factory=dict)

    def first_that_fits(self, blend: Blend, rungs: Iterable[Rung], echo: Echo) -> tuple[Rung, Files, dict[str, Any]]:
        """The first rung that is small enough, its files and its manifest; PackagingError where none is.

        A rung with more bytes of weights than one that was too big is passed over. So is one of something else than
        `blend` that this platform cannot run, and `echo` is told.
        """
        files: Files = {}
        least: int | None = None
        for rung in rungs:
            if least is not None and rung.size > least:
                continue
            try:
                files, manifest = self.contents(rung)
            except PackagingError as error:
                if rung.blend.name == blend.name:
                    raise
                echo(f"  {rung.name}: left out. {error}")
                continue
            if _fits(files, self.platform, rung, echo):
                return rung, files, manifest
            least = rung.size
        taught = has_student(blend, self.contest.name, self.workspace)
        teach = "" if taught else f"kit distill {blend.name} RECIPE --contest {self.contest.name}"
        raise _too_big(files, self.platform, teach)

    def contents(self, rung: Rung) -> tuple[Files, dict[str, Any]]:
        """All files of a rung, and the manifest among them."""
        name = rung.blend.name
        if name not in self.runtimes:
            remembered = self.workspace.cache / "runtimes.json"
            self.runtimes[name] = fastest(self.platform.runtimes, rung.members, remembered)
        runtime = self.runtimes[name]
        entries, written = runtime_files(runtime, rung.members)
        files = {**written, **self.fixed}
        manifest = _manifest(rung.blend, self.contest, self.platform, runtime, entries, files)
        manifest["images"] = self._images(rung.blend)
        files[MANIFEST] = (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()
        return files, manifest


    def _images(self, blend: Blend) -> dict[str, Any]:
        """How images are decoded; PackagingError where that was noted of other images than the blend's."""
        record = DecodingRecord.read(self.workspace, self.contest)
        if record.data and record.data != blend.digests.get("data", record.data):
            raise PackagingError(
                f"{path_of(self.workspace, self.contest)}: of other images ({record.data[:12]}) than the blend's "
                f"({blend.digests['data'][:12]}). Write it again: kit clean --contest {self.contest.name}"
            )
        return record.as_dict()


def _fixed_files(contest: ContestConfig, platform: PlatformConfig, named: Notebook) -> Files:
    """What does not depend on the networks."""
    files = {"model.py": _model_file(platform)}
    if platform.artefact == "notebook":
        files |= notebook_files(contest, platform, named.dataset, named.competition)
    return files


def _model_file(platform: PlatformConfig) -> bytes:
    """model.py as it is, with one line more where the platform wants a class of another name."""
    data = Path(model.__file__).read_bytes()
    if not hasattr(model.Model, platform.method):
        data += f"Model.{platform.method} = Model.predict\n".encode()
    return data if hasattr(model, platform.class_name) else data + f"{platform.class_name} = Model\n".encode()


def _manifest(
    blend: Blend,
    contest: ContestConfig,
    platform: PlatformConfig,
    runtime: str,
    entries: Entries,
    files: Files,
) -> dict[str, Any]:
    values = label_values(platform, contest.classes)
    return {
        **({"labels": list(values)} if values else {}),
        "format": FORMAT,
        "contest": contest.name,
        "platform": platform.name,
        "runtime": runtime,
        "classes": list(contest.classes),
        "num_classes": len(contest.classes),
        "image_size": contest.image_size,
        "output": platform.output,
        "submits": "probabilities" if platform.submits == "probabilities" else "labels",
        "exact": "probabilities" in (platform.submits, get_metric(contest.metric).takes),
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
    """Whether a rung is small enough; `echo` is told where there is a bound."""
    size = _megabytes(files, platform)
    fits = not platform.max_mb or size <= platform.max_mb
    if rung.name != "fp16" or not fits:
        echo(f"  {rung.name}: {size:.1f} MB, {'fits' if fits else 'too big'} ({rung.note})")
    return fits


def _megabytes(files: Mapping[str, bytes], platform: PlatformConfig) -> float:
    """What the zip will have, as the platform counts it."""
    return stored_size(lay_out(files, platform)) / 1e6


def _too_big(files: Mapping[str, bytes], platform: PlatformConfig, teach: str) -> PackagingError:
    """What to say at the end of the ladder; `teach` is the command that makes a student, where there is none."""
    size = _megabytes(files, platform)
    largest = sorted(files, key=lambda name: -len(files[name]))[:3]
    return PackagingError(
        f"a zip for {platform.name} holds at most {platform.max_mb:g} MB, but this one would have "
        f"{size:.1f} MB (largest: {', '.join(largest)}). Blend fewer members or smaller networks"
        + (f", or teach one small network what the blend predicts: {teach}" if teach else "")
    )
