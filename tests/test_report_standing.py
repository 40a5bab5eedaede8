"""The page is drawn anew where anything that it shows has changed, and only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from report_toy import contest, full_workspace, write_rehearsal

from kit.artefact import read_json, write_json
from kit.platforms import ledger
from kit.report import page, standing
from kit.report.standing import page_about
from kit.workspace import Workspace

Full = tuple[Workspace, Path]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Full:
    return full_workspace(tmp_path_factory.mktemp("full"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often a page was drawn; what it holds is its number."""
    times: list[int] = []
    monkeypatch.setattr(page, "render", lambda *_: times.append(1) or f"page {len(times)}")
    monkeypatch.setattr(page, "looks_at_mistakes", lambda *_: None)
    return times


def append(path: Path, text: str = "\n") -> None:
    path.write_text(path.read_text() + text)


def rescored(full: Full) -> None:
    path = full[0].oof("toy") / "net0" / "run.json"
    write_json(path, read_json(path) | {"minutes": 9.0})


CHANGES: dict[str, Callable[[Full], object]] = {
    "decisions about images": lambda full: append(full[0].oof("toy") / "clean.csv"),
    "a remote score": lambda full: ledger.record_score(full[0], full[1], "7", 0.61),
    "the rehearsal": lambda full: write_rehearsal(full[1], hidden=0.41),
    "a run": rescored,
    "the blend": lambda full: append(next((full[0].oof("toy") / "blends").glob("*.json"))),
    "the page, by hand": lambda full: append(full[0].submissions / f"{full[1].stem}.html", "<p>better</p>"),
    "the page, lost": lambda full: (full[0].submissions / f"{full[1].stem}.html").unlink(),
    "decoded images": lambda full: (full[0].cache / "data" / "other").mkdir(),
}


def test_the_page_is_drawn_once_from_the_same_files_and_again_after_each_change(full: Full, drawn: list[int]) -> None:
    workspace, path = full
    made = page_about(contest(), workspace, path)
    assert made == workspace.submissions / f"{path.stem}.html"
    assert made.read_text() == "page 1"
    for times, (name, change) in enumerate(CHANGES.items(), 1):
        assert page_about(contest(), workspace, path) == made
        assert len(drawn) == times, f"before {name}"
        change(full)
        assert page_about(contest(), workspace, path) == made
        assert len(drawn) == times + 1, name
        assert made.read_text() == f"page {times + 1}"


def test_another_contest_file_code_or_package_draws_it_anew(
    full: Full, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, path = full
    monkeypatch.setattr(standing, "LARGE", 10)
    page_about(contest(), workspace, path)
    drawn.clear()
    page_about(contest(title="another"), workspace, path)
    assert len(drawn) == 1
    path.write_bytes(path.read_bytes())
    page_about(contest(title="another"), workspace, path)
    assert len(drawn) == 1, "the same zip, packed again"
    explains = standing.find_spec("captum") is not None
    monkeypatch.setattr(standing, "sha256_sources", lambda folder: "other code")
    page_about(contest(title="another"), workspace, path)
    assert len(drawn) == 2
    monkeypatch.setattr(standing, "find_spec", lambda name: None if explains else object())
    page_about(contest(title="another"), workspace, path)
    assert len(drawn) == 3
    page_about(contest(title="another"), workspace, path)
    assert len(drawn) == 3
