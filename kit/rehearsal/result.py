"""What a rehearsal found: its checks, for a terminal, a notebook and the report beside the zip."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text

from kit.artefact import write_json
from kit.rehearsal.checks import Check
from kit.table import Column, Grid


@dataclass(frozen=True)
class Rehearsal:
    """How a zip did."""

    zip: Path
    sha256: str
    platform: str
    level: str
    isolation: str
    checks: tuple[Check, ...]
    hidden: float | None
    """Score on the practice contest's hidden test, in the contest's metric."""
    forms: dict[str, float] = field(default_factory=dict)
    """The same by form of that test: clean, natural, contest, laboratory."""
    under: dict[str, Any] = field(default_factory=dict)
    """What it depends on beside the zip: `kit.rehearsal.repeat.conditions`; empty where nothing was run."""

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def table(self) -> Grid:
        """The checks for a terminal."""
        failures = sum(not check.passed for check in self.checks)
        title = f"{self.zip.name} on {self.platform}: " + (f"{failures} failed" if failures else "passed")
        rows: list[list[str | Text]] = []
        for check in self.checks:
            mark = Text("ok", "green") if check.passed else Text("FAILED", "red")
            lines = [check.figure]
            if not check.passed:
                lines += [check.wrong, f"The platform would show: {check.shown}"]
            rows.append([check.name, mark, "\n".join(lines)])
        return Grid([Column(name, number=False) for name in ("check", "", "figure")], rows, title)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_json(self, path: Path) -> None:
        """Write the report; it exists only when the rehearsal came to its end."""
        values = asdict(self) | {"zip": self.zip.name, "passed": self.passed, "checks": list(map(asdict, self.checks))}
        write_json(path, values)


def report_path(zip_path: Path) -> Path:
    """Where the report of a zip lies: `best5.zip` -> `best5.rehearsal.json`."""
    return zip_path.with_suffix(".rehearsal.json")
