"""Small images of a workspace as data that stand inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from kit.data.sources.imageset import ImageSet
from kit.report.breakdown import confident_mistakes
from kit.report.material import Material

SIDE = 96
"""Largest side of an embedded image, pixels."""

MOST_MISTAKES = 24
MOST_EXAMPLES = 6


def data_uri(pixels: np.ndarray) -> str:
    """An image (H, W, 3) uint8, made smaller where it is larger than SIDE."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


class Album:
    """Images by id."""

    def __init__(self, images: ImageSet) -> None:
        self._images = images.images
        self._row = {str(one): row for row, one in enumerate(images.ids)}

    def uri(self, one: str) -> str:
        """The image of that id as data; empty where there is none."""
        row = self._row.get(one)
        return "" if row is None else data_uri(self._images[row])


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction: confidence in it, and in the true class."""

    id: str
    true: str
    predicted: str
    confidence: float
    of_true: float
    uri: str


def surest_mistakes(material: Material) -> list[str]:
    """Ids of the wrong predictions on clean rows of the blend, or the best recipe, the most confident first."""
    if material.board is None:
        return []
    pool = material.board.pool
    proba = pool.proba[0, :, 0] if material.proba is None else material.proba[:, 0]
    return [str(material.board.runs[0].ids[row]) for row in confident_mistakes(proba, pool.labels)]


def mistakes(
    ids: np.ndarray, proba: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], album: Album | None
) -> list[Mistake]:
    """The most confident wrong predictions of proba (R, C) on rows ids (R,), labels (R,)."""
    rows = confident_mistakes(proba, labels)[:MOST_MISTAKES]
    return [
        Mistake(
            id=str(ids[row]),
            true=classes[labels[row]],
            predicted=classes[int(proba[row].argmax())],
            confidence=float(proba[row].max()),
            of_true=float(proba[row, labels[row]]),
            uri=album.uri(str(ids[row])) if album else "",
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Held:
    """Rows that cleaning holds one thing against, with one image for each of the first groups."""

    reason: str
    rows: int
    """Taken out."""
    kept: int
    """Merely suspected, or kept by hand."""
    evidence: str
    """What was held against the first of them."""
    uris: list[str]


def held_against(cleaning: pd.DataFrame, album: Album | None) -> list[Held]:
    """clean.csv by reason, most rows first; a row without a reason was taken out by hand."""
    suspects = cleaning[~cleaning["keep"] | (cleaning["reason"] != "")]
    found = []
    for reason, rows in suspects.groupby(suspects["reason"].replace("", "by hand")):
        shown = rows.drop_duplicates("group").head(MOST_EXAMPLES)
        uris = [uri for one in shown["id"] if album and (uri := album.uri(one))]
        kept = int(rows["keep"].sum())
        found.append(Held(str(reason), len(rows) - kept, kept, str(rows["evidence"].iloc[0]), uris))
    return sorted(found, key=lambda one: -(one.rows + one.kept))
