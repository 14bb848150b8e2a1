from __future__ import annotations

import json
from pathlib import Path

import pytest

from halospec_server.tracing.lines import AskedPrompt, line_of, read_prompts
from halospec_server.tracing.opinions import Opinion, Untraceable
from halospec_server.tracing.tracer import Trace


def test_prompts_are_read_in_order_and_blank_lines_left_out(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"id": "b", "text": "x\\u2028y"}\n\n{"id": "a", "text": "z", "domain": "code"}\n')
    assert read_prompts(path) == [AskedPrompt(id="b", text="x\u2028y"), AskedPrompt(id="a", text="z")]


@pytest.mark.parametrize("line", ["plain text", '{"id": "a"}', '{"id": 1, "text": "z"}'])
def test_anything_else_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{{"id": "a", "text": "z"}}\n{line}\n')
    with pytest.raises(Untraceable, match="line 2"):
        read_prompts(path)


def test_a_file_without_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Untraceable, match="holds no prompts"):
        read_prompts(tmp_path / "empty")


def test_a_place_matches_where_the_draft_would_propose_its_token() -> None:
    trace = Trace((7, 8), (Opinion(7, 0.5, 1.0, 0.9), Opinion(9, 0.4, 1.1, 0.2)), None)
    written = json.loads(line_of("p", trace).model_dump_json())
    assert written == {
        "prompt_id": "p",
        "tokens": [7, 8],
        "match": [True, False],
        "top_probability": [0.5, 0.4],
        "entropy": [1.0, 1.1],
        "overlap": [0.9, 0.2],
        "wide_differences": None,
    }
