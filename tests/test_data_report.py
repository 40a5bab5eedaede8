import json

import numpy as np
import pandas as pd
import pytest
from data_toy import CLASSES, contest, image_set, some_images, write_folder
from PIL import Image

from kit.config import CleanConfig
from kit.data import adversarial
from kit.data.cleaning import decisions, label_errors
from kit.data.cleaning.clean import clean
from kit.data.cleaning.contact_sheet import Block, write_sheet
from kit.data.prepared import cleaned, prepare
from kit.data.report import data_report
from kit.errors import DataError
from kit.workspace import Workspace

IMAGES, LABELS = some_images(60, size=24), np.arange(60) % 3


@pytest.fixture
def given(tmp_path):
    write_folder(tmp_path / "data", np.concatenate([IMAGES, IMAGES[:2]]), np.append(LABELS, LABELS[:2]))
    return tmp_path


def test_the_report_counts_what_is_there(given):
    said: list[str] = []
    config = contest(size=24, kind="folder", clean={"duplicates": "drop"})
    report = data_report(config, given / "data", Workspace(given), echo=said.append)
    counts = [(one.name, one.rows, one.kept) for one in report.classes]
    assert counts == [("cat", 21, 20), ("dog", 21, 20), ("emu", 20, 20)]
    assert report.sizes == (("24x24", 62),)
    assert report.dropped == (("duplicate", 2),)
    assert report.channels[0].mean == pytest.approx(IMAGES[..., 0].mean(), abs=3)
    text = "\n".join(report.lines())
    assert "62 images, 60 kept" in text
    assert "cleaning dropped 2 duplicate" in text
    assert json.loads(json.dumps(report.as_dict()))["imbalance"] == 1.0
    with Image.open(report.image) as image:
        assert image.width > 900


def test_unlabelled_test_images_are_compared(given):
    shifted = np.clip(some_images(60, size=24, seed=9).astype(int) // 3, 0, 255).astype(np.uint8)
    np.savez(given / "test.npz", images=shifted)
    report = data_report(
        contest(size=24, kind="folder"), given / "data", Workspace(given), given / "test.npz", lambda _: None
    )
    assert report.adversarial.auc > 0.9
    assert "plainly shifted" in "\n".join(report.lines())
    assert report.as_dict()["adversarial"]["auc"] == report.adversarial.auc


def test_adversarial_validation_tells_shifted_from_alike():
    train = some_images(300, size=24, seed=1)
    alike = adversarial.compare(train, some_images(200, size=24, seed=2))
    assert alike.interval[0] < 0.56
    assert "alike" in alike.advice
    test = some_images(200, size=24, seed=3)
    test[:100] = np.clip(test[:100].astype(int) + 60, 0, 255)
    mixed = adversarial.compare(train, test)
    assert mixed.interval[0] > 0.6
    assert (mixed.test_rows[:60] < 100).mean() > 0.9
    assert (np.diff(mixed.test_probability) <= 0).all()


def test_a_handful_of_test_images_tells_nothing():
    """Two different ones can be ranked by chance; of one nothing can be learnt."""
    train = some_images(40, size=24, seed=1)
    for count in (1, 2, 5):
        told = adversarial.compare(train, some_images(count, size=24, seed=2))
        assert told.alike, count
        assert sorted(told.test_rows.tolist()) == list(range(count))
    assert adversarial.compare(train, some_images(1, size=24, seed=2)).auc == 0.5


def planted_errors():
    """Labels of which ten are wrong, and two recipes' probabilities that know better."""
    rng = np.random.default_rng(0)
    true = np.arange(300) % 3
    labels = true.copy()
    wrong = rng.choice(300, 10, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 3
    probabilities = {}
    for recipe in ("a", "b"):
        logits = rng.normal(0, 1, (300, 3)) + 8 * np.eye(3)[true]
        probabilities[recipe] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.array([f"{row:04d}" for row in range(300)]), labels, probabilities, wrong


@pytest.mark.parametrize("recipes", [("a",), ("a", "b")])
def test_wrong_labels_rank_first(recipes):
    ids, labels, probabilities, wrong = planted_errors()
    ranking = label_errors.rank(ids, labels, {name: probabilities[name] for name in recipes}, CLASSES)
    assert len(ranking) == 300
    assert set(ranking["id"].head(10)) == set(ids[wrong])
    assert ranking["issue"].head(8).all()
    assert ranking["issue"].sum() <= 13
    first = ranking.iloc[0]
    assert first["label"] != first["suggested"]


def test_probabilities_of_other_rows_are_refused():
    ids, labels, probabilities, _ = planted_errors()
    with pytest.raises(DataError, match=r"a: probabilities must have shape \(300, 3\), but got \(299, 3\)"):
        label_errors.rank(ids, labels, {"a": probabilities["a"][1:]}, CLASSES)
    with pytest.raises(DataError, match="at least one finished run"):
        label_errors.rank(ids, labels, {}, CLASSES)


def test_label_errors_are_dropped_or_weighed_only_on_request_and_it_stays():
    ids, labels, probabilities, _ = planted_errors()
    ranking = label_errors.rank(ids, labels, probabilities, CLASSES)
    given = image_set(some_images(300), labels)
    config = CleanConfig(near_duplicates=False, outliers=False)
    table = clean(given, config)
    dropped, weighed = ranking["id"].iloc[0], ranking["id"].iloc[1]
    table = label_errors.drop(table, ranking, [dropped])
    table = label_errors.down_weight(table, ranking, [weighed], 0.3)
    again = clean(given, config, table).set_index("id")
    assert not again["keep"][dropped]
    assert again["keep"].sum() == 299
    assert again["weight"][weighed] == 0.3
    assert again["overruled"].sum() == 2
    assert " recipes doubt " in again["evidence"][dropped]
    with pytest.raises(DataError, match="has no row 'nobody'"):
        label_errors.drop(table, ranking, ["nobody"])


def test_weights_reach_what_is_prepared_and_its_digest(given):
    config, workspace = contest(size=24, kind="folder"), Workspace(given)
    before = prepare(config, given / "data", workspace, lambda _: None)
    assert before.weights is None
    file = workspace.oof("toy") / "clean.csv"
    table = decisions.read(file)
    table.loc[table["id"] == before.ids[4], "weight"] = 0.5
    table.to_csv(file, index=False)
    after = prepare(config, given / "data", workspace, lambda _: None)
    assert after.weights[4] == 0.5
    assert after.fold_digest != before.fold_digest
    np.testing.assert_array_equal(after.folds, before.folds)


def test_cleaning_draws_a_contact_sheet(given):
    workspace = Workspace(given)
    _, table = cleaned(contest(size=24, kind="folder"), given / "data", workspace, lambda _: None)
    with Image.open(workspace.oof("toy") / "clean.png") as image:
        assert image.height > 100
    assert isinstance(table, pd.DataFrame)


def test_a_sheet_shows_images_at_their_place(tmp_path):
    images = np.zeros((12, 8, 8, 3), np.uint8)
    images[:, :, :, 0] = np.arange(12)[:, None, None] * 20
    write_sheet(tmp_path / "a.png", [Block("title", images, [f"a rather long name {row}" for row in range(12)])])
    with Image.open(tmp_path / "a.png") as image:
        sheet = np.asarray(image)
    for row in range(12):
        x, y = 4 + row % 10 * 100 + 48, 24 + row // 10 * 112 + 48
        assert sheet[y, x].tolist() == [row * 20, 0, 0]
