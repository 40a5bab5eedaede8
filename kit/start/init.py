"""From a path to a contest file that loads."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kit.artefact import write_bytes
from kit.config import ContestConfig, parse
from kit.data.forms.recognise import recognise
from kit.errors import ConfigError, DataError
from kit.start.file import contest_text, platform_text
from kit.start.recipes import machine_line, starting_recipes, weights_doubts
from kit.start.sample import BASE, sample_beside, what_sample_asks
from kit.start.survey import survey

CODE_PLATFORM = "codabench-timm"


@dataclass(frozen=True)
class Started:
    """What `kit init` wrote, and what it saw."""

    contest: ContestConfig
    files: tuple[Path, ...]
    facts: tuple[str, ...]
    doubts: tuple[str, ...]
    next_command: str

    def __str__(self) -> str:
        """A line for everything that was seen, that was unsure and that was written."""
        parts = (("seen", self.facts), ("unsure", self.doubts), ("written", map(str, self.files)))
        return "\n".join(f"{title:<9} {line}" for title, lines in parts for line in lines)


def start(
    name: str,
    data: Path,
    test: Path | None = None,
    sample: Path | None = None,
    platform: str | None = None,
    folder: Path = Path("configs"),
    force: bool = False,
) -> Started:
    """Looks at the data and writes `<folder>/contests/<name>.toml`.

    test: unlabelled test images. sample: the contest's sample submission, the one beside the data by default, whose
    columns become a platform file where the kit's own profile has others. ConfigError for a name that no folder can
    have and a file that is there already (unless `force`), DataError for data in no form that the kit reads. Nothing is
    written then.
    """
    target = folder / "contests" / f"{name}.toml"
    if target.exists() and not force:
        raise ConfigError(f"{target}: is there already. Give another NAME, or --force to write it anew")
    if test is not None and not test.exists():
        raise DataError(f"{test}: no such file or folder. Give --test the unlabelled test images")
    found = recognise(data)
    looks = survey(found)
    sample = sample or sample_beside(data)
    found.test = str(test) if test is not None else found.test
    facts = [*found.facts, *looks.lines]
    doubts = [*found.doubts, *looks.doubts]
    texts: dict[Path, str] = {}
    chosen, metric = platform or CODE_PLATFORM, ""
    if sample is not None:
        asked = what_sample_asks(sample, found.classes)
        facts.append(asked.line)
        metric = asked.metric
        doubts += asked.doubts
        chosen = platform or (BASE if asked.same else name)
        if not platform and not asked.same:
            texts[folder / "platforms" / f"{name}.toml"] = platform_text(name, BASE, asked.platform)
    elif not platform:
        doubts.append(f"Nothing says what is submitted where: {chosen} is assumed. kit platforms lists the others.")
    recipes = starting_recipes(looks.image_size)
    facts.append(machine_line(recipes))
    doubts += weights_doubts()
    command = f"python make_submission.py --contest {name} --budget 60"
    text = contest_text(name, found, looks, chosen, recipes, facts, doubts, command, sample, metric)
    contest = parse(ContestConfig, tomllib.loads(text), target)
    for path, content in {**texts, target: text}.items():
        if path != target and path.exists() and not force:
            raise ConfigError(f"{path}: is there already. Give another NAME, or --force to write it anew")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.encode())
    return Started(contest, (target, *texts), tuple(facts), tuple(doubts), command)
