"""Uploading to a server that behaves, and one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from codabench_server import PHASE, TOKEN, State, serving

from kit.artefact import sha256_file, write_json
from kit.errors import UploadError
from kit.platforms import upload as uploading
from kit.platforms.upload import Submitted, find_token, upload
from kit.rehearsal.result import report_path


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the environment, and no keyring."""
    monkeypatch.setenv("CODABENCH_TOKEN", TOKEN)
    monkeypatch.setattr(uploading, "_from_keyring", lambda server: None)


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    """A zip of 3 MB that has passed its rehearsal."""
    path = tmp_path / "best5.zip"
    path.write_bytes(bytes(range(256)) * 12_000)
    write_json(report_path(path), {"sha256": sha256_file(path), "passed": True, "checks": []})
    return path


def handed_in(zip_path: Path, state: State, said: list[str] | None = None, **more: object) -> Submitted:
    echo = (said if said is not None else []).append
    return upload(zip_path, PHASE, server=state.url, pause=0.01, echo=echo, **more)  # type: ignore[arg-type]


def test_a_zip_is_stored_handed_in_and_scored(zip_path: Path) -> None:
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    with serving() as state:
        found = handed_in(zip_path, state, said, note=lambda sent, size: seen.append((sent, size)))
    assert found == Submitted("9", "Finished", {"accuracy": 0.871}, {}, 3)
    assert state.stored == zip_path.read_bytes()
    assert state.completed
    assert state.submitted == {"phase": PHASE, "tasks": [], "data": "abc"}
    assert seen[-1] == (zip_path.stat().st_size, zip_path.stat().st_size)
    assert "phase 77 takes submissions, 4 left today" in said
    assert [line for line in said if "Running" in line] == ["submission 9: Running"]


def test_the_token_goes_to_the_server_alone(zip_path: Path) -> None:
    said: list[str] = []
    with serving() as state:
        handed_in(zip_path, state, said)
    assert "Authorization" not in state.storage_headers
    assert TOKEN not in "".join(said)


def test_a_dry_run_sends_nothing(zip_path: Path) -> None:
    with serving() as state:
        found = handed_in(zip_path, state, dry_run=True)
    assert (found.id, found.quota_left) == ("", 4)
    assert all(request.startswith("GET") for request in state.requests)


def test_a_bad_token_is_told_without_the_token(zip_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODABENCH_TOKEN", "wrong-token")
    with serving() as state, pytest.raises(UploadError, match="refused the token") as caught:
        handed_in(zip_path, state)
    assert "wrong-token" not in str(caught.value)


def test_a_used_quota_is_told_before_anything_is_sent(zip_path: Path) -> None:
    with serving(can=False, reason="Reached maximum allowed submissions for today") as state:
        with pytest.raises(UploadError, match="Reached maximum allowed submissions for today"):
            handed_in(zip_path, state)
        assert not state.stored


def test_passing_server_errors_are_sat_out(zip_path: Path) -> None:
    with serving(errors=2) as state:
        assert handed_in(zip_path, state).status == "Finished"


def test_lasting_server_errors_are_told(zip_path: Path) -> None:
    with serving(errors=99) as state, pytest.raises(UploadError, match="responded 503"):
        handed_in(zip_path, state)


def test_a_cut_transfer_is_made_again(zip_path: Path) -> None:
    with serving(cuts=2) as state:
        handed_in(zip_path, state)
    assert state.stored == zip_path.read_bytes()


def test_a_transfer_that_never_ends_well_hands_nothing_in(zip_path: Path) -> None:
    with serving(cuts=99) as state:
        with pytest.raises(UploadError, match="broke off 4 times"):
            handed_in(zip_path, state)
        assert not state.submitted


def test_submitting_is_never_repeated(zip_path: Path) -> None:
    with serving(submit_code=500) as state:
        with pytest.raises(UploadError, match="may have been taken"):
            handed_in(zip_path, state)
        assert sum(request == "POST /api/submissions/" for request in state.requests) == 1


def test_a_slow_queue_ends_in_words(zip_path: Path) -> None:
    with serving(polls=10**6) as state, pytest.raises(UploadError, match="still 'Running' after 0 s"):
        handed_in(zip_path, state, seconds=0.05)


def test_a_failure_brings_its_log_and_costs_no_try(zip_path: Path) -> None:
    with serving(status="Failed") as state:
        found = handed_in(zip_path, state)
    assert found.logs == {"prediction_stderr": "Traceback: No module named 'torch'"}
    assert found.quota_left == 4


def test_hidden_logs_are_no_error(zip_path: Path) -> None:
    with serving(status="Failed", hide_output=True) as state:
        assert handed_in(zip_path, state).logs == {}


def test_an_unreachable_server_is_told(zip_path: Path) -> None:
    with serving() as state:
        pass
    with pytest.raises(UploadError, match="cannot be reached"):
        handed_in(zip_path, state)


def test_a_page_instead_of_json_is_told(zip_path: Path) -> None:
    with serving() as state, pytest.raises(UploadError, match="404"):
        upload(zip_path, "1", server=state.url, pause=0.01, echo=lambda line: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [("none", "must be rehearsed"), ("zip", "changed since its rehearsal"), ("failed", "failed its rehearsal .order")],
)
def test_only_what_passed_its_rehearsal_is_handed_in(change: str, message: str, zip_path: Path) -> None:
    path = report_path(zip_path)
    report = json.loads(path.read_text())
    if change == "none":
        path.unlink()
    elif change == "zip":
        zip_path.write_bytes(b"other")
    else:
        failed = {"passed": False, "checks": [{"name": "order", "passed": False}]}
        write_json(path, report | failed)
    with pytest.raises(UploadError, match=message):
        upload(zip_path, PHASE)


def test_a_password_is_changed_for_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODABENCH_TOKEN")
    monkeypatch.setenv("CODABENCH_USERNAME", "me")
    monkeypatch.setenv("CODABENCH_PASSWORD", "right")
    with serving() as state:
        assert find_token(state.url) == TOKEN
        monkeypatch.setenv("CODABENCH_PASSWORD", "wrong")
        with pytest.raises(UploadError, match="refused user 'me'") as caught:
            find_token(state.url)
    assert "wrong" not in str(caught.value)


def test_no_token_names_the_ways_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODABENCH_TOKEN")
    for name in ("CODABENCH_USERNAME", "CODABENCH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UploadError, match=r"CODABENCH_TOKEN.*keyring set"):
        find_token("https://example.org")


def test_a_submission_is_told_before_its_score_is_awaited(zip_path: Path) -> None:
    taken: list[tuple[str, int | None]] = []
    with serving() as state, pytest.raises(UploadError, match="still"):
        handed_in(zip_path, state, seconds=0.0, taken=lambda made, left: taken.append((made, left)))
    assert taken == [("9", 3)]
