from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from kit.errors import ArtefactError
from kit.train import checkpoint

RERUN = "kit train tiny --contest toy --fold 1"


def state() -> dict[str, Any]:
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    generator = torch.Generator().manual_seed(3)
    return {
        "made": {"config": {"lr": 1e-3, "views": ["identity"], "mean": None}},
        "fit": {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "generator": generator.get_state()},
    }


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved = state()
    checkpoint.save(tmp_path / "c.pt", saved)
    loaded = checkpoint.load(tmp_path / "c.pt", RERUN)
    assert loaded is not None
    assert loaded["made"] == saved["made"]
    torch.testing.assert_close(loaded["fit"], saved["fit"], rtol=0, atol=0)


def test_no_checkpoint_is_no_state(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "c.pt", RERUN) is None


@pytest.mark.parametrize("content", ["cut", "empty", "text", "bare tensor"])
def test_a_corrupt_checkpoint_is_named_with_what_to_rerun(content: str, tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save(path, state())
    spoilt = {"cut": path.read_bytes()[:-500], "empty": b"", "text": b"not a checkpoint"}
    if content in spoilt:
        path.write_bytes(spoilt[content])
    else:
        torch.save(torch.ones(3), path)
    with pytest.raises(ArtefactError) as error:
        checkpoint.load(path, RERUN)
    assert str(error.value).startswith(f"{path}: corrupt checkpoint (")
    assert str(error.value).endswith(f"Delete it, and train this fold from its start: {RERUN}")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    torch.save({"fit": Bomb()}, tmp_path / "zip.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("zip.pt", "bare.pt"):
        with pytest.raises(ArtefactError, match="corrupt checkpoint"):
            checkpoint.load(tmp_path / name, RERUN)
    assert not (tmp_path / "exploded").exists()


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"fit": {"step": 7}})

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ArtefactError, match="No space left on device"):
        checkpoint.save(path, {"fit": {"step": 8}})
    assert checkpoint.load(path, RERUN) == {"fit": {"step": 7}}
    assert [one.name for one in tmp_path.iterdir()] == ["c.pt"]
