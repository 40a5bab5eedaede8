"""Reads that fail for the storage's sake: they say nothing about the file, so nothing is thrown away or made again."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.errors import DiskError, StorageError


def _known(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


FAILED = _known("EIO", "ESTALE", "EUCLEAN", "EBADMSG")
"""A disk, or a folder of the network, that is ill."""
BY_NAME = _known(
    *("EREMOTEIO", "ENODATA", "ENOLINK", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ESHUTDOWN"),
    *("ENODEV", "ENXIO", "ENOKEY"),
)
"""The same where they name a file; without one they may be of a connection."""
TOO_MANY = _known("EMFILE", "ENFILE")
REFUSED = _known("EACCES", "EPERM")
SPOKEN = re.compile(r"(?:errno = |os error )(\d+)")
"""How libraries in C and Rust tell the number."""


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """StorageError instead of an error inside that says nothing about the file at `path`.

    Also of one that comes from such: zipfile calls a file that cannot be read no zip.
    """
    try:
        yield
    except Exception as error:
        for one in _chain(error):
            if (number := _number(one)) in FAILED | BY_NAME | TOO_MANY | REFUSED:
                raise StorageError(_message(path, number)) from error
        raise


def exists(path: Path) -> bool:
    """Whether there is such a file or folder; StorageError where the storage cannot tell.

    What `Path.exists` says of a storage that fails depends on Python's version: from 3.14 on, that nothing is there.
    """
    with reading(path):
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def holding(folder: Path, name: str) -> list[Path]:
    """Sorted paths `folder`/*/`name` of what is there; StorageError where a folder cannot be listed, which `Path.glob`
    passes over.
    """
    with reading(folder):
        try:
            entries = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
    return [folder / entry / name for entry in entries if exists(folder / entry / name)]


def failure(error: BaseException) -> str | None:
    """What to say where the storage is behind an error, or behind what that came from; else None."""
    for one in _chain(error):
        if isinstance(one, (StorageError, DiskError)):
            return str(one)
        number, name = _number(one), getattr(one, "filename", None)
        if number in FAILED | TOO_MANY or (name is not None and number in BY_NAME):
            return _message(name if name is not None else _where(error), number)
    return None


def remedy(number: int | None) -> str:
    """What to do about an error of that number."""
    if number in FAILED | BY_NAME:
        return "Check the disk, or mount the network folder again"
    if number in TOO_MANY:
        return "Too many files are open: raise the limit (ulimit -n)"
    return "Fix the permissions" if number in REFUSED else "Free space or fix the permissions"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    spoken = SPOKEN.search(str(error)) if isinstance(error, Exception) else None
    return int(spoken.group(1)) if spoken else None


def _message(path: object, number: int | None) -> str:
    reason = os.strerror(number or 0)
    return (
        f"{path}: cannot be read ({reason}), which says nothing about the file. Nothing was changed. "
        f"{remedy(number)}, then run the same command again"
    )


def _where(error: BaseException) -> str:
    """What an error without a name says of where it was."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
