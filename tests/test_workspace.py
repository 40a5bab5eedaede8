from __future__ import annotations

from pathlib import Path

import pytest

from kit.workspace import PROJECT, Workspace


def test_artefacts_lie_under_the_root(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.oof("toy") == tmp_path / "oof" / "toy"
    assert workspace.run("toy", "tiny") == tmp_path / "oof" / "toy" / "tiny"
    assert workspace.submissions == tmp_path / "submissions"
    assert workspace.cache == tmp_path / "oof" / ".cache"


def test_the_root_is_the_current_folder_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace()
    monkeypatch.chdir("/")
    assert workspace.root == tmp_path


def test_nothing_is_made_by_asking(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    asked = (workspace.run("toy", "tiny"), workspace.submissions, workspace.cache)
    assert not any(path.exists() for path in asked)
    assert list(tmp_path.iterdir()) == []


def test_no_contest_can_be_named_like_the_cache(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.cache.parent == workspace.oof("x").parent
    assert workspace.cache.name.startswith(".")  # names of contests and recipes do not


def test_the_project_holds_the_configs() -> None:
    assert (PROJECT / "configs" / "contests").is_dir()
    assert (PROJECT / "kit" / "workspace.py").is_file()
