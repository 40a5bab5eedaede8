"""Every operator against what it claims to be: other libraries, closed forms, and damage that grows."""

from __future__ import annotations

import math
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps
from scipy import ndimage

from kit.shifts import blur, colour, compression, geometry, illumination, noise, occlusion, resolution, tone
from kit.shifts.draws import generator, normals
from kit.shifts.mixture import MIXTURES
from kit.shifts.operators import OPERATORS, members
from kit.shifts.strengths import RANGES, STRENGTHS


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """96x96, smooth shapes with fine grain."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(30, 226, (8, 8, 3)).astype(np.float32), (96, 96), interpolation=cv2.INTER_CUBIC)
    return (coarse + rng.normal(0, 4, coarse.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    return np.full((96, 96, 3), 128, np.uint8)


def rng(name: str = "row") -> np.random.Generator:
    return generator(0, name)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


# ------------------------------------------------------------------------------------------- all of them
def test_every_operator_has_five_strengths_that_differ() -> None:
    assert STRENGTHS.keys() == OPERATORS.keys() | MIXTURES.keys()
    assert RANGES.keys() == OPERATORS.keys()
    for name, strengths in STRENGTHS.items():
        none, limit = RANGES.get(name, (0.0, 1.0))
        assert none < strengths[0]
        assert strengths[-1] <= limit
        assert list(strengths) == sorted(set(strengths))


@pytest.mark.parametrize("name", OPERATORS)
def test_damage_grows_with_severity(image: np.ndarray, name: str) -> None:
    """Mean distance to the untouched image over 40 rows; one row's draws are the same at all severities."""
    damage = [
        np.mean([difference(OPERATORS[name](image, strength, rng(f"{row}")), image) for row in range(40)])
        for strength in STRENGTHS[name]
    ]
    assert damage[0] > 0.2
    assert all(np.diff(damage) > 0), damage


def test_members_are_the_operators_of_a_family() -> None:
    assert members("compression") == ("compression.jpeg", "compression.webp")


def test_generators_are_functions_of_names() -> None:
    assert rng("a").random() == rng("a").random()
    assert len({generator(seed, *names).random() for seed in (0, 1) for names in (("a",), ("a", "b"), ("ab",))}) == 6


def test_pooled_normals_are_normal() -> None:
    values = np.concatenate([normals(rng(str(row)), (96, 96, 3)).ravel() for row in range(10)])
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert normals(rng(), (600, 600, 3)).shape == (600, 600, 3)


# -------------------------------------------------------------------------------------------------- blur
def test_gaussian_blur_is_scipys(image: np.ndarray) -> None:
    expected = ndimage.gaussian_filter(image.astype(float), (2, 2, 0), mode="mirror", truncate=4)
    assert difference(blur.gaussian(image, 2.0, rng()), expected) < 0.6


def test_blur_radii_grow_with_the_image() -> None:
    point = np.zeros((192, 192, 3), np.uint8)
    point[96, 96] = 255
    assert abs(np.count_nonzero(blur.defocus(point, 2.5, rng())[..., 0]) - np.pi * 5**2) < 25
    assert np.count_nonzero(blur.motion(point, 8.0, rng())[..., 0].any(axis=0)) <= 18


def test_motion_blur_has_many_directions() -> None:
    point = np.zeros((96, 96, 3), np.uint8)
    point[48, 48] = 255
    assert len({blur.motion(point, 12.0, rng(str(row))).tobytes() for row in range(60)}) > 20


def test_zoom_blur_spares_the_centre(image: np.ndarray) -> None:
    blurred = blur.zoom(image, 0.3, rng())
    assert difference(blurred[44:52, 44:52], image[44:52, 44:52]) < difference(blurred[:16], image[:16])


# ------------------------------------------------------------------------------------------------- noise
def test_noise_has_the_stated_spread(grey: np.ndarray) -> None:
    assert noise.gaussian(grey, 0.1, rng()).std() == pytest.approx(25.5, rel=0.03)
    assert noise.speckle(grey, 0.1, rng()).std() == pytest.approx(12.8, rel=0.03)
    assert noise.gaussian(grey, 0.1, rng()).mean() == pytest.approx(128, abs=0.6)


@pytest.mark.parametrize("photons", [20, 60, 400])
def test_shot_noise_is_poisson(grey: np.ndarray, photons: int) -> None:
    counts = np.stack([noise.shot(grey, photons**-0.5, rng(str(row))) for row in range(20)]) / 255.0 * photons
    expected = 128 / 255 * photons
    assert counts.mean() == pytest.approx(expected, rel=0.02)
    assert counts.var() == pytest.approx(expected, rel=0.05)


def test_impulse_noise_hits_the_stated_share(grey: np.ndarray) -> None:
    hit = np.stack([noise.impulse(grey, 0.1, rng(str(row))) for row in range(30)])
    assert (hit != 128).mean() == pytest.approx(0.1, abs=0.005)
    assert (hit == 255).mean() == pytest.approx(0.05, abs=0.004)
    whole = [(image == image[..., :1]).all() for image in hit]
    assert 5 < sum(whole) < 25


# ------------------------------------------------------------------------------------------------ colour
def test_hue_turns_the_circle() -> None:
    red = np.full((4, 4, 3), (200, 20, 20), np.uint8)
    turned = {tuple(colour.hue(red, 120.0, rng(str(row)))[0, 0].tolist()) for row in range(20)}
    assert len(turned) == 2
    assert {int(np.argmax(value)) for value in turned} == {1, 2}
    assert all(abs(max(value) - 200) <= 2 and abs(min(value) - 20) <= 2 for value in turned)


def test_saturation_goes_both_ways_and_keeps_grey(image: np.ndarray, grey: np.ndarray) -> None:
    assert difference(colour.saturation(grey, 2.0, rng()), grey) <= 1
    spread = [np.ptp(colour.saturation(image, 3.0, rng(str(row))), axis=2).mean() for row in range(12)]
    before = np.ptp(image, axis=2).mean()
    assert min(spread) < before / 4
    assert max(spread) > before * 1.5


def test_channel_shift_moves_one_channel_by_the_strength(grey: np.ndarray) -> None:
    moved = np.stack([colour.channel_shift(grey, 0.2, rng(str(row)))[0, 0] for row in range(30)]).astype(int) - 128
    assert np.all(np.abs(np.abs(moved).max(axis=1) - 51) <= 1)
    assert {int(np.abs(row).argmax()) for row in moved} == {0, 1, 2}


def test_white_balance_trades_red_for_blue(grey: np.ndarray) -> None:
    casts = np.stack([colour.white_balance(grey, 0.5, rng(str(row)))[0, 0] for row in range(30)]).astype(float)
    assert np.allclose(np.abs(np.log2(casts[:, 0] / casts[:, 2])), 1.0, atol=0.04)
    assert np.ptp(np.sign(casts[:, 0] - casts[:, 2])) == 2


def test_stain_keeps_white_and_scales_density() -> None:
    white = np.full((4, 4, 3), 255, np.uint8)
    assert difference(colour.stain(white, 1.0, rng()), white) < 1.5
    dye = np.exp(-0.9 * colour.STAINS[0])
    image = np.full((4, 4, 3), (dye * 256 - 1).round(), np.uint8)
    shifted = colour.stain(image, 1.0, rng()).astype(float)[0, 0]
    density, before = -np.log((shifted + 1) / 256), -np.log((image[0, 0] + 1.0) / 256)
    assert np.ptp(density / before) < 0.12
    assert abs(np.log2((density / before).mean())) <= 1.05


# ------------------------------------------------------------------------------------------ illumination
def test_brightness_and_contrast_move_middle_grey_as_stated(grey: np.ndarray, image: np.ndarray) -> None:
    for row in range(8):
        assert abs(illumination.brighten(grey, 0.2, rng(str(row))).mean() - 179) <= 1
        assert abs(illumination.darken(grey, 0.2, rng(str(row))).mean() - 77) <= 1
    assert illumination.contrast_down(image, 2.0, rng()).std() == pytest.approx(image.std() / 4, rel=0.05)
    assert illumination.contrast_up(image, 0.5, rng()).std() > image.std() * 1.2


def test_gamma_keeps_black_and_white() -> None:
    ends = np.zeros((2, 2, 3), np.uint8)
    ends[0] = 255
    assert np.array_equal(illumination.gamma(ends, 1.5, rng()), ends)


def test_vignette_darkens_the_rim_only(grey: np.ndarray) -> None:
    shaded = illumination.vignette(grey, 0.8, rng()).astype(float)
    corners = [shaded[y, x, 0] for y in (0, -1) for x in (0, -1)]
    assert min(corners) == pytest.approx(128 * 0.2, abs=1.5)
    assert shaded.max() >= 126


def test_uneven_light_is_smooth_and_bounded(grey: np.ndarray) -> None:
    light = illumination.uneven(grey, 0.8, rng())[..., 0].astype(float) / 128
    assert light.min() == pytest.approx(2**-0.8, abs=0.02)
    assert light.max() == pytest.approx(2**0.8, abs=0.02)
    assert np.abs(np.diff(light, axis=0)).max() < 0.12


# ---------------------------------------------------------------------------------------------- geometry
def test_rotation_is_pillows(image: np.ndarray) -> None:
    turned = geometry.rotate_black(image, 30.0, rng())
    expected = [Pillow.fromarray(image).rotate(angle, Pillow.Resampling.BILINEAR) for angle in (30, -30)]
    assert min(difference(turned, np.asarray(one)) for one in expected) < 1.5


def test_rotation_fills_as_named(grey: np.ndarray) -> None:
    for fill, value in (("black", 0), ("white", 255), ("reflect", 128)):
        corner = getattr(geometry, f"rotate_{fill}")(grey, 45.0, rng())[0, 0, 0]
        assert corner == value


def test_translation_moves_by_the_strength(image: np.ndarray) -> None:
    point = np.zeros((96, 96, 3), np.uint8)
    point[46:50, 46:50] = 200
    for row in range(12):
        moved = geometry.translate(point, 0.25, rng(str(row)))
        place = np.array(ndimage.center_of_mass(moved == 200 if moved[0, 0, 0] == 255 else moved)[:2])
        if moved[0, 0, 0] == moved[-1, -1, 0] == 0:
            assert np.hypot(*(place - 47.5)) == pytest.approx(24, abs=0.6)


def test_zooms_scale_area() -> None:
    square = np.zeros((96, 96, 3), np.uint8)
    square[36:60, 36:60] = 255
    area = square[..., 0].sum() / 255
    assert geometry.zoom_in(square, 0.5, rng())[..., 0].sum() / 255 == pytest.approx(2 * area, rel=0.05)
    shrunk = [geometry.zoom_out(square, 0.5, rng(str(row))) for row in range(20)]
    assert min(image[..., 0].sum() / 255 for image in shrunk) == pytest.approx(area / 2, rel=0.05)


def test_fills_are_all_drawn(grey: np.ndarray) -> None:
    corners = {int(geometry.zoom_out(grey, 1.0, rng(str(row)))[0, 0, 0]) for row in range(40)}
    assert corners == {0, 128, 255}


def test_elastic_moves_points_by_the_stated_spread() -> None:
    y, x = np.mgrid[0:96, 0:96]
    ramp = np.stack([x, y, x], axis=-1).astype(np.uint8)
    moved = np.stack([geometry.elastic(ramp, 3.0, rng(str(row))) for row in range(30)])[:, 15:-15, 15:-15].astype(float)
    spread = (moved - ramp[15:-15, 15:-15]).std()
    assert 2.0 < spread < 3.2


# --------------------------------------------------------------------------------------------- occlusion
def test_holes_cover_the_stated_share(image: np.ndarray) -> None:
    hidden = [(occlusion.cutout(image, 0.2, rng(str(row))) != image).any(axis=2).mean() for row in range(60)]
    assert max(hidden) == pytest.approx(0.2, abs=0.02)
    assert np.mean(hidden) > 0.16
    grid = [(occlusion.grid_mask(image, 0.3, rng(str(row))) != image).any(axis=2).mean() for row in range(60)]
    assert np.mean(grid) == pytest.approx(0.3, abs=0.03)


def test_dust_is_local(image: np.ndarray) -> None:
    touched = (occlusion.dust(image, 6, rng()) != image).any(axis=2).mean()
    assert 0.01 < touched < 0.4


# -------------------------------------------------------------------------- compression, resolution, tone
def test_compression_keeps_colours_in_their_channels() -> None:
    flat = np.full((96, 96, 3), (200, 100, 40), np.uint8)
    for operator in (compression.jpeg, compression.webp):
        assert difference(operator(flat, 0.3, rng()), flat) < 4


def test_resolution_leaves_few_values(image: np.ndarray) -> None:
    blocks = resolution.pixelate(image, 6.0, rng()).reshape(16, 6, 16, 6, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    means = image.reshape(16, 6, 16, 6, 3).mean(axis=(1, 3))
    assert np.abs(blocks[:, 0, :, 0] - means).max() <= 1
    picked = resolution.nearest(image, 6.0, rng()).reshape(16, 6, 16, 6, 3)[:, 0, :, 0]
    assert (picked[:, None, :, None] == image.reshape(16, 6, 16, 6, 3)).all(axis=-1).any(axis=(1, 3)).all()


def test_tone_is_pillows(image: np.ndarray) -> None:
    pillow = Pillow.fromarray(image)
    assert np.array_equal(tone.posterize(image, 5, rng()), np.asarray(ImageOps.posterize(pillow, 3)))
    assert np.array_equal(tone.solarize(image, 0.5, rng()), np.asarray(ImageOps.solarize(pillow, 128)))
    assert difference(tone.equalize(image, 1.0, rng()), np.asarray(ImageOps.equalize(pillow))) < 3


# ------------------------------------------------------------------------------------------- whatever the OpenCV
@pytest.mark.parametrize(("old", "new"), [(4, 10), (96, 31), (31, 96), (28, 9), (9, 28), (5, 5), (2, 64), (7, 13)])
def test_nearest_picks_the_pixel_that_holds_the_centre(old: int, new: int) -> None:
    """Where it lies between two, OpenCV 4.14, OpenCV 5.0 and Pillow each round in their own way."""
    centres = [Fraction(2 * at + 1, 2) * Fraction(old, new) for at in range(new)]
    picked = resolution._nearest(old, new)
    assert picked.tolist() == [math.floor(centre) for centre in centres]
    ramp = np.arange(old, dtype=np.uint8)[None]
    theirs = cv2.resize(ramp, (new, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0]
    between = np.array([centre.denominator == 1 for centre in centres])
    np.testing.assert_array_equal(picked[~between], theirs[~between])


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.3])
def test_a_hair_is_one_line_along_an_ellipse(scale: float) -> None:
    cover = np.zeros((400, 400), np.float32)
    occlusion._hair(cover, scale, rng("hair"))
    assert set(np.unique(cover)) == {np.float32(0.0), np.float32(0.9)}
    _, parts = ndimage.label(cover, np.ones((3, 3)))
    assert parts == 1
    longest = 40 * scale * np.deg2rad(120)
    assert 0.5 * 10 * scale * np.deg2rad(40) < (cover > 0).sum() < 1.5 * longest
    filled = ndimage.minimum_filter(cover, 3)
    assert not filled.any(), "nowhere three pixels thick"
