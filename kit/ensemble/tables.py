"""What is known about an ensemble, as rows of plain values for a terminal, a report or JSON.

Scores are in the contest's metric, log losses in nats; a value that a pool cannot have is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.ensemble.blend import Blend
from kit.ensemble.front import Point
from kit.ensemble.kinds.auto import Compared
from kit.ensemble.pool import Pool
from kit.ensemble.post import described
from kit.ensemble.scoring.averaging import Gain
from kit.ensemble.scoring.diversity import diversity
from kit.ensemble.scoring.reliability import reliability
from kit.ensemble.view_choice import ViewChoice
from kit.shifts.scenarios import CLAIMS

Row = dict[str, Any]


def score_lines(blend: Blend) -> list[str]:
    """A line a member; then nested scores, what was gained by seeing the rows, the bar, and what to expect."""
    lines = [f"  {m.weight:.3f}  {m.recipe}  views {', '.join(m.views)}" for m in blend.members]
    nested, expected = blend.nested, blend.expected
    shifted = "" if nested.shifted is None else f", shifted {nested.shifted:.4f} ± {nested.shifted_se:.4f}"
    seen, held, bar = (one.selection(blend.expects) for one in (blend.resubstitution, nested, blend.equal))
    gain = expected.averaging
    optimism = blend.resubstitution.gain(blend.expects) - nested.gain(blend.expects)
    return [
        *lines,
        f"{blend.kind}: nested clean {nested.clean:.4f} ± {nested.clean_se:.4f}{shifted}",
        f"  resubstitution {seen:.4f}, nested {held:.4f}, optimism {optimism:+.4f}; equal weights {bar:.4f}",
        f"  expect {expected.point:.4f}, {expected.level:.0%} interval {expected.low:.4f} to {expected.high:.4f}"
        f"{'; ' if expected.note else ''}{expected.note}",
        *([f"  post-processing: {described(blend.combiner['post'])}"] if blend.combiner.get("post") else []),
        *([] if gain is None else [f"  {averaging_line(gain)}"]),
    ]


def scenario_rows(blend: Blend, achieved: Mapping[str, float] | None = None) -> list[Row]:
    """A row a scenario: what it says of the hidden test, the score to expect there, and the vault's own beside it.

    achieved: by scenario, what the practice contest's hidden test gave in that form.
    """
    rows = []
    for name, found in blend.scenarios.items():
        gain = found.averaging
        row = {"scenario": name, "hidden test": CLAIMS[name], "expect": found.point, "low": found.low}
        row |= {"high": found.high, "averaging": None if gain is None else gain.gain}
        row |= {"vault": gain and gain.averaged, "vault_se": gain and gain.averaged_se}
        row |= {"achieved": achieved.get(name)} if achieved else {}
        row |= {"note": found.note} if found.note else {}
        rows.append(row | {"belief": None if blend.belief is None else blend.belief.shares.get(name)})
    return rows


def scenario_lines(rows: Sequence[Row]) -> list[str]:
    """`scenario_rows` for a terminal."""
    lines = []
    for row in rows:
        parts = [f"  {row['scenario']:<11}expect {row['expect']:.3f}, {row['low']:.3f} to {row['high']:.3f}"]
        parts += [f"achieved {row['achieved']:.3f}"] if row.get("achieved") is not None else []
        parts += [f"vault {row['vault']:.3f} ± {row['vault_se']:.3f}"] if row["vault"] is not None else []
        parts += [f"likely {row['belief']:.0%}"] if row["belief"] is not None else []
        parts += [row["note"]] if row.get("note") else []
        lines.append("; ".join([*parts, row["hidden test"]]))
    return ["if the hidden test is", *lines] if lines else []


def averaging_line(gain: Gain) -> str:
    """What averaging the folds adds, and how the blend as it is sent does on the vault."""
    if not gain.rows:
        return (
            f"averaging {gain.folds} folds is taken to add {gain.gain:+.4f} ± {gain.se:.4f}, in the score to expect: "
            f"from recorded blends, as no rows are held back that would tell"
        )
    line = f"averaging {gain.folds} folds adds {gain.gain:+.4f} ± {gain.se:.4f}, in the score to expect"
    if gain.averaged is None:
        return line
    return (
        f"{line}; the vault's {gain.rows:,} rows, which no network trained on, score {gain.averaged:.4f} ± "
        f"{gain.averaged_se:.4f} (one network a recipe {gain.single:.4f})"
    )


def kind_rows(compared: Sequence[Compared], chosen: str = "") -> list[Row]:
    """A row a kind: resubstitution beside nested, and the nested gap to the first, the plain mean of five.

    optimism: resubstitution less nested selection score. gap and other_gap: on the score that is selected by
    and on the other, with paired standard errors.
    """
    return [_kind_row(one, chosen) for one in compared]


def _kind_row(one: Compared, chosen: str) -> Row:
    found = one.found
    return {
        "kind": found.kind.name,
        "members": len(found.combiner.members),
        "resubstitution": found.resubstitution.selection(found.expects),
        "clean": found.nested.clean,
        "clean_se": found.nested.clean_se,
        "shifted": found.nested.shifted,
        "shifted_se": found.nested.shifted_se,
        "optimism": found.optimism,
        "gap": one.gap,
        "gap_se": one.gap_se,
        "other_gap": one.other_gap,
        "other_se": one.other_se,
        "log_loss": found.nested.log_loss,
        "shifted_log_loss": found.nested.shifted_log_loss,
        "worst_family": found.nested.worst_family,
        "worst": found.nested.worst,
        "chosen": found.kind.name == chosen,
    }


def diversity_rows(pool: Pool) -> list[Row]:
    """A row a member: its mean error correlation and double fault with the others, the pool's oracle."""
    found = diversity(pool)
    rows = []
    for member, name in enumerate(pool.names):
        correlation, double_fault = found.row(member)
        row = {"recipe": name, "error_correlation": correlation, "double_fault": double_fault}
        rows.append(row | {"oracle": found.oracle})
    return rows


def calibration_rows(pool: Pool) -> list[Row]:
    """A row a member and kind of image: calibration error, its standard error, and chance's."""
    rows = []
    parts = {"clean": slice(0, 1), "shifted": slice(1, None)}
    if pool.proba.shape[2] == 1:
        del parts["shifted"]
    for member, name in enumerate(pool.names):
        for part, places in parts.items():
            seen = pool.proba[member][:, places]
            found = reliability(seen.reshape(-1, pool.num_classes), pool.labels.repeat(seen.shape[1]))
            rows.append(
                {
                    "recipe": name,
                    "images": part,
                    "temperature": pool.entries[member].temperature,
                    "calibration_error": found.error,
                    "se": found.se,
                    "chance": found.chance,
                }
            )
    return rows


def view_rows(choice: ViewChoice) -> list[Row]:
    """A row a trial: passes an image, merge, nested scores, and the gap to one view."""
    return [
        {
            "recipe": choice.recipe,
            "passes": trial.passes,
            "merge": trial.merge,
            "views": ", ".join(trial.views),
            "clean": trial.nested.clean,
            "shifted": trial.nested.shifted,
            "gap": trial.gap,
            "gap_se": trial.gap_se,
            "chosen": trial is choice.chosen,
        }
        for trial in choice.trials
    ]


def front_rows(points: Sequence[Point], enough: Point | None = None, made: Point | None = None) -> list[Row]:
    """A row a point of the accuracy-cost front, `enough` marked, and one of the blend that was fitted."""
    rows = [_point_row(point) | {"enough": point is enough} for point in points]
    if made is not None:
        blend = {"added": "the blend itself", "efficient": False, "enough": False}
        rows.append(_point_row(made) | blend)
    return rows


def _point_row(point: Point) -> Row:
    return {
        "members": len(point.members),
        "added": point.members[-1],
        "seconds": point.seconds,
        "megabytes": point.megabytes,
        "clean": point.nested.clean,
        "shifted": point.nested.shifted,
        "efficient": point.efficient,
    }
