"""Level `check` of the rehearsal: everything that can be told of a zip without running it."""

from __future__ import annotations

from pathlib import Path

from kit.config import PlatformConfig
from kit.packaging.archive import is_folder, open_zip
from kit.rehearsal.checks import Check
from kit.rehearsal.keras_checks import check_keras
from kit.rehearsal.layout import check_layout
from kit.rehearsal.pickle_checks import check_pickles
from kit.rehearsal.source_checks import available, check_sources

READ_BYTES = 256 << 20
"""Files larger than this are not looked into."""


def check_zip(zip_path: Path, platform: PlatformConfig) -> list[Check]:
    """All static checks; RehearsalError when the file is no zip."""
    with open_zip(zip_path) as archive:
        entries = [entry for entry in archive.infolist() if not is_folder(entry) and entry.file_size <= READ_BYTES]
        files = {entry.filename: archive.read(entry) for entry in entries if not entry.flag_bits & 1}
    keras = check_keras(files, platform)
    return [
        *check_layout(zip_path, platform),
        *check_sources(files, platform),
        check_pickles(files, available(platform)),
        *([keras] if keras else []),
    ]
