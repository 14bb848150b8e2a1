"""Timing the engine's passes from outside: every pass is counted, and llama.cpp's functions are put back."""

from __future__ import annotations

from pathlib import Path

import llama_cpp as capi
import pytest

from outside_decode import DecodeClock, time_rounds
from tiny_engines import open_engine, prompt_of
from tiny_models import write_tiny_pair


@pytest.mark.parametrize("k", [0, 3])
def test_rounds_are_timed_and_so_is_what_they_spend_in_passes(tmp_path: Path, k: int) -> None:
    engine = open_engine(write_tiny_pair(tmp_path), parallel=2)
    clock = DecodeClock()
    with clock.running():
        found = time_rounds(engine, clock, [prompt_of("ka mo"), prompt_of("ti so")], k, tokens=12)
    engine.close()
    assert (found.draft_length, found.sequences) == (k, 2)
    assert 0 < found.decode_ms < found.wall_ms
    assert found.rounds == 11 if k == 0 else 0 < found.rounds <= 11


def test_the_functions_are_put_back() -> None:
    before = capi.llama_decode
    with DecodeClock().running():
        assert capi.llama_decode is not before
    assert capi.llama_decode is before
