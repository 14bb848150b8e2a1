from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.aliases.errors import AliasError
from halospec.aliases.options import Option, join_words, split_options, split_words, with_draft_length
from halospec.knobs.draft_args import DraftArgs

BASE = split_options(
    [
        "-np",
        "1",
        "--model-draft",
        "d.gguf",
        "--draft-p-min",
        "0.5",
        "--spec-draft-n-max",
        "3",
        "--spec-draft-n-min",
        "2",
    ]
)
NGRAM = DraftArgs("--spec-type ngram-mod --spec-ngram-mod-n-max {k}")


def words_of(options: tuple[Option, ...]) -> str:
    return join_words(options)


def test_a_value_belongs_to_the_option_before_it_even_if_it_is_negative() -> None:
    assert split_options(["--seed", "-1", "--jinja", "-t=2", "--lora-scaled", "a", "-.5"]) == (
        Option("--seed", ("-1",)),
        Option("--jinja"),
        Option("-t", ("2",)),
        Option("--lora-scaled", ("a", "-.5")),
    )


def test_a_value_without_an_option_is_refused() -> None:
    with pytest.raises(AliasError, match="'draft-simple' is no option"):
        split_options(["draft-simple"])


def test_only_what_sets_k_is_replaced() -> None:
    assert words_of(with_draft_length(BASE, 4, None)) == (
        "-np 1 --model-draft d.gguf --draft-p-min 0.5 --spec-type draft-simple --spec-draft-n-max 4"
    )


def test_without_speculation_no_draft_is_loaded_either() -> None:
    assert words_of(with_draft_length(BASE, 0, None)) == "-np 1 --spec-type none"


@pytest.mark.parametrize(
    ("own", "kept"),
    [("draft-mtp", "draft-mtp"), ("ngram-mod", "draft-simple"), ("draft-mtp,ngram-mod", "draft-simple")],
)
def test_a_model_with_a_draft_of_its_own_kind_keeps_it(own: str, kept: str) -> None:
    base = (*BASE, Option("--spec-type", (own,)))
    assert words_of(with_draft_length(base, 2, None)).endswith(f"--spec-type {kept} --spec-draft-n-max 2")


def test_a_model_that_drafts_for_itself_needs_no_draft_model() -> None:
    base = split_options(["--spec-type", "draft-mtp"])
    assert words_of(with_draft_length(base, 2, None)) == "--spec-type draft-mtp --spec-draft-n-max 2"


def test_a_model_without_a_draft_cannot_be_given_a_length() -> None:
    base = split_options(["-np", "1"])
    with pytest.raises(AliasError, match=r"no draft model; .* --draft-args"):
        with_draft_length(base, 1, None)
    assert words_of(with_draft_length(base, 0, None)) == "-np 1 --spec-type none"
    assert with_draft_length(base, 1, None, own_way="draft-simple")


def test_arguments_of_the_users_own_say_all_about_speculation_but_the_draft_model() -> None:
    assert words_of(with_draft_length(BASE, 6, NGRAM)) == (
        "-np 1 --model-draft d.gguf --spec-type ngram-mod --spec-ngram-mod-n-max 6"
    )
    assert words_of(with_draft_length(BASE, 0, NGRAM)) == "-np 1 --spec-type none"


def test_they_may_name_another_draft_model_and_replace_other_options() -> None:
    own = DraftArgs("-md other.gguf --spec-type draft-simple --spec-draft-n-max {k} -np 2")
    assert words_of(with_draft_length(BASE, 6, own)) == (
        "-md other.gguf --spec-type draft-simple --spec-draft-n-max 6 -np 2"
    )


def test_a_key_is_known_for_one() -> None:
    assert Option("hf-token", ("hf_abc",)).is_secret
    assert not Option("model", ("hf_abc",)).is_secret


@given(st.lists(st.text("ab-=\\/ '", min_size=1) | st.text('ab:{} "', min_size=1), min_size=1))
def test_words_survive_being_written_as_one_line(values: list[str]) -> None:
    options = [Option("--flag", tuple(values))]
    assert split_words(join_words(options)) == ("--flag", *values)


def test_a_backslash_is_no_escape() -> None:
    assert split_words(r'-m "C:\my models\x.bin" -t 2') == ("-m", r"C:\my models\x.bin", "-t", "2")


@pytest.mark.parametrize("word", ["", "both ' and \""])
def test_what_lemonade_cannot_be_told_is_refused(word: str) -> None:
    with pytest.raises(AliasError, match="no way"):
        join_words([Option("--flag", (word,))])


def test_a_quote_without_an_end_is_refused() -> None:
    with pytest.raises(AliasError, match="not closed"):
        split_words("-m 'x")
