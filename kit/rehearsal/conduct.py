"""How a submission behaved beside predicting: what it reached for, and why it was ended."""

from __future__ import annotations

from kit.config import PlatformConfig
from kit.rehearsal.checks import NO_SCORES, Check, failed, judge
from kit.rehearsal.sandbox import Outcome
from kit.rehearsal.watch import MOST_PROCESSES

PRINTED_BYTES = 1 << 20
"""A submission that prints more floods the platform's log."""


def killed(outcome: Outcome, platform: PlatformConfig) -> Check:
    """The failed check of a submission that a limit ended."""
    reasons = {
        "time": ("too slow: it was ended. Predict in batches, blend fewer networks", "Execution time limit exceeded"),
        "memory": ("too much memory: it was ended. Predict in batches, one view at a time", NO_SCORES),
        "output": ("prints megabytes: it was ended. Print nothing in predict", NO_SCORES),
        "disk": ("fills the disk: it was ended. Keep results in memory, and write none", NO_SCORES),
        "children": ("starts more processes than a platform has room for: it was ended. Start none", NO_SCORES),
    }
    figures = {
        "time": f"ended after {outcome.seconds:.0f} s",
        "memory": f"{outcome.peak_mb:,.0f} MB (limit {platform.max_memory_mb or 0:,.0f} MB)",
        "output": f"{outcome.printed_bytes / 1e6:.0f} MB printed",
        "disk": "gigabytes, or files by the ten thousand, written",
        "children": f"more than {MOST_PROCESSES} at once",
    }
    return failed(outcome.killed, figures[outcome.killed], *reasons[outcome.killed])


def conduct(outcome: Outcome) -> list[Check]:
    """What the submission tried beside predicting."""
    rules = (
        ("network", "no network", "it reaches for the network (download), which is off. Ship what it needs"),
        ("process", "no processes", "it spawns workers or commands; /dev/shm is small and cores are few"),
        ("write", "writes nothing", "it writes beside itself, where the platform may not let it"),
        ("outside", "stays inside", "it opens files outside of the submission"),
    )
    checks = []
    for kind, title, wrong in rules:
        seen = [event for event in outcome.events if event["kind"] == kind and (event["at"] or kind == "outside")]
        figure = ", ".join(sorted({event["at"] or event["value"] for event in seen})[:3]) or "none seen"
        checks.append(judge(title, not seen, figure, wrong))
    printed = f"{outcome.printed_bytes:,} bytes"
    wrong = "prints megabytes, which floods the platform's log. Print nothing in predict"
    return [*checks, judge("prints little", outcome.printed_bytes <= PRINTED_BYTES, printed, wrong)]
