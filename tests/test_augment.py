from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from kit.config import AugmentConfig
from kit.inference.model import VIEWS
from kit.shifts.battery import FAMILIES as BATTERY_FAMILIES
from kit.train.augment import colour, degrade, geometry, policy
from kit.train.augment.families import trained_families
from kit.train.augment.policy import PIXEL_OPERATORS, Operator, augment

PRESETS = ("none", "flips", "classic", "mild", "strong")
every_operator = pytest.mark.parametrize("operator", PIXEL_OPERATORS, ids=lambda operator: operator.__name__)
every_preset = pytest.mark.parametrize("preset", PRESETS)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, height: int = 17, width: int = 17) -> Tensor:
    """Smooth random images (count, 3, height, width) in 0..1."""
    coarse = torch.rand(count, 3, 4, 4, generator=seeded(9))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)


def symmetries(x: Tensor) -> list[Tensor]:
    """The eight of one image (3, S, S)."""
    turned = [torch.rot90(x, quarter, (1, 2)) for quarter in range(4)]
    return turned + [one.flip(2) for one in turned]


# --------------------------------------------------------------------------------------------------- operators
@every_operator
@pytest.mark.parametrize("size", [(8, 8), (13, 17), (33, 33), (48, 48)], ids=str)
@pytest.mark.parametrize("m", [0.0, 0.5, 1.0])
def test_an_operator_keeps_shape_type_and_finiteness(operator: Operator, size: tuple[int, int], m: float) -> None:
    for x in (images(3, *size), torch.zeros(2, 3, *size), torch.ones(2, 3, *size)):
        out = operator(x, m, seeded())
        assert out.shape == x.shape
        assert out.dtype == torch.float32
        assert torch.isfinite(out).all()


@every_operator
def test_an_operator_leaves_its_input_alone(operator: Operator) -> None:
    x = images()
    before = x.clone()
    out = operator(x, 1.0, seeded())
    out += 1
    assert torch.equal(x, before)


@every_operator
def test_an_operator_follows_its_generator_alone(operator: Operator) -> None:
    x = images()
    torch.manual_seed(1)
    one = operator(x, 1.0, seeded(3))
    torch.manual_seed(2)
    assert torch.equal(one, operator(x, 1.0, seeded(3)))


@every_operator
def test_each_image_draws_its_own_parameters(operator: Operator) -> None:
    if operator is colour.invert:  # has no parameters
        return
    out = operator(images(1).expand(24, -1, -1, -1).contiguous(), 1.0, seeded())
    assert len({tuple(one.flatten().tolist()) for one in out}) > 3


@every_operator
def test_one_image_at_a_time_works(operator: Operator) -> None:
    assert operator(images(1), 1.0, seeded()).shape == (1, 3, 17, 17)


GRADED = [
    operator
    for operator in PIXEL_OPERATORS
    if operator not in (colour.invert, colour.channel_shuffle, degrade.dust, degrade.grid_mask, degrade.sharpen)
]


@pytest.mark.parametrize("operator", GRADED, ids=lambda operator: operator.__name__)
def test_more_strength_does_more_damage(operator: Operator) -> None:
    x = images(1, 48, 48).expand(48, -1, -1, -1).contiguous()
    damage = [(operator(x, m, seeded()).clamp(0, 1) - x).abs().mean() for m in (0.2, 1.0)]
    assert damage[0] < damage[1]


def test_known_results() -> None:
    x = images()
    assert torch.equal(colour.invert(x, 1.0, seeded()), 1 - x)
    torch.testing.assert_close(colour.hue(x, 0.0, seeded()), x, atol=1e-4, rtol=0)
    torch.testing.assert_close(colour.saturation(x, 0.0, seeded()), x)
    shuffled = colour.channel_shuffle(x, 1.0, seeded())
    torch.testing.assert_close(shuffled.sort(1).values, x.sort(1).values)
    grey = torch.full((4, 3, 24, 24), 0.4)
    for blur in (degrade.gaussian_blur, degrade.defocus, degrade.motion_blur, degrade.sharpen):
        torch.testing.assert_close(blur(grey, 1.0, seeded()), grey)
    assert torch.unique(colour.posterize(torch.rand(1, 3, 32, 32), 1.0, seeded())).numel() <= 32


@pytest.mark.parametrize("size", [8, 33, 96])
@pytest.mark.parametrize(("up", "mode"), [(0, "nearest-exact"), (1, "bilinear"), (2, "bicubic")])
def test_pixelate_is_the_interpolation_that_it_names(size: int, up: int, mode: str) -> None:
    x, draw = images(3, size, size), torch.ones(3, 1, 1)
    for factor in (0.25, 0.5, 0.77):
        cells = max(8, round(size * factor))
        matrix = degrade._coarse(size, factor * draw, 1 * draw, up * draw).unsqueeze(1)
        small = torch.nn.functional.interpolate(x, (cells, cells), mode="bilinear")
        wanted = torch.nn.functional.interpolate(small, (size, size), mode=mode)
        edge = 0 if up < 2 else 2 * -(-size // cells)  # cubic weights beyond the edge are left out here
        inside = slice(edge, size - edge)
        got = (matrix @ x @ matrix.mT)[..., inside, inside]
        torch.testing.assert_close(got, wanted[..., inside, inside], atol=1e-4, rtol=0)


def test_pixelate_averages_over_whole_cells() -> None:
    x, draw = images(3, 96, 96), torch.ones(3, 1, 1)
    matrix = degrade._coarse(96, 0.25 * draw, 0 * draw, 0 * draw).unsqueeze(1)
    wanted = torch.nn.functional.avg_pool2d(x, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(matrix @ x @ matrix.mT, wanted, atol=1e-5, rtol=0)


def test_cutout_draws_one_to_three_boxes_an_image() -> None:
    covered = []
    for seed in range(3):
        out = degrade.cutout(torch.full((2000, 3, 24, 24), 0.123), 0.0, seeded(seed))
        covered.append((out[:, 0] != 0.123).float().mean((1, 2)))
    share = torch.cat(covered)
    # Boxes of 8 % a side; a sum over one to three of them, less overlap and what lies outside.
    assert share.mean().item() == pytest.approx(2 * 0.08**2, rel=0.2)
    assert share.max() > 2.2 * 0.08**2


FILLS = [("reflection", 0), ("border", 1), ("zeros", 2)]


@pytest.mark.parametrize(("mode", "kind"), FILLS, ids=[mode for mode, _ in FILLS])
def test_what_lies_outside_is_filled_as_torch_fills_it(mode: str, kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, grid = images(4, 20, 27), torch.rand(4, 20, 27, 2, generator=seeded()) * 5 - 2.5
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.full((4, 1, 1, 1), kind))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.full((4, 1, 1, 1), 0.5))  # a tone of 0.5
    base = 0.5 if mode == "zeros" else 0.0
    wanted = torch.nn.functional.grid_sample(x - base, grid, "bilinear", mode, align_corners=False) + base
    torch.testing.assert_close(geometry._sample(x, grid, seeded()), wanted, atol=1e-4, rtol=0)


def test_hue_keeps_luma() -> None:
    x = images()
    torch.testing.assert_close(colour.grey(colour.hue(x, 1.0, seeded())), colour.grey(x), atol=2e-3, rtol=0)


# ---------------------------------------------------------------------------------------------------- geometry
def test_quarter_turns_are_the_eight_symmetries_and_all_occur() -> None:
    x = images(1)
    out = geometry.symmetric(x.expand(200, -1, -1, -1), VIEWS, seeded())
    seen = [next(number for number, one in enumerate(symmetries(x[0])) if torch.equal(one, turned)) for turned in out]
    assert set(seen) == set(range(8))
    assert max(seen.count(number) for number in range(8)) < 50


def test_a_warp_touches_only_the_images_that_drew_one() -> None:
    x = images(10)
    drawn = torch.zeros(10, len(geometry.NAMES), dtype=torch.bool)
    assert geometry.warp(x, drawn, 1.0, seeded()) is x
    drawn[::2, 0] = True
    out = geometry.warp(x, drawn, 1.0, seeded())
    assert torch.equal(out[1::2], x[1::2])
    assert all(not torch.allclose(one, other, atol=1e-2) for one, other in zip(out[::2], x[::2]))
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("kind", range(len(geometry.NAMES)), ids=geometry.NAMES)
def test_every_warp_is_the_identity_without_strength_and_moves_with_it(kind: int) -> None:
    x = images(8, 33, 33)
    drawn = torch.zeros(8, len(geometry.NAMES), dtype=torch.bool)
    drawn[:, kind] = True
    torch.testing.assert_close(geometry.warp(x, drawn, 0.0, seeded()), x, atol=1e-5, rtol=0)
    moved = geometry.warp(x, drawn, 1.0, seeded())
    assert (moved - x).abs().mean() > 0.01
    assert torch.isfinite(moved).all()


# ------------------------------------------------------------------------------------------------------ presets
@every_preset
@pytest.mark.parametrize("size", [15, 48])
def test_a_preset_keeps_shape_range_and_its_input(preset: str, size: int) -> None:
    x = images(16, size, size)
    before = x.clone()
    out = augment(x, AugmentConfig(preset=preset), seeded())
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 1
    assert torch.equal(x, before)


@every_preset
def test_a_preset_follows_its_generator_alone(preset: str) -> None:
    config = AugmentConfig(preset=preset, operators=(1, 5))
    torch.manual_seed(1)
    one = augment(images(), config, seeded(4))
    torch.manual_seed(2)
    assert torch.equal(one, augment(images(), config, seeded(4)))
    if preset != "none":
        assert not torch.equal(one, augment(images(), config, seeded(5)))


def test_none_is_nothing() -> None:
    x = images()
    assert torch.equal(augment(x, AugmentConfig(preset="none"), seeded()), x)


def test_flips_are_the_four_without_turns() -> None:
    x = images(1)
    whole = x[0]
    four = [whole, whole.flip(2), whole.flip(1), whole.flip(1, 2)]
    out = augment(x.expand(80, -1, -1, -1), AugmentConfig(preset="flips"), seeded())
    seen = {next(number for number, one in enumerate(four) if torch.equal(one, turned)) for turned in out}
    assert seen == {0, 1, 2, 3}


def test_classic_moves_and_keeps_colours() -> None:
    plain = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(40, 3, 21, 21)
    out = augment(plain.contiguous(), AugmentConfig(preset="classic"), seeded())
    inside = out[:, :, 10, 10]
    torch.testing.assert_close(inside, plain[:, :, 0, 0])
    x = images(20)
    assert (augment(x, AugmentConfig(preset="classic"), seeded()) - x).abs().mean() > 0.02


@pytest.mark.parametrize("values", [{"clean_share": 1.0}, {"operators": (0, 0), "clean_share": 0.0}])
def test_clean_images_of_strong_only_turn(values: dict) -> None:
    x = images(1)
    out = augment(x.expand(40, -1, -1, -1).contiguous(), AugmentConfig(preset="strong", **values), seeded())
    assert all(any(torch.equal(one, turned) for one in symmetries(x[0])) for turned in out)


@pytest.mark.parametrize("operators", [(0, 0), (2, 2), (0, 4), (1, 40)])
def test_each_image_goes_through_as_many_operators_as_it_should(operators: tuple[int, int]) -> None:
    total = len(policy.FAMILY_OF)
    config = AugmentConfig(operators=operators, clean_share=0.0)
    counts = policy._draw(4000, config, seeded()).sum(1)
    low, high = operators
    assert counts.min() == low
    assert counts.max() == min(high, total)
    if high <= total:  # every number of operators alike
        shares = torch.bincount(counts, minlength=high + 1)[low:] / 4000
        torch.testing.assert_close(shares, torch.full_like(shares, 1 / len(shares)), atol=0.03, rtol=0)


def test_every_operator_is_drawn_alike_and_the_clean_share_is_kept() -> None:
    config = AugmentConfig(operators=(1, 3), clean_share=0.25)
    drawn = policy._draw(20_000, config, seeded())
    assert (drawn.sum(1) == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    shares = drawn.float().mean(0)
    torch.testing.assert_close(shares, torch.full_like(shares, 1.5 / len(policy.FAMILY_OF)), atol=0.005, rtol=0)


def test_strong_differs_from_image_to_image() -> None:
    same = images(1).expand(32, -1, -1, -1).contiguous()
    out = augment(same, AugmentConfig(preset="strong", operators=(3, 4), clean_share=0.0), seeded())
    assert len({tuple(one.flatten().tolist()) for one in out}) == 32


# ----------------------------------------------------------------------------------------------------- families
def test_families_are_called_as_the_battery_calls_them() -> None:
    assert set(trained_families(AugmentConfig(preset="strong"))) <= set(BATTERY_FAMILIES)
    assert trained_families(AugmentConfig(preset="classic")) == ("geometry",)
    assert trained_families(AugmentConfig(preset="flips")) == trained_families(AugmentConfig(preset="none")) == ()


def test_no_operator_stands_in_two_families() -> None:
    assert len(set(PIXEL_OPERATORS)) == len(PIXEL_OPERATORS)


def test_families_that_are_left_out_are_never_drawn_and_the_others_as_many() -> None:
    from kit.train.augment.policy import FAMILY_OF, _draw

    whole = AugmentConfig(operators=(3, 3), clean_share=0.0)
    part = AugmentConfig(operators=(3, 3), clean_share=0.0, without=("blur", "geometry"))
    every = _draw(400, whole, seeded())
    drawn = _draw(400, part, seeded())
    gone = torch.tensor([family in ("blur", "geometry") for family in FAMILY_OF])
    assert not drawn[:, gone].any()
    assert every[:, gone].any()
    assert (drawn.sum(1) == 3).all()
    untouched = ~every[:, gone].any(1)
    assert torch.equal(drawn[untouched], every[untouched]), "the same draw but for what is left out"
    assert "blur" not in trained_families(part)
