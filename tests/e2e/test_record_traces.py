"""``halospec record-traces`` with the tiny pair, and what it records held against the server itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from command_line import halospec, halospec_running, until
from halospec.recordings.files import read_recording
from halospec.recordings.types import Recording

pytestmark = pytest.mark.e2e

PROMPTS = {"one": "ka mo ti", "two": "so sa", "three": "ti ta ti ko ma"}
TOKENS = 48
BOTH = "cpu:1+memory:0.2GB/s@buffer=8MB"


@pytest.fixture(scope="module")
def prompt_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    path.write_text("".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in PROMPTS.items()))
    return path


def recording_of(tiny_pair, prompt_file: Path, out: Path, *more: object) -> tuple[object, ...]:
    target, draft = tiny_pair
    models = ("--target", target, "--draft", draft, "--prompts", prompt_file)
    return ("record-traces", out, *models, "--max-tokens", TOKENS, "--timed-tokens", 24, *more)


@pytest.fixture(scope="module")
def recording(tiny_pair, prompt_file, tmp_path_factory) -> Recording:
    """A whole recording, quiet, beside a burner, and beside that and memory load, with two settings of the threads."""
    out = tmp_path_factory.mktemp("recordings") / "tiny"
    more = ("--load", "cpu:1", "--load", BOTH, "--threads", "1:1", "--repetitions", 3, "--max-length", 4)
    ended = halospec(*recording_of(tiny_pair, prompt_file, out, *more))
    assert ended.returncode == 0, ended.stderr
    assert f"Recording: {out}" in ended.stdout
    assert sorted(path.name for path in out.parent.iterdir()) == ["tiny"]
    return read_recording(out)


def rounds_over_http(url: str, text: str, k: int) -> list[dict[str, int]]:
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "draft_length": k,
        "cache_prompt": False,
    }
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, trust_env=False, timeout=60).json()
    assert reply["usage"]["completion_tokens"] == TOKENS
    return reply["speculation"]["rounds"]


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_replaying_a_trace_gives_every_round_of_a_real_request(recording, tiny_server, prompt_id, k):
    """Round by round: how many tokens there was room to draft, and how many of them were kept."""
    (text,) = (text for text in recording.texts if text.prompt_id == prompt_id)
    replayed = []
    at = 1  # the first token comes with the prompt
    while at < len(text):
        drafted = min(k, len(text) - at - 1)
        misses = np.flatnonzero(~text.match[at : at + drafted])
        accepted = int(misses[0]) if len(misses) else drafted
        replayed.append((k, drafted, accepted))
        at += accepted + 1
    real = rounds_over_http(tiny_server, PROMPTS[prompt_id], k)
    assert [(done["limit"], done["k"], done["accepted"]) for done in real] == replayed


def test_texts_are_traced_in_order_as_tokens_alone(recording):
    assert [text.prompt_id for text in recording.texts] == list(PROMPTS)
    assert [len(text) for text in recording.texts] == [TOKENS] * 3
    matches = np.concatenate([text.match for text in recording.texts])
    assert 0.3 < matches.mean() < 0.95


def test_every_cell_was_visited_and_every_length_drawn(recording):
    rounds = recording.rounds
    own = (recording.threads, recording.draft_threads)
    cells = {
        (rounds.conditions[c], t, d)
        for c, t, d in zip(rounds.condition, rounds.threads, rounds.draft_threads, strict=True)
    }
    assert cells == {(condition, *setting) for condition in ("quiet", "cpu:1", BOTH) for setting in {own, (1, 1)}}
    assert set(rounds.k.tolist()) == {0, 1, 2, 3, 4}
    assert len(np.unique(rounds.visit)) == 3 * len(cells)


def test_times_are_those_of_rounds(recording):
    rounds = recording.rounds
    drafted = rounds.k > 0
    assert (rounds.verify_us > 0).all()
    assert (rounds.draft_us[drafted] > rounds.catch_up_us[drafted]).all()
    assert (rounds.missed[drafted] >= 1).all()
    assert (rounds.missed[~drafted] == 0).all()


def test_the_account_names_the_models_and_the_machine(recording, tiny_pair):
    about = recording.about
    assert (about["target.file"], about["draft.file"]) == tuple(path.name for path in tiny_pair)
    assert len(about["target.sha256"]) == 64
    assert about["command"].startswith("halospec record-traces ")
    assert about["machine.cpu"]
    assert about["fitness.clock"]
    assert about["settings.seed"] == "1"
    assert about["wide_passes"].startswith(f"0 of {3 * TOKENS} tokens")


def test_texts_alone_need_no_server(tiny_pair, prompt_file, tmp_path):
    arguments = recording_of(tiny_pair, prompt_file, tmp_path / "tiny", "--no-costs", "--check-width", 0)
    ended = halospec(*arguments)
    assert ended.returncode == 0, ended.stderr
    recording = read_recording(tmp_path / "tiny")
    assert (len(recording.texts), len(recording.rounds)) == (3, 0)
    assert recording.about["wide_passes"] == "not compared with narrow ones"

    again = halospec(*arguments)
    assert again.returncode == 1
    assert "holds a recording already; give another directory, or --force" in again.stderr
    assert halospec(*arguments, "--force").returncode == 0


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (("--load", "gpu:1"), 2, "There is no load 'gpu'"),
        (("--threads", "two"), 2, "'two' is no setting of threads"),
        (("--draft", "ngram"), 1, "there is no draft model to trace"),
        (("--draft", "nowhere.gguf"), 1, "There is no model file nowhere.gguf"),
    ],
)
def test_what_cannot_be_recorded_is_one_sentence(tiny_pair, prompt_file, tmp_path, options, status, sentence):
    ended = halospec(*recording_of(tiny_pair, prompt_file, tmp_path / "tiny", *options))
    assert ended.returncode == status
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "tiny").exists()


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("during", ["traces", "costs"])
def test_however_it_ends_no_child_and_no_half_recording_stays(tiny_pair, prompt_file, tmp_path, how, during):
    many = tmp_path / "many.txt"
    many.write_text("\n".join(["ka mo ti"] * 2000))
    prompts = many if during == "traces" else prompt_file
    out = tmp_path / "tiny"
    with halospec_running(*recording_of(tiny_pair, prompts, out, "--repetitions", 5000, "--load", "cpu:1")) as process:
        wanted = ["halospec_server.tracing"] if during == "traces" else ["halospec_server", "programs", "burn"]
        until(lambda: all(any(one in child for child in commands_of(process)) for one in wanted))
        children = children_of(process)
        process.send_signal(how)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not out.exists()
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert [path.name for path in tmp_path.iterdir() if path != many] == []


def commands_of(process: subprocess.Popen[str]) -> list[str]:
    found = []
    for child in children_of(process):
        try:
            found += [Path(part).name for part in child.cmdline()]
        except psutil.Error:
            continue
    return found
