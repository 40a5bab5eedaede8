"""Storage that fails on purpose: files and folders that the system cannot read, in this process."""

from __future__ import annotations

import builtins
import errno
import io
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest


class IllFile(io.BytesIO):
    """Opens, as a file on a dying disk does, and cannot be read; the error names no file."""

    def _fail(self, *arguments: Any) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    read = readinto = readline = read1 = readall = getvalue = __next__ = _fail


def make_ill(path: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on reading the file at `path` fails with EIO."""
    real = builtins.open

    def opened(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if isinstance(file, int) or set(mode) & set("wax+") or os.path.abspath(file) != str(path):
            return real(file, mode, *rest, **more)
        raw = IllFile(bytes(path.stat().st_size))
        return raw if "b" in mode else io.TextIOWrapper(raw, encoding="utf-8")

    patch.setattr(builtins, "open", opened)
    patch.setattr(io, "open", opened)


def make_gone(path: Path, patch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be asked of `path`, or listed in it: ESTALE, as when a server was set up anew."""
    for name in ("stat", "scandir", "open"):
        patch.setattr(os, name, _gone(getattr(os, name), path))
    for module in (builtins, io):
        patch.setattr(module, "open", _gone(module.open, path))


def _gone(real: Any, path: Path) -> Any:
    def call(target: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(target, (str, os.PathLike)) and os.path.abspath(target) == str(path):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(target))
        return real(target, *rest, **more)

    return call
