"""How stages report: a function that takes a line, and what the command line asks of output."""

from __future__ import annotations

from collections.abc import Callable

import click

Echo = Callable[[str], object]
FLAG = "kit."
"""In front of the names of the flags that a command's context remembers."""


def asked_for(name: str) -> bool:
    """Whether --NAME (wide, quiet or debug) was given to the command that runs."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(FLAG + name))
