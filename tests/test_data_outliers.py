import numpy as np
from data_toy import image_set
from sklearn.datasets import load_sample_images

from kit.config import CleanConfig
from kit.data.cleaning import descriptors, outliers
from kit.data.cleaning.clean import clean
from kit.data.practice.contest import training_set


def with_junk():
    """400 drawn cells, then noise, a gradient, stripes and a checkerboard."""
    cells, labels, _ = training_set()
    _, first = np.unique(cells.reshape(len(cells), -1), axis=0, return_index=True)
    rows = np.sort(first)[:400]
    side = cells.shape[1]
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, side)[None, :, None] * np.ones((side, 1, 3))
    stripes = (np.arange(side)[:, None, None] // 3 % 2 * 255) * np.ones((1, side, 3))
    board = ((np.arange(side)[:, None, None] // 6 + np.arange(side)[None, :, None] // 6) % 2 * 200) * np.ones((1, 1, 3))
    junk = np.stack([rng.integers(0, 256, (side, side, 3)), ramp, stripes, board]).astype(np.uint8)
    return np.concatenate([cells[rows], junk]), np.append(labels[rows], [0, 1, 2, 3])


def test_images_unlike_the_rest_are_found_with_figures():
    images, _ = with_junk()
    found = outliers.suspicion(outliers.neighbours(images, descriptors.describe(images))[0])
    assert set(range(400, 404)) <= set(found.rows.tolist())
    assert len(found.rows) <= 8
    assert "times as far from its 10 nearest as usual" in found.evidence[0]
    assert (np.diff(found.excess) <= 0).all()


def test_outliers_are_dropped_in_the_table():
    images, labels = with_junk()
    table = clean(image_set(images, labels), CleanConfig())
    assert (table["reason"][400:] == "outlier").all()
    assert not table["keep"][400:].any()


def test_few_images_have_no_outliers():
    images, labels = with_junk()
    assert clean(image_set(images[-40:], labels[-40:]), CleanConfig())["keep"].all()


def test_a_rare_class_is_not_dropped_as_outliers():
    images, _ = with_junk()
    given = image_set(np.concatenate([images[:197], images[-3:]]), np.append(np.zeros(197), [1, 1, 1]))
    assert clean(given, CleanConfig())["keep"].all()
    table = clean(given, CleanConfig(max_share=0.05))
    assert (table["reason"][197:] == "outlier").all()
    assert table["keep"].all()
    assert table["evidence"][199].endswith("kept, since 3 of 3 images of class 'class1' would go (over 5%)")
    assert not clean(given, CleanConfig(), accepted=["outlier"])["keep"][197:].any()


def test_crops_of_unrelated_photographs_under_random_labels_are_listed_and_kept():
    cells, labels, _ = training_set()
    _, first = np.unique(cells.reshape(len(cells), -1), axis=0, return_index=True)
    rows = np.sort(first)[:900]
    rng, side = np.random.default_rng(3), cells.shape[1]
    crops = []
    for number in range(80):
        photograph = load_sample_images().images[number % 2]
        top, left = rng.integers(0, 427 - side), rng.integers(0, 640 - side)
        crops.append(photograph[top : top + side, left : left + side])
    both = np.concatenate([labels[rows], rng.integers(0, labels.max() + 1, 80)])
    table = clean(image_set(np.concatenate([cells[rows], np.stack(crops)]), both), CleanConfig())
    assert table["reason"][900:].isin(("cluster", "outlier")).mean() > 0.7
    assert (table["reason"][:900] == "cluster").sum() == 0
    assert table["keep"][900:][table["reason"][900:] == "cluster"].all()
