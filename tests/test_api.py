from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Toy
from test_lessons import make_small, write_kaggle

import kit
from kit.errors import ConfigError, OofError
from kit.table import Column, Grid
from kit.workspace import PROJECT


def test_importing_the_kit_loads_nothing_heavy() -> None:
    heavy = ("torch", "pandas", "kit.api")
    code = f"import sys, kit; kit.__version__; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("name", kit.__all__)
def test_every_function_is_documented(name: str) -> None:
    function = getattr(kit, name)
    assert function.__doc__
    assert name in dir(kit)
    assert name in (kit.__doc__ or "") or name == "oof"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        kit.trian  # noqa: B018


# ---------------------------------------------------------------------------------------------------- notebook
NOTEBOOK, KAGGLE = (PROJECT / "docs" / f"{name}.ipynb" for name in ("first_contest", "kaggle_contest"))
TOY = {"contest_name": "toy", "recipes": ["tiny", "mini"], "ensemble": "best2"}


def run_cells(
    cells: list[dict[str, Any]], parameters: dict[str, Any], names: dict[str, Any] | None = None
) -> tuple[dict[str, Any], list[Any]]:
    """Names after all cells, as papermill runs them, and the value that each ends with."""
    names = {} if names is None else names
    shown = []
    for cell in cells:
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(NOTEBOOK), "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            assert parameters.keys() <= names.keys()
            names |= parameters
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names))  # type: ignore[attr-defined]
    return names, shown


def test_the_notebook_leads_from_data_to_a_rehearsed_zip(trained: Toy) -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    names, shown = run_cells(cells, TOY)
    assert names["zipped"].path.is_file()
    assert names["rehearsal"].passed
    drawn = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(drawn) == 4  # the folds, the leaderboard, the blend, the rehearsal
    assert "tiny" in drawn[1]
    assert "expect" in drawn[2]
    assert "<script" not in "".join(drawn)


def test_the_kaggle_notebook_leads_from_kaggles_folders_to_a_submission(toy: Toy, small_calls: None) -> None:
    write_kaggle(toy.data)
    cells = [cell for cell in json.loads(KAGGLE.read_text())["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells)
    given = {"data_folder": str(toy.root), "recipes": ["tiny"], "ensemble": "best1"}
    names, _ = run_cells(cells[:2], given)
    make_small("mine")
    names, shown = run_cells(cells[2:], given, names)
    sample = pd.read_csv("sample_submission.csv")
    assert list(names["submission"].columns) == list(sample.columns)
    assert names["submission"]["image_id"].tolist() == sample["image_id"].tolist()
    assert Path("submission.csv").is_file()
    assert "tiny" in shown[1]._repr_html_()


# --------------------------------------------------------------------------------------------------- functions
@pytest.fixture
def contest(trained: Toy) -> Any:
    return kit.load_contest("toy", quiet=True)


def test_results_are_arrays_and_frames(contest: Any, trained: Toy) -> None:
    data = kit.prepare(contest)
    runs = kit.fit(contest, data, [trained.recipe("tiny")])
    assert list(runs) == ["tiny"]
    assert runs["tiny"].logits.shape == (60, len(runs["tiny"].views), 3)
    np.testing.assert_array_equal(np.sort(data.ids), kit.oof(contest)["mini"].ids)
    frame = kit.leaderboard(contest).frame
    assert isinstance(frame, pd.DataFrame)
    assert set(frame["recipe"]) == {"tiny", "mini"}
    assert frame["shifted"].is_monotonic_decreasing


def test_what_is_missing_is_said(contest: Any, trained: Toy) -> None:
    with pytest.raises(OofError, match="absent"):
        kit.oof(contest, ["absent"])
    with pytest.raises(ConfigError, match="Did you mean 'tiny'"):
        kit.fit(contest, kit.prepare(contest), ["tyny"])
    with pytest.raises(ConfigError, match="Did you mean 'toy'"):
        kit.load_contest("tyo")


def test_a_quiet_contest_prints_nothing(contest: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kit.prepare(contest)
    kit.blend(contest, "best2")
    assert capsys.readouterr().out == ""


def test_html_is_escaped() -> None:
    html = Grid([Column("<b>", number=False)], [["<script>alert(1)</script>"]], "<i>", "<u>")._repr_html_()
    for name in ("<b>", "<script", "<i>", "<u>"):
        assert name not in html
