"""kit predict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from kit.config import ContestConfig, load_contest, load_platform
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.stream import open_stream
from kit.echo import Echo
from kit.errors import PackagingError
from kit.inference.answering import rows_a_batch
from kit.lock import temporary_folder
from kit.options import contest_option, make_console, make_echo, root_option
from kit.packaging import archive
from kit.packaging.form import IN_WORDS, make_form, read_sample
from kit.packaging.pack import MANIFEST
from kit.packaging.rows import Unmatched, match_rows
from kit.platforms.predictions import write_predictions
from kit.rehearsal.batches import Feed, probabilities
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import missing_packages, this_python
from kit.rehearsal.isolation import warning
from kit.rehearsal.leftovers import MOST_JSON_BYTES
from kit.workspace import Workspace

SHOWN = 20
"""Damaged images that are listed on the screen; the file beside the predictions has all."""


@click.command()
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("test_images", metavar="IMAGES", type=click.Path(path_type=Path, exists=True))
@contest_option
@click.option("--runs-on", help="The platform that ZIP was packed for; what its manifest says by default.")
@click.option("--platform", "platform_name", required=True, help="The platform that takes the predictions.")
@click.option("--sample", type=click.Path(path_type=Path, exists=True),
              help="The contest's sample_submission.csv: it decides columns, ids and order.")
@click.option("--unmatched", type=click.Choice(["refuse", "sample", "images"]), default="refuse", show_default=True,
              help="Rows of the sample without an image, or images without a row: refuse; write the sample's rows, "
              "those without an image with the shares of the classes; or write the images' rows.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@root_option
def predict(
    zip_path: Path,
    test_images: Path,
    contest: str,
    runs_on: str | None,
    platform_name: str,
    sample: Path | None,
    unmatched: Unmatched,
    out: Path,
    root: Path,
) -> None:
    """Predict IMAGES (whatever [data] test takes: a folder, zip, table or arrays) with a packed ZIP.

    They are decoded as the training images were, a batch at a time. Damaged ones are decoded as far as they go; of
    the rest the class prior is predicted. Each is listed in OUT.images.txt.
    """
    config, platform = load_contest(contest), load_platform(platform_name)
    manifest = _manifest(zip_path)
    source = load_platform(runs_on or _packed_for(zip_path, manifest))
    workspace, echo = Workspace(root.resolve()), make_echo(make_console())
    if weaker := warning():
        echo(weaker)
    record = _decoding(manifest, config, workspace)
    stream = open_stream(config, test_images, workspace, record)
    for line in stream.notes:
        echo(f"  {line}")
    table = read_sample(sample) if sample else None
    form = make_form(platform, config.classes, config.metric, table)
    echo(f"{platform.predictions_file}: {IN_WORDS[form.holds]}, columns {', '.join(form.header[:4])}")
    ids = stream.ids
    if table is not None and platform.predictions_file.endswith(".csv"):  # before the minutes that predicting takes
        rows = match_rows(ids, table[form.id_column].to_numpy(dtype=str))
        rows.taken(unmatched)
        if not rows.whole:
            echo(f"  {rows.message()}")
    python = platform_python(source, echo) if missing_packages(source) else this_python(source)
    with temporary_folder() as folder:
        archive.unpack(zip_path, folder / "zip")
        batches = stream.batches(rows_a_batch(record.size))
        proba, feed = probabilities(
            folder / "zip", batches, record.prior, source, python, folder / "run"
        )
    answers = proba if form.wants == "probabilities" else proba.argmax(axis=1)
    prior = np.asarray(record.prior)
    more: dict[str, Any] = {"metric": config.metric, "unmatched": unmatched, "prior": prior}
    write_predictions(ids, answers, tuple(config.classes), platform, out, table, **more)
    echo(f"{out}: {form.wants} of {len(proba):,} images")
    _list_damaged(ids, feed, out, echo)


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
