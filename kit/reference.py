"""Every key of every config file, from the models that check them: `docs/reference.md`.

    kit reference > docs/reference.md
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kit.config import ContestConfig, PlatformConfig, RecipeConfig
from kit.sweep.config import SweepConfig

FILES: dict[str, type[BaseModel]] = {
    "contests": ContestConfig,
    "recipes": RecipeConfig,
    "platforms": PlatformConfig,
    "sweeps": SweepConfig,
}
"""Folder under configs/ -> the model of its files."""
HEAD = """# Reference: every key of every config file

Made by `kit reference > docs/reference.md` from the models in `kit/config/` and `kit/sweep/config.py`; a test
holds it to them. Files are TOML; an unknown key is refused, and the near
one named. A key without a default is required.
"""


def reference() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for folder, model in FILES.items():
        parts += [f"\n## configs/{folder}/NAME.toml\n", _first_line(model), *_tables(model, "")]
    return "\n".join(parts) + "\n"


def _tables(model: type[BaseModel], path: str) -> Iterator[str]:
    """The keys of a table, then those of the tables in it."""
    remarks = remarks_of(model)
    sections: list[tuple[str, type[BaseModel]]] = []
    rows = []
    for name, field in model.model_fields.items():
        inner, many = _section(field)
        if inner is not None:
            sections.append((f"{path}{name}" + (".KEY" if many else ""), inner))
            continue
        cells = (f"`{name}`", _values(model, name), _default(field), remarks.get(name, ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if rows:
        yield "\n| key | values | default | what |\n|---|---|---|---|\n" + "\n".join(rows)
    for place, inner in sections:
        yield f"\n### [{place}]\n\n{_first_line(inner)}"
        yield from _tables(inner, f"{place}.")


def _first_line(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def remarks_of(model: type[BaseModel]) -> dict[str, str]:
    """Key -> the string below it in the class."""
    tree = ast.parse(inspect.getsource(model))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None]):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[statement.target.id] = " ".join(text.value.split())
    return found


def _section(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """The model of a table, and whether there is one under each key of the user's."""
    for one in (field.annotation, *getattr(field.annotation, "__args__", ())):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one, one is not field.annotation
    return None, False


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _values(model: type[BaseModel], name: str) -> str:
    return _kind(model.model_json_schema()["properties"][name])


KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false", "object": "table"}
BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def _kind(schema: dict[str, Any]) -> str:
    """What a value may be, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(_kind(one) for one in schema["prefixItems"]) + "]"
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = [f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema]
    return " ".join([KINDS.get(schema.get("type", ""), "any value"), ", ".join(bounds)]).strip()
