"""What every later stage works on: the kept rows and their folds, from files where they are there already.

`clean.csv` and `folds.csv` lie in the contest's OOF folder; `prepared.json` beside them says what they were
made from. A change of the data, of [clean] or [folds] or a person's edit makes what depends on it anew, and
says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from kit import artefact
from kit.config import ContestConfig
from kit.data.cleaning import decisions
from kit.data.cleaning.clean import clean
from kit.data.cleaning.cleaning_sheet import cleaning_blocks
from kit.data.cleaning.contact_sheet import write_sheet
from kit.data.cleaning.grouping import merge_keys
from kit.data.cleaning.outcome import accepted_before, need_every_class, remarks, summary
from kit.data.fold_remarks import worth
from kit.data.folds import VAULT, Split, check_folds, fold_digest, fold_summary, make_folds, split
from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.imageset import ImageSet
from kit.data.sources.load import load
from kit.data.stale import Record, stale_runs
from kit.echo import Echo
from kit.errors import DataError
from kit.storage import exists, reading
from kit.workspace import Workspace


@dataclass(frozen=True)
class Prepared:
    """The kept rows, aligned by id."""

    ids: np.ndarray
    """(N,) str."""
    images: np.ndarray
    """(N, S, S, 3) uint8, RGB."""
    labels: np.ndarray
    """(N,) int64."""
    folds: np.ndarray
    """(N,) int64; negative numbers are explained in `kit.data.folds`."""
    groups: np.ndarray
    """(N,) int64; rows of one group never straddle folds."""
    class_names: tuple[str, ...]
    data_digest: str
    """Of all rows of the source, kept or not."""
    fold_digest: str
    """Of the kept ids, their folds and weights."""
    repeats: tuple[np.ndarray, ...] = ()
    """The folds (N,) int64 of further repeats of k-fold."""
    weights: np.ndarray | None = None
    """(N,) float32: of each row in the training loss, where a person changed some in `clean.csv`; else all are 1."""

    @property
    def vault(self) -> np.ndarray:
        """Row numbers of the vault: predicted by the network of every fold, trained on by none."""
        return np.flatnonzero(self.folds == VAULT)

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The folds that are held out in turn."""
        return tuple(range(int(self.folds.max()) + 1))

    def split(self, fold: int) -> Split:
        """Row numbers that train, that early stopping may watch, and that are held out."""
        return split(self.folds, fold)

    def repeat(self, number: int) -> Prepared:
        """The same rows with the folds of repeat `number`; 0 is this one. DataError where it was not drawn."""
        if number == 0:
            return self
        if number > len(self.repeats):
            raise DataError(
                f"repeats of k-fold are numbered 0..{len(self.repeats)}, but got {number}. "
                f"Set [folds] repeats = {number + 1}"
            )
        return self.with_folds(self.repeats[number - 1])

    def with_folds(self, folds: np.ndarray) -> Prepared:
        """The same rows in other folds (N,) int64; further repeats, which belong to the old ones, are gone."""
        digest = fold_digest(self.ids, folds, self.weights)
        return replace(self, folds=folds, fold_digest=digest, repeats=())

    def take(self, rows: np.ndarray) -> Prepared:
        """The row numbers `rows` (n,) alone, in memory, each in the fold that it had."""
        kept = replace(
            self,
            ids=self.ids[rows],
            images=np.ascontiguousarray(self.images[rows]),
            labels=self.labels[rows],
            groups=self.groups[rows],
            weights=None if self.weights is None else self.weights[rows],
        )
        return kept.with_folds(self.folds[rows])


def prepare(
    contest: ContestConfig,
    path: Path | None,
    workspace: Workspace,
    echo: Echo = print,
    accepted: Collection[str] = (),
) -> Prepared:
    """Load, clean and split, reusing `clean.csv` and `folds.csv` where they still fit; `echo` gets lines to read.

    `accepted` is that of `cleaned`. DataError where a class has no row left.
    """
    image_set, decided = cleaned(contest, path, workspace, echo, accepted)
    folder = workspace.oof(contest.name)
    keep = np.flatnonzero(decided["keep"].to_numpy())
    if not len(keep):
        raise DataError(f"{folder / 'clean.csv'}: at least one row must be kept, but none is. Fix the file.")
    need_every_class(decided, contest.classes, folder / "clean.csv")
    table = _folds(image_set, decided, keep, contest, folder, echo)
    prepared = _aligned(image_set, decided, keep, table)
    seen = prepared.labels[prepared.folds != VAULT]
    DecodingRecord.of(contest, image_set.bounds, seen, image_set.digest).write(workspace, contest)
    if line := worth(table, prepared.labels):
        echo(f"  {line}")
    for line in stale_runs(folder, contest.name, prepared.data_digest, prepared.fold_digest):
        echo(f"  {line}")
    return prepared


def cleaned(
    contest: ContestConfig,
    path: Path | None,
    workspace: Workspace,
    echo: Echo = print,
    accepted: Collection[str] = (),
) -> tuple[ImageSet, pd.DataFrame]:
    """All rows of the source and the decision about each, in one order; `clean.csv` is made where it is
    missing or stale, with `clean.png` beside it.

    `accepted`: decide anew, and drop all rows that are suspected for one of these reasons; reasons that were
    accepted before stay so while the data are the same.
    """
    image_set = load(contest, path, workspace)
    echo(f"{contest.name}: {len(image_set):,} images of {image_set.images.shape[1]}x{image_set.images.shape[2]}")
    for note in image_set.notes:
        echo(f"  {note}")
    folder = workspace.oof(contest.name)
    file = folder / "clean.csv"
    record = Record.read(folder / "prepared.json")
    now = record.with_clean(image_set.digest, contest.clean)
    previous = decisions.read(file) if exists(file) else None
    if previous is not None and now.clean == record.clean:
        _same_rows(previous, image_set, file)
        accepted = {*accepted, *accepted_before(previous)} if accepted else ()
        if not accepted:
            echo(f"  {file}: {summary(previous)}")
            _tell_edits(record, file, echo)
            _tell(previous, contest, path, echo)
            return image_set, previous
    if previous is not None and (changed := record.changes(now)):
        echo(f"  {file}: made anew, because of a change in {changed}")
    if contest.clean.likeness is not None:
        echo("  [clean] likeness is now called similarity; the old name goes with the next version. Rename it.")
    table = _decided(image_set, contest, previous, accepted, echo)
    artefact.write_csv(file, table)
    write_sheet(folder / "clean.png", cleaning_blocks(image_set, table))
    now.with_file(file).write(folder / "prepared.json")
    echo(f"  {file}: {summary(table)}; images in {folder / 'clean.png'}")
    _tell(table, contest, path, echo)
    return image_set, table


def _tell_edits(record: Record, file: Path, echo: Echo) -> None:
    if line := record.edited(file):
        echo(f"  {line}")


def _tell(table: pd.DataFrame, contest: ContestConfig, path: Path | None, echo: Echo) -> None:
    command = f"kit clean --contest {contest.name}" + (f" --data {shlex.quote(str(path))}" if path else "")
    for line in remarks(table, contest.classes, command):
        echo(f"  {line}")


def _decided(
    image_set: ImageSet, contest: ContestConfig, previous: pd.DataFrame | None, accepted: Collection[str], echo: Echo
) -> pd.DataFrame:
    """Fresh decisions with a person's earlier ones, as far as they still apply."""
    fresh = clean(image_set, contest.clean, accepted=accepted, echo=lambda line: echo(f"  {line}"))
    if previous is None:
        return fresh
    table, lost = decisions.carry_over(fresh, previous)
    if lost:
        echo(f"  {len(lost):,} decisions by hand no longer apply: their images changed ({', '.join(lost[:5])})")
    return table


def _same_rows(table: pd.DataFrame, image_set: ImageSet, file: Path) -> None:
    if table["id"].tolist() != image_set.ids.tolist():
        raise DataError(
            f"{file}: must have one row an image in the order of the source, but has {len(table):,} rows for "
            f"{len(image_set):,} images, or others. Put them back, or delete the file and run: kit clean"
        )


def _folds(
    image_set: ImageSet,
    decided: pd.DataFrame,
    keep: np.ndarray,
    contest: ContestConfig,
    folder: Path,
    echo: Echo,
) -> pd.DataFrame:
    """`folds.csv` for the kept rows, made anew when they, their groups, [folds] or the seed changed."""
    file = folder / "folds.csv"
    groups = _groups(image_set, decided, keep)
    ids, labels = image_set.ids[keep], image_set.need_labels()[keep]
    column = image_set.splits[keep] if image_set.splits is not None else None
    record = Record.read(folder / "prepared.json")
    now = record.with_folds(ids, labels, groups, column, contest)
    if exists(file) and record.keeps_folds(now):
        table = _read_folds(file, ids)
        try:
            check_folds(table, labels, contest.classes)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
        echo(f"  {file}: {fold_summary(table)}")
        _tell_edits(record, file, echo)
        return table
    table = make_folds(ids, labels, groups, contest.folds, contest.seed, contest.classes, column)
    if file.exists():
        changed = record.changes(now)
        echo(f"  {file}: made anew, because {f'of a change in {changed}' if changed else 'its record is gone'}")
    artefact.write_csv(file, table)
    now.with_file(file).write(folder / "prepared.json")
    echo(f"  {file}: {fold_summary(table)}")
    for remark in check_folds(table, labels, contest.classes):
        echo(f"  {remark}")
    return table


def _groups(image_set: ImageSet, decided: pd.DataFrame, keep: np.ndarray) -> np.ndarray:
    """Duplicate groups of the rows `keep`, joined where the user's own groups (patient, slide) say so.

    Rows that were dropped join nothing: junk under many patients would make one group of them all.
    """
    groups = decided["group"].to_numpy().astype(np.int64)[keep]
    return groups if image_set.groups is None else merge_keys(groups, image_set.groups[keep])


def _read_folds(file: Path, ids: np.ndarray) -> pd.DataFrame:
    """`folds.csv` in the order of `ids`; DataError when a row is missing or strange."""
    try:
        with reading(file):
            table = pd.read_csv(file, dtype={"id": str}, keep_default_na=False)
        table = table.astype({name: np.int64 for name in table.columns if name != "id"})
    except (ValueError, OverflowError, OSError, KeyError, pd.errors.ParserError) as error:
        raise DataError(f"{file}: not a readable table ({error}). Delete it and run: kit folds") from error
    lacking = {"id", "fold", "group"} - set(table.columns)
    if lacking or set(table["id"]) != set(ids.tolist()) or len(table) != len(ids):
        what = f"the column {lacking.pop()!r} is missing" if lacking else "its rows are not the kept rows of clean.csv"
        raise DataError(f"{file}: {what}. Delete it and run: kit folds")
    return table.set_index("id").loc[ids.tolist()].reset_index()


def _aligned(image_set: ImageSet, decided: pd.DataFrame, keep: np.ndarray, table: pd.DataFrame) -> Prepared:
    folds = table["fold"].to_numpy()
    ids = image_set.ids[keep]
    weighed = decided["weight"].to_numpy()[keep].astype(np.float32)
    weights = None if (weighed == 1).all() else weighed
    more = [name for name in table.columns if name.startswith("fold") and name != "fold"]
    return Prepared(
        ids=ids,
        images=np.ascontiguousarray(image_set.images[keep]),
        labels=image_set.need_labels()[keep],
        folds=folds,
        groups=table["group"].to_numpy(),
        class_names=image_set.class_names,
        data_digest=image_set.digest,
        fold_digest=fold_digest(ids, folds, weights),
        repeats=tuple(table[name].to_numpy() for name in more),
        weights=weights,
    )
