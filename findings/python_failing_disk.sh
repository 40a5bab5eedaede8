#!/usr/bin/env bash
# Python 3.11 (no packages): a disk that fails is reported as a broken zip, an empty folder and an absent file.
#
# A read error (EIO) or a stale handle of a network folder (ESTALE) says nothing about a file, but three parts of the library turn it into a statement:
# `zipfile.ZipFile` raises "File is not a zip file" of a whole zip, `os.walk` leaves a folder that cannot be listed out without a word (its `onerror` is
# None), and `os.path.exists` returns False (so does `pathlib.Path.exists` from Python 3.14 on; before, it raises). What then downloads the zip again,
# trains on the images that are left, or makes the "absent" file anew, does so for a cable.
# The kit: reads go through kit/storage.py, which names the file and says to look at the disk; folders are walked with an `onerror` that raises.
set -euo pipefail
python3 - <<'PYTHON'
import errno
import io
import os
import platform
import tempfile
import zipfile
from pathlib import Path

print("python", platform.python_version())
whole = io.BytesIO()
with zipfile.ZipFile(whole, "w") as archive:
    archive.writestr("a.txt", "a")


class Failing(io.BytesIO):
    """A file on a disk that fails when it is read."""

    def read(self, *size):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


try:
    zipfile.ZipFile(Failing(whole.getvalue()))
except Exception as error:
    print(f"zipfile: {type(error).__name__}: {error} (from {error.__context__!r})")
    assert isinstance(error, zipfile.BadZipFile) and error.__context__.errno == errno.EIO
else:
    raise SystemExit("no error")


def stale(path, *rest, **more):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))


with tempfile.TemporaryDirectory() as folder:
    Path(folder, "image.png").touch()
    real, os.scandir = os.scandir, stale
    listed = list(os.walk(folder))
    os.scandir = real
    print("os.walk of a folder with an image:", listed, "and", len(list(os.walk(folder))), "when the server is back")
    assert listed == []
    real, os.stat = os.stat, stale
    found = os.path.exists(folder)
    os.stat = real
    print("os.path.exists of a folder that is there:", found)
    assert found is False
PYTHON
