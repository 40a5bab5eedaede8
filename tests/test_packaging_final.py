"""A network on all rows: what it is trained on, that it goes on after a kill, and that nothing is claimed for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Toy

from kit.artefact import read_json
from kit.config import load_platform
from kit.data.fold_kinds import TRAIN_ONLY
from kit.data.prepared import Prepared
from kit.data.vault import VAULT
from kit.ensemble.blend import Blend, blend
from kit.errors import PackagingError
from kit.oof_store import load_run
from kit.packaging.final import RowsCost, strongest
from kit.packaging.members import ALL_ROWS
from kit.packaging.pack import PackedZip, package
from kit.rehearsal.rehearse import rehearse
from kit.train import all_rows
from kit.train.all_rows import WHOLE, train_on_all_rows, train_on_half
from kit.train.fit import Fit
from kit.train.run import train_recipe


@pytest.fixture
def made(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> tuple[Toy, Prepared, Blend]:
    """The toy contest with a vault of 12 rows, one recipe trained, and its blend."""
    monkeypatch.setattr("kit.data.vault.LEAST", 12)
    file = toy.file("contests", "toy")
    file.write_text(file.read_text().replace("[folds]", "[folds]\nvault = 0.2"))
    prepared = toy.prepared()
    train_recipe(toy.contest(), prepared, toy.recipe("tiny"), toy.workspace, lambda line: None)
    return toy, prepared, blend([load_run(toy.workspace.run("toy", "tiny"))], "best1")


def packed(made: tuple[Toy, Prepared, Blend], said: list[str], out: str = "final.zip", **limits: object) -> PackedZip:
    toy, prepared, found = made
    platform = load_platform(toy.file("platforms", "toy")).model_copy(update=limits)
    return package(
        found, toy.contest(), toy.workspace, platform, toy.root / out, prepared=lambda: prepared, final=True,
        echo=said.append,
    )  # fmt: skip


def test_the_zip_gets_a_network_of_all_rows_for_which_its_twins_vouch(made: tuple[Toy, Prepared, Blend]) -> None:
    toy, prepared, found = made
    said: list[str] = []
    zipped = packed(made, said)
    entries = zipped.manifest["members"]
    assert [entry["fold"] for entry in entries] == [0, 1, ALL_ROWS], "last: it is left out first where time runs out"
    assert sum(entry["weight"] for entry in entries) == pytest.approx(1)
    assert zipped.manifest["expected"]["point"] == found.expected.point
    text = "\n".join(said)
    assert "tiny, all rows: " in text
    assert "no row is left to score it on" in text
    assert "for which no more is expected than for the folds'" in text
    assert "the vault's 12 rows are 33.3% of what a fold could train on and cost one network" in text
    passed = rehearse(
        zipped.path, load_platform(toy.file("platforms", "toy")), contest=toy.contest(), prepared=prepared,
        workspace=toy.workspace, level="run",
    )  # fmt: skip
    assert [check for check in passed.checks if not check.passed] == []
    assert {"parity: logits", "parity: blend"} <= {check.name for check in passed.checks}
    said.clear()
    again = packed(made, said, "again.zip")
    assert again.manifest == zipped.manifest
    assert again.path.read_bytes() == zipped.path.read_bytes()
    assert not any(line.startswith("tiny, ") for line in said), "nothing is trained twice"


def test_it_is_left_out_where_it_does_not_fit(made: tuple[Toy, Prepared, Blend]) -> None:
    said: list[str] = []
    whole = packed(made, said)
    less = packed(made, said, "less.zip", max_mb=whole.size_mb * 0.95)
    assert ALL_ROWS not in {entry["fold"] for entry in less.manifest["members"]}
    assert any("all rows: " in line and "too big" in line for line in said)


def test_all_rows_are_trained_on_and_a_killed_fit_goes_on(
    made: tuple[Toy, Prepared, Blend], monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, prepared, _ = made
    seen: dict[str, np.ndarray] = {}
    keep, steps = all_rows.Whole._keep, []

    def watched(self: all_rows.Whole, fit: Fit, state: dict) -> None:
        seen["rows"] = np.sort(fit.material.rows.numpy())
        keep(self, fit, state)
        steps.append(fit.step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(all_rows.Whole, "_keep", watched)
    arguments = (toy.contest(), prepared, toy.recipe("tiny"), toy.workspace, lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        train_on_all_rows(*arguments)
    folder = train_on_all_rows(*arguments)
    assert folder.name == WHOLE
    np.testing.assert_array_equal(seen["rows"], np.arange(len(prepared.ids)))
    assert steps == sorted(steps), "it went on where it was"
    assert len(steps) == len(set(steps))
    marker = read_json(folder / "fold.json")
    every = prepared.with_folds(np.where(prepared.folds == VAULT, TRAIN_ONLY, prepared.folds))
    assert marker["digests"] == {"data": prepared.data_digest, "folds": every.fold_digest}
    assert set(marker["files"]) == {"weights.safetensors", "member.json"}


def test_half_of_the_rows_are_of_every_class_and_as_many_steps(made: tuple[Toy, Prepared, Blend]) -> None:
    toy, prepared, _ = made
    folder = train_on_half(toy.contest(), prepared, toy.recipe("tiny"), toy.workspace, lambda line: None)
    assert folder is not None
    marker, fold = read_json(folder / "fold.json"), read_json(folder.parent / "fold0" / "fold.json")
    assert marker["rows"] == fold["rows"]
    assert marker["steps"] == pytest.approx(fold["steps"], rel=0.5)
    assert "clean" in marker


def test_few_rows_have_no_half(toy: Toy) -> None:
    assert train_on_half(toy.contest(), toy.prepared(), toy.recipe("tiny"), toy.workspace, lambda line: None) is None


def test_rows_cost_as_much_each_time_they_double() -> None:
    cost = RowsCost(half=0.04, se=0.01, train=900, vault=100, metric="accuracy")
    assert cost.of_vault == pytest.approx((0.04 * 0.152, 0.01 * 0.152), rel=1e-3)
    assert "10.0% of what a fold could train on" in cost.line()
    assert "cost one network 0.0061 ± 0.0015 of accuracy" in cost.line()


def test_the_strongest_recipe_is_chosen_and_other_data_are_refused(
    made: tuple[Toy, Prepared, Blend], tmp_path: Path
) -> None:
    toy, prepared, found = made
    assert strongest(found) == "tiny"
    other = prepared.with_folds(np.roll(prepared.folds, 1))
    with pytest.raises(PackagingError, match="other data or folds than are here now"):
        packed((toy, other, found), [])
    with pytest.raises(PackagingError, match="needs the images"):
        package(found, toy.contest(), toy.workspace, load_platform(toy.file("platforms", "toy")), tmp_path / "a.zip",
                final=True)  # fmt: skip
