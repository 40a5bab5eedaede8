import io

import cv2
import numpy as np
import pytest
from data_toy import image_set, some_images
from PIL import Image
from scipy.spatial import cKDTree
from sklearn.datasets import load_digits

from kit.config import CleanConfig, FoldsConfig
from kit.data.cleaning import alignment, chance, comparison, descriptors, near_duplicates, perturb
from kit.data.cleaning.clean import clean
from kit.data.cleaning.grouping import stars
from kit.data.cleaning.reencoding import reencoded
from kit.data.folds import make_folds


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


@pytest.fixture(scope="module")
def learned(detailed):
    """What copying leaves between images of that kind."""
    return comparison.learn(detailed, alignment.thumbnails(detailed))


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_copies_of_every_kind_are_alike_and_others_are_not(detailed, learned, kind):
    rng = np.random.default_rng(3)
    copies = np.stack([perturb.KINDS[kind](image, rng) for image in detailed[:40]])
    small = alignment.thumbnails(np.concatenate([detailed[:40], copies]))
    rows = np.arange(40)
    own, others = (np.stack([rows, other], 1) for other in (rows + 40, (rows + 1) % 40 + 40))
    assert 3 * np.quantile(learned.pairs(small, own), 0.9) < learned.pairs(small, others).min()
    for pairs, least, most in ((own, 0.95, 1), (others, 0, 0.7)):
        one, other = small[pairs.T]
        assert least <= np.median(alignment.correlation(one, alignment.aligned(one, other))) <= most


def test_an_image_clipped_by_brightness_is_still_a_copy(detailed, learned):
    clipped = np.clip(detailed[:40].astype(int) * 14 // 10, 0, 255).astype(np.uint8)
    assert (clipped == 255).mean() > 0.1
    small = alignment.thumbnails(np.concatenate([detailed[:40], clipped]))
    rows = np.arange(40)
    near = learned.pairs(small, np.stack([rows, rows + 40], 1))
    assert 3 * np.median(near) < learned.pairs(small, np.stack([rows, (rows + 1) % 40 + 40], 1)).min()


def test_an_image_made_smaller_and_enlarged_again_is_nearer_than_without_its_finest_detail(monkeypatch):
    """Of handwriting, whose strokes are thin, fewer than nine in ten such copies were told from look-alikes."""
    digits = load_digits().images[:100] * 15.9
    images = np.stack([cv2.resize(one.astype(np.uint8), (28, 28), interpolation=cv2.INTER_CUBIC) for one in digits])
    images = np.repeat(np.where(images > 110, 255, 0).astype(np.uint8)[..., None], 3, axis=3)
    copies = np.stack([cv2.resize(cv2.resize(one, (15, 15), interpolation=cv2.INTER_AREA), (28, 28)) for one in images])
    small = alignment.thumbnails(np.concatenate([images, copies]))
    rows = np.arange(len(images))
    own, other = np.stack([rows, rows + 100], 1), np.stack([rows, (rows + 1) % 100], 1)

    def gap() -> float:
        learned = comparison.learn(images, small[:100])
        return float(np.median(learned.pairs(small, other)) / np.median(learned.pairs(small, own)))

    matched = gap()
    monkeypatch.setattr(comparison, "_BLURS", ())
    assert matched > 1.3 * gap()


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
    assert f"nearly {sources[row - 400]:04d} (similarity " in table["evidence"][row]


def test_near_copies_under_two_labels_are_a_conflict_and_kept(detailed):
    copy = perturb.brightened(detailed[7], np.random.default_rng(0))
    labels = np.append(np.arange(100) % 2, 0)
    table = clean(image_set(np.concatenate([detailed[:100], copy[None]]), labels), CleanConfig())
    assert table["conflict"][[7, 100]].all()
    assert table["keep"][[7, 100]].all()
    assert "one image, labels differ (0007: 1, 0100: 0)" in table["evidence"][100]


def saved(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer))


def test_junk_is_what_is_verified_to_be_saved_anew(detailed):
    junk = detailed[-1]
    copies = np.stack([junk, *(saved(junk, quality) for quality in (90, 75, 60, 50, 85, 40))])
    labels = np.append(np.arange(399) % 2, np.arange(7) % 2)
    table = clean(image_set(np.concatenate([detailed[:399], copies]), labels), CleanConfig(outliers=False))
    assert (table["reason"][399:] == "junk").all()
    assert not table["keep"][399:].any()
    assert table["keep"][:399].all()


def test_near_copies_alone_drop_no_row(detailed):
    rng = np.random.default_rng(0)
    copies = np.stack([perturb.several(detailed[-1], rng) for _ in range(30)])
    labels = np.append(np.arange(399) % 3, np.arange(30) % 3)
    table = clean(image_set(np.concatenate([detailed[:399], copies]), labels), CleanConfig(outliers=False))
    assert table["keep"].all()
    assert table["group"][399:].value_counts().iloc[0] >= 15
    assert table["conflict"][399:].mean() > 0.5


def test_no_step_looks_at_all_pairs(detailed, monkeypatch):
    compared = []
    monkeypatch.setattr(
        comparison.Comparison, "pairs", lambda _, small, pairs: compared.extend(pairs) or np.full(len(pairs), 9e9)
    )
    crowded = descriptors.Metric(np.eye(4, dtype=np.float32), radius=100.0)
    points = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    near_duplicates.find(detailed, points, crowded)
    assert 400 <= len(compared) <= near_duplicates.NEIGHBOURS * 400


def alike(count, size=28):
    """Images that are aligned and alike by nature: one shape, and a little of each image's own."""
    rng = np.random.default_rng(8)
    down, right = np.mgrid[:size, :size] / size - 0.5
    shape = 150 * np.exp(-8 * (right**2 + down**2)) + 60 * np.exp(-60 * ((np.abs(right) - 0.25) ** 2 + down**2))
    own = some_images(count, size, seed=6).astype(float) - 128
    grey = shape + 0.06 * own[..., 0] + rng.normal(0, 1, (count, size, size))
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=3)


def test_images_alike_by_nature_are_no_copies():
    images = alike(500)
    labels = (np.arange(500) % 4 == 0).astype(np.int64)
    table = clean(image_set(images, labels), CleanConfig())
    assert table["keep"].all()
    assert len(np.unique(table["group"])) >= 498


def enlarged_digits():
    given = load_digits()
    larger = [Image.fromarray((one * 15.9).astype(np.uint8)).resize((24, 24), Image.NEAREST) for one in given.images]
    return np.repeat(np.stack([np.asarray(one) for one in larger])[..., None], 3, axis=3), given.target


def test_real_digits_are_all_kept_and_their_folds_even():
    images, labels = (part[:900] for part in enlarged_digits())
    table = clean(image_set(images, labels), CleanConfig())
    assert table["keep"].all()
    assert table["group"].value_counts().iloc[0] <= 2
    folds = make_folds(table["id"].to_numpy(), labels, table["group"].to_numpy(), FoldsConfig(), 0)["fold"]
    counts = np.stack([np.bincount(labels[folds == fold], minlength=10) for fold in range(5)])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 2


def test_where_copies_cannot_be_told_apart_only_what_is_certain_is_linked(detailed, monkeypatch):
    copies = np.stack([saved(detailed[3], 80), perturb.cropped(detailed[4], np.random.default_rng(0))])
    given = image_set(np.concatenate([detailed, copies]), np.arange(402) % 2)
    doubtful = chance.Threshold(level=1e9, ratio=1.0, recognised=0.1, chance=0.5)
    monkeypatch.setattr(chance, "learn", lambda *_: doubtful)
    said = []
    table = clean(given, CleanConfig(outliers=False), echo=said.append)
    assert table["group"][3] == table["group"][400]
    assert table["group"].nunique() == 401
    assert "cannot be told apart" in said[0]


def test_a_similarity_of_ones_own_is_a_level(detailed):
    copies = perturb.brightened(detailed[3], np.random.default_rng(0))[None]
    given = image_set(np.concatenate([detailed, copies]), np.arange(401) % 2)
    assert clean(given, CleanConfig(similarity=0.9, outliers=False))["group"].nunique() == 400
    assert clean(given, CleanConfig(similarity=1.0, outliers=False))["group"].nunique() == 401


def test_by_chance_hardly_a_row_is_linked_in_few_dimensions():
    """Points that fill m dimensions, and copies close to a third of them."""
    rng = np.random.default_rng(0)
    for dimensions in (5, 10, 20):
        points = 100 * rng.random((3000, dimensions))
        points[2000:] = points[:1000] + rng.normal(0, 0.2, (1000, dimensions))
        near = np.sort(cKDTree(points).query(points, 7)[0][:, 1:], axis=1)
        copies = np.linalg.norm(rng.normal(0, 0.2, (500, dimensions)), axis=1)
        found = chance.learn(near, copies, np.arange(500))
        linked = (near[:, 0] <= found.level) & (chance.gaps(near)[:, 0] >= found.ratio)
        assert found.chance <= chance.CHANCE
        assert linked[1000:2000].mean() <= 3 * chance.CHANCE
        if dimensions >= 10:
            assert linked[2000:].mean() >= 0.98


def test_images_without_content_are_copies_of_nothing(detailed):
    images = detailed[:100].copy()
    images[:4] = np.arange(100, 104)[:, None, None, None]
    assert clean(image_set(images, np.arange(100) % 3), CleanConfig())["group"].nunique() == 100
    assert not reencoded(images[0], images[1])


def test_images_without_content_are_copies_where_they_are_the_same_to_the_last_pixel_once_turned(detailed):
    plain = np.random.default_rng(5).integers(128, 131, (4, 48, 48, 3)).astype(np.uint8)
    turned = np.stack([perturb.oriented(image, number + 1) for number, image in enumerate(plain)])
    images = np.concatenate([detailed[:100], plain, turned])
    groups = clean(image_set(images, np.zeros(108, int)), CleanConfig(outliers=False))["group"].to_numpy()
    assert (groups[100:104] == groups[104:]).all()
    assert len(set(groups.tolist())) == 104


def test_groups_are_stars_and_never_chains():
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    groups = stars(7, chain)
    assert np.bincount(groups).max() <= 3
    assert groups[6] not in groups[:6]
    star = np.array([[0, 5], [1, 5], [2, 5], [2, 3]])
    assert len(np.unique(stars(6, star)[[0, 1, 2, 5]])) == 1
    assert stars(6, star)[3] != stars(6, star)[2]


def test_both_searches_can_be_turned_off(detailed):
    config = CleanConfig(near_duplicates=False, outliers=False)
    copies = perturb.brightened(detailed[3], np.random.default_rng(0))[None]
    table = clean(image_set(np.concatenate([detailed[:60], copies]), np.arange(61) % 2), config)
    assert table["group"].nunique() == 61
