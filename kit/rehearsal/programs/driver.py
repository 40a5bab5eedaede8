"""Call a submission's methods: `python driver.py JOBS.json OUTPUT_FOLDER`.

JOBS holds "submission" (its folder), "class_name", "constructor", "input" and "jobs": a list of {"name",
"call", "input" (npy file), "layout", "scale", "arguments"}. Each prediction goes to OUTPUT/<name>.npy, and what
happened to OUTPUT/results.json, rewritten after every job, so that a submission that kills the process is
caught in the act.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np


def lay_out(X: np.ndarray, layout: str) -> np.ndarray:
    """The same images in another memory: "plain", "read_only", "strided" or "fortran"."""
    if layout == "read_only":
        X.setflags(write=False)
    elif layout == "strided":
        wide = np.zeros((2 * len(X), *X.shape[1:]), dtype=X.dtype)
        wide[::2] = X
        X = wide[::2]
    elif layout == "fortran":
        X = np.asfortranarray(X)
    return X


def digest(X: np.ndarray) -> str:
    """Hex digest of an array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(X).tobytes()).hexdigest()


def peak_mb() -> float:
    """Most resident memory of this process so far."""
    if os.path.exists("/proc/self/status"):
        # ru_maxrss would carry over the memory of the process that started this one.
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def attempt(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` reports, with its seconds, or the error it raised; sys.exit is an error too."""
    start = time.perf_counter()
    try:
        found = work()
    except BaseException as error:
        text = traceback.format_exc()
        found = {"error": type(error).__name__, "message": str(error)[:2000], "traceback": text[-4000:]}
    found.setdefault("seconds", time.perf_counter() - start)
    found["peak_mb"] = peak_mb()
    return found


def load(plan: dict[str, Any]) -> Any:
    """The submission's object, made as the platform makes it."""
    folder = plan["submission"]
    sys.path.insert(0, folder)
    module = importlib.import_module("model")
    make = getattr(module, plan["class_name"])
    return make(folder) if plan["constructor"] == "path" else make()


def call_one(
    submission: Any, job: dict[str, Any], tensors: bool, output: str, plan_method: str = "predict"
) -> dict[str, Any]:
    """Make one call and save what it returned."""
    X = lay_out(np.load(job["input"]), job.get("layout", "plain"))
    before = digest(X)
    given: Any = X
    if tensors:
        import tensorflow

        given = tensorflow.constant(X)
    start = time.perf_counter()
    call = plan_method if job["call"] == "predict" else job["call"]
    predicted = getattr(submission, call)(given, **job.get("arguments", {}))
    seconds = time.perf_counter() - start
    found = describe(predicted)
    found.update(seconds=seconds, rows=len(X), mutated=digest(X) != before)
    array = np.asarray(predicted)
    if array.dtype != object:
        np.save(os.path.join(output, job["name"] + ".npy"), array, allow_pickle=False)
    return found


def describe(value: Any) -> dict[str, Any]:
    """What kind of thing was returned."""
    array = np.asarray(value)
    kind = type(value)
    name = kind.__module__ + "." + kind.__name__
    return {"type": name, "dtype": str(array.dtype), "shape": list(array.shape)}


def too_long(job: dict[str, Any], results: dict[str, Any]) -> bool:
    """Whether a job would take more seconds than it may, going by another of the same kind."""
    measured = results.get(job.get("like", ""), {})
    if "rows" not in measured:
        return "like" in job
    rows = np.load(job["input"], mmap_mode="r").shape[0]
    return bool(measured["seconds"] / max(measured["rows"], 1) * rows > job["at_most_seconds"])


def watch(job: dict[str, Any], results: dict[str, Any], path: str) -> threading.Event:
    """End this process, saying why, where a job does not end within its seconds; set the event when it is.

    A process that was kept from running, on a busy machine, gets three times as many.
    """
    ended = threading.Event()
    seconds = float(job.get("within", 0))
    started = time.process_time()

    def wait() -> None:
        if ended.wait(seconds):
            return
        if time.process_time() - started < 0.5 * seconds and ended.wait(2 * seconds):
            return
        message = "no prediction for %d images within %.0f s" % (len(np.load(job["input"], mmap_mode="r")), seconds)
        results[job["name"]] = {"error": "NeverReturns", "message": message}
        write(path, results)
        os._exit(3)

    if seconds:
        threading.Thread(target=wait, daemon=True).start()
    return ended


def write(path: str, value: Any) -> None:
    """Replace the JSON file at `path` in one step."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".part", path)


def main(plan_path: str, output: str) -> None:
    """Load the submission, then put the jobs to it one after the other."""
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    sys.argv = ["ingestion.py"]
    results_path = os.path.join(output, "results.json")
    made: list[Any] = []

    def start() -> dict[str, Any]:
        made.append(load(plan))
        return {"python": sys.version.split()[0]}

    results = {"load": attempt(start)}
    write(results_path, results)
    for job in plan["jobs"] if made else []:
        if too_long(job, results):
            results[job["name"]] = {"left_out": True}
            continue
        results[job["name"]] = {"error": "Died", "message": "the process ended inside of this call"}
        write(results_path, results)
        tensors = plan["input"] == "tensorflow"
        ended = watch(job, results, results_path)
        results[job["name"]] = attempt(
            functools.partial(call_one, made[0], job, tensors, output, plan.get("method", "predict"))
        )
        ended.set()
        write(results_path, results)
    results["end"] = {"peak_mb": peak_mb()}
    write(results_path, results)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
