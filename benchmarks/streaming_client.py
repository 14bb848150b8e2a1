"""What the streaming client costs, and how late its time stamps are.

    .venv/bin/python benchmarks/streaming_client.py [--requests 200] [--repetitions 5]

A server in a process of its own, a stand-in that decodes nothing, answers every chat request with the same 64 events:

* at once, for the CPU time of the client per request: beside bare httpx that reads the same bytes and looks at none of
  them, which any client on httpx pays, in turn with it;
* every 10 ms, each with the moment at which it was sent: how much later the client says that it came.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import anyio
import httpx
from anyio.abc import SocketAttribute, SocketStream

from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, Completion, Message

EVENTS = 64
PERIOD_S = 0.01
PACED = "paced"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_TIMINGS = {"prompt_n": 30, "prompt_ms": 50.0, "predicted_n": EVENTS, "predicted_ms": 900.0}


def main() -> None:
    """Measure both and print them."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=200)
    options.add_argument("--repetitions", type=int, default=5)
    asked = options.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        anyio.run(_measure, f"http://127.0.0.1:{ours.recv()}/v1", asked.requests, asked.repetitions)
    finally:
        server.terminate()
        server.join()


async def _measure(base_url: str, requests: int, repetitions: int) -> None:
    request = ChatRequest(messages=(Message("user", "Say hello."),), max_tokens=EVENTS)
    async with (
        ChatEndpoint(base_url, "m", time.perf_counter_ns) as endpoint,
        httpx.AsyncClient(trust_env=False) as bare,
    ):

        async def ask() -> None:
            assert len((await endpoint.complete(request, None)).event_ns) == EVENTS

        async def read_only() -> None:
            async with bare.stream("POST", f"{base_url}/chat/completions", json={"model": "m"}) as response:
                async for _ in response.aiter_raw():
                    pass

        costs: dict[str, list[float]] = {"bare httpx": [], "ChatEndpoint": []}
        for _ in range(repetitions):
            costs["bare httpx"].append(await _cpu_ms(read_only, requests))
            costs["ChatEndpoint"].append(await _cpu_ms(ask, requests))
    floor = statistics.median(costs["bare httpx"])
    print(f"CPU of the client, {EVENTS} events a request, median of {repetitions}:")
    for name, found in costs.items():
        typical = statistics.median(found)
        print(f"  {name:<13} {typical:5.2f} ms a request, {typical / floor:.2f} of bare httpx")
    delays_us = await _delays_us(base_url, request, repetitions)
    print(f"Time stamps of {len(delays_us)} events sent every {PERIOD_S * 1e3:.0f} ms, after the moment of sending:")
    cuts = statistics.quantiles(delays_us, n=100)
    print(f"  median {cuts[49]:.0f} us, 95 % within {cuts[94]:.0f} us, 99 % within {cuts[98]:.0f} us")


async def _cpu_ms(ask: Callable[[], Awaitable[None]], requests: int) -> float:
    await ask()
    started = time.process_time()
    for _ in range(requests):
        await ask()
    return (time.process_time() - started) * 1e3 / requests


async def _delays_us(base_url: str, request: ChatRequest, repetitions: int) -> list[float]:
    async with ChatEndpoint(base_url, PACED, time.perf_counter_ns) as endpoint:
        replies = [await endpoint.complete(request, None) for _ in range(repetitions)]
    return [delay for reply in replies for delay in _delays_of(reply)]


def _delays_of(reply: Completion) -> list[float]:
    sent_ns = [int(word) for word in reply.text.split()]
    return [(came - sent) / 1e3 for came, sent in zip(reply.event_ns, sent_ns, strict=True)]


def _serve(port_to: Connection) -> None:
    async def run() -> None:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port_to.send(listener.extra(SocketAttribute.local_port))
            await listener.serve(_answer)

    anyio.run(run)


async def _answer(stream: SocketStream) -> None:
    async with stream:
        try:
            while True:
                request = await _read(stream)
                await (_send_paced(stream) if PACED.encode() in request else stream.send(_AT_ONCE))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


async def _read(stream: SocketStream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += await stream.receive()
    return body


async def _send_paced(stream: SocketStream) -> None:
    await stream.send(_HEAD)
    for _ in range(EVENTS):
        await anyio.sleep(PERIOD_S)
        await stream.send(_chunk(_content(f"{time.perf_counter_ns()} ")))
    await stream.send(_END)


def _content(text: str) -> bytes:
    return _event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def _event(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_FINISH = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "timings": _TIMINGS})
_END = _chunk(_FINISH) + _chunk(b"data: [DONE]\n\n") + _chunk(b"")
_AT_ONCE = _HEAD + b"".join(_chunk(_content("word ")) for _ in range(EVENTS)) + _END

if __name__ == "__main__":
    main()
