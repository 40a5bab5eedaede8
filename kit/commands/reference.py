"""kit reference."""

from __future__ import annotations

import click

from kit.reference import reference as make_reference


@click.command()
def reference() -> None:
    """Print every key of every config file, with its values and default, as Markdown."""
    click.echo(make_reference(), nl=False)
