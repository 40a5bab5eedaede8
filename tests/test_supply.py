"""The lock file beside the open install: whole, hashed, and within what setup.cfg asks for."""

from __future__ import annotations

import configparser
import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kit.workspace import PROJECT

LOCK = (PROJECT / ".ci" / "lock.txt").read_text(encoding="utf-8")


def locked() -> dict[str, str]:
    """Name -> version of every entry."""
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}


def wanted() -> list[Requirement]:
    """What setup.cfg and its extra `test` require."""
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    lists = config["options"]["install_requires"], config["options.extras_require"]["test"]
    return [Requirement(line) for text in lists for line in text.splitlines() if line.strip()]


def test_the_lock_satisfies_what_is_asked_for() -> None:
    have = locked()
    missing = [one.name for one in wanted() if canonicalize_name(one.name) not in have]
    assert missing == []
    outside = [
        f"{one} but {have[canonicalize_name(one.name)]}"
        for one in wanted()
        if not one.specifier.contains(have[canonicalize_name(one.name)], prereleases=True)
    ]
    assert outside == []


def test_every_entry_has_hashes_and_no_host() -> None:
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in LOCK
    assert not re.search(r"^\s*-(?!-hash)", LOCK, re.MULTILINE)  # no option, such as an index, is set
