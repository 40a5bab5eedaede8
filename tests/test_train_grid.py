import numpy as np
import torch

from kit.train.grid import augmentation_grid
from kit.train.policy import Policy
from kit.train.presets import policy_steps


def some_images(count=12, side=16):
    labels = np.arange(count) % 3
    images = np.broadcast_to((labels * 80)[:, None, None, None], (count, side, side, 3)).astype(np.uint8)
    return images, labels


def test_every_class_has_a_line_that_starts_untouched():
    images, labels = some_images()
    page = augmentation_grid(images, labels, 4, lambda x, _: 255 - x, draws=2, seed=0)
    assert page.shape == (3 * 18, 3 * 18, 3)
    for line in range(3):
        tile = page[line * 18 : line * 18 + 16]
        assert (tile[:, :16] == 80 * line).all()
        assert (tile[:, 18:34] == 255 - 80 * line).all()
    assert (page[16:18] == 255).all()


def test_draws_differ_and_the_seed_decides():
    images, labels = some_images()
    images = torch.randint(0, 256, images.shape, dtype=torch.uint8).numpy()
    policy = Policy(policy_steps("classic"))
    one, same, other = (augmentation_grid(images, labels, 3, policy, 3, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[:16, 18:34], one[:16, 36:52])
