"""The same recipe on the same machine with the same threads gives the same bytes; across threads, batch sizes and
runtimes a stated tolerance holds.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from conftest import Toy

from kit.artefact import read_json, read_npz
from kit.inference import model
from kit.inference.model import load_net, net_logits
from kit.oof_store import load_run
from kit.train.run import train_recipe

BATCHES, THREADS, TRAINED = 1e-4, 1e-4, 0.2
"""Most that a logit may differ: by the number of images in a call, by threads in prediction, by threads in training
(after a few epochs; rounding grows with every step)."""


def trained_anew(toy: Toy, name: str = "tiny") -> dict[str, bytes]:
    """The recipe trained from nothing: its files of numbers."""
    folder = toy.workspace.run("toy", name)
    shutil.rmtree(folder, ignore_errors=True)
    train_recipe(toy.contest(), toy.prepared(), toy.recipe(name), toy.workspace, lambda line: None)
    kept = [path for path in sorted(folder.rglob("*")) if path.suffix in (".npz", ".safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.mark.parametrize("name", ["tiny", "mini"])
def test_the_same_bytes(name: str, toy: Toy) -> None:
    one, other = trained_anew(toy, name), trained_anew(toy, name)
    assert len(one) == 4
    assert one == other


def test_threads_change_predictions_by_rounding_alone(trained: Toy) -> None:
    folder = trained.workspace.run("toy", "tiny") / "fold0"
    spec, images = read_json(folder / "member.json"), trained.prepared().images
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(net_logits(load_net(spec, str(folder)), images, spec))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=THREADS)


def test_the_number_of_images_in_a_call_changes_predictions_by_rounding_alone(trained: Toy) -> None:
    folder = trained.workspace.run("toy", "mini") / "fold0"
    spec, images = read_json(folder / "member.json"), trained.prepared().images
    net = load_net(spec, str(folder))
    whole = net_logits(net, images, spec)
    for size in (1, 7, 32):
        parts = [net_logits(net, images[at : at + size], spec) for at in range(0, len(images), size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=BATCHES)


def test_threads_in_training_keep_within_tolerance(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_anew(toy)
    one = load_run(toy.workspace.run("toy", "tiny"))
    monkeypatch.setattr("kit.train.device.usable_cores", lambda: 2)
    trained_anew(toy)
    two = load_run(toy.workspace.run("toy", "tiny"))
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_allclose(two.logits, one.logits, atol=TRAINED)


def test_stored_rows_are_the_shipped_code_on_this_machine(trained: Toy) -> None:
    """Read back from the store, a fold's logits are those of its network, to the last bit."""
    prepared, folder = trained.prepared(), trained.workspace.run("toy", "tiny") / "fold1"
    arrays, spec = read_npz(folder / "oof.npz"), read_json(folder / "member.json")
    rows = np.searchsorted(prepared.ids[np.argsort(prepared.ids)], arrays["ids"])
    images = prepared.images[np.argsort(prepared.ids)[rows]]
    np.testing.assert_allclose(net_logits(load_net(spec, str(folder)), images, spec), arrays["logits"], atol=BATCHES)


def test_the_shipped_file_is_the_one_that_is_measured() -> None:
    assert net_logits is model.net_logits
