"""What was found about a contest, kept beside its runs: `oof/<contest>/situation.json`.

Found once for the data and what the contest file says about them; a resumed run, and every other command of the
contest, reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kit.artefact import write_json
from kit.config import ContestConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.situation.evidence import Evidence, Probe
from kit.situation.expectation import Expects, expectation
from kit.situation.settled import key_of, read_kept, situation_path
from kit.situation.symmetries import TESTED
from kit.situation.verdict import Allowed, allowed, verdict
from kit.workspace import Workspace


@dataclass(frozen=True)
class Situation:
    """Clean or shifted, and what may be done to an image."""

    expects: Expects
    why: str
    allowed: Allowed
    probe: Probe


def find_situation(
    contest: ContestConfig, prepared: Prepared, workspace: Workspace, echo: Echo = lambda line: None
) -> Situation:
    """The contest's situation, found from its training rows where that was not done yet; `echo` gets it in lines."""
    path, key = situation_path(workspace, contest), key_of(contest) | {"data": prepared.data_digest}
    kept = read_kept(path)
    if kept is None or kept["key"] != key:
        from kit.situation.probe import probe  # torch, and found once for a contest

        kept = {"key": key, "probe": asdict(probe(prepared.images, prepared.labels, contest.seed)), "told": None}
        write_json(path, kept)
    if contest.expects == "auto" and kept["told"] is None:
        kept["told"] = list(expectation(contest, prepared.images, workspace))
        write_json(path, kept)
    found = _situation(contest, kept)
    for line in lines(found, prepared.class_names):
        echo(line)
    return found


def lines(found: Situation, class_names: tuple[str, ...]) -> list[str]:
    """The situation as a person reads it."""
    seen, may = found.probe, found.allowed
    if not seen.evidence:
        weak = f"a simple classifier gets only {seen.accuracy:.2f} right, chance {seen.chance:.2f}"
        told = weak if seen.accuracy else "too few rows to ask"
        first = f"symmetries: not known ({told}), so none is used"
    else:
        first = f"symmetries: {_told(seen, class_names)}"
    used = ", ".join(name for name in may.symmetries if name != "identity") or "none"
    mild = f"crops from {may.crop:.0%} of the area, turns to {may.rotate:g} degrees, light and colour {may.colour:.0%}"
    return [first, f"  used: {used}; mild augmentation: {mild}", found.why]


def _told(seen: Probe, class_names: tuple[str, ...]) -> str:
    told = []
    for one in seen.evidence:
        if one.change not in TESTED:
            told.append(f"{one.change} {one.retained:.2f}")
            continue
        cost = f", {class_names[one.collapsed]} lost" if one.collapsed is not None else ""
        told.append(f"{one.change} {verdict(one)} ({one.retained:.2f} +- {one.retained_se:.2f}{cost})")
    who = f"a simple classifier, {seen.accuracy:.2f} right on {seen.rows:,} rows"
    return f"{who}, keeps of that under {', '.join(told)}"


def _situation(contest: ContestConfig, kept: dict[str, Any]) -> Situation:
    seen = kept["probe"]
    found = Probe(**(seen | {"evidence": tuple(Evidence(**one) for one in seen["evidence"])}))
    expects, why = contest.expects, f"expects {contest.expects}: the contest says so"
    if kept["told"] is not None and contest.expects in ("auto", kept["told"][0]):
        expects, why = kept["told"]
    assert expects != "auto"
    return Situation(expects, why, allowed(found).overruled(contest.policy), found)
