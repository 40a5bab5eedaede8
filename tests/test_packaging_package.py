"""Zips that the kit packs: their bytes, their predictions, and what cannot be packed."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from submit_toy import toy_contest, toy_platform, toy_prepared

from kit.artefact import sha256_bytes
from kit.ensemble.blend import Blend
from kit.errors import ArtefactError, PackagingError, RehearsalError
from kit.inference.model import softmax
from kit.packaging import archive
from kit.packaging.pack import PackedZip, package
from kit.rehearsal.rehearse import rehearse
from kit.rehearsal.result import Rehearsal, report_path
from kit.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small_calls")


@pytest.fixture(scope="module")
def packed(workspace: Workspace, both: Blend) -> PackedZip:
    return package(both, toy_contest(), workspace, toy_platform(), workspace.submissions / "toy.zip")


@pytest.fixture(scope="module")
def rehearsed(workspace: Workspace, packed: PackedZip) -> Rehearsal:
    return rehearse(packed.path, toy_platform(), contest=toy_contest(), prepared=toy_prepared(), workspace=workspace)


def test_packing_twice_gives_the_same_bytes(workspace: Workspace, both: Blend, packed: PackedZip) -> None:
    again = package(both, toy_contest(), workspace, toy_platform(), workspace.root / "again.zip")
    assert again.path.read_bytes() == packed.path.read_bytes()


def test_the_zip_is_flat_and_its_manifest_tells_every_file(packed: PackedZip) -> None:
    with zipfile.ZipFile(packed.path) as zipped:
        names = set(zipped.namelist())
        manifest = json.loads(zipped.read("manifest.json"))
        assert names == {"model.py", "manifest.json", "residual.py", *(m["weights"] for m in manifest["members"])}
        for name, entry in manifest["files"].items():
            data = zipped.read(name)
            assert (sha256_bytes(data), len(data)) == (entry["sha256"], entry["bytes"])
    assert [(m["recipe"], m["fold"]) for m in manifest["members"]][::2] == [(manifest["recipes"][0], f) for f in (0, 1)]


def test_the_zip_predicts_as_its_blend_is_defined(packed: PackedZip, tmp_path: Path) -> None:
    archive.unpack(packed.path, tmp_path / "zip")
    images = toy_prepared().images[:10]
    np.save(tmp_path / "x.npy", images)
    script = (
        "import sys, numpy as np; sys.path.insert(0, 'zip'); from model import Model; m = Model(); "
        "X = np.load('x.npy'); np.savez('out.npz', proba=m.predict_proba(X), labels=m.predict(X), "
        "**{str(k): m.member_logits(X, k) for k in range(4)})"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "out.npz")
    proba = dict.fromkeys(packed.manifest["recipes"], 0.0)
    for number, member in enumerate(packed.manifest["members"]):
        views = softmax(found[str(number)].astype(np.float64) / member["temperature"])
        proba[member["recipe"]] = proba[member["recipe"]] + views.mean(1) / 2
    wanted = sum(w * p for w, p in zip(packed.manifest["combiner"]["weights"], proba.values()))
    np.testing.assert_allclose(found["proba"], wanted, atol=1e-6)
    np.testing.assert_array_equal(found["labels"], wanted.argmax(1))


def test_the_rehearsal_passes_with_parity_and_leaves_a_report(packed: PackedZip, rehearsed: Rehearsal) -> None:
    assert [check for check in rehearsed.checks if not check.passed] == []
    wanted = {"parity: logits", "parity: labels", "parity: blend", "order", "X untouched"}
    assert wanted <= {check.name for check in rehearsed.checks}
    report = json.loads(report_path(packed.path).read_text())
    assert report["passed"]
    assert report["sha256"] == packed.sha256


def tampered(packed: PackedZip, path: Path) -> Path:
    """The zip with one network's weights a little off."""
    with zipfile.ZipFile(packed.path) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
    name = packed.manifest["members"][0]["weights"]
    tensors = safetensors.torch.load(files[name])
    files[name] = safetensors.torch.save({key: value * 1.05 for key, value in tensors.items()})
    archive.write_zip(path, files)
    return path


def test_other_weights_fail_parity(workspace: Workspace, packed: PackedZip, tmp_path: Path) -> None:
    found = rehearse(
        tampered(packed, tmp_path / "t.zip"),
        toy_platform(),
        contest=toy_contest(),
        prepared=toy_prepared(),
        workspace=workspace,
    )
    assert [check.name for check in found.checks if not check.passed] == ["parity: logits"]


def test_post_processing_is_part_of_parity(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    post = {"kind": "grades", "cuts": [0.4, 1.6]}
    graded = replace(both, combiner=both.combiner | {"post": post}, metric="quadratic_kappa")
    judged = toy_contest().model_copy(update={"metric": "quadratic_kappa"})
    made = package(graded, judged, workspace, toy_platform(), tmp_path / "g.zip")
    assert made.manifest["combiner"]["post"] == post
    archive.unpack(made.path, tmp_path / "other")
    code = (tmp_path / "other" / "model.py").read_text()
    files = {path.name: path.read_bytes() for path in (tmp_path / "other").iterdir()}
    unlike = code.replace("(expected > np.asarray", "(expected + 1 > np.asarray")
    assert unlike != code
    archive.write_zip(tmp_path / "bad.zip", files | {"model.py": unlike.encode()})
    wanted = {"g.zip": True, "bad.zip": False}
    for name, holds in wanted.items():
        found = rehearse(
            tmp_path / name, toy_platform(), contest=toy_contest(), prepared=toy_prepared(), workspace=workspace
        )
        assert next(check.passed for check in found.checks if check.name == "parity: blend") is holds, name


def test_a_zip_of_other_folds_is_refused_with_both_digests(workspace: Workspace, packed: PackedZip) -> None:
    other = replace(toy_prepared(), fold_digest="e" * 64)
    with pytest.raises(RehearsalError, match=r"f{12} .*e{12}"):
        rehearse(packed.path, toy_platform(), contest=toy_contest(), prepared=other, workspace=workspace)


def test_too_big_a_zip_is_refused_with_its_size(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"at most 0\.01 MB, but .* 0\.\d MB .*largest: "):
        package(both, toy_contest(), workspace, toy_platform(max_mb=0.01), tmp_path / "big.zip")
    assert not (tmp_path / "big.zip").exists()


def test_a_missing_fold_names_the_command(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    other = replace(both, members=(replace(both.members[0], recipe="gone"),))
    with pytest.raises(ArtefactError, match="kit train gone --contest toy"):
        package(other, toy_contest(), workspace, toy_platform(), tmp_path / "x.zip")


def test_a_blend_for_another_metric_is_not_packed(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="blended for log_loss, but toy is judged by accuracy.* kit blend best2 "):
        package(replace(both, metric="log_loss"), toy_contest(), workspace, toy_platform(), tmp_path / "x.zip")


def test_predictions_from_elsewhere_cannot_be_packed(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    other = replace(both, members=(replace(both.members[0], external="theirs.csv"),))
    with pytest.raises(PackagingError, match=r"theirs\.csv"):
        package(other, toy_contest(), workspace, toy_platform(), tmp_path / "x.zip")


def test_an_old_python_is_told_what_it_cannot_read(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    package(both, toy_contest(), workspace, toy_platform(python="3.7"), tmp_path / "old.zip")
    assert (tmp_path / "old.zip").exists()


def test_the_platform_decides_where_files_lie(workspace: Workspace, both: Blend, tmp_path: Path) -> None:
    platform = toy_platform(weights_folder="SubmissionModel", marker="metadata", constructor="path", class_name="model")
    found = package(both, toy_contest(), workspace, platform, tmp_path / "codalab.zip")
    names = set(archive.names(found.path))
    assert {"model.py", "metadata", "SubmissionModel/manifest.json", "SubmissionModel/residual.py"} <= names
    result = rehearse(found.path, platform, contest=toy_contest(), prepared=toy_prepared(), workspace=workspace)
    assert [check for check in result.checks if not check.passed] == []


def test_a_limit_is_one_of_the_whole_zip(workspace: Workspace, both: Blend, packed: PackedZip, tmp_path: Path) -> None:
    """Of its list of names too, to the byte."""
    size = packed.path.stat().st_size / 1e6
    again = package(both, toy_contest(), workspace, toy_platform(max_mb=size), tmp_path / "fits.zip")
    assert again.sha256 == packed.sha256
    said: list[str] = []
    package(both, toy_contest(), workspace, toy_platform(max_mb=size - 1e-6), tmp_path / "less.zip", echo=said.append)
    assert [line.split(":")[0].strip() for line in said] == ["fp16", "1 fold"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "C:/x", "..\\x"])
def test_paths_that_escape_are_known(name: str) -> None:
    assert archive.escapes(name)
    assert not archive.escapes("a/b..c/model.py")
