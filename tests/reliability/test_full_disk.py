"""A disk that is full at any write, folders that cannot be written to, a store that was moved, a clock that was set."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from essence import differences, essence
from kills import Chain
from lives import Lives
from toy_store import BLEND, PACK, TRAIN, WHOLE, fresh

from kit.data.sources.cache import _fill
from kit.errors import DiskError

pytestmark = pytest.mark.timeout(1800)
STRIDE = int(os.environ.get("KIT_FULL_STRIDE", "23"))
"""Of the write points of a command, every how many finds the disk full."""


@pytest.fixture(scope="module")
def trained(trained_store: Path) -> Path:
    """The store after `kit train` of both recipes."""
    return trained_store


def count(process: Lives, root: Path, command: tuple[str, ...]) -> int:
    """Write points of a command that nothing disturbs."""
    life = process.live(root, *command)
    assert life.code == 0, life.output
    return len(life.points)


def test_training_on_a_full_disk_says_so_and_goes_on_later(process: Lives, trained: Path, tmp_path: Path) -> None:
    points = count(process, fresh(tmp_path / "counted", trained).root, TRAIN)
    assert points > 100
    fresh(tmp_path / "store", trained)
    chain = Chain(process, tmp_path / "store")
    for at in range(1, points, STRIDE):
        life = chain.die(TRAIN, at=at, what="full")
        if life.code == 0:  # what is left to write passes no more points than that
            break
        assert_told(life.code, life.output)
        chain.check_clean()
    life = chain.die(TRAIN)
    assert life.code == 0, life.output
    assert differences(essence(chain.root), essence(tmp_path / "counted")) == []


def test_blending_and_packing_on_a_full_disk_say_so(process: Lives, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "store")
    chain = Chain(process, tmp_path / "store")
    for command in (BLEND, PACK):
        points = count(process, chain.root, command)
        made = essence(chain.root)
        refused = 0
        for at in range(1, points, max(1, STRIDE // 4)):
            life = chain.die(command, at=at, what="full")
            if life.code:  # else nothing was left to be written
                assert_told(life.code, life.output)
                refused += 1
            chain.check_clean()
            changed = differences(essence(chain.root), made)
            assert changed == [], "what stood there before is intact"
        assert refused


def assert_told(code: int, output: str) -> None:
    assert code == 2, output
    assert "No space left on device" in output
    assert "Traceback" not in output
    assert "fault of the kit" not in output


@pytest.mark.parametrize(
    ("folder", "command"), [("oof/toy/blends", BLEND), ("submissions", PACK), ("oof/toy/tiny", TRAIN)]
)
def test_a_folder_that_cannot_be_written_to_is_named(
    folder: str, command: tuple[str, ...], process: Lives, trained: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    shutil.copytree(trained, root)
    assert process.live(root, *BLEND).code == 0
    (root / folder).mkdir(parents=True, exist_ok=True)
    if command == TRAIN:
        (root / "oof/toy/tiny/run.json").unlink()  # a complete run is left as it is
    before = essence(root)
    (root / folder).chmod(0o555)
    life = process.live(root, *command, plain=True)
    (root / folder).chmod(0o755)
    assert life.code == 2, life.output
    assert folder in life.output
    assert "Permission denied" in life.output
    assert "Traceback" not in life.output
    assert differences(essence(root), before) == []


def test_a_store_that_was_moved_goes_on_where_it_lies(process: Lives, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "first")
    life = process.live(tmp_path / "first", *BLEND)
    assert life.code == 0, life.output
    (tmp_path / "first").rename(tmp_path / "second")
    chain = Chain(process, tmp_path / "second")
    chain.remember(life)
    for command in (TRAIN, BLEND, PACK):
        life = chain.die(command)
        assert life.code == 0, life.output
    before = essence(tmp_path / "second")
    assert str(tmp_path / "first") not in " ".join(before.values())


def test_a_clock_that_was_set_back_repeats_nothing(process: Lives, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "store")
    chain = Chain(process, tmp_path / "store")
    for path in chain.root.rglob("*"):  # all that is there was written by a clock that was two days ahead
        if path.is_file():
            later = path.stat().st_mtime + 2 * 86400
            os.utime(path, (later, later))
    wanted = {path: value for path, value in essence(chain.root).items() if path.endswith((".npz", ".safetensors"))}
    for command in (TRAIN, BLEND):
        life = chain.die(command)
        assert life.code == 0, life.output
    now = essence(chain.root)
    assert {path: now[path] for path in wanted} == wanted


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system does not take room beforehand")
def test_room_for_decoded_images_is_taken_before_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are mapped: a disk that is full at a later write would end the process by SIGBUS, without a word."""

    def full(descriptor: int, start: int, count: int) -> None:
        assert count >= 4 * 8 * 8 * 3
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DiskError, match="No space left on device.*Free space"):
        _fill(tmp_path, lambda allocate: allocate((4, 8, 8, 3)))


# ------------------------------------------------------------------------------------------------- on a real disk
@contextmanager
def disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of that size at `place`; skips where nothing may be mounted."""
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def enlarged(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)


@pytest.fixture(scope="module")
def whole(process: Lives, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store after the whole run."""
    root = tmp_path_factory.mktemp("whole") / "store"
    shutil.copytree(trained, root)
    life = process.live(root, *WHOLE)
    assert life.code == 0, life.output
    return root


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [96, 128, 192, 256, 320, 384, 448, 512, 640, 768])
def test_a_disk_that_is_really_full(kilobytes: int, process: Lives, trained: Path, tmp_path: Path) -> None:
    """On a file system of that size; later it is given room."""
    with disk(tmp_path / "disk", kilobytes) as small:
        fresh(small / "store", trained)
        chain = Chain(process, small / "store")
        life = chain.die(TRAIN)
        if life.code:
            assert_told(life.code, life.output)
            chain.check_clean()
        enlarged(small)
        chain.to_its_end(TRAIN)
        wanted = {path: value for path, value in essence(trained).items() if "/mini/" not in path}
        assert differences(essence(chain.root), wanted) == []


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [16, 64, 128, 192, 256, 320, 384, 448, 512])
def test_a_whole_run_on_a_disk_that_is_really_full(
    kilobytes: int, process: Lives, trained: Path, whole: Path, tmp_path: Path
) -> None:
    """As many kilobytes are left when blending, packing, rehearsing and reporting begin."""
    with disk(tmp_path / "disk", 16384) as small:
        shutil.copytree(trained, small / "store")
        used = (shutil.disk_usage(small).used >> 10) + 4
        subprocess.run(["mount", "-o", f"remount,size={used + kilobytes}k", str(small)], check=True)
        chain = Chain(process, small / "store")
        life = chain.die(WHOLE)
        if life.code:
            assert_told(life.code, life.output)
            chain.check_clean()
        enlarged(small)
        chain.to_its_end(WHOLE)
        chain.check(essence(whole))


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [4, 64, 256, 1024, 4096])
def test_a_temporary_folder_that_is_really_full(
    kilobytes: int, process: Lives, trained: Path, whole: Path, tmp_path: Path
) -> None:
    """Where a rehearsal unpacks and keeps results: the submission is not blamed for it."""
    shutil.copytree(trained, tmp_path / "store")
    chain = Chain(process, tmp_path / "store")
    with disk(process.scratch / "tmp", kilobytes):
        life = chain.die(WHOLE)
        if life.code:
            assert_told(life.code, life.output)
    chain.to_its_end(WHOLE)
    chain.check(essence(whole))
