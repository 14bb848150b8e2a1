"""What a GGUF file says of itself in its first bytes, without loading it.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from halospec_server.model_files.model_cache import ModelFileError

KV_BYTES_PER_VALUE = 2
"""llama.cpp keeps keys and values as F16 unless it is told otherwise, and here it is not."""

_MAGIC, _VERSIONS = b"GGUF", (2, 3)
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Struct formats by ``enum gguf_type``."""
_LONGEST_ARRAY = 4096
"""Of longer arrays, and of those of strings, the length alone is read."""


@dataclass(frozen=True)
class ModelShape:
    """What decides a model's memory besides its weights.

    Attributes
    ----------
    kv_bytes_per_position
        Keys and values of one position in all layers.
    """

    n_vocab: int
    kv_bytes_per_position: int


@dataclass(frozen=True)
class GgufHeader:
    """Part of a file's metadata.

    Attributes
    ----------
    shape
        None where the file leaves out what it takes (a model without attention).
    licence
        As the file spells it, such as ``apache-2.0``; None where it names none.
    """

    shape: ModelShape | None
    licence: str | None


@dataclass(frozen=True)
class _Unread:
    """An array of which only the length is known."""

    length: int


_Number = int | float
_Value = _Number | str | list[_Number] | _Unread


def read_header(path: Path) -> GgufHeader:
    """Read what a GGUF file says of itself, which takes well under a millisecond: its vocabulary is passed over.

    Raises
    ------
    ModelFileError
        If it is not a GGUF file, or one that was cut off.
    """
    found: dict[str, _Value] = {}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for key, value in _pairs(_Reader(data)):
                found[key] = value
                if _shape(found) is not None and key == "tokenizer.ggml.tokens":
                    break  # by convention the vocabulary comes last, and walking through it takes long
    except (struct.error, EOFError) as error:
        raise ModelFileError(f"{path} is not a GGUF model file: it ends too early.") from error
    except (ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is not a GGUF model file that can be read: {error}.") from error
    except OSError as error:
        raise ModelFileError(f"{path} could not be read: {error.strerror or error}.") from error
    licence = found.get("general.license")
    return GgufHeader(_shape(found), licence if isinstance(licence, str) else None)


class _Reader:
    """Takes values off the front of a file."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def number(self, layout: str) -> _Number:
        (value,) = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return value  # type: ignore[no-any-return]

    def count(self) -> int:
        return int(self.number("<Q"))

    def kind(self) -> int:
        return int(self.number("<I"))

    def take(self, length: int) -> bytes:
        start = self._at
        self.skip(length)
        return self._data[start : self._at]

    def skip(self, length: int) -> None:
        if length > len(self._data) - self._at:
            raise EOFError
        self._at += length

    def string(self) -> str:
        return self.take(self.count()).decode(errors="replace")


def _pairs(reader: _Reader) -> Iterator[tuple[str, _Value]]:
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin with the letters GGUF")
    version = reader.kind()
    if version not in _VERSIONS:
        raise ValueError(f"its version is {version}; 2 and 3 are understood")
    reader.count()  # of tensors
    for _ in range(reader.count()):
        key, kind = reader.string(), reader.kind()
        if kind == _STRING:
            yield key, reader.string()
        elif kind == _ARRAY:
            yield from _array(key, reader)
        else:
            yield key, reader.number(_NUMBERS[kind])


def _array(key: str, reader: _Reader) -> Iterator[tuple[str, _Value]]:
    kind, length = reader.kind(), reader.count()
    if kind in _NUMBERS and length <= _LONGEST_ARRAY:
        yield key, [reader.number(_NUMBERS[kind]) for _ in range(length)]
        return
    yield key, _Unread(length)
    if kind in _NUMBERS:
        reader.skip(length * struct.calcsize(_NUMBERS[kind]))
    elif kind == _STRING:
        for _ in range(length):
            reader.skip(reader.count())
    else:
        raise ValueError(f"{key} is an array of kind {kind}, which is not understood")


def _shape(found: Mapping[str, _Value]) -> ModelShape | None:
    architecture = found.get("general.architecture")
    vocabulary = found.get("tokenizer.ggml.tokens")
    n_layers = found.get(f"{architecture}.block_count")
    heads = found.get(f"{architecture}.attention.head_count")
    if not isinstance(vocabulary, _Unread) or not isinstance(n_layers, int) or heads is None:
        return None
    width = found.get(f"{architecture}.embedding_length", 0)
    head_width = _sum(width, 1) // max(1, _sum(heads, 1)) if isinstance(heads, int) else 0
    key_length = found.get(f"{architecture}.attention.key_length", head_width)
    value_length = found.get(f"{architecture}.attention.value_length", head_width)
    kv_heads = _sum(found.get(f"{architecture}.attention.head_count_kv", heads), n_layers)
    values = kv_heads * (_sum(key_length, 1) + _sum(value_length, 1))
    return ModelShape(vocabulary.length, values * KV_BYTES_PER_VALUE)


def _sum(value: _Value, n_layers: int) -> int:
    """Return the sum over layers of a whole number that is given once for all of them, or for each."""
    if isinstance(value, list):
        return sum(each for each in value if isinstance(each, int))
    return value * n_layers if isinstance(value, int) else 0
