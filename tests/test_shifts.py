"""The battery: what a contest file may ask for, who sees what, and that images depend on names alone."""

from __future__ import annotations

import numpy as np
import pytest

from kit.config import ShiftConfig
from kit.errors import ConfigError
from kit.shifts.battery import ALL_OPERATORS, FAMILIES, Battery
from kit.shifts.draws import generator
from kit.shifts.mixture import PARTS, drawn_parts
from kit.shifts.operators import OPERATORS, family_of
from kit.shifts.strengths import STRENGTHS

DEFAULT = Battery.from_config(ShiftConfig())
IDS = np.array([f"cell_{number:04d}.jpg" for number in range(700)])


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """24 images of 48x48: a dark disk with a lobe on a light, uneven ground."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:48, 0:48]
    canvas = np.empty((24, 48, 48, 3))
    for image in canvas:
        centre, radius = rng.uniform(20, 28, 2), rng.uniform(8, 14)
        inside = np.hypot(x - centre[0], y - centre[1]) < radius
        lobe = np.hypot(x - centre[0] - 4, y - centre[1]) < radius / 3
        image[:] = (235, 215, 200) + 8 * np.sin(x / 5)[..., None]
        image[inside] = (90, 60, 140)
        image[lobe] = (170, 110, 150)
    return (canvas + rng.normal(0, 3, canvas.shape)).clip(0, 255).astype(np.uint8)


def cell_of(battery: Battery, name: str) -> int:
    return battery.names.index(name)


# ------------------------------------------------------------------------------------------- what is asked
def test_default_holds_every_operator_at_every_severity() -> None:
    assert len(DEFAULT.cells) == len(set(DEFAULT.names)) == 5 * len(ALL_OPERATORS)
    assert DEFAULT.families == FAMILIES
    assert len(FAMILIES) == 10
    assert all(family_of(cell.name) == cell.family for cell in DEFAULT.cells)


def test_clean_has_no_cells(images: np.ndarray) -> None:
    battery = Battery.from_config(ShiftConfig(battery="clean"))
    assert battery.names == ()
    assert battery.draw(IDS).shape == (700, 0)
    assert battery.apply(images[:0], IDS[:0], np.zeros(0, np.int64)).shape == (0, 48, 48, 3)


def test_own_list_takes_families_operators_and_cells() -> None:
    asked = ShiftConfig(battery=["compression", "blur.motion", "tone.solarize@5", "blur.motion@2"], severities=(2, 3))
    assert Battery.from_config(asked).names == (
        "compression.jpeg@2",
        "compression.jpeg@3",
        "compression.webp@2",
        "compression.webp@3",
        "blur.motion@2",
        "blur.motion@3",
        "tone.solarize@5",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("blur.motoin", "Did you mean 'blur.motion'"),
        ("oclusion", "Did you mean 'occlusion'"),
        ("blur.motion@9", r"1 to 5, but got \[9\]"),
        ("blur.motion@", "1 to 5"),
        ("blur.motion@-1", "1 to 5"),
    ],
)
def test_unknown_names_are_refused_with_the_near_one(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Battery.from_config(ShiftConfig(battery=[name]))


def test_digest_names_what_rows_see(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [Battery(DEFAULT.cells, seed=1), Battery(DEFAULT.cells[1:]), Battery(DEFAULT.cells, cells_per_row=2)]
    assert len({battery.digest for battery in (DEFAULT, *others)}) == 4
    before = DEFAULT.digest
    assert Battery.from_config(ShiftConfig()).digest == before
    monkeypatch.setitem(STRENGTHS, "blur.motion", (1.0, 2.0, 3.0, 4.0, 5.0))
    assert DEFAULT.digest != before
    monkeypatch.undo()
    assert DEFAULT.digest == before
    monkeypatch.setattr("kit.shifts.battery.REVISION", 0)
    assert DEFAULT.digest != before


# ------------------------------------------------------------------------------------------- who sees what
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_draw_covers_every_cell_evenly(width: int, share: float) -> None:
    battery = Battery(DEFAULT.cells, width, share)
    drawn = battery.draw(IDS)
    assert drawn.shape == (700, width)
    mixed = np.array([cell.family == "mixture" for cell in battery.cells])
    counts = np.bincount(drawn.ravel(), minlength=len(battery.cells))
    assert np.ptp(counts[mixed]) <= 1
    assert np.ptp(counts[~mixed]) <= 1
    assert abs(counts[mixed].sum() - share * drawn.size) <= 1
    assert np.ptp(mixed[drawn].sum(axis=1)) <= 1
    assert all(len(set(row)) == width for row in drawn)


def test_draw_depends_on_the_set_of_ids_and_the_seed_alone() -> None:
    order = np.random.default_rng(0).permutation(len(IDS))
    drawn = DEFAULT.draw(IDS)
    assert np.array_equal(DEFAULT.draw(IDS[order]), drawn[order])
    assert not np.array_equal(Battery(DEFAULT.cells, seed=1).draw(IDS), drawn)


def test_draw_knows_no_order_of_rows() -> None:
    """Rows that stand together in the file (one class, say) do not get the same part of the battery."""
    first = DEFAULT.draw(IDS)[:500]
    seen = np.bincount(first.ravel(), minlength=len(DEFAULT.cells))
    assert (seen > 0).mean() > 0.9


def test_any_column_of_the_draw_is_as_hard_as_all() -> None:
    """Who looks at one cell a row (a race, a sweep's epochs, adaptation) meets mixtures in their share."""
    battery = Battery(DEFAULT.cells, cells_per_row=4, mixture_share=0.75)
    mixed = np.array([cell.family == "mixture" for cell in battery.cells])[battery.draw(IDS)]
    error = (0.75 * 0.25 / len(IDS)) ** 0.5
    assert np.all(np.abs(mixed.mean(axis=0) - 0.75) < 4 * error)


def test_draw_never_asks_for_more_than_there_is() -> None:
    battery = Battery.from_config(ShiftConfig(battery=["blur.motion@2", "mixture.two@3", "tone.solarize@1"]))
    drawn = battery.draw(IDS)
    assert np.array_equal(np.sort(drawn, axis=1), np.tile([0, 1, 2], (700, 1)))


# -------------------------------------------------------------------------------------------- the images
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_images_depend_on_names_alone(images: np.ndarray, operator: str) -> None:
    ids, cells = IDS[:24], np.full(24, cell_of(DEFAULT, f"{operator}@3"))
    before = images.copy()
    whole = DEFAULT.apply(images, ids, cells)
    assert whole.dtype == np.uint8
    assert whole.shape == images.shape
    assert np.array_equal(images, before)
    order = np.random.default_rng(1).permutation(24)
    assert np.array_equal(DEFAULT.apply(images[order], ids[order], cells, threads=3), whole[order])
    assert np.array_equal(DEFAULT.apply(images[7:8], ids[7:8], cells[:1]), whole[7:8])
    assert all(not np.array_equal(a, b) for a, b in zip(images, whole))


def test_rows_and_seeds_draw_their_own(images: np.ndarray) -> None:
    same = np.stack([images[0]] * 8)
    cells = np.full(8, cell_of(DEFAULT, "occlusion.cutout@3"))
    shifted = DEFAULT.apply(same, IDS[:8], cells)
    assert len({image.tobytes() for image in shifted}) == 8
    assert not np.array_equal(Battery(DEFAULT.cells, seed=5).apply(same, IDS[:8], cells), shifted)


def test_one_batch_may_hold_all_cells(images: np.ndarray) -> None:
    cells = np.arange(len(DEFAULT.cells))
    repeated = images[cells % 24]
    together = DEFAULT.apply(repeated, IDS[: len(cells)], cells)
    for row in (0, 60, 131, 224):
        alone = DEFAULT.apply(repeated[row : row + 1], IDS[row : row + 1], cells[row : row + 1])
        assert np.array_equal(together[row], alone[0])


@pytest.mark.parametrize("shape", [(28, 28), (17, 31), (224, 160)])
def test_any_size_of_image(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    cells = np.arange(len(DEFAULT.cells))
    images = rng.integers(0, 256, (len(cells), *shape, 3), dtype=np.uint8)
    assert DEFAULT.apply(images, IDS[: len(cells)], cells).shape == images.shape


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_survive(value: int) -> None:
    """No image divides by zero or wraps around: warnings are errors here."""
    cells = np.arange(len(DEFAULT.cells))
    flat = np.full((len(cells), 32, 32, 3), value, np.uint8)
    assert DEFAULT.apply(flat, IDS[: len(cells)], cells).shape == flat.shape


def test_wrong_arrays_are_our_own_mistakes(images: np.ndarray) -> None:
    with pytest.raises(AssertionError, match="uint8"):
        DEFAULT.apply(images.astype(np.float32), IDS[:24], np.zeros(24, np.int64))
    with pytest.raises(AssertionError, match="23 ids"):
        DEFAULT.apply(images, IDS[:23], np.zeros(24, np.int64))


# ---------------------------------------------------------------------------------------------- mixtures
@pytest.mark.parametrize("count", PARTS.values())
def test_mixtures_are_of_different_families(count: int) -> None:
    drawn = [drawn_parts(count, generator(0, row)) for row in IDS[:300]]
    families = [[family_of(name) for name, _ in parts] for parts in drawn]
    assert all(len(row) == len(set(row)) == count for row in families)
    assert {family for row in families for family in row} == set(FAMILIES) - {"mixture"}
    assert {name for parts in drawn for name, _ in parts} <= set(OPERATORS)
    assert all(0.5 <= share <= 1.0 for parts in drawn for _, share in parts)


def test_a_mixture_grows_with_its_severity(images: np.ndarray) -> None:
    """The same operators in the same order at every severity, each of them stronger."""
    damage = []
    for severity in range(1, 6):
        shifted = DEFAULT.apply(images, IDS[:24], np.full(24, cell_of(DEFAULT, f"mixture.three@{severity}")))
        damage.append(np.abs(shifted.astype(int) - images).mean())
    assert all(np.diff(damage) > 0)
