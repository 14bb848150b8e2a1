"""The C API behind its wrapper: what is loaded, what a pass gives, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from halospec_server.llama import Context, LlamaError, Model, requantize, vocabulary_difference
from tiny_engines import Pair, prompt_of
from tiny_models import BOS, BYTES, CHAT_TEMPLATE, EOS, FIRST_PIECE, IM_END, N_VOCAB, PIECES, write_foreign_draft


@pytest.fixture(scope="module")
def target(tiny_pair: Pair) -> Iterator[Model]:
    with closing(Model(tiny_pair[0])) as model:
        yield model


@pytest.fixture
def context(target: Model) -> Iterator[Context]:
    with closing(Context(target, n_ctx=256, n_threads=1, max_outputs=17)) as opened:
        yield opened


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


def test_a_wide_pass_gives_what_narrow_passes_give(context: Context) -> None:
    tokens = prompt_of("ka ti mo so sa ta ki")
    rows = context.decode(tokens, "all")
    assert rows is not None
    wide = rows.copy()
    assert wide.shape == (len(tokens), N_VOCAB)
    context.reset()
    for i, token in enumerate(tokens):
        narrow = context.decode([token], "last")
        assert narrow is not None
        np.testing.assert_allclose(narrow[0], wide[i], atol=1e-4)


def test_what_is_taken_back_has_never_been(context: Context) -> None:
    prompt, regretted = prompt_of("ka ti mo"), prompt_of("so sa ta")[1:]
    rows = context.decode(prompt, "last")
    assert rows is not None
    expected = rows.copy()
    context.reset()
    context.decode(prompt[:-1], "none")
    context.decode(regretted, "all")
    context.truncate(len(prompt) - 1)
    assert context.length == len(prompt) - 1
    again = context.decode(prompt[-1:], "last")
    assert again is not None
    np.testing.assert_allclose(again, expected, atol=1e-4)


def test_taking_back_nothing_changes_nothing(context: Context) -> None:
    context.decode(prompt_of("ka ti"), "none")
    context.truncate(100)
    assert context.length == 3


def test_a_pass_without_outputs_gives_none(context: Context) -> None:
    assert context.decode(prompt_of("ka"), "none") is None


@pytest.mark.parametrize("n", [0, 257])
def test_a_pass_of_a_wrong_width_is_refused(context: Context, n: int) -> None:
    with pytest.raises(LlamaError, match="A pass takes 1 to 256 tokens"):
        context.decode([BOS] * n, "last")


def test_more_rows_than_the_context_was_made_for_are_refused(context: Context) -> None:
    with pytest.raises(LlamaError, match="at most 17 rows"):
        context.decode([BOS] * 18, "all")


def test_a_full_context_says_so_and_can_be_used_again(context: Context) -> None:
    context.decode([BOS] * 256, "none")
    with pytest.raises(LlamaError, match="full"):
        context.decode([BOS], "last")
    context.reset()
    assert context.decode([BOS], "last") is not None


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(LlamaError, match=r"^There is no model file nope\.gguf\.$"):
        Model(Path("nope.gguf"))


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "poem.gguf"
    path.write_text("so much depends upon")
    with pytest.raises(LlamaError, match=r"poem\.gguf is not a GGUF model"):
        Model(path)


def test_a_pair_of_one_vocabulary_has_no_difference(target: Model, tiny_pair: Pair) -> None:
    with closing(Model(tiny_pair[1])) as draft:
        assert vocabulary_difference(target, draft) is None


def test_a_token_that_is_spelt_otherwise_is_named(target: Model, tmp_path: Path) -> None:
    with closing(Model(write_foreign_draft(tmp_path))) as foreign:
        difference = vocabulary_difference(target, foreign)
    assert difference == f"token {N_VOCAB - 1} is '{PIECES[-1]}' in the target and '▁zu' in the draft"


def test_a_copy_in_another_format_can_be_made_and_loaded(tiny_pair: Pair, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    requantize(tiny_pair[0], copy, "Q4_0", n_threads=1)
    assert copy.stat().st_size < tiny_pair[0].stat().st_size / 2
    with closing(Model(copy)) as model:
        assert model.n_vocab == N_VOCAB


def test_a_copy_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LlamaError, match=r"could not write copy\.gguf from nope\.gguf"):
        requantize(tmp_path / "nope.gguf", tmp_path / "copy.gguf", "F32", n_threads=1)
