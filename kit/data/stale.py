"""What `clean.csv` and `folds.csv` were made from, and which finished runs no longer belong to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import artefact
from kit.config import CleanConfig, ContestConfig, FoldsConfig
from kit.errors import ArtefactError
from kit.storage import exists, holding

NAMES = {
    "data": "the data (ids, images or labels)",
    "rows": "the rows that are kept",
    "groups": "the groups",
    "column": "the fold column",
    "seed": "the seed",
}


@dataclass(frozen=True)
class Record:
    """`prepared.json`: for each table, the digest of each thing it depends on."""

    clean: dict[str, str] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Hex sha256 of each table as it was written, by its name."""

    @classmethod
    def read(cls, file: Path) -> Record:
        """The record in `file`; an empty one when it is missing, so that all is made anew. ArtefactError where it is
        broken: tables that a person edited would be replaced.
        """
        if not exists(file):
            return cls()
        again = f"rm {file}; kit clean --contest {file.parent.name}"
        value = artefact.read_json(file, again)
        try:
            return cls(dict(value["clean"]), dict(value["folds"]), dict(value.get("files", {})))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtefactError(f"{file}: not a record of clean.csv and folds.csv. Make it again: {again}") from error

    def with_file(self, table: Path) -> Record:
        """This record with the digest of a table that was just written."""
        return replace(self, files=self.files | {table.name: artefact.sha256_file(table)})

    def edited(self, table: Path) -> str:
        """A line where a table is not as it was written; empty where it is, or nobody noted how it was."""
        if self.files.get(table.name) in (None, artefact.sha256_file(table)):
            return ""
        again = f"rm {table}; kit {'folds' if table.name == 'folds.csv' else 'clean'} --contest {table.parent.name}"
        return f"{table}: edited since it was made, and used as it is now. If nobody edited it: {again}"

    def write(self, file: Path) -> None:
        """Replace `file` atomically."""
        artefact.write_json(file, asdict(self))

    def with_clean(self, data_digest: str, config: CleanConfig) -> Record:
        """This record with what cleaning now depends on."""
        return replace(self, clean={"data": data_digest, "config": _digest(config.model_dump(mode="json"))})

    def with_folds(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        column: np.ndarray | None,
        contest: ContestConfig,
    ) -> Record:
        """This record with what folds now depend on."""
        now = {
            "rows": artefact.sha256_arrays(ids, labels),
            "groups": artefact.sha256_arrays(groups),
            "column": "" if column is None else artefact.sha256_arrays(column),
            "config": _folds_digest(contest.folds),
            "vault": str(contest.folds.vault),
            "seed": str(contest.seed),
        }
        return replace(self, folds=now)

    def has_folds_of(self, config: FoldsConfig) -> bool:
        """Whether the folds were made as this [folds] section says."""
        return self.folds.get("config") == _folds_digest(config)

    def keeps_folds(self, now: Record) -> bool:
        """Whether folds made from this still stand; those from before there was a vault do, without it."""
        return bool(self.folds) and now.folds == {"vault": str(FoldsConfig().vault)} | self.folds

    def changes(self, now: Record) -> str:
        """What differs between this record and `now`, in words; empty when this one says nothing."""
        pairs = {"clean": (self.clean, now.clean), "folds": (self.folds, now.folds)}
        names = [
            NAMES.get(name, f"[{section}] of the contest file")
            for section, (old, new) in pairs.items()
            for name in new
            if old and old.get(name) != new[name]
        ]
        return ", ".join(dict.fromkeys(names))


def _digest(value: Any) -> str:
    return artefact.sha256_bytes(repr(value).encode())


def _folds_digest(config: FoldsConfig) -> str:
    return _digest(config.model_dump(mode="json", exclude={"vault"}))


def prepared_from(folder: Path) -> str:
    """Digest of the data that the tables in a contest's OOF `folder` were made from; empty where none is known."""
    try:
        return Record.read(folder / "prepared.json").clean.get("data", "")
    except ArtefactError:
        return ""


def stale_runs(folder: Path, contest: str, data_digest: str, folds_digest: str) -> list[str]:
    """A line for every run in the contest's OOF `folder` that was made on other data or folds."""
    lines = []
    for marker in holding(folder, "run.json"):
        try:
            digests = artefact.read_json(marker)["digests"]
            old = {"data": str(digests["data"]), "folds": str(digests["folds"])}
        except (ArtefactError, KeyError, TypeError):
            continue
        new = {"data": data_digest, "folds": folds_digest}
        differing = [f"{name} {old[name][:8]}, now {new[name][:8]}" for name in old if old[name] != new[name]]
        if differing:
            recipe = marker.parent.name
            lines.append(
                f"stale: {marker.parent} ({'; '.join(differing)}). "
                f"It will not be blended. Train it again: kit train {recipe} --contest {contest}"
            )
    return lines
