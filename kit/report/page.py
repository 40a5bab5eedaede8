"""The page itself: one HTML file that holds its styles, figures and images, and asks nothing of the network."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kit.artefact import write_text
from kit.config import ContestConfig
from kit.ensemble.blend import Blend
from kit.metrics.registry import get_metric
from kit.report import blend_figures, recipe_figures
from kit.report.album import Album, held_against, mistakes
from kit.report.drawing import colour
from kit.report.headline import findings, tiles, why
from kit.report.looks import Looks, looks_at_mistakes
from kit.report.material import Board, Material, gather
from kit.report.promise import scenes
from kit.workspace import Workspace


def write_report(
    contest: ContestConfig, workspace: Workspace, zip_path: Path | None = None, out: Path | None = None
) -> Path:
    """Write the page about the zip at `zip_path`, or about the newest blend and its zip; where it lies.

    `out` is submissions/<zip>.html where it is not given, <contest>.html as long as there is no zip. OofError
    where the workspace holds nothing of `contest`.
    """
    material = gather(contest, workspace, zip_path)
    stem = material.submission.path.stem if material.submission else contest.name
    target = out or workspace.submissions / f"{stem}.html"
    write_text(target, render(material, looks_at_mistakes(material, workspace)))
    return target


TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
"""Characters that turn the direction of all text behind them; a name may hold one, and the page shows that it does."""


def render(material: Material, looks: Looks | None = None) -> str:
    """The HTML text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    album = Album(material.images) if material.images else None
    script = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
    content = {
        "contest": material.contest,
        "tiles": tiles(material),
        "why": why(material.blend) if material.blend else "",
        "findings": findings(material),
        "leaderboard": _leaderboard(material.board) if material.board else None,
        "shifts": _shifts(material.board, material.proba) if material.board else None,
        "blend": _blend(material),
        "predictions": _predictions(material, album),
        "looks": looks or Looks({}),
        "sweeps": material.sweeps,
        "cleaning": _cleaning(material, album),
        "submission": material.submission,
        "rehearsal": material.rehearsal,
        "remote": material.remote,
        "origin": _origin(material),
        "notes": material.notes,
        "script": Markup(script),
        "script_hash": "sha256-" + b64encode(sha256(script.encode()).digest()).decode(),
    }
    return environment.get_template("page.html").render(content).translate(TURNS)


def _leaderboard(board: Board) -> dict[str, Any]:
    """Rows with their colours, and the best value of each column."""
    rows = [row | {"place": place + 1, "colour": colour(place)} for place, row in enumerate(board.rows)]
    own = max if get_metric(board.pool.metric).greater_is_better else min
    better = {"clean": own, "macro_f1": max, "shifted": own, "worst": own, "log_loss": min}
    best = {}
    for key, pick in better.items():
        values = [row[key] for row in rows if row[key] is not None]
        best[key] = pick(values) if len(values) > 1 else None
    return {
        "rows": rows,
        "best": best,
        "score": f"{board.pool.expects} {board.metric}",
        "shifted": board.shifted,
        "folds": recipe_figures.fold_spread(board),
    }


def _shifts(board: Board, proba: np.ndarray | None) -> dict[str, Any] | None:
    if not board.shifted:
        return None
    score = board.pool.score(proba) if proba is not None else None
    return {
        "scatter": recipe_figures.clean_against_shifted(board, score),
        "families": recipe_figures.families(board, proba),
        "severities": recipe_figures.severities(board, proba),
    }


def _blend(material: Material) -> dict[str, Any] | None:
    blend = material.blend
    if blend is None:
        return None
    return {"made": blend, "members": _members(blend, material.board), "scenes": scenes(material, blend)}


def _members(blend: Blend, board: Board | None) -> list[dict[str, Any]]:
    """Members with the width of their bars, and their colours on the leaderboard."""
    most = max(member.weight for member in blend.members)
    places = {name: place for place, name in enumerate(board.pool.names)} if board else {}
    return [
        {
            "member": member,
            "width": 100 * member.weight / most,
            "colour": colour(places.get(member.recipe, len(places))),
        }
        for member in blend.members
    ]


def _predictions(material: Material, album: Album | None) -> dict[str, Any] | None:
    """What the blend predicted for the out-of-fold rows."""
    if material.board is None or material.proba is None:
        return None
    pool, classes = material.board.pool, material.contest.classes
    parts = blend_figures.parts(material.proba, pool.labels)
    clean, labels = parts["clean"]
    return {
        "shown": len(blend_figures.shown_classes(parts)),
        "confusion": blend_figures.confusion_matrices(parts, classes),
        "recalls": blend_figures.recalls(parts, classes),
        "reliability": blend_figures.reliabilities(parts),
        "mistakes": mistakes(material.board.runs[0].ids, clean, labels, classes, album),
        "wrong": int((clean.argmax(-1) != labels).sum()),
        "rows": len(labels),
    }


def _cleaning(material: Material, album: Album | None) -> dict[str, Any] | None:
    table = material.cleaning
    if table is None:
        return None
    return {
        "rows": len(table),
        "kept": int(table["keep"].sum()),
        "dropped": held_against(table, album),
        "overruled": int(table["overruled"].sum()),
        "conflict": int((table["conflict"] & table["keep"]).sum()),
    }


def _origin(material: Material) -> dict[str, str]:
    """What made it: digests and versions, for whoever wants to make it again."""
    origin = {"contest": material.contest.name}
    if material.board:
        info = max((run.info for run in material.board.runs), key=lambda info: info.get("time", 0.0))
        origin |= {key: info["digests"][key] for key in ("data", "folds")}
        origin |= {name: str(version) for name, version in info.get("versions", {}).items()}
    if material.submission:
        origin["zip sha256"] = material.submission.sha256
    return origin
