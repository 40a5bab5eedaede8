"""What a sweep leaves to be read: a text, a page with its figures, and both as JSON for the contest's report."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.artefact import read_json, write_json, write_text
from kit.data.stale import prepared_from
from kit.errors import ArtefactError
from kit.storage import holding

TEXT, PAGE, STORED = "summary.txt", "summary.html", "summary.json"
STYLE = "body{font-family:sans-serif;max-width:70em;margin:2em auto}pre{white-space:pre-wrap}img{max-width:100%}"


@dataclass(frozen=True)
class StoredSummary:
    """One sweep's summary."""

    sweep: str
    text: str
    figures: list[tuple[str, str]]
    """(title, PNG in base64)."""
    data: str = ""
    """Digest of the contest's data that its trials were made on; empty where nobody noted it."""

    def write(self, folder: Path) -> Path:
        """Writes its three files into the sweep's folder; the path of the page."""
        write_text(folder / TEXT, self.text)
        write_text(folder / PAGE, self._page())
        write_json(folder / STORED, asdict(self))
        return folder / PAGE

    def _page(self) -> str:
        name = html.escape(self.sweep)
        images = "".join(
            f'<h2>{html.escape(title)}</h2><img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
            for title, data in self.figures
        )
        return (
            f"<!doctype html><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>"
            f"<h1>{name}</h1><pre>{html.escape(self.text)}</pre>{images}"
        )

    @classmethod
    def read(cls, path: Path) -> StoredSummary:
        """A summary.json; ArtefactError where it is none."""
        again = f"kit sweep {path.parent.name}"
        found = read_json(path, rerun=again)
        try:
            return cls(**found | {"figures": [(title, data) for title, data in found["figures"]]})
        except (TypeError, KeyError, ValueError) as error:
            raise ArtefactError(f"{path}: not a sweep's summary. Write it again: {again}") from error


def stored_summaries(folder: Path, notes: list[str]) -> list[StoredSummary]:
    """The summaries of all sweeps of the contest in `folder`; `notes` gets a line for each that is broken, or that is
    of other data.
    """
    found, data = [], prepared_from(folder)
    for path in holding(folder / "sweeps", STORED):
        try:
            summary = StoredSummary.read(path)
        except ArtefactError as error:
            notes.append(f"The sweep {path.parent.name} is left out: {error}")
            continue
        if summary.data and data and summary.data != data:
            notes.append(f"The sweep {path.parent.name} is left out: {path} is of other data than the contest's now")
        else:
            found.append(summary)
    return found
