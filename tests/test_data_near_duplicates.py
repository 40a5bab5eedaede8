import numpy as np
import pytest
from data_toy import image_set, some_images

from kit.config import CleanConfig
from kit.data.cleaning import descriptors, near_duplicates, perturb
from kit.data.cleaning.alignment import likeness
from kit.data.cleaning.clean import clean


@pytest.fixture(scope="module")
def detailed():
    """400 images with shapes and texture, (400, 48, 48, 3)."""
    rough, fine = some_images(400, size=48, seed=1), np.random.default_rng(2).integers(0, 60, (400, 12, 12, 3))
    return np.clip(rough.astype(int) * 3 // 4 + np.repeat(np.repeat(fine, 4, 1), 4, 2), 0, 255).astype(np.uint8)


def test_descriptions_ignore_flips_and_quarter_turns(detailed):
    plain = descriptors.describe(detailed[:20])
    for number in range(1, 8):
        turned = np.stack([perturb.oriented(image, number) for image in detailed[:20]])
        np.testing.assert_allclose(descriptors.describe(turned), plain, atol=2e-3)


def test_orientations_are_the_eight_of_the_square():
    square = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({perturb.oriented(square, number).tobytes() for number in range(8)}) == 8


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_copies_of_every_kind_are_alike_and_others_are_not(detailed, kind):
    rng = np.random.default_rng(3)
    copies = np.stack([perturb.KINDS[kind](image, rng) for image in detailed[:40]])
    both = np.concatenate([detailed[:40], copies])
    rows = np.arange(40)
    assert np.median(likeness(both, np.stack([rows, rows + 40], 1))) > 0.97
    assert likeness(both, np.stack([rows, (rows + 1) % 40 + 40], 1)).max() < 0.9


def test_planted_copies_are_grouped_and_nothing_else(detailed):
    rng = np.random.default_rng(4)
    kinds = [*perturb.KINDS.values()]
    sources = rng.choice(400, 60, replace=False)
    copies = np.stack([kinds[n % len(kinds)](detailed[source], rng) for n, source in enumerate(sources)])
    labels = np.concatenate([np.arange(400) % 2, sources % 2])
    table = clean(image_set(np.concatenate([detailed, copies]), labels), CleanConfig(outliers=False))
    groups = table["group"].to_numpy()
    found = groups[400:] == groups[sources]
    assert found.mean() >= 0.95
    assert len(np.unique(groups)) >= 400
    assert table["keep"].sum() >= 460 - 10
    row = 400 + int(np.flatnonzero(found & (table["image"][400:] != table["image"][sources].to_numpy()))[0])
    assert f"nearly {sources[row - 400]:04d} (likeness " in table["evidence"][row]


def test_near_copies_under_two_labels_are_a_conflict_and_kept(detailed):
    copy = perturb.brightened(detailed[7], np.random.default_rng(0))
    labels = np.append(np.arange(100) % 2, 0)
    table = clean(image_set(np.concatenate([detailed[:100], copy[None]]), labels), CleanConfig())
    assert table["conflict"][[7, 100]].all()
    assert table["keep"][[7, 100]].all()
    assert "one image, labels differ (0007: 1, 0100: 0)" in table["evidence"][100]


def test_junk_that_was_re_encoded_is_junk(detailed):
    rng = np.random.default_rng(0)
    copies = np.stack([perturb.reencoded(detailed[-1], rng) for _ in range(30)])
    labels = np.append(np.arange(100) % 2, np.arange(30) % 2)
    table = clean(image_set(np.concatenate([detailed[:100], copies]), labels), CleanConfig())
    assert (table["reason"][100:] == "junk").mean() > 0.9
    assert (table["reason"][:100] == "junk").sum() == 0


def test_no_step_looks_at_all_pairs(detailed, monkeypatch):
    aligned = []
    monkeypatch.setattr(near_duplicates, "likeness", lambda _, pairs: aligned.extend(pairs) or np.zeros(len(pairs)))
    crowded = descriptors.Metric(np.eye(4, dtype=np.float32), radius=100.0)
    points = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    near_duplicates.find(detailed, points, crowded, 0.9)
    assert 400 <= len(aligned) <= near_duplicates.NEIGHBOURS * 400


def test_both_searches_can_be_turned_off(detailed):
    config = CleanConfig(near_duplicates=False, outliers=False)
    copies = perturb.brightened(detailed[3], np.random.default_rng(0))[None]
    table = clean(image_set(np.concatenate([detailed[:60], copies]), np.arange(61) % 2), config)
    assert table["group"].nunique() == 61
