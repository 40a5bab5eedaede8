"""Every error a user can cause, as one tree.

KitError
├── ConfigError      a contest, recipe, platform or sweep file breaks a rule
├── DataError        the contest's data cannot be read, cleaned or split
├── NetError         a network is unknown, or its weights cannot be had
├── TrainError       a fit cannot go on
├── OofError         out-of-fold predictions are missing, broken or do not belong together
├── EnsembleError    members cannot be blended
├── SweepError       a study cannot be opened, or cannot go on
├── PackagingError   a submission cannot be packed
├── RehearsalError   a submission cannot be rehearsed
├── ExplainError     where a network looked cannot be shown
├── UploadError      a platform refused, or cannot be reached
├── StorageError     a disk or a network folder failed, or refuses: its files may be whole
├── ArtefactError    a file is corrupt
└── DiskError        an ArtefactError: a file cannot be written

A message states the rule, the value met, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KitError(Exception):
    """Root of the tree in this module's docstring; the command line prints it and exits 2."""


class ConfigError(KitError):
    """A contest, recipe, platform or sweep file breaks a rule."""


class DataError(KitError):
    """The contest's data cannot be read, cleaned or split."""


class NetError(KitError):
    """A network is unknown, or its weights cannot be had."""


class TrainError(KitError):
    """A fit cannot go on."""


class OofError(KitError):
    """Out-of-fold predictions are missing, broken or do not belong together."""


class EnsembleError(KitError):
    """Members cannot be blended."""


class SweepError(KitError):
    """A study cannot be opened, or cannot go on."""


class PackagingError(KitError):
    """A submission cannot be packed."""


class RehearsalError(KitError):
    """A submission cannot be rehearsed."""


class ExplainError(KitError):
    """Where a network looked cannot be shown."""


class UploadError(KitError):
    """A platform refused, or cannot be reached."""


class StorageError(KitError):
    """A disk or a network folder failed, or refuses: its files may be whole."""


class ArtefactError(KitError):
    """A file is corrupt, or cannot be written (DiskError)."""


class DiskError(ArtefactError):
    """A file cannot be written: the disk is full, or not to be written to."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """" Did you mean 'x'?" for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
