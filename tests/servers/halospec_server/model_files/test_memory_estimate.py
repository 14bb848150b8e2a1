"""What a pair takes, reckoned beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.model_files.embedded import SHAPE
from halospec_server.model_files.gguf_header import ModelShape
from halospec_server.model_files.memory_estimate import (
    Layout,
    MemoryEstimate,
    available_memory_bytes,
    draft_estimate,
    target_estimate,
)

layouts = st.builds(Layout, ctx_size=st.integers(32, 131_072), parallel=st.integers(1, 64))
shapes = st.builds(ModelShape, n_vocab=st.integers(1, 300_000), kv_bytes_per_position=st.integers(1, 10**6))


def test_the_embedded_target_is_reckoned_by_hand() -> None:
    estimate = target_estimate(540_000_000, SHAPE, Layout(ctx_size=2048, parallel=4))
    assert estimate.weights == 540_000_000
    assert estimate.kv == 2048 * 4 * 30 * 2 * 3 * 64 * 2  # layers, keys and values, heads, width, bytes
    assert estimate.logits == 4 * 17 * 49_152 * 4  # sequences, rows of the widest round, tokens, bytes
    assert estimate.total == estimate.weights + estimate.kv + estimate.logits


@given(size=st.integers(0, 10**11), shape=shapes, layout=layouts)
def test_a_draft_gives_fewer_logits_and_is_otherwise_reckoned_alike(
    size: int, shape: ModelShape, layout: Layout
) -> None:
    target, draft = target_estimate(size, shape, layout), draft_estimate(size, shape, layout)
    assert (target.weights, target.kv) == (draft.weights, draft.kv)
    assert draft.total < target.total


@given(size=st.integers(0, 10**11), shape=shapes, layout=layouts)
def test_twice_the_sequences_take_twice_the_room_beside_the_weights(
    size: int, shape: ModelShape, layout: Layout
) -> None:
    once = target_estimate(size, shape, layout)
    twice = target_estimate(size, shape, Layout(layout.ctx_size, 2 * layout.parallel))
    assert twice.total - size == 2 * (once.total - size)


def test_of_a_file_that_has_not_said_its_shape_the_weights_are_known() -> None:
    estimate = target_estimate(10**9, None, Layout(2048, 1))
    assert estimate == MemoryEstimate(10**9, None, None)
    assert estimate.total == 10**9


def test_exact_attention_takes_twice_the_room_for_the_targets_keys_and_values() -> None:
    fast, exact = Layout(2048, 4), Layout(2048, 4, exact_attention=True)
    narrow, wide = (target_estimate(10**9, SHAPE, layout) for layout in (fast, exact))
    assert narrow.kv is not None
    assert wide.kv == 2 * narrow.kv
    assert draft_estimate(10**9, SHAPE, exact) == draft_estimate(10**9, SHAPE, fast)


@pytest.mark.parametrize(("limit", "expected"), [("1000000", 400_000), ("500000", 0)])
def test_a_containers_limit_counts_too(tmp_path: Path, limit: str, expected: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text("600000\n")
    assert available_memory_bytes(tmp_path) == expected


def test_without_a_limit_the_machines_memory_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory_bytes(tmp_path) > 10**8
    assert available_memory_bytes(tmp_path / "nowhere") > 10**8
