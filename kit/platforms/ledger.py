"""The ledger: every packed zip, upload and remote score, one JSON value a line, only ever added to.

`pandas.read_json(path, lines=True)` reads it. A line cut short by a crash is skipped by readers and closed
by the next writer, so nothing written before or after it is lost.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from kit.artefact import sha256_file
from kit.ensemble.scoring.belief import Promise
from kit.errors import ArtefactError, DiskError, UploadError
from kit.metrics.registry import get_metric
from kit.packaging.packed import PackedZip
from kit.seal import KEY, MARK, sealed, unsealed
from kit.storage import exists, reading, remedy
from kit.workspace import Workspace

LEDGER = "ledger.jsonl"
COLUMNS = (
    "time", "event", "zip", "sha256", "contest", "platform", "members", "clean", "shifted", "expected", "low", "high",
    "local", "scenarios", "submission", "phase", "score", "quota_left", "metric", "row_sd", "predicted_by",
)  # fmt: skip
"""What a line may hold; `event` is "packed", "uploaded" or "scored". `predicted_by`: of a file of predictions, the
digest of the zip that made it."""


def ledger_path(workspace: Workspace) -> Path:
    """`submissions/ledger.jsonl`."""
    return workspace.submissions / LEDGER


def append(workspace: Workspace, event: str, **values: Any) -> dict[str, Any]:
    """Add one line, synced to disk before this returns; DiskError when it cannot be written."""
    assert values.keys() <= set(COLUMNS), values.keys() - set(COLUMNS)
    entry = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **values}
    path = ledger_path(workspace)
    line = json.dumps(sealed(entry), allow_nan=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            # One write: two processes that append at once do not mix their lines.
            os.write(descriptor, (b"\n" if cut else b"") + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DiskError(f"{path}: cannot be added to ({error}). {remedy(error.errno)}") from error
    return entry


def read(workspace: Workspace) -> pd.DataFrame:
    """All whole lines in order, one column each of COLUMNS; empty where nothing was recorded.

    ArtefactError names a line that is not as it was written.
    """
    path = ledger_path(workspace)
    try:
        with reading(path):
            lines = path.read_bytes().decode("utf-8", "replace").split("\n") if exists(path) else []
    except OSError as error:
        what = f"cannot be read ({error.strerror}). Fix its permissions, put the file back, or delete it to begin anew"
        raise ArtefactError(f"{path}: {what}") from error
    entries = [_entry(line, path, number) for number, line in enumerate(lines, 1)]
    return pd.DataFrame([entry for entry in entries if entry is not None], columns=list(COLUMNS))


def _entry(line: str, path: Path, number: int) -> dict[str, Any] | None:
    """What a line says; None for one that a crash cut short."""
    try:
        entry = json.loads(line)
        return unsealed(entry) if isinstance(entry, dict) else None
    except (ValueError, RecursionError) as error:
        if not (MARK in line or f'"{KEY}"' in line):
            return None
        raise ArtefactError(
            f"{path}: line {number} is corrupt ({error}). Delete it (sed -i {number}d {path}); a score that it "
            f"recorded: kit ledger add-score; a zip: kit package"
        ) from error


def record_zip(workspace: Workspace, packed: PackedZip) -> None:
    """Record a packed zip with the members that it holds and their local scores."""
    blend = packed.blend
    append(
        workspace,
        "packed",
        zip=packed.path.name,
        sha256=packed.sha256,
        contest=packed.manifest["contest"],
        platform=packed.manifest["platform"],
        members=[member.recipe for member in blend.members],
        clean=blend.nested.clean,
        shifted=blend.nested.shifted,
        expected=blend.expected.point,
        low=blend.expected.low,
        high=blend.expected.high,
        local=blend.expected.local,
        metric=blend.metric,
        row_sd=blend.expected.row_sd,
        scenarios={name: [one.point, one.low, one.high] for name, one in blend.scenarios.items()},
    )


def record_file(workspace: Workspace, zip_path: Path, out: Path, platform: str) -> None:
    """Record a file of predictions with the scores of the zip that made it; nothing where the ledger has no such zip.

    So its remote scores move what is expected, as those of zips do.
    """
    digest, table = sha256_file(zip_path), read(workspace)
    packed = table[(table["event"] == "packed") & (table["sha256"] == digest)]
    if packed.empty:
        return
    values = {name: value for name, value in packed.iloc[-1].items() if name not in ("time", "event")}
    known = {str(name): value for name, value in values.items() if isinstance(value, (list, dict)) or pd.notna(value)}
    made = {"zip": out.name, "sha256": sha256_file(out), "platform": platform, "predicted_by": digest}
    append(workspace, "packed", **known | made)


def record_upload(
    workspace: Workspace, zip_path: Path, platform: str, phase: str, submission: str, quota_left: int | None
) -> None:
    """Record that a zip was submitted, and how many tries are left today."""
    append(
        workspace,
        "uploaded",
        zip=zip_path.name,
        sha256=sha256_file(zip_path),
        platform=platform,
        phase=phase,
        submission=submission,
        quota_left=quota_left,
    )


def record_score(
    workspace: Workspace, zip_path: Path, phase: str, score: float, submission: str = "", metric: str = ""
) -> None:
    """Record a remote score, from the platform or read off its web page; UploadError for a number out of range.

    metric: that of the contest, for a file that the ledger does not know; where nobody does, any number is taken.
    """
    digest = sha256_file(zip_path)
    _check_range(score, packed_for(workspace, digest) or metric)
    append(
        workspace,
        "scored",
        zip=zip_path.name,
        sha256=digest,
        phase=phase,
        score=score,
        submission=submission,
    )


def packed_for(workspace: Workspace, digest: str) -> str:
    """The metric that a zip was packed for: accuracy where its line is an old one, "" where there is no such zip."""
    table = read(workspace)
    found = table[(table["event"] == "packed") & (table["sha256"] == digest)]["metric"]
    return str(found.astype(object).fillna("accuracy").iloc[-1]) if len(found) else ""


def _check_range(score: float, metric: str) -> None:
    if not math.isfinite(score):
        raise UploadError(f"a score must be a finite number, but got {score:g}. Look at the web page again")
    if not metric:
        return
    known = get_metric(metric)
    if score == known.clipped(score):
        return
    bounds = f"{known.low:g} or more" if known.high is None else f"between {known.low:g} and {known.high:g}"
    example = "Give 0.8712 for 87.12 %" if known.high == 1 else "Look at the web page again"
    raise UploadError(
        f"a score must be {bounds}, but got {score:g} ({known.title}). {example}, or name its contest with --contest"
    )


def remote_scores(workspace: Workspace, contest: str, expects: str) -> tuple[list[float], list[float]]:
    """Local and mean remote score of every zip of `contest` that was scored, oldest first.

    Local is the score that was expected before any recalibration; of zips from before that was written down, the
    nested score, "clean" or "shifted", that it rested on.
    """
    table = read(workspace)
    packed = table[(table["event"] == "packed") & (table["contest"] == contest)].drop_duplicates("sha256", keep="last")
    local = packed["clean"]
    if expects == "shifted":
        local = packed["shifted"].where(packed["shifted"].notna(), local)
    local = packed["local"].where(packed["local"].notna(), local)
    remote = packed["sha256"].map(table[table["event"] == "scored"].groupby("sha256")["score"].mean())
    known = (local.notna() & remote.notna()).to_numpy()
    return local[known].astype(float).tolist(), remote[known].astype(float).tolist()


def remote_promises(workspace: Workspace, contest: str) -> list[tuple[dict[str, Promise], float]]:
    """Of every zip of `contest` that was scored: its scores to expect by scenario, and its mean remote score."""
    table = read(workspace)
    packed = table[(table["event"] == "packed") & (table["contest"] == contest)].drop_duplicates("sha256", keep="last")
    remote = packed["sha256"].map(table[table["event"] == "scored"].groupby("sha256")["score"].mean())
    return [
        ({name: (float(point), float(low), float(high)) for name, (point, low, high) in promises.items()}, float(score))
        for promises, score in zip(packed["scenarios"], remote)
        if isinstance(promises, dict) and score == score
    ]


@dataclass(frozen=True)
class Recommendation:
    """Which zip to submit for the final phase."""

    zip: str
    sha256: str
    reason: str


def recommend(workspace: Workspace, contest: str) -> Recommendation:
    """The zip to send in the final phase of `contest`, with the reason; UploadError where none was packed.

    A remote score is one draw of the development phase's few rows, and the final phase has others: it moves
    the local expectation by the weight that its own uncertainty leaves it (two normal estimates of one
    number).
    """
    table = read(workspace)
    packed = table[(table["event"] == "packed") & (table["contest"] == contest)]
    packed = packed.drop_duplicates("sha256", keep="last")
    if packed.empty:
        raise UploadError(f"{ledger_path(workspace)}: holds no zip of {contest}. Pack one: kit package")
    packed = packed[~packed["sha256"].isin(packed["predicted_by"].dropna())]  # its file is what is sent
    scored = table[table["event"] == "scored"].groupby("sha256")["score"].mean().to_dict()
    rows = packed.to_dict("records")
    metric = rows[-1].get("metric")
    same = [row for row in rows if row.get("metric") == metric or (pd.isna(row.get("metric")) and pd.isna(metric))]
    sign = get_metric(metric).sign if isinstance(metric, str) else 1
    ranked = sorted(same, key=lambda row: -sign * _posterior(row, scored.get(row["sha256"])))
    best = ranked[0]
    return Recommendation(best["zip"], best["sha256"], _reason(best, scored.get(best["sha256"]), len(ranked)))


REMOTE_SE = 0.04
"""Standard error of a remote score, in standard deviations of one image's value: about 1,000 rows, and a phase whose
shifts are not the final one's. At an accuracy of 0.83 it is 0.015."""

USUAL_SD = 0.375
"""Standard deviation of one image's value where the ledger does not say: that of a hit at an accuracy of 0.83."""


def _posterior(row: dict[Any, Any], remote: float | None) -> float:
    """Expected final score: the local expectation, moved towards the remote one."""
    if remote is None:
        return float(row["expected"])
    # The interval is one of 80 %: 2.563 standard errors wide.
    local_se = max((row["high"] - row["low"]) / 2.563, 1e-3)
    row_sd = row.get("row_sd")
    remote_se = REMOTE_SE * (USUAL_SD if row_sd is None or pd.isna(row_sd) else float(row_sd))
    share = local_se**2 / (local_se**2 + remote_se**2)
    return float((1 - share) * row["expected"] + share * remote)


def _reason(row: dict[Any, Any], remote: float | None, count: int) -> str:
    local = f"{row['expected']:.4f} ({row['low']:.4f} to {row['high']:.4f}) expected from out-of-fold rows"
    seen = f"remote {remote:.4f}" if remote is not None else "no remote score yet"
    value = _posterior(row, remote)
    return f"best of {count} packed: {local}, {seen}, together {value:.4f}"
