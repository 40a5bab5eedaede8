"""The lessons' commands, run in their order on toy data; what needs a network or hours is parsed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import CLASSES, Toy
from PIL import Image

from kit.cli import group
from kit.workspace import PROJECT

LESSONS = ("lesson_codabench", "lesson_kaggle", "lesson_deadline")
PARSED = ("upload", "sweep")
"""Need a network, or hours."""


def commands(lesson: str) -> list[list[str]]:
    """The lines of its code blocks that call kit, without the remarks behind them."""
    text = (PROJECT / "docs" / f"{lesson}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split("    ")[0] for block in blocks for line in block.splitlines() if line.startswith("kit ")]
    return [shlex.split(line.split(" | ")[0])[1:] for line in lines]


def call(words: list[str]) -> None:
    """Runs a command, which must succeed, or parses what cannot be run here."""
    if words[0] in PARSED or "kaggle-notebook" in words:
        command = group.get_command(click.Context(group), words[0])
        assert command is not None
        command.make_context(words[0], words[1:])
        return
    result = CliRunner().invoke(group, words, catch_exceptions=False)
    assert result.exit_code == 0, f"kit {' '.join(words)}\n{result.output}"


def make_small(name: str) -> None:
    """The contest that `kit init` wrote, with recipes, folds and shifts of a toy."""
    path = Path("configs/contests") / f"{name}.toml"
    text = path.read_text().partition("# Left out, recipes")[0]
    text += '[folds]\nn_splits = 2\n[shift]\nbattery = ["noise.gaussian", "illumination.darken", "mixture"]\n'
    path.write_text(text + 'severities = [1, 3]\ncells_per_row = 2\n[recipes]\ncpu = ["tiny", "mini"]\n')


def test_every_lesson_has_commands_and_ends_with_the_ledger() -> None:
    for lesson in LESSONS:
        found = commands(lesson)
        assert len(found) >= 9
        assert "ledger" in {words[0] for words in found}


def test_the_codabench_lesson_leads_to_a_rehearsed_zip(toy: Toy, small_calls: None) -> None:
    for words in commands("lesson_codabench"):
        call(words)
        if words[0] == "init":
            make_small("cells")
    assert Path("cells.rehearsal.json").is_file()


def test_the_kaggle_lesson_leads_to_a_submission(toy: Toy, small_calls: None) -> None:
    write_kaggle(toy.data)
    for words in commands("lesson_kaggle"):
        call(words)
        if words[0] == "init":
            make_small("leaves")
    made, sample = pd.read_csv("submission.csv"), pd.read_csv("sample_submission.csv")
    assert list(made.columns) == list(sample.columns)
    assert made["image_id"].tolist() == sample["image_id"].tolist()
    assert set(made["kind"]) <= set(CLASSES)


def write_kaggle(data: Path) -> None:
    """The toy contest as Kaggle hands out contests."""
    with np.load(data) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    for folder in ("train_images", "test"):
        Path(folder).mkdir()
    for row, image in enumerate(images):
        Image.fromarray(image).save(f"train_images/{row}.png")
        if row < 20:
            Image.fromarray(255 - image).save(f"test/t{row}.png")
    names = np.array(CLASSES)[labels]
    pd.DataFrame({"image_id": [f"{row}.png" for row in range(len(images))], "label": names}).to_csv(
        "train.csv", index=False
    )
    ids = [f"t{row}" for row in range(19, -1, -1)]
    pd.DataFrame({"image_id": ids, "kind": names[0]}).to_csv("sample_submission.csv", index=False)


def test_the_deadline_lesson_goes_from_runs_to_the_ledger(trained: Toy, small_calls: None) -> None:
    for words in commands("lesson_deadline"):
        call([word.replace("cells", "toy") for word in words])
    assert Path("final.rehearsal.json").is_file()


@pytest.mark.parametrize("page", ["recipes", "command_line"])
def test_the_commands_of_a_page_parse(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in commands(page):
        command = group.get_command(click.Context(group), words[0])
        assert command is not None
        command.make_context(words[0], words[1:])
