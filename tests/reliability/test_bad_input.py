"""Every parser takes what it is given or says clearly what is wrong: no traceback, no hang, no memory for promises.

The long run: `pytest tests/reliability/test_bad_input.py -m slow -s`, with KIT_FUZZ_SECONDS for each parser (60),
KIT_FUZZ_INPUTS (1,000,000) and KIT_FUZZ_SEED (1); its counts are in docs/reliability.md. Fast with --basetemp on a file
system in memory.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CONTEST, RECIPES, Toy, copied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsers import Parser, make_parsers, npy

from kit.array_file import BROKEN, load_arrays
from kit.artefact import read_json
from kit.config import ContestConfig, RecipeConfig, load_contest, load_platform, load_recipe, parse
from kit.data.sources.files import ZipFiles
from kit.ensemble.blend import blend
from kit.errors import ArtefactError, ConfigError, DataError, RehearsalError
from kit.inference.model import parse_arrays
from kit.oof_store import load_runs
from kit.packaging import archive
from kit.rehearsal.source_checks import check_sources
from kit.rehearsal.static import check_zip

if sys.platform == "linux":
    from fuzz import fuzz, memory_bounded

NAMES = (
    *("contest", "recipe", "platform", "sweep", "clean.csv", "folds.csv", "blend.json", "run.json", "oof.npz"),
    *("manifest", "results", "json", "ledger", "journal", "npz", "arrays", "npy", "training data", "table", "sample"),
    *("images", "zip", "image zip", "result zip", "pickles", "safetensors"),
)


@pytest.fixture(scope="module")
def parsers(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Parser]]:
    root = tmp_path_factory.mktemp("fuzz") / "toy"
    copied(trained_once, root)
    toy = Toy(root)
    made = root / "blend.json"
    blend(load_runs(toy.workspace, "toy"), "best2").to_json(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield make_parsers(toy, made)


def test_all_are_named(parsers: dict[str, Parser]) -> None:
    assert sorted(parsers) == sorted(NAMES)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by the kernel's RLIMIT_DATA")
@pytest.mark.parametrize("name", NAMES)
def test_spoilt_files(name: str, parsers: dict[str, Parser]) -> None:
    one = parsers[name]
    tally = fuzz(one.seeds, one.parse, one.allowed, count=400, seconds=1.0)
    assert tally.faults == []
    assert tally.inputs >= 5
    assert tally.refused or not one.refuses


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by the kernel's RLIMIT_DATA")
@pytest.mark.parametrize("name", NAMES)
def test_a_million_spoilt_files(name: str, parsers: dict[str, Parser]) -> None:
    one = parsers[name]
    count, seconds = int(os.environ.get("KIT_FUZZ_INPUTS", "1000000")), float(os.environ.get("KIT_FUZZ_SECONDS", "60"))
    tally = fuzz(one.seeds, one.parse, one.allowed, count, seconds, seed=int(os.environ.get("KIT_FUZZ_SEED", "1")))
    print(tally.line(name))
    assert tally.faults == []


# ------------------------------------------------------------------------------------- promises of memory
def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """An npy that promises an array, and holds nothing of it."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded by the kernel's RLIMIT_DATA")
@pytest.mark.parametrize("shape", [(10**11,), (10**6, 10**6, 10**6), (-1,), (2, -(10**10)), (10**30,)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_promises_gigabytes_allocates_nothing(shape: tuple[int, ...], packed: bool) -> None:
    data = header(shape)
    if packed:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("images.npy", data)
        data = buffer.getvalue()
    with memory_bounded(64 << 20), pytest.raises(BROKEN, match="promises|negative|invalid|shape"):
        load_arrays(data)


def test_a_zip_whose_directory_promises_gigabytes() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("images.npy", npy(np.arange(8)))
        made.infolist()[0].file_size = 100 << 30
    with pytest.raises(BROKEN, match="promises"):
        load_arrays(buffer.getvalue())


def test_whole_arrays_are_read_as_they_are() -> None:
    texts = np.array(["a", "bc"])
    for array in (np.arange(6).reshape(2, 3), np.zeros((0, 4)), np.array(5.0), texts, np.ones((2, 2), "F")):
        found = load_arrays(npy(array))
        assert isinstance(found, np.ndarray)
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)


def test_tensors_that_lie_outside_of_their_file() -> None:
    import json

    for offsets in ([0, 1 << 40], [8, 4], [-8, 4], ["0", 4], [0]):
        text = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": offsets}}).encode()
        with pytest.raises(ValueError, match=r"w\.safetensors"):
            parse_arrays(len(text).to_bytes(8, "little") + text + bytes(4), "w.safetensors")


def test_an_array_of_python_2_is_read_without_a_word() -> None:
    data = npy(np.arange(6).reshape(2, 3)).replace(b"(2, 3), }  ", b"(2L, 3L), }")
    assert np.array_equal(load_arrays(data), np.arange(6).reshape(2, 3))


# --------------------------------------------------------------------------------------------- deep nesting
def test_nesting_beyond_pythons_stack(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(ArtefactError, match="corrupt"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.toml").write_text("x = " + "[" * 5_000)
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_contest(tmp_path / "x.toml")


def test_code_that_nobody_reads(tmp_path: Path) -> None:
    platform_file = tmp_path / "p.toml"
    platform_file.write_text('[packages]\nnumpy = ""\n')
    platform = load_platform(platform_file)
    for code in (b"x = " + b"-" * 50_000 + b"1", b"#" * (5 << 20), b"x = " + b"1+" * 3_000 + b"1"):
        checks = check_sources({"model.py": code}, platform)
        assert checks[0].name == "code: syntax"


# ------------------------------------------------------------------------------------------- hostile zips
def entry(name: str, mode: int = 0o100644) -> bytes:
    """A zip with one entry of that name and mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        made.writestr(info, "x")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/../../x", "..\\x", "C:\\x", "a/../b/../../x"])
def test_entries_that_lead_outside(name: str, tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(entry(name))
    with pytest.raises(RehearsalError, match="leads outside"):
        archive.unpack(tmp_path / "s.zip", tmp_path / "in")


def test_entries_that_are_links_or_too_many_or_have_no_name_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data, said in ((entry("link", 0o120777), "leads outside"), (entry("n" * 300), "cannot be unpacked")):
        (tmp_path / "s.zip").write_bytes(data)
        with pytest.raises(RehearsalError, match=said):
            archive.unpack(tmp_path / "s.zip", tmp_path / "in")
    monkeypatch.setattr(archive, "MAX_ENTRIES", 0)
    (tmp_path / "s.zip").write_bytes(entry("x"))
    with pytest.raises(RehearsalError, match="entries"):
        archive.unpack(tmp_path / "s.zip", tmp_path / "in")


def test_entries_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(entry(""))
    (tmp_path / "p.toml").write_text('[packages]\nnumpy = ""\n')
    checks = check_zip(tmp_path / "s.zip", load_platform(tmp_path / "p.toml"))
    failed = [check.name for check in checks if not check.passed]
    assert "zip: paths" in failed
    with pytest.raises(RehearsalError, match="leads outside"):
        archive.unpack(tmp_path / "s.zip", tmp_path / "in")
    with pytest.raises(DataError, match="must stay inside"):
        ZipFiles.open(tmp_path / "s.zip")


# ------------------------------------------------------------------------------ values of a config, by kind
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just([]), st.just({}),
    st.sampled_from([0, -1, 1e308, 2**70, float("nan"), float("inf"), "", " ", "../x", "0" * 40, ".", "\0"]),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.floats()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


def places(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def keys_of(model: type[Any]) -> list[tuple[str, ...]]:
    """The path of every key that a config may have, of two levels."""
    found = []
    for name, one in model.model_fields.items():
        found.append((name,))
        inner = getattr(one.annotation, "model_fields", {})
        found += [(name, below) for below in inner]
    return found


def put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a key, making the tables above it."""
    for key in path[:-1]:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[path[-1]] = value


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_any_value_at_any_key_of_a_config(data: st.DataObject) -> None:
    model, text = data.draw(st.sampled_from([(ContestConfig, CONTEST), (RecipeConfig, RECIPES["mini"])]))
    values = {"name": "x"} | tomllib.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        put(values, data.draw(st.sampled_from(keys_of(model))), data.draw(ODD))
    try:
        made = parse(model, values, Path("x.toml"))
    except ConfigError:
        return
    assert parse(model, made.model_dump(mode="json"), Path("x.toml")) == made


def test_recipes_of_the_kit_are_seeds_too() -> None:
    from kit.config import list_names

    assert all(load_recipe(name).name == name for name in list_names("recipes"))
