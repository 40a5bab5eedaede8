"""The shipped file: preprocessing, views, weights and blending against independent results."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torch.nn.functional as F
from PIL import Image

from kit.inference import model
from kit.inference.decode import from_array
from kit.inference.model import in_range

RNG = np.random.default_rng(0)


def test_imports_nothing_of_the_kit_and_is_python_3_7() -> None:
    tree = ast.parse(Path(model.__file__).read_text(), feature_version=(3, 7))
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    assert {name.split(".")[0] for name in names} <= {
        "__future__", "concurrent", "contextlib", "ctypes", "functools", "importlib", "json", "numpy", "os", "sys",
        "time", "typing", "tensorflow", "timm", "torch", "torchvision",
    }  # fmt: skip


@pytest.mark.parametrize("size", [16, 33, 48, 64, 96, 128])
def test_resizing_is_antialiased_bilinear(size: int) -> None:
    images = RNG.integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    wanted = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
    found = model.preprocess(images, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    torch.testing.assert_close(found, wanted, atol=4e-6, rtol=0)


def test_preprocess_normalises_by_channel() -> None:
    images = RNG.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    found = model.preprocess(images, 8, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)).permute(0, 2, 3, 1).numpy()
    wanted = (images / 255.0 - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_views_are_the_symmetries_of_the_square() -> None:
    x = torch.arange(2 * 3 * 5 * 5.0).reshape(2, 3, 5, 5)
    seen = {tuple(model.apply_view(x, name).flatten().tolist()) for name in model.VIEWS}
    turned = itertools.product(range(4), (False, True))
    wanted = {tuple(torch.rot90(x.flip(3) if flip else x, k, (2, 3)).flatten().tolist()) for k, flip in turned}
    assert seen == wanted
    assert torch.equal(model.apply_view(x, "rot90"), torch.rot90(x, 1, (2, 3)))


def test_an_unknown_view_is_named() -> None:
    with pytest.raises(KeyError, match="rot45"):
        model.apply_view(torch.zeros(1, 3, 4, 4), "rot45")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_images_of_any_type_have_the_same_values(dtype: type) -> None:
    images = RNG.integers(0, 256, (4, 5, 5, 3))
    given = images.astype(dtype)
    given.setflags(write=False)
    found = model.as_batch(given)
    np.testing.assert_array_equal(found, images)
    assert found.flags.c_contiguous
    assert found.dtype in (np.uint8, np.float32)


def test_dark_images_stay_dark_and_broken_values_are_tamed() -> None:
    dark = np.full((1, 4, 4, 3), 1, dtype=np.float32)
    assert model.as_batch(dark).max() == 1
    wild = np.array([np.nan, np.inf, -5.0, 300.0] * 12, dtype=np.float32).reshape(1, 4, 4, 3)
    assert np.isfinite(model.as_batch(wild)).all()
    assert model.as_batch(wild).max() <= 255


@pytest.mark.parametrize("shape", [(4, 5, 5), (4, 5, 5, 1)])
def test_grey_images_get_three_channels(shape: tuple[int, ...]) -> None:
    assert model.as_batch(np.zeros(shape, dtype=np.uint8)).shape == (4, 5, 5, 3)


def test_a_wrong_shape_is_refused_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2, 5, 5\)"):
        model.as_batch(np.zeros((4, 2, 5, 5)))
    with pytest.raises(ValueError, match=r"\(5, 5, 3\)"):
        model.as_batch(np.zeros((5, 5, 3)))


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]
)
def test_safetensors_are_read_as_their_own_library_reads_them(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {
        "odd": torch.ones(3, dtype=torch.uint8),
        "w": (torch.randn(4, 3) * 9).to(dtype),
        "none": torch.zeros(0, 2),
    }
    safetensors.torch.save_file(tensors, path)
    found = {name: torch.from_numpy(array) for name, array in model.read_arrays(str(path)).items()}
    assert found.keys() == tensors.keys()
    wanted = {name: tensor.float() if tensor.dtype == torch.bfloat16 else tensor for name, tensor in tensors.items()}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file({"w": torch.randn(64)}, path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"w\.safetensors is cut short"):
        model.read_arrays(str(path))


def test_logits_equal_a_plain_timm_network_and_leave_the_random_state(tmp_path: Path) -> None:
    net = timm.create_model("resnet10t", num_classes=4).eval()
    safetensors.torch.save_file(net.state_dict(), tmp_path / "w.safetensors")
    spec = {"net": {"name": "timm/resnet10t", "args": {}, "num_classes": 4}, "weights": "w.safetensors", "size": 32}
    spec |= {"mean": [0.5] * 3, "std": [0.25] * 3, "views": ["identity", "hflip"]}
    images = RNG.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    torch.manual_seed(3)
    loaded = model.load_net(spec, str(tmp_path))
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    found = model.net_logits(loaded, images, spec, batch_size=2)
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    with torch.inference_mode():
        wanted = torch.stack([net(x), net(x.flip(3))], 1).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert model.net_logits(loaded, images[:0], spec).shape == (0, 2, 4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_batches_side_by_side_give_the_logits_of_batches_in_a_row(threads: int) -> None:
    net = timm.create_model("resnet10t", num_classes=4).eval()
    spec = {"net": {"num_classes": 4}, "size": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "views": ["identity", "hflip"]}
    images = np.random.default_rng(0).integers(0, 256, (37, 32, 32, 3), dtype=np.uint8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        in_a_row = model.net_logits(net, images, spec, batch_size=5)
        torch.set_num_threads(threads)
        assert model.at_once(len(images)) == threads
        side_by_side = model.net_logits(net, images, spec, batch_size=5)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(side_by_side, in_a_row, rtol=1e-4, atol=1e-4)
    assert (side_by_side.argmax(-1) == in_a_row.argmax(-1)).all()


def test_a_fault_in_one_of_the_threads_is_raised_and_the_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            model.side_by_side(lambda item: 1 // item, [1, 0, 1], 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_blends_of_every_kind_agree_with_their_definition() -> None:
    proba = RNG.dirichlet(np.ones(4), (3, 6))
    weights = [0.5, 0.3, 0.2]

    def blended(kind: str, **more: object) -> np.ndarray:
        combiner = {"kind": kind, "weights": weights, **more}
        return model.finish(combiner, sum(model.contribution(combiner, m, proba[m]) for m in range(3)))

    np.testing.assert_allclose(blended("mean"), np.tensordot(weights, proba, 1))
    product = np.prod(proba ** np.array(weights)[:, None, None], axis=0)
    np.testing.assert_allclose(blended("geometric"), product / product.sum(-1, keepdims=True))
    np.testing.assert_array_equal(blended("mean", bias=[0, 0, 0, 50]).argmax(-1), np.full(6, 3))


def test_arrays_of_another_type_are_scaled_as_the_training_arrays_were() -> None:
    rng = np.random.default_rng(0)
    for dtype, bounds in ((np.float64, (0.0, 1.0)), (np.uint16, (0.0, 4095.0)), (np.float32, (-1.0, 1.0))):
        given = (bounds[0] + rng.random((300, 4, 4, 3)) * (bounds[1] - bounds[0])).astype(dtype)
        trained = from_array(given, {"size": 4, "resize": "squash", "range": bounds}, Counter())
        np.testing.assert_array_equal(in_range(given, *bounds), trained)
    eight = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    assert in_range(eight, 0.0, 1.0) is eight
    one = object.__new__(model.Model)
    images = {"range": [0.0, 1.0], "arrays": True}
    one.manifest = {"images": images}
    assert one.as_trained(np.ones((1, 2, 2, 3))).max() == 255
    one.manifest = {"images": images | {"arrays": False}}  # image files of 16 bits say nothing of a platform's arrays
    assert one.as_trained(np.ones((1, 2, 2, 3))).max() == 1


def drawn_in_transparency() -> np.ndarray:
    """(6, 8, 8, 4) uint8: a disc under soft edges, its colours anything where nothing is seen of them."""
    images = RNG.integers(0, 256, (6, 8, 8, 4), dtype=np.uint8)
    far = np.hypot(*(np.mgrid[:8, :8] - 3.5))
    images[..., 3] = np.clip((3.2 - far) * 255, 0, 255)
    return images


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("scale", "dtype"), [(1, np.uint8), (257, np.uint16), (1 / 255, np.float32)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_platforms_arrays_are_seen_as_training_arrays_of_any_layout(
    channels: int, scale: float, dtype: type, first: bool
) -> None:
    """A contest may hand out (N, 3, H, W) or transparency: its platform then hands the same to the submission."""
    eight = drawn_in_transparency()[..., :channels] if channels > 1 else drawn_in_transparency()[..., 3:]
    given = (eight * np.array(scale)).astype(dtype)
    given = given.transpose(0, 3, 1, 2) if first else given
    bounds = {np.uint8: None, np.uint16: (0.0, 65535.0), np.float32: (0.0, 1.0)}[dtype]
    trained = from_array(given, {"size": 8, "resize": "squash", "range": bounds}, Counter())
    seen = model.as_batch(given if bounds is None else in_range(given, *bounds))
    np.testing.assert_array_equal(seen, trained)
    assert seen.shape == (6, 8, 8, 3)
    if channels == 4:
        files = [Image.alpha_composite(Image.new("RGBA", (8, 8), (128,) * 3 + (255,)), Image.fromarray(one))
                 for one in eight]  # fmt: skip
        off = np.stack([np.asarray(one.convert("RGB")) for one in files]).astype(int) - seen
        assert np.abs(off).max() <= 1  # as files are decoded, but for how Pillow rounds


def test_a_fourth_channel_that_is_no_transparency_is_left_out() -> None:
    """Infrared beside the colours, also where water is black in it, and a transparency of which all is opaque."""
    images = drawn_in_transparency()
    for last in (RNG.integers(0, 250, (6, 8, 8)), np.zeros((6, 8, 8)), np.full((6, 8, 8), 255)):
        images[..., 3] = last
        np.testing.assert_array_equal(model.as_batch(images), images[..., :3])
        counts: Counter[str] = Counter()
        spec = {"size": 8, "resize": "squash", "range": None}
        np.testing.assert_array_equal(from_array(images, spec, counts), images[..., :3])
        assert counts == {"without their fourth channel": 6}


# ------------------------------------------------------------------------------------------------------------ GPUs
@pytest.mark.parametrize(("device", "inside"), [("cuda", False), ("cpu", True)])
def test_a_gpu_convolves_in_float32_proper_and_the_setting_is_put_back(device: str, inside: bool) -> None:
    before = torch.backends.cudnn.allow_tf32

    def interrupted() -> None:
        with model.exact_float32(device):
            assert torch.backends.cudnn.allow_tf32 is inside
            raise KeyboardInterrupt

    try:
        torch.backends.cudnn.allow_tf32 = True
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert torch.backends.cudnn.allow_tf32 is True
    finally:
        torch.backends.cudnn.allow_tf32 = before
