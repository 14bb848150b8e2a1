"""A GGUF file's weights and vocabulary."""

from __future__ import annotations

import ctypes
from functools import cached_property
from pathlib import Path

import llama_cpp as capi
import numpy as np
from numpy.typing import NDArray

from halospec_server.devices import ON_CPU, Placement
from halospec_server.llama.backend import LlamaError, start_backend
from halospec_server.llama.devices import place


class Model:
    """A GGUF file's weights and vocabulary.

    Parameters
    ----------
    path
        The GGUF file; it is memory-mapped.
    placement
        Which devices hold its layers.

    Raises
    ------
    LlamaError
        If the file is missing or is not a model that llama.cpp can run.
    """

    def __init__(self, path: Path, placement: Placement = ON_CPU) -> None:
        start_backend()
        if not path.is_file():
            raise LlamaError(f"There is no model file {path}.")
        self.path = path
        params = capi.llama_model_default_params()
        placed = place(params, placement)
        pointer = capi.llama_model_load_from_file(str(path).encode(), params)
        del placed  # the parameters pointed into it
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

    @property
    def first_token(self) -> int | None:
        """The token that every text for this model begins with, if there is one."""
        return self.bos if self.adds_bos else None

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


def vocabulary_difference(target: Model, draft: Model) -> str | None:
    """Say why a draft cannot propose tokens to a target, or return None when it can.

    Sizes may differ by llama.cpp's own margin of 128: models of one family pad their vocabularies differently.
    """
    if target.vocab_type != draft.vocab_type:
        return "their tokenisers are of different types"
    if abs(target.n_vocab - draft.n_vocab) > 128:
        return f"the target has {target.n_vocab} tokens and the draft {draft.n_vocab}"
    if target.first_token != draft.first_token:
        return f"their texts begin differently (token {target.first_token} and {draft.first_token})"
    for token in range(min(target.n_vocab, draft.n_vocab)):
        ours, theirs = target.token_text(token), draft.token_text(token)
        if ours != theirs:
            return f"token {token} is {ours!r} in the target and {theirs!r} in the draft"
    return None
