"""The figure of the README: local scores against hidden ones, from the tables that benchmarks/coverage.py printed.

    python benchmarks/figure.py

Reads docs/ensembles.md (twelve recipes and the blends of 36 simulated contests) and writes docs/expected.svg: each
recipe's clean and shifted out-of-fold score against its hidden score, and the score to expect of best5 with its
interval. On the diagonal, the local score holds. The same tables give the same bytes.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ensembles.md"
OUT = PAGE.parent / "expected.svg"
SIDE, LEFT, TOP = 300, 52, 14
LOW, HIGH = 0.38, 0.98
CLEAN, SHIFTED, BLEND = "#c2452d", "#3b7dd8", "#1a7a3f"


def tables(text: str) -> tuple[list[list[float]], list[float]]:
    """Rows [clean, shifted, hidden] of the recipes, and [expected, low, high, hidden] of best5."""
    recipes = re.findall(r"^\| practice_\w+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    blend = re.search(r"^\| best5 \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]+) \|", text, re.MULTILINE)
    assert recipes, f"{PAGE}: holds no table of recipes"
    assert blend is not None, f"{PAGE}: holds no row of best5"
    return [[float(value) for value in row] for row in recipes], [float(value) for value in blend.groups()]


def draw(recipes: list[list[float]], blend: list[float]) -> str:
    """The figure as SVG text."""
    parts = [_frame(), _line(LOW, LOW, HIGH, HIGH, "#8a8a8a", 'stroke-dasharray="4 4"')]
    for clean, shifted, hidden in recipes:
        parts += [_dot(clean, hidden, CLEAN), _dot(shifted, hidden, SHIFTED)]
    expected, low, high, hidden = blend
    parts += [_line(low, hidden, high, hidden, BLEND, 'stroke-width="3"'), _dot(expected, hidden, BLEND, 6)]
    entries = (("clean validation", CLEAN), ("shifted validation", SHIFTED), ("best5: score to expect, 80 %", BLEND))
    for place, (text, colour) in enumerate(entries):
        y = TOP + 20 + 18 * place
        parts.append(f'<circle cx="{LEFT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>')
        parts.append(_text(LEFT + 26, y, text, "start"))
    body = "\n".join(parts)
    width, height = LEFT + SIDE + 14, TOP + SIDE + 46
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<title>Local scores against hidden scores</title>\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _x(value: float) -> float:
    return LEFT + SIDE * (value - LOW) / (HIGH - LOW)


def _y(value: float) -> float:
    return TOP + SIDE - SIDE * (value - LOW) / (HIGH - LOW)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    ends = f'x1="{_x(x1):.1f}" y1="{_y(y1):.1f}" x2="{_x(x2):.1f}" y2="{_y(y2):.1f}"'
    return f'<line {ends} stroke="{colour}" {more}/>'


def _dot(x: float, y: float, colour: str, radius: float = 4) -> str:
    return f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="{radius}" fill="{colour}" fill-opacity="0.85"/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#222a2a" {more}>{text}</text>'


def _frame() -> str:
    """Axes with ticks, and what they are."""
    parts = []
    for value in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        parts += [
            _line(value, LOW, value, HIGH, "#e4e4e4"),
            _line(LOW, value, HIGH, value, "#e4e4e4"),
            _text(_x(value), TOP + SIDE + 16, f"{value:.1f}", "middle"),
            _text(LEFT - 6, _y(value) + 4, f"{value:.1f}", "end"),
        ]
    middle = TOP + SIDE / 2
    parts.append(_text(LEFT + SIDE / 2, TOP + SIDE + 36, "local accuracy", "middle"))
    turned = f'transform="rotate(-90 14 {middle:.0f})"'
    parts.append(_text(14, middle, "accuracy on the hidden test", "middle", turned))
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#5a5a5a"/>')
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.write_text(draw(*tables(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
