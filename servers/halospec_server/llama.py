"""The llama.cpp C API, owned safely: a model, and a context that holds one sequence.

Everything else in this package speaks of tokens and rows of logits; ctypes stays in this file.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import llama_cpp as capi
import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Outputs = Literal["none", "last", "all"]

_log = logging.getLogger("halospec_server.llama")
_GGML_LOG_WARN, _GGML_LOG_ERROR = 3, 4


class LlamaError(RuntimeError):
    """llama.cpp refused or failed; the message says at what."""


@capi.llama_log_callback  # type: ignore[untyped-decorator]
def _forward_log(level: int, text: bytes, _data: Any) -> None:
    if level == _GGML_LOG_ERROR:
        _log.error("%s", text.decode(errors="replace").rstrip())
    elif level == _GGML_LOG_WARN:
        _log.debug("%s", text.decode(errors="replace").rstrip())


_started = False


def start_backend() -> None:
    """Initialise llama.cpp once and route its log into ``logging`` (a model load prints hundreds of lines)."""
    global _started
    if not _started:
        capi.llama_log_set(_forward_log, ctypes.c_void_p(0))
        capi.llama_backend_init()
        _started = True


class Model:
    """A GGUF file's weights and vocabulary.

    Parameters
    ----------
    path
        The GGUF file; it is memory-mapped.

    Raises
    ------
    LlamaError
        If the file is missing or is not a model that llama.cpp can run.
    """

    def __init__(self, path: Path) -> None:
        start_backend()
        if not path.is_file():
            raise LlamaError(f"There is no model file {path}.")
        self.path = path
        pointer = capi.llama_model_load_from_file(str(path).encode(), capi.llama_model_default_params())
        if pointer is None:
            raise LlamaError(f"{path} is not a GGUF model that this llama.cpp can load.")
        self.pointer = pointer
        self._vocab = capi.llama_model_get_vocab(pointer)
        self._pieces: dict[int, bytes] = {}

    def close(self) -> None:
        """Free the weights; every context on them must be closed before."""
        if self.pointer is not None:
            capi.llama_model_free(self.pointer)
            self.pointer = None

    @cached_property
    def n_vocab(self) -> int:
        """Tokens in the vocabulary."""
        return int(capi.llama_vocab_n_tokens(self._vocab))

    @cached_property
    def vocab_type(self) -> int:
        """llama.cpp's tokeniser family (``enum llama_vocab_type``)."""
        return int(capi.llama_vocab_type(self._vocab))

    @cached_property
    def n_params(self) -> int:
        """Number of weights."""
        return int(capi.llama_model_n_params(self.pointer))

    @cached_property
    def n_ctx_train(self) -> int:
        """The longest text the model was trained on, in tokens."""
        return int(capi.llama_model_n_ctx_train(self.pointer))

    @cached_property
    def bos(self) -> int:
        """The token that begins a text, or -1."""
        return int(capi.llama_vocab_bos(self._vocab))

    @cached_property
    def eos(self) -> int:
        """The token that ends a text, or -1."""
        return int(capi.llama_vocab_eos(self._vocab))

    @cached_property
    def end_tokens(self) -> NDArray[np.int64]:
        """Every token that ends generation (end of text, end of turn)."""
        ends = [t for t in range(self.n_vocab) if capi.llama_vocab_is_eog(self._vocab, t)]
        return np.array(ends, dtype=np.int64)

    @cached_property
    def adds_bos(self) -> bool:
        """Whether a text for this model begins with the bos token."""
        return bool(capi.llama_vocab_get_add_bos(self._vocab))

    @cached_property
    def chat_template(self) -> str | None:
        """The Jinja template in the file, if it has one."""
        template = capi.llama_model_chat_template(self.pointer, None)
        return template.decode() if template else None

    def token_text(self, token: int) -> str:
        """Return a token as the vocabulary spells it; empty for -1 and unused ids."""
        if token < 0:
            return ""
        text = capi.llama_vocab_get_text(self._vocab, token)
        return text.decode(errors="replace") if text else ""

    def piece(self, token: int) -> bytes:
        """Return the bytes a token adds to the text; nothing for control tokens."""
        known = self._pieces.get(token)
        if known is None:
            buffer = ctypes.create_string_buffer(256)
            n = capi.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = capi.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
            known = self._pieces[token] = buffer.raw[:n]
        return known

    def tokenize(self, text: str, *, add_bos: bool) -> list[int]:
        """Split a rendered prompt into tokens; special tokens in it are recognised."""
        data = text.encode()
        room = len(data) + 16
        while True:
            tokens = (capi.llama_token * room)()
            n = capi.llama_tokenize(self._vocab, data, len(data), tokens, room, add_bos, True)
            if n >= 0:
                return list(tokens[:n])
            if -n <= room:
                raise LlamaError("The prompt could not be split into tokens.")
            room = -n


class Context:
    """A model with a KV cache that holds one sequence from position 0 without gaps.

    Parameters
    ----------
    n_ctx
        Positions in the cache.
    n_threads
        Threads for narrow and wide passes alike: llama.cpp keeps two counts, and unequal ones would favour one k.
    max_outputs
        Most rows of logits that one pass may ask for.
    """

    def __init__(self, model: Model, *, n_ctx: int, n_threads: int, max_outputs: int, n_batch: int = 256) -> None:
        params = capi.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = params.n_ubatch = n_batch
        params.n_seq_max = 1
        params.n_outputs_max = max_outputs
        params.n_threads = params.n_threads_batch = n_threads
        params.no_perf = True
        pointer = capi.llama_init_from_model(model.pointer, params)
        if pointer is None:
            raise LlamaError(f"No context of {n_ctx} positions could be made for {model.path.name}: too little memory?")
        self.model = model
        self.n_ctx = int(capi.llama_n_ctx(pointer))
        self.n_batch = n_batch
        self.length = 0
        self._max_outputs = max_outputs
        self._pointer = pointer
        self._memory = capi.llama_get_memory(pointer)
        self._batch = capi.llama_batch_init(n_batch, 0, 1)
        self._tokens = np.ctypeslib.as_array(self._batch.token, (n_batch,))
        self._positions = np.ctypeslib.as_array(self._batch.pos, (n_batch,))
        self._wanted = np.ctypeslib.as_array(self._batch.logits, (n_batch,))
        for i in range(n_batch):
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = 0

    def close(self) -> None:
        """Free the cache."""
        if self._pointer is not None:
            capi.llama_batch_free(self._batch)
            capi.llama_free(self._pointer)
            self._pointer = None

    def decode(self, tokens: Sequence[int], outputs: Outputs) -> Logits | None:
        """Append tokens (at most ``n_batch``) to the sequence in one pass and wait for it.

        Returns
        -------
        A view, valid until the next pass, of shape (rows, n_vocab): a row for each token with ``"all"``, for the last
        with ``"last"``; None with ``"none"``.
        """
        n = len(tokens)
        if not 0 < n <= self.n_batch:
            raise LlamaError(f"A pass takes 1 to {self.n_batch} tokens, not {n}.")
        rows = {"none": 0, "last": 1, "all": n}[outputs]
        if rows > self._max_outputs:
            raise LlamaError(f"A pass gives at most {self._max_outputs} rows of logits, not {rows}.")
        self._batch.n_tokens = n
        self._tokens[:n] = tokens
        self._positions[:n] = range(self.length, self.length + n)
        self._wanted[:n] = outputs == "all"
        if outputs == "last":
            self._wanted[n - 1] = 1
        status = capi.llama_decode(self._pointer, self._batch)
        capi.llama_synchronize(self._pointer)
        if status != 0:
            raise LlamaError(
                "The context is full."
                if status == 1
                else f"llama_decode failed with status {status} at position {self.length}."
            )
        self.length += n
        if rows == 0:
            return None
        first = ctypes.cast(capi.llama_get_logits(self._pointer), ctypes.c_void_p).value
        if first is None:
            raise LlamaError("llama_decode gave no logits.")
        n_vocab = self.model.n_vocab
        return np.ctypeslib.as_array((ctypes.c_float * n_vocab * rows).from_address(first))

    def truncate(self, length: int) -> None:
        """Forget everything from position ``length`` on."""
        if length >= self.length:
            return
        if not capi.llama_memory_seq_rm(self._memory, 0, length, -1):
            raise LlamaError(
                f"{self.model.path.name} cannot take back tokens (a recurrent model?), which speculation needs."
            )
        self.length = length

    def reset(self) -> None:
        """Forget everything."""
        capi.llama_memory_clear(self._memory, False)
        self.length = 0


def vocabulary_difference(target: Model, draft: Model) -> str | None:
    """Say why a draft cannot propose tokens to a target, or return None when it can.

    Sizes may differ by llama.cpp's own margin of 128: models of one family pad their vocabularies differently.
    """
    if target.vocab_type != draft.vocab_type:
        return "their tokenisers are of different types"
    if abs(target.n_vocab - draft.n_vocab) > 128:
        return f"the target has {target.n_vocab} tokens and the draft {draft.n_vocab}"
    for name in ("bos", "eos"):
        if getattr(target, name) != getattr(draft, name):
            return f"their {name} tokens differ ({getattr(target, name)} and {getattr(draft, name)})"
    for token in range(min(target.n_vocab, draft.n_vocab)):
        ours, theirs = target.token_text(token), draft.token_text(token)
        if ours != theirs:
            return f"token {token} is {ours!r} in the target and {theirs!r} in the draft"
    return None


def requantize(source: Path, destination: Path, ftype: Literal["F32", "Q4_0"], n_threads: int) -> None:
    """Write a copy of a GGUF file in another weight format with llama.cpp's own quantiser."""
    start_backend()
    params = capi.llama_model_quantize_default_params()
    params.ftype = {"F32": capi.LLAMA_FTYPE_ALL_F32, "Q4_0": capi.LLAMA_FTYPE_MOSTLY_Q4_0}[ftype]
    params.allow_requantize = True
    params.nthread = n_threads
    status = capi.llama_model_quantize(str(source).encode(), str(destination).encode(), ctypes.byref(params))
    if status != 0:
        raise LlamaError(f"llama.cpp could not write {destination.name} from {source.name} (status {status}).")


def version() -> str:
    """Return the llama-cpp-python version in use."""
    return str(capi.__version__)
