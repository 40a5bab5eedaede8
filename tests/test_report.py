import base64
import dataclasses
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from markupsafe import Markup
from report_toy import (
    CLASSES,
    contest,
    full_workspace,
    image_set,
    toy_runs,
    write_blend,
    write_data,
    write_rehearsal,
    write_run,
    write_submission,
)
from sklearn.metrics import recall_score

from kit.artefact import write_csv
from kit.commands.report import report as command
from kit.data.cleaning import decisions
from kit.data.stale import Record
from kit.ensemble.blend import blend
from kit.ensemble.pool import make_pool
from kit.ensemble.scoring.leaderboard import rows
from kit.errors import ExplainError, OofError, RehearsalError
from kit.explain.explain import Explained
from kit.explain.look import Look
from kit.platforms import ledger
from kit.report import blend_figures, recipe_figures
from kit.report.blend_figures import shown_classes
from kit.report.breakdown import by_family, by_severity, confident_mistakes, confusion, recall
from kit.report.drawing import INK, drawn, short, short_all
from kit.report.material import gather
from kit.report.page import write_report
from kit.report.promise import scale_of
from kit.sweep.stored import StoredSummary
from kit.workspace import Workspace

SECTIONS = (
    "Leaderboard", "Clean and shifted", "The blend", "Folds", "Most confident mistakes", "Cleaning", "Rehearsal",
)  # fmt: skip


class Page(HTMLParser):
    """What a test asks of a page: its text, ids, addresses, headings; tags must close in order."""

    VOID = frozenset(("meta", "img", "br"))

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += [value for key, value in attrs if key == "id"]
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    workspace, zip_path = full_workspace(tmp_path_factory.mktemp("full"))
    return workspace, zip_path, Page(write_report(contest(), workspace))


def copy_of(full, folder):
    """The full workspace in `folder`, and the path of its zip there."""
    shutil.copytree(full[0].root, folder, dirs_exist_ok=True)
    return Workspace(folder), folder / full[1].relative_to(full[0].root)


@pytest.fixture
def plain_figures(monkeypatch):
    """Empty figures, for tests of what stands beside them."""
    for module in (blend_figures, recipe_figures):
        monkeypatch.setattr(module, "drawn", lambda name, size, draw: Markup("<svg></svg>"))


# --------------------------------------------------------------------------------------------- the page
def test_the_page_has_every_part_and_asks_nothing_of_the_network(full):
    _, _, page = full
    assert [re.sub(" on .*", "", heading) for heading in page.headings] == list(SECTIONS)
    assert page.source.count("<svg") == 7
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.findall(r"url\((?!#)|@import|<link|<iframe", page.source)
    (script,) = re.findall(r"<script>(.*?)</script>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.source, "the one script that may run is the page's own"
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


def test_ids_of_the_figures_do_not_meet(full):
    _, _, page = full
    assert len(page.ids) == len(set(page.ids)) > 0


def test_names_are_shown_and_never_read_as_markup(full):
    _, _, page = full
    assert "round <b>" not in page.source
    for name in CLASSES:
        assert name in page.text, name


def test_the_figures_of_the_leaderboard_are_the_leaderboards(full):
    workspace, _, page = full
    runs = gather(contest(), workspace).board.runs
    for row in rows(runs, contest()):
        for key in ("clean", "macro_f1", "log_loss", "shifted", "shifted_se", "worst", "fold_spread"):
            assert f"{row[key]:.4f}" in page.text, (row["recipe"], key)


def test_a_star_marks_families_that_training_knew(full):
    workspace, _, page = full
    board = gather(contest(), workspace).board
    for row in board.rows:
        star = "*" if row["recipe"] != "net0" else ""
        assert f"{row['worst_family']}{star} {row['worst']:.4f}" in page.text


def test_the_finding_says_that_the_clean_ranking_misleads(full):
    workspace, _, page = full
    best = gather(contest(), workspace).board.rows[0]["recipe"]
    wanted = rf"net0 is best on clean rows and number 4 of 4 under shift \(.*\); {best} is best under shift"
    assert re.search(wanted, page.text)


def test_the_headline_has_the_score_to_expect_and_what_was_achieved(full):
    workspace, zip_path, page = full
    expected = gather(contest(), workspace).blend.expected
    assert f"{expected.point:.3f} {expected.low:.3f} to {expected.high:.3f} (80%)" in page.text
    assert "achieved in the rehearsal 0.500 outside the interval" in page.text
    assert f"contest expected here one to four strong operators an image, mixed {expected.point:.3f}" in page.text
    assert "rehearsal 0.500" in page.text
    assert "networks that had not seen them score" in page.text
    assert "rehearsal 2 of 2 ready to upload" in page.text
    assert zip_path.name in page.text


def test_the_same_workspace_gives_the_same_bytes(full, tmp_path):
    workspace, zip_path, page = full
    again = write_report(contest(), workspace, zip_path, tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == page.source


# ------------------------------------------------------------------------------------- what is not there
def test_an_empty_workspace_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(OofError, match=r"there is nothing. Start: kit train"):
        write_report(contest(), Workspace(tmp_path))


@pytest.mark.usefixtures("plain_figures")
def test_the_page_grows_with_the_stages(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(2)
    write_data(workspace, image_set(runs[0]))
    page = Page(write_report(contest(), workspace))
    assert page.headings == ["Cleaning"]
    assert len(re.findall('<img src="data:image/webp', page.source)) == 1
    assert "junk 6 0 6 copies under 4 labels" in page.text
    write_run(workspace, runs[0])
    page = Page(write_report(contest(), workspace))
    assert page.headings == ["Leaderboard", "Clean and shifted", "Folds", "Cleaning"]
    write_run(workspace, runs[1])
    made = write_blend(workspace, runs, "best2")
    path = write_report(contest(), workspace)
    assert path == workspace.submissions / "toy.html"
    assert Page(path).headings == [*SECTIONS[:-1]]
    write_submission(workspace, made, "one.zip")
    assert write_report(contest(), workspace) == workspace.submissions / "one.html"


def test_runs_without_shifts_show_what_they_have(tmp_path):
    workspace = Workspace(tmp_path)
    runs = [
        dataclasses.replace(run, shifted=run.shifted[:, :0], cells=run.cells[:, :0], cell_names=())
        for run in toy_runs(2)
    ]
    for run in runs:
        write_run(workspace, run)
    write_blend(workspace, runs, "best2")
    page = Page(write_report(contest(metric="macro_f1"), workspace))
    assert page.headings == ["Leaderboard", "The blend", "Folds", "Most confident mistakes"]
    assert "Images are left out" in page.text
    assert "by clean macro F1" in page.text


def test_many_recipes_are_cut_to_what_can_be_read(tmp_path):
    workspace = Workspace(tmp_path)
    for run in toy_runs(12):
        write_run(workspace, run)
    page = Page(write_report(contest(), workspace))
    assert "1 more" in page.text
    assert "12  net0" in page.source


# ---------------------------------------------------------------------------------------- what is broken
def test_runs_on_other_folds_and_broken_ones_are_left_out_and_named(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(4)
    for run in runs[:3]:
        write_run(workspace, run)
    write_run(workspace, runs[3], digests={"data": "x", "folds": "y"}, time=9.0)
    (workspace.run("toy", "net2") / "fold0" / "oof.npz").write_bytes(b"PK")
    (workspace.run("toy", "net9")).mkdir()
    (workspace.run("toy", "net9") / "run.json").write_text("{")
    write_blend(workspace, runs[:2], "best2")
    material = gather(contest(), workspace)
    assert sorted(run.recipe for run in material.board.runs) == ["net0", "net1"]
    said = " ".join(material.notes)
    assert "net3 is left out: it was trained on other data" in said
    assert re.search(r"net2 is left out: .*fold0/oof.npz", said)
    assert re.search(r"net9 is left out: .*run.json", said)


@pytest.mark.usefixtures("plain_figures")
def test_rows_that_a_person_keeps_or_drops_are_counted_apart(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(1)
    write_data(workspace, image_set(runs[0]))
    path = workspace.oof("toy") / "clean.csv"
    table = decisions.read(path)
    table.loc[table["id"] == "junk3", "keep"] = True
    table.loc[table["id"] == "00007", "keep"] = False
    write_csv(path, table)
    page = Page(write_report(contest(), workspace))
    assert "junk 5 1" in page.text
    assert "by hand 1 0" in page.text
    assert "2 decisions were changed by hand" in page.text
    path.write_text("id,keep\n")
    with pytest.raises(OofError, match=r"Cleaning is left out: .*'reason' is missing.*Start: kit train"):
        write_report(contest(), workspace)


def test_without_a_blend_the_latest_fit_says_which_runs_belong(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(3)
    write_run(workspace, runs[0])
    write_run(workspace, runs[1], digests={"data": "x", "folds": "y"}, time=9.0)
    assert [run.recipe for run in gather(contest(), workspace).board.runs] == ["net1"]


def test_a_blend_whose_members_are_gone_has_no_figures(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(3)
    write_run(workspace, runs[0])
    write_blend(workspace, runs, "best3")
    page = Page(write_report(contest(), workspace))
    assert "Most confident mistakes" not in page.headings
    assert re.search(r"its members .*net1.* are not in the store", page.text)


def test_the_rehearsal_of_a_zip_that_lay_here_before_is_not_shown(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    zip_path.write_bytes(zip_path.read_bytes() + b"\n")
    assert gather(contest(), workspace, zip_path).rehearsal is None


@pytest.mark.usefixtures("plain_figures")
def test_a_failed_rehearsal_forbids_the_upload(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    write_rehearsal(zip_path, hidden=None, fails=True)
    page = Page(write_report(contest(), workspace))
    assert "rehearsal 1 of 2 do not upload" in page.text
    assert "shuffles <rows>" in page.text
    assert "achieved" not in page.text


# --------------------------------------------------------------------------------------- zip and blend
def test_a_zip_brings_its_own_blend(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    write_blend(workspace, gather(contest(), workspace).board.runs, "best2")
    assert gather(contest(), workspace, zip_path).blend.name == "best3"
    newest = gather(contest(), workspace)
    assert (newest.blend.name, newest.submission) == ("best2", None)


@pytest.mark.usefixtures("plain_figures")
def test_a_zip_that_others_made_is_shown_with_its_rehearsal_alone(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    other = write_submission(workspace, blend(toy_runs(2), "best1"), "other.zip")
    write_rehearsal(other)
    page = Page(write_report(contest(), workspace, other))
    assert "no blend of toy in this workspace" in page.text
    assert "The blend" not in page.headings
    assert page.headings[-1] == "Rehearsal on toyground"
    with pytest.raises(RehearsalError, match="not a zip"):
        write_report(contest(), workspace, zip_path.with_name("none.zip"))


@pytest.mark.usefixtures("plain_figures")
def test_remote_scores_are_shown(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    ledger.record_score(workspace, zip_path, "development", 0.61)
    page = Page(write_report(contest(), workspace))
    assert "achieved on the platform, development 0.610" in page.text


def test_sweeps_are_shown_with_their_figures_and_broken_ones_named(tmp_path):
    workspace = Workspace(tmp_path)
    folder = workspace.oof("toy") / "sweeps"
    figures = [("History", "iVBORw0="), ("Slices", "iVBORw1=")]
    StoredSummary("sweep <1>", "sweep <1>: 5 complete\npruned, 3 times: fold 0", figures).write(folder / "sweep1")
    StoredSummary("sweep2", "of the data as it was", [], "0" * 64).write(folder / "sweep2")
    Record(clean={"data": "1" * 64}).write(workspace.oof("toy") / "prepared.json")
    (folder / "broken").mkdir()
    (folder / "broken" / "summary.json").write_text('{"sweep": "broken"}')
    page = Page(write_report(contest(), workspace))
    assert page.headings == ["Sweeps"]
    assert "sweep <1>: 5 complete pruned, 3 times: fold 0 History Slices" in page.text
    assert [address for address in page.addresses if "png" in address] == [
        f"data:image/png;base64,{data}" for _, data in figures
    ]
    assert re.search(r"The sweep broken is left out: .*not a sweep's summary.*kit sweep broken", page.text)
    assert re.search(r"The sweep sweep2 is left out: .*summary.json is of other data than the contest's now", page.text)
    assert "of the data as it was" not in page.text


@pytest.mark.usefixtures("plain_figures")
def test_the_command_prints_where_the_page_lies(full, tmp_path):
    workspace, zip_path = copy_of(full, tmp_path)
    config = tmp_path / "toy.toml"
    config.write_text(f'name = "toy"\nclasses = {list(CLASSES)}\nimage_size = 16\n[recipes]\n', encoding="utf-8")
    options = ["--contest", str(config), "--root", str(tmp_path)]
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 0, result.output
    assert str(workspace.submissions / "toy-best3.html") in result.output
    result = CliRunner().invoke(command, [str(zip_path), *options, "--out", str(tmp_path / "x.html")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.html").read_bytes() == (workspace.submissions / "toy-best3.html").read_bytes()


# ---------------------------------------------------------------------------------------------- figures
def test_families_and_severities_against_a_loop_over_cells():
    pool = make_pool(toy_runs(1))
    proba = pool.proba[0]
    found: dict[str, list[bool]] = {}
    for row, label in enumerate(pool.labels):
        for place, cell in enumerate(pool.cells[row]):
            name = pool.cell_names[cell]
            hit = proba[row, 1 + place].argmax() == label
            found.setdefault(name.partition(".")[0], []).append(hit)
            found.setdefault(name.partition("@")[2], []).append(hit)
    assert by_family(proba, pool) == {key: pytest.approx(np.mean(found[key])) for key in ("blur", "colour", "noise")}
    severities = by_severity(proba, pool)
    assert list(severities) == [0, 1, 3, 5]
    assert severities[0] == pytest.approx((proba[:, 0].argmax(1) == pool.labels).mean())
    assert [severities[key] for key in (1, 3, 5)] == pytest.approx([np.mean(found[str(key)]) for key in (1, 3, 5)])


def test_recall_is_sklearns_and_unknown_for_a_class_without_rows():
    rng = np.random.default_rng(0)
    labels, proba = rng.integers(0, 3, 200), rng.dirichlet(np.ones(4), 200)
    found = recall(confusion(proba, labels))
    assert found[:3] == pytest.approx(recall_score(labels, proba.argmax(1), average=None, labels=[0, 1, 2]))
    assert np.isnan(found[3])


def test_confident_mistakes_are_wrong_and_in_order():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    assert confident_mistakes(proba, np.array([0, 0, 0, 1])).tolist() == [1, 2, 3]


def test_a_figure_is_well_formed_and_takes_the_pages_ink():
    svg = drawn("test", (2, 1), lambda figure: figure.subplots().set_title("a < b & $c$"))
    assert "".join(ElementTree.fromstring(svg).itertext()).count("a < b & $c$") == 1
    assert "currentColor" in svg
    assert INK not in svg


def test_names_that_differ_in_the_middle_stay_different():
    names = [f"species number {place} of the genus" for place in range(12)]
    assert short_all(names, 18) == [f"…{place}…" for place in range(12)]
    assert short_all(["a" * 30, "b"], 10) == [short("a" * 30, 10), "b"]
    assert short_all(["x" * 40, "x" * 40], 10) == [short("x" * 40, 10)] * 2


def test_of_many_classes_the_most_confused_are_shown():
    labels = np.repeat(np.arange(100), 4)
    proba = np.eye(100)[labels]
    proba[labels == 7] = np.eye(100)[93]
    places = shown_classes({"clean": (proba, labels)})
    assert len(places) == 30
    assert {7, 93} <= set(places.tolist())
    assert places.tolist() == sorted(places)


def test_a_name_does_not_turn_the_text_behind_it(tmp_path):
    workspace, runs = Workspace(tmp_path), toy_runs(2)
    for run in runs:
        write_run(workspace, dataclasses.replace(run, recipe=run.recipe + "\u202eabc"))
    page = Page(write_report(contest(), workspace))
    assert "net0\ufffdabc" in page.text
    assert "\u202e" not in page.source


def test_scales_follow_the_metric():
    assert scale_of([0.4, 0.6], "accuracy") == (0.0, 1.0)
    assert scale_of([1.0, 2.0], "log_loss") == pytest.approx((0.94, 2.06))


@pytest.mark.usefixtures("plain_figures")
def test_looks_are_shown_computed_once_and_left_out_with_the_reason(full, tmp_path, monkeypatch):
    workspace, _ = copy_of(full, tmp_path)
    calls = []

    def explained(ids, runs, folder, images):
        calls.append(ids)
        looks = tuple(Look(run.recipe, 1, 0.75, np.zeros((16, 16, 3), np.uint8)) for run in runs)
        return [Explained(one, 0, images.images[0], looks) for one in ids]

    monkeypatch.setattr("kit.explain.explain.explain", explained)
    first, again = (Page(write_report(contest(), workspace)) for _ in range(2))
    assert "Where the networks looked" in first.headings
    assert len(re.findall(r"net\d: a\$lobe\$d 75 %", first.text)) == 16
    assert first.source == again.source
    assert len(calls) == 1
    assert len(calls[0]) == 8

    def refused(*given):
        raise ExplainError("needs captum")

    shutil.rmtree(workspace.cache / "looks")
    monkeypatch.setattr("kit.explain.explain.explain", refused)
    page = Page(write_report(contest(), workspace))
    assert "Where the networks looked is left out: needs captum" in page.text


def test_long_names_lose_their_middle():
    assert short("a" * 26) == "a" * 26
    assert short("left-" + "x" * 40 + "-right", 11) == "left-…right"
