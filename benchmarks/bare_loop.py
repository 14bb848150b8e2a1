"""The floor under any server: greedy speculative decoding as a bare loop over llama.cpp's C API.

    .venv/bin/python benchmarks/bare_loop.py [--k 0 2 4 8] [--sequences 1 4] [--repetitions 3]

Two contexts with llama.cpp's own defaults, one thread that decodes, the largest logit of a row seen through numpy: no
sampler, no HTTP, no text until the end. Several sequences share every pass of either model. With --serve it reads
requests from standard input and answers on standard output; that is how engine.py sets it beside the servers.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# As the bundled server does, and before libgomp is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import llama_cpp as capi
import numpy as np
from numpy.typing import NDArray

from engine_peers.loop_protocol import LoopReply, LoopRequest, LoopText, loop_options, run_loop
from halospec_server.http.chat_template import CHATML, ChatTemplate
from halospec_server.model_files.embedded import embedded_file


@dataclass(frozen=True)
class Piece:
    """The next tokens of one sequence in a pass; logits are wanted for the last ``rows`` of them."""

    sequence: int
    position: int
    tokens: Sequence[int]
    rows: int


class Cache:
    """A model with one pool of KV cells for all sequences."""

    def __init__(self, path: Path, *, sequences: int, positions: int, threads: int) -> None:
        self.model = capi.llama_model_load_from_file(str(path).encode(), capi.llama_model_default_params())
        params = capi.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = positions * sequences, sequences, True
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        self.context = capi.llama_init_from_model(self.model, params)
        if self.context is None:
            sys.exit(f"bare_loop.py: no context could be made for {path}.")
        self.vocab = capi.llama_model_get_vocab(self.model)
        self.n_vocab = capi.llama_vocab_n_tokens(self.vocab)
        self.memory = capi.llama_get_memory(self.context)
        self.decode_s = 0.0
        self._batch = capi.llama_batch_init(params.n_batch, 0, 1)

    def decode(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        """Take all pieces in one pass and return a view of the logits, valid until the next."""
        batch, n, rows = self._batch, 0, 0
        for piece in pieces:
            first_wanted = len(piece.tokens) - piece.rows
            for i, token in enumerate(piece.tokens):
                batch.token[n], batch.pos[n] = token, piece.position + i
                batch.n_seq_id[n], batch.seq_id[n][0] = 1, piece.sequence
                batch.logits[n] = i >= first_wanted
                n += 1
            rows += piece.rows
        batch.n_tokens = n
        started = time.perf_counter()
        status = capi.llama_decode(self.context, batch)
        self.decode_s += time.perf_counter() - started
        if status != 0:
            sys.exit(f"bare_loop.py: llama_decode failed with status {status} on {n} tokens.")
        if rows == 0:
            return np.empty((0, self.n_vocab), dtype=np.float32)
        first = ctypes.cast(capi.llama_get_logits(self.context), ctypes.c_void_p).value
        return np.ctypeslib.as_array((ctypes.c_float * self.n_vocab * rows).from_address(first or 0))

    def keep(self, sequence: int, length: int) -> None:
        """Forget a sequence from a position on."""
        capi.llama_memory_seq_rm(self.memory, sequence, length, -1)

    def clear(self) -> None:
        """Forget everything."""
        capi.llama_memory_clear(self.memory, False)


@dataclass
class Text:
    """A sequence in the making. The target's cache holds all of it but its last token."""

    sequence: int
    tokens: list[int]
    prompt_length: int
    final_length: int
    in_draft: int = 0
    """Tokens of it in the draft's cache."""
    drafted: int = 0
    accepted: int = 0
    first_token_s: float = 0.0
    ended_s: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether it is as long as it was to be."""
        return len(self.tokens) == self.final_length

    def draft_length(self, k: int) -> int:
        """Return how many tokens to draft: one place of a round is the target's own."""
        return min(k, self.final_length - len(self.tokens) - 1)


class BareLoop:
    """A target and a draft that write texts together, all in the same passes."""

    def __init__(self, target: Path, draft: Path, *, sequences: int, positions: int, threads: int) -> None:
        self.target, self.draft = (
            Cache(path, sequences=sequences, positions=positions, threads=threads) for path in (target, draft)
        )
        vocab = self.target.vocab
        self._ends = [token for token in range(self.target.n_vocab) if capi.llama_vocab_is_eog(vocab, token)]
        source = capi.llama_model_chat_template(self.target.model, None)
        spelled = [
            capi.llama_vocab_get_text(vocab, token).decode() if token >= 0 else ""
            for token in (capi.llama_vocab_bos(vocab), capi.llama_vocab_eos(vocab))
        ]
        self._template = ChatTemplate(source.decode() if source else CHATML, bos=spelled[0], eos=spelled[1])

    def write(self, request: LoopRequest) -> LoopReply:
        """Write one text a prompt; tokens that would end a text are never chosen."""
        prompts = [self._tokenize(prompt) for prompt in request.prompts]
        texts = [Text(i, prompt, len(prompt), len(prompt) + request.tokens) for i, prompt in enumerate(prompts)]
        self.target.clear()
        self.draft.clear()
        started = time.perf_counter()
        self._read_prompts(texts, with_draft=request.draft_length > 0)
        rounds, rounds_from, decode_before = 0, time.perf_counter(), self._decode_s
        while running := [text for text in texts if not text.finished]:
            self._round(running, request.draft_length)
            rounds += 1
        now = time.perf_counter()
        return LoopReply(
            texts=tuple(self._written(text, started) for text in texts),
            wall_ms=(now - started) * 1e3,
            rounds=rounds,
            rounds_ms=(now - rounds_from) * 1e3,
            decode_ms=(self._decode_s - decode_before) * 1e3,
        )

    @property
    def _decode_s(self) -> float:
        return self.target.decode_s + self.draft.decode_s

    def _read_prompts(self, texts: Sequence[Text], *, with_draft: bool) -> None:
        rows = self.target.decode([Piece(text.sequence, 0, text.tokens, 1) for text in texts])
        first_tokens = self._most_likely(rows)
        if with_draft:
            self.draft.decode([Piece(text.sequence, 0, text.tokens, 0) for text in texts])
        now = time.perf_counter()
        for text, token in zip(texts, first_tokens, strict=True):
            text.in_draft = len(text.tokens) if with_draft else 0
            text.tokens.append(token)
            text.first_token_s = text.ended_s = now

    def _round(self, texts: Sequence[Text], k: int) -> None:
        drafts = self._drafts(texts, k)
        verified = [
            Piece(text.sequence, len(text.tokens) - 1, [text.tokens[-1], *draft], len(draft) + 1)
            for text, draft in zip(texts, drafts, strict=True)
        ]
        chosen = iter(self._most_likely(self.target.decode(verified)))
        for text, draft in zip(texts, drafts, strict=True):
            own = [next(chosen) for _ in range(len(draft) + 1)]
            accepted = next((i for i, token in enumerate(draft) if token != own[i]), len(draft))
            length = len(text.tokens) + accepted
            if draft:
                # Its own last proposal never went through the draft model; that is made good in the next round.
                text.in_draft = min(len(text.tokens) + len(draft) - 1, length)
                self.draft.keep(text.sequence, text.in_draft)
            self.target.keep(text.sequence, length)
            text.tokens += own[: accepted + 1]
            text.drafted += len(draft)
            text.accepted += accepted
            if text.finished:
                text.ended_s = time.perf_counter()

    def _drafts(self, texts: Sequence[Text], k: int) -> list[list[int]]:
        drafts: list[list[int]] = [[] for _ in texts]
        for i in range(k):
            drafting = [(text, draft) for text, draft in zip(texts, drafts, strict=True) if i < text.draft_length(k)]
            if not drafting:
                break
            pieces = [
                Piece(text.sequence, len(text.tokens) + i - 1, draft[-1:], 1)
                if draft
                else Piece(text.sequence, text.in_draft, text.tokens[text.in_draft :], 1)
                for text, draft in drafting
            ]
            for (_, draft), token in zip(drafting, self._most_likely(self.draft.decode(pieces)), strict=True):
                draft.append(token)
        return drafts

    def _most_likely(self, rows: NDArray[np.float32]) -> list[int]:
        rows[:, self._ends] = -np.inf
        found: list[int] = rows.argmax(axis=1).tolist()
        return found

    def _tokenize(self, prompt: str) -> list[int]:
        data = self._template.render([{"role": "user", "content": prompt}]).encode()
        room = len(data) + 16
        tokens = (capi.llama_token * room)()
        add_bos = capi.llama_vocab_get_add_bos(self.target.vocab)
        n = capi.llama_tokenize(self.target.vocab, data, len(data), tokens, room, add_bos, True)
        return list(tokens[:n])

    def _written(self, text: Text, started: float) -> LoopText:
        written = text.tokens[text.prompt_length :]
        return LoopText(
            text=b"".join(map(self._piece, written)).decode(errors="replace"),
            prompt_tokens=text.prompt_length,
            tokens=len(written),
            drafted=text.drafted,
            accepted=text.accepted,
            first_token_ms=(text.first_token_s - started) * 1e3,
            ended_ms=(text.ended_s - started) * 1e3,
        )

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        n = capi.llama_token_to_piece(self.target.vocab, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(n, 0)]


def main() -> None:
    """Measure and print, or answer requests."""
    given = loop_options(__doc__).parse_args()
    # Held here: llama.cpp keeps the pointer, and nothing else would keep what it points to.
    silence = capi.llama_log_callback(lambda _level, _text, _data: None)
    capi.llama_log_set(silence, ctypes.c_void_p(0))
    capi.llama_backend_init()
    loop = BareLoop(
        given.target or embedded_file("F32"),
        given.draft or embedded_file("Q4_1"),
        sequences=max(given.sequences),
        positions=given.ctx_size,
        threads=given.threads,
    )
    run_loop(loop, given)


if __name__ == "__main__":
    main()
