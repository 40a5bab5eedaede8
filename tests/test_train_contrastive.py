import pytest
import torch

from kit.config import ContrastiveConfig, FinetuneConfig
from kit.nets import registry
from kit.nets.heads import head_layers, pooled_features
from kit.train.contrastive import after_pretraining, contrastive_loss, make_projector, stage
from kit.train.losses import supervised_contrastive

SMALL = {"width": 8, "depth": [1, 1]}


@pytest.mark.parametrize("name", ["kit/residual", "timm/mobilenetv2_035", "torchvision/resnet18"])
def test_training_pulls_classes_together_and_leaves_the_head_alone(name):
    torch.manual_seed(0)
    net = registry.build(name, 2, SMALL if name == "kit/residual" else {})
    projector = make_projector(net, ContrastiveConfig(dim=16), 32)
    colours = torch.randn(2, 3, 1, 1)
    labels = torch.arange(8) % 2
    targets = torch.eye(2)[labels]
    views = [colours[labels] + 0.5 * torch.randn(8, 3, 32, 32) for _ in range(2)]
    head = head_layers(net)[0].weight.detach().clone()
    optimizer = torch.optim.Adam([*net.parameters(), *projector.parameters()], lr=2e-3)
    losses = []
    for _ in range(12):
        loss = contrastive_loss(net, projector, *views, targets, 0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    assert torch.equal(head_layers(net)[0].weight, head)


def test_the_loss_is_the_papers_on_both_views_together():
    net = registry.build("kit/residual", 2, SMALL).eval()
    projector = make_projector(net, ContrastiveConfig(), 32)
    first, second, targets = torch.randn(3, 3, 32, 32), torch.randn(3, 3, 32, 32), torch.eye(3)
    features = torch.cat([pooled_features(net, x) for x in (first, second)])
    expected = supervised_contrastive(projector(features), torch.tensor([0, 1, 2, 0, 1, 2]), 0.3)
    torch.testing.assert_close(contrastive_loss(net, projector, first, second, targets, 0.3), expected)


def test_similarities_keep_their_digits_in_a_bfloat16_fit():
    torch.manual_seed(0)
    net = registry.build("kit/residual", 2, SMALL).eval()
    projector = make_projector(net, ContrastiveConfig(), 32)
    first, second, targets = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32), torch.eye(4)
    with torch.autocast("cpu", torch.bfloat16):
        projected = projector(pooled_features(net, torch.cat([first, second])))
        found = contrastive_loss(net, projector, first, second, targets, 0.1)
    expected = supervised_contrastive(projected.float(), torch.arange(4).repeat(2), 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_both_stages_run_from_their_start_to_their_end():
    config = ContrastiveConfig(share=0.4)
    assert stage(config, 0.0) == (True, 0.0)
    assert stage(config, 0.2) == (True, 0.5)
    assert stage(config, 0.4) == (False, 0.0)
    assert stage(config, 0.7) == (False, pytest.approx(0.5))
    assert stage(ContrastiveConfig(), 0.0) == (False, 0.0)


def test_linear_freezes_the_body_and_full_does_not():
    plain = FinetuneConfig()
    assert after_pretraining(ContrastiveConfig(share=0.5), plain).frozen == 1.0
    assert after_pretraining(ContrastiveConfig(share=0.5, then="full"), plain) == plain
    assert after_pretraining(ContrastiveConfig(), plain) == plain
