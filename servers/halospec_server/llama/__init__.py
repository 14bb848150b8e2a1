"""The llama.cpp C API, owned safely.

Everything else in this package speaks of tokens, slots and rows of logits; ctypes stays in this folder.
"""

from halospec_server.llama.backend import LlamaError, version
from halospec_server.llama.context import Attention, Context, Logits, Piece
from halospec_server.llama.model import Model, vocabulary_difference
from halospec_server.llama.quantize import requantize

__all__ = [
    "Attention",
    "Context",
    "LlamaError",
    "Logits",
    "Model",
    "Piece",
    "requantize",
    "version",
    "vocabulary_difference",
]
