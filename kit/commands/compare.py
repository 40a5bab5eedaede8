"""kit compare."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from kit.cluster.threads import worker_count
from kit.commands.printing import print_json
from kit.comparison.bench import Bench, technique_names
from kit.comparison.figure import write_figure
from kit.comparison.scale import Scale
from kit.comparison.tables import ablation_table, recall_table, recipe_table, write_tables
from kit.config import load_contest
from kit.data.prepared import prepare
from kit.errors import ConfigError
from kit.options import (
    cluster_option,
    contest_options,
    json_option,
    make_console,
    make_echo,
    wide_option,
    workers_option,
)
from kit.pipeline.named import find_recipe
from kit.pipeline.plan import planned
from kit.pipeline.stages.recipes import split_names
from kit.workspace import Workspace


@click.command()
@contest_options
@click.option("--recipes", default="", help="Comma-separated recipes to hold against each other.")
@click.option("--ablate", default="", help="Comma-separated recipes whose techniques are turned over one by one.")
@click.option("--techniques", default="", help="Comma-separated techniques to turn over; all that apply by default.")
@click.option("--rows", type=click.IntRange(min=2), help="Keep about so many rows, classes in their shares.")
@click.option("--folds", type=click.IntRange(min=2), help="Folds, where the contest's are too many.")
@click.option("--cells", type=click.IntRange(min=1), help="Shifted images a row.")
@click.option("--size", type=click.IntRange(min=1), help="Largest size that networks see, where they take it.")
@click.option("--epochs", type=float, help="Most epochs.")
@click.option("--offline", is_flag=True, help="No hub: local weights files, or else training from random weights.")
@click.option("--swap", multiple=True, metavar="A=B", help="Network B stands for A; may be given more than once.")
@workers_option
@cluster_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the CSVs and the figure.")
@wide_option
@json_option
def compare(
    contest: str,
    data: Path | None,
    root: Path,
    recipes: str,
    ablate: str,
    techniques: str,
    rows: int | None,
    folds: int | None,
    cells: int | None,
    size: int | None,
    epochs: float | None,
    offline: bool,
    swap: tuple[str, ...],
    workers: str | None,
    cluster: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Train what is missing of --recipes and --ablate, and print how they compare.

    Scores, overfitting, time and size of every recipe, and what each technique brings to its own base. --rows,
    --folds, --cells, --size, --epochs, --offline and --swap make everything smaller, under names that say so.
    Interrupted, the same command goes on.
    """
    workspace, console = Workspace(root.resolve()), make_console(as_json)
    config = planned(load_contest(contest), workspace)
    wanted, bases = ([find_recipe(name) for name in split_names(names)] for names in (recipes, ablate))
    if not wanted and not bases:
        raise click.UsageError("nothing to compare: give --recipes or --ablate")
    chosen = technique_names(split_names(techniques))
    scale = Scale(rows, folds, cells, size, epochs, offline, read_swaps(swap))
    echo = make_echo(console)
    bench = Bench(config, prepare(config, data, workspace, echo), workspace, scale, echo)
    bench.check([*wanted, *bases])
    count = worker_count(workers, bench.small, bench.rows, scale.recipe([*wanted, *bases][0]), workspace, echo)
    bench.train(wanted, bases, chosen, count, cluster)
    for recipe in wanted:
        bench.run(recipe)
    for base in bases:
        bench.ablate(base, chosen)
    folder = out or workspace.oof(bench.small.name) / "comparison"
    conclude(bench, folder, console)
    if as_json:
        rows_of = [one.row(bench.rows.class_names) for one in bench.lines.values()]
        print_json({"recipes": rows_of, "techniques": [one.row for one in bench.differences]})


def conclude(bench: Bench, folder: Path, console: Console) -> None:
    """The tables on the terminal, and as files beside a figure."""
    lines, names = list(bench.lines.values()), bench.rows.class_names
    count = len(set(bench.rows.folds[bench.rows.folds >= 0].tolist()))
    console.print(recipe_table(lines, f"{bench.small.name}: {len(bench.rows.ids):,} rows, {count} folds"))
    console.print(recall_table(lines, names))
    if bench.differences:
        console.print(ablation_table(bench.differences))
    paths = write_tables(folder, lines, bench.differences, names)
    write_figure(folder / "comparison.svg", lines, bench.differences)
    for path in [*paths, folder / "comparison.svg"]:
        console.print(f"written   {path}", soft_wrap=True, markup=False)


def read_swaps(given: tuple[str, ...]) -> dict[str, str]:
    """ "A=B" as {A: B}; ConfigError for another form."""
    pairs = [text.partition("=") for text in given]
    for text, (name, _, other) in zip(given, pairs):
        if not name or not other:
            raise ConfigError(f"--swap must be A=B, two networks, but got {text!r}")
    return {name: other for name, _, other in pairs}
