"""A pair of random-weight llama models of a few hundred kilobytes, so that tests decode with llama.cpp itself.

The vocabulary is SentencePiece-like: control tokens, 256 byte tokens and two dozen syllables. What the models write
is syllables: the residual stream carries a constant in dimension 0, and the output rows of every token that should not
be written weigh it down. So few tokens have any probability that the distribution of a short text can be written out.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]

UNK, BOS, EOS, IM_START, IM_END = range(5)
CONTROLS = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
SYLLABLES = tuple("".join(pair) for pair in itertools.product("kmst", "aio"))
PIECES = (*SYLLABLES, *(f"▁{syllable}" for syllable in SYLLABLES))
FIRST_PIECE = len(CONTROLS) + len(BYTES)
N_VOCAB = FIRST_PIECE + len(PIECES)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('no such role as ' + message['role']) }}{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_WIDTH, _HEADS, _FEED_FORWARD, _LAYERS, _CONTEXT = 32, 2, 64, 2, 512
_CONSTANT = 4.0
"""Of every token in dimension 0 of the residual stream; no layer writes there."""
_WEIGHED_DOWN, _RARE = -16.0, -0.25
"""Output weights on the constant: of tokens that are never written, and of those that end a text."""
_LOGIT_SPREAD = 3.0
_NOISE = 0.09


def write_tiny_pair(directory: Path) -> tuple[Path, Path]:
    """Write ``target.gguf`` and ``draft.gguf``; the draft's weights are the target's and some noise."""
    target = _random_weights(np.random.default_rng(20240607))
    draft = _with_noise(target, np.random.default_rng(7))
    paths = directory / "target.gguf", directory / "draft.gguf"
    for path, weights in zip(paths, (target, draft), strict=True):
        _write(path, weights, PIECES)
    return paths


def write_foreign_draft(directory: Path) -> Path:
    """Write ``foreign.gguf``, a model whose last token is spelt otherwise than the pair's."""
    path = directory / "foreign.gguf"
    _write(path, _random_weights(np.random.default_rng(1)), (*PIECES[:-1], "▁zu"))
    return path


def _random_weights(rng: np.random.Generator) -> Weights:
    def matrix(rows: int, columns: int, scale: float = 1.0) -> NDArray[np.float32]:
        values = rng.standard_normal((rows, columns)) * scale / np.sqrt(columns)
        return np.asarray(values, dtype=np.float32)

    def silent_on_the_constant(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        weights[0] = 0.0
        return weights

    embedding = rng.standard_normal((N_VOCAB, _WIDTH)).astype(np.float32)
    embedding[:, 0] = _CONSTANT
    output = matrix(N_VOCAB, _WIDTH, _LOGIT_SPREAD)
    output[:, 0] = _WEIGHED_DOWN
    output[FIRST_PIECE:, 0] = 0.0
    output[[EOS, IM_END], 0] = _RARE
    ones = np.ones(_WIDTH, dtype=np.float32)
    weights = {"token_embd": embedding, "output_norm": ones, "output": output}
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        weights |= {
            f"{block}attn_norm": ones,
            f"{block}attn_q": matrix(_WIDTH, _WIDTH, 1.5),
            f"{block}attn_k": matrix(_WIDTH, _WIDTH, 1.5),
            f"{block}attn_v": matrix(_WIDTH, _WIDTH),
            f"{block}attn_output": silent_on_the_constant(matrix(_WIDTH, _WIDTH, 1.5)),
            f"{block}ffn_norm": ones,
            f"{block}ffn_gate": matrix(_FEED_FORWARD, _WIDTH),
            f"{block}ffn_up": matrix(_FEED_FORWARD, _WIDTH),
            f"{block}ffn_down": silent_on_the_constant(matrix(_WIDTH, _FEED_FORWARD)),
        }
    return weights


def _with_noise(weights: Weights, rng: np.random.Generator) -> Weights:
    """Disturb every matrix, but for the constant and what weighs on it, in proportion to its own spread."""

    def disturbed(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if values.ndim == 1:
            return values
        noise = rng.standard_normal(values.shape) * _NOISE * values[:, 1:].std()
        if name in ("token_embd", "output"):
            noise[:, 0] = 0.0
        else:
            noise[~values.any(axis=1)] = 0.0
        return np.asarray(values + noise, dtype=np.float32)

    return {name: disturbed(name, values) for name, values in weights.items()}


def _write(path: Path, weights: Weights, pieces: tuple[str, ...]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(N_VOCAB)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer, pieces)
    for name, values in weights.items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, pieces: tuple[str, ...]) -> None:
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*CONTROLS, *BYTES, *pieces])
    writer.add_token_types(
        [kinds.UNKNOWN, *[kinds.CONTROL] * (len(CONTROLS) - 1), *[kinds.BYTE] * 256, *[kinds.NORMAL] * len(pieces)]
    )
    # Merges prefer the higher score: two letters to a syllable before a syllable to its neighbours.
    writer.add_token_scores([*[0.0] * FIRST_PIECE, *[-float(rank) for rank in range(len(pieces))]])
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
