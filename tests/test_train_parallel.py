"""One fit by two processes, as torchrun starts them on a CPU, against the same fit in one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from conftest import Toy
from safetensors.torch import load_file
from test_fit import material, new_fit, recipe, run
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import kit
from kit.artefact import read_json, read_npz
from kit.cli import group
from kit.config import RecipeConfig
from kit.errors import KitError, TrainError
from kit.nets.registry import build
from kit.train.parallel import Ranks, check_shareable
from kit.train.run import train_recipe

PATHS = f"{Path(__file__).parent}:{Path(kit.__file__).parent.parent}"


# ------------------------------------------------------------------------------------------------------- shares
@pytest.mark.parametrize(("rows", "size"), [(10, 1), (10, 2), (11, 3), (7, 4)])
def test_shares_are_all_rows_once_and_even(rows: int, size: int) -> None:
    shares = [Ranks(rank, size).share(torch.arange(rows)) for rank in range(size)]
    assert torch.cat(shares).tolist() == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_exchanged() -> None:
    alone, net = Ranks(), torch.nn.Linear(2, 2)
    assert alone.agreed(lambda: 5) == 5
    assert alone.mean(torch.tensor(1.5)) == 1.5
    assert alone.network(net, torch.device("cpu")) is net
    step = lambda rows, progress: (rows.sum(), progress)  # noqa: E731
    assert alone.together(step, net) is step


def test_what_cannot_be_shared_is_said() -> None:
    two = Ranks(0, 2)
    check_shareable(recipe({"batch_size": 8, "accumulate": 2}), 36, two)
    for config, rows, rule in (
        (recipe({"batch_size": 3}), 36, "2 processes need batches of 4 rows or more .* has 3"),
        (recipe({"batch_size": 8}), 3, "but this one's has 3"),
        (recipe({"batch_size": 8, "accumulate": 4}), 36, "16 rows or more"),
        (recipe(contrastive={"share": 0.5}), 36, "contrastive pre-training looks across a whole batch"),
        (recipe({"sampling": "smote_embeddings"}, finetune={"frozen": 1.0}), 36, "sampling on embeddings looks across"),
    ):
        with pytest.raises(TrainError, match=rule):
            check_shareable(config, rows, two)


@pytest.mark.parametrize(
    ("name", "args"),
    [("kit/residual", {"width": 8, "depth": [1, 1]}), ("timm/mobilenetv2_050", {}), ("kit/cnn", {"norm": "group"})],
)
def test_a_network_for_several_gpus_has_the_weights_and_the_predictions_of_the_plain_one(
    name: str, args: dict[str, Any]
) -> None:
    plain = build(name, 3, args).eval()
    asked = {key: value.clone() for key, value in plain.state_dict().items()}
    x = torch.rand(2, 3, 96, 96)
    wanted = plain(x)
    net = Ranks(0, 2).network(plain, torch.device("cuda"))
    assert not any(isinstance(one, _BatchNorm) and not isinstance(one, nn.SyncBatchNorm) for one in net.modules())
    assert net.state_dict().keys() == asked.keys()
    torch.testing.assert_close(net(x), wanted, msg="an activation within a BatchNorm layer must stay")


# ----------------------------------------------------------------------------------------------------- commands
@pytest.mark.parametrize(
    "arguments",
    [[], ["mini"], ["--fold", "0"], ["mini", "tiny", "--fold", "0"], ["mini", "--fold", "0", "--fold", "1"],
     ["mini", "--fold", "0", "--workers", "2"], ["mini", "--fold", "0", "--cluster", "auto"]],
)  # fmt: skip
def test_torchrun_must_be_given_one_fit(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    result = CliRunner().invoke(group, ["train", *arguments])
    assert isinstance(result.exception, TrainError)
    assert "one recipe and one --fold" in str(result.exception)


def test_torchrun_is_for_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    result = CliRunner().invoke(group, ["sweep", "augmentation"])
    assert isinstance(result.exception, KitError)
    assert "Without it: kit sweep" in str(result.exception)


# --------------------------------------------------------------------------------------------------------- fits
PLAIN: dict[str, Any] = {"name": "kit/cnn", "args": {"blocks": 2, "width": 8, "pool": "avg"}}
EVERYTHING = {"epochs": 3, "ema_decay": 0.9, "clip_grad": 1.0, "accumulate": 2, "batch_size": 9, "optimizer": "sgd"}
RECIPES = {
    "everything": recipe(EVERYTHING, net=PLAIN, augment={"preset": "strong", "mixup": 0.3, "mix_share": 0.7}),
    "frozen": recipe({"epochs": 2}, net=PLAIN, finetune={"frozen": 0.5}),
    "stopping": recipe({"epochs": 6, "optimizer": "sgd"}, net=PLAIN, stopping={"share": 0.2, "patience": 1}),
    "batch norm": recipe({"epochs": 2, "optimizer": "sgd"}),
}
WORKER = """
import sys
from dataclasses import replace
import torch
from test_train_parallel import RECIPES, fitted
from kit.train.parallel import joined
torch.set_num_threads(1)
with joined() as ranks:
    found = {name: fitted(config, ranks) for name, config in RECIPES.items()}
    torch.save(found, f"{sys.argv[1]}/{ranks.rank}.pt")
"""


def fitted(config: RecipeConfig, ranks: Ranks) -> dict[str, torch.Tensor]:
    """The weights of a fit, by this process alone or with others."""
    rows = material()
    if config.stopping.share:
        rows = type(rows)(**{**vars(rows), "rows": torch.arange(28), "watched": torch.arange(28, 36)})
    return run(new_fit(config, rows, ranks=ranks))


def torchrun(arguments: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Two processes; what they print."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    env = os.environ | {"PYTHONPATH": PATHS, "OMP_NUM_THREADS": "1"} | more
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_processes_come_to_the_weights_of_one(tmp_path: Path) -> None:
    """About half a minute on an idle core."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    done = torchrun([str(script), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, config in RECIPES.items():
        alone = fitted(config, Ranks())
        for key, value in alone.items():
            assert torch.equal(first[name][key], second[name][key]), (name, key)
            if name == "batch norm":  # normalised by each process's own rows on a CPU: alike, not the same
                continue
            torch.testing.assert_close(first[name][key], value, atol=2e-5, rtol=2e-4, msg=f"{name} {key}")


@pytest.mark.slow
def test_a_fold_by_torchrun_is_that_of_one_process_also_after_a_kill(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """About a minute on an idle core."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("kit.train.device._speeds", lambda *_: {(False, True): 1.0})
    path = toy.file("recipes", "plain")
    path.write_text(
        'size = 16\n[net]\nname = "kit/cnn"\nargs = { blocks = 2, width = 8, pool = "avg" }\n'
        "[train]\nepochs = 8\nbatch_size = 10\nlr = 0.01\nema_decay = 0.9\n"
    )
    train_recipe(toy.contest(), toy.prepared(), toy.recipe("plain"), toy.workspace, lambda line: None, [0])
    folder = toy.workspace.run("toy", "plain") / "fold0"
    alone, scores = load_file(folder / "weights.safetensors"), read_npz(folder / "oof.npz")
    for file in folder.iterdir():
        file.unlink()

    arguments = ["-m", "kit", "train", "plain", "--contest", str(toy.file("contests", "toy")), "--fold", "0"]
    killer = toy.root / "killed.py"
    killer.write_text(KILLER)
    killed = torchrun([str(killer), *arguments[2:]])
    assert killed.returncode != 0
    assert sorted(file.name for file in folder.iterdir()) == ["checkpoint.pt"]
    done = torchrun(arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("plain fold 0: ") == 1, "the first process alone speaks"
    made = read_json(folder / "fold.json")
    assert made["processes"] == 2
    assert made["batch_size"] == 10
    for key, value in load_file(folder / "weights.safetensors").items():
        torch.testing.assert_close(value, alone[key], atol=1e-3, rtol=1e-2, msg=key)
    assert abs(read_npz(folder / "oof.npz")["logits"] - scores["logits"]).max() < 0.02
    assert list(folder.glob("checkpoint.pt")) == []


KILLER = """
import os, signal
from kit.cli import main
from kit.train.fit import Fit
ended = Fit._end_epoch
def dies(self):
    ended(self)
    if self.ranks.rank == 1 and self.step == 4 * self.per_epoch:
        os.kill(os.getpid(), signal.SIGKILL)
Fit._end_epoch = dies
main()
"""
