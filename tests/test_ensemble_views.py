from dataclasses import replace

import numpy as np
import pytest
import torch
import ttach
from ensemble_toy import make_runs

from kit.ensemble.blend import blend
from kit.ensemble.scoring.calibration import fit_temperature
from kit.ensemble.view_choice import best_views, choose_views, use_views
from kit.inference.model import TINTS, VIEWS, WINDOWS, apply_view, merge_views, softmax, window_matrix

IMAGE = torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)


def same(one, other):
    return one.shape == other.shape and torch.equal(one, other)


KNOWN = (*VIEWS, *WINDOWS, *TINTS)
INVERSE = {name: name for name in VIEWS} | {
    "rot90": "rot270",
    "rot270": "rot90",
    "up": "down",
    "down": "up",
    "left": "right",
    "right": "left",
}
"""The view that undoes a view, where one does; shifts are undone but for the edge that they push out."""


@pytest.mark.parametrize(
    "transforms",
    [
        ttach.aliases.d4_transform(),
        ttach.Compose([ttach.HorizontalFlip(), ttach.VerticalFlip(), ttach.Rotate90([0, 90, 180, 270])]),
    ],
    ids=["eight", "sixteen products"],
)
def test_the_symmetries_are_what_ttachs_do_to_an_image_each_once(transforms):
    theirs = {tuple(transform.augment_image(IMAGE).flatten().tolist()) for transform in transforms}
    assert {tuple(apply_view(IMAGE, name).flatten().tolist()) for name in VIEWS} == theirs
    assert len(theirs) == len(VIEWS)


@pytest.mark.parametrize("name", VIEWS)
def test_a_symmetry_is_undone_by_its_inverse(name):
    assert same(apply_view(apply_view(IMAGE, name), INVERSE[name]), IMAGE)


@pytest.mark.parametrize("name", ["up", "down", "left", "right"])
def test_a_shift_is_undone_but_for_the_edge(name):
    image = torch.rand(1, 3, 32, 32)
    back = apply_view(apply_view(image, name), INVERSE[name])
    assert torch.equal(back[:, :, 2:-2, 2:-2], image[:, :, 2:-2, 2:-2])
    assert not torch.equal(apply_view(image, name), image)


@pytest.mark.parametrize("name", KNOWN)
def test_every_view_is_known_to_the_shipped_file_and_differs_from_all_others(name):
    seen = apply_view(IMAGE, name)
    assert seen.shape == IMAGE.shape
    assert [other for other in KNOWN if same(apply_view(IMAGE, other), seen)] == [name]


@pytest.mark.parametrize("name", ["crop_tl", "crop_tr", "crop_bl", "crop_br", "crop_centre"])
def test_crops_are_ttachs_five_enlarged(name):
    """On a linear ramp, which bilinear enlarging keeps: centre and slope tell which crop it is."""
    side, crop = 32, 28
    ramp = torch.arange(side).float()
    image = (ramp[:, None] + 100 * ramp[None, :]).expand(1, 1, side, side)
    theirs = {round(c.augment_image(image).mean().item(), 2) for c in ttach.aliases.five_crop_transform(crop, crop)}
    inner = apply_view(image, name)[..., 4:-4, 4:-4]
    assert round(inner.mean().item(), 2) in theirs
    steps = inner[0, 0, 0, 1:] - inner[0, 0, 0, :-1]
    assert steps.numpy() == pytest.approx(100 * crop / side, abs=0.01)


def test_windows_keep_a_constant_image():
    for factor, down, right in WINDOWS.values():
        for offset in (down, right):
            np.testing.assert_allclose(window_matrix(24, factor, offset).sum(axis=1), 1.0, rtol=1e-5)


def test_scales_match_torchs_interpolation():
    image = torch.rand(1, 3, 40, 40)
    larger = torch.nn.functional.interpolate(image, scale_factor=1.2, mode="bilinear")
    np.testing.assert_allclose(apply_view(image, "scale1.2").numpy(), larger[..., 4:-4, 4:-4].numpy(), atol=1e-4)


@pytest.mark.parametrize("merge", ["mean", "logit", "trimmed"])
def test_merges_agree_where_views_do(merge):
    one = np.random.default_rng(0).normal(size=(5, 1, 3))
    np.testing.assert_allclose(merge_views(one.repeat(4, axis=1), 2.0, merge), softmax(one[:, 0] / 2.0))


def test_a_trimmed_mean_ignores_one_broken_view():
    logits = np.zeros((1, 5, 3))
    logits[0, :, 1] = 3.0
    logits[0, 0] = [50.0, 0.0, 0.0]
    sound = softmax(logits[0, 1:]).mean(axis=0)
    np.testing.assert_allclose(merge_views(logits, 1.0, "trimmed")[0], sound, atol=1e-9)
    assert np.abs(merge_views(logits, 1.0)[0] - sound).max() > 0.1


def test_temperatures_follow_the_merge():
    run = make_runs(1, views=4)[0]
    found = {merge: fit_temperature(run.logits, run.labels, merge) for merge in ("mean", "logit")}
    assert found["mean"] < found["logit"]


def noisy_views(noise, rows=1500):
    """A run whose four views differ by independent noise of that size."""
    run = make_runs(1, rows=rows, views=4)[0]
    rng = np.random.default_rng(3)
    return replace(
        run,
        logits=run.logits + noise * rng.normal(size=run.logits.shape).astype(np.float32),
        shifted=run.shifted + noise * rng.normal(size=run.shifted.shape).astype(np.float32),
    )


def test_views_that_differ_by_noise_earn_their_passes():
    choice = choose_views(noisy_views(3.0))
    assert choice.gains
    assert choice.chosen.passes >= 3
    assert choice.chosen.gap > 2 * choice.chosen.gap_se


@pytest.mark.parametrize("expects", ["clean", "shifted"])
def test_views_that_say_the_same_are_reported_as_no_gain(expects):
    run = make_runs(1, views=4)[0]
    alike = replace(run, logits=run.logits[:, :1].repeat(4, axis=1), shifted=run.shifted[:, :, :1].repeat(4, axis=2))
    choice = choose_views(alike, expects)
    assert not choice.gains
    assert choice.chosen.views == ("identity",)


def test_a_run_is_seen_through_chosen_views():
    run = make_runs(1, views=4)[0]
    seen = use_views(run, ("vflip", "identity"))
    assert seen.views == ("vflip", "identity")
    np.testing.assert_array_equal(seen.shifted[:, :, 0], run.shifted[:, :, 2])


def test_a_blend_ships_the_views_and_the_merge_that_were_chosen():
    runs = [replace(noisy_views(3.0, rows=600), recipe=name) for name in ("one", "two")]
    seen, merges, choices = best_views(runs)
    found = blend(seen, "all", merges=merges)
    for member, choice in zip(sorted(found.members, key=lambda m: m.recipe), choices):
        assert member.views == choice.chosen.views
        assert member.merge == choice.chosen.merge
    plain = blend([use_views(run, ("identity",)) for run in runs], "all")
    assert found.nested.shifted > plain.nested.shifted
