"""Labels in any of the forms contests hand out, as indices into the contest's class list."""

from __future__ import annotations

import unicodedata

import numpy as np

from kit.errors import DataError, did_you_mean


def to_indices(raw: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Indices (N,) int64 into `classes`.

    `raw` may be (N,) or (N, 1) of integers, whole floats, strings or bytes, or one-hot (N, C). Integers are
    indices, unless the class names are themselves numbers other than 0..C-1: then they are names. DataError
    for anything outside of the class list.
    """
    flat = _flatten(np.asarray(raw), len(classes))
    if flat.dtype.kind in "SUO":
        return _from_names(as_text(flat), classes)
    if flat.dtype.kind not in "biuf":
        raise DataError(f"labels must be numbers or strings, but got dtype {flat.dtype}. Fix the labels.")
    numbers = whole(flat)
    if _numeric_names(classes):
        return _from_names(numbers.astype(str), classes)
    return _inside(numbers, classes)


def as_text(values: np.ndarray) -> np.ndarray:
    """Values of any type as str of the same shape; DataError for bytes that are no UTF-8."""
    if values.dtype.kind != "S":
        return values.astype(str)
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"names must be UTF-8, but got {error.object!r}. Save them as text") from error


def _flatten(raw: np.ndarray, num_classes: int) -> np.ndarray:
    if raw.ndim == 1:
        return raw
    if raw.ndim > 1 and raw.size == len(raw):  # (N, 1), and (N, 1, 1, 1) as some HDF5 files have it
        return raw.reshape(-1)
    if raw.ndim > 2 and raw.size == len(raw) * num_classes:
        raw = raw.reshape(len(raw), num_classes)
    if raw.ndim == 2 and raw.shape[1] == num_classes and raw.dtype.kind in "biuf":
        return _from_one_hot(raw)
    raise DataError(
        f"labels must have shape (N,), (N, 1) or one-hot (N, {num_classes}), but got {raw.shape}. "
        f"Check [data] labels and the contest's class list."
    )


def _from_one_hot(raw: np.ndarray) -> np.ndarray:
    valid = np.isin(raw, (0, 1)).all(axis=1) & (raw.sum(axis=1) == 1)
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise DataError(
            f"one-hot labels must hold a single 1 a row, but {np.sum(~valid):,} rows do not "
            f"(first: row {row}, {raw[row].tolist()}). Fix these rows."
        )
    return raw.argmax(axis=1)


def whole(numbers: np.ndarray) -> np.ndarray:
    """Numbers of any type as int64; DataError where some are fractions, infinite or missing."""
    fine = np.isfinite(numbers) & (numbers == np.round(numbers))
    if not fine.all():
        raise DataError(
            f"labels must be whole numbers, but {np.sum(~fine):,} are not (first: {numbers[~fine][0]}). Fix them. Where"
            f" a number is to be predicted, this is regression, which is not supported."
        )
    return numbers.astype(np.int64)


def _as_numbers(names: np.ndarray) -> np.ndarray | None:
    """Texts such as "0", "1.0" or "2e0" as float64; None where one is no number."""
    try:
        return names.astype(np.float64)
    except ValueError:
        return None


def _numeric_names(classes: tuple[str, ...]) -> bool:
    return all(name.lstrip("-").isdigit() for name in classes) and classes != tuple(map(str, range(len(classes))))


def _from_names(names: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    known = {name: index for index, name in enumerate(classes)}
    unique, inverse = np.unique(names, return_inverse=True)
    if not any(name in known for name in unique):
        numbers = _as_numbers(names)
        if numbers is not None:
            rounded = whole(numbers)
            if not set(rounded.astype(str)) & known.keys():
                return _inside(rounded, classes)
            unique, inverse = np.unique(rounded.astype(str), return_inverse=True)
    folded = {plain(name): index for name, index in known.items()}
    found = [known.get(name, folded.get(plain(name), -1)) for name in unique]
    if -1 in found:
        missing = [str(name) for name, index in zip(unique, found) if index < 0]
        raise DataError(
            f"labels must be in the class list ({_shown(classes)}), but got "
            f"{', '.join(map(repr, missing[:5]))}.{did_you_mean(missing[0], classes)} "
            f"Fix the labels, or add the class to the contest file."
        )
    return np.asarray(found, dtype=np.int64)[inverse.reshape(-1)]


def plain(name: str) -> str:
    """A class name without case, with single spaces inside alone and accents in one spelling: what names are compared
    by that are not equal.
    """
    return unicodedata.normalize("NFC", " ".join(str(name).split()).casefold())


def _shown(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:20]) + (f", ... ({len(classes):,} in all)" if len(classes) > 20 else "")


def _inside(numbers: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    outside = (numbers < 0) | (numbers >= len(classes))
    if outside.any():
        values = ", ".join(map(str, np.unique(numbers[outside])[:5]))
        hint = ""
        if numbers.min() == 1 and numbers.max() == len(classes):
            hint = " They seem to count from 1: name the classes by their numbers in the contest file."
        raise DataError(
            f"labels must lie in 0..{len(classes) - 1}, the class list, but {outside.sum():,} rows hold "
            f"{values}."
            f"{hint} Fix the labels or the contest's class list."
        )
    return numbers
