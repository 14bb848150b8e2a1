"""A model with a KV cache that several sequences share, and one pass over tokens of any of them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import llama_cpp as capi
import numpy as np
from numpy.typing import NDArray

from halospec_server.llama.backend import LlamaError
from halospec_server.llama.model import Model

Logits = NDArray[np.float32]
Attention = Literal["fast", "exact"]


@dataclass(frozen=True)
class Piece:
    """The next tokens of one sequence in a pass; a sequence has one piece at most.

    Attributes
    ----------
    rows
        For how many of them, counted from the last, logits are wanted.
    """

    slot: int
    tokens: Sequence[int]
    rows: int


class Context:
    """A model with a KV cache in which each of ``n_slots`` sequences occupies positions from 0 on without gaps.

    The cache is one pool of cells (llama.cpp's unified KV), large enough for every slot to be full. Sequences with a
    common beginning may share its cells.

    Parameters
    ----------
    n_ctx
        Positions that there is room for in the cache for each sequence; whoever decodes keeps to it.
    n_slots
        Sequences that the cache holds at once.
    n_threads, n_threads_batch
        Threads for passes over one position and over several. llama.cpp keeps two counts; unequal ones favour one draft
        length, so the second is the first unless it is given.
    max_outputs
        Most rows of logits that one pass may ask for.
    n_batch
        Most tokens in one pass.
    attention
        ``fast`` is llama.cpp's default: keys and values in half precision, flash attention where it has it. Logits then
        depend, in the second or third digit, on how wide a pass is and on where in the cache a sequence lies, hence on
        what else is decoded. ``exact`` keeps and sums in single precision, at twice the memory for keys and values.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_threads: int,
        max_outputs: int,
        n_threads_batch: int | None = None,
        n_slots: int = 1,
        n_batch: int = 256,
        attention: Attention = "fast",
    ) -> None:
        params = capi.llama_context_default_params()
        params.n_ctx = n_ctx * n_slots
        params.n_batch = params.n_ubatch = n_batch
        params.n_seq_max = n_slots
        params.kv_unified = True
        params.n_outputs_max = max(max_outputs, n_slots)
        if attention == "exact":
            params.type_k = params.type_v = capi.GGML_TYPE_F32
            params.flash_attn_type = capi.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.n_threads = n_threads
        self.n_threads_batch = n_threads_batch or n_threads
        params.n_threads, params.n_threads_batch = self.n_threads, self.n_threads_batch
        params.no_perf = True
        pointer = capi.llama_init_from_model(model.pointer, params)
        if pointer is None:
            raise LlamaError(
                f"No context of {n_slots} × {n_ctx} positions could be made for {model.path.name}: too little memory?"
            )
        self.model = model
        self.n_ctx = int(capi.llama_n_ctx(pointer)) // n_slots
        self.n_slots = n_slots
        # No wider than the cache, whatever was asked for.
        self.n_batch = int(capi.llama_n_batch(pointer))
        self.lengths = [0] * n_slots
        """Positions that each slot occupies."""
        self._max_outputs = max_outputs
        self._pointer = pointer
        self._memory = capi.llama_get_memory(pointer)
        self._threads_set = (self.n_threads, self.n_threads_batch)
        self._views: dict[tuple[int, int], Logits] = {}
        self._allocate_batch(self.n_batch)

    def _allocate_batch(self, n: int) -> None:
        """Make llama.cpp's batch structure over numpy arrays, so that filling it is a few slice assignments."""
        self._tokens = np.zeros(n, dtype=np.int32)
        self._positions = np.zeros(n, dtype=np.int32)
        self._slots = np.zeros(n, dtype=np.int32)
        self._one_slot_each = np.ones(n, dtype=np.int32)
        self._wanted = np.zeros(n, dtype=np.int8)
        first, width = self._slots.ctypes.data, self._slots.itemsize
        id_pointer = ctypes.POINTER(capi.llama_seq_id)
        self._slot_pointers = (id_pointer * n)(*(ctypes.cast(first + i * width, id_pointer) for i in range(n)))
        self._batch = capi.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(ctypes.POINTER(capi.llama_token)),
            embd=None,
            pos=self._positions.ctypes.data_as(ctypes.POINTER(capi.llama_pos)),
            n_seq_id=self._one_slot_each.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=ctypes.cast(self._slot_pointers, ctypes.POINTER(id_pointer)),
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def close(self) -> None:
        """Free the cache."""
        if self._pointer is not None:
            capi.llama_free(self._pointer)
            self._pointer = None

    def use_threads(self, threads: int | None) -> None:
        """Set the threads of the passes to come, narrow and wide alike; None goes back to the context's own."""
        wanted = (self.n_threads, self.n_threads_batch) if threads is None else (threads, threads)
        if wanted != self._threads_set:
            capi.llama_set_n_threads(self._pointer, *wanted)
            self._threads_set = wanted

    def threads_for(self, width: int) -> int:
        """Return how many threads a pass over so many positions uses."""
        return self._threads_set[width > 1]

    def decode(self, pieces: Sequence[Piece]) -> Logits:
        """Append tokens to sequences, at most ``n_batch`` in all, in one pass, and wait for it.

        Returns
        -------
        A view, valid until the next pass, of shape (rows, n_vocab): the rows that were asked for, in order.
        """
        n = rows = 0
        for piece in pieces:
            end = n + len(piece.tokens)
            if not 0 <= piece.rows <= len(piece.tokens):
                raise LlamaError(f"{len(piece.tokens)} tokens have no {piece.rows} rows of logits.")
            if end > self.n_batch:
                raise LlamaError(f"A pass takes at most {self.n_batch} tokens.")
            start = self.lengths[piece.slot]
            self._tokens[n:end] = piece.tokens
            self._positions[n:end] = range(start, start + end - n)
            self._slots[n:end] = piece.slot
            self._wanted[n : end - piece.rows] = 0
            self._wanted[end - piece.rows : end] = 1
            n, rows = end, rows + piece.rows
        if n == 0:
            raise LlamaError("A pass takes at least one token.")
        if rows > self._max_outputs:
            raise LlamaError(f"A pass gives at most {self._max_outputs} rows of logits, not {rows}.")
        self._batch.n_tokens = n
        status = capi.llama_decode(self._pointer, self._batch)
        capi.llama_synchronize(self._pointer)
        if status != 0:
            raise LlamaError(
                "The context is full." if status == 1 else f"llama_decode failed with status {status} on {n} tokens."
            )
        for piece in pieces:
            self.lengths[piece.slot] += len(piece.tokens)
        return self._logits(rows)

    def _logits(self, rows: int) -> Logits:
        n_vocab = self.model.n_vocab
        if rows == 0:
            return np.empty((0, n_vocab), dtype=np.float32)
        first = ctypes.cast(capi.llama_get_logits(self._pointer), ctypes.c_void_p).value
        if first is None:
            raise LlamaError("llama_decode gave no logits.")
        # llama.cpp writes every pass's logits to the same place: a view made once serves all passes with as many rows.
        view = self._views.get((first, rows))
        if view is None:
            view = np.ctypeslib.as_array((ctypes.c_float * n_vocab * rows).from_address(first))
            self._views[first, rows] = view
        return view

    def truncate(self, slot: int, length: int) -> None:
        """Forget everything of a sequence from position ``length`` on."""
        if length >= self.lengths[slot]:
            return
        if not capi.llama_memory_seq_rm(self._memory, slot, length, -1):
            raise LlamaError(
                f"{self.model.path.name} cannot take back tokens (a recurrent model?), which speculation needs."
            )
        self.lengths[slot] = length

    def share(self, source: int, slot: int, length: int) -> None:
        """Let a sequence go on from where it ends up to position ``length`` with the cells of another.

        The two must agree in every token before ``length``.
        """
        start = self.lengths[slot]
        if not start <= length <= self.lengths[source]:
            raise LlamaError(f"Positions {start} to {length} of slot {source} cannot be shared with slot {slot}.")
        capi.llama_memory_seq_cp(self._memory, source, slot, start, length)
        self.lengths[slot] = length

    def cells(self, slot: int) -> int:
        """Return how many positions of a sequence llama.cpp itself says that the cache holds."""
        return int(capi.llama_memory_seq_pos_max(self._memory, slot)) + 1

    def reset(self) -> None:
        """Forget everything."""
        capi.llama_memory_clear(self._memory, False)
        self.lengths = [0] * self.n_slots
