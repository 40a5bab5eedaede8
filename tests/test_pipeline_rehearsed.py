from __future__ import annotations

import pytest

from kit.pipeline.rehearsed import LEAST_ROWS, fitting, least_images
from kit.rehearsal.calls import MANY


@pytest.mark.parametrize("practice", [False, True])
def test_a_rehearsal_is_whole_where_there_is_time_and_shorter_where_there_is_not(practice: bool) -> None:
    least = least_images(practice)
    assert fitting(least + 2000 + MANY, 2000, practice) == (2000, MANY)
    assert fitting(least + 2000 + MANY - 1, 2000, practice) == (2000, 0.0), "the largest call goes first"
    assert fitting(least + 700, 2000, practice) == (700, 0.0)
    assert fitting(0, 2000, practice) == (LEAST_ROWS, 0.0), "never without rows"
    assert fitting(0, 60, practice) == (60, 0.0)
