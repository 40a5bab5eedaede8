from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from kit.reference import FILES, reference, remarks_of
from kit.workspace import PROJECT

PAGE = PROJECT / "docs" / "reference.md"


def test_the_reference_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: kit reference > docs/reference.md"


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {
        one
        for field in model.model_fields.values()
        for one in (field.annotation, *getattr(field.annotation, "__args__", ()))
        if isinstance(one, type) and issubclass(one, BaseModel)
    }
    return {model}.union(*(models(one) for one in inner))


@pytest.mark.parametrize("folder", FILES)
def test_every_key_of_every_file_is_listed(folder: str) -> None:
    part = PAGE.read_text(encoding="utf-8").split(f"## configs/{folder}/")[1].split("\n## ")[0]
    for model in models(FILES[folder]):
        for name, field in model.model_fields.items():
            shown = f"| `{name}` |" in part or re.search(rf"### \[(\w+\.)*{name}(\.KEY)?\]", part)
            assert shown, f"{model.__name__}.{name}"
            if name in remarks_of(model) and f"| `{name}` |" in part:
                assert remarks_of(model)[name].replace("|", "\\|") in part
            assert field is not None


def test_the_readmes_figure_is_drawn_from_the_documented_tables(tmp_path: Path) -> None:
    out = tmp_path / "expected.svg"
    subprocess.run([sys.executable, "benchmarks/figure.py", "--out", str(out)], cwd=PROJECT, check=True)
    assert out.read_bytes() == (PROJECT / "docs" / "expected.svg").read_bytes()


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
