"""A worker process: takes units one after the other through a pipe, and says how they went."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kit.cluster.peak import peak_mb, reset_peak
from kit.cluster.unit import Done, Event, Failure, Unit
from kit.echo import hide_warnings
from kit.errors import KitError
from kit.storage import failure as failure_of_storage


class PipeTalk:
    """`Talk` over a pipe."""

    def __init__(self, pipe: Connection, key: int) -> None:
        self.pipe, self.key = pipe, key

    def say(self, kind: Any, value: Any) -> None:
        """One event."""
        self.pipe.send(Event(self.key, kind, value))

    def line(self, text: str) -> None:
        self.say("line", text)

    def report(self, step: int, value: float) -> bool:
        self.say("report", (step, value))
        return bool(self.pipe.recv())

    def keep(self, name: str, data: bytes) -> None:
        self.say("keep", (name, data))


def serve(pipe: Connection, parent: int, log: Path) -> None:
    """Runs what comes through `pipe`, (key, unit, batch share), until it closes or the process `parent` is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent ends its workers
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    hide_warnings()
    with open(log, "a", buffering=1, encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    while True:
        try:
            key, unit, share = pipe.recv()
            run_unit(PipeTalk(pipe, key), unit, share)
        except (EOFError, BrokenPipeError):
            return


def _watch(parent: int) -> None:
    """Ends this process soon after its parent: an orphan would write into the files of whoever goes on."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def run_unit(talk: PipeTalk, unit: Unit, share: float) -> None:
    """One unit, to the event that ends it."""
    reset_peak()
    started = time.perf_counter()
    try:
        value = unit.job(talk, share)
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        talk.say("failed", failure(error))
    else:
        talk.say("done", Done(value, time.perf_counter() - started, peak_mb()))


def failure(error: Exception) -> Failure:
    """Why, in one line, and for good where the kit itself says so; a bug's place goes to the worker's log."""
    ours = isinstance(error, KitError)
    if not ours:
        traceback.print_exception(error, file=sys.stderr)
    text = " ".join(str(error).split())
    final = ours and failure_of_storage(error) is None  # storage may be there again
    return Failure(f"{type(error).__name__}: {text}" if text else type(error).__name__, final=final)
