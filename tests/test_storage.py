"""Which errors are the storage's, and what is said of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from kit.errors import ArtefactError, DataError, DiskError, StorageError
from kit.storage import exists, failure, holding, reading


def error_of(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ENODATA])
def test_a_failing_disk_says_nothing_about_the_file(number: int) -> None:
    with pytest.raises(StorageError) as raised, reading("a/b.npz"):
        raise error_of(number)
    assert str(raised.value) == (
        f"a/b.npz: cannot be read ({os.strerror(number)}), which says nothing about the file. Nothing was changed. "
        f"Check the disk, or mount the network folder again, then run the same command again"
    )
    assert not isinstance(raised.value, ArtefactError)


@pytest.mark.parametrize(
    ("number", "what"), [(errno.EMFILE, "ulimit -n"), (errno.EACCES, "Fix the permissions"), (errno.EPERM, "Fix the")]
)
def test_a_refusal_says_what_to_do(number: int, what: str) -> None:
    with pytest.raises(StorageError, match=what), reading("a"):
        raise error_of(number)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EISDIR, errno.ENOSPC, errno.EINVAL])
def test_other_errors_stay_what_they_are(number: int) -> None:
    with pytest.raises(OSError, match=rf"\[Errno {number}\]"), reading("a"):
        raise error_of(number)
    assert failure(error_of(number, "a")) is None


def test_there_or_not_or_not_to_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert exists(tmp_path)
    assert exists(tmp_path / "file")
    assert not exists(tmp_path / "none")
    assert not exists(tmp_path / "file" / "beyond")

    def stat(path: object) -> None:
        raise error_of(errno.ESTALE, str(path))

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(StorageError, match="none: cannot be read .Stale file handle"):
        exists(tmp_path / "none")


def test_runs_in_a_folder_that_cannot_be_asked_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b", "a", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    for name in ("a", "b"):
        (tmp_path / name / "run.json").touch()
    assert [path.parent.name for path in holding(tmp_path, "run.json")] == ["a", "b"]
    assert holding(tmp_path / "none", "run.json") == []
    real = os.stat

    def stat(path: str, *rest: object, **more: object) -> object:
        if Path(path) == tmp_path / "b" / "run.json":
            raise error_of(errno.EIO, path)
        return real(path)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(StorageError, match="b/run.json: cannot be read"):
        holding(tmp_path, "run.json")


def from_cause(outer: Exception, inner: BaseException) -> Exception:
    try:
        raise outer from inner
    except Exception as error:
        return error


def test_the_storage_is_found_behind_other_errors() -> None:
    said = "x.h5: not a readable file. Download it again."
    behind = failure(from_cause(DataError(said), error_of(errno.EIO)))
    assert behind is not None
    assert behind.startswith(f"{said}: cannot be read (Input/output error)")
    of_hdf5 = OSError("Unable to open file (file read failed: errno = 5, error message = 'Input/output error')")
    assert "Check the disk" in (failure(from_cause(DataError(said), of_hdf5)) or "")
    assert "ulimit" in (failure(error_of(errno.EMFILE, "x")) or "")
    assert failure(from_cause(DataError(said), ValueError("bad header"))) is None


def test_a_connection_is_no_storage_but_a_folder_of_the_network_is() -> None:
    assert failure(error_of(errno.ETIMEDOUT)) is None
    assert "mount the network folder" in (failure(error_of(errno.ETIMEDOUT, "/net/x")) or "")


def test_what_could_not_be_written_says_so_itself() -> None:
    said = "x: cannot be written (Input/output error)"
    assert failure(from_cause(DiskError(said), error_of(errno.EIO))) == said
