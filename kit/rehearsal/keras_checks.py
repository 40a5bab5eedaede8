"""`.keras` files in a submission: the Keras that saved them, read from their own metadata, against the platform's."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping

from kit.config import PlatformConfig
from kit.packaging.archive import BROKEN
from kit.rehearsal.checks import Check, failed, passed

LOADS, REFUSED = (3, 12, 0), (3, 15, 1)
"""Seen with Keras 3.4.1: files of the first version load, those of the second hold new keys, which it refuses."""

Version = tuple[int, ...]


def check_keras(files: Mapping[str, bytes], platform: PlatformConfig) -> Check | None:
    """Whether the platform's Keras can read the `.keras` files among `files`; None where there is nothing to compare.

    A file that is newer than the platform's Keras fails only where it is known to be refused; else it is a remark.
    """
    theirs = _version(platform.packages.get("keras", ""))
    saved = {name: version for name, data in files.items() if name.endswith(".keras") and (version := saved_by(data))}
    if not saved or not theirs:
        return None
    name, newest = max(saved.items(), key=lambda item: item[1])
    figure = f"{name}: Keras {_text(newest)}, the platform has {_text(theirs)}"
    if newest <= theirs:
        return passed("files: keras", figure)
    if newest >= REFUSED and theirs <= LOADS:
        wrong = f"saved by a newer Keras, whose files the platform's refuses. Save it with keras=={_text(theirs)}"
        return failed("files: keras", figure, wrong, "TypeError: Unrecognized keyword arguments")
    known = f"files of {_text(LOADS)} load in 3.4.1, files of {_text(REFUSED)} do not"
    return passed("files: keras", f"{figure}: newer, so rehearse it with --level platform ({known})")


def saved_by(data: bytes) -> Version:
    """The version of Keras that saved the file; empty where it does not say."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            about = json.loads(archive.read("metadata.json"))
    except (*BROKEN, RecursionError):
        return ()
    return _version(about.get("keras_version")) if isinstance(about, dict) else ()


def _version(text: object) -> Version:
    """"3.4.1" as (3, 4, 1); empty where it does not begin with a number."""
    return tuple(int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", str(text or ""))[0])[:3])  # type: ignore[index]


def _text(version: Version) -> str:
    return ".".join(map(str, version))
