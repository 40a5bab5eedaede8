"""A `.keras` file says which Keras saved it, and the static checks say what that means on the platform."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from kit.config import PlatformConfig, load_platform
from kit.rehearsal.keras_checks import check_keras, saved_by

PLATFORM = load_platform("an2dl2024")


def keras_file(metadata: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", metadata)
        archive.writestr("config.json", "{}")
    return buffer.getvalue()


def of(version: str) -> bytes:
    return keras_file(json.dumps({"keras_version": version, "date_saved": "2026-01-01"}))


@pytest.mark.parametrize(
    ("version", "holds", "says"),
    [
        ("3.4.1", True, "3.4.1"),
        ("3.3.0", True, "3.3.0"),
        ("3.12.0", True, "newer"),
        ("3.15.1", False, "3.15.1"),
        ("3.10.0", True, "newer"),
    ],
)
def test_versions_are_compared_as_numbers(version: str, holds: bool, says: str) -> None:
    found = check_keras({"net.keras": of(version), "other.keras": of("3.0.0")}, PLATFORM)
    assert found is not None
    assert found.passed is holds
    assert says in found.figure
    assert holds or "keras==3.4.1" in found.wrong


SILENT = (b"", b"no zip", keras_file("[]"), keras_file("{"), keras_file('{"keras_version": null}'))


@pytest.mark.parametrize("data", SILENT)
def test_files_that_do_not_say_are_left_to_the_run(data: bytes) -> None:
    assert saved_by(data) == ()
    assert check_keras({"net.keras": data}, PLATFORM) is None


def test_a_platform_without_keras_has_nothing_to_compare() -> None:
    assert check_keras({"net.keras": of("3.15.1")}, PlatformConfig(packages={"torch": "2.4"})) is None
