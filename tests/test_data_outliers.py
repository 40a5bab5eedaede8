import numpy as np
from data_toy import image_set

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
    found = outliers.suspicion(images, descriptors.describe(images))
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
    images, _ = with_junk()
    assert len(outliers.suspicion(images[-40:], descriptors.describe(images[-40:])).rows) == 0
