import numpy as np
import pytest
from data_toy import image_set, some_images

from kit.config import CleanConfig
from kit.data.cleaning import decisions
from kit.data.cleaning.clean import clean
from kit.errors import DataError


def planted():
    """60 images of three classes; then junk, a conflicting pair, an outvoted copy and a plain duplicate."""
    images = some_images(62)
    labels = np.arange(60) % 3
    copies = {60: 12, 0: 1, 1: 2, 2: 1}
    more = [images[row] for row, count in copies.items() for _ in range(count)]
    more_labels = [row % 3 for row in range(12)] + [1] + [2, 1] + [2]
    return image_set(np.concatenate([images[:60], np.stack(more)]), np.concatenate([labels, more_labels]))


def test_every_row_is_judged_in_the_input_order():
    given = planted()
    table = clean(given, CleanConfig())
    assert table["id"].tolist() == given.ids.tolist()
    assert list(table.columns) == decisions.COLUMNS


def test_junk_goes_conflicts_are_flagged_duplicates_keep_their_first():
    table = clean(planted(), CleanConfig(duplicates="drop"))
    assert (table["reason"][60:72] == "junk").all()
    assert not table["keep"][60:72].any()
    assert table["conflict"][[0, 72]].all()
    assert table["keep"][[0, 72]].all()
    assert "0000: 0, 0072: 1" in table["evidence"][0]
    assert table.loc[73, ["reason", "keep", "conflict"]].tolist() == ["conflict", False, True]
    assert table.loc[74, "reason"] == "duplicate"
    assert table.loc[74, "evidence"].endswith("identical to 0001")
    assert table.loc[75, ["reason", "evidence"]].tolist() == ["duplicate", "identical to 0002"]
    assert table["keep"].sum() == 61
    assert table["group"][[1, 73, 74]].nunique() == 1


def test_copies_under_one_label_are_kept_in_one_group():
    table = clean(planted(), CleanConfig())
    assert table.loc[74, "evidence"].endswith("identical to 0001")
    assert table.loc[[74, 75], "reason"].tolist() == ["duplicate", "duplicate"]
    assert table["keep"].sum() == 63
    assert table["group"][[1, 74]].nunique() == table["group"][[2, 75]].nunique() == 1


def test_a_person_overrules_and_it_stays(tmp_path):
    given = planted()
    file = tmp_path / "clean.csv"
    clean(given, CleanConfig(duplicates="drop")).to_csv(file, index=False)
    file.write_text(file.read_text().replace("0075,False", "0075,True").replace("0005,True", "0005,no"))
    edited = decisions.read(file)
    assert edited.loc[edited["overruled"], "id"].tolist() == ["0005", "0075"]
    again = clean(given, CleanConfig(duplicates="drop", junk_copies=50), edited)
    assert again["keep"][75]
    assert not again["keep"][5]
    assert again.loc[again["overruled"], "id"].tolist() == ["0005", "0075"]
    again.to_csv(file, index=False)
    assert decisions.read(file).equals(again.astype(decisions.read(file).dtypes))


def test_overruling_does_not_reach_another_image():
    given = planted()
    table = clean(given, CleanConfig())
    table.loc[5, "keep"] = False
    changed = given.images.copy()
    changed[5] = 255 - changed[5]
    fresh, lost = decisions.carry_over(
        clean(image_set(changed, given.labels), CleanConfig()), decisions.with_edits(table)
    )
    assert fresh["keep"][5]
    assert lost == ["0005"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("True", "maybe", "must be True or False"), ("reason", "cause", "column 'reason' is missing")],
)
def test_a_broken_table_is_named(tmp_path, old, new, message):
    file = tmp_path / "clean.csv"
    file.write_text(clean(planted(), CleanConfig()).to_csv(index=False).replace(old, new))
    with pytest.raises(DataError, match=message):
        decisions.read(file)
