import pytest
import torch

from kit.config import AugmentConfig
from kit.train.mixing import cutmix, cutout, mix_batch, mixup


def batch(count=16, size=20):
    levels = torch.arange(count).float() / count
    x = levels[:, None, None, None].expand(count, 3, size, size).contiguous()
    return x, torch.eye(count), levels


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_targets_say_what_the_image_holds(mix):
    x, targets, levels = batch()
    mixed, soft = mix(x, targets, 1.0, rng())
    torch.testing.assert_close(soft.sum(1), torch.ones(len(x)))
    torch.testing.assert_close(mixed.mean((1, 2, 3)), soft @ levels)
    assert len(set(soft.max(1).values.tolist())) > 8  # every image has its own share


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_inputs_stay_as_they_are_and_seeds_decide(mix):
    x, targets, _ = batch()
    before = x.clone()
    first, second, other = (mix(x, targets, 0.4, rng(seed))[0] for seed in (1, 1, 2))
    torch.testing.assert_close(x, before)
    torch.testing.assert_close(first, second)
    assert not torch.equal(first, other)


def test_mixup_shares_follow_beta():
    x, targets, _ = batch(4000, 1)
    _, soft = mixup(x, targets, 0.2, rng())
    own = soft.diagonal()
    # Var of Beta(a, a) is 1 / (4 (2a + 1)).
    assert own.mean().item() == pytest.approx(0.5, abs=0.02)
    assert own.var().item() == pytest.approx(1 / (4 * 1.4), abs=0.01)


def test_cutmix_pastes_one_rectangle():
    x, targets, _ = batch()
    mixed, _ = cutmix(x, targets, 1.0, rng(3))
    changed = (mixed != x).any(1)
    for mask in changed[changed.any((1, 2))]:
        rows, columns = mask.any(1), mask.any(0)
        assert mask.equal(rows[:, None] & columns[None])


def test_cutout_covers_its_share_inside_and_less_at_the_border():
    x = torch.zeros(500, 3, 40, 40)
    covered = (cutout(x, 0.5, rng(), fill=1.0) == 1).float().mean((1, 2, 3))
    assert covered.max().item() == pytest.approx(0.25)
    assert covered.min() < 0.15
    assert covered.min() > 0


def test_mix_batch_is_off_by_default_and_keeps_its_share():
    x, targets, _ = batch()
    assert mix_batch(x, targets, AugmentConfig(), rng())[0] is x
    config, generator = AugmentConfig(mixup=0.4, cutmix=1.0, mix_share=0.25), rng()
    mixed = [mix_batch(x, targets, config, generator)[0] is not x for _ in range(400)]
    assert sum(mixed) / 400 == pytest.approx(0.25, abs=0.06)
