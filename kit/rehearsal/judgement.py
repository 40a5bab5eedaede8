"""The checks of a rehearsal: predictions held against the calls that were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.config import PlatformConfig
from kit.inference.model import contribution, finish, merge_views, softmax
from kit.rehearsal.calls import HINTS, Calls
from kit.rehearsal.checks import LEFT_OUT, Check, failed, judge, passed
from kit.rehearsal.knowledge import better_than_guessing
from kit.rehearsal.predicted import LABELS_AGREE, Predictions

LOGITS_TOLERANCE = 2e-2

BLEND_TOLERANCE = 1e-3
"""How far probabilities may be apart that are made of the same logits."""

EIGHT_BITS_AGREE = 0.97
"""Share of labels that must be the same where weights were rounded to eight bits; packing measured what that costs."""

WRONG = {
    "shape": "predict must return one label an image, shape (N,)",
    "one-hot": "predict returns one-hot or probabilities. Return argmax(axis=1), shape (N,)",
    "dtype": "float labels: they must be integers. Return labels.astype(int)",
    "names": "labels must be integers, the numbers of the classes, not their names. Return places in the class list",
    "probabilities": "predict must return a probability a class, shape (N, C), each row of sum 1",
    "some": "labels depend on which images come together: the network is in training mode, or statistics of "
    "the batch are used. Call eval()",
    "again": "random output: two equal calls give different labels. Call eval(), draw nothing at random",
    "permuted": "a permuted input does not give the permuted predictions: rows are sorted, shuffled or mixed with "
    "their neighbours (batch order)",
    "int64": "int64 images get other labels than uint8: the scale is guessed from the type. Convert with "
    "astype('float32') and divide by 255",
    "float32": "float32 images in 0..255 get other labels than uint8: the scale is guessed from the type. "
    "Convert with astype('float32') and divide by 255",
    "strided": "a non-contiguous array gives other labels. Call numpy.ascontiguousarray",
    "read_only": "a read-only array gives other labels, or fails, because X is written to. Work on a copy",
    "mutated": "predict mutates X. Work on a copy",
    "size": "a call of this size fails or predicts otherwise: batches are of a fixed size, or N is assumed",
    "none": "an empty call must return shape (0,)",
    "constant": "constant images get no prediction: something divides by their spread",
    "dark": "dark images get other labels beside bright ones: the scale is guessed from the values (such as "
    "X.max() > 1). Divide by 255 in any case",
    "multiplied": "scaled twice: images times 255 are predicted well. Divide by 255 once",
    "divided": "not scaled: images divided by 255 are predicted well. Divide by 255",
    "chance": "labels are no better than chance: wrong weights, class order, channel order or preprocessing",
    "parity": "the zip's networks predict unlike those that were scored: weights or preprocessing changed. Pack again",
    "time": "too slow. Predict in batches, blend fewer networks or views",
    "memory": "too much memory. Predict in batches, one view at a time",
}


def judge_predictions(predictions: Predictions, calls: Calls, platform: PlatformConfig) -> list[Check]:
    """All checks; those that cannot be made because an earlier one failed are left out."""
    if predictions.results.get("first", {}).get("error") == "NeverReturns":
        return [failed("predicts", *(predictions.error("first") or ("", "")))]
    for name, title in (("load", "loads"), ("all", "predicts")):
        problem = predictions.error(name)
        if problem:
            return [failed(title, *problem)]
    kind = _probabilities if platform.submits == "probabilities" else _kind
    checks = [passed("loads", f"{predictions.results['load']['seconds']:.1f} s"), *kind(predictions, calls)]
    if all(check.passed for check in checks):
        checks += [*_forms(predictions, calls), *_sizes(predictions, calls), *_values(predictions, calls)]
        checks += [*_members(predictions, calls), *_blend(predictions, calls)]
    return [*checks, *_costs(predictions, platform)]


def _kind(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """Shape, type and range of the predictions for all images."""
    found, labels = predictions.results["all"], predictions.array("all")
    rows, classes = len(calls.reference.images), calls.reference.num_classes
    shape = tuple(found["shape"])
    wrong = WRONG["one-hot" if shape == (rows, classes) else "shape"]
    fine = shape == (rows,) and labels is not None and labels.shape == shape
    yield judge("shape", fine, f"{found['type']} {shape}", wrong, "a score of 0, or a crash in scoring")
    if not fine or labels is None:
        return
    whole = labels.dtype.kind in "iu"
    wrong = WRONG["dtype" if labels.dtype.kind in "fcb" else "names"]
    yield judge("dtype", whole, str(labels.dtype), wrong, "often a score of 0")
    if not whole and labels.dtype.kind not in "fb":  # names, dates: nothing to compare with numbers
        return
    inside = bool(np.isin(labels, np.arange(classes)).all())
    given = predictions.raw("all")
    span = f"{labels.min()} to {labels.max()}" if given is None else f"{given.min()} to {given.max()}"
    low, high = (min(predictions.values), max(predictions.values)) if predictions.values else (0, classes - 1)
    yield judge("range", inside, span, f"labels must be {low} to {high}, but got {span}", "a low score")


def _probabilities(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """Shape, type and range of probabilities of all images."""
    found, proba = predictions.results["all"], predictions.raw("all")
    shape, wanted = tuple(found["shape"]), (len(calls.reference.images), calls.reference.num_classes)
    fine = shape == wanted and proba is not None and proba.shape == shape
    yield judge("shape", fine, f"{found['type']} {shape}", WRONG["probabilities"], "a crash in scoring")
    if not fine or proba is None:
        return
    floats = proba.dtype.kind == "f"
    yield judge("dtype", floats, str(proba.dtype), WRONG["probabilities"], "a crash in scoring")
    if not floats:
        return
    sums = proba.sum(axis=1)
    sound = bool(np.isfinite(proba).all()) and proba.min() >= 0 and float(np.abs(sums - 1).max()) <= 1e-3
    figure = f"{proba.min():.3g} to {proba.max():.3g}, rows of sum {sums.min():.3f} to {sums.max():.3f}"
    yield judge("range", sound, figure, WRONG["probabilities"], "a low score")


def _forms(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """The same images again, in another order, type and memory."""
    whole = predictions.labels("all")[calls.some]
    yield predictions.same("some", "company", whole, WRONG["some"])
    alone = predictions.array("some")
    base = whole if alone is None or alone.shape != whole.shape else alone
    yield predictions.same("again", "repeatable", base, WRONG["again"])
    yield predictions.same("permuted", "order", base[calls.order], WRONG["permuted"])
    for name in ("int64", "float32", "strided", "read_only"):
        yield predictions.same(name, f"X {name.replace('_', '-')}", base, WRONG[name])
    mutated = [name for name, found in predictions.results.items() if found.get("mutated")]
    figure = f"changed in {', '.join(mutated)}" if mutated else "as it was"
    yield judge("X untouched", not mutated, figure, WRONG["mutated"], "wrong scores where X is used again")


def _sizes(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """Calls of other sizes predict alike; few images are never adapted to, so these are held against few."""
    whole = predictions.labels("all")
    few = predictions.array("some") if calls.reference.adapts else None
    some = whole[calls.some] if few is None or few.shape != calls.some.shape else few
    yield predictions.same("one", "N = 1", some[:1], WRONG["size"])
    yield predictions.same("seven", "N = 7", some[:7], WRONG["size"])
    yield predictions.same("none", "N = 0", some[:0], WRONG["none"])
    repeated = whole[np.arange(calls.many) % len(whole)]
    if predictions.results.get("many", {}).get("left_out"):
        left = f"{LEFT_OUT}: it would take more than the {calls.many_seconds:.0f} s that there are"
        yield passed(f"N = {calls.many:,}", left)
    else:
        yield predictions.same("many", f"N = {calls.many:,}", repeated, WRONG["size"])


def _values(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """Whether images are scaled once, whatever they hold, and known."""
    truth = calls.reference.labels
    labels = predictions.labels("all")
    figure = f"{(labels == truth).mean():.1%} of {len(truth):,} training rows right"
    knows = better_than_guessing(labels, truth)
    yield judge("classes", knows, figure, "" if knows else _why_at_chance(predictions, calls), "a low score")
    some = calls.some
    yield _predicted(predictions, "constant", "constant images", 4)
    dark, together = predictions.array("dark"), predictions.array("dark_and_bright")
    if dark is None or together is None:
        yield _predicted(predictions, "dark" if dark is None else "dark_and_bright", "dark images", len(some))
        return
    same = bool(np.array_equal(dark, together[: len(dark)]))
    yield judge("dark images", same, "alone and beside bright ones", WRONG["dark"], "a few points less")


def _predicted(predictions: Predictions, name: str, title: str, rows: int) -> Check:
    problem = predictions.error(name)
    if problem:
        return failed(title, *problem)
    labels = predictions.array(name)
    return judge(title, labels is not None and labels.shape == (rows,), "predicted", WRONG["constant"])


def _why_at_chance(predictions: Predictions, calls: Calls) -> str:
    truth = calls.reference.labels[calls.some[:HINTS]]
    for name in ("multiplied", "divided"):
        labels = predictions.array(name)
        if labels is not None and labels.shape == truth.shape and better_than_guessing(labels, truth):
            return WRONG[name]
    return WRONG["chance"]


def _members(predictions: Predictions, calls: Calls) -> list[Check]:
    """Logits of every network on rows it was not trained on, against the out-of-fold store."""
    exact, eight = Parity(), Parity()
    for part in calls.reference.members:
        problem = predictions.error(f"member{part.member}")
        logits = predictions.array(f"member{part.member}")
        if problem or logits is None or logits.shape != part.logits.shape:
            return [failed("parity", f"network {part.member}", problem[1] if problem else WRONG["parity"])]
        (eight if part.eight_bits else exact).add(logits, part.logits)
    checks = []
    if exact.total:
        near, figure = exact.worst <= LOGITS_TOLERANCE, f"at most {exact.worst:.1e} apart"
        checks.append(judge("parity: logits", near, figure, WRONG["parity"], "another score"))
        checks.append(exact.labels("parity: labels", LABELS_AGREE))
    return [*checks, eight.labels("parity: labels, int8", EIGHT_BITS_AGREE)] if eight.total else checks


def _blend(predictions: Predictions, calls: Calls) -> Iterator[Check]:
    """The zip's probabilities against those that its networks' logits make by the kit's own arithmetic.

    Temperatures, weights and the metric's post-processing included.
    """
    manifest = calls.reference.manifest
    if manifest is None or calls.reference.adapts:
        return
    count = len(manifest["members"])
    found = [predictions.raw(f"blend{member}") for member in range(count)]
    logits, blended = [one for one in found if one is not None], predictions.raw("blend")
    if len(logits) < count or blended is None:
        problem = predictions.error("blend")
        yield failed("parity: blend", "no prediction", problem[1] if problem else WRONG["parity"])
        return
    try:
        wanted = _blended(manifest, logits)
    except (KeyError, IndexError, TypeError, ValueError, AssertionError) as error:
        wrong = f"its manifest does not say how networks are blended ({type(error).__name__}: {error}). Pack again"
        yield failed("parity: blend", "cannot be computed", wrong)
        return
    apart = float(np.abs(wanted - blended).max()) if blended.shape == wanted.shape else float("inf")
    figure = f"probabilities of {len(wanted)} images at most {apart:.1e} apart"
    yield judge("parity: blend", apart <= BLEND_TOLERANCE, figure, WRONG["parity"], "another score")


def _blended(manifest: Mapping[str, Any], logits: Sequence[np.ndarray]) -> np.ndarray:
    """Probabilities (n, C) of the logits (n, V, C) of every network of a manifest."""
    by_recipe: dict[str, list[np.ndarray]] = {}
    for entry, one in zip(manifest["members"], logits):
        proba = merge_views(one.astype(np.float64), entry["temperature"], entry.get("merge", "mean"))
        by_recipe.setdefault(entry["recipe"], []).append(proba)
    total = np.zeros(1)
    for place, recipe in enumerate(manifest["recipes"]):
        total = total + contribution(manifest["combiner"], place, np.mean(by_recipe[recipe], axis=0))
    return finish(manifest["combiner"], total)


@dataclass
class Parity:
    """What networks predict against what they predicted when they were scored."""

    worst: float = 0.0
    agree: int = 0
    total: int = 0

    def add(self, logits: np.ndarray, wanted: np.ndarray) -> None:
        """Count one network's logits (n, V, C)."""
        if len(wanted):
            self.worst = max(self.worst, float(np.abs(logits - wanted).max()))
            self.agree += int((_vote(logits) == _vote(wanted)).sum())
            self.total += len(wanted)

    def labels(self, title: str, enough: float) -> Check:
        """Whether enough labels agree."""
        share = self.agree / self.total
        figure = f"{share:.2%} of {self.total:,} held-out predictions agree"
        return judge(title, share >= enough, figure, WRONG["parity"], "another score")


def _vote(logits: np.ndarray) -> np.ndarray:
    """Labels (n,) of one network's logits (n, V, C)."""
    return softmax(logits).mean(axis=1).argmax(axis=1)


def _costs(predictions: Predictions, platform: PlatformConfig) -> Iterator[Check]:
    """Time and memory of the call with all images."""
    found = predictions.results["all"]
    seconds, rows = float(found["seconds"]), int(found["rows"])
    peak = max(float(result.get("peak_mb", 0.0)) for result in predictions.results.values())
    limit, room = platform.max_seconds, platform.max_memory_mb
    figure = f"{rows:,} rows in {seconds:.1f} s, {rows / max(seconds, 1e-9):,.0f} rows/s"
    figure += f" (limit {limit:g} s)" if limit else ""
    shown = "Execution time limit exceeded"
    yield judge("time", not limit or seconds <= limit, figure, WRONG["time"], shown)
    figure = f"{peak:,.0f} MB at most" + (f" (limit {room:,.0f} MB)" if room else "")
    yield judge("memory", not room or peak <= room, figure, WRONG["memory"])
