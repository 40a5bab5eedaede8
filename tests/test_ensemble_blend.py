from dataclasses import replace

import numpy as np
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import Blend, blend
from kit.ensemble.kinds.registry import kind
from kit.ensemble.pool import make_pool
from kit.errors import ArtefactError, EnsembleError
from kit.inference.model import merge_views
from kit.pipeline.stages.blending import unless_beaten

RUNS = make_runs(7)


def test_best5_is_the_plain_mean_of_the_five_best():
    found = blend(RUNS, "best5")
    by_name = {run.recipe: run for run in RUNS}
    parts = [merge_views(by_name[m.recipe].logits.astype(np.float64), m.temperature) for m in found.members]
    proba = found.proba(make_pool(RUNS))[:, 0]
    assert [member.weight for member in found.members] == [0.2] * 5
    # the pool holds cross-fitted temperatures, the blend ships those of all rows
    np.testing.assert_allclose(proba, np.mean(parts, axis=0), atol=0.02)


def test_a_blend_is_reproducible_from_its_runs_and_its_file(tmp_path):
    first, second = blend(RUNS, "best3"), blend(RUNS[::-1], "best3")
    first.to_json(tmp_path / "a.json")
    second.to_json(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert Blend.from_json(tmp_path / "a.json") == first


@pytest.mark.parametrize("text", ["{", "{}", '{"members": 3}', "[]"])
def test_a_broken_file_names_itself_and_the_command(tmp_path, text):
    (tmp_path / "blend.json").write_text(text)
    with pytest.raises(ArtefactError, match=r"blend\.json.*kit blend"):
        Blend.from_json(tmp_path / "blend.json")


@pytest.mark.parametrize(("name", "near"), [("bset5", "best5"), ("best0", "best5"), ("al", "all"), ("best", "best5")])
def test_an_unknown_kind_names_the_near_one(name, near):
    with pytest.raises(EnsembleError, match=f"Did you mean '{near}'"):
        kind(name)


def test_the_interval_holds_the_point_and_knows_what_is_expected():
    for expects in ("clean", "shifted"):
        found = blend(RUNS, "all", expects=expects)
        assert found.expected.expects == expects
        assert found.expected.low < found.expected.point < found.expected.high
        assert found.expected.averaging is not None
        point = found.nested.selection(expects) + found.expected.averaging.gain
        assert found.expected.point == pytest.approx(point)
    few, many = (blend(RUNS, "all", "clean", hidden_rows=rows).expected for rows in (100, 10_000))
    assert few.high - few.low > many.high - many.low


def test_averaging_beats_its_members_in_the_toy_world():
    found = blend(RUNS, "all")
    assert found.nested.shifted > max(member.score.shifted for member in found.members)


def test_equal_weights_are_replaced_under_their_own_name_where_a_fit_is_better_on_both():
    equal, fitted = blend(RUNS, "best3"), blend(RUNS, "stack")
    clean, shifted = fitted.nested.clean, fitted.nested.shifted
    lines: list[str] = []
    worse = replace(equal, nested=replace(equal.nested, clean=clean - 0.2, shifted=shifted))
    found = unless_beaten(worse, fitted, lines.append)
    assert (found.name, found.kind, found.members) == ("best3", fitted.kind, fitted.members)
    assert lines == ["best3 (equal weights) is replaced by stack: nested clean 0.2000 better, nothing lost on shifted"]
    for clean_then, shifted_then in ((clean, shifted), (clean - 0.2, shifted + 0.01)):
        kept = replace(equal, nested=replace(equal.nested, clean=clean_then, shifted=shifted_then))
        assert unless_beaten(kept, fitted, lines.append) is kept
    assert len(lines) == 1
