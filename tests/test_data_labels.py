import numpy as np
import pytest

from kit.data.sources.labels import to_indices
from kit.errors import DataError

CLASSES = ("cat", "dog", "emu")
WANTED = np.array([2, 0, 1, 1])


@pytest.mark.parametrize(
    "raw",
    [
        WANTED,
        WANTED.astype(np.uint8)[:, None],
        WANTED.astype(np.float32),
        np.eye(3, dtype=np.float64)[WANTED],
        np.eye(3, dtype=bool)[WANTED],
        np.array(["emu", "cat", "dog", "dog"]),
        np.array([b"emu", b"cat", b"dog", b"dog"]),
        np.array(["Emu ", "CAT", "dog", "Dog"]),
        np.array(["2", "0", "1", "1"]),
    ],
    ids=["int", "column", "float", "one-hot", "bool one-hot", "names", "bytes", "loose names", "digits"],
)
def test_every_form_gives_the_same_indices(raw):
    labels = to_indices(raw, CLASSES)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, WANTED)


def test_bytes_are_utf_8():
    raw = np.array(["réd".encode(), b"blue"])
    np.testing.assert_array_equal(to_indices(raw, ("blue", "réd")), [1, 0])
    with pytest.raises(DataError, match="names must be UTF-8, but got b'r"):
        to_indices(np.array(["réd".encode("latin-1"), b"blue"]), ("blue", "réd"))


def test_numeric_class_names_are_names():
    np.testing.assert_array_equal(to_indices(np.array([3, 1, 2]), ("1", "2", "3")), [2, 0, 1])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.array([0, 3, -1]), r"0\.\.2, the class list, but 2 rows hold -1, 3"),
        (np.array([1, 2, 3]), "seem to count from 1"),
        (np.array([0.5, 1.0]), "whole numbers, but 1 are not"),
        (np.array([np.nan, 1.0]), "whole numbers"),
        (np.array(["cat", "dgo"]), "Did you mean 'dog'"),
        (np.array([[1, 1, 0], [0, 0, 1]]), "single 1 a row"),
        (np.zeros((4, 2)), r"got \(4, 2\)"),
        (np.array([1j, 2j]), "dtype complex128"),
    ],
)
def test_labels_outside_of_the_rules_are_named(raw, message):
    with pytest.raises(DataError, match=message):
        to_indices(raw, CLASSES)
