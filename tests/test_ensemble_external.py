from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.external import load_external, with_external
from kit.ensemble.pool import make_pool
from kit.errors import EnsembleError
from kit.inference.model import softmax

NAMES = ("ant", "bee", "cat", "dog")
RUNS = make_runs(3)


def write_csv(path, columns=NAMES, run=RUNS[0], rows=slice(None)):
    table = pd.DataFrame(softmax(run.logits[:, 0]), columns=list(columns))
    table.insert(0, "id", run.ids)
    table = table.sample(frac=1, random_state=0) if rows == slice(None) else table[rows]
    table.to_csv(path, index=False, float_format="%.6f")
    return path


@pytest.mark.parametrize("columns", [NAMES, ("0", "1", "2", "3")])
def test_a_csv_in_any_order_is_the_run_it_was_written_from(tmp_path, columns):
    found = load_external(write_csv(tmp_path / "mine.csv", columns), RUNS[1], NAMES)
    assert found.recipe == "mine"
    np.testing.assert_allclose(softmax(found.logits[:, 0]), softmax(RUNS[0].logits[:, 0]), atol=2e-6)


def test_an_npz_enters_the_pool_with_shifted_rows(tmp_path):
    run = RUNS[0]
    order = np.random.default_rng(0).permutation(len(run.ids))
    path = tmp_path / "mine.npz"
    np.savez(
        path,
        ids=run.ids[order],
        logits=run.logits[order, 0],
        shifted_proba=softmax(run.shifted[order, :, 0]),
    )
    pool = make_pool([*with_external(RUNS[1:], [path], NAMES, "shifted"), run])
    mine, original = pool.names.index("mine"), pool.names.index(run.recipe)
    np.testing.assert_allclose(pool.proba[mine], pool.proba[original], atol=1e-3)


def test_a_member_made_elsewhere_is_marked(tmp_path):
    runs = with_external(RUNS, [write_csv(tmp_path / "mine.csv")], NAMES, "clean")
    found = blend(runs, "all", expects="clean")
    assert {member.recipe: member.external for member in found.members}["mine"] == str(tmp_path / "mine.csv")
    assert found.nested.shifted is None


def test_without_shifted_rows_it_cannot_enter_where_they_are_expected(tmp_path):
    with pytest.raises(EnsembleError, match=r"mine\.csv: has no shifted_proba \(600, 3, 4\)"):
        with_external(RUNS, [write_csv(tmp_path / "mine.csv")], NAMES, "shifted")


def npz(tmp_path, **arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return path


PROBA = softmax(RUNS[0].logits[:, 0])
BROKEN = {
    "rows are missing, first '00007'": lambda t: npz(t, ids=np.delete(RUNS[0].ids, 7), proba=np.delete(PROBA, 7, 0)),
    "'00003' occurs 2 times": lambda t: npz(t, ids=np.append(RUNS[0].ids, "00003"), proba=np.r_[PROBA, PROBA[:1]]),
    "must be probabilities": lambda t: npz(t, ids=RUNS[0].ids, proba=PROBA * 2),
    r"of shape \(600, 4\)": lambda t: npz(t, ids=RUNS[0].ids, proba=PROBA[:, :3]),
    "with 4 values that are not finite": lambda t: npz(
        t, ids=RUNS[0].ids, proba=np.where(PROBA[2] == PROBA, np.nan, PROBA)
    ),
    "needs ids and proba or logits": lambda t: npz(t, proba=PROBA),
    "needs a column id": lambda t: write_csv(t / "mine.csv", ("a", "b", "c", "d")),
    r"must be \.csv or \.npz": lambda t: t / "mine.parquet",
}


@pytest.mark.parametrize("words", BROKEN)
def test_broken_predictions_are_refused_by_name(tmp_path, words):
    path = BROKEN[words](tmp_path)
    with pytest.raises(EnsembleError, match=words) as caught:
        load_external(path, RUNS[1], NAMES)
    assert path.name in str(caught.value)


def test_ids_that_look_like_missing_values_stay_text(tmp_path):
    ids = np.array([*RUNS[0].ids[:-3], "NA", "nan", "null"])  # in order, as a run's are
    run = replace(RUNS[0], ids=ids)
    found = load_external(write_csv(tmp_path / "other.csv", run=run), run, NAMES)
    assert found.ids.tolist() == ids.tolist()
    assert np.allclose(softmax(found.logits[:, 0]), softmax(run.logits[:, 0]), atol=1e-4)
