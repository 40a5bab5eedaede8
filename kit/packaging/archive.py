"""Zips: written the same byte for byte from the same content, and unpacked without leaving their folder."""

from __future__ import annotations

import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kit.artefact import write_bytes
from kit.errors import RehearsalError

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold; every entry has it."""

MAX_UNPACKED_BYTES = 8 << 30
"""Beyond this a zip is taken for a bomb."""


MAX_ENTRIES = 100_000
BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What reading a broken zip raises: RuntimeError for a password or a packing that nobody asked for."""


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (name in the zip -> content) to `path`, sorted by name, atomically.

    Stored, not deflated: half-precision weights hardly shrink, and deflate differs between zlib versions.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    write_bytes(path, buffer.getvalue())


def stored_size(files: Mapping[str, bytes]) -> int:
    """Bytes of the zip that `write_zip` would make, of less than 4 GiB: every name is in it twice, with 76 more."""
    return 22 + sum(76 + 2 * len(name.encode()) + len(data) for name, data in files.items())


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip at `path`; RehearsalError when it is missing or no zip, or while it is open a file in it is broken."""
    try:
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        raise RehearsalError(f"{path}: not a zip ({error}). Give the path of a packed submission.") from error
    try:
        with archive:
            yield archive
    except BROKEN as error:
        what = f"a file in it cannot be read ({type(error).__name__}: {error})"
        raise RehearsalError(f"{path}: {what}. Copy or pack it again.") from error


def names(path: Path) -> list[str]:
    """Names of all entries, folders too, in the order of the zip."""
    with open_zip(path) as archive:
        return archive.namelist()


def is_folder(entry: zipfile.ZipInfo) -> bool:
    """As `entry.is_dir()`, which trips over an entry without a name before Python 3.12."""
    return entry.filename.endswith("/")


def escapes(name: str) -> bool:
    """Whether an entry of that name would be written outside of the folder it is unpacked in; or it has no name."""
    parts = PurePosixPath(name.replace("\\", "/"))
    return not name or parts.is_absolute() or ".." in parts.parts or (len(name) > 1 and name[1] == ":")


def unpack(path: Path, folder: Path) -> None:
    """Unpack into `folder`; RehearsalError names entries that escape it, links, and zip bombs."""
    with open_zip(path) as archive:
        for entry in archive.infolist():
            if escapes(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
                raise RehearsalError(f"{path}: entry {entry.filename!r} leads outside of it. Pack it again.")
        if (count := len(archive.infolist())) > MAX_ENTRIES:
            raise RehearsalError(f"{path}: has {count:,} entries; at most {MAX_ENTRIES:,} are unpacked.")
        total = sum(entry.file_size for entry in archive.infolist())
        if total > MAX_UNPACKED_BYTES:
            raise RehearsalError(f"{path}: unpacks to {total / 2**30:.0f} GiB; at most 8 GiB are unpacked.")
        try:
            archive.extractall(folder)
        except OSError as error:
            what = f"cannot be unpacked ({error.strerror or error})"
            raise RehearsalError(f"{path}: {what}. Free space, or give its entries plain names.") from error
