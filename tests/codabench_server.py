"""A small server that responds as Codabench's REST API is documented, and fails on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "secret-token-0123"
PHASE = "77"


@dataclass
class State:
    """What the server knows, and how it is to fail."""

    can: bool = True
    reason: str = ""
    status: str = "Finished"
    polls: int = 2
    """Times a submission is still running."""
    errors: int = 0
    """GETs that get 503 first."""
    cuts: int = 0
    """Transfers that are cut."""
    submit_code: int = 201
    hide_output: bool = False
    made_today: int = 1
    requests: list[str] = field(default_factory=list)
    stored: bytes = b""
    completed: bool = False
    submitted: dict[str, Any] = field(default_factory=dict)
    storage_headers: dict[str, str] = field(default_factory=dict)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""

    def respond(self, code: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def known(self) -> bool:
        self.state.requests.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") == f"Token {TOKEN}":
            return True
        self.respond(401, {"detail": "Invalid token."})
        return False

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        if self.path == "/storage/stderr":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"Traceback: No module named 'torch'")
            return
        if not self.known():
            return
        state = self.state
        if state.errors:
            state.errors -= 1
            self.respond(503, {"detail": "busy"})
        elif self.path == f"/api/can_make_submission/{PHASE}/":
            self.respond(200, {"can": state.can, "reason": state.reason})
        elif self.path == f"/api/phases/{PHASE}/":
            self.respond(200, {"max_submissions_per_day": 5})
        elif self.path == f"/api/submissions/?phase={PHASE}":
            self.respond(200, {"results": self.earlier()})
        elif self.path == "/api/submissions/9/":
            state.polls -= 1
            scores = [{"id": 1, "index": 0, "score": "0.8710000000", "column_key": "accuracy"}]
            done = state.polls < 0
            finished = done and state.status == "Finished"
            self.respond(
                200, {"id": 9, "status": state.status if done else "Running", "scores": scores if finished else []}
            )
        elif self.path == "/api/submissions/9/get_details/" and not state.hide_output:
            logs = [{"name": "prediction_stderr", "data_file": f"{state.url}/storage/stderr"}]
            self.respond(200, {"logs": logs})
        elif self.path == "/api/submissions/9/get_details/":
            self.respond(403, {"detail": "hidden"})
        else:
            self.respond(404, {"detail": "Not found."})

    def earlier(self) -> list[dict[str, Any]]:
        from datetime import UTC, datetime

        today = datetime.now(UTC).strftime("%Y-%m-%d 00:01")
        made = [{"created_when": today, "status": "Finished", "parent": None}] * self.state.made_today
        return [*made, {"created_when": today, "status": "Failed", "parent": None}]

    def do_POST(self) -> None:
        if self.path == "/api/api-token-auth/":
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.respond(200, {"token": TOKEN}) if "password=right" in sent else self.respond(400, {"detail": "no"})
            return
        if not self.known():
            return
        values = self.body()
        if self.path == "/api/datasets/":
            assert values["type"] == "submission"
            self.respond(201, {"key": "abc", "sassy_url": f"{self.state.url}/storage/put?signature=1"})
        elif self.path == "/api/submissions/":
            self.state.submitted = values
            self.respond(self.state.submit_code, {"id": 9} if self.state.submit_code == 201 else {"detail": "oops"})

    def do_PUT(self) -> None:
        if self.path.startswith("/storage/put"):
            self.state.storage_headers = dict(self.headers.items())
            if self.state.cuts:
                self.state.cuts -= 1
                self.rfile.read(10)
                self.connection.close()
                return
            self.state.stored = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.known():
            self.state.completed = True
            self.respond(200, {"key": "abc"})


@contextmanager
def serving(**settings: Any) -> Iterator[State]:
    """A running server; its address is `state.url`."""
    state = State(**settings)
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
