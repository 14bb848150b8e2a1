"""A conformance double of Lemonade 11.7.0: it answers with recorded replies, byte for byte, on a loopback socket.

It stands where a Lemonade cannot be had. The recordings in ``data/lemonade`` are what a real one (with a llama-server
b11434 behind it, 2 CPU cores) said to curl. Sent are the status line, the headers and the body as they were recorded;
put back is only what the recording lost: the headers' CRLF, the chunked framing of streams, and a Content-Length that
fits where the names of directories in a body were changed.

What it cannot do is what was not recorded:

- It decodes nothing. A chat has 8 tokens unstreamed and 3 in a stream, whatever is asked for, and the same ones.
- In the scene ``ngram`` (an n-gram drafter loaded) a chat has 96 tokens, 50 drafted and 5 accepted, whatever draft
  length comes with the request: so it was seen with all 21 variants that were tried. No stream was recorded there: a
  streamed request is answered with the recorded reply in one piece.
- No ``/health`` was recorded in that scene: it says, as recorded earlier, that nothing is loaded.
- ``/load`` knows the arguments that were tried. Saved options, registering and other models are missing.
- A prompt of more than 8192 characters is what overflows the context.
- The recordings say that connections close after 5 s of idling or 100 requests; the double closes them only where the
  reply itself says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.from_thread import start_blocking_portal

Scene = Literal["quiet", "ngram"]

DATA = Path(__file__).parent / "data" / "lemonade"
MODEL = "SmolLM2-135M-Instruct.Q4_1"
_PREFIXES = ("/api/v1/", "/v1/", "/api/v0/", "/v0/")
_COMPLETIONS, _LOAD, _UNLOAD = "chat/completions", "load", "unload"
_OPEN_PATHS = ("/live", "/")
_OVERFLOWING_CHARS = 8192
_COMMAND_LINE = re.compile(rb"\A\$ curl [^\n]*\n")
_TIMES_LINE = re.compile(rb"\n\[time_total=[^\]]*\]\n\Z")


class SeenRequest(NamedTuple):
    """What somebody sent; the body is None where there was none, or no JSON."""

    method: str
    path: str
    body: Any


class Double(NamedTuple):
    """A double that runs, and what it was sent so far."""

    url: str
    requests: list[SeenRequest]


@dataclass(frozen=True)
class Recording:
    """One recorded reply."""

    head: bytes
    body: bytes

    @classmethod
    def named(cls, name: str) -> Recording:
        """Read ``data/lemonade/NAME.txt``."""
        text = _TIMES_LINE.sub(b"", _COMMAND_LINE.sub(b"", (DATA / f"{name}.txt").read_bytes()))
        head, _, body = text.partition(b"\n\n")
        # Where curl's own line of times is missing, an editor's last newline took its place.
        return cls(head, body.rstrip(b"\n") if b"application/json" in head else body)

    @property
    def is_stream(self) -> bool:
        """Whether it came in chunks."""
        return b"Transfer-Encoding: chunked" in self.head

    @property
    def closes(self) -> bool:
        """Whether it says that the connection is closed after it."""
        return b"Connection: close" in self.head

    def on_the_wire(self) -> bytes:
        """Return what is sent."""
        if self.is_stream:
            events = re.findall(rb".*?\n\n", self.body, re.DOTALL)
            body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in (*events, b""))
        else:
            body = self.body
        length = b"Content-Length: %d" % len(body)
        return re.sub(rb"Content-Length: \d+", length, self.head).replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


@dataclass
class _Lemonade:
    """What is loaded; which recording answers a request."""

    scene: Scene
    api_key: str | None
    loaded: bool = False
    chats: int = 0
    requests: list[SeenRequest] = field(default_factory=list)

    def reply_to(self, method: str, target: str, authorization: str | None, content: bytes) -> Recording:
        path = target.partition("?")[0]
        body = _json_or_none(content)
        self.requests.append(SeenRequest(method, target, body))
        return Recording.named(self._refusal(path, authorization) or self._answer(method, path, content, body))

    def _refusal(self, path: str, authorization: str | None) -> str | None:
        if self.api_key is None or path in _OPEN_PATHS or authorization == f"Bearer {self.api_key}":
            return None
        return "auth_none" if authorization is None else "auth_bad"

    def _answer(self, method: str, path: str, content: bytes, body: Any) -> str:
        prefix = next((prefix for prefix in _PREFIXES if path.startswith(prefix)), None)
        endpoint = path if prefix is None else path.removeprefix(prefix)
        if method == "POST":
            if endpoint == _COMPLETIONS:
                return self._chat(content, body)
            if endpoint == _LOAD:
                return self._load(body)
            if endpoint == _UNLOAD:
                return self._unload(body)
        if method == "GET":
            return self._page(endpoint)
        return "err_404"

    def _page(self, endpoint: str) -> str:
        is_ngram = self.scene == "ngram"
        pages = {
            "/live": "live",
            "/internal/config": "internal_config",
            "health": "health_loaded" if self.loaded and not is_ngram else "health",
            "models": "models" if self.api_key is None else "auth_ok",
            f"models/{MODEL}": "model_one",
            "stats": "stats0" if not self.chats else "stats_spec" if is_ngram else "stats1",
            _COMPLETIONS: "err_get",
        }
        if is_ngram:
            pages |= {"/metrics": "metrics", "slots": "slots"}
        return pages.get(endpoint, "err_404")

    def _chat(self, content: bytes, body: Any) -> str:
        if not content:
            return "err_emptybody"
        if body is None:
            return "err_badjson"
        if not isinstance(body, dict):
            return "err_array"
        streamed = body.get("stream") is True
        if "model" not in body:
            return "err_nomodel"
        if body["model"] != MODEL:
            return "err_unknown_stream" if streamed else "err_unknown"
        self.loaded = True
        if "messages" not in body:
            return "err_nomsgs"
        if isinstance(body.get("temperature"), str):
            return "err_temp_str"
        if sum(len(str(message)) for message in body["messages"]) > _OVERFLOWING_CHARS:
            return "err_ctx_stream" if streamed else "err_ctx"
        self.chats += 1
        if self.scene == "ngram":
            return "chat_spec"
        if not streamed:
            return "chat"
        if body.get("timings_per_token"):
            return "stream_tpt"
        return "stream_usage" if (body.get("stream_options") or {}).get("include_usage") else "stream"

    def _load(self, body: Any) -> str:
        if not isinstance(body, dict) or "model_name" not in body:
            return "load_nomodel"
        if body["model_name"] != MODEL:
            return "load_unknown"
        arguments = body.get("llamacpp_args", "")
        if not isinstance(arguments, str):
            return "load_badtype"
        words = arguments.split()
        if "-md" in words:
            return "load_reserved"
        if "--definitely-not-a-flag" in words:
            self.loaded = False
            return "load_badargs"
        self.loaded = True
        self.scene = "ngram" if "ngram-simple" in words else "quiet"
        return "load_ngram8" if self.scene == "ngram" else "load1"

    def _unload(self, body: Any) -> str:
        was_loaded, self.loaded = self.loaded, False
        if body is None:
            return "unload_none"
        return "unload" if was_loaded and body.get("model_name") == MODEL else "unload_notloaded"


@asynccontextmanager
async def lemonade_double(scene: Scene = "quiet", api_key: str | None = None) -> AsyncIterator[Double]:
    """Serve until the block is left.

    Parameters
    ----------
    scene
        ``quiet``: nothing drafts; ``ngram``: the model was loaded with an n-gram drafter.
    """
    lemonade = _Lemonade(scene, api_key, loaded=scene == "ngram")

    async def serve(stream: SocketStream) -> None:
        async with stream:
            while (request := await _read_request(stream)) is not None:
                reply = lemonade.reply_to(*request)
                try:
                    await stream.send(reply.on_the_wire())
                except anyio.BrokenResourceError:
                    return
                if reply.closes:
                    return

    failure: Exception | None = None
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        try:
            yield Double(f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}", lemonade.requests)
        except Exception as error:  # noqa: BLE001  (a test's own, which the task group would wrap)
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


@contextmanager
def serving_lemonade_double(scene: Scene = "quiet", api_key: str | None = None) -> Iterator[Double]:
    """Serve in a thread of its own, for tests that are not asynchronous."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(lemonade_double(scene, api_key)) as double,
    ):
        yield double


async def _read_request(stream: SocketStream) -> tuple[str, str, str | None, bytes] | None:
    """Return a request's method, target, authorization and body; None if the connection ends before it does."""
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            received += await stream.receive()
        head, _, body = received.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return None
    method, target, _ = request_line.split(" ")
    return method, target, headers.get("authorization"), body


def _json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
