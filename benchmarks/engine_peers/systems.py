"""How each server is started and asked, so that all of them do the same work with the same threads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine_peers.records import SystemName
from engine_peers.streaming import Body


@dataclass(frozen=True)
class Setup:
    """What every system is given."""

    target: Path
    draft: Path
    threads: int
    ctx_size: int
    parallel: int


class Server(Protocol):
    """A server that can be started, and asked for a greedy text of a fixed length."""

    @property
    def name(self) -> SystemName:
        """What it is called in the tables."""
        ...

    @property
    def health_path(self) -> str:
        """A path that answers 200 once requests can be served."""
        ...

    def configuration(self, draft_length: int) -> int | None:
        """Return what tells its processes apart: a draft length that must be set at the start, or None for one."""
        ...

    def command(self, setup: Setup, draft_length: int, port: int) -> Sequence[str]:
        """Return the command line for one of its processes."""
        ...

    def body(self, prompt: str, draft_length: int, tokens: int) -> Body:
        """Return a request."""
        ...


def _common_body(prompt: str, tokens: int) -> Body:
    return {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
    }


@dataclass(frozen=True)
class Halospec:
    """The bundled server: one process for every draft length."""

    name: SystemName = "halospec"
    health_path: str = "/health"

    def configuration(self, draft_length: int) -> int | None:  # noqa: ARG002
        """Return None: the draft length comes with the request."""
        return None

    def command(self, setup: Setup, draft_length: int, port: int) -> Sequence[str]:  # noqa: ARG002
        """Return the command line."""
        return (
            *(sys.executable, "-m", "halospec_server", "--port", str(port), "--log-level", "warning"),
            *("--target", str(setup.target), "--draft", str(setup.draft)),
            *("--threads", str(setup.threads), "--ctx-size", str(setup.ctx_size), "--parallel", str(setup.parallel)),
        )

    def body(self, prompt: str, draft_length: int, tokens: int) -> Body:
        """Return a request."""
        own: Body = {"draft_length": draft_length, "drafter": "model", "ignore_eos": True, "cache_prompt": False}
        return _common_body(prompt, tokens) | own


@dataclass(frozen=True)
class LlamaServer:
    """llama.cpp's own server. It takes the draft length at its start alone, and 0 is no speculation at all."""

    program: Path
    name: SystemName = "llama-server"
    health_path: str = "/health"

    def configuration(self, draft_length: int) -> int | None:
        """Return the draft length."""
        return draft_length

    def command(self, setup: Setup, draft_length: int, port: int) -> Sequence[str]:
        """Return the command line; its copies of earlier prompts are switched off, as prompts are not reused here."""
        threads = str(setup.threads)
        speculation = (
            *("-md", str(setup.draft), "--spec-type", "draft-simple", "-td", threads, "-tbd", threads),
            *("--spec-draft-n-max", str(draft_length), "--spec-draft-n-min", "0", "--spec-draft-p-min", "0"),
        )
        return (
            *(str(self.program), "--host", "127.0.0.1", "--port", str(port), "-m", str(setup.target)),
            *("-t", threads, "-tb", threads, "-np", str(setup.parallel), "--kv-unified"),
            *("-c", str(setup.ctx_size * setup.parallel), "--cache-ram", "0"),
            *(speculation if draft_length > 0 else ("--spec-type", "none")),
        )

    def body(self, prompt: str, draft_length: int, tokens: int) -> Body:  # noqa: ARG002
        """Return a request."""
        return _common_body(prompt, tokens) | {"ignore_eos": True, "cache_prompt": False}


@dataclass(frozen=True)
class LlamaCppPython:
    """llama-cpp-python's server: one request at a time, and prompt lookup where the others have a draft model.

    Parameters
    ----------
    python
        An interpreter that has it.
    end_tokens
        Tokens that would end a text: it has no ``ignore_eos``, so they are made unlikely.
    """

    python: Path
    end_tokens: tuple[int, ...]
    name: SystemName = "llama-cpp-python"
    health_path: str = "/v1/models"

    def configuration(self, draft_length: int) -> int | None:
        """Return the draft length."""
        return draft_length

    def command(self, setup: Setup, draft_length: int, port: int) -> Sequence[str]:
        """Return the command line; requests wait for each other instead of cutting each other off."""
        speculation = ("--draft_model", "prompt-lookup-decoding", "--draft_model_num_pred_tokens", str(draft_length))
        return (
            *(str(self.python), "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", str(port)),
            *("--model", str(setup.target), "--n_ctx", str(setup.ctx_size)),
            *("--n_threads", str(setup.threads), "--n_threads_batch", str(setup.threads)),
            *("--interrupt_requests", "false", "--verbose", "false"),
            *(speculation if draft_length > 0 else ()),
        )

    def body(self, prompt: str, draft_length: int, tokens: int) -> Body:  # noqa: ARG002
        """Return a request."""
        own: Body = {
            "logit_bias": {str(token): -100.0 for token in self.end_tokens},
            "logit_bias_type": "input_ids",
            # Unlike the others it punishes repetition unless it is told not to.
            "repeat_penalty": 1.0,
        }
        return _common_body(prompt, tokens) | own
