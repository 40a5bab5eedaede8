"""Which zip belongs to which blend, told by the manifest inside."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kit.artefact import read_json, sha256_file
from kit.ensemble.blend import Blend
from kit.packaging import archive
from kit.packaging.pack import MANIFEST
from kit.rehearsal.result import report_path


@dataclass(frozen=True)
class Submission:
    """A zip as it lies on disk."""

    path: Path
    sha256: str
    size_mb: float
    manifest: dict[str, Any]
    """Empty for a zip that others made."""

    def holds(self, blend: Blend) -> bool:
        """Whether `blend` is what was packed."""
        ours = [member.recipe for member in blend.members], blend.combiner, blend.digests
        return ours == tuple(self.manifest.get(key) for key in ("recipes", "combiner", "digests"))

    def rehearsal(self) -> dict[str, Any] | None:
        """Its rehearsal.json; None where there is none, or one of a zip that lay here before."""
        path = report_path(self.path)
        if not path.is_file():
            return None
        report = read_json(path, rerun=f"kit rehearse {self.path}")
        return report if report.get("sha256") == self.sha256 else None


def open_submission(path: Path) -> Submission:
    """The zip at `path`; RehearsalError when it is missing or no zip."""
    with archive.open_zip(path) as opened:
        names = [name for name in opened.namelist() if PurePosixPath(name).name == MANIFEST]
        manifest = _parsed(opened.read(names[0])) if names else {}
    return Submission(path, sha256_file(path), path.stat().st_size / 1e6, manifest)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def newest_of(folder: Path, contest: str, blend: Blend | None) -> Submission | None:
    """The newest zip of `contest` in `folder`: the one that holds `blend`, or any where that is None."""
    for path in newest_first(folder, "*.zip"):
        if zipfile.is_zipfile(path):
            found = open_submission(path)
            if found.manifest.get("contest") == contest and (blend is None or found.holds(blend)):
                return found
    return None


def newest_first(folder: Path, pattern: str) -> list[Path]:
    """Files in `folder`, latest change first."""
    return sorted(folder.glob(pattern), key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
