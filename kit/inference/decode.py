"""From image files and arrays to (S, S, 3) uint8 RGB: the one decoder, of training data and of the hidden test.

Imports numpy and Pillow alone, because it travels in the zip of a platform where a submission reads files.
Syntax: Python 3.7. A spec is a dict {"size": S, "resize": "squash", "crop" or "pad", "range": [low, high] or
None}. The rules: the camera's orientation tag is applied; grey is repeated into three channels; transparent
images are laid on mid grey, or on white where that would hide them; CMYK, palettes and other modes are converted
by Pillow; of several frames the first is taken. What has more than 8 bits a channel is scaled by one range for the
whole data set, never image by image; 8 bits are left as they are. TIFFs in which
zero is white are turned, whatever their bits. Sizes are changed with an antialiased bicubic filter, alike with
every Pillow from 9.5 on.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

SUFFIXES = frozenset([
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
])  # fmt: skip

GROUND = 128
"""Grey level under transparent pixels: black letters and white ones, drawn in the transparency alone, stay visible."""

FAINT = 32
"""Grey levels: an image that stands out less from its ground, such as a grey icon, is laid on white instead."""

BICUBIC = getattr(Image, "Resampling", Image).BICUBIC

ORIENTATION, PHOTOMETRIC, BITS, PLANAR, EXTRA, SAMPLES, SAMPLE = 0x0112, 262, 258, 284, 338, 277, 339
"""Tags of EXIF and of TIFF."""

SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""Byte orders of 16-bit colours; Pillow keeps the upper byte, and the lower one where it is told the other order."""

TOPS = (255, 1023, 4095, 16383, 65535)
"""Largest values of 8, 10, 12, 14 and 16 bits."""

HOT = 1e-5
"""Share of whole-numbered pixels that may lie beyond the range: dead and saturated ones."""

OVERSHOOT = 1e-3
"""Share of fractional pixels that may: filters overshoot."""

NO_RANGE = "more than 8 bits a channel, but the data set has no value range yet"

DARK, LIGHT = 16, 239
"""A set of which most images stay below or above has probably been scaled wrongly."""

Range = Tuple[float, float]
Spec = Dict[str, Any]


class Unreadable(ValueError):
    """An image, or an array of images, that is none."""


@contextmanager
def bombs_refused() -> Iterator[None]:
    """Pillow's warning about decompression bombs (over 89 million pixels) raises, like its error does; its others,
    about damaged metadata, are not shown.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


# ------------------------------------------------------------------------------------------------ one file
def decode(data: bytes, spec: Spec, counts: Counter[str]) -> Tuple[np.ndarray, Tuple[int, int]]:
    """The image (S, S, 3) uint8 in a file's bytes, and its height and width; Unreadable says why there is none."""
    pixels = read_pixels(data, counts)
    height, width = pixels.values.shape[:2]
    return fit(pixels.eight_bits(spec["range"]), spec["size"], spec["resize"], counts), (height, width)


class Pixels(NamedTuple):
    """What a file holds, turned upright."""

    values: np.ndarray
    """(H, W, 3) uint8, or deep: (H, W) or (H, W, 3) of another type."""
    opaque: Optional[np.ndarray] = None
    """(H, W) float, 0..1, of deep colours that may be transparent."""
    inverted: bool = False
    """Deep grey of which zero is white."""

    def shown(self) -> np.ndarray:
        """The values that are seen, in any shape: colours under full transparency mean nothing."""
        return self.values if self.opaque is None else self.values[self.opaque > 0]

    def eight_bits(self, bounds: Optional[Range]) -> np.ndarray:
        """(H, W, 3) uint8 by the data set's range, laid on grey where they are transparent."""
        made = eight_bits(self.values, bounds)
        made = 255 - made if self.inverted else made
        return made if self.opaque is None else _laid(made, self.opaque)


def read_pixels(data: bytes, counts: Counter[str]) -> Pixels:
    """The pixels in a file's bytes; Unreadable says why there are none."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            deep = _deep_colours(data, opened)
            _count_frames(data, opened, counts)
            if opened.getexif().get(ORIENTATION, 1) != 1:
                counts["turned by their orientation tag"] += 1
            if deep is not None:
                return _counted(deep, counts)
            white = opened.format == "TIFF" and opened.tag_v2.get(PHOTOMETRIC) == 0  # type: ignore[attr-defined]
            image = _upright(opened)
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return _counted(Pixels(np.asarray(image), None, white), counts)
            return Pixels(np.asarray(_to_rgb(image, counts)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("decompression bomb: more than 89 million pixels") from error
    except Unreadable:
        raise
    except Exception as error:  # Pillow's plugins raise a dozen classes for a broken file
        if isinstance(error, UnidentifiedImageError) and data[:4] in (b"II*\0", b"MM\0*"):
            raise Unreadable(_what_tiff(data)) from error
        reason = str(error).partition(" <_io.")[0]  # an address in memory says nothing
        raise Unreadable(("%s: %s" % (type(error).__name__, reason)).splitlines()[0]) from error


def _upright(opened: Image.Image) -> Image.Image:
    """Turned by the orientation tag. Pillow turns a TIFF when it loads it, and before 10.1 this turned it again."""
    if opened.format == "TIFF":
        opened.load()
        return opened
    return ImageOps.exif_transpose(opened)


def is_deep(pixels: np.ndarray) -> bool:
    """Whether pixels are of another type than uint8, and need a range."""
    return pixels.dtype != np.uint8


def _what_tiff(data: bytes) -> str:
    """What a TIFF holds that Pillow does not know."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    try:
        tags.load(file)
        bits, kind = tags.get(BITS, (1,)), tags.get(SAMPLE, (1,))[0]
        kinds = {2: "signed", 3: "floats"}
        held = "%d channels of %d bits (%s)" % (tags.get(SAMPLES, 1), max(bits), kinds.get(kind, "whole"))
    except Exception:  # its tags are broken too
        return "UnidentifiedImageError: a TIFF without readable tags"
    return "a TIFF must hold grey or RGB(A) of 8 or 16 bits, or grey floats of 32, but has %s: convert it" % held


def _counted(pixels: Pixels, counts: Counter[str]) -> Pixels:
    counts["of more than 8 bits a channel reduced to 8"] += 1
    if pixels.opaque is not None:
        counts["with transparency laid on grey"] += 1
    if pixels.inverted:
        counts["of grey with white as zero turned"] += 1
    return pixels


def _deep_colours(data: bytes, opened: Image.Image) -> Optional[Pixels]:
    """Colours of 16 bits a channel, of which Pillow keeps the upper byte; None for all else."""
    if opened.format == "PNG" and data[24:26] == b"\x10\x04":
        pair = _bytes_as_channels(data)
        return _with_alpha(pair[..., :1], pair[..., 1])
    tiles = list(getattr(opened, "tile", ()))
    if opened.format == "PPM" and opened.mode == "RGB" and tiles[0][0] == "ppm":
        return _deep_ppm(data, opened.size, *tiles[0][2:])
    raw = [tile[3] if isinstance(tile[3], str) else tile[3][0] for tile in tiles if tile[3]]
    if opened.format == "TIFF" and _planes(opened):
        # The raw modes of planes take eight bits; those below read the upper, or the lower, byte of sixteen.
        if {tile[0] for tile in tiles} != {"raw"}:
            raise Unreadable("planes of 16 bits a colour, apart and compressed: save it with interleaved colours")
        raw = ["%s;16%s" % (name, "L" if data[:2] == b"II" else "B") for name in raw]
    elif not raw or len(raw) < len(tiles) or not all(_sixteen(name) for name in raw):
        return None
    raw = [name.replace("a", "A") for name in raw]  # premultiplied ones: divided below, with all their bits
    upper, lower = _read_as(data, raw), _read_as(data, [name[:-1] + SWAPPED[name[-1]] for name in raw])
    values = upper.astype(np.uint16) << 8 | lower
    if values.shape[2] == 3 or "RGBX" in raw[0]:
        return Pixels(values[..., :3])
    premultiplied = opened.format == "TIFF" and 1 in opened.tag_v2.get(EXTRA, ())  # type: ignore[attr-defined]
    return _with_alpha(values[..., :3], values[..., 3], premultiplied)


def _with_alpha(colours: np.ndarray, alpha: np.ndarray, premultiplied: bool = False) -> Pixels:
    """Colours (H, W, 1 or 3) of 16 bits under a transparency of 16 bits."""
    colours = np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
    if (alpha == 65535).all():
        return Pixels(colours)
    if premultiplied:
        colours = np.minimum(np.round(colours / np.maximum(alpha[..., None] / 65535.0, 1e-9)), 65535).astype(np.uint16)
    return Pixels(colours, alpha / 65535.0)


def _bytes_as_channels(data: bytes) -> np.ndarray:
    """(H, W, 2) uint16 of a PNG of grey and transparency in 16 bits each.

    Its four bytes a pixel are read as the four channels of a PNG of eight bits: filters and interlacing are the
    same.
    """
    header = data[12:24] + b"\x08\x06" + data[26:29]
    changed = data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    channels = np.asarray(_upright(Image.open(io.BytesIO(changed)))).astype(np.uint16)
    return channels[..., 0::2] << 8 | channels[..., 1::2]


def _deep_ppm(data: bytes, size: Tuple[int, int], offset: int, args: Any) -> Optional[Pixels]:
    """Binary colours of a PPM with two bytes a value, of which Pillow keeps eight bits; scaled as its grey ones are."""
    (wide, high), most = size, args[1]
    if most < 256:
        return None
    values = np.frombuffer(data, ">u2", wide * high * 3, offset).reshape(high, wide, 3)
    return Pixels(np.minimum(np.round(values * (65535.0 / most)), 65535).astype(np.uint16))


def _planes(opened: Image.Image) -> bool:
    """Whether a TIFF's colours lie one after another, in more than eight bits each: Pillow reads them wrongly."""
    tags = opened.tag_v2  # type: ignore[attr-defined]
    return tags.get(PLANAR) == 2 and len(tags.get(BITS, ())) > 1 and max(tags[BITS]) > 8


def _read_as(data: bytes, raw: Sequence[str]) -> np.ndarray:
    """(H, W, C) uint8, upright, with other raw modes of the tiles than Pillow chose."""
    image = Image.open(io.BytesIO(data))
    for place, (tile, name) in enumerate(zip(list(image.tile), raw)):
        args = name if isinstance(tile[3], str) else (name, *tile[3][1:])  # type: ignore[index]
        named = hasattr(tile, "_replace")  # a plain tuple in older Pillows
        image.tile[place] = tile._replace(args=args) if named else (*tile[:3], args)  # type: ignore[assignment]
    return np.asarray(_upright(image))


def _sixteen(raw: Any) -> bool:
    """Whether a tile's raw mode is one of 16-bit colours, such as "RGB;16B"."""
    return isinstance(raw, str) and raw.startswith("RGB") and raw[:-1].endswith(";16") and raw[-1] in SWAPPED


def _to_rgb(image: Image.Image, counts: Counter[str]) -> Image.Image:
    if image.mode == "RGB":
        image.load()
        return image
    counts["of mode %s converted to RGB" % image.mode] += 1
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return _on_grey(image, counts) if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") else image.convert("RGB")


def _on_grey(image: Image.Image, counts: Counter[str]) -> Image.Image:
    """What is seen of an image that may be transparent: the colours under its transparency mean nothing."""
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[0] == 255:
        return image.convert("RGB")
    counts["with transparency laid on grey"] += 1
    for ground in (GROUND, 255):
        under = Image.new("RGBA", image.size, (ground, ground, ground, 255))
        laid = Image.alpha_composite(under, image).convert("RGB")
        if _stands_out(np.asarray(laid)):
            break
    return laid


def _laid(colours: np.ndarray, opaque: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: colours that are opaque to the shares (H, W), on the ground that shows them."""
    for ground in (GROUND, 255):
        laid = np.round(ground + opaque[..., None] * (colours.astype(np.float64) - ground)).astype(np.uint8)
        if _stands_out(laid):
            break
    return laid


def _stands_out(pixels: np.ndarray) -> bool:
    return max(int(pixels.max()) - GROUND, GROUND - int(pixels.min())) >= FAINT


def _count_frames(data: bytes, opened: Image.Image, counts: Counter[str]) -> None:
    """Count an animation or a file of several pages; a damaged second one is none."""
    if opened.format not in ("GIF", "PNG", "TIFF", "WEBP"):
        return
    broken = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError)
    with suppress(*broken), Image.open(io.BytesIO(data)) as again:
        again.seek(1)
        counts["of several frames or pages, of which the first is taken"] += 1


def fit(image: np.ndarray, size: int, resize: str, counts: Counter[str]) -> np.ndarray:
    """(H, W, 3) uint8 as (size, size, 3); left alone where it has that size.

    resize: "squash", the whole image, aspect lost; "crop", the largest central square; "pad", black borders.
    """
    if image.shape[:2] == (size, size):
        return image
    counts["resized to %dx%d (%s, bicubic)" % (size, size, resize)] += 1
    return np.asarray(_resized(Image.fromarray(image), size, resize))


def _resized(image: Image.Image, size: int, resize: str) -> Image.Image:
    """`image` as a square of `size`; of what cannot be centred, the smaller half lies left and on top."""
    wide, high = image.size
    if resize == "squash":
        return _scaled(image, size, size, (0, 0, wide, high))
    if resize == "crop":
        side = min(wide, high)
        left, top = (wide - side) / 2, (high - side) / 2
        return _scaled(image, size, size, (left, top, left + side, top + side))
    longer = max(wide, high)
    across, down = (size if side == longer else max(1, round(side / longer * size)) for side in (wide, high))
    square = Image.new("RGB", (size, size))
    place = (round((size - across) * 0.5), round((size - down) * 0.5))
    square.paste(_scaled(image, across, down, (0, 0, wide, high)), place)
    return square


def _scaled(image: Image.Image, wide: int, high: int, box: Tuple[float, float, float, float]) -> Image.Image:
    """What lies in `box`, first scaled across, then down: Pillow 13 takes tall images the other way round, and the
    pixels between are rounded.
    """
    left, top, right, bottom = box
    across = image.resize((wide, image.height), BICUBIC, (left, 0, right, image.height))
    return across.resize((wide, high), BICUBIC, (0, top, wide, bottom))


# ------------------------------------------------------------------------------------------------ value range
class Seen:
    """How often which values occur in deep images, to one part in 128; `range` is the data set's.

    Counted by the upper 16 bits of their float32, put in order: no bin holds both 255 and 256, or both 1 and
    more.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(1 << 16, dtype=np.int64)
        self.whole = True
        self.binary = True
        self.low, self.high = np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Count finite values of any shape; others are left out."""
        self.binary = self.binary and values.dtype == np.bool_
        values = values.astype(np.float32).ravel()
        values = values[np.isfinite(values)] + np.float32(0)  # no negative zero
        if not len(values):
            return
        self.whole = self.whole and bool((values == np.floor(values)).all())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.counts += np.bincount(_ordered(values.view(np.int32)) + (1 << 15), minlength=1 << 16)

    def merge(self, other: Seen) -> None:
        """Count what another has counted."""
        self.counts += other.counts
        self.whole, self.binary = self.whole and other.whole, self.binary and other.binary
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def range(self) -> Optional[Range]:
        """What becomes 0 and 255; None where nothing was seen.

        The fewest of 8, 10, 12, 14 and 16 bits that hold all but the hot pixels; fractions also 0..1 and
        -1..1; else the values seen, as where whole numbers end below 128 or some are negative.
        """
        if self.low > self.high:
            return None
        if self.binary:
            return 0.0, 1.0
        low, high = self._without_tails(HOT if self.whole else OVERSHOOT)
        return _whole_range(low, high) if self.whole else _fraction_range(low, high)

    def _without_tails(self, share: float) -> Range:
        """Least and greatest value, `share` of the pixels left out at either end."""
        total = np.cumsum(self.counts)
        spare = share * total[-1]
        first = int(np.searchsorted(total, spare, side="right"))
        last = int(np.searchsorted(total, total[-1] - spare, side="left"))
        low, high = _bin_edge(first - (1 << 15), 0), _bin_edge(last - (1 << 15), 0xFFFF)
        if self.whole:
            low, high = float(np.ceil(low)), float(np.floor(high))
        return max(low, self.low), min(high, self.high)


def _ordered(bits: np.ndarray) -> np.ndarray:
    """The upper 16 of float32 bits, int32, in the order of the numbers."""
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> 16


def _bin_edge(number: int, lower: int) -> float:
    bits = np.array([(number << 16) | lower], dtype=np.int64).astype(np.int32)
    return float((bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(np.float32)[0])


def _whole_range(low: float, high: float) -> Range:
    if low < 0:
        return (-128.0, 127.0) if low >= -128 and 63 < high <= 127 else (low, max(high, low + 1))
    if high < 128:  # digits drawn in 17 grey levels, masks: no camera's bits
        return 0.0, max(high, 1.0)
    return 0.0, float(next((top for top in TOPS if high <= top), high))


def _fraction_range(low: float, high: float) -> Range:
    if low >= -0.25 and high <= 1.25:
        return 0.0, 1.0
    if low >= -1.25 and high <= 1.25:
        return -1.0, 1.0
    if low >= -0.02 * high:
        return 0.0, float(next((top for top in TOPS if high <= 1.02 * top), high))
    return low, high


def eight_bits(values: np.ndarray, bounds: Optional[Range]) -> np.ndarray:
    """(H, W, 3) uint8 of pixels or of deep ones by the data set's range; what is not finite becomes its low end."""
    if is_deep(values):
        if bounds is None:
            raise Unreadable(NO_RANGE)
        low, high = bounds
        scaled = (np.nan_to_num(values.astype(np.float64), nan=low) - low) * (255.0 / (high - low))
        values = np.clip(np.round(scaled), 0, 255).astype(np.uint8)
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def range_text(bounds: Range) -> str:
    """A range in words: "0..4095 (12 bits)"."""
    low, high = bounds
    bits = " (%d bits)" % int(high).bit_length() if low == 0 and high in TOPS else ""
    return "%g..%g%s" % (low, high, bits)


def looks_wrong(images: np.ndarray) -> str:
    """"nearly black" or "nearly white" where over half of the images (N, S, S, 3) are; else ""."""
    few = np.asarray(images[:: max(1, len(images) // 500)]).reshape(-1, images[0].size)
    if np.mean(np.quantile(few, 0.999, axis=1) < DARK) > 0.5:
        return "nearly black"
    return "nearly white" if np.mean(np.quantile(few, 0.001, axis=1) > LIGHT) > 0.5 else ""


# ------------------------------------------------------------------------------------------------ many files
class Batch(NamedTuple):
    """Some images in the order they were asked for; the places of `lost` ones hold zeros."""

    images: np.ndarray
    """(n, S, S, 3) uint8."""
    sizes: np.ndarray
    """(n, 2) int64: height and width before resizing."""
    lost: Dict[int, str]
    """Place and reason of files of which nothing can be decoded."""
    repaired: Dict[int, str]
    """Place and reason of damaged files of which the rest was decoded."""


Read = Callable[[Any], bytes]


def read_batches(names: Sequence[Any], read: Read, spec: Spec, rows: int = 256) -> Iterator[Batch]:
    """The images `names`, `rows` at a time, so that memory stays flat; damaged files as far as they go.

    read: from a name to the bytes of a file. A spec without a range gets that of the deep ones among up to 500
    of the images, and those of the first batch that has one.
    """
    for start in range(0, len(names), rows):
        some = names[start : start + rows]
        batch = read_batch(some, read, spec, Counter())
        if NO_RANGE in batch.lost.values():
            spec = dict(spec, range=find_range([*names[:: max(1, len(names) // 500)], *some], read))
            batch = read_batch(some, read, spec, Counter())
        yield batch


def find_range(names: Sequence[Any], read: Read) -> Optional[Range]:
    """The value range of the deep ones among the images; None where none is deep."""
    seen, lock = Seen(), threading.Lock()

    def look(name: Any) -> None:
        found = _attempt(lambda: read_pixels(read(name), Counter()))
        if not isinstance(found, str) and is_deep(found.values):
            with lock:
                seen.add(found.shown())

    with bombs_refused(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(look, names):
            pass
    return seen.range()


def read_batch(names: Sequence[Any], read: Read, spec: Spec, counts: Counter[str], repair: bool = True) -> Batch:
    """One batch, decoded on threads; conversions are counted in `counts`.

    Damaged files are lost, or decoded as far as they go where `repair` says so.
    """

    size = spec["size"]
    images, sizes = np.zeros((len(names), size, size, 3), np.uint8), np.zeros((len(names), 2), np.int64)
    lost, repaired = {}, {}  # type: Dict[int, str], Dict[int, str]

    def one(place: int) -> Any:
        """Fills a place; the counts, or the reason why it cannot."""
        its = Counter()  # type: Counter[str]
        found = _attempt(lambda: decode(read(names[place]), spec, its))
        if isinstance(found, str):
            return found
        images[place], sizes[place] = found
        return its

    with bombs_refused(), ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(one, range(len(names))))
    for place, result in enumerate(results):
        if isinstance(result, str):
            reason = result
            result = _repaired(one, place, images) if repair and reason != NO_RANGE else result
            (lost if isinstance(result, str) else repaired)[place] = reason
        if not isinstance(result, str):
            counts.update(result)
    return Batch(images, sizes, lost, repaired)


def _attempt(work: Callable[[], Any]) -> Any:
    """What `work` gives, or the reason, a str, why it cannot."""
    try:
        return work()
    except Unreadable as error:
        return str(error)
    except (OSError, ValueError) as error:
        return "%s: %s" % (type(error).__name__, error)


def _repaired(work: Callable[[int], Any], place: int, images: np.ndarray) -> Any:
    """What `work` says of a damaged file; a reason where that is one flat colour, as of a bare header."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES  # of the whole process: nothing else may decode meanwhile
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with bombs_refused():
            found = work(place)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    if not isinstance(found, str) and (images[place] == images[place, :1, :1]).all():
        images[place] = 0
        return "nothing of it can be decoded"
    return found


# ------------------------------------------------------------------------------------------------ arrays
def seen_in(images: np.ndarray, rows: int = 256) -> Seen:
    """What values an array of images (N, ...) of any type holds, some rows at a time."""
    seen = Seen()
    for start in range(0, len(images), rows):
        piece = np.asarray(images[start : start + rows])
        if piece.dtype.kind == "f" and not np.isfinite(piece).all():
            raise Unreadable("pixels must be finite, but there are NaN or infinite ones. Fix these images.")
        seen.add(piece)
    return seen


def from_array(images: np.ndarray, spec: Spec, counts: Counter[str]) -> np.ndarray:
    """(N, S, S, 3) uint8 of images in an array of any usual layout and type; Unreadable names shape or values.

    Layouts: (N, H, W), (N, H, W, C) and (N, C, H, W) with C of 1, 3 or 4.
    """
    last = channels_last(images, counts)
    if is_deep(last):
        counts["converted from %s to uint8" % last.dtype] += len(last)
    last = eight_bits(last, spec["range"])
    if last.shape[3] == 1:
        counts["of one channel made RGB"] += len(last)
        last = np.repeat(last, 3, axis=3)
    elif last.shape[3] == 4:
        laid, last = three_channels(last)
        kinds = (("with transparency laid on grey", laid), ("without their fourth channel", len(last) - laid))
        counts.update({what: count for what, count in kinds if count})
    if last.shape[1:3] == (spec["size"], spec["size"]):
        return last
    return np.stack([fit(one, spec["size"], spec["resize"], counts) for one in last])


def three_channels(images: np.ndarray) -> Tuple[int, np.ndarray]:
    """Images (N, H, W, 4) uint8 as (N, H, W, 3), and how many of them were laid on grey.

    A fourth channel is taken for transparency where at least half of it is all or nothing, and some of it all; any
    other, such as infrared, is left out. `as_batch` of `model.py` does the same with a platform's arrays.
    """
    colours, last = images[..., :3].copy(), images[..., 3]
    sharp = ((last == 0) | (last == 255)).mean(axis=(1, 2)) >= 0.5
    rows = np.flatnonzero(sharp & (last.max(axis=(1, 2)) == 255) & (last.min(axis=(1, 2)) < 255))
    for row in rows:
        colours[row] = _laid(colours[row], last[row] / 255.0)
    return len(rows), colours


def channels_last(images: np.ndarray, counts: Counter[str]) -> np.ndarray:
    """A view (N, H, W, C) of the array; Unreadable for other layouts, other types and empty images."""
    if images.dtype.kind not in "biuf":
        raise Unreadable("images must be numbers, but got dtype %s. Convert them to uint8." % images.dtype)
    if 0 in images.shape:
        raise Unreadable("images must not be empty, but got shape %s. Check [data] images." % (images.shape,))
    if images.ndim == 3:
        return images[..., None]
    if images.ndim == 4 and images.shape[3] in (1, 3, 4):
        return images
    if images.ndim == 4 and images.shape[1] in (1, 3, 4):
        counts["with channels first turned to channels last"] += len(images)
        return images.transpose(0, 2, 3, 1)
    raise Unreadable(
        "images must have shape (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels, but got %s. "
        "Check [data] images." % (images.shape,)
    )
