"""Files that take long to make: made again only where something that they are made from has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.artefact import read_json, sha256_bytes, sha256_file, write_json
from kit.errors import ArtefactError


@dataclass(frozen=True)
class MadeFrom:
    """A file, and the digest of what it is made from; a note of both is kept in `<cache>/made`, safe to delete."""

    target: Path
    note: Path
    digest: str

    @classmethod
    def of(cls, target: Path, cache: Path, told: Any) -> MadeFrom:
        """told: JSON values that change whenever the file may."""
        place = sha256_bytes(str(target.resolve()).encode())[:16]
        return cls(target, cache / "made" / f"{place}.json", sha256_bytes(json.dumps(told).encode()))

    def stands(self) -> bool:
        """Whether the file is there, as it was made from the same."""
        try:
            return self.target.is_file() and read_json(self.note) == self._told()
        except ArtefactError:
            return False

    def keep(self) -> None:
        """Notes that the file, as it is now, was made from this."""
        write_json(self.note, self._told())

    def _told(self) -> dict[str, str]:
        return {"from": self.digest, "file": sha256_file(self.target)}
