"""The bundled server on a real loopback socket, in a thread of the test's own process."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from halospec_server import llama
from halospec_server.decoding.engine import Engine
from halospec_server.http import schema
from halospec_server.http.app import ServerSettings, create_app
from halospec_server.http.chat_template import CHATML, ChatTemplate
from halospec_server.http.serving import Server, server_for
from tiny_engines import PATIENCE_S

DRAFT_LENGTH = 3
"""Of requests that give none."""


COMPLETIONS = "/v1/chat/completions"


def chat(content: str = "ka ti mo", **fields: Any) -> dict[str, Any]:
    """Return the body of a greedy request for 24 tokens; fields given replace or extend it."""
    defaults = {"temperature": 0, "max_tokens": 24, "ignore_eos": True}
    return {"messages": [{"role": "user", "content": content}], **defaults, **fields}


@dataclass(frozen=True)
class Stream:
    """A streamed reply as it came: the events' data, in order."""

    data: tuple[str, ...]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events but for the mark at the end."""
        return [json.loads(data) for data in self.data if data != "[DONE]"]

    @property
    def contents(self) -> list[str]:
        """The pieces of text."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return [delta["content"] for delta in deltas if delta.get("content")]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.contents)


def stream(client: httpx.Client, body: dict[str, Any]) -> Stream:
    """Ask for a reply as a stream and read it to its end."""
    with client.stream("POST", COMPLETIONS, json={**body, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return Stream(tuple(line.removeprefix("data: ") for line in response.iter_lines() if line))


@dataclass(frozen=True)
class RunningServer:
    """A server, and what only somebody in its process can see."""

    url: str
    engine: Engine
    _server: Server

    @property
    def requests(self) -> int:
        """Requests that are being answered or wait for it."""
        return len(self._server.server_state.tasks)

    @property
    def alive(self) -> bool:
        """Whether it has not been stopped."""
        return not self._server.should_exit

    def client(self, **options: Any) -> httpx.Client:
        """Return a client of this server."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S, **options)

    def tell_to_stop(self) -> None:
        """Do what a signal does."""
        self._server.handle_exit(0, None)


@contextmanager
def serving(
    engine: Engine, settings: ServerSettings | None = None, template: ChatTemplate | None = None
) -> Iterator[RunningServer]:
    """Serve an engine on a free port; engine and port are given back at the end."""
    settings = settings or ServerSettings(draft_length=DRAFT_LENGTH)
    app = create_app(engine, template or template_of(engine), card_of(engine, settings), settings)
    server = server_for(app, host="127.0.0.1", port=0)
    # With its protocol named, asyncio turns Nagle's algorithm off, as it does for a server that binds by itself.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            eventually(lambda: server.started or not thread.is_alive())
            assert server.started, "the server did not start; its log says why"
            yield RunningServer(f"http://127.0.0.1:{listener.getsockname()[1]}", engine, server)
        finally:
            server.handle_exit(0, None)
            server.handle_exit(0, None)
            thread.join()
            engine.close()


def template_of(engine: Engine) -> ChatTemplate:
    """Return the chat template that the tiny target brings."""
    model = engine.target.model
    return ChatTemplate(model.chat_template or CHATML, bos=model.token_text(model.bos), eos=model.token_text(model.eos))


def card_of(engine: Engine, settings: ServerSettings) -> schema.ModelCard:
    """Describe the tiny pair, more or less."""
    model = engine.target.model
    target = schema.LoadedModel(
        name="target",
        file=model.path.name,
        sha256="0" * 64,
        size_bytes=model.path.stat().st_size,
        n_params=model.n_params,
    )
    return schema.ModelCard(
        id="tiny",
        meta=schema.ModelMeta(
            target=target,
            draft=None,
            drafter=engine.default_drafter,
            drafters=[*engine.drafters, "none"],
            ctx_size=engine.target.n_ctx,
            parallel=engine.parallel,
            batch_size=engine.target.n_batch,
            threads=1,
            draft_threads=1,
            draft_length=None if settings.draft_length == "auto" else settings.draft_length,
            length_policy=settings.length_policy,
            llama_cpp=llama.version(),
        ),
    )


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that must happen in the end."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not so after {PATIENCE_S:g} s"
        time.sleep(0.005)
