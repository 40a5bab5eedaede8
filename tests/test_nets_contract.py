"""One contract for every listed network: forward, backward, features, layers, and the way into a submission."""

import ast
import shutil
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kit.inference.model import load_net, net_logits
from kit.nets import registry
from kit.nets.heads import pooled_features
from kit.nets.listing import LISTED
from kit.train.finetune import head_names, layer_indices

NETS_FOLDER = Path(registry.__file__).parent
CASES = {
    **{f"{name} {args}": (name, args) for name, args in LISTED},
    "residual, all options": (
        "kit/residual",
        {"width": 16, "depth": [1, 2], "norm": "group", "stem": "quarter", "act": "silu", "se": True,
         "drop": 0.1, "drop_path": 0.1, "pool": "avg"},
    ),
    "cnn, all options": ("kit/cnn", {"norm": "batch", "extra": 2, "drop": 0.3, "pool": "avg"}),
    "unet, group": ("kit/unet", {"width": 8, "norm": "group", "levels": 3}),
}  # fmt: skip
SMALL_ENOUGH = 8e6


def sized(case: str) -> tuple[str, dict, int]:
    name, args = CASES[case]
    size = 96 if "inception_v3" in case else 32
    return name, registry.with_size(name, args, size), size


@cache
def on_meta(case: str) -> tuple[nn.Module, int]:
    """Without memory for weights: shapes and names cost nothing."""
    name, args, size = sized(case)
    return registry.build_on_meta(name, args), size


def parameters(case: str) -> int:
    return sum(p.numel() for p in on_meta(case)[0].parameters())


@pytest.mark.parametrize("case", CASES)
def test_shapes_hold_at_every_batch_size(case):
    net, size = on_meta(case)
    for count in (1, 5):
        x = torch.empty(count, 3, size, size, device="meta")
        assert net(x).shape == (count, 2)
        features = pooled_features(net, x)
        assert features.shape[0] == count
        assert features.ndim == 2


@pytest.mark.parametrize("case", CASES)
def test_layers_run_from_the_input_to_the_head(case):
    net, _ = on_meta(case)
    indices = layer_indices(net)
    assert set(indices) == {key for key, _ in net.named_parameters()}
    assert sorted(set(indices.values())) == list(range(max(indices.values()) + 1))
    assert {key for key, index in indices.items() if index == max(indices.values())} == set(head_names(net))


def check_training(case: str, tmp_path: Path) -> None:
    name, args, size = sized(case)
    torch.manual_seed(0)
    net = registry.build(name, 3, args).train()
    x = torch.randn(2, 3, size, size)
    net(x).logsumexp(1).sum().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
    check_export(name, args, size, net, tmp_path)


def check_export(name: str, args: dict, size: int, net: nn.Module, folder: Path) -> None:
    """The network as `model.py` rebuilds it in a submission's folder gives the logits that it gave here."""
    info = registry.describe(name, args)
    for file in info.files:
        shutil.copy(NETS_FOLDER / file, folder)
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, folder / "w.safetensors")
    spec = {
        "net": {"name": name, "args": args, "num_classes": 3},
        "weights": "w.safetensors",
        "size": size,
        "mean": list(info.mean),
        "std": list(info.std),
        "views": ["identity"],
    }
    X = torch.randint(0, 256, (3, size, size, 3), dtype=torch.uint8).numpy()
    shipped = net_logits(load_net(spec, str(folder)), X, spec)
    x = torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (info.mean, info.std))
    with torch.no_grad():
        here = net.eval()((x - mean) / std)
    torch.testing.assert_close(torch.from_numpy(shipped[:, 0]), here, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_trains_and_goes_into_a_submission(case, tmp_path):
    if parameters(case) >= SMALL_ENOUGH:  # counted here: what is built at collection is built by every process
        pytest.skip("large: pytest -m slow")
    check_training(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_large_ones_train_and_go_into_a_submission(case, tmp_path):
    if parameters(case) < SMALL_ENOUGH:
        pytest.skip("small: trained by default")
    check_training(case, tmp_path)


@pytest.mark.parametrize("path", sorted(NETS_FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_shipped_files_import_torch_and_timm_alone_in_the_syntax_of_python_3_7(path):
    shipped = {file for module in registry.OWN for file in registry.describe(module).files}
    if path.name not in shipped:
        return
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.split(".")[0] for name in imported}
    builds_on_timm = path.name in ("hybrid.py", "grafted.py")
    allowed = {"__future__", "math", "typing", "torch"} | ({"timm"} if builds_on_timm else set())
    assert roots <= allowed
