"""Images side by side with a line under each, in titled blocks, as one PNG that a person can look
through.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kit.artefact import write_bytes

CELL, CAPTION, TITLE, GAP = 96, 12, 24, 4
COLUMNS = 10
_INK, _PAPER, _PALE = (20, 20, 20), (255, 255, 255), (110, 110, 110)


@dataclass(frozen=True)
class Block:
    """A title over images (n, S, S, 3) uint8, each with a caption; `lead` says what to make of them."""

    title: str
    images: np.ndarray
    captions: Sequence[str]
    lead: str = ""

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.captions), (len(self.images), len(self.captions))

    @property
    def height(self) -> int:
        """Pixels that the block takes."""
        rows = -(-len(self.images) // COLUMNS)
        return TITLE + rows * (CELL + CAPTION + GAP) + GAP


def write_sheet(path: Path, blocks: Sequence[Block]) -> None:
    """Write `blocks` under each other to the PNG `path`, atomically."""
    width = COLUMNS * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, max(TITLE, sum(block.height for block in blocks))), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for block in blocks:
        _paste(sheet, draw, block, top)
        top += block.height
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def _paste(sheet: Image.Image, draw: ImageDraw.ImageDraw, block: Block, top: int) -> None:
    title, small = ImageFont.load_default(14), ImageFont.load_default(9)
    draw.text((GAP, top + 4), block.title, fill=_INK, font=title)
    draw.text((GAP + draw.textlength(block.title + "  ", font=title), top + 8), block.lead, fill=_PALE, font=small)
    for number, (image, caption) in enumerate(zip(block.images, block.captions)):
        x = GAP + (number % COLUMNS) * (CELL + GAP)
        y = top + TITLE + (number // COLUMNS) * (CELL + CAPTION + GAP)
        shown = Image.fromarray(np.ascontiguousarray(image))
        sheet.paste(shown.resize((CELL, CELL), Image.Resampling.BICUBIC), (x, y))
        draw.text((x, y + CELL), _fitting(draw, caption, small), fill=_INK, font=small)


def _fitting(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The end of `text` that fits under an image: of file names the end tells most."""
    if draw.textlength(text, font=font) <= CELL:
        return text
    while draw.textlength("..." + text, font=font) > CELL:
        text = text[1:]
    return "..." + text
