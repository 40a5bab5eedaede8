"""kit upload, kit bundle."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from kit.artefact import read_npz
from kit.config import load_contest, load_platform
from kit.data.practice.contest import hidden_test
from kit.errors import PackagingError, UploadError
from kit.options import contest_option, make_console, make_echo, root_option
from kit.platforms import kaggle_upload, ledger
from kit.platforms.bundle import HiddenTest, write_bundle
from kit.platforms.upload import SERVER, Submitted
from kit.platforms.upload import upload as submit_zip
from kit.workspace import Workspace


@click.command()
@click.argument("path", metavar="ZIP", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--phase", help="Id of the phase on Codabench: the number in its address.")
@click.option("--server", default=SERVER, show_default=True, help="A Codabench of one's own.")
@click.option("--kaggle", "competition", help="Slug of a Kaggle contest; ZIP is then its CSV.")
@click.option("--dry-run", is_flag=True, help="Stop before anything is sent.")
@click.option("--wait", "seconds", default=3600.0, show_default=True, help="Seconds to wait for the score.")
@root_option
def upload(
    path: Path,
    phase: str | None,
    server: str,
    competition: str | None,
    dry_run: bool,
    seconds: float,
    root: Path,
) -> None:
    """Submit a rehearsed ZIP, wait for its score, and record both in the ledger."""
    workspace, echo = Workspace(root.resolve()), make_echo(make_console())
    if competition:
        _upload_to_kaggle(workspace, path, competition, dry_run, seconds)
        return
    if not phase:
        raise UploadError("a phase is needed. Give --phase ID (Codabench) or --kaggle SLUG")
    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bars:
        task = bars.add_task("upload", total=path.stat().st_size)
        made = submit_zip(
            path,
            phase,
            server=server,
            dry_run=dry_run,
            seconds=seconds,
            echo=echo,
            note=lambda sent, size: bars.update(task, completed=sent),
            taken=lambda made, left: ledger.record_upload(workspace, path, server, phase, made, left),
        )
    if made.id:
        _conclude(workspace, path, phase, made)


def _upload_to_kaggle(workspace: Workspace, path: Path, competition: str, dry_run: bool, seconds: float) -> None:
    """Submit a file of predictions to Kaggle, and record it and its public score."""
    echo = make_echo(make_console())
    found = kaggle_upload.submit(
        path,
        competition,
        path.stem,
        dry_run=dry_run,
        seconds=seconds,
        echo=echo,
        taken=lambda: ledger.record_upload(workspace, path, "kaggle", competition, "", None),
    )
    if not found:
        return
    score = found.get("publicScore") or ""
    echo(f"{found['status']}: public score {score or 'none'}")
    if score:
        ledger.record_score(workspace, path, competition, float(score))


def _conclude(workspace: Workspace, path: Path, phase: str, made: Submitted) -> None:
    """Record the score of a submission, and say what became of it."""
    console = make_console()
    for key, score in made.scores.items():
        console.print(f"{key} {score:.4f}", markup=False)
    if made.scores:
        ledger.record_score(workspace, path, phase, next(iter(made.scores.values())), made.id)
    for name, text in made.logs.items():
        console.print(f"--- {name}\n{text}", markup=False)
    if made.status != "Finished" or not made.scores:
        console.print(f"submission {made.id}: {made.status} without a score", markup=False)
        sys.exit(1)


@click.command()
@contest_option
@click.option("--platform", "platform_name", help="Name of a file in configs/platforms; the contest's by default.")
@click.option(
    "--hidden",
    multiple=True,
    metavar="PHASE=FILE",
    help="A phase's hidden images: npz with images and labels. May be repeated; the practice contest has its own.",
)
@click.option("--docker-image", default="codalab/codalab-legacy:py37", show_default=True,
              help="Image that submissions run in.")
@click.option("--days", default=30, show_default=True, help="Length of each phase.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The zip to write.")
def bundle(
    contest: str, platform_name: str | None, hidden: tuple[str, ...], docker_image: str, days: int, out: Path
) -> None:
    """Write a competition bundle: the contest as Codabench takes it from its organisers."""
    config = load_contest(contest)
    platform = load_platform(platform_name or config.platform)
    phases = {name: _read_hidden(name, file) for name, _, file in (item.partition("=") for item in hidden)}
    if not phases and config.data.kind == "practice":
        phases = {
            "development": HiddenTest(*hidden_test(config.seed)),
            "final": HiddenTest(*hidden_test(config.seed, phase="final")),
        }
    write_bundle(config, platform, phases, out, days=days, docker_image=docker_image)
    echo = make_echo(make_console())
    echo(
        f"{out}: {', '.join(phases)}, {out.stat().st_size / 1e6:.1f} MB. Upload it on Codabench: Benchmarks, Management"
    )


def _read_hidden(name: str, file: str) -> HiddenTest:
    arrays = read_npz(Path(file))
    if not arrays.keys() >= {"images", "labels"}:
        raise PackagingError(f"{file}: must hold images and labels for phase {name}, but holds {', '.join(arrays)}")
    return HiddenTest(arrays["images"], arrays["labels"].reshape(-1))
