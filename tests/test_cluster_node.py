"""What can be held of a Ray cluster without Ray: addresses, and who may work for whom."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from cluster_toy import Mistaken, NeedsLess, Sleep

from kit.cluster import ray_node
from kit.cluster.ray_backend import knock
from kit.cluster.ray_node import Order, carry_out
from kit.cluster.unit import Event, Unit


def order(job: Any, version: str | None = None, token: Path | None = None) -> Order:
    return Order(7, Unit("one", job), 1.0, version or ray_node.version(), token, {})


@pytest.mark.parametrize("other", ["kit 9.9 and OpenCV 5", "kit 0.1.0 and OpenCV 3"])
def test_a_node_of_another_kit_or_opencv_is_refused_for_good(other: str) -> None:
    found = carry_out(order(Sleep(0, "done"), version=other), None)
    assert (found.key, found.kind) == (7, "failed")
    assert found.value.final
    assert found.value.reason == (
        f"ConfigError: every node must have {other}, but this one has {ray_node.version()}. Install it there"
    )


@pytest.mark.parametrize(("job", "final"), [(Mistaken(), True), (NeedsLess(), False)])
def test_a_unit_that_fails_on_a_node_says_whether_it_always_would(job: Any, final: bool) -> None:
    found = carry_out(order(job), None)
    assert found.kind == "failed"
    assert found.value.final == final


def test_a_unit_on_a_node_gives_what_it_gives_here() -> None:
    found: Event = carry_out(order(Sleep(0, "fine")), None)
    assert found.kind == "done"
    assert found.value.value == "fine"
    assert found.value.memory_mb > 0


def test_an_address_is_knocked_at_before_ray_is_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", f"ray://localhost:{port}"):
            knock(address)
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(ConnectionRefusedError):
            knock(address)


def test_a_door_that_stays_silent_is_not_waited_at_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def silent(address: tuple[str, int], seconds: float) -> socket.socket:
        waited.append(seconds)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        knock("ray://10.0.0.1")
    assert waited == [5.0]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("address", ["auto", "local", "somewhere"])
def test_what_is_no_place_is_left_to_ray(address: str) -> None:
    knock(address)


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="Port could not be cast"):
        knock("ray://127.0.0.1:door")
