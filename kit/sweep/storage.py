"""Where a study is kept: a journal file on one machine, a database for many."""

from __future__ import annotations

import fcntl
import json
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from kit.echo import Echo
from kit.errors import ArtefactError, KitError, SweepError
from kit.seal import sealed, unsealed
from kit.secrets import masked
from kit.storage import exists, reading

Value = TypeVar("Value")
JOURNAL = "journal.log"
PAUSES = (1, 2, 5, 10, 30, 60, 60, 60, 60, 60)
"""Seconds between tries where a storage does not respond: about six minutes in all."""
MAKING = 5
"""Seconds that another process may take to make the tables of a database."""

optuna.logging.set_verbosity(optuna.logging.ERROR)


@contextmanager
def settled() -> Iterator[None]:
    """Parts of Optuna that it calls experimental, as it has for years, are made without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class FileLock:
    """The journal's lock as the kernel keeps it: a process that is killed gives it back at once."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_suffix(".lock")

    def acquire(self) -> bool:
        """Waits for it."""
        self._file = open(self.path, "a")  # noqa: SIM115
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Gives it back."""
        self._file.close()


@contextmanager
def opened(url: str | None, folder: Path) -> Iterator[BaseStorage]:
    """The database at `url`, or the journal in `folder`; SweepError where it cannot be reached. Closed at the end."""
    storage = _database(url) if url else _journal(folder / JOURNAL)
    try:
        yield storage
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


class Journal(JournalFileBackend):
    """Optuna's journal, in which a line is whole or absent: also on a full disk, and after another process's death.

    A half line is harmless at the end of the file, and breaks the study for good once another stands behind it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.lock = path, FileLock(path)
        super().__init__(str(path), lock_obj=self.lock)  # type: ignore[arg-type]
        self.append_logs([])  # may it be written at all

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Adds a line for each of `logs`, or none of them."""
        text = "".join(json.dumps(sealed(log), separators=(",", ":")) + "\n" for log in logs)
        self.lock.acquire()
        try:
            whole = _repaired(self.path)
            try:
                with open(self.path, "ab") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, whole)
                raise
        finally:
            self.lock.release()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The lines from that number on, each as it was written; ArtefactError names one that is not."""
        number = log_number_from
        try:
            with reading(self.path):
                for log in super().read_logs(log_number_from):
                    number += 1
                    yield unsealed(log)
        except (ValueError, AttributeError, StopIteration) as error:
            raise ArtefactError(
                f"{self.path}: line {number} is corrupt ({error}). What stands before it is whole; keep that alone, "
                f"and the same command goes on from there: head -n {number - 1} {self.path} > {self.path}.whole; "
                f"mv {self.path}.whole {self.path}"
            ) from error


def _journal(path: Path) -> BaseStorage:
    if exists(path) and not path.stat().st_size and exists(path.parent / "hours.json"):
        raise SweepError(
            f"{path}: empty, though hours were spent on the study: its trials are lost. Put the file back, or begin "
            f"anew: rm -r {path.parent}"
        )
    try:
        with reading(path):
            return JournalStorage(Journal(path))
    except (OSError, ValueError) as error:
        raise SweepError(f"{path}: the study cannot be opened ({error}). Free space or fix the permissions") from error
    except KitError:
        raise
    except Exception as error:  # Optuna replays what the lines say, and trips over any that is not its own
        what = f"the study's journal is corrupt ({type(error).__name__}: {error})"
        raise SweepError(f"{path}: {what}. Put a copy back, or delete it to begin again") from error


def _repaired(path: Path) -> int:
    """Cuts off a last line that was only half written when the power went; the bytes that are left."""
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) in (b"", b"\n"):
            return size
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        return whole


def _database(url: str) -> RDBStorage:
    try:
        return patiently(lambda: _with_tables(url), PAUSES[:3])
    except ImportError as error:
        raise SweepError(f"--storage {masked(url)}: its driver is not installed ({error}). "
                         "Install it: pip install 'submission-kit[postgres]'") from error  # fmt: skip
    except SweepError:
        raise
    except Exception as error:  # SQLAlchemy's are many, and are not imported before they are needed
        raise SweepError(f"--storage {masked(url)}: cannot be opened ({_said(error, url)}). "
                         "Form: postgresql+psycopg://USER:PASSWORD@HOST/DATABASE") from error  # fmt: skip


def _with_tables(url: str) -> RDBStorage:
    """Who comes first makes the tables; who comes while they are made is refused, and finds them a little later."""
    for _ in range(MAKING):
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except Exception as error:
            if type(error).__name__ not in ("IntegrityError", "ProgrammingError"):
                raise
            time.sleep(1)
    return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})


def patiently(
    call: Callable[[], Value], pauses: tuple[float, ...] = PAUSES, echo: Echo = lambda line: None
) -> Value:
    """What `call` gives, tried again while a storage does not respond; SweepError when it never does."""
    for pause in pauses:
        try:
            return call()
        except Exception as error:
            if not _unreachable(error):
                raise
            echo(f"storage does not respond ({_first_line(error)}): again in {pause:g} s")
            time.sleep(pause)
    with reachable():
        return call()


@contextmanager
def reachable() -> Iterator[None]:
    """A storage that does not respond is a SweepError that says what to do."""
    try:
        yield
    except Exception as error:
        if not _unreachable(error):
            raise
        raise SweepError(
            f"storage does not respond ({_first_line(error)}). Nothing that was finished is lost: "
            f"start it, and run the same command again"
        ) from error


def _unreachable(error: Exception) -> bool:
    """A storage that is away or full, as against a wrong call."""
    return isinstance(error, (StorageInternalError, OSError)) or type(error).__name__ in (
        "OperationalError",
        "InterfaceError",
    )


def _said(error: BaseException, url: str) -> str:
    """The first line of an error without the password of the address, which some messages quote piece by piece."""
    password = url.rpartition("@")[0].partition("://")[2].partition(":")[2]
    return _first_line(error).replace(password, "***") if password else _first_line(error)


def _first_line(error: BaseException) -> str:
    text = str(error.__cause__ or error).strip() or type(error).__name__
    return masked(text.splitlines()[0])[:200]
