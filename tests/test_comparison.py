"""Scaling down, turning techniques over, and the figures of `kit compare` against their definitions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from warm_workers import warm_workers

from kit.commands.compare import compare, read_swaps
from kit.comparison.bench import Bench, technique_names
from kit.comparison.measures import by_class, difference, measure
from kit.comparison.scale import Scale, stratified
from kit.comparison.techniques import TECHNIQUES
from kit.config import load_contest, load_recipe
from kit.errors import ConfigError, NetError
from kit.oof_store import OofRun
from kit.workspace import Workspace

BY_NAME = {technique.name: technique for technique in TECHNIQUES}


# ---------------------------------------------------------------------------------------------------- scale
def test_rows_keep_the_classes_shares_and_groups_whole() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    groups = np.arange(1000)
    groups[:20] = 0  # one large group
    keep = stratified(labels, groups, 200, seed=1)
    assert np.array_equal(keep, np.unique(keep))
    assert abs(len(keep) - 200) <= 20
    counts = np.bincount(labels[keep])
    assert abs(counts[1] - 60) <= 1
    assert abs(counts[2] - 20) <= 1
    assert np.isin(np.arange(20), keep).sum() in (0, 20)
    assert np.array_equal(keep, stratified(labels, groups, 200, seed=1))
    assert not np.array_equal(keep, stratified(labels, groups, 200, seed=int(rng.integers(2, 99))))


def test_a_scaled_recipe_tells_its_changes_by_its_name() -> None:
    made = Scale(size=32, epochs=3).recipe(load_recipe("study1_cnn"))
    assert (made.name, made.size, made.train.epochs) == ("study1_cnn-32px-e3", 32, 3)
    untouched = Scale(size=96, epochs=99).recipe(load_recipe("study1_cnn"))
    assert untouched == load_recipe("study1_cnn")


def test_a_network_that_takes_no_less_sees_its_least_size() -> None:
    made = Scale(size=32).recipe(load_recipe("study1_inception_v3"))
    assert 64 < made.size <= 96
    assert made.name == ("study1_inception_v3" if made.size == 96 else f"study1_inception_v3-{made.size}px")


def test_offline_takes_a_file_named_after_the_network_or_starts_from_random_weights(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("KIT_WEIGHTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / "resnet50.safetensors")
    found = Scale(offline=True).recipe(load_recipe("study3_resnet50"))
    assert (found.net.pretrained, found.name) == (True, "study3_resnet50")
    scratch = Scale(offline=True).recipe(load_recipe("study0_convnext_xlarge"))
    assert scratch.name == "study0_convnext_xlarge-scratch"
    assert scratch.net.pretrained is False
    assert scratch.finetune.frozen == 0  # a frozen network of random weights would be no extractor
    assert scratch.train.lr <= 1e-3


def test_swaps_reach_networks_and_the_backbones_of_hybrids() -> None:
    scale = Scale(swaps=read_swaps(("convnext_xlarge=convnext_atto", "vgg16=vgg11")))
    assert scale.recipe(load_recipe("study0_convnext_xlarge")).net.name == "timm/convnext_atto"
    hybrid = scale.recipe(load_recipe("study0_hybrid"))
    assert hybrid.net.args["backbones"] == ["efficientnet_b0", "vgg11"]
    assert hybrid.name == "study0_hybrid-as-vgg11"
    with pytest.raises(ConfigError, match="A=B"):
        read_swaps(("vgg16",))


def test_a_scaled_contest_has_a_name_of_its_own(toy) -> None:
    contest = toy.contest()
    assert Scale().contest(contest) == contest
    made = Scale(rows=30, folds=3, cells=1).contest(contest)
    assert (made.name, made.folds.n_splits, made.shift.cells_per_row) == ("toy-30rows-3folds-1cells", 3, 1)
    assert Scale().contest(contest, shuffle=False).name == "toy-unshuffled"
    holdout = contest.model_copy(update={"folds": contest.folds.model_copy(update={"kind": "holdout"})})
    with pytest.raises(ConfigError, match="holdout"):
        Scale(folds=3).contest(holdout)


def test_scaled_rows_are_the_contests_rows_in_folds_of_their_own(toy) -> None:
    contest, prepared = toy.contest(), toy.prepared()
    scale = Scale(rows=30, folds=3)
    small = scale.prepared(prepared, scale.contest(contest))
    where = np.searchsorted(prepared.ids, small.ids)
    assert np.array_equal(prepared.images[where], small.images)
    assert np.array_equal(prepared.labels[where], small.labels)
    assert sorted(set(small.folds)) == [0, 1, 2]
    assert small.fold_digest != prepared.fold_digest
    assert Scale().prepared(prepared, contest) is prepared


def test_weights_of_rows_go_with_them(toy) -> None:
    prepared, scale = toy.prepared(), Scale(rows=30)
    contest = scale.contest(toy.contest())
    weighed = replace(prepared, weights=np.linspace(0.1, 1, len(prepared.ids), dtype=np.float32))
    small, plain = scale.prepared(weighed, contest), scale.prepared(prepared, contest)
    assert small.weights is not None
    assert np.array_equal(small.weights, weighed.weights[np.searchsorted(prepared.ids, small.ids)])
    assert plain.weights is None
    assert small.fold_digest != plain.fold_digest


# ----------------------------------------------------------------------------------------------- techniques
def test_smote_on_embeddings_is_smote() -> None:
    base = load_recipe("study1_cnn")
    used = base.model_copy(update={"train": base.train.model_copy(update={"sampling": "smote_embeddings"})})
    assert BY_NAME["smote"].used(used)
    assert BY_NAME["smote"].variant(used).train.sampling == "natural"


@pytest.mark.parametrize("name", ["augmentation", "batch_norm", "smote", "class_weights", "supcon"])
def test_a_technique_turned_over_twice_is_as_it_was(name) -> None:
    base = load_recipe("study1_cnn")
    base = base.model_copy(update={"train": base.train.model_copy(update={"sampling": "natural"})})  # as without SMOTE
    there = BY_NAME[name].variant(base)
    assert there is not None
    assert there.name == f"study1_cnn+{name}"
    assert not BY_NAME[name].used(base)
    assert BY_NAME[name].used(there)
    back = BY_NAME[name].variant(there)
    assert back is not None
    assert not BY_NAME[name].used(back)
    assert back.train == base.train
    assert back.augment == base.augment
    assert back.contrastive == base.contrastive
    assert back.net.args.get("norm", "none") == "none"


def test_group_norm_takes_the_place_of_batch_norm_alone() -> None:
    group = BY_NAME["group_norm"].variant(load_recipe("residual_64"))
    assert group is not None
    assert group.net.args["norm"] == "group"
    assert BY_NAME["group_norm"].variant(load_recipe("study1_cnn")) is None
    assert BY_NAME["batch_norm"].variant(group) is None


def test_fine_tuning_and_pretraining_need_weights_to_start_from() -> None:
    frozen, scratch = load_recipe("study1_inception_v3_frozen"), load_recipe("study1_cnn")
    tuned = BY_NAME["fine_tuning"].variant(frozen)
    assert tuned is not None
    assert not BY_NAME["fine_tuning"].used(frozen)
    assert BY_NAME["fine_tuning"].used(tuned)
    assert tuned.finetune.frozen < 1
    back = BY_NAME["fine_tuning"].variant(tuned)
    assert back is not None
    assert back.finetune.frozen == 1
    bare = BY_NAME["pretraining"].variant(frozen)
    assert bare is not None
    assert (bare.net.pretrained, bare.finetune.frozen) == (False, 0)
    assert BY_NAME["fine_tuning"].variant(scratch) is None
    assert BY_NAME["pretraining"].variant(scratch) is None


def test_an_unknown_technique_is_refused_with_the_near_one() -> None:
    assert "shuffling" in technique_names(())
    with pytest.raises(ConfigError, match="Did you mean 'smote'"):
        technique_names(("smotte",))


# ------------------------------------------------------------------------------------------------- measures
def made_run(name: str, said: np.ndarray, shifted: np.ndarray, labels: np.ndarray) -> OofRun:
    """A run that predicts `said` (N,) clean and `shifted` (N, K), in two folds."""
    rows, cells = shifted.shape
    eye = 9 * np.eye(3, dtype=np.float32)
    config = {"net": {"name": "kit/cnn", "args": {}, "pretrained": False}, "size": 16, "train": {"epochs": 2}}
    return OofRun(
        name, np.arange(rows).astype(str), np.arange(rows) % 2, labels, eye[said][:, None], eye[shifted][:, :, None],
        np.zeros((rows, cells), dtype=np.int64), ("blur.motion@1",), ("identity",),
        {"config": config, "minutes": 1.0, "parameters": 7},
    )  # fmt: skip


@pytest.fixture
def pair() -> tuple[OofRun, OofRun]:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 200)

    def noisy(share: float, shape: tuple[int, ...]) -> np.ndarray:
        truth = labels.reshape(-1, *[1] * (len(shape) - 1))
        return np.where(rng.random(shape) < share, truth, rng.integers(0, 3, shape))

    better = made_run("better", noisy(0.8, (200,)), noisy(0.5, (200, 2)), labels)
    return better, made_run("worse", noisy(0.5, (200,)), noisy(0.4, (200, 2)), labels)


def test_measures_are_scikit_learns(pair) -> None:
    run = pair[0]
    said, truth = run.logits[:, 0].argmax(1), run.labels
    found = measure(run, 0.99, 3)
    assert found.clean == pytest.approx(accuracy_score(truth, said))
    assert found.precision == pytest.approx(precision_score(truth, said, average="macro"))
    assert found.recall == pytest.approx(recall_score(truth, said, average="macro"))
    assert found.f1 == pytest.approx(f1_score(truth, said, average="macro"))
    assert found.recalls == pytest.approx(recall_score(truth, said, average=None))
    assert found.gap == pytest.approx(0.99 - found.clean)
    halves = [accuracy_score(truth[part::2], said[part::2]) for part in (0, 1)]
    assert found.spread == pytest.approx(np.std(halves, ddof=1))
    assert found.shifted == pytest.approx((run.shifted[:, :, 0].argmax(2) == truth[:, None]).mean())
    assert found.row(("a", "b", "c"))["recall b"] == found.recalls[1]


def test_a_class_that_nobody_names_counts_as_zero() -> None:
    precision, recall, f1, rows = by_class(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert (precision[2], recall[2], f1[2], rows[2]) == (0, 0, 0, 0)


def test_a_difference_is_paired_and_changes_its_sign_with_the_pair(pair) -> None:
    better, worse = pair
    found, turned = difference("x", better, worse, 3), difference("x", worse, better, 3)
    hits = [(run.logits[:, 0].argmax(1) == run.labels).astype(float) for run in pair]
    gap = hits[0] - hits[1]
    assert found.clean == pytest.approx(gap.mean())
    assert found.clean_se == pytest.approx(gap.std(ddof=1) / np.sqrt(len(gap)))
    assert (found.used, found.without) == ("better", "worse")
    assert turned.clean == pytest.approx(-found.clean)
    assert turned.shifted == pytest.approx(-found.shifted)
    assert found.shifted_se > 0
    same = difference("x", better, better, 3)
    assert (same.clean, same.clean_se, same.macro_f1) == (0, 0, 0)


# ---------------------------------------------------------------------------------------------------- bench
def test_a_bench_trains_what_is_missing_once(toy) -> None:
    said: list[str] = []
    scale = Scale(epochs=1, cells=1)
    bench = Bench(toy.contest(), toy.prepared(), toy.workspace, scale, said.append)
    bench.ablate(toy.recipe("tiny"), ("class_weights", "shuffling"))
    assert list(bench.lines) == ["tiny-e1", "tiny-e1+class_weights"]
    assert [one.technique for one in bench.differences] == ["class_weights", "shuffling"]
    assert bench.differences[1].without == "tiny-e1 (unshuffled)"
    assert len(said) == 6  # a line a fold
    again = Bench(toy.contest(), toy.prepared(), toy.workspace, scale, said.append)
    again.ablate(toy.recipe("tiny"), ("class_weights", "shuffling"))
    assert len(said) == 6
    assert again.lines == bench.lines
    assert again.differences == bench.differences


def test_what_two_workers_train_at_once_is_what_the_tables_find(toy) -> None:
    said: list[str] = []
    scale, names = Scale(epochs=1, cells=1), ("class_weights", "shuffling")
    bench = Bench(toy.contest(), toy.prepared(), toy.workspace, scale, said.append)
    with warm_workers():
        bench.train([], [toy.recipe("tiny")], names, workers=2)
    assert any("4 fits, 2 at a time" in line for line in said), "the base and its variant, two folds each"
    assert any("2 fits, 2 at a time" in line for line in said), "the base in the order of the rows"
    before = len(said)
    bench.ablate(toy.recipe("tiny"), names)
    assert len(said) == before, "nothing was left to train"
    alone = Bench(toy.contest(), toy.prepared(), Workspace(toy.root / "alone"), scale, said.append)
    alone.ablate(toy.recipe("tiny"), names)
    assert [one.clean for one in alone.differences] == [one.clean for one in bench.differences]


def test_a_recipe_whose_weights_are_not_here_stops_before_anything_is_trained(toy) -> None:
    tiny = toy.recipe("tiny")
    wants = tiny.model_copy(update={"net": tiny.net.model_copy(update={"pretrained": "nowhere.safetensors"})})
    bench = Bench(toy.contest(), toy.prepared(), toy.workspace, Scale(), print)
    with pytest.raises(NetError, match=r"nowhere\.safetensors"):
        bench.check([tiny, wants])
    assert not (toy.workspace.oof("toy") / "tiny").exists()


def test_the_command_prints_and_writes_the_same_figures(trained) -> None:
    # fmt: off
    arguments = ["--contest", "toy", "--data", str(trained.data), "--root", str(trained.root),
                 "--recipes", "tiny,mini", "--ablate", "mini", "--techniques", "augmentation", "--json"]
    # fmt: on
    found = CliRunner().invoke(compare, arguments, catch_exceptions=False)
    printed = json.loads(found.stdout)
    folder = trained.workspace.oof("toy") / "comparison"
    recipes = pd.read_csv(folder / "recipes.csv")
    assert set(recipes["recipe"]) == {"tiny", "mini", "mini-augmentation"}
    assert {one["recipe"] for one in printed["recipes"]} == set(recipes["recipe"])
    (technique,) = printed["techniques"]
    assert (technique["used"], technique["without"]) == ("mini", "mini-augmentation")
    clean = recipes.set_index("recipe")["clean"]
    assert technique["clean"] == pytest.approx(clean["mini"] - clean["mini-augmentation"])
    assert "recall green" in recipes
    assert (folder / "comparison.svg").read_text().startswith("<svg")
    assert "Each technique" in found.stderr


def test_nothing_to_compare_is_a_usage_error() -> None:
    found = CliRunner().invoke(compare, ["--contest", "practice"])
    assert found.exit_code == 2
    assert "--recipes or --ablate" in found.output


def test_contests_of_this_repository_can_be_scaled() -> None:
    assert Scale(rows=4000, folds=2).contest(load_contest("an2dl2024")).name == "an2dl2024-4000rows-2folds"
