"""The one decoder: files of every kind, one value range a data set, damaged files."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections import Counter

import numpy as np
import PIL
import pytest
from PIL import Image, ImageOps

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
    got = read_pixels(data, Counter())
    np.testing.assert_array_equal(got.values, values[..., 2::-1])
    assert (got.opaque is None) == (channels == 3)
    if got.opaque is not None:
        np.testing.assert_allclose(got.opaque, values[..., 3] / 65535)


def png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel: grey, grey and transparency, colours, colours and transparency."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = (b"IHDR", struct.pack(">IIBBBBB", *values.shape[1::-1], 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(rows))
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (*chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(values: np.ndarray, photometric: int, order: str = "<", packed: bool = False, **more: int) -> bytes:
    """A TIFF of uint16 (H, W), (H, W, C), or (C, H, W) with `planar`; `extra`: what the last channel is."""
    planes = values if "planar" in more else values[None]
    high, wide, channels = (*planes.shape[1:3], len(planes) if "planar" in more else values[0, 0].size)
    strips = [plane.astype(order + "u2").tobytes() for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    starts = np.cumsum([8, *map(len, strips)]).tolist()
    tags = {256: [wide], 257: [high], 258: [16] * channels, 259: [8 if packed else 1], 262: [photometric]}
    tags |= {273: starts[:-1], 277: [channels], 278: [high], 279: [len(strip) for strip in strips]}
    tags |= {284: [2]} if "planar" in more else {}
    tags |= {338: [more["extra"]]} if "extra" in more else {}
    body = b"".join(strips) + b"\0" * (starts[-1] % 2)
    entries, far, place = b"", b"", 8 + len(body) + 2 + 12 * len(tags) + 4
    for tag, listed in sorted(tags.items()):
        data = struct.pack(f"{order}{len(listed)}I", *listed)
        if len(data) > 4:
            data, far = struct.pack(order + "I", place + len(far)), far + data
        entries += struct.pack(order + "HHI", tag, 4, len(listed)) + data
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + entries + b"\0" * 4 + far


@pytest.mark.parametrize("order", ["<", ">"])
def test_planes_of_sixteen_bits_are_read_as_they_are(order: str) -> None:
    """Pillow and OpenCV read eight bits a value of them: noise."""
    values = np.random.default_rng(0).integers(0, 4096, (6, 5, 3), dtype=np.uint16)
    planes = tiff(np.moveaxis(values, 2, 0), 2, order, planar=1)
    np.testing.assert_array_equal(read_pixels(planes, Counter()).values, values)
    np.testing.assert_array_equal(read_pixels(tiff(values, 2, order), Counter()).values, values)


def test_packed_planes_are_refused() -> None:
    values = np.zeros((3, 6, 5), np.uint16)
    with pytest.raises(Unreadable, match="save it with interleaved colours"):
        read_pixels(tiff(values, 2, packed=True, planar=1), Counter())


def test_a_tiff_that_pillow_does_not_know_is_named() -> None:
    for channels in (2, 7):
        with pytest.raises(Unreadable, match=f"must hold grey or RGB.*but has {channels} channels of 16 bits"):
            read_pixels(tiff(np.zeros((4, 4, channels), np.uint16), 1), Counter())
    with pytest.raises(Unreadable):
        read_pixels(b"II*\0" + b"\x08\0\0\0" + b"\xff" * 8, Counter())


def test_grey_whose_zero_is_white_is_turned_whatever_its_bits() -> None:
    values = np.arange(30, dtype=np.uint16).reshape(5, 6) * 140
    black, white = (batch(tiff(values, zero), size=6, resize="pad", range=(0, 4095)).images for zero in (1, 0))
    np.testing.assert_array_equal(255 - black[0, 1:5], white[0, 1:5])
    eight = Image.open(io.BytesIO(tiff(values, 0)))
    assert np.asarray(eight).max() == values.max(), "Pillow turns it now: turn it no more"


def test_grey_with_transparency_keeps_all_its_bits() -> None:
    grey = np.random.default_rng(0).integers(0, 4096, (6, 5, 1), dtype=np.uint16)
    got = read_pixels(png(np.dstack([grey, np.full_like(grey, 65535)])), Counter())
    np.testing.assert_array_equal(got.values, np.repeat(grey, 3, axis=2))
    assert got.opaque is None


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["png", "straight", "premultiplied", "unspecified"])
def test_deep_colours_are_laid_on_grey_where_they_are_transparent(kind: str, packed: bool) -> None:
    """A letter of black and transparency alone, in 16 bits: it came out black on black."""
    counts: Counter[str] = Counter()
    values = np.full((4, 4, 4), 4000, np.uint16)
    values[..., 3] = [0, 65535, 32768, 65535]
    values[0, :, :3] = 0
    extra = {"straight": 2, "premultiplied": 1, "unspecified": 0}.get(kind, 0)
    given = values.copy()
    if kind == "premultiplied":
        given[..., :3] = np.round(values[..., :3] * (values[..., 3:] / 65535))
    got = read_pixels(png(given) if kind == "png" else tiff(given, 2, packed=packed, extra=extra), counts)
    if kind == "unspecified":
        assert got.opaque is None
        return
    seen = values[..., 3] > 0
    assert np.abs(got.values[seen].astype(int) - values[seen][:, :3]).max() <= 1
    assert counts["with transparency laid on grey"] == 1
    made = got.eight_bits((0, 4000))
    assert made[0, :, 0].tolist() == [128, 0, 64, 0]
    assert made[1, :, 0].tolist() == [128, 255, 192, 255]


def test_a_ppm_of_sixteen_bits_keeps_them() -> None:
    values = np.random.default_rng(0).integers(0, 4096, (6, 5, 3), dtype=np.uint16)
    whole = b"P6\n# a comment\n5 6\n65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_pixels(whole, Counter()).values, values)
    scaled = read_pixels(b"P6 5 6 4095\n" + values.astype(">u2").tobytes(), Counter()).values
    grey = read_pixels(b"P5 5 6 4095\n" + values[..., 0].astype(">u2").tobytes(), Counter()).values
    np.testing.assert_array_equal(scaled[..., 0], grey)


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


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (31, 20), (20, 31), (21, 20), (16, 20), (60, 9), (7, 7)])
def test_images_are_resized_as_by_pillow(shape: tuple[int, int]) -> None:
    """By its own functions, which scale across first; Pillow 13 scales tall images down first, and clips elsewhere."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    wanted = {
        "squash": lambda one: one.resize((16, 16), Image.Resampling.BICUBIC),
        "crop": lambda one: ImageOps.fit(one, (16, 16), Image.Resampling.BICUBIC),
        "pad": lambda one: ImageOps.pad(one, (16, 16), Image.Resampling.BICUBIC),
    }
    for rule, of_pillow in wanted.items():
        got, other = decode.fit(image, 16, rule, Counter()), np.asarray(of_pillow(Image.fromarray(image)))
        off = np.abs(got.astype(int) - other)
        down_first = shape[0] > shape[1] and int(PIL.__version__.split(".")[0]) >= 13
        assert off.mean() < 2 if down_first else off.max() == 0, rule


def test_a_line_is_padded_to_a_square() -> None:
    white = np.full((200, 3, 3), 255, np.uint8)
    assert decode.fit(white, 16, "pad", Counter())[..., 0].sum(axis=0).tolist() == [0] * 8 + [255 * 16] + [0] * 7


def test_every_pillow_resizes_alike() -> None:
    """Digests seen with Pillow 9.5 to 13.0, of noise."""
    image = np.random.default_rng(0).integers(0, 256, (65, 40, 3), dtype=np.uint8)
    digests = {"squash": "40abd6505229", "crop": "ddfce14c1016", "pad": "ce159026a382"}
    for rule, digest in digests.items():
        assert hashlib.sha256(decode.fit(image, 28, rule, Counter()).tobytes()).hexdigest()[:12] == digest


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_a_turned_tiff_is_turned_once(orientation: int, deep: bool) -> None:
    """Pillow turns it when it loads it; before 10.1, its exif_transpose turned it again."""
    grey = np.arange(12, dtype=np.uint16 if deep else np.uint8).reshape(3, 4)
    exif = Image.Exif()
    exif[decode.ORIENTATION] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(Image.fromarray(grey), exif=exif)))))
    got = read_pixels(encoded(Image.fromarray(grey), "TIFF", tiffinfo={decode.ORIENTATION: orientation}), Counter())
    np.testing.assert_array_equal(got.values if deep else got.values[..., 0], wanted)
