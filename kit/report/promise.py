"""The score to expect on each kind of hidden test, as bars on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit.ensemble.blend import Blend
from kit.ensemble.tables import Row, scenario_rows
from kit.metrics.registry import get_metric
from kit.report.material import Material

MARGIN = 0.06
"""Share of the scores' range that is left free at either end of a scale without bounds."""


@dataclass(frozen=True)
class Mark:
    """A known score: what gave it, its place in per cent of the scale, and whether the interval holds it."""

    score: float
    source: str
    at: float
    inside: bool


@dataclass(frozen=True)
class Scene:
    """One kind of hidden test. start, width, at: the interval and the point in per cent of the scale."""

    name: str
    claim: str
    expected_here: bool
    """Whether the contest is expected to be of this kind."""
    expect: float
    low: float
    high: float
    belief: float | None
    vault: str
    """Score of the rows that no network trained on, with its standard error; empty where there are none."""
    start: float
    width: float
    at: float
    marks: tuple[Mark, ...]


def scenes(material: Material, blend: Blend) -> list[Scene]:
    """The kinds of hidden test, the expected one first; that alone for a blend from before there were several."""
    rehearsal = material.rehearsal or {}
    announced = "clean" if blend.expects == "clean" else material.contest.scenario
    rows = scenario_rows(blend, rehearsal.get("forms") or {})
    expected = blend.expected
    unknown: Row = {"hidden test": "as the contest file expects", "belief": None}
    first = next((row for row in rows if row["scenario"] == announced), unknown)
    first |= {"scenario": announced, "expect": expected.point, "low": expected.low, "high": expected.high}
    rows = [first, *(row for row in rows if row["scenario"] != announced)]
    known: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        score = rehearsal.get("hidden") if row is first else row.get("achieved")
        known[row["scenario"]] = [] if score is None else [(float(score), "rehearsal")]
    known[announced] += [(float(line["score"]), str(line["phase"])) for line in material.remote]
    ends = [row[key] for row in rows for key in ("low", "high")] + [one for marks in known.values() for one, _ in marks]
    scale = scale_of(ends, blend.metric)
    return [_scene(row, row is first, known[row["scenario"]], scale) for row in rows]


def scale_of(scores: Sequence[float], metric: str) -> tuple[float, float]:
    """Ends of the scale: the metric's bounds where they are 0 and 1, else around the scores."""
    bounds = get_metric(metric)
    if bounds.low == 0 and bounds.high == 1:
        return 0.0, 1.0
    room = MARGIN * (max(scores) - min(scores) or 1.0)
    return min(scores) - room, max(scores) + room


def _scene(row: Row, expected_here: bool, known: list[tuple[float, str]], scale: tuple[float, float]) -> Scene:
    def place(score: float) -> float:
        return round(100 * (score - scale[0]) / (scale[1] - scale[0]), 2)

    low, high, vault = float(row["low"]), float(row["high"]), row.get("vault")
    return Scene(
        name=str(row["scenario"]),
        claim=str(row["hidden test"]),
        expected_here=expected_here,
        expect=float(row["expect"]),
        low=low,
        high=high,
        belief=row.get("belief"),
        vault="" if vault is None else f"{vault:.3f} ± {row['vault_se']:.3f}",
        start=place(low),
        width=max(0.6, round(place(high) - place(low), 2)),
        at=place(float(row["expect"])),
        marks=tuple(Mark(score, source, place(score), low <= score <= high) for score, source in known),
    )
