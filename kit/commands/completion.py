"""kit completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from kit.errors import ConfigError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes kit's commands, options and contests in SHELL.

    \b
    bash, in ~/.bashrc:                 eval "$(kit completion bash)"
    zsh, in ~/.zshrc:                   eval "$(kit completion zsh)"
    fish, in ~/.config/fish/config.fish: kit completion fish | source
    """
    made = get_completion_class(shell)
    if made is None:
        raise ConfigError(f"no completion for {shell!r} in this version of click. Update it: pip install -U click")
    context = click.get_current_context().find_root()
    click.echo(made(context.command, {}, "kit", "_KIT_COMPLETE").source())
