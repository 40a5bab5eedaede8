"""A blend: which members, how they are combined, and what it is worth. Written as blend.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.artefact import read_json, write_json
from kit.ensemble.combine import Combiner
from kit.ensemble.expected import Expected, expected_score
from kit.ensemble.kinds import kind
from kit.ensemble.nested import Nested, evaluate
from kit.ensemble.pool import Pool, make_pool
from kit.ensemble.scores import Score
from kit.errors import ArtefactError

if TYPE_CHECKING:
    from kit.oof import OofRun


@dataclass(frozen=True)
class Member:
    """A recipe in a blend: its weight (sum 1 over members), temperature and views; `score` is its own."""

    recipe: str
    weight: float
    temperature: float
    views: tuple[str, ...]
    score: Score


@dataclass(frozen=True)
class Blend:
    """A fitted ensemble, reproducible from the out-of-fold store alone.

    name: as asked for ("auto"); kind: what it became ("best5"). combiner: the manifest's, members in the
    order of `members`. equal: nested score of the plain mean of the same number of members, the bar to beat.
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

    def proba(self, pool: Pool) -> np.ndarray:
        """Out-of-fold probabilities (N, 1 + K, C) of the blend, from a pool that holds its members."""
        places = tuple(pool.names.index(member.recipe) for member in self.members)
        return Combiner.from_json(self.combiner).on(places).apply(pool.proba)

    def to_json(self, path: Path) -> None:
        """Write blend.json."""
        write_json(path, asdict(self))

    @classmethod
    def from_json(cls, path: Path) -> Blend:
        """Read blend.json; ArtefactError when it is broken."""
        again = "kit blend NAME"
        data = read_json(path, rerun=again)
        try:
            members = tuple(_member_from(member) for member in data.pop("members"))
            scores = {key: Score(**data.pop(key)) for key in ("nested", "resubstitution", "equal")}
            data |= scores | {"expected": Expected(**data["expected"])}
            return cls(members=members, **data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"{path}: not a blend ({error}). Make it again: {again}") from error


def _member_from(data: dict[str, Any]) -> Member:
    return Member(**data | {"views": tuple(data["views"]), "score": Score(**data["score"])})


def blend(
    runs: Sequence[OofRun],
    name: str = "best5",
    expects: str = "shifted",
    metric: str = "accuracy",
    hidden_rows: int = 2000,
) -> Blend:
    """The ensemble of that name over the runs; EnsembleError names a run that cannot enter."""
    pool = make_pool(runs, expects, metric)
    found = evaluate(kind(name), pool)
    return describe(name, found, pool, dict(runs[0].info.get("digests", {})), hidden_rows)


def describe(name: str, found: Nested, pool: Pool, digests: dict[str, str], hidden_rows: int) -> Blend:
    """A scored kind as a blend."""
    combiner = found.combiner
    bar = evaluate(kind(f"best{len(combiner.members)}"), pool)
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
        expected=expected_score(found.proba, pool, hidden_rows),
        digests=digests,
    )


def _member(pool: Pool, place: int, weight: float) -> Member:
    own = pool.score(pool.proba[place])
    return Member(pool.names[place], weight, pool.temperatures[place], pool.views[place], own)
