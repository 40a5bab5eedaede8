"""How stages report: a function that takes a line, and what the command line asks of output."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import click

Echo = Callable[[str], object]
FLAG = "kit."
"""In front of the names of the flags that a command's context remembers."""


SLOW_OPERATOR = ".* MPS backend and will fall back to run on the CPU"
"""torch's warning that an Apple chip lacks an operator."""


def hide_warnings() -> None:
    """Warnings are for developers, but for one that explains to anybody why training is slow."""
    warnings.filterwarnings("ignore")
    warnings.filterwarnings("once", message=SLOW_OPERATOR)


def asked_for(name: str) -> bool:
    """Whether --NAME (wide, quiet or debug) was given to the command that runs."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(FLAG + name))
