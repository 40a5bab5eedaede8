"""Runs the race: every recipe one heat, the better half a longer one, as many at once as there are places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kit.cluster.fits import FitJob
from kit.cluster.schedule import Scheduler
from kit.cluster.shared import share
from kit.cluster.unit import Backend, Outcome, Unit
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import TrainError
from kit.pipeline.clock import Clock
from kit.pipeline.race import Heat, HeatJob, survivors
from kit.train.run_folder import scored_folds
from kit.workspace import Workspace

GUESSING, SURE = 1.0, 4.0
"""Standard errors above guessing below which a recipe has learnt nothing, and from which another surely has."""
SHARE = 0.1
"""Share of the time that is left, in all places, which the race may take."""
SECONDS = (1.5, 45.0)
"""Shortest and longest first heat."""
LONGER = 3.0
"""Factor from the first heat to the second."""
ROWS_PER_MINUTE, ROWS, MORE = 20, (96, 512), 2
"""Held-out rows that a heat is scored on, a minute of the budget; fewest and most; and how many times as many in the
second, whose scores decide: 120 rows tell recipes apart that lie 6 points from each other, 240 those of 4."""


def run_race(
    contest: ContestConfig,
    prepared: Prepared,
    recipes: Sequence[RecipeConfig],
    workspace: Workspace,
    clock: Clock,
    backend: Backend,
    echo: Echo,
) -> dict[str, list[Heat]]:
    """Heats by recipe; a recipe that cannot be trained is said, and is not among them. TrainError where none can."""
    assert clock.minutes is not None
    places = sum(device.places for device in backend.devices)
    first = clock.remaining() * places * SHARE / (len(recipes) * (1 + LONGER / 2))
    first = min(max(first, SECONDS[0]), SECONDS[1])
    rows = min(max(round(clock.minutes * ROWS_PER_MINUTE), ROWS[0]), ROWS[1])
    data, fold = share(prepared, workspace.cache), scored_folds(prepared)[0]
    scheduler = Scheduler(backend, on_line=lambda unit, text: echo(text))

    def lap(names: Sequence[str], seconds: float, rows: int) -> list[Outcome]:
        chosen = [recipe for recipe in recipes if recipe.name in names]
        fits = [FitJob(contest, one, fold, data, workspace.root, workspace.cache) for one in chosen]
        jobs = [HeatJob(fit, seconds, rows, _step(found, fit.recipe)) for fit in fits]
        return scheduler.run([Unit(job.fit.recipe.name, job, job.fit.recipe.name) for job in jobs])

    found: dict[str, list[Heat]] = {}
    found = _take(found, lap([one.name for one in recipes], first, rows), echo)
    if len(found) > 2:
        promise = {name: _score(heats[-1], contest) for name, heats in found.items()}
        found = _take(found, lap(survivors(list(found), promise), first * LONGER, MORE * rows), echo)
    for name, heats in found.items():
        echo(f"race: {name} {_told(heats, contest)}")
    return learnt(found, contest, echo)


def learnt(found: Mapping[str, list[Heat]], contest: ContestConfig, echo: Echo) -> dict[str, list[Heat]]:
    """Without recipes that are no better than guessing where others surely are: when such a network begins to learn, no
    curve can tell. Of captchas, one from scratch had 0.09 after the race and 0.15 after all the time there was, where
    0.38 was hoped for, and pretrained ones, at 0.27 by then, got none.
    """
    guess = 1 / len(contest.classes)
    above = {
        name: (_score(heats[-1], contest) - guess) / (guess * (1 - guess) / heats[-1].rows) ** 0.5
        for name, heats in found.items()
    }
    if max(above.values()) <= SURE:
        return dict(found)
    for name in (name for name, errors in above.items() if errors < GUESSING):
        echo(f"LEFT OUT: {name} is no better than guessing so far, where others are")
    return {name: heats for name, heats in found.items() if above[name] >= GUESSING}


def _take(found: Mapping[str, list[Heat]], outcomes: Sequence[Outcome], echo: Echo) -> dict[str, list[Heat]]:
    made = {name: list(heats) for name, heats in found.items()}
    for outcome in outcomes:
        if outcome.failure:
            echo(f"LEFT OUT: {outcome.unit.name} cannot be trained: {outcome.failure}")
            made.pop(outcome.unit.name, None)
        else:
            made.setdefault(outcome.unit.name, []).append(outcome.value)
    if not made:
        raise TrainError(f"no recipe can be trained. {outcomes[0].unit.name}: {outcomes[0].failure}")
    return made


def _step(found: Mapping[str, Sequence[Heat]], recipe: RecipeConfig) -> float | None:
    """Seconds of a step of the recipe, as its last heat had it."""
    return found[recipe.name][-1].image * recipe.train.batch_size if recipe.name in found else None


def _score(heat: Heat, contest: ContestConfig) -> float:
    return heat.point(contest.expects).score


def _told(heats: Sequence[Heat], contest: ContestConfig) -> str:
    scores = ", then ".join(f"{_score(heat, contest):.3f} after {heat.images:,.0f} images" for heat in heats)
    last = heats[-1]
    return f"{scores}; trains {1 / last.image:,.0f} img/s in a place ({last.precision}), scores {1 / last.scored:,.0f}"
