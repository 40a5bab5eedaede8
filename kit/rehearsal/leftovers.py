"""What other people's code left behind, made safe to open: files alone, of bounded size, no links, pipes or devices."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 16 << 20
MOST_FILES = 100_000
"""More in the writable folders counts as a full disk."""

MOST_DEEP = 40
"""Folders in folders."""


def settle(folders: Sequence[Path]) -> None:
    """Leave nothing in `folders` but folders and plain files of one name, readable by their owner.

    A link would lead a reader elsewhere, a pipe would keep it waiting, a second name may be a file of somebody else,
    and a tree of folders may be deeper than Python can remove.
    """
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            _settle(str(folder), MOST_DEEP)


def _settle(folder: str, deep: int) -> None:
    try:
        os.chmod(folder, 0o700)
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if deep:
                _settle(entry.path, deep - 1)
            else:
                subprocess.run(["rm", "-rf", entry.path], capture_output=True)
        elif not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.unlink(entry.path)
        elif not status.st_mode & 0o400:
            os.chmod(entry.path, 0o600)


def size_of(folders: Sequence[Path]) -> int:
    """Bytes in the folders' files, holes not counted; without end where there are more than `MOST_FILES`."""
    total = count = 0
    waiting = list(map(str, folders))
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    count += 1
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
        if count > MOST_FILES:
            return 1 << 62
    return total


def read_bounded(path: Path, most: int) -> bytes:
    """A plain file's first `most` bytes; empty where there is none. Links are not followed, pipes not waited for."""
    try:
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return b""
    with os.fdopen(opened, "rb") as file:
        return file.read(most) if stat.S_ISREG(os.fstat(opened).st_mode) else b""


def read_json(path: Path) -> Any:
    """A JSON value that other people's code wrote; None where there is none, or it is too large or too deep."""
    data = read_bounded(path, MOST_JSON_BYTES + 1)
    try:
        return json.loads(data) if len(data) <= MOST_JSON_BYTES else None
    except (ValueError, RecursionError):
        return None
