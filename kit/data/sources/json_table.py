"""Tables in JSON: rows, a label by file name, lines of rows (JSONL), and COCO's images, annotations and categories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from kit.data.sources.files import is_image
from kit.errors import DataError

SUFFIXES = (".json", ".jsonl")
FORMS = "a list of rows, a label by file name, a row a line, or COCO's images, annotations and categories"


def read_json(path: Path) -> pd.DataFrame:
    """The table with every value as text, "" where there is none; DataError where the file is none of these."""
    try:
        told = path.read_text(encoding="utf-8-sig")
        lines = path.suffix.lower() == ".jsonl"
        value = [json.loads(line) for line in told.splitlines() if line.strip()] if lines else json.loads(told)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error}). Download it again.") from error
    rows = _rows(value, path)
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: must be {FORMS}. Write a CSV of image and label from it")
    table = pd.DataFrame(rows, dtype=object)
    nested = table.map(lambda one: isinstance(one, (list, dict))).any()
    return table.loc[:, ~nested | (table.columns == "bbox")].map(_text)  # bbox tells that this is detection


def _rows(value: Any, path: Path) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("images"), list):
        return _coco(value, path)
    if all(isinstance(one, dict) for one in value.values()):
        return [{"file": name, **one} for name, one in value.items()]
    several = [name for name, one in value.items() if isinstance(one, list) and len(one) > 1 and is_image(name)]
    if several:
        raise DataError(
            f"{path}: this is multi-label: {len(several):,} images have several labels (such as {several[0]}), and the "
            f"kit predicts one label an image. Such contests are not supported."
        )
    single = {name: one[0] if isinstance(one, list) and len(one) == 1 else one for name, one in value.items()}
    return [{"file": name, "label": one} for name, one in single.items() if not isinstance(one, (list, dict))]


def _coco(value: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """A row an image: its file and its category; DataError where an image has several."""
    try:
        names = {one["id"]: one["name"] for one in value.get("categories", [])}
        categories: dict[Any, set[Any]] = {}
        for one in value.get("annotations", []):
            categories.setdefault(one["image_id"], set()).add(one["category_id"])
        images = [(one["id"], one["file_name"]) for one in value["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not COCO's images, annotations and categories ({error!r} is not as there)") from error
    several = [file for one, file in images if len(categories.get(one, ())) > 1]
    if several:
        raise DataError(
            f"{path}: this is detection or multi-label: {len(several):,} of {len(images):,} images have several "
            f"categories (such as {several[0]}), and the kit predicts one label an image. Such contests are not "
            f"supported."
        )
    if not categories:
        return [{"file_name": file} for _, file in images]
    labels = {one: next(iter(some)) for one, some in categories.items()}
    return [{"file_name": file, "category": names.get(labels.get(one), labels.get(one))} for one, file in images]


def _text(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and value != value)
    return "" if missing else str(value).strip()
