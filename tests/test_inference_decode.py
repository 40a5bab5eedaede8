"""The one decoder: files of every kind, one value range a data set, damaged files."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from kit.inference import decode
from kit.inference.decode import Seen, Unreadable, read_batches, read_pixels

SPEC = {"size": 16, "resize": "squash", "range": None}


def encoded(image: Image.Image, form: str = "PNG", **more: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **more)
    return buffer.getvalue()


def photo(size: int = 16) -> np.ndarray:
    """(size, size, 3) uint8, smooth."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([0, 200, 255]), (0, 255)),
        (np.array([0, 700]), (0, 1023)),
        (np.array([3, 4095]), (0, 4095)),
        (np.array([3, 4096]), (0, 16383)),
        (np.array([0, 65535]), (0, 65535)),
        (np.array([0, 100_000]), (0, 100_000)),
        (np.arange(17), (0, 16)),
        (np.array([0, 1], dtype=bool), (0, 1)),
        (np.array([-128, 127]), (-128, 127)),
        (np.array([-1000, 2999]), (-1000, 2999)),
        (np.linspace(0, 1, 5000), (0, 1)),
        (np.append(np.linspace(0, 1, 5000), 1.001), (0, 1)),
        (np.append(np.linspace(0, 1, 5000), 40.0), (0, 1)),
        (np.linspace(0, 0.2, 5000), (0, 1)),
        (np.linspace(-1, 1, 5000), (-1, 1)),
        (np.linspace(0, 254.5, 5000), (0, 255)),
        (np.append(np.tile([0, 1000, 4000], 100_000), 65535), (0, 4095)),
        (np.array([np.nan, np.inf, 0.0, 1.0]), (0, 1)),
    ],
)
def test_the_range_of_a_set_holds_all_but_stray_pixels(values: np.ndarray, wanted: tuple[float, float]) -> None:
    seen = Seen()
    for half in np.array_split(values, 2):
        other = Seen()
        other.add(half)
        seen.merge(other)
    assert seen.range() == wanted


def test_nothing_deep_has_no_range() -> None:
    assert Seen().range() is None
    with pytest.raises(Unreadable, match="no value range"):
        decode.eight_bits(np.zeros((2, 2), np.uint16), None)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colours_keep_all_their_bits(form: str, channels: int) -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).integers(0, 4096, (20, 30, channels), dtype=np.uint16)
    data = cv2.imencode(f".{form.lower()}", values)[1].tobytes()
    np.testing.assert_array_equal(read_pixels(data, Counter()), values[..., 2::-1])


def batch(*files: bytes, **more: object) -> decode.Batch:
    (made,) = read_batches(range(len(files)), lambda row: files[row], SPEC | more)
    return made


def test_float_and_whole_images_share_one_range() -> None:
    """One pixel of 1.001, and a dark frame among bright ones, change no other image."""
    bright, dark = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16), np.full((16, 16), 0.02, np.float32)
    stray = bright.copy()
    stray[0, 0] = 1.001
    files = [encoded(Image.fromarray(one), "TIFF") for one in (bright, dark, stray)]
    got = batch(*files).images[..., 0].astype(int)
    np.testing.assert_array_equal(got[0], np.round(bright * 255))
    assert (got[1] == 5).all()
    assert np.argwhere(got[2] != got[0]).tolist() == [[0, 0]]
    whole = [encoded(Image.fromarray((one * 255).astype(np.int32)), "TIFF") for one in (bright, dark)]
    assert np.abs(batch(*whole).images[:2, ..., 0].astype(int) - got[:2]).max() <= 1


def test_a_given_range_is_kept_whatever_the_images_hold() -> None:
    low = Image.fromarray(np.full((16, 16), 100, np.uint16))
    assert (batch(encoded(low), range=(0, 4095)).images == round(100 * 255 / 4095)).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_truncated_files_are_decoded_as_far_as_they_go(form: str) -> None:
    image = Image.fromarray(photo(64))
    whole = encoded(image, form)
    got = batch(whole[: len(whole) * 9 // 10], whole, whole[:20], b"", size=64)
    assert list(got.repaired) == [0]
    assert sorted(got.lost) == [2, 3]
    assert (got.images[2:] == 0).all()
    middle = slice(16, 20)
    np.testing.assert_array_equal(got.images[0, middle], got.images[1, middle])


def test_a_header_without_pixels_is_lost() -> None:
    whole = encoded(Image.fromarray(photo(64)), "BMP")
    assert 0 in batch(whole[:60]).lost


def test_sets_that_come_out_black_or_white_are_told() -> None:
    images = np.stack([photo(16)] * 9)
    assert decode.looks_wrong(images) == ""
    assert decode.looks_wrong(images // 20) == "nearly black"
    assert decode.looks_wrong(255 - images // 20) == "nearly white"
    assert decode.looks_wrong(np.concatenate([images, images[:5] * 0])) == ""
