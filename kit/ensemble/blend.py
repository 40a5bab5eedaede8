"""A blend: which members, how they are combined, and what it is worth. Written as blend.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from kit.artefact import read_json, write_json
from kit.ensemble.budget import Budget, Cost, Thrifty, check_costs
from kit.ensemble.kinds.auto import Compared, auto, candidates, compare
from kit.ensemble.kinds.bias import corrected, row_weights, with_prior
from kit.ensemble.kinds.combine import Combiner
from kit.ensemble.kinds.registry import kind, refuse_gone
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.post import with_post
from kit.ensemble.scoring.belief import Belief
from kit.ensemble.scoring.expected import Expected, expected_score, read_expected
from kit.ensemble.scoring.nested import Kind, Nested, evaluate
from kit.ensemble.scoring.scenarios import scenario_scores
from kit.ensemble.scoring.scores import Score
from kit.ensemble.scoring.shares import with_shares
from kit.errors import ArtefactError, EnsembleError
from kit.table import Column, Grid

if TYPE_CHECKING:
    from kit.oof_store import OofRun

AUTO = "auto"
NO_LIMITS = Budget()


@dataclass(frozen=True)
class Member:
    """A recipe in a blend: its weight (sum 1 over members), temperature and views; `score` is its own.

    merge: how its views become one, as `merge_views` of the shipped file names it. external: the file of
    predictions made elsewhere, which no zip can run.
    """

    recipe: str
    weight: float
    temperature: float
    views: tuple[str, ...]
    score: Score
    merge: str = "mean"
    external: str = ""


@dataclass(frozen=True)
class Blend:
    """A fitted ensemble, reproducible from the out-of-fold store alone.

    name: as asked for ("auto"); kind: what it became ("best5"). combiner: the manifest's, members in the
    order of `members`. equal: nested score of the plain mean of the same number of members, the bar to beat.
    options: what was asked for besides the name, expects and metric. scenarios: the score to expect by kind of hidden
    test; belief: how likely each is held to be, None where nobody asked.
    """

    name: str
    kind: str
    expects: str
    metric: str
    members: tuple[Member, ...]
    combiner: dict[str, Any]
    nested: Score
    resubstitution: Score
    equal: Score
    expected: Expected
    digests: dict[str, str]
    options: dict[str, Any]
    scenarios: dict[str, Expected] = field(default_factory=dict)
    belief: Belief | None = None

    def proba(self, pool: Pool) -> np.ndarray:
        """Out-of-fold probabilities (N, 1 + K, C) of the blend, from a pool that holds its members."""
        places = tuple(pool.names.index(member.recipe) for member in self.members)
        return Combiner.from_json(self.combiner).on(places).apply(pool.proba)

    def table(self) -> Grid:
        """The members and their scores, and what the blend is worth."""
        columns = [Column("recipe", number=False), Column("weight"), Column("clean"), Column("shifted")]
        rows: list[list[str | Text]] = [
            [one.recipe, f"{one.weight:.3f}", f"{one.score.clean:.4f}", _optional(one.score.shifted)]
            for one in self.members
        ]
        rows.append([f"{self.kind}, nested", "", f"{self.nested.clean:.4f}", _optional(self.nested.shifted)])
        expected = self.expected
        note = f"expect {expected.point:.3f} on the hidden test, {expected.low:.3f} to {expected.high:.3f}"
        return Grid(columns, rows, self.name, f"{note} with {expected.level:.0%} probability")

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_json(self, path: Path) -> None:
        """Write blend.json."""
        write_json(path, asdict(self))

    @classmethod
    def from_json(cls, path: Path) -> Blend:
        """Read blend.json; ArtefactError when it is broken, EnsembleError where its kind is no longer there."""
        again = "kit blend NAME"
        data = read_json(path, rerun=again)
        try:
            refuse_gone(str(data.get("kind")))
            members = tuple(_member_from(member) for member in data.pop("members"))
            scores = {key: Score(**data.pop(key)) for key in ("nested", "resubstitution", "equal")}
            data |= scores | {"expected": read_expected(data["expected"])}
            data["scenarios"] = {name: read_expected(one) for name, one in data.get("scenarios", {}).items()}
            if data.get("belief"):
                data["belief"] = Belief(**data["belief"])
            return cls(members=members, **data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"{path}: not a blend ({error}). Make it again: {again}") from error


def _optional(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _member_from(data: dict[str, Any]) -> Member:
    return Member(**data | {"views": tuple(data["views"]), "score": Score(**data["score"])})


@dataclass(frozen=True)
class BlendRequest:
    """What is asked of a blend besides its name.

    expects, metric: the contest's. hidden_rows: images the hidden score is taken over. budget and costs:
    the platform's limits, and what each recipe takes. hidden_prior: class shares (C,) of the hidden test,
    where known. merges: how a recipe's views become one, by recipe. trained: shift families that each recipe
    trained on, where ranking is to leave those out. shares: of the battery's cells in the hidden test, by name.
    """

    expects: str = "shifted"
    metric: str = "accuracy"
    hidden_rows: int = 2000
    budget: Budget = NO_LIMITS
    costs: Mapping[str, Cost] | None = None
    hidden_prior: Sequence[float] | None = None
    merges: Mapping[str, str] | None = None
    trained: Mapping[str, Collection[str]] | None = None
    shares: Mapping[str, float] | None = None

    def options(self) -> dict[str, Any]:
        """Plain values of what differs from the defaults; budgets and costs as they were measured."""
        values: dict[str, Any] = {
            "hidden_rows": self.hidden_rows,
            "budget": {key: limit for key, limit in asdict(self.budget).items() if limit is not None},
            "costs": {name: asdict(cost) for name, cost in (self.costs or {}).items()},
            "hidden_prior": [float(share) for share in ([] if self.hidden_prior is None else self.hidden_prior)],
            "merges": dict(self.merges or {}),
            "shares": {cell: float(share) for cell, share in (self.shares or {}).items()},
            "trained": {name: sorted(families) for name, families in (self.trained or {}).items()},
        }
        return {key: value for key, value in values.items() if value}


def requested_pool(runs: Sequence[OofRun], request: BlendRequest) -> Pool:
    """The runs as a blend under that request sees them; EnsembleError names a run that cannot enter."""
    pool = make_pool(runs, request.expects, request.metric, merges=request.merges, trained=request.trained)
    return with_shares(pool, request.shares) if request.shares and pool.expects == "shifted" else pool


def blend(
    runs: Sequence[OofRun],
    name: str = "best5",
    expects: str = "shifted",
    metric: str = "accuracy",
    pool: Pool | None = None,
    **more: Any,
) -> Blend:
    """The ensemble of that name over the runs; EnsembleError names a run that cannot enter.

    pool: `requested_pool` of the same runs and request, where the caller has it. more: fields of `BlendRequest`.
    """
    request = BlendRequest(expects, metric, **more)
    pool = requested_pool(runs, request) if pool is None else pool
    return describe(name, find(name, pool, request)[0], pool, _digests(runs), request)


def find(name: str, pool: Pool, request: BlendRequest) -> tuple[Nested, list[Compared]]:
    """The ensemble of that name under the requested budget, nested, and for "auto" what it was chosen from.

    With the post-processing that the metric rewards, unless the hidden test's class shares are given: that is fitted
    to the shares of the rows.
    """
    compared: list[Compared] = []
    if name == AUTO:
        compared = compare(pool, [within(one, pool, request) for one in candidates(pool)])
    found = auto(pool, compared) if compared else evaluate(within(kind(name), pool, request), pool)
    return found if request.hidden_prior is not None else with_post(found, pool), compared


def within(one: Kind, pool: Pool, request: BlendRequest) -> Kind:
    """The kind under the requested budget; EnsembleError where the budget or a cost makes that impossible."""
    if request.budget == NO_LIMITS:
        return one
    if request.costs is None:
        raise EnsembleError("a budget needs measured costs, but got none. Measure them: kit train")
    check_costs(pool, request.costs, request.budget)
    return Thrifty(one, request.costs, request.budget)


def describe(name: str, found: Nested, pool: Pool, digests: dict[str, str], request: BlendRequest) -> Blend:
    """A scored kind as a blend."""
    combiner, proba, weights = found.combiner, found.proba, None
    bar = evaluate(within(kind(f"best{len(combiner.members)}"), pool, request), pool)
    if request.hidden_prior is not None:
        combiner = with_prior(combiner, pool.labels, request.hidden_prior)
        weights = row_weights(pool.labels, request.hidden_prior)
        proba = corrected(proba, pool.labels, request.hidden_prior)
    scenarios = scenario_scores(proba, pool, combiner, request.hidden_rows, weights)
    if pool.shares:  # a mixture that is none of the scenarios
        expected = expected_score(proba, pool, request.hidden_rows, weights, combiner=combiner)
    else:
        expected = replace(scenarios["clean" if pool.expects == "clean" else "contest"], expects=pool.expects)
    return Blend(
        name=name,
        kind=found.kind.name,
        expects=pool.expects,
        metric=pool.metric,
        members=tuple(_member(pool, m, w) for m, w in zip(combiner.members, combiner.weights)),
        combiner=combiner.to_json(),
        nested=found.nested,
        resubstitution=found.resubstitution,
        equal=bar.nested,
        expected=expected,
        digests=digests,
        options=request.options(),
        scenarios=scenarios,
    )


def _digests(runs: Sequence[OofRun]) -> dict[str, str]:
    return dict(runs[0].info.get("digests", {}))


def _member(pool: Pool, place: int, weight: float) -> Member:
    entry, own = pool.entries[place], pool.score(pool.proba[place])
    return Member(pool.names[place], weight, entry.temperature, entry.views, own, entry.merge, entry.external)
