"""A file of predictions, made by a packed zip: what can be refused is refused before predicting takes its minutes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.config import ContestConfig, PlatformConfig, load_platform
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.stream import ImageStream, open_stream
from kit.echo import Echo
from kit.errors import PackagingError
from kit.inference.predictions import rows_a_batch
from kit.lock import temporary_folder
from kit.packaging import archive
from kit.packaging.form import IN_WORDS, Form, make_form, read_sample
from kit.packaging.pack import MANIFEST
from kit.packaging.rows import Unmatched, match_rows
from kit.platforms.ledger import record_file
from kit.platforms.predictions import write_predictions
from kit.rehearsal.batches import Feed, probabilities
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import missing_packages, this_python
from kit.rehearsal.isolation import warning
from kit.rehearsal.leftovers import MOST_JSON_BYTES
from kit.workspace import Workspace

SHOWN = 20
"""Damaged images that are listed on the screen; the file beside the predictions has all."""


@dataclass(frozen=True)
class FileRequest:
    """What a file of predictions is to hold, held against the images and the sample."""

    contest: ContestConfig
    platform: PlatformConfig
    record: DecodingRecord
    stream: ImageStream
    form: Form
    sample: pd.DataFrame | None
    unmatched: Unmatched
    ids: np.ndarray
    """(K,) str: the rows of the file, in order."""


def predicted(
    contest: ContestConfig,
    workspace: Workspace,
    zip_path: Path,
    images: Path,
    platform: PlatformConfig,
    out: Path,
    *,
    runs_on: PlatformConfig | None = None,
    sample: Path | None = None,
    unmatched: Unmatched = "refuse",
    echo: Echo = print,
) -> None:
    """Predicts `images` with a packed zip, decoded as its manifest says, and records the file in the ledger.

    runs_on: what the zip was packed for; as its manifest says by default. PackagingError where that names nothing.
    """
    manifest = _manifest(zip_path)
    source = runs_on or load_platform(_packed_for(zip_path, manifest))
    if weaker := warning():
        echo(weaker)
    record = _decoding(manifest, contest, workspace)
    asked = request_file(
        contest, platform, images, workspace, record=record, sample=sample, unmatched=unmatched, echo=echo
    )
    predict_file(asked, zip_path, source, out, workspace, echo)


def request_file(
    contest: ContestConfig,
    platform: PlatformConfig,
    images: Path,
    workspace: Workspace,
    *,
    record: DecodingRecord | None = None,
    sample: Path | None = None,
    unmatched: Unmatched = "refuse",
    echo: Echo = print,
) -> FileRequest:
    """The file that `platform` takes of `images` (whatever [data] test takes), decoded by `record`.

    PackagingError where the sample has another form than the contest's classes and metric, or other ids than the
    images and `unmatched` is "refuse"; DataError where there are no images.
    """
    record = record or DecodingRecord.read(workspace, contest)
    stream = open_stream(contest, images, workspace, record)
    for line in stream.notes:
        echo(f"  {line}")
    table = read_sample(sample) if sample else None
    form = make_form(platform, contest.classes, contest.metric, table)
    echo(f"{platform.predictions_file}: {IN_WORDS[form.holds]}, columns {', '.join(form.header[:4])}")
    ids = stream.ids
    if table is not None and platform.predictions_file.endswith(".csv"):
        rows = match_rows(ids, table[form.id_column].to_numpy(dtype=str), stream.numbered)
        if stream.numbered:
            echo("  the test images have no names: they are the sample's rows, by number or in order")
        ids = rows.taken(unmatched)[0]
        if not rows.whole:
            echo(f"  {rows.message()}")
    return FileRequest(contest, platform, record, stream, form, table, unmatched, ids)


def predict_file(
    asked: FileRequest, zip_path: Path, source: PlatformConfig, out: Path, workspace: Workspace, echo: Echo = print
) -> None:
    """Predicts the images with a zip that was packed for `source`, writes the file `out`, and records it in the ledger.

    Damaged images are decoded as far as they go; of the rest the class prior is predicted. Each is listed in
    <out>.images.txt.
    """
    python = platform_python(source, echo) if missing_packages(source) else this_python(source)
    record = asked.record
    with temporary_folder() as folder:
        archive.unpack(zip_path, folder / "zip")
        batches = asked.stream.batches(rows_a_batch(record.size))
        proba, feed = probabilities(folder / "zip", batches, record.prior, source, python, folder / "run")
    write_predictions(
        asked.stream.ids,
        proba if asked.form.wants == "probabilities" else proba.argmax(axis=1),
        tuple(asked.contest.classes),
        asked.platform,
        out,
        asked.sample,
        metric=asked.contest.metric,
        unmatched=asked.unmatched,
        prior=np.asarray(record.prior),
        numbered=asked.stream.numbered,
    )
    echo(f"{out}: {asked.form.wants} of {len(proba):,} images")
    _list_damaged(asked.stream.ids, feed, out, echo)
    record_file(workspace, zip_path, out, asked.platform.name)


def _list_damaged(ids: np.ndarray, feed: Feed, out: Path, echo: Echo) -> None:
    """Say, and write beside the predictions, which images were damaged, and what was predicted of them."""
    lines = [f"{ids[row]}: class prior ({reason})" for row, reason in sorted(feed.lost.items())]
    lines += [f"{ids[row]}: decoded as far as it goes ({reason})" for row, reason in sorted(feed.repaired.items())]
    listed = out.with_name(out.name + ".images.txt")
    listed.unlink(missing_ok=True)
    if not lines:
        return
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    echo(f"WARNING: {len(feed.lost):,} images could not be read and got the class prior, {len(feed.repaired):,} are "
         f"damaged and were decoded as far as they go: {listed}")  # fmt: skip
    for line in lines[:SHOWN]:
        echo(f"  {line}")


def _decoding(manifest: dict[str, Any], config: ContestConfig, workspace: Workspace) -> DecodingRecord:
    """How images are decoded: as the zip says, else as the workspace has it."""
    try:
        return DecodingRecord.from_dict(manifest["images"])
    except (KeyError, TypeError, ValueError):
        return DecodingRecord.read(workspace, config)


def _manifest(zip_path: Path) -> dict[str, Any]:
    """The manifest in a zip; empty where it has none."""
    with archive.open_zip(zip_path) as opened:
        for name in opened.namelist():
            if name.rpartition("/")[2] == MANIFEST:
                if opened.getinfo(name).file_size > MOST_JSON_BYTES:
                    raise PackagingError(f"{zip_path}: its {MANIFEST} has more than 16 MiB. Pack it again: kit package")
                try:
                    found = json.loads(opened.read(name))
                except (ValueError, RecursionError) as error:
                    raise PackagingError(
                        f"{zip_path}: its {MANIFEST} is no JSON ({error}). Pack it again: kit package"
                    ) from error
                return found if isinstance(found, dict) else {}
    return {}


def _packed_for(zip_path: Path, manifest: dict[str, Any]) -> str:
    if "platform" not in manifest:
        raise PackagingError(f"{zip_path}: has no {MANIFEST} that names its platform. Give --runs-on")
    return str(manifest["platform"])
