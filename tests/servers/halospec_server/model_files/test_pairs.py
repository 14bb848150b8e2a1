"""The registry of pairs. Nothing here asks the hub: whether files are still where it says is for the hub to tell."""

from __future__ import annotations

import pytest

from halospec_server.model_files.hub import HubSource, parse_source
from halospec_server.model_files.pairs import HUB_PAIRS, Attention, HubPair, hub_model

pairs = pytest.mark.parametrize("pair", HUB_PAIRS.values(), ids=HUB_PAIRS)


def test_qwen_llama_mistral_and_gemma_are_there() -> None:
    assert {pair.family for pair in HUB_PAIRS.values()} == {"Qwen", "Llama", "Mistral", "Gemma"}


@pairs
def test_a_pair_is_found_by_its_name(pair: HubPair) -> None:
    assert HUB_PAIRS[pair.name] is pair
    assert pair.name == pair.name.lower()
    assert " " not in pair.name


@pairs
def test_a_draft_is_much_smaller_than_its_target(pair: HubPair) -> None:
    assert 2 * pair.draft.params_millions < pair.target.params_millions
    assert pair.draft.size_mb < pair.target.size_mb


@pairs
def test_vocabularies_differ_by_no_more_than_padding(pair: HubPair) -> None:
    assert abs(pair.target.n_vocab - pair.draft.n_vocab) <= 128


@pairs
def test_files_are_written_as_they_are_on_the_command_line(pair: HubPair) -> None:
    for model in (pair.target, pair.draft):
        assert parse_source(str(model.source)) == model.source
        assert hub_model(model.source) == model


@pairs
def test_sizes_suit_the_number_of_weights(pair: HubPair) -> None:
    for model in (pair.target, pair.draft):
        bits_per_weight = 8 * model.size_mb / model.params_millions
        # 4 to 8 bits and what goes with them; an embedding that is stored twice makes the smallest models larger.
        assert 4.5 < bits_per_weight < 11.5
        assert model.licence


def test_a_file_of_no_pair_is_not_known() -> None:
    assert hub_model(HubSource("owner/repo", "file.gguf")) is None


def test_keys_and_values_of_a_position_are_counted() -> None:
    # Llama 3.1 8B: 32 layers of 8 heads, each 128 wide, F16: 128 KiB.
    assert Attention(32, 8, 128).kv_bytes_per_position == 131_072
