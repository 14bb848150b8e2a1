"""Every server is given the same work: the same files, threads, room and tokens."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from engine_peers.systems import Halospec, LlamaCppPython, LlamaServer, Server, Setup

SETUP = Setup(Path("target.gguf"), Path("draft.gguf"), threads=3, ctx_size=512, parallel=4)
LLAMA_SERVER = LlamaServer(Path("llama-server"))
LLAMA_CPP_PYTHON = LlamaCppPython(Path("python"), end_tokens=(0, 2))
SERVERS: tuple[Server, ...] = (Halospec(), LLAMA_SERVER, LLAMA_CPP_PYTHON)


def options(server: Server, draft_length: int) -> dict[str, str]:
    """The command line's options with their values."""
    command = server.command(SETUP, draft_length, port=8000)
    return dict(pairwise(command))


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_a_request_is_greedy_streamed_and_of_fixed_length(server: Server) -> None:
    body = server.body("Hello", 4, tokens=99)
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert (body["max_tokens"], body["temperature"], body["stream"]) == (99, 0, True)


@pytest.mark.parametrize("server", [Halospec(), LLAMA_SERVER], ids=lambda server: server.name)
def test_caches_are_off_and_texts_do_not_end_early(server: Server) -> None:
    body = server.body("Hello", 4, tokens=99)
    assert (body["cache_prompt"], body["ignore_eos"]) == (False, True)


@pytest.mark.parametrize("draft_length", [0, 4])
def test_all_use_the_same_threads_for_passes_of_any_width(draft_length: int) -> None:
    assert options(Halospec(), draft_length)["--threads"] == "3"
    theirs = options(LLAMA_SERVER, draft_length)
    assert {theirs[name] for name in ("-t", "-tb", "-td", "-tbd") if name in theirs} == {"3"}
    theirs = options(LLAMA_CPP_PYTHON, draft_length)
    assert theirs["--n_threads"] == theirs["--n_threads_batch"] == "3"


class TestHalospec:
    def test_takes_the_draft_length_with_the_request(self) -> None:
        assert {Halospec().configuration(k) for k in (0, 4, 8)} == {None}
        assert Halospec().body("Hello", 8, 99)["draft_length"] == 8


class TestLlamaServer:
    def test_takes_the_draft_length_at_its_start(self) -> None:
        assert [LLAMA_SERVER.configuration(k) for k in (0, 4)] == [0, 4]
        assert options(LLAMA_SERVER, 4)["--spec-draft-n-max"] == "4"
        assert options(LLAMA_SERVER, 4)["--spec-type"] == "draft-simple"
        assert options(LLAMA_SERVER, 4)["-md"] == "draft.gguf"

    def test_drafts_nothing_at_0_and_loads_no_draft(self) -> None:
        assert options(LLAMA_SERVER, 0)["--spec-type"] == "none"
        assert "-md" not in options(LLAMA_SERVER, 0)

    def test_has_as_much_room_for_each_client_as_the_others(self) -> None:
        assert options(LLAMA_SERVER, 0)["-c"] == str(4 * 512)
        assert options(Halospec(), 0)["--ctx-size"] == options(LLAMA_CPP_PYTHON, 0)["--n_ctx"] == "512"


class TestLlamaCppPython:
    def test_drafts_by_prompt_lookup_or_not_at_all(self) -> None:
        assert options(LLAMA_CPP_PYTHON, 4)["--draft_model"] == "prompt-lookup-decoding"
        assert options(LLAMA_CPP_PYTHON, 4)["--draft_model_num_pred_tokens"] == "4"
        assert "--draft_model" not in options(LLAMA_CPP_PYTHON, 0)

    def test_is_asked_for_the_same_text_as_the_others(self) -> None:
        body = LLAMA_CPP_PYTHON.body("Hello", 0, 99)
        assert body["repeat_penalty"] == 1.0
        assert body["logit_bias"] == {"0": -100.0, "2": -100.0}

    def test_lets_requests_wait_instead_of_cutting_them_off(self) -> None:
        assert options(LLAMA_CPP_PYTHON, 0)["--interrupt_requests"] == "false"
