"""The rehearsal of a zip: run as the platform runs it, every check with its figure, the report written last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text

from kit.artefact import sha256_file, write_json
from kit.config import ContestConfig, PlatformConfig
from kit.data.practice.contest import hidden_test
from kit.data.practice.forms import FORMS
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.errors import RehearsalError
from kit.lock import temporary_folder
from kit.oof_store import load_runs
from kit.packaging import archive
from kit.packaging.pack import MANIFEST
from kit.rehearsal.answers import ADAPTED_AGREE, LABELS_AGREE, Answers, read_results
from kit.rehearsal.checks import NO_SCORES, Check, Surroundings, failed, judge, passed
from kit.rehearsal.codabench import Scored, run_hidden
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import missing_packages, this_python
from kit.rehearsal.jail import Mount
from kit.rehearsal.judgement import judge_answers
from kit.rehearsal.notebook import try_notebook
from kit.rehearsal.programs import driver
from kit.rehearsal.questions import MANY_SECONDS, Questions, ask
from kit.rehearsal.reference import Reference, make_reference
from kit.rehearsal.sandbox import SUBMISSION, Interpreter, Job, Limits, Outcome, run_isolated
from kit.rehearsal.static import check_zip
from kit.table import Column, Grid
from kit.workspace import Workspace

PRINTED_BYTES = 1 << 20
"""A submission that prints more floods the platform's log."""

UNPACKABLE = ("zip: paths", "zip: model.py")
"""Static checks without which there is nothing to run."""

FORM_ROWS = 400
"""Images of each form of the practice contest's hidden test but the announced one."""

PATIENCE = 4
"""All calls of a rehearsal together may take this many times the platform's limit for one."""


@dataclass(frozen=True)
class Rehearsal:
    """How a zip did."""

    zip: Path
    sha256: str
    platform: str
    level: str
    isolation: str
    checks: tuple[Check, ...]
    hidden: float | None
    """Score on the practice contest's hidden test, in the contest's metric."""
    forms: dict[str, float] = field(default_factory=dict)
    """The same by form of that test: clean, natural, contest, laboratory."""

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    def table(self) -> Grid:
        """The checks for a terminal."""
        failures = sum(not check.passed for check in self.checks)
        title = f"{self.zip.name} on {self.platform}: " + (f"{failures} failed" if failures else "passed")
        rows: list[list[str | Text]] = []
        for check in self.checks:
            mark = Text("ok", "green") if check.passed else Text("FAILED", "red")
            lines = [check.figure]
            if not check.passed:
                lines += [check.wrong, f"The platform would show: {check.shown}"]
            rows.append([check.name, mark, "\n".join(lines)])
        return Grid([Column(name, number=False) for name in ("check", "", "figure")], rows, title)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_json(self, path: Path) -> None:
        """Write the report; it exists only when the rehearsal came to its end."""
        values = asdict(self) | {"zip": self.zip.name, "passed": self.passed, "checks": list(map(asdict, self.checks))}
        write_json(path, values)


def report_path(zip_path: Path) -> Path:
    """Where the report of a zip lies: `best5.zip` -> `best5.rehearsal.json`."""
    return zip_path.with_suffix(".rehearsal.json")


def rehearse(
    zip_path: Path,
    platform: PlatformConfig,
    *,
    contest: ContestConfig,
    prepared: Prepared,
    workspace: Workspace,
    level: str | None = None,
    echo: Echo = print,
    many_seconds: float = MANY_SECONDS,
) -> Rehearsal:
    """Rehearse any zip that answers `contest`, and write the report beside it.

    level: "run" in this Python with the platform's other packages hidden, or "platform" in an environment
    with exactly its packages, made where it is missing; by default "run" where this Python has all of them.
    many_seconds: the call with thousands of images is left out, and said to be, where it would take longer.

    A zip that the kit made is also held against the out-of-fold store in `workspace`; the practice
    contest's are scored on its hidden test. RehearsalError when the zip cannot be opened or leads outside
    of its folder.
    """
    report_path(zip_path).unlink(missing_ok=True)
    static = check_zip(zip_path, platform)
    if not all(check.passed for check in static if check.name in UNPACKABLE):
        return _report(zip_path, platform, level or "run", static)
    level = level or ("platform" if missing_packages(platform) else "run")
    python = platform_python(platform, echo) if level == "platform" else this_python(platform)
    with temporary_folder() as scratch:
        submission = scratch / "submission"
        archive.unpack(zip_path, submission)
        manifest = _manifest(submission, platform)
        reference = _reference(manifest, platform, contest, prepared, workspace)
        checks, outcome = _run(submission, reference, platform, python, scratch, many_seconds)
        checks = [*static, *checks, *_conduct(outcome)]
        if platform.artefact == "notebook":
            checks += try_notebook(
                submission, reference, contest.classes, contest.metric, platform, python, scratch / "kaggle"
            )
        hidden, forms = None, dict[str, float]()
        if contest.data.kind == "practice":
            scored = run_hidden(submission, *hidden_test(contest.seed), platform, python, scratch / "codabench")
            hidden = scored.scores.get(contest.metric)
            checks.append(_hidden_check(scored, hidden, manifest))
            forms = _other_forms(submission, contest, platform, python, scratch)
            forms |= {"contest": hidden} if hidden is not None else {}
    return _report(zip_path, platform, level, checks, outcome.isolation, hidden, forms)


def _other_forms(
    submission: Path, contest: ContestConfig, platform: PlatformConfig, python: Interpreter, scratch: Path
) -> dict[str, float]:
    """Scores on the practice contest's hidden test in its other forms, of fewer images than the announced one."""
    found = {}
    for form in FORMS:
        if form != "contest":
            images, labels = hidden_test(contest.seed, FORM_ROWS, form=form)
            scored = run_hidden(submission, images, labels, platform, python, scratch / form)
            if (score := scored.scores.get(contest.metric)) is not None:
                found[form] = score
    return found


def check(zip_path: Path, platform: PlatformConfig) -> Rehearsal:
    """Level `check`: what can be told of a zip without running it. No report is written, so it stays here."""
    checks = tuple(check_zip(zip_path, platform))
    return Rehearsal(zip_path, sha256_file(zip_path), platform.name, "check", "not run", checks, None)


def _report(
    zip_path: Path,
    platform: PlatformConfig,
    level: str,
    checks: Sequence[Check],
    isolation: str = "not run",
    hidden: float | None = None,
    forms: dict[str, float] | None = None,
) -> Rehearsal:
    """The rehearsal, its report written."""
    told = (zip_path, sha256_file(zip_path), platform.name, level, isolation, tuple(checks), hidden, forms or {})
    made = Rehearsal(*told)
    made.to_json(report_path(zip_path))
    return made


def _manifest(submission: Path, platform: PlatformConfig) -> dict[str, Any] | None:
    """The kit's manifest, or None for a zip that others made."""
    path = submission / platform.weights_folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RehearsalError(f"{MANIFEST} in the zip is no JSON ({error}). Pack it again: kit package") from error
    return manifest if isinstance(manifest, dict) and "members" in manifest else None


def _reference(
    manifest: dict[str, Any] | None,
    platform: PlatformConfig,
    contest: ContestConfig,
    prepared: Prepared,
    workspace: Workspace,
) -> Reference:
    if manifest is None:
        return make_reference(prepared, platform.rehearsal_rows)
    runs = load_runs(workspace, contest.name, manifest["recipes"])
    return make_reference(prepared, platform.rehearsal_rows, manifest, runs)


def _run(
    submission: Path,
    reference: Reference,
    platform: PlatformConfig,
    python: Interpreter,
    scratch: Path,
    many_seconds: float,
) -> tuple[list[Check], Outcome]:
    """Put all questions to the submission in one process, and judge what came back."""
    folders = {name: scratch / name for name in ("program", "input", "output")}
    for folder in folders.values():
        folder.mkdir()
    shutil.copy(driver.__file__, folders["program"])
    questions = ask(reference, platform, folders["input"], many_seconds)
    mounts = (
        Mount(submission, SUBMISSION),
        Mount(folders["program"], "/app/program"),
        Mount(folders["input"], "/app/input_data"),
        Mount(folders["output"], "/app/output", writable=True),
    )
    job = Job("/app/program/driver.py", ("/app/input_data/plan.json", "/app/output"), mounts, "/app/program")
    seconds = PATIENCE * (platform.max_seconds or 600.0)
    limits = Limits(seconds, platform.max_memory_mb, platform.shm_mb, platform.threads)
    outcome = run_isolated(job, python, limits)
    return _judge(submission, questions, folders["output"], platform, outcome), outcome


def _judge(
    submission: Path, questions: Questions, output: Path, platform: PlatformConfig, outcome: Outcome
) -> list[Check]:
    files = [str(path.relative_to(submission)) for path in submission.rglob("*") if path.is_file()]
    around = Surroundings(files, platform.class_name, tuple(platform.packages))
    agree = ADAPTED_AGREE if questions.reference.adapts else LABELS_AGREE
    answers = Answers(read_results(output), output, around, agree, platform.submits == "probabilities")
    if outcome.killed:
        return [_killed(outcome, platform)]
    if "load" not in answers.results:
        return [failed("starts", f"exit code {outcome.returncode}", f"nothing was answered: {outcome.stderr[-500:]}")]
    return judge_answers(answers, questions, platform)


def _killed(outcome: Outcome, platform: PlatformConfig) -> Check:
    reasons = {
        "time": ("too slow: it was ended. Predict in batches, blend fewer networks", "Execution time limit exceeded"),
        "memory": ("too much memory: it was ended. Predict in batches, one view at a time", NO_SCORES),
        "output": ("prints megabytes: it was ended. Print nothing in predict", NO_SCORES),
    }
    figures = {
        "time": f"ended after {outcome.seconds:.0f} s",
        "memory": f"{outcome.peak_mb:,.0f} MB (limit {platform.max_memory_mb or 0:,.0f} MB)",
        "output": f"{outcome.printed_bytes / 1e6:.0f} MB printed",
    }
    return failed(outcome.killed, figures[outcome.killed], *reasons[outcome.killed])


def _conduct(outcome: Outcome) -> list[Check]:
    """What the submission tried beside answering."""
    rules = (
        ("network", "no network", "it reaches for the network (download), which is off. Ship what it needs"),
        ("process", "no processes", "it spawns workers or commands; /dev/shm is small and cores are few"),
        ("write", "writes nothing", "it writes beside itself, where the platform may not let it"),
        ("outside", "stays inside", "it opens files outside of the submission"),
    )
    checks = []
    for kind, title, wrong in rules:
        seen = [event for event in outcome.events if event["kind"] == kind and (event["at"] or kind == "outside")]
        figure = ", ".join(sorted({event["at"] or event["value"] for event in seen})[:3]) or "none seen"
        checks.append(judge(title, not seen, figure, wrong))
    printed = f"{outcome.printed_bytes:,} bytes"
    wrong = "prints megabytes, which floods the platform's log. Print nothing in predict"
    return [*checks, judge("prints little", outcome.printed_bytes <= PRINTED_BYTES, printed, wrong)]


def _hidden_check(scored: Scored, hidden: float | None, manifest: dict[str, Any] | None) -> Check:
    if hidden is None:
        reason = (scored.prediction.stderr or scored.scoring.stderr).strip().splitlines()[-1:]
        return failed("hidden test", "no score", f"the platform's two runs gave no score: {''.join(reason)}")
    expected = manifest and manifest["expected"]
    figure = f"achieved {hidden:.3f}"
    if expected:
        figure += f", expected {expected['point']:.3f} ({expected['low']:.3f} to {expected['high']:.3f})"
    return passed("hidden test", figure)
