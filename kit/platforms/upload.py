"""Submitting a rehearsed zip to Codabench: https://docs.codabench.org, the REST API that its web page uses.

The token comes from $CODABENCH_TOKEN, the system's keyring, or a user name and password in the environment;
it is sent in headers alone and appears in no message, file or ledger line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from kit.artefact import read_json, sha256_file
from kit.echo import Echo
from kit.errors import UploadError
from kit.rehearsal.result import report_path
from kit.secrets import masked, remember
from kit.storage import exists

SERVER = "https://www.codabench.org"
SERVICE = "submission-kit"
DONE = ("Finished", "Failed", "Cancelled")


@dataclass(frozen=True)
class Submitted:
    """A submission and what became of it."""

    id: str
    status: str
    """Empty for a dry run."""
    scores: dict[str, float]
    logs: dict[str, str]
    """Standard error of its runs, where the platform gives it out."""
    quota_left: int | None


def find_token(server: str) -> str:
    """The user's token for `server`; UploadError names the ways to give one."""
    token = os.environ.get("CODABENCH_TOKEN") or _from_keyring(server)
    if token:
        return remember(token)
    user, password = os.environ.get("CODABENCH_USERNAME"), os.environ.get("CODABENCH_PASSWORD")
    if user and password:
        if token := _for_password(server, user, remember(password)):
            return remember(token)
        raise UploadError(
            f"{masked(server)} refused user {user!r}. Fix CODABENCH_USERNAME or _PASSWORD"
        )
    raise UploadError(
        "uploading needs a token, and none was given. Set CODABENCH_TOKEN, or CODABENCH_USERNAME and "
        f"CODABENCH_PASSWORD, or store one: keyring set {SERVICE} {server}"
    )


def _for_password(server: str, user: str, password: str) -> str:
    """The token that the server gives for them; empty where it gives none."""
    try:
        response = requests.post(f"{server}/api/api-token-auth/", {"username": user, "password": password}, timeout=30)
        return str(response.json()["token"]) if response.ok else ""
    except requests.ConnectionError as error:
        wrong = f"{masked(server)} cannot be reached ({type(error).__name__}). Try again later"
        raise UploadError(wrong) from None  # the cause would hold the request
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return ""


def _from_keyring(server: str) -> str | None:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, server)
    except keyring.errors.KeyringError:
        return None


def check_report(zip_path: Path) -> dict[str, Any]:
    """The report of the zip's rehearsal; UploadError where there is none, it failed, or the zip changed since."""
    path = report_path(zip_path)
    again = f"kit rehearse {zip_path}"
    if not exists(path):
        raise UploadError(f"{zip_path}: must be rehearsed before it is submitted, but {path} is missing. Run: {again}")
    report = read_json(path, rerun=again)
    try:
        digest = sha256_file(zip_path)
    except OSError as error:
        raise UploadError(f"{zip_path}: cannot be read ({error.strerror}). Pack it again: kit package") from error
    if report.get("sha256") != digest:
        raise UploadError(f"{zip_path}: changed since its rehearsal. Run: {again}")
    if not report["passed"]:
        wrong = [check["name"] for check in report["checks"] if not check["passed"]]
        raise UploadError(f"{zip_path}: failed its rehearsal ({', '.join(wrong[:3])}). Fix it, then run: {again}")
    return report


class Codabench:
    """One user's session with a server."""

    def __init__(self, token: str, server: str = SERVER, pause: float = 5.0) -> None:
        self.server, self.pause = server.rstrip("/"), pause
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token {token}"
        # Only what can be asked twice is retried here; submitting is not.
        retry = Retry(4, backoff_factor=pause / 10, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        self.session.mount(self.server, HTTPAdapter(max_retries=retry))

    def get(self, path: str) -> Any:
        """JSON of a GET; UploadError in words otherwise."""
        return self._json(self._send("GET", path))

    def post(self, path: str, values: dict[str, Any]) -> Any:
        """JSON of a POST."""
        return self._json(self._send("POST", path, json=values))

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            response = self.session.request(method, f"{self.server}{path}", timeout=60, **more)
        except requests.RequestException as error:
            wrong = f"{masked(self.server)} cannot be reached ({type(error).__name__}). Try again later"
            raise UploadError(wrong) from error
        if response.status_code in (401, 403):
            raise UploadError(
                f"{masked(self.server)} refused the token ({response.status_code}). Make a new one on your account page"
            )
        if not response.ok:
            raise UploadError(
                masked(f"{self.server}{path} responded {response.status_code}: {response.text[:200]}. Try again later")
            )
        return response

    def _json(self, response: requests.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            wrong = f"{response.url} responded no JSON: {response.text[:100]!r}. Is --server right?"
            raise UploadError(masked(wrong)) from error

    # ------------------------------------------------------------------------------------------ steps
    def may_submit(self, phase: str) -> None:
        """UploadError with the server's reason when no submission can be made now."""
        response = self.get(f"/api/can_make_submission/{phase}/")
        if not response.get("can", False):
            reason = response.get("reason") or "no reason given"
            raise UploadError(f"phase {phase} takes no submission now: {reason}. Nothing was uploaded")

    def quota(self, phase: str) -> int | None:
        """Tries left today, where the server tells; what failed does not count."""
        try:
            most = self.get(f"/api/phases/{phase}/").get("max_submissions_per_day")
            found = self.get(f"/api/submissions/?phase={phase}")
        except UploadError:
            return None
        if most is None:
            return None
        today = datetime.now(UTC).date().isoformat()
        made = found["results"] if isinstance(found, dict) else found
        used = [
            s for s in made if str(s["created_when"]).startswith(today) and s["status"] != "Failed" and not s["parent"]
        ]
        return max(0, int(most) - len(used))

    def put_zip(self, zip_path: Path, note: Callable[[int, int], object]) -> str:
        """Store the zip as a data set; its key. `note` is called with bytes sent and bytes in all."""
        size = zip_path.stat().st_size
        values = {"type": "submission", "request_sassy_file_name": zip_path.name, "file_name": zip_path.name}
        made = self.post("/api/datasets/", values | {"file_size": size})
        for attempt in range(4):
            try:
                if self._put(made["sassy_url"], zip_path, note):
                    break
            except requests.RequestException:
                note(0, size)
            time.sleep(self.pause * 2**attempt / 10)
        else:
            raise UploadError(
                f"{zip_path.name}: the transfer broke off 4 times. Nothing was submitted; try again later"
            )
        self._send("PUT", f"/api/datasets/completed/{made['key']}/")
        return str(made["key"])

    def _put(self, url: str, zip_path: Path, note: Callable[[int, int], object]) -> bool:
        """One transfer; the pre-signed address takes no token."""
        with open(zip_path, "rb") as file:
            body = Progress(file, zip_path.stat().st_size, note)
            headers = {"Content-Type": "application/zip", "Content-Length": str(body.size)}
            return requests.put(url, data=body, headers=headers, timeout=(30, 600)).ok

    def submit(self, phase: str, key: str) -> str:
        """Submit the stored zip, for all tasks of the phase; the submission's id.

        Never repeated: after a server error it may have been taken, and a second one would cost another
        try.
        """
        try:
            return str(self.post("/api/submissions/", {"phase": phase, "tasks": [], "data": key})["id"])
        except UploadError as error:
            raise UploadError(
                f"{error} It may have been taken all the same: look at the phase's web page first"
            ) from error

    def wait(self, submission: str, seconds: float, echo: Echo) -> dict[str, Any]:
        """What became of a submission; UploadError when that takes longer than `seconds`."""
        end, seen = time.monotonic() + seconds, ""
        while True:
            found: dict[str, Any] = self.get(f"/api/submissions/{submission}/")
            if found["status"] != seen:
                seen = found["status"]
                echo(f"submission {submission}: {seen}")
            if seen in DONE:
                return found
            if time.monotonic() > end:
                raise UploadError(
                    f"submission {submission} is still {seen!r} after {seconds:.0f} s; look at the web page"
                )
            time.sleep(self.pause)

    def logs(self, submission: str) -> dict[str, str]:
        """Standard error of the runs; empty where the server gives none out."""
        try:
            details = self.get(f"/api/submissions/{submission}/get_details/").get("logs", [])
        except UploadError:
            return {}
        found = {}
        for entry in details:
            if "stderr" in str(entry.get("name", "")) and entry.get("data_file"):
                response = requests.get(entry["data_file"], timeout=60)
                found[str(entry["name"])] = masked(response.text[-4000:]) if response.ok else ""
        return found


class Progress:
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, size: int, note: Callable[[int, int], object]) -> None:
        self.file, self.size, self.note = file, size, note

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        while piece := self.file.read(1 << 20):
            yield piece
            sent += len(piece)
            self.note(sent, self.size)

    def read(self, size: int = -1) -> bytes:
        """The next piece."""
        piece = self.file.read(size)
        self.note(self.file.tell(), self.size)
        return piece


def upload(
    zip_path: Path,
    phase: str,
    *,
    server: str = SERVER,
    dry_run: bool = False,
    seconds: float = 3600.0,
    pause: float = 5.0,
    echo: Echo = print,
    note: Callable[[int, int], object] = lambda sent, size: None,
    taken: Callable[[str, int | None], object] = lambda submission, quota_left: None,
) -> Submitted:
    """Submit a rehearsed zip and wait for its score; UploadError says what did not happen.

    A dry run stops before anything is sent, after all checks have passed. `taken` is called with the
    submission's id and the tries left as soon as the server has it, so that a long wait can be broken off.
    """
    check_report(zip_path)
    client = Codabench(find_token(server), server, pause)
    client.may_submit(phase)
    left = client.quota(phase)
    echo(f"phase {phase} takes submissions" + (f", {left} left today" if left is not None else ""))
    if dry_run:
        echo(f"dry run: {zip_path.name} ({zip_path.stat().st_size / 1e6:.1f} MB) would be submitted now")
        return Submitted("", "", {}, {}, left)
    key = client.put_zip(zip_path, note)
    submission = client.submit(phase, key)
    taken(submission, None if left is None else max(0, left - 1))
    found = client.wait(submission, seconds, echo)
    logs = client.logs(submission) if found["status"] != "Finished" or not found.get("scores") else {}
    scores = {str(s["column_key"]): float(s["score"]) for s in found.get("scores") or []}
    # Finished and Cancelled count against the quota, Failed does not.
    used = 0 if found["status"] == "Failed" else 1
    return Submitted(submission, found["status"], scores, logs, None if left is None else max(0, left - used))
