"""What a reader of the repository relies on: the tree in the README, the changelog, nothing of the author's machine."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from kit.workspace import PROJECT

TEXT = {".py", ".md", ".toml", ".cfg", ".sh", ".txt", ".json", ".html", ".css", ""}


def repository_files() -> list[Path]:
    """What belongs to the repository: tracked files, or all but caches in an unpacked archive of it."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(PROJECT)) for path in PROJECT.rglob("*") if "cache" not in str(path)]
    return [PROJECT / name for name in listed if name and (PROJECT / name).is_file()]


FILES = repository_files()
TEXTS = [path for path in FILES if path.suffix in TEXT]
SOURCES = [path for path in FILES if path.suffix == ".py"]


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def found(pattern: str, paths: list[Path]) -> list[str]:
    """"file:line: text" wherever `pattern` occurs."""
    search = re.compile(pattern)
    return [
        f"{named(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if search.search(line)
    ]


OTHERS = [path for path in TEXTS if path != Path(__file__)]


def test_no_path_of_somebodys_machine() -> None:
    assert found(r"/(root|work|Users)/\w|/home/(?!me\b)\w", OTHERS) == []


def test_no_issue_numbers_or_marks_of_unfinished_work() -> None:
    prose = [path for path in OTHERS if path.suffix != ".json"]
    assert found(r"(?i)\bissue #?\d|(?<![\w&#x])#\d{1,4}\b(?!\d*[a-fA-F;])|\b(TODO|FIXME|XXX|HACK)\b", prose) == []
    assert found(r"raise NotImplementedError", [path for path in SOURCES if path != Path(__file__)]) == []


WORDS = {
    "image": r"pictures?",
    "predict, prediction, respond, reply": r"answer(s|ed|ing)?",
    "predict, evaluate": r"ask(s|ed|ing)? (again|about)",
    "submit": r"hand(s|ed|ing)? in|(?<=_)hand_in",
    "fix": r"mend(s|ed|ing)?",
    "be replaced by": r"gives? way|gave way",
    "requested": r"wish(es|ed)? ?epochs|as it wishes",
    "pipeline, run": r"journeys?|walks? through the stages",
    "sweep, summary": r"the (night|morning) (of|after)",
    "resumed, pruned": r"trials? (was|were|is|are) (taken|given) up",
}
"""The field's word, and the paraphrases of it that the repository does not use."""


@pytest.mark.parametrize("word", WORDS)
def test_the_fields_words_are_used(word: str) -> None:
    prose = [path for path in OTHERS if not path.name.startswith("CHANGELOG")]
    assert found(rf"(?i)(?<![a-z])({WORDS[word]})(?![a-z])", prose) == []


def test_no_large_or_binary_data_is_tracked() -> None:
    assert [named(path) for path in FILES if path.stat().st_size > 1_000_000] == []
    assert [named(path) for path in FILES if path.suffix in (".npz", ".zip", ".pt", ".safetensors", ".pkl")] == []


def test_artefacts_are_not_tracked() -> None:
    for folder in ("oof", "submissions"):
        inside = [named(path) for path in FILES if named(path).startswith(f"{folder}/")]
        assert inside == [f"{folder}/README.md"]


def test_every_module_says_what_it_is() -> None:
    bare = [
        named(path)
        for path in SOURCES
        if named(path).startswith(("kit/", "benchmarks/")) and path.stat().st_size
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert bare == []


# ------------------------------------------------------------------------------------------------------ README
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_both_commands() -> None:
    assert "python make_submission.py" in README
    assert "pip install -e '.[test]'" in README
    assert "pytest" in README


def test_every_room_has_a_line_in_the_architecture() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {f"kit/{path.parent.relative_to(PROJECT / 'kit').parts[0]}/" for path in (PROJECT / "kit").glob("*/*.py")}
    files = {named(path) for path in (PROJECT / "kit").glob("*.py") if not path.name.startswith("__")}
    assert sorted(name for name in rooms | files if f"`{name}`" not in page) == []


def test_files_that_the_architecture_names_are_there() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named_files = re.findall(r"`((?:kit|tests)/[\w/]+(?:\.py|/))`", page)
    assert named_files
    assert [name for name in named_files if not (PROJECT / name).exists()] == []


def test_links_of_the_documentation_lead_somewhere() -> None:
    broken = []
    for page in (path for path in FILES if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{named(page)} -> {target}")
    assert broken == []


def test_every_recipe_contest_and_command_that_the_readme_calls_is_there() -> None:
    from kit.cli import COMMANDS
    from kit.config import list_names

    called = set(re.findall(r"^kit ([a-z]+)", README, re.MULTILINE))
    assert called <= set(COMMANDS)
    contests = set(re.findall(r"--contest ([\w-]+)", README)) - {"mine", "NAME"}
    assert contests <= set(list_names("contests"))


# ----------------------------------------------------------------------------------------------------- packaging
def test_the_version_is_one() -> None:
    import kit

    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    assert setup["metadata"]["version"] == kit.__version__


def test_pyproject_holds_the_build_system_alone() -> None:
    assert list(tomllib.loads((PROJECT / "pyproject.toml").read_text())) == ["build-system"]


def test_the_changelog_has_an_unreleased_section() -> None:
    assert re.search(r"^## .*unreleased", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE | re.IGNORECASE)


CARRIED = "kit/inference/runtimes/"
"""Files that are copied into zips and never imported here: they import what a platform has."""


def test_what_a_zip_carries_imports_what_platforms_have() -> None:
    import sys

    from kit.config import list_names, load_platform

    for path in (path for path in SOURCES if named(path).startswith(CARRIED)):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        wanted = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
        runtime = path.stem.removesuffix("_runtime")
        platforms = [load_platform(name) for name in list_names("platforms")]
        ready = [one for one in platforms if runtime in one.runtimes and one.artefact == "code"]
        assert runtime == path.stem or ready
        assert all(wanted <= {*one.packages, "numpy"} for one in ready), path.name
        assert ready or wanted <= {"numpy"}


def test_every_package_that_the_kit_imports_is_a_dependency() -> None:
    import sys

    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    wanted = setup["options"]["install_requires"] + "".join(setup["options.extras_require"].values())
    known = {re.split(r"[<>=\[;\s]", line)[0].lower().replace("-", "_") for line in wanted.split("\n") if line}
    aliases = {"cv2": "opencv_python_headless", "PIL": "pillow"}
    aliases |= {"sklearn": "scikit_learn", "imblearn": "imbalanced_learn", "yaml": "pyyaml"}
    missing = set()
    for path in SOURCES:
        if not named(path).startswith(("kit/", "make_submission")) or named(path).startswith(CARRIED):
            continue
        for node in ast.parse(path.read_text()).body:  # what a whole file needs; extras are imported in functions
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            missing |= {aliases.get(name.split(".")[0], name.split(".")[0].lower()) for name in names}
    assert missing - known - {name.lower() for name in sys.stdlib_module_names} - {"kit"} == set()


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "setup.cfg", "pyproject.toml", ".ci/run"])
def test_what_every_checkout_needs_is_there(name: str) -> None:
    assert (PROJECT / name).stat().st_size > 0
