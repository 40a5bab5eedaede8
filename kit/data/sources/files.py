"""Image files in a folder or a zip, behind one face: names and bytes.

A name is the path inside, with forward slashes. Names that are not UTF-8 are shown with backslash escapes, so
that they can be written to a table and still lead to their file.
"""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from kit.data.sources.companions import companions
from kit.data.sources.unread import way_out
from kit.errors import DataError
from kit.inference.decode import SUFFIXES, Unreadable
from kit.storage import reading

OWN_FOLDERS = frozenset(["oof", "submissions"])
"""What the kit writes beside the data of a contest that lies in the current folder, images among it."""
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
"""First bytes of images, by which files of other suffixes, or of none, are known."""
BROKEN = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""What reading a broken zip raises: RuntimeError for a password or a packing that nobody asked for."""
LARGEST_FILE = 256 << 20
"""Bytes of one image file inside a zip, unpacked; more is taken for an attack."""


class Files(Protocol):
    """Named image files."""

    @property
    def names(self) -> list[str]:
        """Sorted names of all image files."""

    @property
    def others(self) -> str:
        """What other files lie beside them, in words; empty for none."""

    def read(self, name: str) -> bytes:
        """Content of one."""


def printable(name: str) -> str:
    """The name with bytes that are not UTF-8 escaped: "caf\\xe9.jpg"."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Whether a part of the path is hidden or a Mac's resource fork."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def is_image(name: str, head: Callable[[], bytes] = bytes) -> bool:
    """Whether a file is an image: by its suffix, else by what its first bytes (`head`) say; hidden ones are not."""
    if is_hidden(name):
        return False
    return PurePosixPath(name).suffix.lower() in SUFFIXES or _begins_as_image(head())


def _begins_as_image(head: bytes) -> bool:
    return head.startswith(MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _all_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of every file under `folder`, through links, without those that the kit wrote there."""

    def refuse(error: OSError) -> None:
        """A folder that cannot be listed is not an empty one."""
        with reading(error.filename):
            raise error

    above = {str(folder): frozenset([os.path.realpath(folder)])}  # of each folder: itself and those around it
    for where, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        around = above.pop(where)
        inner = {one: os.path.realpath(os.path.join(where, one)) for one in folders}
        folders[:] = sorted(one for one in folders if inner[one] not in around)  # a link may lead in circles
        if Path(where) == folder:
            folders[:] = sorted(set(folders) - OWN_FOLDERS)
        above |= {os.path.join(where, one): around | {inner[one]} for one in folders}
        for file in files:
            path = Path(where, file)
            yield printable(path.relative_to(folder).as_posix()), path


def _head(path: Path) -> bytes:
    try:
        with reading(path), open(path, "rb") as file:
            return file.read(16)
    except OSError:  # a link that leads nowhere
        return b""


def image_paths(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of every image file under `folder`, in no order, without those that the kit wrote there."""
    for name, path in _all_files(folder):
        if is_image(name, lambda path=path: _head(path)):  # type: ignore[misc]
            yield name, path


def other_files(names: Iterable[str], beside: Sequence[str] = ()) -> str:
    """What is left aside, in words: "3 .txt, 1 .db" of files that are no images, and masks `beside` the images; empty
    for nothing.
    """
    kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in names if not is_hidden(name))
    parts = [f"{count:,} {kind}" for kind, count in kinds.most_common(5)]
    if beside:
        parts.insert(0, f"{len(beside):,} masks or thumbnails of other images (such as {beside[0]})")
    return ", ".join(parts)


@dataclass(frozen=True)
class FolderFiles:
    """Image files under a folder, at any depth."""

    paths: Mapping[str, Path]
    others: str = ""
    """What else lies there, in words."""

    @classmethod
    def open(cls, folder: Path) -> FolderFiles:
        """All image files under `folder`."""
        every = dict(sorted(_all_files(folder)))
        found = [name for name, path in every.items() if is_image(name, lambda path=path: _head(path))]  # type: ignore[misc]
        beside = companions(found)
        aside = set(beside)
        paths = {name: every[name] for name in found if name not in aside}
        return cls(paths, other_files(every.keys() - set(found), beside))

    @property
    def names(self) -> list[str]:
        return list(self.paths)

    def read(self, name: str) -> bytes:
        with reading(self.paths[name]):
            return self.paths[name].read_bytes()


@dataclass(frozen=True)
class ZipFiles:
    """Image files in a zip; nothing is unpacked to disk."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]
    others: str = ""
    """What else it holds, in words."""

    @classmethod
    def open(cls, path: Path) -> ZipFiles:
        """All image files in the zip; DataError for a broken one and for members that escape or are too
        large.
        """
        try:
            with reading(path):
                archive = zipfile.ZipFile(path)
        except BROKEN as error:
            raise DataError(f"{path}: not a readable zip ({error}). Download it again.") from error
        members, others = {}, []
        for member in archive.infolist():
            _refuse_escape(path, member.filename)
            if member.filename.endswith("/"):
                continue
            if is_image(member.filename, lambda member=member: _head_of(archive, member)):  # type: ignore[misc]
                _refuse_bomb(path, member)
                members[printable(member.filename)] = member
            else:
                others.append(member.filename)
        beside = companions(sorted(members))
        kept = {name: members[name] for name in sorted(members.keys() - set(beside))}
        return cls(archive, kept, other_files(others, beside))

    @property
    def names(self) -> list[str]:
        return list(self.members)

    def read(self, name: str) -> bytes:
        try:
            with reading(self.archive.filename or name):
                return self.archive.read(self.members[name])
        except BROKEN as error:
            raise Unreadable(f"cannot be unpacked: {error}") from error


def _head_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        with reading(archive.filename or member.filename), archive.open(member) as file:
            return file.read(16)
    except BROKEN:
        return b""


def _refuse_escape(path: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not name or ".." in parts or name.startswith(("/", "\\")) or (parts and ":" in parts[0]):
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

    @property
    def others(self) -> str:
        return ", ".join(files.others for files in self.parts.values() if files.others)

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
        but = f", but {files.others}" if files.others else ""
        raise DataError(
            f"{path}: holds no image ({', '.join(sorted(SUFFIXES))}){but}"
            f"{way_out(files.others.replace(',', ' ').split())}. Give "
            f"the folder or zip that holds the images."
        )
    return files
