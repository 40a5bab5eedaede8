"""What cleaning decided, as images: a block for each reason, for conflicts and for near duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from kit.data.cleaning.contact_sheet import COLUMNS, Block
from kit.data.sources.imageset import ImageSet

SHOWN = 2 * COLUMNS
"""Images a block."""
LEADS = {
    "junk": "one image under contradictory labels: all copies are dropped",
    "duplicate": "identical to an earlier image of the same label",
    "conflict": "identical images, outvoted by the label of the others",
    "outlier": "unlike all other images",
    "cluster": "many images that lie together, apart from the rest, under random labels",
    "blank": "nearly one colour",
    "dark": "far darker than the rest",
    "bright": "far brighter than the rest",
    "shape": "of another shape than the rest before resizing",
}


def cleaning_blocks(image_set: ImageSet, table: pd.DataFrame) -> list[Block]:
    """Blocks for the table of `clean.csv`, each image once, captioned with id and what became of it."""
    blocks = [_reason(image_set, table, reason) for reason in LEADS if (table["reason"] == reason).any()]
    for title, mask in (("labels in conflict", table["conflict"]), ("near duplicates", ~table["conflict"])):
        groups = _groups(table[mask & (table["reason"] == "")])
        if groups:
            blocks.append(_side_by_side(image_set, title, groups, table))
    return blocks or [Block("nothing is held against any image", image_set.images[:0], [])]


def _reason(image_set: ImageSet, table: pd.DataFrame, reason: str) -> Block:
    rows = table[table["reason"] == reason]
    dropped = int((~rows["keep"]).sum())
    distinct = rows.drop_duplicates("image").head(SHOWN)
    captions = [f"{_fate(row)} {row['id']}" for row in distinct.to_dict("records")]
    title = f"{reason}: {len(rows):,} rows, {dropped:,} dropped"
    return Block(title, image_set.images[distinct.index.to_numpy()], captions, LEADS[reason])


def _fate(row: Mapping[Any, Any]) -> str:
    return "kept" if row["keep"] else "-"


def _groups(table: pd.DataFrame) -> list[np.ndarray]:
    """Row numbers of every group of several different images."""
    different = table.drop_duplicates(["group", "image", "label"])
    sizes = different.groupby("group")["id"].transform("size")
    several = different[sizes > 1]
    return [part.index.to_numpy() for _, part in several.groupby("group")]


def _side_by_side(image_set: ImageSet, title: str, groups: list[np.ndarray], table: pd.DataFrame) -> Block:
    rows = np.concatenate(groups)[:SHOWN]
    labels = [image_set.class_names[label] for label in table["label"].to_numpy()[rows]]
    numbers = table["group"].to_numpy()[rows]
    captions = [f"#{number} {label}" for number, label in zip(numbers, labels)]
    lead = "#group, label; a group stays in one fold"
    return Block(f"{title}: {len(groups):,} groups", image_set.images[rows], captions, lead)
