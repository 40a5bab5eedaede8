"""A small mutation fuzzer: valid files, spoilt at random but repeatably, put to the kit's parsers.

A parser may take what it is given or raise an error of the kit's; whatever else it raises is a fault. Each call has a
bound on time, and the process one on memory, so that a hang or a header that promises gigabytes shows.
"""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 10.0
MEMORY_BYTES = 2 << 30
"""More than the process has at the start."""

TOKENS = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\n", b",", b'"', b"'", b"[", b"]", b"{", b"}", b"=", b":", b"\\", b"#"),
    *(b"-1", b"0", b"1", b"2147483648", b"9223372036854775808", b"1e400", b"-1e-400", b"nan", b"inf", b"-inf", b"NaN"),
    *(b"Infinity", b"null", b"true", b"false", b"None", b"1979-05-27", b"../x", b"/", b"a/b", b"..", b"\xc3\x28"),
    *(b"9" * 40, b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"[" * 60, b'{"a":' * 60),
)
"""What breaks parsers; long nesting is the affair of tests of its own."""


class TooSlow(Exception):
    """A call took longer than `SECONDS`."""


@dataclass
class Tally:
    """What became of the inputs."""

    inputs: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def line(self, name: str) -> str:
        """A row of the long run's table."""
        return (
            f"{name}: {self.inputs:,} inputs, {sum(self.refused.values()):,} refused, slowest {self.slowest:.2f} s, "
            f"{len(self.faults)} faults"
        )


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to four small changes."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(made) + 1)
        length = min(len(made) - place, rng.choice((1, 1, 2, 4, 8, 32, 256)))
        kind = rng.randrange(7)
        if kind == 0 and place < len(made):
            made[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[place : place + length] = rng.choice(TOKENS)
        elif kind == 2:
            made[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            del made[place : place + length]
        elif kind == 4:
            made[place:place] = made[place : place + length]
        elif kind == 5:
            del made[place:]
        else:
            other = rng.randrange(len(made) + 1)
            made[place : place + length] = made[other : other + length]
    return bytes(made)


@contextlib.contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """TooSlow after `seconds`."""

    def late(signum: int, frame: object) -> None:
        raise TooSlow(f"no end within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def memory_bounded(more: int = MEMORY_BYTES) -> Iterator[None]:
    """The process may have that many bytes more than now; an allocation beyond raises MemoryError."""
    used = next(
        int(line.split()[1]) << 10 for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line
    )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def fuzz(
    seeds: list[bytes],
    parse: Callable[[bytes], object],
    allowed: tuple[type[Exception], ...],
    count: int,
    seconds: float,
    seed: int = 0,
) -> Tally:
    """Put up to `count` spoilt seeds to `parse`, within `seconds`; the valid ones first, which it must take."""
    rng = random.Random(seed)
    tally = Tally()
    for valid in seeds:
        parse(valid)
    end = time.monotonic() + seconds
    with memory_bounded():
        while tally.inputs < count and time.monotonic() < end and len(tally.faults) < 5:
            data = mutate(rng.choice(seeds), rng)
            start = time.perf_counter()
            try:
                with bounded():
                    parse(data)
            except allowed as error:
                tally.refused[type(error).__name__] += 1
            except Exception as error:
                tally.faults.append(f"{type(error).__name__}: {error} for {data[:400]!r}")
            tally.inputs += 1
            tally.slowest = max(tally.slowest, time.perf_counter() - start)
    return tally
