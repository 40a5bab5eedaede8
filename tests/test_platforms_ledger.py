"""The ledger: only added to, whole after a crash, and the advice read from it."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

from kit.errors import ArtefactError, UploadError
from kit.platforms import ledger
from kit.workspace import Workspace


def add_zip(workspace: Workspace, name: str, expected: float, half: float = 0.02) -> Path:
    path = workspace.submissions / f"{name}.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(name.encode())
    ledger.append(
        workspace,
        "packed",
        zip=path.name,
        sha256=ledger.sha256_file(path),
        contest="toy",
        platform="p",
        members=[name],
        expected=expected,
        low=expected - half,
        high=expected + half,
    )
    return path


def test_pandas_reads_what_was_recorded(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = add_zip(workspace, "a", 0.9)
    ledger.record_upload(workspace, path, "p", "7", "123", 4)
    ledger.record_score(workspace, path, "7", 0.88)
    table = pd.read_json(ledger.ledger_path(workspace), lines=True)
    assert list(table["event"]) == ["packed", "uploaded", "scored"]
    assert ledger.read(workspace)["sha256"].nunique() == 1


def test_a_line_cut_by_a_crash_costs_that_line_alone(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    add_zip(workspace, "a", 0.9)
    path = ledger.ledger_path(workspace)
    path.write_bytes(path.read_bytes() + b'{"time": "2024-01-01", "event": "pack')
    add_zip(workspace, "b", 0.8)
    assert list(ledger.read(workspace)["zip"]) == ["a.zip", "b.zip"]


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    threads = [
        threading.Thread(target=lambda: [ledger.append(workspace, "scored", score=0.5) for _ in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.read(workspace)) == 80


def test_a_score_in_percent_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = add_zip(workspace, "a", 0.9)
    with pytest.raises(UploadError, match=r"between 0 and 1, but got 87\.12"):
        ledger.record_score(workspace, path, "7", 87.12)


def test_the_best_expectation_is_recommended_until_remote_scores_speak(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    flattered = add_zip(workspace, "flattered", 0.90, half=0.05)
    honest = add_zip(workspace, "honest", 0.89, half=0.05)
    assert ledger.recommend(workspace, "toy").zip == "flattered.zip"
    ledger.record_score(workspace, flattered, "dev", 0.80)
    ledger.record_score(workspace, honest, "dev", 0.885)
    best = ledger.recommend(workspace, "toy")
    assert best.zip == "honest.zip"
    assert "remote 0.8850" in best.reason


def test_a_file_of_predictions_has_the_scores_of_its_zip_and_is_what_is_sent(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path, other = add_zip(workspace, "a", 0.9), tmp_path / "submission.csv"
    other.write_text("id,label\n1,0\n")
    ledger.record_file(workspace, path, other, "kaggle-csv")
    assert ledger.recommend(workspace, "toy").zip == "submission.csv"
    ledger.record_score(workspace, other, "public", 0.7)
    table = ledger.read(workspace)
    assert table["platform"].tolist()[:2] == ["p", "kaggle-csv"]
    assert table["expected"].tolist()[:2] == [0.9, 0.9]
    assert ledger.recommend(workspace, "toy").zip == "submission.csv", "the zip alone was never scored"
    unknown = tmp_path / "unknown.zip"
    unknown.write_bytes(b"?")
    ledger.record_file(workspace, unknown, other, "kaggle-csv")
    assert len(ledger.read(workspace)) == len(table)


def test_nothing_packed_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="kit package"):
        ledger.recommend(Workspace(tmp_path), "toy")


def test_a_ledger_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "submissions").write_text("a file")
    with pytest.raises(ArtefactError, match=r"ledger\.jsonl"):
        ledger.append(Workspace(tmp_path), "scored", score=0.5)
