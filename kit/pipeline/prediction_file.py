"""The last stage where a contest takes a file of predictions: the test images are predicted by the zip that was packed
for this machine, and the file is read as the platform reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from kit.artefact import sha256_file, sha256_sources
from kit.config import ContestConfig, PlatformConfig, load_platform
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.load import form_of_test, source_of
from kit.data.sources.stream import open_stream
from kit.echo import Echo
from kit.errors import ConfigError
from kit.made_from import MadeFrom
from kit.options import make_echo
from kit.packaging.form import make_form, read_sample
from kit.packaging.packed import PackedZip
from kit.packaging.rows import Unmatched
from kit.platforms.predict import FileRequest, predict_file, request_file
from kit.rehearsal.rehearse_predictions import HiddenImages, rehearse_predictions
from kit.rehearsal.repeat import conditions, level_of
from kit.rehearsal.result import Rehearsal
from kit.workspace import PROJECT, Workspace

HERE = "local"
"""The profile of this machine, which a zip is packed for that predicts here."""


@dataclass(frozen=True)
class PredictionFile:
    """The file that a contest takes, and the profile of the zip that makes it."""

    contest: ContestConfig
    platform: PlatformConfig
    images: Path
    unmatched: Unmatched
    runs_on: PlatformConfig


def wanted(contest: ContestConfig, platform: PlatformConfig, unmatched: Unmatched = "refuse") -> PredictionFile | None:
    """The file that `platform` takes; None where it takes code. What can be refused is, before anything is trained.

    ConfigError where no test images are named, and for a notebook, which needs names that `kit package` alone takes;
    PackagingError where the sample is of another kind than the contest.
    """
    if platform.artefact == "notebook":
        raise ConfigError(
            f"{platform.name} takes a notebook, which must know its data set and contest by name. Train first, "
            f"with --platform {HERE}; then kit package {contest.ensemble} --contest {contest.name} --platform "
            f"{platform.name} --dataset me/weights --competition SLUG --out notebook.zip"
        )
    if platform.artefact != "predictions":
        return None
    if not contest.data.test:
        raise ConfigError(
            f"{platform.name} takes a file of predictions, but {contest.name} names no test images. Set [data] test in "
            f"its file, or choose a platform that takes code: --platform codabench-timm"
        )
    images = Path(contest.data.test).expanduser()
    if not images.exists():
        raise ConfigError(f"{images}: no such file or folder. Set [data] test to the contest's test images")
    sample = contest.sample_file
    make_form(platform, contest.classes, contest.metric, read_sample(sample) if sample else None)
    return PredictionFile(contest, platform, images, unmatched, load_platform(HERE))


def held_against_sample(file: PredictionFile | None, workspace: Workspace, echo: Echo) -> FileRequest | None:
    """The file's rows, once the training images are decoded: PackagingError where images and sample do not match."""
    if file is None:
        return None
    sample = file.contest.sample_file
    return request_file(
        file.contest, file.platform, file.images, workspace, sample=sample, unmatched=file.unmatched, echo=echo
    )


def predict(
    file: PredictionFile | None,
    asked: FileRequest | None,
    packed: PackedZip,
    rehearsal: Rehearsal | None,
    workspace: Workspace,
    out: Path | None,
    console: Console,
) -> Rehearsal | None:
    """The file of predictions, read as its platform reads it; None where code is submitted or the zip failed.

    The images are predicted where the file does not stand yet, made by the same zip from the same images.
    """
    if file is None or asked is None or (rehearsal is not None and not rehearsal.passed):
        return None
    console.rule("predict", align="left")
    echo, target = make_echo(console), out or workspace.submissions / _name(file, packed)
    made_from = MadeFrom.of(target, workspace.cache, _told(file, asked, packed))
    if made_from.stands():
        echo(f"{target}: stands, made by this zip from these images: not predicted again. To predict them: delete it")
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        predict_file(asked, packed.path, file.runs_on, target, workspace, echo)
        made_from.keep()
    rows = HiddenImages(asked.ids, None, asked.form)
    made = rehearse_predictions(target, file.platform, rows, metric=file.contest.metric, echo=echo)
    console.print(made.table())
    return made


def _told(file: PredictionFile, asked: FileRequest, packed: PackedZip) -> list[Any]:
    """All that the file depends on, as JSON values."""
    sample = file.contest.sample_file
    return [
        packed.sha256,
        source_of(form_of_test(file.images), file.images, file.contest, labelled=False),
        asked.record.as_dict(),
        file.contest.model_dump(mode="json"),
        sha256_file(sample) if sample else "",
        file.platform.model_dump(mode="json"),
        file.unmatched,
        conditions(file.runs_on, file.contest, level_of(file.runs_on), many_seconds=0.0),
        sha256_sources(PROJECT / "kit"),
    ]


def to_predict(asked: FileRequest | None) -> int:
    """How many images are predicted after the rehearsal; 0 where code is submitted."""
    return 0 if asked is None else len(asked.stream.ids)


def _name(file: PredictionFile, packed: PackedZip) -> str:
    """The file's name: what the zip is called, with the platform that takes the file."""
    ending = ".csv" if file.platform.predictions_file.endswith(".csv") else ".zip"
    return f"{file.contest.name}-{packed.blend.name}-{file.platform.name}{ending}"


def images_to_predict(contest: ContestConfig, workspace: Workspace) -> int:
    """How many images are predicted after the rehearsal; 0 where code is submitted. Before there is a `FileRequest`."""
    if not contest.data.test or load_platform(contest.platform).artefact != "predictions":
        return 0
    record = DecodingRecord.read(workspace, contest)
    return len(open_stream(contest, Path(contest.data.test).expanduser(), workspace, record).ids)
