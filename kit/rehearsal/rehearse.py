"""The rehearsal of a zip: run as the platform runs it, every check with its figure, the report written last."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.artefact import sha256_file
from kit.config import ContestConfig, PlatformConfig
from kit.data.practice.contest import hidden_test
from kit.data.prepared import Prepared
from kit.echo import Echo
from kit.lock import temporary_folder
from kit.oof_store import load_runs
from kit.packaging import archive
from kit.packaging.form import label_values
from kit.packaging.pack import MANIFEST
from kit.rehearsal.calls import MANY_SECONDS, Calls, write_calls
from kit.rehearsal.checks import LEFT_OUT, Check, Surroundings, failed, passed
from kit.rehearsal.codabench import Scored, run_hidden
from kit.rehearsal.conduct import conduct, killed
from kit.rehearsal.environment import platform_python
from kit.rehearsal.interpreter import this_python
from kit.rehearsal.isolation import warning
from kit.rehearsal.jail import Mount
from kit.rehearsal.judgement import judge_predictions
from kit.rehearsal.manifest import read_manifest
from kit.rehearsal.notebook import try_notebook
from kit.rehearsal.other_forms import other_forms
from kit.rehearsal.predicted import ADAPTED_AGREE, LABELS_AGREE, Predictions, read_results
from kit.rehearsal.programs import driver
from kit.rehearsal.reference import Reference, make_reference
from kit.rehearsal.repeat import conditions, level_of
from kit.rehearsal.result import Rehearsal, report_path
from kit.rehearsal.sandbox import SUBMISSION, Interpreter, Job, Outcome, run_isolated
from kit.rehearsal.static import check_zip
from kit.rehearsal.watch import Limits
from kit.workspace import Workspace

UNPACKABLE = ("zip: paths", "zip: model.py")
"""Static checks without which there is nothing to run."""

PATIENCE = 4
"""All calls of a rehearsal together may take this many times the platform's limit for one."""


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
    """Rehearse any zip for `contest`, and write the report beside it.

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
    if weaker := warning():
        echo(weaker)
    level = level_of(platform, level)
    python = platform_python(platform, echo) if level == "platform" else this_python(platform)
    with temporary_folder() as scratch:
        submission = scratch / "submission"
        archive.unpack(zip_path, submission)
        manifest = read_manifest(submission / platform.weights_folder / MANIFEST)
        reference = _reference(manifest, platform, contest, prepared, workspace)
        checks, outcome = _run(submission, reference, platform, python, scratch, many_seconds)
        checks = [*static, *checks, *conduct(outcome)]
        if platform.artefact == "notebook":
            checks += try_notebook(
                submission, reference, contest.classes, contest.metric, platform, python, scratch / "kaggle"
            )
        hidden, forms = None, dict[str, float]()
        if contest.data.kind == "practice":
            scored = run_hidden(submission, *hidden_test(contest.seed), platform, python, scratch / "codabench")
            hidden = scored.scores.get(contest.metric)
            checks.append(_hidden_check(scored, hidden, manifest))
            forms = other_forms(submission, contest, platform, python, scratch, reference.adapts)
            forms |= {"contest": hidden} if hidden is not None else {}
    whole = not any(check.figure.startswith(LEFT_OUT) for check in checks)
    under = conditions(platform, contest, level, MANY_SECONDS if whole else many_seconds)
    return _report(zip_path, platform, level, checks, outcome.isolation, hidden, forms, under)


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
    under: dict[str, Any] | None = None,
) -> Rehearsal:
    """The rehearsal, its report written."""
    told = (zip_path, sha256_file(zip_path), platform.name, level, isolation, tuple(checks), hidden)
    made = Rehearsal(*told, forms or {}, under or {})
    made.to_json(report_path(zip_path))
    return made


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
    """Make all calls of the submission in one process, and judge what came back."""
    folders = {name: scratch / name for name in ("program", "input", "output")}
    for folder in folders.values():
        folder.mkdir()
    shutil.copy(driver.__file__, folders["program"])
    calls = write_calls(reference, platform, folders["input"], many_seconds)
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
    return _judge(submission, calls, folders["output"], platform, outcome), outcome


def _judge(
    submission: Path, calls: Calls, output: Path, platform: PlatformConfig, outcome: Outcome
) -> list[Check]:
    files = [str(path.relative_to(submission)) for path in submission.rglob("*") if path.is_file()]
    around = Surroundings(files, platform.class_name, tuple(platform.packages))
    agree = ADAPTED_AGREE if calls.reference.adapts else LABELS_AGREE
    predictions = Predictions(
        read_results(output),
        output,
        around,
        agree,
        platform.submits == "probabilities",
        label_values(platform, calls.reference.class_names),
    )
    if outcome.killed:
        return [killed(outcome, platform)]
    if "load" not in predictions.results:
        return [failed("starts", f"exit code {outcome.returncode}", f"no call returned: {outcome.stderr[-500:]}")]
    return judge_predictions(predictions, calls, platform)


def _hidden_check(scored: Scored, hidden: float | None, manifest: dict[str, Any] | None) -> Check:
    if hidden is None:
        reason = (scored.prediction.stderr or scored.scoring.stderr).strip().splitlines()[-1:]
        return failed("hidden test", "no score", f"the platform's two runs gave no score: {''.join(reason)}")
    expected = manifest and manifest["expected"]
    figure = f"achieved {hidden:.3f}"
    if expected:
        figure += f", expected {expected['point']:.3f} ({expected['low']:.3f} to {expected['high']:.3f})"
    return passed("hidden test", figure)
