"""Pairs of a target and a draft by name: GGUF files of the Hugging Face hub.

Both models of a pair are of one family and share its vocabulary; the server compares the two when it loads them. The
figures here were written down beforehand, to say what a pair takes before anything is fetched: they are rounded, and
the files' own take their place once they are there. Checksums are not written down; they come from the hub itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from halospec_server.model_files.gguf_header import KV_BYTES_PER_VALUE, ModelShape
from halospec_server.model_files.hub import HubSource

EMBEDDED_PAIR = "embedded"
"""What ``--pair`` calls the pair that needs no hub."""


@dataclass(frozen=True)
class Attention:
    """What decides the size of a model's KV cache."""

    n_layers: int
    n_kv_heads: int
    head_size: int

    @property
    def kv_bytes_per_position(self) -> int:
        """Keys and values of one position in all layers."""
        return 2 * self.n_layers * self.n_kv_heads * self.head_size * KV_BYTES_PER_VALUE


@dataclass(frozen=True)
class HubModel:
    """A model of a pair, as known before it is fetched.

    Attributes
    ----------
    params_millions, size_mb
        Rounded; a megabyte is 10⁶ bytes.
    gated
        Whether its licence must be accepted on the hub before it can be fetched.
    """

    source: HubSource
    params_millions: int
    size_mb: int
    n_vocab: int
    attention: Attention
    licence: str
    gated: bool = False

    @property
    def shape(self) -> ModelShape:
        """What decides its memory besides the weights."""
        return ModelShape(self.n_vocab, self.attention.kv_bytes_per_position)


@dataclass(frozen=True)
class HubPair:
    """A target, and a draft with the same vocabulary."""

    name: str
    family: str
    target: HubModel
    draft: HubModel


_QWEN2_5_7B = HubModel(
    HubSource("bartowski/Qwen2.5-7B-Instruct-GGUF", "Qwen2.5-7B-Instruct-Q4_K_M.gguf"),
    params_millions=7616, size_mb=4683, n_vocab=152_064, attention=Attention(28, 4, 128), licence="apache-2.0",
)  # fmt: skip
_QWEN2_5_1_5B = HubModel(
    HubSource("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf"),
    params_millions=1544, size_mb=1117, n_vocab=151_936, attention=Attention(28, 2, 128), licence="apache-2.0",
)  # fmt: skip
_QWEN2_5_0_5B = HubModel(
    HubSource("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q8_0.gguf"),
    params_millions=494, size_mb=676, n_vocab=151_936, attention=Attention(24, 2, 64), licence="apache-2.0",
)  # fmt: skip
_QWEN3_8B = HubModel(
    HubSource("Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf"),
    params_millions=8191, size_mb=5028, n_vocab=151_936, attention=Attention(36, 8, 128), licence="apache-2.0",
)  # fmt: skip
_QWEN3_0_6B = HubModel(
    HubSource("Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf"),
    params_millions=596, size_mb=639, n_vocab=151_936, attention=Attention(28, 8, 128), licence="apache-2.0",
)  # fmt: skip
_LLAMA_3_1_8B = HubModel(
    HubSource("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"),
    params_millions=8030, size_mb=4921, n_vocab=128_256, attention=Attention(32, 8, 128), licence="llama3.1",
)  # fmt: skip
_LLAMA_3_2_1B = HubModel(
    HubSource("bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q4_K_M.gguf"),
    params_millions=1236, size_mb=808, n_vocab=128_256, attention=Attention(16, 8, 64), licence="llama3.2",
)  # fmt: skip
_MINISTRAL_3_14B = HubModel(
    HubSource("mistralai/Ministral-3-14B-Instruct-2512-GGUF", "Ministral-3-14B-Instruct-2512-Q4_K_M.gguf"),
    params_millions=13_500, size_mb=8240, n_vocab=131_072, attention=Attention(40, 8, 128), licence="apache-2.0",
)  # fmt: skip
_MINISTRAL_3_3B = HubModel(
    HubSource("mistralai/Ministral-3-3B-Instruct-2512-GGUF", "Ministral-3-3B-Instruct-2512-Q4_K_M.gguf"),
    params_millions=3400, size_mb=2147, n_vocab=131_072, attention=Attention(26, 8, 128), licence="apache-2.0",
)  # fmt: skip
_GEMMA_3_12B = HubModel(
    HubSource("ggml-org/gemma-3-12b-it-GGUF", "gemma-3-12b-it-Q4_K_M.gguf"),
    params_millions=11_766, size_mb=7301, n_vocab=262_208, attention=Attention(48, 8, 256), licence="gemma",
)  # fmt: skip
_GEMMA_3_4B = HubModel(
    HubSource("ggml-org/gemma-3-4b-it-GGUF", "gemma-3-4b-it-Q4_K_M.gguf"),
    params_millions=3880, size_mb=2490, n_vocab=262_208, attention=Attention(34, 4, 256), licence="gemma",
)  # fmt: skip
_GEMMA_3_1B = HubModel(
    HubSource("ggml-org/gemma-3-1b-it-GGUF", "gemma-3-1b-it-Q4_K_M.gguf"),
    params_millions=1000, size_mb=806, n_vocab=262_144, attention=Attention(26, 1, 256), licence="gemma",
)  # fmt: skip

HUB_PAIRS = {
    pair.name: pair
    for pair in (
        HubPair("qwen2.5-1.5b", "Qwen", _QWEN2_5_1_5B, _QWEN2_5_0_5B),
        HubPair("qwen2.5-7b", "Qwen", _QWEN2_5_7B, _QWEN2_5_0_5B),
        HubPair("qwen3-8b", "Qwen", _QWEN3_8B, _QWEN3_0_6B),
        HubPair("llama3.1-8b", "Llama", _LLAMA_3_1_8B, _LLAMA_3_2_1B),
        HubPair("ministral3-14b", "Mistral", _MINISTRAL_3_14B, _MINISTRAL_3_3B),
        HubPair("gemma3-4b", "Gemma", _GEMMA_3_4B, _GEMMA_3_1B),
        HubPair("gemma3-12b", "Gemma", _GEMMA_3_12B, _GEMMA_3_1B),
    )
}
"""By the name that ``--pair`` takes."""


def hub_model(source: HubSource) -> HubModel | None:
    """Return what is known beforehand of a file, if it is one of a pair."""
    models = (model for pair in HUB_PAIRS.values() for model in (pair.target, pair.draft))
    return next((model for model in models if model.source == source), None)
