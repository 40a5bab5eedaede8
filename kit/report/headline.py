"""The figures on top of the page, and what they say in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from kit.ensemble.blend import Blend
from kit.metrics.registry import get_metric
from kit.report.material import Board, Material


@dataclass(frozen=True)
class Tile:
    """One figure; `mood` is "good", "bad" or empty."""

    label: str
    value: str
    remark: str
    mood: str = ""


def tiles(material: Material) -> list[Tile]:
    """What a contestant wants to know first, as far as it is known."""
    found = []
    if material.blend is not None:
        found.append(_expected(material.blend))
        found += _achieved(material)
        found.append(_nested(material.blend))
    elif material.board is not None:
        found.append(_best_recipe(material.board))
    if material.submission is not None:
        manifest = material.submission.manifest
        networks = f"{len(manifest['members'])} networks" if "members" in manifest else "made by others"
        found.append(Tile("zip", f"{material.submission.size_mb:.1f} MB", networks))
    if material.rehearsal is not None:
        found.append(_rehearsed(material.rehearsal["checks"]))
    return found


def _expected(blend: Blend) -> Tile:
    expected = blend.expected
    interval = f"{expected.low:.3f} to {expected.high:.3f} ({expected.level:.0%})"
    return Tile(f"score to expect, {expected.expects}", f"{expected.point:.3f}", interval)


def _achieved(material: Material) -> list[Tile]:
    """Hidden scores, from the rehearsal of the practice contest and from platforms."""
    scores = [("achieved in the rehearsal", (material.rehearsal or {}).get("hidden"))]
    scores += [(f"achieved on the platform, {line['phase']}", line["score"]) for line in material.remote]
    assert material.blend is not None
    low, high = material.blend.expected.low, material.blend.expected.high
    found = []
    for label, score in scores:
        if score is not None:
            inside = low <= score <= high
            remark = f"{'inside' if inside else 'outside'} the interval"
            found.append(Tile(label, f"{score:.3f}", remark, "good" if inside else "bad"))
    return found


def _nested(blend: Blend) -> Tile:
    nested = blend.nested
    return Tile("clean, nested", f"{nested.clean:.3f}", f"± {nested.clean_se:.3f} standard error")


def _best_recipe(board: Board) -> Tile:
    row = board.rows[0]
    score = row["shifted"] if row["shifted"] is not None else row["clean"]
    return Tile("best recipe so far", f"{score:.3f}", row["recipe"])


def _rehearsed(checks: list[dict[str, object]]) -> Tile:
    good = sum(bool(check["passed"]) for check in checks)
    remark = "ready to upload" if good == len(checks) else "do not upload"
    return Tile("rehearsal", f"{good} of {len(checks)}", remark, "good" if good == len(checks) else "bad")


def why(blend: Blend) -> str:
    """Where the score to expect comes from, in one sentence."""
    expected, nested = blend.expected, blend.nested
    base = nested.selection(blend.expects)
    rows = "images as they are" if blend.expects == "clean" else "images under simulated shifts"
    parts = [f"networks that had not seen them score {base:.3f} on held-out {rows}"]
    if expected.averaging is not None:
        parts.append(f"averaging {expected.averaging.folds} folds adds {expected.averaging.gain:+.3f}")
    if blend.expects != "clean":
        parts.append(f"on the same images unchanged they score {nested.clean:.3f}")
    return "Because " + "; ".join(parts) + (f" ({expected.note})" if expected.note else "") + "."


def findings(material: Material) -> list[str]:
    """Sentences: whether the clean ranking misleads, and what a blend of equal weights would do."""
    found = []
    if material.board is not None and material.board.shifted and len(material.board.rows) > 1:
        found.append(_ranking(material.board))
    blend = material.blend
    if blend is not None and blend.nested != blend.equal:
        found.append(
            f"The blend scores {blend.nested.selection(blend.expects):.3f} nested ({blend.expects}); the plain mean "
            f"of the {len(blend.members)} best scores {blend.equal.selection(blend.expects):.3f}."
        )
    return found


def _ranking(board: Board) -> str:
    sign = get_metric(board.pool.metric).sign
    clean = max(board.rows, key=lambda row: sign * row["clean"])
    by_shifted = sorted(board.rows, key=lambda row: -sign * row["shifted"])
    place = by_shifted.index(clean) + 1
    scores = f"({clean['clean']:.3f} clean, {clean['shifted']:.3f} shifted)"
    if place == 1:
        return f"{clean['recipe']} is best on clean and on shifted rows {scores}."
    ahead = by_shifted[0]
    return (
        f"{clean['recipe']} is best on clean rows and number {place} of {len(by_shifted)} under shift {scores}; "
        f"{ahead['recipe']} is best under shift ({ahead['clean']:.3f} clean, {ahead['shifted']:.3f} shifted)."
    )
