import numpy as np
import pandas as pd
import pytest

from kit.config import FoldsConfig
from kit.data.cleaning.grouping import by_key
from kit.data.fold_remarks import worth
from kit.data.folds import INNER, TRAIN_ONLY, check_folds, fold_digest, make_folds, split
from kit.errors import DataError


def rows(count=200, classes=3, duplicates=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, count, p=rng.dirichlet(np.full(classes, 5)))
    labels[: classes * 20] = np.repeat(np.arange(classes), 20)
    groups = np.arange(count)
    for first in range(0, duplicates * 3, 3):
        groups[first + 1] = first
        labels[first + 1] = labels[first]
    ids = np.array([f"{row:04d}" for row in range(count)])
    return ids, labels, by_key(groups)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_folds_are_whole_stratified_and_grouped(seed, shuffle):
    ids, labels, groups = rows(seed=seed, classes=2 + seed % 5, duplicates=seed)
    n_splits = 2 + seed % 6
    table = make_folds(ids, labels, groups, FoldsConfig(n_splits=n_splits, shuffle=shuffle), seed)
    assert table["id"].tolist() == ids.tolist()
    assert check_folds(table, labels) == []
    folds = table["fold"].to_numpy()
    assert set(folds) == set(range(n_splits))
    for label in np.unique(labels):
        counts = np.bincount(folds[labels == label], minlength=n_splits)
        assert np.abs(counts - counts.mean()).max() <= 1
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    if seed == 0:  # no duplicates: the totals are even as well
        assert np.ptp(np.bincount(folds)) <= 1


def test_same_seed_same_folds_other_seed_others():
    ids, labels, groups = rows()
    tables = [make_folds(ids, labels, groups, FoldsConfig(), seed)["fold"].to_numpy() for seed in (1, 1, 2)]
    assert fold_digest(ids, tables[0]) == fold_digest(ids, tables[1]) != fold_digest(ids, tables[2])


def test_without_shuffling_folds_are_blocks_of_the_order():
    ids, labels, groups = rows(duplicates=0)
    folds = make_folds(ids, labels, groups, FoldsConfig(shuffle=False), 0)["fold"].to_numpy()
    for label in np.unique(labels):
        assert np.all(np.diff(folds[labels == label]) >= 0)


def test_repeats_are_further_columns_and_differ():
    ids, labels, groups = rows()
    table = make_folds(ids, labels, groups, FoldsConfig(repeats=3), 0)
    assert list(table.columns) == ["id", "fold", "group", "fold1", "fold2"]
    assert (table["fold"] != table["fold1"]).mean() > 0.5


def test_coarse_groups_stay_whole_and_unevenness_is_said():
    ids, labels, _ = rows()
    patients = np.arange(len(ids)) // 20
    table = make_folds(ids, labels, patients, FoldsConfig(), 0)
    assert table.groupby("group")["fold"].nunique().max() == 1
    assert check_folds(table, labels)[0].startswith("class 0: ")
    assert "images off even in some fold" in check_folds(table, labels, ("cat", "dog", "emu"))[0]
    assert check_folds(table, labels, ("cat", "dog", "emu"))[0].startswith("class cat: ")


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.7, 0.15, 0.15)])
def test_holdout_keeps_shares_classes_and_groups(shares):
    ids, labels, groups = rows(count=400)
    table = make_folds(ids, labels, groups, FoldsConfig(kind="holdout", shares=shares), 0)
    parts = split(table["fold"].to_numpy(), 0)
    sizes = [len(parts.train), len(parts.inner), len(parts.held_out)]
    wanted = [shares[0], shares[1] if len(shares) == 3 else 0, shares[-1]]
    np.testing.assert_allclose(np.array(sizes) / len(ids), wanted, atol=0.03)
    assert sum(sizes) == len(ids)
    assert table.groupby("group")["fold"].nunique().max() == 1
    assert set(table["fold"]) <= {TRAIN_ONLY, INNER, 0}


def test_column_of_numbers_and_of_names():
    ids, labels, groups = rows(count=60, duplicates=0)
    numbers = np.array(["1", "5", "9"] * 20)
    table = make_folds(ids, labels, groups, FoldsConfig(kind="column"), 0, column=numbers)
    assert table["fold"].tolist() == [0, 1, 2] * 20
    names = np.array(["train", "val", "dev"] * 20)
    table = make_folds(ids, labels, groups, FoldsConfig(kind="column", inner=("dev",)), 0, column=names)
    assert table["fold"].tolist() == [TRAIN_ONLY, 0, INNER] * 20


def test_column_that_splits_a_group_is_refused():
    ids, labels, groups = rows(count=60, duplicates=2)
    column = np.array(["0", "1"] * 30)
    with pytest.raises(DataError, match=r"2 of 58 groups straddle \(0000 in 0, 0001 in 1; .*set keep to False"):
        make_folds(ids, labels, groups, FoldsConfig(kind="column"), 0, column=column)


def test_a_class_smaller_than_folds_is_scored_where_it_is_trained():
    labels = np.array([0] * 20 + [1] * 4 + [2] + [3] * 2)
    groups = np.arange(27)
    groups[21], groups[26] = groups[20], groups[25]
    for config in (FoldsConfig(n_splits=5), FoldsConfig(n_splits=5, shuffle=False), FoldsConfig(kind="holdout")):
        for seed in range(9):
            table = make_folds(np.arange(27).astype(str), labels, groups, config, seed)
            folds = table["fold"].to_numpy()
            for label in range(4):
                for fold in np.unique(folds[(labels == label) & (folds >= 0)]):
                    assert (labels[split(folds, fold).train] == label).any(), (label, fold)
            assert (folds[24:] == TRAIN_ONLY).all()  # one image, and two copies of one
    table = make_folds(np.arange(27).astype(str), labels, groups, FoldsConfig(n_splits=5), 0)
    assert len(set(table["fold"][20:24])) == 3
    names = ("cat", "dog", "emu", "fox")
    assert check_folds(table, labels, names)[-2:] == [
        "1 classes of fewer rows than folds are scored in some folds only: dog (4 rows, 3 folds)",
        "2 classes stay in training and are not scored, as their rows hang together or are too few: emu (1), fox (2)",
    ]


def test_two_folds_that_cannot_be_filled_say_what_helps():
    labels = np.array([0] * 6 + [1] * 6)
    with pytest.raises(DataError, match="Add images that are no copies"):
        make_folds(np.arange(12).astype(str), labels, labels, FoldsConfig(n_splits=2), 0)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    with pytest.raises(DataError, match=r"n_splits = 9 held-out .* 6 groups of rows fill \d .*Set \[folds\] n_splits"):
        make_folds(np.arange(12).astype(str), labels, groups, FoldsConfig(n_splits=9), 0)


def test_few_rows_say_how_little_scores_are_worth():
    ids, labels, groups = np.arange(360).astype(str), np.repeat(np.arange(40), 9), np.arange(360)
    said = worth(make_folds(ids, labels, groups, FoldsConfig(), 0), labels)
    assert said.startswith("360 rows are scored: an accuracy has a standard error of up to 2.6 points, that of a class")
    assert worth(pd.DataFrame({"fold": np.zeros(3000, int)}), np.zeros(3000, int)) == ""


def test_a_thousand_classes():
    labels = np.repeat(np.arange(1000), 3)
    table = make_folds(np.arange(3000).astype(str), labels, np.arange(3000), FoldsConfig(n_splits=3), 0)
    assert np.bincount(table["fold"]).tolist() == [1000, 1000, 1000]


def test_check_finds_repeated_rows_and_gaps():
    ids, labels, groups = rows(duplicates=0)
    table = make_folds(ids, labels, groups, FoldsConfig(), 0)
    with pytest.raises(DataError, match="must occur once"):
        check_folds(table.assign(id="same"), labels)
    with pytest.raises(DataError, match="without a gap"):
        check_folds(table.assign(fold=table["fold"] * 2), labels)
