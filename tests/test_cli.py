from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from conftest import Toy

from kit.artefact import read_json, read_npz
from kit.cli import COMMANDS, STAGES, group
from kit.errors import KitError
from kit.options import make_console, make_echo, run_guarded, with_common


def run(*arguments: str) -> str:
    """Standard output of a command in this process; it must succeed."""
    result = CliRunner().invoke(group, list(arguments), catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def kit(*arguments: str, toy: Toy) -> subprocess.Popen[str]:
    """The command as a user starts it."""
    command = [sys.executable, "-m", "kit", *arguments]
    # A shell's background jobs ignore Ctrl-C, and would pass that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, cwd=toy.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


# -------------------------------------------------------------------------------------------------------- help
def test_help_lists_every_command_with_a_line() -> None:
    text = run("--help")
    for name, entry in COMMANDS.items():
        assert any(row.split()[:1] == [name] for row in text.splitlines()), name
        assert entry.line.split()[0] in text
        assert f"$ {entry.example}\n" in text, "in one piece, to be copied"
    for stage in STAGES:
        assert f"{stage}:\n" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_a_command_line_that_the_command_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = COMMANDS[name].example.removeprefix('eval "$(').removesuffix(')"').split()
    assert words[:2] == ["kit", name]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    if isinstance(command, click.Group):
        command, words = command.commands[words[2]], words[1:]
    monkeypatch.setattr(click.Path, "convert", lambda self, value, parameter, context: value)
    command.make_context(name, words[2:])


def test_completion_costs_no_import_and_knows_commands_and_contests() -> None:
    complete = ShellComplete(group, {}, "kit", "_KIT_COMPLETE")
    assert [one.value for one in complete.get_completions([], "lea")] == ["leaderboard"]
    assert [one.value for one in complete.get_completions(["leaderboard", "--contest"], "prac")] == ["practice"]
    for shell in ("bash", "zsh", "fish"):
        assert "_KIT_COMPLETE" in run("completion", shell)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_its_options(name: str) -> None:
    text = run(name, "--help")
    assert text.startswith("Usage: ")
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.name}"


def test_the_version_is_shown() -> None:
    import kit as package

    assert package.__version__ in run("--version")


# ------------------------------------------------------------------------------------------- leaving the program
def leave(command: click.Command, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kit", *arguments])
    with pytest.raises(SystemExit) as stop:
        run_guarded(command)
    return int(stop.value.code or 0)


def raising(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


def test_a_users_mistake_is_one_message_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "oof/x: fold 3 has 0 of 1,204 rows. [train] it: kit train x --fold 3 " + "and on " * 30
    assert leave(raising(KitError(text)), monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip() == f"error: {text}".strip()


def test_ctrl_c_is_a_word_of_comfort_and_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (KeyboardInterrupt(), click.Abort()):
        assert leave(raising(error), monkeypatch) == 130
        assert "Interrupted. What is finished is kept: run the same command to go on." in capsys.readouterr().err


def test_a_bug_keeps_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(raising(ZeroDivisionError("by nothing")), monkeypatch) == 3
    err = capsys.readouterr().err
    assert "ZeroDivisionError: by nothing" in err
    assert "Traceback" not in err
    kept = re.search(r"is in (\S+);", err)
    assert kept is not None
    assert "Traceback" in Path(kept[1]).read_text()
    Path(kept[1]).unlink()


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("x"), 3), (KitError("x"), 2)])
def test_debug_shows_the_stack_trace(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(with_common(raising(error)), monkeypatch, "--debug") == code
    assert "Traceback" in capsys.readouterr().err
    assert leave(with_common(raising(error)), monkeypatch) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian",), r"no command 'trian'\. Did you mean 'train'\? See kit --help\."),
        (("qqq",), r"no command 'qqq'\. See kit --help\."),
        (("train", "--flod", "1"), r"o such option.* '?--flod'?.* Did you mean '?--fold'?\?"),
        (("train", "--fold", "one"), "'one' is not a valid integer"),
        (("rehearse",), "Missing argument 'ZIP'"),
    ],
)
def test_a_near_miss_is_explained(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leave(group, monkeypatch, *arguments) == 2
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "tyny", "--contest", "toy"), "got 'tyny'. Did you mean 'tiny'?"),
        (("train", "--contest", "tyo"), "got 'tyo'. Did you mean 'toy'?"),
        (("train", "tiny", "--contest", "toy", "--fold", "2"), "fold must be one of [0, 1], but got 2"),
        (("train", "--contest", "toy", "--data", "absent.npz"), "absent.npz"),
        (("leaderboard", "--contest", "toy"), "oof/toy: holds no complete run. Train one: kit train RECIPE"),
        (("blend", "--contest", "toy"), "holds no complete run"),
        (("package", "--contest", "toy"), "best5.json: missing or corrupt"),
        (("package", "--contest", "toy", "--platform", "tpy"), "got 'tpy'. Did you mean 'toy'?"),
    ],
)
def test_bad_input_is_named_and_exits_2(
    arguments: tuple[str, ...],
    message: str,
    toy: Toy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert leave(group, monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_lines_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[data] path = /a/[/very]/" + "long/" * 60 + "path"
    make_echo(make_console())(line)
    assert capsys.readouterr().out == line + "\n"


def test_quiet_leaves_results_alone(trained: Toy) -> None:
    loud = run("blend", "best2", "--contest", "toy", "--compare")
    calm = run("blend", "best2", "--contest", "toy", "--compare", "--quiet")
    assert "written to" in loud
    assert "written to" not in calm
    assert "Diversity of errors" in calm
    assert run("--quiet", "train", "--contest", "toy") == ""


def test_no_number_is_cut_in_eighty_columns(trained: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.options.WIDTH", 80)
    rows = json.loads(run("leaderboard", "--contest", "toy", "--json"))
    text, wide = run("leaderboard", "--contest", "toy"), run("leaderboard", "--contest", "toy", "--wide")
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for row in rows:
        assert f"{row['clean']:.4f}" in text
        assert f"{row['shifted']:.4f}" in text
        assert f"{row['log_loss']:.3f}" in wide
    hidden = text.split("not shown: ")[1].split(".")[0].split(", ")
    assert "log loss" in hidden
    assert all(name in wide for name in hidden)
    assert "not shown" not in wide


# ---------------------------------------------------------------------------------------------------- commands
def test_clean_and_folds_count_rows(toy: Toy) -> None:
    cleaned = run("clean", "--contest", "toy", "--json")
    assert json.loads(cleaned) == [{"keep": True, "reason": "", "rows": 60}]
    found = json.loads(run("folds", "--contest", "toy", "--json"))
    assert found["digest"] == toy.prepared().fold_digest
    assert [row["0"] + row["1"] for row in found["rows"]] == [20, 20, 20]
    assert "folds.csv" in run("folds", "--contest", "toy")
    assert "clean.csv" in run("clean", "--contest", "toy")


def test_the_leaderboard_as_table_and_as_json(trained: Toy) -> None:
    text = run("leaderboard", "--contest", "toy")
    rows = json.loads(run("leaderboard", "--contest", "toy", "--json"))
    assert {row["recipe"] for row in rows} == {"tiny", "mini"}
    for row in rows:
        assert row["recipe"] in text
        assert f"{row['shifted']:.4f}" in text


def test_a_blend_is_written_and_shown(trained: Toy) -> None:
    shown = json.loads(run("blend", "best2", "--contest", "toy", "--recipes", "tiny, mini,", "--json"))
    written = read_json(trained.workspace.oof("toy") / "blends" / "best2.json")
    assert shown == written
    assert {member["recipe"] for member in shown["members"]} == {"tiny", "mini"}


def test_train_reuses_what_is_there(trained: Toy) -> None:
    assert "fold 0" not in run("train", "--contest", "toy")


# ------------------------------------------------------------------------------------------------- interruption
LONG = 60
"""Epochs: seconds of training, so that a signal always comes in mid-fit."""


def test_a_fit_interrupted_goes_on_to_the_same_bits(toy: Toy) -> None:
    """A killed one does, too: tests/reliability/test_kill_anywhere.py."""
    recipe = toy.file("recipes", "tiny")
    recipe.write_text(recipe.read_text().replace("epochs = 8", f"epochs = {LONG}"))
    command = ("train", "tiny", "--contest", "toy", "--fold", "0")
    folder = toy.workspace.run("toy", "tiny")
    checkpoint = folder / "fold0" / "checkpoint.pt"

    first = kit(*command, toy=toy)
    wait_for(checkpoint.exists, first)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 130, err
    assert "Interrupted. What is finished is kept: run the same command to go on." in err
    assert "Traceback" not in err
    assert not (folder / "fold0" / "fold.json").exists()

    assert f"tiny fold 0: {3 * LONG} steps" in run(*command)
    assert {path.name for path in (folder / "fold0").iterdir() if not path.name.startswith(".")} == WHOLE
    pieces = read_npz(folder / "fold0" / "oof.npz")
    shutil.rmtree(folder)
    run(*command)
    whole = read_npz(folder / "fold0" / "oof.npz")
    for name, array in whole.items():
        np.testing.assert_array_equal(pieces[name], array)


WHOLE = {"fold.json", "member.json", "oof.npz", "weights.safetensors"}


def test_the_console_script_and_the_module_are_the_same(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "kit", "trian"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert shown.returncode == 2
    assert "Did you mean 'train'?" in shown.stderr
