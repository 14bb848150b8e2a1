"""What the soak sends: well-formed requests of every kind, and malformed ones, drawn from a seeded source."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

COMPLETIONS = "/v1/chat/completions"
MAX_DRAFT_LENGTH = 16
MAX_BODY_BYTES = 2**16
"""The limit that the soak's server is started with."""
DRAFTERS = ("model", "prompt_lookup", "ngram_store", "none")
DRAFT_LENGTHS: tuple[int | str, ...] = (*range(MAX_DRAFT_LENGTH + 1), "auto")
MAX_TOKENS = 40
LONG_TOKENS = 60

_SENTENCE = "the river runs past a stone bridge and the old windmill turns while winter bread cools on the window sill"
_WORDS = tuple(_SENTENCE.split())
_OPENINGS = (
    "You are a patient teacher. Answer in plain words and repeat the question first.",
    "Count slowly. One, two, three, four, five. One, two, three, four, five.",
    "",
)


@dataclass(frozen=True)
class Call:
    """A request, what the client does with the reply, and what would be a right one.

    Attributes
    ----------
    kind
        Its row in the soak's table.
    statuses
        Those that are right. A completion may also be refused with 429.
    chunked
        The body is sent in pieces, without saying its length.
    may_be_closed
        The server may close the connection while the body is still on its way; the answer can be lost then.
    choices, max_tokens, stops
        What a completion asked for.
    leave_after_events, leave_after_s
        The client goes away after so many events of a stream, or after so long, whether it has been served or not.
    pause_s
        Between one event and the next, for a slow reader.
    """

    kind: str
    content: bytes = b""
    method: str = "POST"
    path: str = COMPLETIONS
    statuses: frozenset[int] = frozenset({200})
    chunked: bool = False
    may_be_closed: bool = False
    stream: bool = False
    choices: int = 1
    max_tokens: int = MAX_TOKENS
    stops: tuple[str, ...] = ()
    leave_after_events: int | None = None
    leave_after_s: float | None = None
    pause_s: float = 0.0


@dataclass(frozen=True)
class Knobs:
    """Everything about speculation that a request may set; None leaves it to the server."""

    draft_length: int | str | None = None
    drafter: str | None = None
    p_min: float | None = None
    threads: int | None = None
    draft_threads: int | None = None
    cache_prompt: bool | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Those that are set, as fields of a request."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def draw_knobs(rng: random.Random) -> Knobs:
    """Draw a draft length, a drafter, threads and the rest; any may be left to the server."""
    return Knobs(
        draft_length=rng.choice((*DRAFT_LENGTHS, None)),
        drafter=rng.choice((*DRAFTERS, None)),
        p_min=rng.choice((None, None, 0.2, 0.6)),
        threads=rng.choice((None, None, 1, 2)),
        draft_threads=rng.choice((None, None, 1, 2)),
        cache_prompt=rng.choice((None, None, None, False)),
    )


def draw_call(rng: random.Random) -> Call:
    """Draw what one client does next."""
    kinds: dict[Callable[[random.Random], Call], int] = {
        _completion: 46,
        _slow_reader: 5,
        _leaver_mid_stream: 9,
        _leaver_at_any_time: 11,
        _with_deadline: 5,
        draw_malformed: 20,
        _look_round: 4,
    }
    draw = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    return draw(rng)


def canary(prompt: str, knobs: Knobs, max_tokens: int, *, top_logprobs: int | None = None) -> Call:
    """Ask for a greedy text that has to come out the same whatever the knobs."""
    asked = _asked(prompt) | knobs.fields | {"temperature": 0, "max_tokens": max_tokens, "ignore_eos": True}
    if top_logprobs is not None:
        asked |= {"logprobs": True, "top_logprobs": top_logprobs}
    return Call("canary", _encoded(asked), max_tokens=max_tokens)


def too_long() -> Call:
    """Ask with a prompt that no context of the soak holds, and whose reading takes a server longest."""
    return _refused_unless_full("prompt too long", _encoded(_asked("word " * 12_000)))


def long_reply() -> Call:
    """Ask for a stream that takes its time."""
    asked = _asked("hello") | {"stream": True, "max_tokens": LONG_TOKENS, "ignore_eos": True, "draft_length": 0}
    return Call("long reply", _encoded(asked), stream=True, max_tokens=LONG_TOKENS)


def draw_prompt(rng: random.Random) -> str:
    """Draw one of a limited number of prompts: caches that may learn from every new text have to stop growing."""
    return rng.choice(PROMPTS)


def _made_prompt(rng: random.Random) -> str:
    """Make a prompt; one in three repeats itself, for the drafters that look things up."""
    words = rng.choices(_WORDS, k=rng.randint(1, 24))
    return " ".join(words * 3 if rng.random() < 1 / 3 else words)


PROMPTS = tuple(_made_prompt(random.Random(number)) for number in range(100))


def _completion(rng: random.Random) -> Call:
    max_tokens = rng.randint(1, MAX_TOKENS)
    asked = _asked(draw_prompt(rng), opening=rng.choice(_OPENINGS)) | draw_knobs(rng).fields
    asked |= {"max_tokens": max_tokens, "temperature": rng.choice((0, 0, 0.3, 0.8, 1.0, 1.6))}
    stops = rng.choice(((), (), (".",), ("\n", " the "), ("e", "zebra")))
    choices = rng.choice((1, 1, 1, 1, 2, 3))
    stream = rng.random() < 0.5
    optional = {
        "top_p": rng.choice((None, 0.9, 0.5)),
        "seed": rng.choice((None, 1, 2**62)),
        "stop": list(stops) or None,
        "n": choices if choices > 1 else None,
        "ignore_eos": rng.choice((None, True)),
        "presence_penalty": rng.choice((None, None, 0.7)),
        "frequency_penalty": rng.choice((None, None, 0.7)),
        "logprobs": (with_logprobs := rng.random() < 0.2) or None,
        "top_logprobs": rng.choice((None, 0, 5)) if with_logprobs else None,
        "stream": stream or None,
        "stream_options": {"include_usage": rng.random() < 0.5} if stream else None,
    }
    asked |= {name: value for name, value in optional.items() if value is not None}
    kind = "stream" if stream else "whole reply"
    return Call(kind, _encoded(asked), stream=stream, choices=choices, max_tokens=max_tokens, stops=stops)


def _streamed(rng: random.Random) -> dict[str, Any]:
    return _asked(draw_prompt(rng)) | draw_knobs(rng).fields | {"stream": True, "max_tokens": MAX_TOKENS}


def _slow_reader(rng: random.Random) -> Call:
    return Call("slow reader", _encoded(_streamed(rng)), stream=True, pause_s=rng.uniform(0.02, 0.15))


def _leaver_mid_stream(rng: random.Random) -> Call:
    asked = _streamed(rng) | {"ignore_eos": True}
    return Call("left mid-stream", _encoded(asked), stream=True, leave_after_events=rng.randint(1, 12))


def _leaver_at_any_time(rng: random.Random) -> Call:
    stream = rng.random() < 0.5
    choices = rng.choice((1, 1, 2))
    asked = _streamed(rng) | {"ignore_eos": True, "stream": stream, "n": choices}
    # Short enough to go away while still in the queue, long enough to be served at times.
    leave_after_s = rng.choice((0.001, 0.01, 0.05, 0.2, 0.8))
    return Call("left early", _encoded(asked), stream=stream, choices=choices, leave_after_s=leave_after_s)


def _with_deadline(rng: random.Random) -> Call:
    stream = rng.random() < 0.5
    asked = _streamed(rng) | {"ignore_eos": True, "stream": stream, "deadline_ms": rng.choice((50, 200, 500))}
    # 504 if it passes before the first token; later it shortens the reply.
    return Call("deadline", _encoded(asked), statuses=frozenset({200, 504}), stream=stream)


def _look_round(rng: random.Random) -> Call:
    return Call("GET", method="GET", path=rng.choice(("/health", "/metrics", "/slots", "/v1/models")))


def draw_malformed(rng: random.Random) -> Call:
    """Draw something a server must refuse and survive."""
    return rng.choice(MALFORMED)


def _refused_unless_full(name: str, content: bytes) -> Call:
    """Send what shows to be wrong only once it is taken up, which a full server does not do."""
    return Call(f"malformed: {name}", content, statuses=frozenset({400, 429}))


def _refused(name: str, content: bytes, status: int = 400, **how: Any) -> Call:
    return Call(f"malformed: {name}", content, statuses=frozenset({status}), **how)


def _field(**wrong: Any) -> bytes:
    return _encoded(_asked("hello") | {"max_tokens": 4} | wrong)


def _spelt(field_and_value: bytes) -> bytes:
    """Return a body with a value that Python would not write, such as NaN."""
    return b'{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4, ' + field_and_value + b"}"


def _asked(prompt: str, opening: str = "") -> dict[str, Any]:
    system = [{"role": "system", "content": opening}] if opening else []
    return {"messages": [*system, {"role": "user", "content": prompt}]}


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


_DEEP = 60_000 // 2
MALFORMED: tuple[Call, ...] = (
    _refused("bad JSON", b'{"messages": ['),
    _refused("bad JSON", b"{'messages': []}"),
    _refused("bad JSON", b""),
    _refused("bad JSON", _field()[:-1]),
    _refused("not an object", b"[1, 2, 3]"),
    _refused("not an object", b'"hello"'),
    _refused("not an object", b"null"),
    _refused("no messages", b"{}"),
    _refused("no messages", b'{"messages": []}'),
    _refused("wrong types", b'{"messages": "hello"}'),
    _refused("wrong types", b'{"messages": [{"role": "user"}]}'),
    _refused("wrong types", b'{"messages": [{"role": 7, "content": "hello"}]}'),
    _refused("wrong types", b'{"messages": [{"role": "user", "content": {"text": "hello"}}]}'),
    _refused("wrong types", _field(max_tokens="many")),
    _refused("wrong types", _field(temperature={})),
    _refused("wrong types", _field(stop=[1, 2])),
    _refused("wrong types", _field(stream="perhaps")),
    _refused("wrong types", _field(draft_length=1.5)),
    _refused("out of range", _field(max_tokens=0)),
    _refused("out of range", _field(temperature=-1)),
    _refused("out of range", _field(temperature=1e308)),
    _refused("out of range", _field(top_p=0)),
    _refused("out of range", _field(draft_length=-1)),
    _refused("out of range", _field(draft_length=MAX_DRAFT_LENGTH + 1)),
    _refused("out of range", _field(n=0)),
    _refused("out of range", _field(n=10**6)),
    _refused("out of range", _field(threads=0)),
    _refused_unless_full("out of range", _field(threads=10**9)),
    _refused("out of range", _field(p_min=2)),
    _refused("out of range", _field(logprobs=True, top_logprobs=1000)),
    _refused("out of range", _field(stop=["a"] * 100)),
    _refused("not offered", _field(tools=[{"type": "function"}])),
    _refused("not offered", _field(response_format={"type": "json_object"})),
    _refused("not offered", _field(top_logprobs=2)),
    _refused("unknown name", _field(length_policy="luck")),
    _refused_unless_full("unknown name", _field(drafter="crystal ball")),
    _refused("unknown name", _field(draft_length="plenty")),
    _refused("huge number", _field(seed=10**40)),
    _refused("huge number", _field(draft_length=10**400)),
    _refused("huge number", _spelt(b'"seed": ' + b"9" * 6000)),
    _refused("huge number", _spelt(b'"temperature": 1e999')),
    _refused("huge number", _spelt(b'"temperature": NaN')),
    _refused("huge number", _spelt(b'"max_tokens": -Infinity')),
    _refused("deep nesting", b"[" * _DEEP + b"]" * _DEEP),
    _refused("deep nesting", b'{"messages": ' * 4000 + b"1" + b"}" * 4000),
    _refused("deep nesting", b"[" * (MAX_BODY_BYTES - 1)),
    _refused("not UTF-8", b"\xff\xfe\x00{"),
    _refused("not UTF-8", _spelt(b'"model": "\xc3\x28"')),
    _refused("not UTF-8", b'{"messages": [{"role": "user", "content": "\\ud800"}], "max_tokens": 4}'),
    too_long(),
    _refused("body over the limit", b" " * (MAX_BODY_BYTES + 1), 413, may_be_closed=True),
    _refused("body over the limit", b"[" * (4 * MAX_BODY_BYTES), 413, chunked=True, may_be_closed=True),
    _refused("wrong method", b"", 405, method="GET"),
    _refused("wrong method", _field(), 405, method="PUT"),
    _refused("wrong method", b"", 405, method="DELETE"),
    _refused("wrong method", b"{}", 405, path="/health"),
    _refused("no such path", _field(), 404, path="/v1/chat/completion"),
    _refused("no such path", b"", 404, method="GET", path="/" + "x" * 4000),
)
