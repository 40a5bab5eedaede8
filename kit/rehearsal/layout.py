"""What a zip holds and where, against what the platform unpacks and imports."""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from kit.config import PlatformConfig
from kit.errors import did_you_mean
from kit.packaging.archive import escapes, is_folder
from kit.rehearsal.checks import Check, judge

JUNK = re.compile(
    r"(^|/)(__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|__pycache__|\.git|\.ipynb_checkpoints|\.idea)(/|$)"
)
METADATA = re.compile(r"(^|/)metadata(\.ya?ml)?$")
IMPORT_ERROR = "ModuleNotFoundError: No module named 'model'"


def check_layout(zip_path: Path, platform: PlatformConfig) -> list[Check]:
    """Checks of the zip's entries, none of them unpacked."""
    with zipfile.ZipFile(zip_path) as archive:
        entries = archive.infolist()
        commands = [entry.filename for entry in entries if _has_command(archive, entry)]
    names = [entry.filename for entry in entries if not is_folder(entry)]
    return [
        _inside(entries),
        _root(names),
        *_extras(names, commands, platform),
        _size(zip_path, platform),
    ]


def _has_command(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a metadata file that makes the platform run it as a container of its own."""
    if not METADATA.search(entry.filename) or entry.flag_bits & 1 or entry.file_size > 1 << 20:
        return False
    return re.search(rb"^\s*command\s*:", archive.read(entry), re.MULTILINE) is not None


def _inside(entries: list[zipfile.ZipInfo]) -> Check:
    out = [entry.filename for entry in entries if escapes(entry.filename)]
    out += [entry.filename for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)]
    wrong = "path escape: an entry leads outside of the zip's folder. Pack it again, without .. and links"
    return judge(
        "zip: paths", not out, ", ".join(out[:3]) or "inside", wrong, "the zip is refused or unpacked elsewhere"
    )


def _root(names: list[str]) -> Check:
    """model.py at the root: that is where it is imported from."""
    if "model.py" in names:
        return judge("zip: model.py", True, "at the root", "")
    deeper = [name for name in names if name.endswith("/model.py") and not JUNK.search(name)]
    if deeper:
        folder = deeper[0].rpartition("/")[0]
        wrong = f"folder inside: everything lies in {folder}/. Zip the content of that folder, not the folder"
        return judge("zip: model.py", False, f"at {deeper[0]}", wrong, IMPORT_ERROR)
    near = did_you_mean("model.py", [name for name in names if "/" not in name])
    return judge("zip: model.py", False, "missing", f"model.py is not in the zip.{near} Add it", IMPORT_ERROR)


def _extras(names: list[str], commands: list[str], platform: PlatformConfig) -> Iterator[Check]:
    junk = sorted({match[0].strip("/") for name in names if (match := JUNK.search(name))})
    wrong = "junk of the machine it was packed on. Leave it out: zip -X, or kit package"
    yield judge("zip: no junk", not junk, ", ".join(junk) or "none", wrong, "often nothing; some graders import it")
    wrong = f"a stray `command:` in {', '.join(commands)} is run as a container of its own. Delete the file"
    yield judge("zip: no command", not commands, ", ".join(commands) or "none", wrong, "another program runs")
    if platform.marker:
        there = platform.marker in names
        wrong = f"the platform wants an empty file {platform.marker!r} at the root. Add it"
        yield judge("zip: marker", there, "there" if there else "missing", wrong, "the submission is refused")


def _size(zip_path: Path, platform: PlatformConfig) -> Check:
    size = zip_path.stat().st_size / 1e6
    figure = f"{size:.1f} MB" + (f" (limit {platform.max_mb:g} MB)" if platform.max_mb else "")
    wrong = "too big. Blend fewer networks, or smaller ones"
    fits = not platform.max_mb or size <= platform.max_mb
    return judge("zip: size", fits, figure, wrong, "the upload hangs or is refused")
