"""Two commands on one store at once: one waits, or is refused with a clear message, and nothing is mixed."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import Toy
from essence import differences, essence, strays
from lives import Lives
from sweep_toy import FakeMaker, open_toy, sweep_session, toy_sweep
from toy_store import BLEND, PACK, TRAIN, fresh

from kit.artefact import read_json, write_bytes
from kit.lock import alone, left_over, temporary_folder


def test_two_runs_of_one_recipe_train_every_fold_once(
    process: Lives, trained_store: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    fresh(root, trained_store)
    found = process.at_once(root, TRAIN, TRAIN)
    assert [life.code for life in found] == [0, 0], [life.output for life in found]
    output = "".join(life.output for life in found)
    for fold in (0, 1):
        assert output.count(f"tiny fold {fold}: 6 steps") == 1, output
    wanted = {path: value for path, value in essence(trained_store).items() if "/mini/" not in path}
    assert differences(essence(root), wanted) == []
    assert strays(root, process.scratch / "tmp") == []


def test_a_report_and_a_blend_beside_training(process: Lives, trained_store: Path, tmp_path: Path) -> None:
    """Each sees complete runs alone."""
    root = tmp_path / "store"
    shutil.copytree(trained_store, root)
    shutil.rmtree(root / "oof" / "toy" / "mini")
    train = ("kit", "train", "mini", "--contest", "toy")
    for beside in (("kit", "report", "--contest", "toy"), ("kit", "blend", "all", "--contest", "toy")):
        shutil.rmtree(root / "oof" / "toy" / "mini", ignore_errors=True)
        trains, other = process.at_once(root, train, beside)
        assert trains.code == 0, trains.output
        assert other.code == 0, other.output
    blend = read_json(root / "oof" / "toy" / "blends" / "all.json")
    assert {member["recipe"] for member in blend["members"]} <= {"tiny", "mini"}
    done = essence(trained_store)
    now = essence(root)
    assert all(now[path] == value for path, value in done.items() if "/mini/" in path)


def test_two_that_pack_the_same_zip(process: Lives, trained_store: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(trained_store, root)
    assert process.live(root, *BLEND).code == 0
    found = process.at_once(root, PACK, PACK)
    assert [life.code for life in found] == [0, 0], [life.output for life in found]
    assert strays(root, process.scratch / "tmp") == []


def test_two_sweeps_of_one_study_share_its_trials(tmp_path: Path) -> None:
    sweep = toy_sweep(budget={"trials": 12}, confirm={"winners": 0, "noise_seeds": 1})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: sweep_session(sweep, tmp_path, FakeMaker(), []).run(), range(2)))
    trials = open_toy(sweep, tmp_path).trials
    numbers = [trial.number for trial in trials]
    assert numbers == sorted(set(numbers))
    assert 12 <= sum(trial.state.is_finished() for trial in trials) <= 14


# -------------------------------------------------------------------------------------------------------------- locks
def test_one_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def enter(_: int) -> None:
        for _ in range(20):
            with alone(tmp_path / "a.lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(8)))
    assert most == [1]
    assert list(tmp_path.iterdir()) == []


def test_who_waits_is_told_once_and_may_refuse(tmp_path: Path) -> None:
    told: list[str] = []
    release = threading.Event()

    def busy() -> None:
        told.append("busy")
        release.set()

    def hold() -> None:
        with alone(tmp_path / "a.lock"):
            held.set()
            release.wait(10)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with alone(tmp_path / "a.lock", busy):
        pass
    holder.join()
    assert told == ["busy"]


def test_temporary_folders_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    dead = tmp_path / "submission-kit-dead"
    (dead / "inside").mkdir(parents=True)
    with temporary_folder(tmp_path) as mine:
        assert not dead.exists()
        with temporary_folder(tmp_path) as other:
            assert mine.exists()
            assert mine != other
        assert not left_over(mine)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_being_written_is_no_left_over(toy: Toy) -> None:
    from kit.artefact import PART, replacing

    folder = toy.root / "f"
    with replacing(folder / "one") as file:
        file.write(b"1")
        write_bytes(folder / "two", b"2")
        assert len(list(folder.glob(f".*{PART}"))) == 1
    assert {path.name for path in folder.iterdir()} == {"one", "two"}
    assert (folder / "one").read_bytes() == b"1"
