import numpy as np
from data_toy import image_set, some_images

from kit.config import CleanConfig
from kit.data.cleaning import quality
from kit.data.cleaning.clean import clean


def found(images, sizes=None):
    return {one.reason: one.rows.tolist() for one in quality.suspicions(images, sizes)}


def bright_images(count):
    return (some_images(count, size=24) // 2 + 90).astype(np.uint8)


def test_blank_dark_and_bright_images_are_found():
    images = bright_images(60)
    images[3] = 120
    images[7] = images[7] // 8
    images[11] = 255 - images[11] // 8
    reasons = found(images)
    assert reasons["blank"] == [3]
    assert 7 in reasons["dark"]
    assert 11 in reasons["bright"]
    assert found(bright_images(60)) == {}


def test_a_dark_data_set_is_not_dark():
    assert found((some_images(60) // 8).astype(np.uint8)) == {}


def test_flat_images_are_no_suspects_where_many_are_nearly_flat():
    images = bright_images(60).astype(float)
    images = 120 + (images - 120) * np.geomspace(0.01, 1, 60)[:, None, None, None]
    assert "blank" not in found(images.astype(np.uint8))


def test_odd_shapes_only_where_one_shape_is_usual():
    sizes = np.full((60, 2), 100)
    sizes[5] = (100, 300)
    assert found(bright_images(60), sizes)["shape"] == [5]
    sizes[::3, 1] = 300
    assert "shape" not in found(bright_images(60), sizes)


def test_a_rule_that_would_drop_too_much_drops_nothing_until_it_is_accepted():
    images = bright_images(100)
    images[:6] = 60 + np.arange(6)[:, None, None, None] * 20
    given = image_set(images, np.arange(100) % 2)
    config = CleanConfig(max_share=0.04, near_duplicates=False, outliers=False)
    table = clean(given, config)
    assert (table["reason"][:6] == "blank").all()
    assert table["keep"].all()
    assert table["evidence"][:6].str.contains("kept, since 6 of 100 images would go").all()
    assert (~clean(given, config, accepted=["blank"])["keep"][:6]).all()
    assert clean(given, config, accepted=["outlier"])["keep"].all()
    assert (~clean(given, CleanConfig(max_share=0.06, near_duplicates=False, outliers=False))["keep"]).sum() == 0
    more = bright_images(200)
    more[:6] = images[:6]
    given = image_set(more, np.arange(200) % 2)
    assert (~clean(given, config)["keep"][:6]).all()


def test_plain_ground_is_not_blank_where_contrast_dwindles_step_by_step():
    images = bright_images(100).astype(float)
    spans = np.array([0.0, 0.02, 0.03, 0.05, 0.08, 0.1, 0.14, 0.2])
    images[:8] = 140 + (images[:8] - 140) * spans[:, None, None, None]
    assert "blank" not in found(images[1:].astype(np.uint8))
    images[1:8] = bright_images(120)[100:107]
    assert found(images.astype(np.uint8))["blank"] == [0]


def test_suspicions_cost_no_class_more_than_the_share_of_all():
    images = bright_images(400)
    images[:5] = 60 + np.arange(5)[:, None, None, None] * 20
    config = CleanConfig(near_duplicates=False, outliers=False)
    labels = np.arange(400) % 2
    assert (~clean(image_set(images, labels), config)["keep"][:5]).all(), "1.5 and 1 % of a class"
    labels[:5] = 0
    table = clean(image_set(images, labels), config)
    assert table["keep"].all()
    assert table["evidence"][:5].str.contains("kept, since 5 of 20. images of class 'class0' would go .over 2%").all()


def test_dark_and_bright_images_stand_apart_from_all_others():
    images = bright_images(100).astype(float)
    scales = np.array([0.12, 0.15, 0.2, 0.28, 0.4, 0.5, 0.6, 0.8])
    images[:8] *= scales[:, None, None, None]
    images[8:16] = 255 - (255 - images[8:16]) * scales[:, None, None, None]
    assert found(images.astype(np.uint8)) == {}
    images[1:8] = images[9:16] = bright_images(120)[100:107]
    assert found(images.astype(np.uint8)) == {"dark": [0], "bright": [8]}
