from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kit import artefact
from kit.errors import ArtefactError

OLD = b"what stood there before"
BIG = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8)
WRITERS: dict[str, Callable[[Path], None]] = {
    "bytes": lambda path: artefact.write_bytes(path, BIG.tobytes()),
    "text": lambda path: artefact.write_text(path, "ü" * 100_000),
    "json": lambda path: artefact.write_json(path, BIG.tolist()),
    "csv": lambda path: artefact.write_csv(path, pd.DataFrame({"value": BIG})),
    "npz": lambda path: artefact.write_npz(path, value=BIG),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond it, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def only_file(path: Path) -> bool:
    return [one.name for one in path.parent.iterdir()] == [path.name]


# ------------------------------------------------------------------------------------------------- writing
@every_writer
def test_a_file_is_written_with_its_folders_and_nothing_beside_it(write: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write(path)
    assert path.stat().st_size > 0
    assert only_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@every_writer
def test_a_full_disk_leaves_the_old_file_and_no_remains(write: Callable, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with file_size_limit(50_000), pytest.raises(ArtefactError, match=r"file: cannot be written \(File too large\)"):
        write(path)
    assert path.read_bytes() == OLD
    assert only_file(path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "what"), [(errno.ENOSPC, "Free space"), (errno.EIO, "Check the disk"), (errno.ESTALE, "Check the disk")]
)
def test_a_disk_that_is_full_or_fails_at_any_moment_leaves_the_old_file(
    call: str, number: int, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    said = rf"\({os.strerror(number)}\). What stood there before is intact. {what}"
    with pytest.raises(ArtefactError, match=said):
        artefact.write_bytes(path, b"new")
    assert path.read_bytes() == OLD
    assert only_file(path)


def test_ctrl_c_in_mid_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        artefact.write_bytes(path, b"new")
    assert path.read_bytes() == OLD
    assert only_file(path)


def test_a_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(ArtefactError, match="file/inside: cannot be written"):
        artefact.write_bytes(tmp_path / "file" / "inside", b"")
    with pytest.raises(ArtefactError, match="cannot be written"):
        artefact.write_bytes(tmp_path, b"")


def test_nan_in_json_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with pytest.raises(ValueError, match="JSON compliant"):
        artefact.write_json(path, {"score": float("nan")})
    assert path.read_bytes() == OLD


def test_python_objects_never_reach_an_npz(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ids holds Python objects"):
        artefact.write_npz(tmp_path / "file", ids=np.array(["a", None], dtype=object))


# ------------------------------------------------------------------------------------------------- reading
def test_values_come_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    artefact.write_json(tmp_path / "v.json", value)
    assert artefact.read_json(tmp_path / "v.json") == value

    arrays = {"ids": np.array(["a", "bb"]), "logits": np.ones((2, 0, 3), np.float32), "x": np.array(3)}
    artefact.write_npz(tmp_path / "v.npz", **arrays)
    again = artefact.read_npz(tmp_path / "v.npz")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype
        np.testing.assert_array_equal(again[name], array)

    table = pd.DataFrame({"id": ["a", "b"], "score": [0.1, 1 / 3]})
    artefact.write_csv(tmp_path / "v.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "v.csv"), table, check_exact=False)


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe", b"not json"])
def test_broken_json_is_named_with_what_to_rerun(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"run.json: missing or corrupt .* Make it again: kit train x"):
        artefact.read_json(path, rerun="kit train x")


def test_a_missing_file_is_named_with_what_to_rerun(tmp_path: Path) -> None:
    for read in (artefact.read_json, artefact.read_npz):
        with pytest.raises(ArtefactError, match=r"absent: missing or corrupt \(FileNotFoundError.*: kit train x"):
            read(tmp_path / "absent", rerun="kit train x")
        with pytest.raises(ArtefactError, match="IsADirectoryError"):
            read(tmp_path)


def npz_bytes(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def test_an_npz_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = npz_bytes(ids=np.array(["a", "b"]), logits=np.arange(12.0).reshape(2, 6))
    path = tmp_path / "oof.npz"
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtefactError, match=r"oof\.npz: missing or corrupt"):
            artefact.read_npz(path)


def test_an_npz_with_a_wrong_byte_is_refused_or_unharmed(tmp_path: Path) -> None:
    logits = np.arange(12.0).reshape(2, 6)
    whole = npz_bytes(logits=logits)
    path = tmp_path / "oof.npz"
    refused = 0
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0x55
        path.write_bytes(spoilt)
        try:
            arrays = artefact.read_npz(path)
        except ArtefactError:
            refused += 1
        else:  # a time stamp, an attribute, a name: what is called logits is the logits
            np.testing.assert_array_equal(arrays.get("logits", logits), logits)
    assert refused > len(whole) / 3


def test_an_npz_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "oof.npz"
    np.save(path.with_suffix(".npy"), np.arange(3))
    path.with_suffix(".npy").rename(path)
    with pytest.raises(ArtefactError, match=r"oof\.npz: missing or corrupt"):
        artefact.read_npz(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(ArtefactError, match=r"oof\.npz: missing or corrupt"):
        artefact.read_npz(path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    np.savez(tmp_path / "oof.npz", ids=np.array([Bomb()], dtype=object))
    with pytest.raises(ArtefactError, match=r"oof\.npz"):
        artefact.read_npz(tmp_path / "oof.npz")
    assert not (tmp_path / "exploded").exists()


# ------------------------------------------------------------------------------------------------- digests
def test_digests_are_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 1 << 20, (1 << 20) + 1):
        data = np.random.default_rng(size).bytes(size)
        path.write_bytes(data)
        assert artefact.sha256_file(path) == artefact.sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_an_array_digest_sees_type_shape_content_and_order() -> None:
    x = np.arange(12, dtype=np.int32).reshape(3, 4)
    others = [
        x.astype(np.int64),
        x.view(np.uint32),
        x.reshape(4, 3),
        x.T,
        x + np.eye(3, 4, dtype=np.int32),
        x[:, ::-1],
        np.zeros((0, 4), np.int32),
        np.zeros((4, 0), np.int32),
        np.array(["a", "b"]),
        np.array(["ab", ""]),
    ]
    digests = [artefact.sha256_arrays(array) for array in (x, *others)]
    digests += [artefact.sha256_arrays(x, x), artefact.sha256_arrays(np.concatenate([x, x])), artefact.sha256_arrays()]
    assert len(set(digests)) == len(digests)


def test_an_array_digest_does_not_see_memory_layout() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert artefact.sha256_arrays(np.asfortranarray(x)) == artefact.sha256_arrays(x)
    assert artefact.sha256_arrays(np.repeat(x, 2, 0)[::2]) == artefact.sha256_arrays(x)


# ------------------------------------------------------------------------------------------------------------ seals
VALUE = {"name": "a", "score": 0.1, "none": None, "list": [1, 2.5, "ü"], "inner": {"deep": [True]}}


def test_every_changed_bit_of_json_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    artefact.write_json(path, VALUE)
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        spoilt = bytearray(whole)
        spoilt[place // 8] ^= 1 << place % 8
        path.write_bytes(spoilt)
        try:
            found = artefact.read_json(path, "kit train")
        except ArtefactError:
            continue
        assert found == VALUE, bytes(spoilt)


def test_a_value_that_was_sealed_before_is_sealed_anew(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    artefact.write_json(path, VALUE)
    with_seal = json.loads(path.read_text())
    artefact.write_json(path, with_seal | {"more": 1})
    assert artefact.read_json(path) == VALUE | {"more": 1}


def test_json_from_before_there_were_seals_is_read(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps(VALUE))
    assert artefact.read_json(path) == VALUE


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / f".file.{artefact.HOST}.abc{artefact.PART}"
    elsewhere = tmp_path / f".file.01234567.abc{artefact.PART}"
    for path in (left, elsewhere):
        path.write_bytes(b"half")
    artefact.write_bytes(tmp_path / "other", b"whole")
    assert not left.exists()
    assert elsewhere.exists(), "another machine may be writing it"
