"""How stages speak: a function that is handed a line."""

from __future__ import annotations

from collections.abc import Callable

Echo = Callable[[str], object]
