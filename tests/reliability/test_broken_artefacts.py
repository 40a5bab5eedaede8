"""Every kind of file that the kit keeps, broken in every way: noticed before it is used, with what to do, nothing else
touched.
"""

from __future__ import annotations

import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Toy, copied, write_toy
from full_store import (
    FOLD,
    RUN,
    USES,
    ZIP,
    digests,
    hours,
    make_full,
    members,
    run,
    same,
    searched,
    swap,
    without_seals,
)
from kinds import CHECKED, LISTED, write_sites

from kit.cluster.shared import share
from kit.data.prepared import prepare
from kit.errors import KitError
from kit.train.run import train_recipe

FLIPS = 12
"""Bits flipped in each file, one at a time."""
COMMAND = re.compile(r"(?i)\b(kit|rm|head|sed) |delete it|free space")


@pytest.fixture(scope="module")
def two_stores(full_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a file of every kind; another contest's beside it, trained likewise."""
    root = copied(full_once, tmp_path_factory.mktemp("full") / "store").root
    make_other(root)
    return root


def make_other(root: Path) -> None:
    """other/: the same files of a contest with the same name, ids and recipes, but other images."""
    other = write_toy_of(root / "other")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(other.root)
        prepared = other.prepared()
        for name in ("tiny", "mini"):
            train_recipe(other.contest(), prepared, other.recipe(name), other.workspace, lambda line: None)
        make_full(other)


def write_toy_of(root: Path) -> Toy:
    root.mkdir()
    toy = write_toy(root)
    with np.load(toy.data) as data:
        images, labels = 255 - data["images"][:, ::-1], data["labels"]
    np.savez(toy.data, images=images, labels=labels)
    return toy


@pytest.fixture
def full(two_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A copy, in the current directory."""
    toy = copied(two_stores, tmp_path / "store")
    monkeypatch.chdir(toy.root)
    return toy


def flipped(data: bytes, seed: str) -> list[bytes]:
    """The content with one bit changed, at places spread over it."""
    found = []
    for number in range(FLIPS):
        place = zlib.crc32(f"{seed} {number}".encode()) % (8 * len(data))
        spoilt = bytearray(data)
        spoilt[place // 8] ^= 1 << place % 8
        found.append(bytes(spoilt))
    return found


def put(path: Path, content: bytes | None) -> None:
    """Replaces a file by content, or by a folder."""
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """What it gives, or why the kit refuses; any other error is a fault."""
    try:
        return call(), ""
    except KitError as error:
        return None, str(error)


def restore(path: Path, content: bytes) -> None:
    if path.is_dir():
        path.rmdir()
    path.write_bytes(content)


def test_every_function_that_writes_a_file_is_listed() -> None:
    """A new kind of file needs a line in kinds.py, and in full_store.USES how its damage is noticed."""
    assert sorted(write_sites()) == sorted(LISTED)


def test_every_kind_that_is_checked_has_a_use() -> None:
    for kind in CHECKED:
        names = [name.strip() for name in kind.replace(".cache/places, .cache/threads", "runtimes.json").split(",")]
        for name in names:
            if name not in ("vault.npz", "teacher-*.npz"):  # tested in tests/test_vault.py and below
                assert any(Path(used).match(name) for used in USES), name


@pytest.mark.parametrize("name", USES, ids=lambda name: Path(name).name)
def test_damage_is_refused_with_a_command_and_nothing_else_is_touched(name: str, full: Toy) -> None:
    use = USES[name]
    (path,) = list(full.root.glob(name))[:1]
    wanted, whole = use(full), path.read_bytes()
    before = digests(full.root)
    damage: list[bytes | None] = [*flipped(whole, name), whole[: len(whole) // 2], b"", None]
    if name.endswith("ledger.jsonl"):  # whose lines stand for themselves
        damage.remove(b"")
    for content in damage:
        put(path, content)
        found, error = tried(lambda: use(full))
        if error:
            assert str(path.relative_to(full.root)) in error or str(path.parent) in error, error
            assert COMMAND.search(error), error
        else:
            cut = name.endswith((".jsonl", ".log")) and content == whole[: len(whole) // 2]
            assert cut or same(found, wanted), f"used all the same: {content!r:.300}"
        restore(path, whole)
        assert digests(full.root) == before
    assert same(use(full), wanted)


CACHES: dict[str, Callable[[Toy], object]] = {
    "data": lambda toy: toy.prepared(),
    "prepared": lambda toy: share(toy.prepared(), toy.workspace.cache).load(),
}


@pytest.mark.parametrize("cache", CACHES)
def test_a_damaged_cache_is_made_again(cache: str, full: Toy) -> None:
    from kit.cluster.shared import _load

    files = [path for path in sorted((full.workspace.cache / cache).rglob("*")) if path.is_file()]
    assert len(files) >= 3
    wanted = full.prepared()
    for path in files:
        whole = path.read_bytes()
        for content in (*flipped(whole, path.name)[:3], whole[: len(whole) // 2], b"", None):
            put(path, content)
            _load.cache_clear()
            found, error = tried(lambda: CACHES[cache](full))
            if error:  # a folder where a file has to be written
                assert content is None, error
                assert str(path) in error
            else:
                np.testing.assert_array_equal(found.images, wanted.images)
                np.testing.assert_array_equal(found.labels, wanted.labels)
            restore(path, whole)


@pytest.mark.parametrize("name", ["clean.csv", "folds.csv"])
def test_a_changed_table_is_told(name: str, full: Toy) -> None:
    path = full.root / "oof" / "toy" / name
    whole, told = path.read_bytes(), 0
    for content in (whole + b"\n", *flipped(whole, name), whole[: len(whole) // 2], b"", None):
        put(path, content)
        lines: list[str] = []
        _, error = tried(lambda: prepare(full.contest(), full.data, full.workspace, lines.append))  # noqa: B023
        if error:
            assert str(path) in error
        else:
            assert any(f"{path}: edited since it was made" in line for line in lines), content
            told += 1
        restore(path, whole)
    assert told


# ------------------------------------------------------------------------------------------------------------ swapped
@pytest.mark.parametrize(
    ("source", "target", "use"),
    [
        (f"other/{RUN}", RUN, run),
        (f"other/{FOLD}", FOLD, run),
        (f"{RUN}/fold1", FOLD, run),
        ("oof/toy/mini/fold0", FOLD, run),
        (f"other/{FOLD}/oof.npz", f"{FOLD}/oof.npz", run),
        (f"{RUN}/fold1/oof.npz", f"{FOLD}/oof.npz", run),
        (f"{RUN}/fold1/weights.safetensors", f"{FOLD}/weights.safetensors", members),
        (f"other/{FOLD}/weights.safetensors", f"{FOLD}/weights.safetensors", members),
        ("oof/toy/mini/fold0/member.json", f"{FOLD}/member.json", members),
        ("other/oof/toy/blends/best2.json", "oof/toy/blends/best2.json", members),
        ("other/oof/toy/sweeps/toy/hours.json", "oof/toy/sweeps/toy/hours.json", hours),
        ("other/oof/toy/sweeps/toy/journal.log", "oof/toy/sweeps/toy/journal.log", searched),
        ("other/oof/toy/sweeps/toy", "oof/toy/sweeps/toy", searched),
        (f"other/{ZIP}", ZIP, USES[ZIP]),
        (f"other/{ZIP.replace('.zip', '.rehearsal.json')}", ZIP.replace(".zip", ".rehearsal.json"), USES[ZIP]),
    ],
)
def test_files_of_another_contest_fold_or_recipe_are_refused(
    source: str, target: str, use: Callable[[Toy], object], full: Toy
) -> None:
    swap(full.root, source, target)
    with pytest.raises(KitError, match=COMMAND):
        use(full)


@pytest.mark.parametrize("source", ["other/oof/toy/tiny/fold0", "oof/toy/tiny/fold1"])
def test_a_checkpoint_of_another_fold_or_contest_is_refused(source: str, full: Toy) -> None:
    from kit.errors import TrainError
    from kit.train import checkpoint

    shutil.rmtree(full.root / FOLD)
    marker = identity_in(full.root / source)
    checkpoint.save(full.root / FOLD / "checkpoint.pt", {"made": marker, "fit": {}, "batch_size": 10})
    with pytest.raises(TrainError, match=r"made with another (digests|fold) than now"):
        train_recipe(full.contest(), full.prepared(), full.recipe("tiny"), full.workspace, lambda line: None, [0])


def identity_in(folder: Path) -> dict[str, object]:
    from kit.artefact import read_json

    return {key: read_json(folder / "fold.json")[key] for key in ("config", "shift", "digests", "fold")}


def test_a_record_of_decoding_from_another_contest_is_refused(full: Toy) -> None:
    from full_store import QUIET

    from kit.config import load_platform
    from kit.ensemble.blend import Blend
    from kit.pipeline.stages.packing import pack

    swap(full.root, "other/oof/toy/images.json", "oof/toy/images.json")
    blend = Blend.from_json(full.root / "oof/toy/blends/best2.json")
    with pytest.raises(KitError, match=r"of other images .* kit clean --contest toy"):
        pack(full.contest(), blend, load_platform(full.file("platforms", "toy")), full.workspace, None, QUIET)


# -------------------------------------------------------------------------------------------------------------- older
def test_a_store_from_before_there_were_digests_is_read(full: Toy) -> None:
    wanted = {name: use(full) for name, use in USES.items() if name not in (ZIP,)}
    without_seals(full.root)
    for name, value in wanted.items():
        found = USES[name](full)
        if name.startswith(RUN) and isinstance(value, dict) and "info" in value:
            value, found = ({key: one for key, one in each.items() if key != "info"} for each in (value, found))
        assert same(found, value), name
