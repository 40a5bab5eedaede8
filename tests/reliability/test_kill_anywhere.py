"""Killed at any moment, the same command goes on: nothing finished is repeated, and the result is the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from essence import essence
from kills import Chain
from lives import Lives, lives
from toy_store import BLEND, PACK, TRAIN, TWO, WHOLE, fresh, write_store

SEEDS = int(os.environ.get("KIT_KILLS", "0"))
"""Chains of deaths in the long run."""
STRIDE = 9
"""Of the write points of a command, every how many are tried in the short run."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    with lives(tmp_path_factory.mktemp("lives")) as started:
        yield started


@pytest.fixture(scope="module")
def whole(process: Lives, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of an uninterrupted run."""
    root = tmp_path_factory.mktemp("whole") / "store"
    write_store(root)
    life = process.live(root, *WHOLE)
    assert life.code == 0, life.output
    return root


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
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_chains_of_deaths(seed: int, process: Lives, whole: Path, tmp_path: Path) -> None:
    """The whole run, killed again and again: by turns at write points and at random moments."""
    generator = random.Random(seed)
    fresh(tmp_path / "store", whole)
    chain = Chain(process, tmp_path / "store")
    if seed % 5 == 4:  # with two workers, which live in processes of their own
        chain.die(TWO, after=generator.uniform(0.5, 12.0))
        assert chain.die(TWO).code == 0
    for _ in range(4):
        chain.die(WHOLE, after=generator.uniform(0.1, 8.0))
    chain.until_done(WHOLE, generator, 120)
    chain.check(essence(whole))
    with open(process.scratch / "kills.txt", "a") as file:
        file.write(f"{seed} {chain.killed}\n")
