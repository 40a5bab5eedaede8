"""Storage that fails: one message that names the file and what to do, nothing made again, no image left out."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import copied
from data_toy import contest, some_images, write_folder
from essence import differences, essence
from full_store import USES, digests, same
from ill import make_gone, make_ill
from kills import Chain
from lives import Lives
from toy_store import BLEND, PACK, TRAIN, fresh

from kit.data.sources.decoding_record import DecodingRecord
from kit.data.sources.load import load
from kit.data.sources.stream import open_stream
from kit.errors import KitError, StorageError
from kit.workspace import Workspace

pytestmark = pytest.mark.timeout(1800)
STRIDE = int(os.environ.get("KIT_ILL_STRIDE", "29"))
"""Of the reads of a command, every how many fails."""
DESTROYS = re.compile(r"\brm \b|[Dd]elete|[Tt]rain it again|download it again")


@pytest.mark.parametrize("how", [make_ill, make_gone])
@pytest.mark.parametrize("name", USES, ids=lambda name: Path(name).name)
def test_a_file_that_cannot_be_read_is_not_taken_for_a_broken_one(
    name: str,
    how: Callable[[Path, pytest.MonkeyPatch], None],
    full_once: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of every kind that the kit keeps."""
    toy = copied(full_once, tmp_path / "store")
    monkeypatch.chdir(toy.root)
    (path,) = list(toy.root.glob(name))[:1]
    wanted, before = USES[name](toy), digests(toy.root)
    with pytest.MonkeyPatch.context() as patch:
        how(path, patch)
        with pytest.raises(StorageError) as raised:
            USES[name](toy)
    said = str(raised.value)
    assert str(path.relative_to(toy.root)) in said
    assert "Check the disk, or mount the network folder again" in said
    assert not DESTROYS.search(said)
    assert digests(toy.root) == before
    assert same(USES[name](toy), wanted)


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("on_error", ["raise", "skip", "repair"])
def test_an_image_that_cannot_be_read_is_not_left_out(
    form: str, on_error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "images", some_images(12), np.arange(12) % 3)
    path = ill = sorted((tmp_path / "images").rglob("*.png"))[5]
    if form == "zip":
        ill = tmp_path / "images.zip"
        with zipfile.ZipFile(ill, "w") as archive:
            for one in sorted((tmp_path / "images").rglob("*.png")):
                archive.write(one, one.relative_to(tmp_path / "images"))
        path = ill
    config, workspace = contest(kind=form, on_error=on_error), Workspace(tmp_path / "work")
    source = tmp_path / "images" if form == "folder" else path
    with pytest.MonkeyPatch.context() as patch:
        make_ill(ill, patch)
        with pytest.raises(StorageError, match=re.escape(str(ill))):
            load(config, source, workspace)
    assert len(load(config, source, workspace)) == 12


def test_a_test_image_that_cannot_be_read_gets_no_class_prior(tmp_path: Path) -> None:
    write_folder(tmp_path / "images", some_images(12), np.arange(12) % 3)
    path = sorted((tmp_path / "images").rglob("*.png"))[5]
    config, workspace = contest(), Workspace(tmp_path / "work")
    record = DecodingRecord.read(workspace, config)
    with pytest.MonkeyPatch.context() as patch:
        make_ill(path, patch)
        with pytest.raises(StorageError, match=re.escape(str(path))):
            list(open_stream(config, tmp_path / "images", workspace, record).batches(256))


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "images", some_images(12), np.arange(12) % 3)
    folder = next(path for path in sorted((tmp_path / "images").iterdir()) if path.is_dir())
    with pytest.MonkeyPatch.context() as patch:
        make_gone(folder, patch)
        with pytest.raises(KitError, match=re.escape(f"{folder}: cannot be read")):
            load(contest(), tmp_path / "images", Workspace(tmp_path / "work"))


@pytest.mark.parametrize("command", [TRAIN, BLEND, PACK], ids=lambda command: command[1])
def test_a_command_whose_reads_fail_says_so_and_goes_on_later(
    command: tuple[str, ...], process: Lives, trained_store: Path, tmp_path: Path
) -> None:
    """One read at a time fails with ESTALE: the command ends in words and has changed nothing, or did without."""
    chain = Chain(process, tmp_path / "store")
    if command == TRAIN:
        fresh(chain.root, trained_store)
    else:
        shutil.copytree(trained_store, chain.root)
        if command == PACK:
            chain.to_its_end(BLEND)
    shutil.copytree(chain.root, tmp_path / "undisturbed")
    life = process.live(tmp_path / "undisturbed", *command, what="stale")
    assert life.code == 0, life.output
    reads, refused = len(life.points), 0
    assert reads > 20
    for at in range(1, reads + 1, STRIDE):
        life = chain.die(command, at=at, what="stale")
        if life.code == 0:
            continue
        refused += 1
        assert life.code == 2, life.output
        assert "Stale file handle" in life.output
        assert "Traceback" not in life.output
        assert not DESTROYS.search(life.output), life.output
        chain.check_clean()
    assert refused
    chain.to_its_end(command)
    assert differences(essence(chain.root), essence(tmp_path / "undisturbed")) == []
