"""Killed at any moment, the same command goes on: nothing finished is repeated, and the result is the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from essence import essence
from kills import Chain
from lives import Lives
from toy_store import BLEND, PACK, SEARCH, TRAIN, TRIALS, TWO, WHOLE, finished_trials, fresh

SEEDS = range(*map(int, os.environ.get("KIT_CHAINS", "0:0").split(":")))
"""Chains of deaths in the long run: first and last + 1."""
STRIDE = 9
"""Of the write points of a command, every how many are tried in the short run."""


@pytest.fixture(scope="module")
def whole(whole_store: Path) -> Path:
    """The store of an uninterrupted run."""
    return whole_store


@pytest.fixture(scope="module")
def trained(process: Lives, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store after `kit train tiny`, uninterrupted."""
    root = tmp_path_factory.mktemp("trained") / "store"
    fresh(root, whole)
    life = process.live(root, *TRAIN)
    assert life.code == 0, life.output
    return root


def copied(root: Path, target: Path) -> Path:
    shutil.copytree(root, target)
    return target


def test_training_killed_at_its_write_points(process: Lives, whole: Path, trained: Path, tmp_path: Path) -> None:
    """Every STRIDE-th, in a chain: each life goes on where the one before was killed."""
    fresh(tmp_path / "store", whole)
    chain, at = Chain(process, tmp_path / "store"), STRIDE
    while (life := chain.die(TRAIN, at=at)).killed:
        at = STRIDE if at > 3 * STRIDE else at + 1
        assert chain.killed < 100
    assert life.code == 0, life.output
    assert chain.killed >= 5
    chain.check(essence(trained))


def test_blending_and_packing_killed_at_their_write_points(process: Lives, whole: Path, tmp_path: Path) -> None:
    wanted = essence(whole)
    root = copied(whole, tmp_path / "store")
    shutil.rmtree(root / "submissions")
    shutil.rmtree(root / "oof" / "toy" / "blends")
    for command in (BLEND, PACK):
        chain, at = Chain(process, root), 1
        while (life := chain.die(command, at=at)).killed:
            at += 2
        assert life.code == 0, life.output
        assert chain.killed >= 2
    made = essence(root)
    for path in ("oof/toy/blends/best2.json", "submissions/toy-best2-toy.zip"):
        assert made[path] == wanted[path]
    chain.check_clean()


def test_the_whole_run_killed_at_random_moments(process: Lives, whole: Path, tmp_path: Path) -> None:
    generator = random.Random(1)
    fresh(tmp_path / "store", whole)
    chain = Chain(process, tmp_path / "store")
    for _ in range(3):
        chain.die(WHOLE, after=generator.uniform(0.1, 4.0))
    life = chain.die(WHOLE)
    assert life.code == 0, life.output
    chain.check(essence(whole))


@pytest.mark.parametrize(("what", "code"), [("term", 143), ("interrupt", 130)])
@pytest.mark.parametrize("twice", [False, True])
def test_told_to_end_it_leaves_in_order(
    what: str, code: int, twice: bool, process: Lives, whole: Path, tmp_path: Path
) -> None:
    """Once: its exit code and one line. A second signal may end it at once, and nothing is lost by that either."""
    fresh(tmp_path / "store", whole)
    chain = Chain(process, tmp_path / "store")
    life = process.live(chain.root, *TRAIN, at=70, what=what, twice=twice)
    if twice:
        assert life.code in (code, -signal.SIGTERM, -signal.SIGINT), life.output
    else:
        assert life.code == code, life.output
        assert "What is finished is kept" in life.output
        chain.check_clean()
    assert "Traceback" not in life.output
    life = chain.die(TRAIN)
    assert life.code == 0, life.output
    chain.check_clean()


# ------------------------------------------------------------------------------------------------------ the long run
def whole_run(chain: Chain, generator: random.Random) -> None:
    """Until it ends, and then again, when packing and the rehearsal are most of it."""
    chain.at_moments(WHOLE, generator, 4, 8.0)
    chain.until_done(WHOLE, generator, 120)
    chain.at_moments(WHOLE, generator, 4, 6.0)
    chain.to_its_end(WHOLE)


def two_workers(chain: Chain, generator: random.Random) -> None:
    """Training in processes of their own, then the rest."""
    chain.at_moments(TWO, generator, 6, 12.0)
    chain.to_its_end(TWO)
    chain.until_done(WHOLE, generator, 120)


def sweep(chain: Chain, generator: random.Random) -> None:
    """A search, by turns at moments and at write points; as many trials end as were asked for."""
    chain.at_moments(SEARCH, generator, 4, 15.0)
    chain.until_done(SEARCH, generator, 60)
    chain.at_moments(SEARCH, generator, 1, 3.0)
    chain.to_its_end(SEARCH)
    ended = [trial for trial in finished_trials(chain.root).values() if trial[0] in ("COMPLETE", "PRUNED")]
    assert len(ended) == TRIALS
    assert len({str(params) for _, _, params in ended}) == TRIALS
    chain.check_clean()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
def test_chains_of_deaths(seed: int, process: Lives, whole: Path, tmp_path: Path) -> None:
    """Killed again and again: by turns at write points and at random moments."""
    kind = (whole_run, whole_run, two_workers, whole_run, sweep)[seed % 5]
    fresh(tmp_path / "store", whole)
    chain = Chain(process, tmp_path / "store")
    kind(chain, random.Random(seed))
    if kind is not sweep:
        chain.check(essence(whole))
    print(f"chain {seed}, {kind.__name__}: killed {chain.killed} times")
