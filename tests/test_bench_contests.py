"""The bench of contests: its sets are cut once, and its table counts what it says."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from kit.workspace import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))
import contest_sets
import contests
import plain_loop


@pytest.mark.parametrize("name", contest_sets.SETS)
def test_a_set_that_is_here_is_whole_and_keeps_its_unseen_rows_apart(name: str) -> None:
    found = contest_sets.load_set(name, 300)
    if found is None:
        pytest.skip("its files are not here")
    assert found.images.dtype == found.unseen.dtype == np.uint8
    assert found.images.shape[1:] == found.unseen.shape[1:]
    assert found.images.max() > 127
    assert len(found.images) == len(found.labels)
    assert set(found.unseen_labels.tolist()) <= set(range(len(found.classes)))
    seen = {image.tobytes() for image in found.images}
    if found.expects == "clean" and name != "faces":
        assert sum(image.tobytes() in seen for image in found.unseen) < 3


def test_the_digits_are_always_here() -> None:
    found = contest_sets.load_set("digits", 200)
    assert found is not None
    assert found.classes == tuple("0123456789")


def test_a_line_says_the_gap_with_its_standard_error() -> None:
    kit = {"right": [1, 1, 1, 0], "seconds": 60.0, "expected": 0.7}
    loops = {"a": {"right": [1, 0, 0, 0], "seconds": 1.0}, "b": {"right": [1, 1, 0, 0], "seconds": 1.0}}
    cells, wrong = contests.row("toy", kit, loops)
    assert cells == ["toy", "0.750", "0.700", "0.500 (b)", "+0.250 +- 0.217", "1.0"]
    assert wrong == (0.25, 0.5)


def test_a_kit_that_failed_is_shown_and_not_counted() -> None:
    cells, wrong = contests.row("toy", {"failed": "error: x"}, {"a": {"right": [1], "seconds": 1.0}})
    assert "error: x" in cells[1]
    assert wrong is None


def test_the_loop_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network of the same kind and a thirtieth of the weights."""
    create = plain_loop.timm.create_model
    monkeypatch.setattr(plain_loop.timm, "create_model", lambda name, **given: create("test_resnet", **given))
    labels = np.arange(96) % 2
    images = np.full((96, 16, 16, 3), 40, dtype=np.uint8)
    images[labels == 1] = 200
    said = plain_loop.fit_predict("resnet18", images[:64], labels[:64], images[64:], 2, True, 2.0)
    assert (said == labels[64:]).mean() > 0.9


def test_the_contest_file_that_the_kit_is_given_loads(tmp_path) -> None:
    from kit.config import load_contest

    found = contest_sets.load_set("digits", 50)
    assert found is not None
    (tmp_path / "contest.toml").write_text(contests.contest_text("digits", found))
    contest = load_contest(tmp_path / "contest.toml")
    assert (contest.image_size, contest.expects, contest.recipes.cpu) == (8, "clean", ())
