"""Matplotlib figures as SVG text that stands inside a page and takes its colour of text, light or dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's colour of text, and is replaced by it in the SVG."""

PALETTE = (
    "#3b7dd8", "#e0762f", "#3a9d5d", "#b6529e", "#8a6fd1", "#c9a227", "#2aa5a0", "#d1495b", "#7a8594", "#9c6b3f",
)  # fmt: skip
"""One colour a recipe, by its place on the leaderboard; readable on white and on black."""

REST = "#9aa3ad"
"""Recipes beyond the palette."""

CLEAN, SHIFTED = "#3b7dd8", "#e0762f"

FAILS_TO_HOLDS = LinearSegmentedColormap.from_list("fails_to_holds", ["#c2452d", "#f6efe4", "#23648f"])
"""From a score of 0 over the middle to 1; told apart by the colour-blind."""

TAKE_INK = (
    "text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color", "grid.color",
    "legend.labelcolor",
)  # fmt: skip

STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of classes and recipes may hold dollar signs
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.14,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    **dict.fromkeys(TAKE_INK, INK),
}


def drawn(name: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Markup:
    """What `draw` puts on a figure of `size` (width, height; inches), as SVG; the same input gives the same text.

    `name` keeps the ids of one SVG apart from those of the others on a page.
    """
    buffer = io.StringIO()
    with rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        # The page's fonts draw the text, not the one that matplotlib measures it with.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_inline(buffer.getvalue(), size[0]))


def _inline(text: str, width: float) -> str:
    body = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # "axes_1" is in every SVG; ids must be unique in a page
    body = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', _opening(width), body, count=1)
    return body.replace(INK, "currentColor")


def _opening(width: float) -> str:
    return (
        r'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" \1 '
        f'style="max-width: {width:g}in" role="img">'
    )


def colour(place: int) -> str:
    """The colour of the recipe at that place of the leaderboard."""
    return PALETTE[place] if place < len(PALETTE) else REST


def short(name: str, most: int = 26) -> str:
    """`name`, its middle left out where it is longer than `most` characters."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def short_all(names: Sequence[str], most: int = 26) -> list[str]:
    """`names`, the long ones shortened so that different names stay different where that can be.

    What all names begin and end with is left out first, then the middle of what is still too long.
    """
    cut = [short(name, most) for name in names]
    if len(names) < 2 or len(set(cut)) == len(set(names)):
        return cut
    start = _alike(names)
    end = _alike([name[start:][::-1] for name in names])
    inner = [name[start : len(name) - end] for name in names]
    return [short(("…" if start else "") + name.strip() + ("…" if end else ""), most) for name in inner]


def _alike(names: Sequence[str]) -> int:
    """How many characters all names begin with alike."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*names)))


def ink_on(fill: Any) -> str:
    """Black or white, whichever is read on `fill`."""
    red, green, blue = to_rgb(fill)
    return "#16202a" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"


def grid_of_cells(axes: Axes, fills: Any, texts: list[list[str]] | None = None) -> None:
    """A table of coloured squares: fills (R, C, 4) RGBA, row 0 on top; each with a text where there are some."""
    rows, columns = fills.shape[:2]
    axes.pcolormesh(fills, edgecolors=INK, linewidth=0.15)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.grid(False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row, line in enumerate(texts or []):
        for column, text in enumerate(line):
            where = (column + 0.5, row + 0.5)
            axes.text(*where, text, ha="center", va="center", color=ink_on(fills[row, column, :3]), fontsize=8.5)
