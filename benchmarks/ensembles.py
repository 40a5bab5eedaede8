"""Every ensemble kind on a contest's trained runs: the tables of docs/ensembles.md, as Markdown.

python benchmarks/ensembles.py --contest an2dl2024 --root .
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.config import ContestConfig, load_contest
from kit.ensemble import tables
from kit.ensemble.blend import blend
from kit.ensemble.budget import Budget
from kit.ensemble.costs import measure_costs
from kit.ensemble.front import draw, front, pick
from kit.ensemble.kinds.auto import auto, candidates, compare
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scoring.nested import difference
from kit.ensemble.view_choice import choose_views
from kit.oof_store import OofRun, load_runs
from kit.workspace import Workspace

MORE = ("best1", "best5+bias")
"""Kinds that `auto` does not offer by itself."""


def markdown(title: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Prints some columns of `rows` as a Markdown table."""
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(cell(row[column]) for column in columns)} |")


def cell(value: Any) -> str:
    if isinstance(value, bool):
        return "x" if value else ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return "-" if value is None else str(value)


def kinds(pool: Pool, runs: Sequence[OofRun], contest: ContestConfig) -> None:
    compared = compare(pool, [*candidates(pool), *map(kind, MORE)])
    offered = [one for one in compared if one.found.kind.name not in MORE]
    chosen = auto(pool, offered)
    columns = ("kind", "members", "resubstitution", "clean", "clean_se", "shifted", "shifted_se")
    markdown("Kinds, nested", tables.kind_rows(compared, chosen.kind.name), (*columns, "optimism", "worst", "chosen"))
    columns = ("kind", "gap", "gap_se", "other_gap", "other_se", "log_loss", "shifted_log_loss")
    markdown("Gaps to best5, paired", tables.kind_rows(compared), columns)
    gap, error = difference(chosen.proba, compared[0].found.proba, pool, pool.expects)
    print(f"\n`auto` chooses **{chosen.kind.name}**; its nested score, the choice included, less that of best5:")
    print(f"{gap:+.4f} ± {error:.4f} ({pool.expects}).")
    expected = blend(runs, "best5", contest.expects, contest.metric).expected
    print(f"best5: expect {expected.point:.4f}, 80 % interval {expected.low:.4f} to {expected.high:.4f}.")


def views(runs: Sequence[OofRun], pool: Pool) -> None:
    rows = []
    for run in runs:
        if len(run.views) > 1:
            choice = choose_views(run, pool.expects, pool.metric)
            rows += [row for row in tables.view_rows(choice) if row["chosen"] or row["passes"] in (1, len(run.views))]
    if rows:
        columns = ("recipe", "passes", "merge", "clean", "shifted", "gap", "gap_se", "chosen")
        markdown("Views: one, all, and the choice", rows, columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contest", default="practice")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--figure", type=Path, help="draw accuracy against cost here (.svg)")
    options = parser.parse_args()
    contest, workspace = load_contest(options.contest), Workspace(options.root.resolve())
    runs = load_runs(workspace, contest.name)
    pool = make_pool(runs, contest.expects, contest.metric)
    print(f"{len(runs)} recipes, {len(pool.labels):,} rows, {pool.cells.shape[1]} shifted images a row")
    kinds(pool, runs, contest)
    markdown("Diversity", tables.diversity_rows(pool), ("recipe", "error_correlation", "double_fault", "oracle"))
    columns = ("recipe", "images", "temperature", "calibration_error", "se", "chance")
    markdown("Calibration", tables.calibration_rows(pool), columns)
    views(runs, pool)
    prices = measure_costs(runs, workspace, contest.name, contest.image_size)
    points = front(pool, prices)
    rows = tables.front_rows(points, pick(points, pool, prices, Budget()))
    columns = ("members", "added", "seconds", "megabytes", "clean", "shifted", "efficient", "enough")
    markdown("Accuracy against cost", rows, columns)
    if options.figure:
        draw(points, pool.expects, options.figure)


if __name__ == "__main__":
    main()
