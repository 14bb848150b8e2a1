"""Servers that are wrong in every way a user meets: a record with its reason, or a sentence before the run starts.

The server is a stand-in, since no real one fails on demand.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from command_line import clean_environment, command, halospec
from halospec.records.schema import Phase, RequestRecord
from halospec.records.store import read_records

pytestmark = pytest.mark.e2e

CHUNK = {"object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
FINISH = {
    "object": "chat.completion.chunk",
    "model": "m",
    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
}
USAGE = {
    "object": "chat.completion.chunk",
    "model": "m",
    "choices": [],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


def stream(*events: object, done: bool = True) -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return "".join(lines + ["data: [DONE]\n\n"] * done).encode()


class Answer:
    """What the stand-in answers to a chat request."""

    def __init__(
        self, body: bytes = b"", *, status: int = 200, kind: str = "text/event-stream", missing_bytes: int = 0
    ) -> None:
        self.body = body
        self.status = status
        self.kind = kind
        self.missing_bytes = missing_bytes


class StandIn(ThreadingHTTPServer):
    """Lists one model and answers every chat request alike."""

    daemon_threads = True

    def __init__(self, chat: Answer, models: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.chat = chat
        self.models = models

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(self.server.models if self.path == "/v1/models" else Answer(b"{}", status=404))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._send(self.server.chat)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", answer.kind)
        self.send_header("content-length", str(len(answer.body) + answer.missing_bytes))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


LISTED = Answer(json.dumps({"object": "list", "data": [{"id": "m"}]}).encode(), kind="application/json")


@pytest.fixture
def stand_in() -> Iterator[Callable[..., StandIn]]:
    servers: list[StandIn] = []

    def start(chat: Answer = LISTED, models: Answer = LISTED) -> StandIn:
        servers.append(StandIn(chat, models))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def measure(url: str, out: object, *more: object):
    return halospec(
        "run", "--url", url, "--knob", "none", "--allow-placebo", "--modes", "fixed_2", "--phases", "steady:1",
        "--warmup", 0, "--out", out, *more,
    )  # fmt: skip


def error_body(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "t"}}).encode()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(error_body("no key"), status=401, kind="application/json"), "401"),
        (Answer(error_body("no such model"), status=404, kind="application/json"), "404"),
        (Answer(error_body("slow down"), status=429, kind="application/json"), "429"),
        (Answer(error_body("oops"), status=500, kind="application/json"), "500"),
        (Answer(b"<html>busy</html>", status=503, kind="text/html"), "503"),
        (Answer(stream(CHUNK, done=False), missing_bytes=500), "Hi|cut|connection|ended"),
        (Answer(stream(CHUNK, done=False)), "ended|cut"),
        (Answer(stream("this is not json")), "JSON"),
        (Answer(b"<html>hello</html>", kind="text/html"), "text/html"),
        (Answer(stream({**CHUNK, "choices": []}, USAGE)), "choice"),
        (Answer(stream(FINISH, {**USAGE, "usage": {"prompt_tokens": 3, "completion_tokens": 0}})), "token"),
        (Answer(stream(CHUNK, {"error": {"message": "context is full"}}, done=False)), "context is full"),
    ],
    ids=[
        "401", "404", "429", "500", "503", "cut", "no-end", "not-json", "html", "no-choices", "no-tokens",
        "error-in-stream",
    ],
)  # fmt: skip
def test_a_bad_answer_is_a_failed_record_with_its_reason_and_its_real_time(stand_in, tmp_path, answer, says):
    done = measure(stand_in(answer).url, tmp_path / "run")
    (record,) = read_records(tmp_path / "run").records
    assert isinstance(record, RequestRecord)
    assert record.success is False
    assert record.error
    assert any(word in record.error for word in says.split("|")), record.error
    assert record.latency_ms > 0
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "No request succeeded" in done.stderr


def test_what_may_pass_is_tried_three_times_and_the_time_is_kept(stand_in, tmp_path):
    measure(stand_in(Answer(error_body("oops"), status=500, kind="application/json")).url, tmp_path / "run")
    (record,) = read_records(tmp_path / "run").records
    assert record.attempts == 3
    assert record.latency_ms >= 1200  # pauses of 400 and 800 ms


def test_load_is_seen_even_beside_a_server_that_answers_at_once(stand_in, tmp_path):
    url = stand_in(Answer(stream(CHUNK, FINISH, USAGE))).url
    done = halospec(
        "run", "--url", url, "--knob", "none", "--allow-placebo", "--modes", "fixed_0,fixed_2,fixed_4",
        "--phases", "steady:2,load:2,recovery:2",
        "--warmup", 1, "--load", "--load-percent", 50, "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0
    for mode in ("fixed_0", "fixed_2", "fixed_4"):
        phases = [r.phase for r in read_records(tmp_path / "run").records if r.mode == mode and not r.is_warmup]
        assert phases == [Phase.STEADY] * 2 + [Phase.LOAD] * 2 + [Phase.RECOVERY] * 2


def test_a_server_that_lists_no_models_can_be_measured_if_the_model_is_named(stand_in, tmp_path):
    url = stand_in(Answer(stream(CHUNK, FINISH, USAGE)), models=Answer(b"{}", status=404)).url
    assert measure(url, tmp_path / "run", "--model", "m").returncode == 0
    assert read_records(tmp_path / "run").records[0].success


def test_a_good_answer_without_any_speculation_report_is_a_success(stand_in, tmp_path):
    done = measure(stand_in(Answer(stream(CHUNK, FINISH, USAGE))).url, tmp_path / "run")
    (record,) = read_records(tmp_path / "run").records
    assert (record.success, record.drafted, record.completion_tokens) == (True, None, 1)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (Answer(error_body("no"), status=401, kind="application/json"), "--api-key"),
        (Answer(b"{}", status=404, kind="application/json"), "OpenAI"),
        (Answer(b"<html>", kind="text/html"), "OpenAI"),
    ],
)
def test_a_server_that_cannot_be_measured_is_one_sentence_before_the_run(stand_in, tmp_path, models, says):
    done = measure(stand_in(models=models).url, tmp_path / "run")
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "not a url", "ftp://127.0.0.1", "http://"])
def test_a_wrong_url_is_one_sentence(tmp_path, url):
    done = measure(url, tmp_path / "run")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--modes", "fixed_2,magic"), "magic"),
        (("--modes", "fixed_2,fixed_2"), "twice"),
        (("--phases", "steady:x"), "steady:x"),
        (("--prompts", "/nowhere/prompts.txt"), "does not exist"),
        (("--model", "other"), "other"),
        (("--load", "--load-percent", "120"), "percent"),
        (("--load", "--load-start", "1", "--load-workers", "5000"), "5000"),
        (("--load", "--load-start", "9"), "step 9"),
        (("--timeout", "-1"), "timeout"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_nothing_is_sent(stand_in, tmp_path, options, says):
    done = measure(stand_in().url, tmp_path / "run", *options)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_hold_a_run_is_one_sentence(stand_in):
    done = measure(stand_in(Answer(stream(CHUNK, FINISH, USAGE))).url, "/dev/full/run")
    assert done.returncode == 1
    assert "/dev/full" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_up_ends_the_run_with_a_sentence_and_keeps_whole_records(stand_in, tmp_path):
    url, out = stand_in(Answer(stream(CHUNK, FINISH, USAGE))).url, tmp_path / "run"
    # A limit on file size stands in for the full disk: the write fails half-way through a record in the same manner.
    arguments = command(
        "run", "--url", url, "--knob", "none", "--allow-placebo", "--modes", "fixed_2", "--phases", "steady:500",
        "--warmup", 0, "--out", out,
    )  # fmt: skip
    limited = ["sh", "-c", 'ulimit -f 40; exec "$@"', "sh", *arguments]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=120, check=False, env=clean_environment())
    assert done.returncode == 1
    assert "records.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
    records = read_records(out).records
    assert 5 < len(records) < 500
    assert halospec("summarize", out).returncode == 0
