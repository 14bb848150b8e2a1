from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from halospec_server.llama import LlamaError, Model, requantize
from tiny_engines import Pair
from tiny_models import N_VOCAB


def test_a_copy_in_another_format_can_be_made_and_loaded(tiny_pair: Pair, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    requantize(tiny_pair[0], copy, "Q4_0", n_threads=1)
    assert copy.stat().st_size < tiny_pair[0].stat().st_size / 2
    with closing(Model(copy)) as model:
        assert model.n_vocab == N_VOCAB


def test_a_copy_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LlamaError, match=r"could not write copy\.gguf from nope\.gguf"):
        requantize(tmp_path / "nope.gguf", tmp_path / "copy.gguf", "F32", n_threads=1)
