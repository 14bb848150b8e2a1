"""Prompt sets: what ships, what a user's file may look like, and what is said when it may not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.workloads.prompts import (
    CLASSIC_PROMPT,
    CLASSIC_STOP,
    Prompt,
    PromptFileError,
    load_prompts,
    prompt_set_sha256,
    shipped_prompts,
)


def refusal(path: Path) -> str:
    with pytest.raises(PromptFileError) as caught:
        load_prompts(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_shipped_set_has_ten_prompts_of_each_domain():
    prompts = shipped_prompts()

    assert Counter(p.domain for p in prompts) == {"code": 10, "conversation": 10, "summarisation": 10}
    assert len({p.prompt_id for p in prompts}) == 30
    assert len({p.text for p in prompts}) == 30


def test_no_two_shipped_prompts_begin_with_the_same_ten_words_of_their_own():
    own = [p.text.partition(": ")[2] or p.text for p in shipped_prompts()]
    assert len({tuple(text.split()[:10]) for text in own}) == 30


def test_the_classic_prompt_is_the_originals():
    assert CLASSIC_PROMPT.text == (
        "Explain speculative decoding in exactly ONE sentence. Start immediately with the definition (no preface)."
    )
    assert CLASSIC_STOP == "</think>"


def test_json_lines_give_ids_texts_and_domains(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": "a", "text": "One\\ntwo", "domain": "code"}\n\n{"id": "b", "text": "Grüße"}\n', "utf-8")

    assert load_prompts(path) == (Prompt("a", "One\ntwo", "code"), Prompt("b", "Grüße"))


def test_plain_text_is_one_prompt_a_line(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("First prompt\r\n\r\n  {second} prompt \n", "utf-8")

    assert load_prompts(path) == (Prompt("p01", "First prompt"), Prompt("p02", "{second} prompt"))


def test_a_file_of_another_name_is_known_by_its_first_character(tmp_path):
    jsonl, plain = tmp_path / "a.prompts", tmp_path / "b.prompts"
    jsonl.write_text('\ufeff{"id": "a", "text": "x"}', "utf-8")
    plain.write_text("What is a harbour?", "utf-8")

    assert load_prompts(jsonl) == (Prompt("a", "x"),)
    assert load_prompts(plain) == (Prompt("p01", "What is a harbour?"),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": "a", "text": "x"}\nnot json\n', "Line 2"),
        ('{"id": "a"}\n', "Line 1"),
        ('\n{"id": 7, "text": "x"}\n', "Line 2"),
        ('["a", "x"]\n', "Line 1"),
        ('{"id": "a", "text": "  "}\n', 'empty "text"'),
        ('{"id": " ", "text": "x"}\n', 'empty "id"'),
        ('{"id": "a", "text": "half a pair: \\ud83d"}\n', "Line 1"),
        ('{"id": "a", "text": "x"}\n\n{"id": "a", "text": "y"}\n', "Line 3"),
        ("\n \n", "holds no prompts"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(tmp_path, content, said):
    path = tmp_path / "bad.jsonl"
    path.write_text(content, "utf-8")

    message = refusal(path)

    assert said in message
    assert "bad.jsonl" in message


def test_a_repeated_id_names_both_lines(tmp_path):
    path = tmp_path / "twice.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "utf-8")

    assert "Line 2" in refusal(path)
    assert "of line 1" in refusal(path)


def test_a_missing_file_a_folder_and_a_binary_file_are_refused(tmp_path):
    binary = tmp_path / "model.gguf"
    binary.write_bytes(b"GGUF\xff\xfe")

    assert "does not exist" in refusal(tmp_path / "nowhere.jsonl")
    assert "cannot be read" in refusal(tmp_path)
    assert "not UTF-8" in refusal(binary)


prompt_texts = st.text(min_size=1).filter(lambda text: text.strip() != "")


@given(st.lists(prompt_texts, min_size=1, max_size=5))
def test_any_text_survives_json_lines(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("prompts") / "any.jsonl"
    lines = [json.dumps({"id": f"id{n}", "text": text}, ensure_ascii=False) for n, text in enumerate(texts)]
    path.write_text("\n".join(lines), "utf-8")

    assert [p.text for p in load_prompts(path)] == texts


@given(st.lists(prompt_texts, min_size=2, max_size=4, unique=True))
def test_the_fingerprint_knows_texts_ids_and_order_but_not_labels(texts):
    prompts = [Prompt(f"id{n}", text) for n, text in enumerate(texts)]
    labelled = [Prompt(p.prompt_id, p.text, "code") for p in prompts]
    renamed = [Prompt("other", prompts[0].text), *prompts[1:]]

    assert prompt_set_sha256(prompts) == prompt_set_sha256(labelled)
    assert prompt_set_sha256(prompts) != prompt_set_sha256(prompts[::-1])
    assert prompt_set_sha256(prompts) != prompt_set_sha256(renamed)
    assert prompt_set_sha256(prompts) != prompt_set_sha256(prompts[1:])
