import pytest
import torch

from kit.errors import ConfigError
from kit.train.policy import Policy, compose
from kit.train.presets import PRESETS, policy_steps


def batch(count=4, size=40):
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=rng(5))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_change_images_and_keep_shape_and_type(name):
    x = batch()
    before = x.clone()
    out = Policy(policy_steps(name))(x, rng())
    assert out.shape == x.shape
    assert out.dtype == torch.uint8
    assert not out.equal(x)
    assert x.equal(before)


@pytest.mark.parametrize("name", PRESETS)
def test_a_draw_follows_its_generator_and_not_the_threads(name):
    steps = policy_steps(name)
    one, three = Policy(steps)(batch(7), rng(1)), Policy(steps, workers=3)(batch(7), rng(1))
    assert one.equal(three)
    assert not one.equal(Policy(steps)(batch(7), rng(2)))


def test_steps_act_independently_of_each_other():
    corner = torch.zeros(1200, 3, 4, 4, dtype=torch.uint8)
    corner[:, :, 0, 0] = 255
    policy = Policy([{"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5}])
    place = policy(corner, rng()).amax(1).flatten(1).argmax(1)
    shares = [(place == spot).float().mean().item() for spot in (0, 3, 12, 15)]
    assert shares == pytest.approx([0.25] * 4, abs=0.05)


def test_drawing_leaves_torchs_global_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Policy(policy_steps("trivial"))(batch(), rng())
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"name": "MotionBlurr"}], r"policy\[0\]: no transform 'MotionBlurr'. Did you mean 'MotionBlur'"),
        ([{"name": "D4"}, {"name": "MotionBlur", "blur_limits": 3}], r"\[1\]: .*Did you mean 'blur_limit'"),
        ([{"name": "MotionBlur", "blur_limit": [3, -7]}], "MotionBlur refuses"),
        ([{"name": "HorizontalFlip", "p": "often"}], "HorizontalFlip refuses"),
        ([{"name": "OneOf", "transforms": [{"name": "Blurr"}]}], r"\[0\]\.transforms\[0\]: no transform 'Blurr'"),
        ([{"name": "RandAugment", "magnitud": 3}], "Did you mean 'magnitude'"),
        ([{"name": "CenterCrop", "height": 32, "width": 32}], "must keep the image's shape"),
        ([{"name": "Normalize"}], "must keep the image's shape and uint8"),
        (["D4"], "a step must be a table with a name"),
    ],
)
def test_a_broken_step_is_named_with_its_place(steps, said):
    with pytest.raises(ConfigError, match=said):
        compose(steps)


def test_an_unknown_preset_names_the_near_one():
    with pytest.raises(ConfigError, match="Did you mean 'microscope'"):
        policy_steps("microscop")


def test_microscope_darkens_and_brightens_but_keeps_the_mean_near():
    grey = torch.full((200, 3, 32, 32), 128, dtype=torch.uint8)
    means = Policy(policy_steps("microscope"))(grey, rng()).float().mean((1, 2, 3))
    assert means.std() > 3
    assert means.mean().item() == pytest.approx(128, abs=20)
