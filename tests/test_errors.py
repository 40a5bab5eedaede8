from __future__ import annotations

import inspect
import re

import pytest

from kit import errors
from kit.errors import KitError, did_you_mean

CLASSES = {name: found for name, found in inspect.getmembers(errors, inspect.isclass) if name.endswith("Error")}


def test_the_docstring_draws_the_whole_tree() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"^(?:[├└]── )?(\w+Error)\b", errors.__doc__, re.MULTILINE))
    assert drawn == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_is_a_kit_error_with_a_sentence(name: str) -> None:
    assert issubclass(CLASSES[name], KitError)
    assert CLASSES[name].__doc__


def test_the_root_is_not_caught_by_accident() -> None:
    # A handler of bugs (ValueError, OSError, RuntimeError) must not swallow a message meant for the user.
    assert KitError.__bases__ == (Exception,)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("practise", " Did you mean 'practice'?"),
        ("an2dl2042", " Did you mean 'an2dl2024'?"),
        ("practice", " Did you mean 'practice'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_near_name_is_suggested(name: str, hint: str) -> None:
    assert did_you_mean(name, ["practice", "an2dl2024"]) == hint


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert did_you_mean("practice", []) == ""
