"""What a tracer prints, from a stand-in that prints what it is told; the real one is in tests/e2e."""

from __future__ import annotations

import json

import pytest

from halospec.recordings import traces
from halospec.recordings.traces import trace_texts
from halospec.server_process import ServerProcessError
from halospec.workloads.prompts import Prompt

PROMPTS = (Prompt("a", "Hello."), Prompt("b", "Why?"))
MODEL = {"file": "m.gguf", "sha256": "0" * 64, "size_bytes": 1, "n_params": 1}
PAIR = {"target": MODEL, "draft": MODEL, "ctx_size": 64, "threads": 2, "draft_threads": 1, "llama_cpp": "1"}
LAST = {"model": {"id": "m", "meta": PAIR}}


def line(prompt_id: str, **other: object) -> dict[str, object]:
    lists = {
        "tokens": [5, 6, 7],
        "match": [True, False, True],
        "top_probability": [0.5, 0.25, 1.0],
        "entropy": [0.0, 1.0, 2.0],
        "overlap": [0.9, 0.1, 1.0],
    }
    return {"prompt_id": prompt_id, **lists, "wide_differences": 1, **other}


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Have a program of these lines run instead of the tracer."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(traces, "TRACER_MODULE", "stand_in_tracer")

    def program(*lines: object, ending: str = "") -> None:
        printed = [f"print({(json.dumps(one) if isinstance(one, dict) else one)!r})" for one in lines]
        (tmp_path / "stand_in_tracer.py").write_text("\n".join(["import sys", *printed, ending]))

    return program


def test_lines_become_texts(stand_in, tmp_path):
    stand_in(line("a"), line("b", wide_differences=2), LAST)
    told: list[tuple[str, int]] = []
    found = trace_texts([], PROMPTS, tmp_path / "log", lambda *text: told.append(text))
    assert told == [("a", 3), ("b", 3)]
    assert [text.prompt_id for text in found.texts] == ["a", "b"]
    assert found.texts[0].tokens.tolist() == [5, 6, 7]
    assert found.texts[0].match.tolist() == [True, False, True]
    assert (found.tokens, found.wide_differences) == (6, 3)
    assert (found.name, found.pair.threads, found.pair.draft_threads) == ("m", 2, 1)


def test_whether_wide_passes_agree_is_known_only_if_somebody_looked(stand_in, tmp_path):
    stand_in(line("a", wide_differences=None), line("b", wide_differences=None), LAST)
    assert trace_texts([], PROMPTS, tmp_path / "log", lambda *_: None).wide_differences is None


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        {"prompt_id": "b"},
        line("b", match=[True]),
        line("b", tokens=[]),
        line("b", tokens=[-1, 2, 3]),
        line("b", overlap=[0.5, 1.5, 0.5]),
        line("c"),
        LAST,
    ],
)
def test_what_is_no_trace_of_the_prompt_is_refused(stand_in, tmp_path, wrong):
    stand_in(line("a"), wrong, LAST)
    with pytest.raises(ServerProcessError, match=r"no trace|another prompt"):
        trace_texts([], PROMPTS, tmp_path / "log", lambda *_: None)


def test_a_tracer_that_gives_up_says_why(stand_in, tmp_path):
    stand_in(line("a"), ending="sys.exit('the pair is cursed')")
    with pytest.raises(ServerProcessError, match="ended with status 1: the pair is cursed"):
        trace_texts([], PROMPTS, tmp_path / "log", lambda *_: None)


def test_a_tracer_that_ends_too_early_is_no_whole_one(stand_in, tmp_path):
    stand_in(line("a"))
    with pytest.raises(ServerProcessError, match="ended with status 0: it wrote nothing"):
        trace_texts([], PROMPTS, tmp_path / "log", lambda *_: None)


def test_it_is_ended_when_its_reader_gives_up(stand_in, tmp_path):
    """The stand-in goes on until its input ends, and says so."""
    ended = tmp_path / "ended"
    stand_in(
        line("c"),
        ending=f"sys.stdout.flush(); sys.stdin.read(); open({str(ended)!r}, 'w').close()",
    )
    with pytest.raises(ServerProcessError, match="another prompt"):
        trace_texts([], PROMPTS, tmp_path / "log", lambda *_: None)
    assert ended.exists()
