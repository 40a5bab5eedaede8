"""Submitting to Kaggle, to a command that stands in for its package's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kit.artefact import sha256_file, write_json
from kit.errors import UploadError
from kit.platforms.kaggle_upload import submit
from kit.rehearsal.result import report_path

STAND_IN = """#!{python}
import pathlib, sys
log = pathlib.Path({log!r})
calls = log.read_text().splitlines() if log.exists() else []
log.write_text("\\n".join([*calls, " ".join(sys.argv[1:])]))
if sys.argv[2] == "submit":
    if {refuse}:
        sys.exit("400 - Bad Request - Submission not allowed: Your team has used its daily allowance")
    print("Successfully submitted")
else:
    made = [call for call in calls if " submit " in call]
    polls = len(calls) - (calls.index(made[0]) if made else 0)
    print("Warning: a newer version exists\\nfileName,date,description,status,publicScore,privateScore")
    if made:
        print("s.csv,2024-11-01,try," + ("complete,0.871," if polls > 2 else "pending,,"))
    print("old.csv,2024-10-01,old,complete,0.5,")
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `kaggle` on the path; its calls are logged."""
    return install(tmp_path, monkeypatch, refuse=False)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, refuse: bool) -> Path:
    log = folder / "calls.txt"
    script = folder / "kaggle"
    script.write_text(STAND_IN.format(python=sys.executable, log=str(log), refuse=refuse))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    (folder / "s.csv").write_text("id,label\n")
    rehearsed(folder / "s.csv")
    return log


def rehearsed(path: Path, passed: bool = True) -> None:
    """The report of a rehearsal."""
    write_json(report_path(path), {"sha256": sha256_file(path), "passed": passed, "checks": []})


def test_a_file_is_handed_in_and_its_score_awaited(command: Path, tmp_path: Path) -> None:
    taken: list[int] = []
    found = submit(tmp_path / "s.csv", "the-contest", "try", pause=0.0, taken=lambda: taken.append(1))
    assert taken == [1]
    assert (found["fileName"], found["publicScore"]) == ("s.csv", "0.871")
    calls = command.read_text().splitlines()
    assert f"competitions submit the-contest -f {tmp_path / 's.csv'} -m try" in calls


def test_a_dry_run_hands_nothing_in(command: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert submit(tmp_path / "s.csv", "the-contest", "try", dry_run=True, echo=said.append) == {}
    assert " submit " not in command.read_text()
    assert "1 submissions so far" in said[0]


def test_a_refusal_is_passed_on_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, refuse=True)
    with pytest.raises(UploadError, match="used its daily allowance"):
        submit(tmp_path / "s.csv", "the-contest", "try")


def test_a_slow_score_ends_in_words(command: Path, tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="no score after 0 s"):
        submit(tmp_path / "s.csv", "the-contest", "try", seconds=0.0, pause=0.0)


def test_a_missing_package_or_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UploadError, match="kit predict"):
        submit(tmp_path / "none.csv", "c", "m")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "s.csv").write_text("")
    rehearsed(tmp_path / "s.csv")
    with pytest.raises(UploadError, match=r"submission-kit\[kaggle\]"):
        submit(tmp_path / "s.csv", "c", "m")


def test_what_was_not_rehearsed_or_failed_is_not_handed_in(command: Path, tmp_path: Path) -> None:
    rehearsed(tmp_path / "s.csv", passed=False)
    with pytest.raises(UploadError, match="failed its rehearsal"):
        submit(tmp_path / "s.csv", "the-contest", "try")
    report_path(tmp_path / "s.csv").unlink()
    with pytest.raises(UploadError, match="must be rehearsed"):
        submit(tmp_path / "s.csv", "the-contest", "try")
    assert not command.exists()


def test_a_command_that_cannot_start_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Path
) -> None:
    (tmp_path / "kaggle").write_text(f"#!{sys.executable}\nimport a_module_that_is_not_there\n")
    with pytest.raises(UploadError, match=r"imports a_module_that_is_not_there.*submission-kit\[kaggle\].*six"):
        submit(tmp_path / "s.csv", "the-contest", "try")
    (tmp_path / "kaggle").unlink()
    with pytest.raises(UploadError, match=r"submission-kit\[kaggle\]"):
        submit(tmp_path / "s.csv", "the-contest", "try")
