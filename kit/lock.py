"""Locks that the kernel keeps: they end with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from kit.errors import DiskError

SCRATCH = "submission-kit-"
"""Begins the name of every temporary folder of the kit."""


def take(descriptor: int, path: Path | str) -> bool:
    """Locks an open file without waiting; whether it is locked now and `path` still names it.

    A file system without locks counts as locked: there, nobody can take what another holds.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return _names(path, descriptor)


def left_over(path: Path) -> bool:
    """Whether `path`, a file or folder that is locked while it is written, belongs to nobody any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path, busy: Callable[[], object] = lambda: None) -> Iterator[None]:
    """One process at a time; the file `path` lies there meanwhile.

    busy: called once where another process is inside, before this one waits; it may raise instead. DiskError where
    the folder cannot be written to.
    """
    file = _locked(path, busy)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path, busy: Callable[[], object]) -> IO[str]:
    told = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a")  # noqa: SIM115
        except OSError as error:
            reason = error.strerror or error
            raise DiskError(f"{path}: cannot be written ({reason}). Free space or fix the permissions") from error
        try:
            if take(file.fileno(), path):
                return file
            if not told:
                told = True
                busy()
            fcntl.flock(file, fcntl.LOCK_EX)
            if _names(path, file.fileno()):  # its last holder may have removed it
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _names(path: Path | str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def temporary_folder(parent: Path | None = None, prefix: str = SCRATCH) -> Iterator[Path]:
    """A temporary folder in `parent`, or in the system's, which is gone at the end.

    Those of processes that were killed are removed first. It may be renamed, to stay. DiskError where none can be made.
    """
    root = Path(tempfile.gettempdir()) if parent is None else parent
    for path in root.glob(f"{prefix}*"):
        if left_over(path):
            shutil.rmtree(path, ignore_errors=True)
    while True:
        try:
            made = tempfile.TemporaryDirectory(prefix=prefix, dir=root, ignore_cleanup_errors=True)
        except OSError as error:
            what = f"no temporary folder can be made there ({error.strerror})"
            raise DiskError(f"{root}: {what}. Free space or fix the permissions") from error
        with made as folder:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                if not take(descriptor, folder):
                    continue
                yield Path(folder)
                return
            finally:
                os.close(descriptor)


def remove_left_overs(folder: Path, pattern: str) -> None:
    """Removes the files in `folder` of that pattern whose writers were killed."""
    for path in folder.glob(pattern):
        if path.is_file() and left_over(path):
            with suppress(OSError):
                path.unlink(missing_ok=True)
