"""What is wrong with the practice contest's training data, on purpose: junk, duplicates and wrong labels.

The plan is drawn before a single image is, so that tests can ask for the truth without drawing anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kit.data.practice.traits import CLASS_NAMES, draw_labels

ROWS = 2_000
_JUNK = (150, 96)
"""Copies of each of the two junk images."""
_DUPLICATES = 70
_CONFLICTS = 14
"""So many of the duplicates carry another label than their original."""
_WRONG = 18


@dataclass(frozen=True)
class Planted:
    """The truth about the training rows, in their order."""

    labels: np.ndarray
    """(N,) int64, as handed out."""
    true_labels: np.ndarray
    """(N,) int64, what was drawn; -1 for junk."""
    junk: np.ndarray
    """(N,) bool: no cell at all; two images, copied under all labels."""
    duplicate_of: np.ndarray
    """(N,) int64: the row with the same cell that came first in the making; -1 for originals and junk."""
    wrong: np.ndarray
    """(N,) bool: a cell under another class than its own, copies included."""
    image: np.ndarray
    """(N,) int64: number of the cell's image among the distinct ones; -1 and -2 are the junk images."""

    def cells(self) -> np.ndarray:
        """Labels (M,) int64 of the distinct cells to draw, in the order of their numbers."""
        numbers, first = np.unique(self.image, return_index=True)
        return self.true_labels[first[numbers >= 0]]


def draw_plan(rng: np.random.Generator) -> Planted:
    """A plan of ROWS rows in random order."""
    distinct = ROWS - sum(_JUNK) - _DUPLICATES
    truth = draw_labels(distinct, rng)
    special = rng.permutation(distinct)[: _DUPLICATES + _WRONG]
    copied, mislabelled = special[:_DUPLICATES], special[_DUPLICATES:]
    given = truth.copy()
    given[mislabelled] = _another(truth[mislabelled], rng)
    copies = truth[copied]
    copies[:_CONFLICTS] = _another(copies[:_CONFLICTS], rng)
    junk = np.repeat([-1, -2], _JUNK)
    return _shuffled(
        np.concatenate([given, copies, rng.integers(0, len(CLASS_NAMES), len(junk))]),
        np.concatenate([truth, truth[copied], np.full(len(junk), -1)]),
        np.concatenate([np.arange(distinct), copied, junk]),
        rng,
    )


def _shuffled(given: np.ndarray, truth: np.ndarray, image: np.ndarray, rng: np.random.Generator) -> Planted:
    order = rng.permutation(len(given))
    place = np.argsort(order)
    second = (np.arange(len(given)) >= len(given) - sum(_JUNK) - _DUPLICATES) & (image >= 0)
    origin = np.where(second, place[np.maximum(image, 0)], -1)
    wrong = (truth >= 0) & (given != truth)
    given, truth, image = given[order], truth[order], image[order]
    return Planted(given, truth, image < 0, origin[order], wrong[order], image)


def _another(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (labels + rng.integers(1, len(CLASS_NAMES), len(labels))) % len(CLASS_NAMES)


def junk_images(side: int) -> np.ndarray:
    """The two junk images (2, side, side, 3) uint8: a robot's face, and a house under the sun."""
    return np.stack([_reduced(_robot(), side), _reduced(_house(), side)])


def _robot() -> np.ndarray:
    image = np.full((192, 192, 3), (196, 222, 240), np.uint8)
    cv2.line(image, (96, 12), (96, 44), (90, 90, 96), 5)
    cv2.circle(image, (96, 14), 9, (220, 60, 50), -1)
    cv2.rectangle(image, (38, 44), (154, 164), (118, 172, 60), -1)
    for x in (70, 122):
        cv2.circle(image, (x, 84), 17, (255, 255, 255), -1)
        cv2.circle(image, (x, 84), 7, (40, 30, 30), -1)
    cv2.rectangle(image, (66, 124), (126, 142), (60, 40, 40), -1)
    return image


def _house() -> np.ndarray:
    image = np.full((192, 192, 3), (120, 186, 240), np.uint8)
    image[136:] = (92, 168, 80)
    cv2.circle(image, (152, 40), 24, (252, 214, 70), -1)
    cv2.rectangle(image, (44, 88), (132, 160), (236, 226, 206), -1)
    cv2.fillPoly(image, [np.array([[32, 90], [88, 40], [144, 90]], np.int32)], (176, 62, 48))
    cv2.rectangle(image, (78, 116), (100, 160), (110, 70, 46), -1)
    return image


def _reduced(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
