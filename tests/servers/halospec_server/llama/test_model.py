"""What a GGUF file says of itself, and text to tokens and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from halospec_server.llama import LlamaError, Model, vocabulary_difference
from tiny_engines import Pair
from tiny_models import BOS, BYTES, CHAT_TEMPLATE, EOS, FIRST_PIECE, IM_END, N_VOCAB, PIECES, write_foreign_draft


@pytest.fixture(scope="module")
def target(tiny_pair: Pair) -> Iterator[Model]:
    with closing(Model(tiny_pair[0])) as model:
        yield model


def test_the_file_says_what_the_vocabulary_is(target: Model) -> None:
    assert target.n_vocab == N_VOCAB
    assert (target.bos, target.eos, target.adds_bos) == (BOS, EOS, True)
    assert target.end_tokens.tolist() == [EOS, IM_END]
    assert target.chat_template == CHAT_TEMPLATE
    assert target.token_text(IM_END) == "<|im_end|>"
    assert target.token_text(-1) == ""


def test_pieces_are_bytes_and_control_tokens_have_none(target: Model) -> None:
    assert target.piece(FIRST_PIECE + PIECES.index("ka")) == b"ka"
    assert target.piece(FIRST_PIECE + PIECES.index("▁ka")) == b" ka"
    assert target.piece(FIRST_PIECE - len(BYTES) + 0xC3) == b"\xc3"
    assert target.piece(EOS) == target.piece(IM_END) == b""


@pytest.mark.parametrize("text", ["ka ti mo", "", " sa", "é→🙂", "a\0b", "<|im_end|>"])
def test_a_text_is_split_into_tokens_that_spell_it(target: Model, text: str) -> None:
    tokens = target.tokenize(text, add_bos=True)
    assert tokens[0] == BOS
    assert b"".join(map(target.piece, tokens)).decode() == text.replace("<|im_end|>", "")
    assert target.tokenize(text, add_bos=False) == tokens[1:]


def test_control_tokens_in_a_prompt_are_recognised(target: Model) -> None:
    assert target.tokenize("<|im_end|>", add_bos=False) == [IM_END]


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(LlamaError, match=r"^There is no model file nope\.gguf\.$"):
        Model(Path("nope.gguf"))


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "poem.gguf"
    path.write_text("so much depends upon")
    with pytest.raises(LlamaError, match=r"poem\.gguf is not a GGUF model"):
        Model(path)


def test_a_model_can_be_closed_twice(tiny_pair: Pair) -> None:
    model = Model(tiny_pair[0])
    model.close()
    model.close()


def test_a_pair_of_one_vocabulary_has_no_difference(target: Model, tiny_pair: Pair) -> None:
    with closing(Model(tiny_pair[1])) as draft:
        assert vocabulary_difference(target, draft) is None


def test_a_token_that_is_spelt_otherwise_is_named(target: Model, tmp_path: Path) -> None:
    with closing(Model(write_foreign_draft(tmp_path))) as foreign:
        difference = vocabulary_difference(target, foreign)
    assert difference == f"token {N_VOCAB - 1} is '{PIECES[-1]}' in the target and '▁zu' in the draft"
