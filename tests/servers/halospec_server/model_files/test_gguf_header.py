"""What a GGUF file says of itself, against files written with the `gguf` package."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.llama import Model
from halospec_server.model_files.gguf_header import GgufHeader, ModelShape, read_header
from halospec_server.model_files.model_cache import ModelFileError
from tiny_engines import Pair

LAYERS, HEADS, KV_HEADS, WIDTH, TOKENS = 3, 8, 2, 64, 100


def write(path: Path, kv_heads: int | list[int] = KV_HEADS, **lengths: int) -> Path:
    """Write a file with next to no weights."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_license("apache-2.0")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    for name, length in lengths.items():
        writer.add_uint32(f"llama.attention.{name}", length)
    writer.add_token_list([f"token {number}" for number in range(TOKENS)])
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def kv_bytes(path: Path) -> int:
    shape = read_header(path).shape
    assert shape is not None
    return shape.kv_bytes_per_position


def test_the_tiny_pair_has_the_shape_it_was_written_with(tiny_pair: Pair) -> None:
    header = read_header(tiny_pair[0])
    # 2 layers of 2 heads, each 16 wide; keys and values of 2 bytes.
    assert header.shape == ModelShape(Model(tiny_pair[0]).n_vocab, 2 * 2 * (16 + 16) * 2)
    assert header.licence is None


def test_heads_share_the_width_unless_the_file_says_how_long_they_are(tmp_path: Path) -> None:
    head = WIDTH // HEADS
    assert kv_bytes(write(tmp_path / "even.gguf")) == LAYERS * KV_HEADS * 2 * head * 2
    stretched = write(tmp_path / "stretched.gguf", key_length=192, value_length=128)
    assert kv_bytes(stretched) == LAYERS * KV_HEADS * (192 + 128) * 2


def test_layers_may_differ(tmp_path: Path) -> None:
    path = write(tmp_path / "uneven.gguf", kv_heads=[4, 0, 1])
    assert kv_bytes(path) == 5 * 2 * (WIDTH // HEADS) * 2


def test_the_licence_stands_in_the_file(tmp_path: Path) -> None:
    assert read_header(write(tmp_path / "model.gguf")).licence == "apache-2.0"


def test_a_file_of_another_kind_has_no_shape(tmp_path: Path) -> None:
    path = tmp_path / "vision.gguf"
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_license("mit")
    writer.add_array("clip.vision.image_mean", [0.5] * 5000)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert read_header(path) == GgufHeader(None, "mit")


def test_the_order_of_what_a_file_says_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "backwards.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"token {number}" for number in range(TOKENS)])
    writer.add_token_scores([0.5] * 5000)
    writer.add_head_count(HEADS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    assert read_header(path).shape == ModelShape(TOKENS, LAYERS * HEADS * 2 * (WIDTH // HEADS) * 2)


@pytest.mark.parametrize("content", [b"", b"so much depends upon", b"GGUF", b"GGUF\x01\x00\x00\x00" + bytes(16)])
def test_what_is_no_gguf_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "poem.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"poem\.gguf is not a GGUF model file"):
        read_header(path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_never_worse(
    tiny_pair: Pair, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(tiny_pair[0].read_bytes()[:12_000])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, 2_000))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with suppress(ModelFileError):
        assert isinstance(read_header(path), GgufHeader)
