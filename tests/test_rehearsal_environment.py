"""Environments of platforms: made once, complete or made again, and how one hides what a platform lacks."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from submit_toy import toy_platform

from kit.config import list_names, load_platform
from kit.errors import RehearsalError
from kit.platforms.profiles import explain, overview
from kit.rehearsal import environment
from kit.rehearsal.environment import environment_folder, find_python, platform_python, requirements
from kit.rehearsal.interpreter import closure, missing_packages, this_python

HERE = "{}.{}".format(*sys.version_info[:2])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KIT_CACHE", str(tmp_path))
    return tmp_path


def test_an_environment_is_made_once_and_again_when_it_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    platform = toy_platform(python=HERE, packages={"numpy": ""})
    ran: list[list[str]] = []

    def run(command: list[str], platform: object) -> str:
        ran.append(command)
        return sys.base_prefix

    monkeypatch.setattr(environment, "_run", run)
    said: list[str] = []
    python = platform_python(platform, said.append)
    assert python.executable == environment_folder(platform) / "bin" / "python"
    assert "numpy" in said[0]
    count = len(ran)
    platform_python(platform, said.append)
    assert (len(ran), len(said)) == (count, 1)
    (environment_folder(platform) / environment.MARKER).unlink()
    platform_python(platform, said.append)
    assert len(said) == 2


def test_two_commands_at_once_make_it_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = toy_platform(python=HERE, packages={})
    ran: list[list[str]] = []

    def run(command: list[str], platform: object) -> str:
        ran.append(command)
        time.sleep(0.1)
        return sys.base_prefix

    monkeypatch.setattr(environment, "_run", run)
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: platform_python(platform, said.append), range(2)))
    assert made[0] == made[1]
    assert sum("venv" in command for command in ran) == 1
    assert sorted(line.split()[0] for line in said) == ["another", "making"]
    assert [path.name for path in environment.cache_folder().iterdir()] == [environment_folder(platform).name]


def test_what_a_killed_command_left_is_removed_and_a_failure_leaves_nothing(cache: Path) -> None:
    platform = toy_platform(python=HERE, packages={"/nowhere/at-all.whl": ""})
    left = environment.cache_folder() / f".{environment_folder(platform).name}-left"
    left.mkdir(parents=True)
    with pytest.raises(RehearsalError, match="environment could not be made"):
        platform_python(platform, lambda line: None)
    assert list(environment.cache_folder().iterdir()) == []


def test_an_environment_runs_its_own_python() -> None:
    python = platform_python(toy_platform(python=HERE, packages={}), lambda line: None)
    assert python.executable.exists()
    marker = json.loads((environment_folder(toy_platform(python=HERE, packages={})) / environment.MARKER).read_text())
    assert Path(marker["base"]).is_dir()


def test_versions_become_requirements() -> None:
    platform = toy_platform(packages={"a": "1.2", "b": "", "c": ">=2,<3"})
    assert requirements(platform) == ["a==1.2", "b", "c>=2,<3"]
    assert environment_folder(platform) != environment_folder(toy_platform(packages={"a": "1.3"}))


def test_a_missing_python_names_the_ways_to_get_it() -> None:
    with pytest.raises(RehearsalError, match=r"Python 3\.99.*uv python install 3\.99"):
        find_python("3.99")
    assert find_python(HERE).exists()


def test_a_failing_installation_gives_the_reason() -> None:
    platform = toy_platform(python=HERE, packages={"/nowhere/at-all.whl": ""})
    with pytest.raises(RehearsalError, match="environment could not be made"):
        platform_python(platform, lambda line: None)
    assert not (environment_folder(platform) / environment.MARKER).exists()


def test_this_python_hides_what_the_platform_lacks() -> None:
    python = this_python(toy_platform(packages={"torch": "", "numpy": ""}))
    assert {"timm", "torchvision", "pandas", "kit"} <= set(python.blocked)
    assert not {"torch", "numpy", "sympy"} & set(python.blocked)
    assert "sympy" in closure(["torch"])


def test_a_package_that_is_not_here_asks_for_the_other_level() -> None:
    platform = toy_platform(packages={"no-such-package": ""})
    assert missing_packages(platform) == ["no-such-package"]
    with pytest.raises(RehearsalError, match="--level platform"):
        this_python(platform)


@pytest.mark.parametrize("name", list_names("platforms"))
def test_every_profile_is_valid_and_explained(name: str) -> None:
    assert len(explain(load_platform(name)).rows) >= 3
    assert len(overview().rows) == len(list_names("platforms"))
