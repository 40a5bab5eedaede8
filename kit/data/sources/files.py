"""Image files in a folder or a zip, behind one face: names and bytes.

A name is the path inside, with forward slashes. Names that are not UTF-8 are shown with backslash escapes, so
that they can be written to a table and still lead to their file.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from kit.errors import DataError
from kit.inference.decode import SUFFIXES, Unreadable

OWN_FOLDERS = frozenset(["oof", "submissions"])
"""What the kit writes beside the data of a contest that lies in the current folder, images among it."""
LARGEST_FILE = 256 << 20
"""Bytes of one image file inside a zip, unpacked; more is taken for an attack."""


class Files(Protocol):
    """Named image files."""

    @property
    def names(self) -> list[str]:
        """Sorted names of all image files."""

    def read(self, name: str) -> bytes:
        """Content of one."""


def printable(name: str) -> str:
    """The name with bytes that are not UTF-8 escaped: "caf\\xe9.jpg"."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_image(name: str) -> bool:
    """Whether the suffix is one of an image and no part of the path is hidden or a Mac's resource fork."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def image_paths(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of every image file under `folder`, in no order, without those that the kit wrote there."""
    for where, folders, files in os.walk(folder):
        if Path(where) == folder:
            folders[:] = sorted(set(folders) - OWN_FOLDERS)
        for file in files:
            path = Path(where, file)
            if is_image(name := printable(path.relative_to(folder).as_posix())):
                yield name, path


@dataclass(frozen=True)
class FolderFiles:
    """Image files under a folder, at any depth."""

    paths: Mapping[str, Path]

    @classmethod
    def open(cls, folder: Path) -> FolderFiles:
        """All image files under `folder`."""
        return cls(dict(sorted(image_paths(folder))))

    @property
    def names(self) -> list[str]:
        return list(self.paths)

    def read(self, name: str) -> bytes:
        return self.paths[name].read_bytes()


@dataclass(frozen=True)
class ZipFiles:
    """Image files in a zip; nothing is unpacked to disk."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]

    @classmethod
    def open(cls, path: Path) -> ZipFiles:
        """All image files in the zip; DataError for a broken one and for members that escape or are too
        large.
        """
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{path}: not a readable zip ({error}). Download it again.") from error
        members = {}
        for member in archive.infolist():
            _refuse_escape(path, member.filename)
            if not member.is_dir() and is_image(member.filename):
                _refuse_bomb(path, member)
                members[printable(member.filename)] = member
        return cls(archive, dict(sorted(members.items())))

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def read(self, name: str) -> bytes:
        try:
            return self.archive.read(self.members[name])
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise Unreadable(f"cannot be unpacked: {error}") from error


def _refuse_escape(path: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (parts and ":" in parts[0]):
        raise DataError(f"{path}: members must stay inside the zip, but one is {name!r}. Do not trust this file.")


def _refuse_bomb(path: Path, member: zipfile.ZipInfo) -> None:
    if member.file_size > LARGEST_FILE:
        raise DataError(
            f"{path}: an image may unpack to {LARGEST_FILE >> 20} MiB, but {member.filename!r} says "
            f"{member.file_size >> 20:,} MiB. Do not trust this file."
        )


@dataclass(frozen=True)
class SeveralFiles:
    """Image files of several folders or zips; a name begins with that of its folder or zip."""

    parts: Mapping[str, Files]

    @property
    def names(self) -> list[str]:
        return sorted(f"{part}/{name}" for part, files in self.parts.items() for name in files.names)

    def read(self, name: str) -> bytes:
        part, _, inner = name.partition("/")
        return self.parts[part].read(inner)


def open_several(paths: Sequence[Path]) -> Files:
    """The image files of one or several folders or zips; DataError where one has none, or two have one name."""
    if len(paths) == 1:
        return open_files(paths[0])
    names = [path.stem if path.is_file() else path.name for path in paths]
    if len(set(names)) < len(names):
        raise DataError(f"folders of images must have different names, but got {', '.join(names)}. Rename one.")
    return SeveralFiles({name: open_files(path) for name, path in zip(names, paths)})


def open_files(path: Path) -> Files:
    """The image files of a folder or a zip; DataError when there is none."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Give the right one by --data or [data] path.")
    files: Files = FolderFiles.open(path) if path.is_dir() else ZipFiles.open(path)
    if not files.names:
        raise DataError(
            f"{path}: holds no image ({', '.join(sorted(SUFFIXES))}). Give the folder or zip that holds them."
        )
    return files
