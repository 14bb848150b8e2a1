from __future__ import annotations

import json
import shlex

import pytest

from halospec.endpoints.detection import SERVER_KINDS
from halospec.knobs.draft_args import DraftArgs
from halospec.tuning.advice import advice_for

BASE_URL, MODEL = "http://127.0.0.1:13305/api/v1", "user.Some'Model"


def advice(kind, k, **more):
    return advice_for(kind, k, base_url=BASE_URL, model=MODEL, **more)


def line(kind, k, **more):
    ((only,),) = [one.lines for one in advice(kind, k, **more)]
    return only


def test_llama_server_needs_the_kind_of_draft_as_well():
    assert "--spec-type draft-simple --spec-draft-n-max 3" in line("llama_server", 3)
    assert "-md DRAFT.gguf" in line("llama_server", 3)
    assert "--draft-max 3" in advice("llama_server", 3)[0].note


def test_llama_server_at_k_0_is_never_told_to_draft_nothing_by_a_number():
    """--spec-draft-n-max 0 starts, and aborts at the first request."""
    assert "--spec-type none" in line("llama_server", 0)
    assert "n-max" not in line("llama_server", 0)


def test_a_router_gets_lines_for_its_preset_file_and_the_alias_that_is_there():
    (found,) = advice("llama_server", 3, alias="smol-k3")
    assert found.lines == ("spec-type = draft-simple", "spec-draft-n-max = 3")
    assert "smol-k3" in found.note


def test_lemonade_gets_a_load_request_for_this_very_model():
    words = shlex.split(line("lemonade", 3))
    assert words[:4] == ["curl", "-X", "POST", f"{BASE_URL}/load"]
    assert json.loads(words[-1]) == {
        "model_name": MODEL,
        "llamacpp_args": "--spec-type draft-simple --spec-draft-n-max 3",
        "save_options": True,
    }


def test_vllm_gets_valid_json():
    words = shlex.split(line("openai", 5, product="vLLM"))
    assert words[:3] == ["vllm", "serve", "TARGET"]
    assert json.loads(words[-1])["num_speculative_tokens"] == 5
    assert "--speculative-config" not in line("openai", 0, product="vLLM")


def test_sglang_gets_the_three_numbers_together():
    assert "--speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4" in line(
        "openai", 3, product="SGLang"
    )
    assert "speculative" not in line("openai", 0, product="SGLang")


def test_the_bundled_server_and_llama_cpp_python_have_their_own_options():
    assert line("bundled", 3) == "halospec serve --draft-length 3"
    assert "--draft_model_num_pred_tokens 3" in line("llama_cpp_python", 3)
    assert "--draft_model" not in line("llama_cpp_python", 0)


def test_what_was_started_with_arguments_gets_just_those():
    ngram = DraftArgs("--spec-type ngram-simple --spec-ngram-simple-size-m {k} --api-key hush", "")
    assert line("llama_server", 6, started_with=ngram) == (
        "--spec-type ngram-simple --spec-ngram-simple-size-m 6 --api-key '***'"
    )
    (nothing,) = advice("llama_server", 0, started_with=ngram)
    assert nothing.lines == ()
    assert "needs no argument" in nothing.note


def test_lemonade_reloaded_with_other_arguments_gets_those_in_its_request():
    ngram = DraftArgs("--spec-type ngram-simple --spec-ngram-simple-size-m {k}")
    assert json.loads(shlex.split(line("lemonade", 6, started_with=ngram))[-1])["llamacpp_args"] == (
        "--spec-type ngram-simple --spec-ngram-simple-size-m 6"
    )


@pytest.mark.parametrize("product", [None, "Ollama"])
def test_a_server_of_unknown_make_gets_the_lines_of_every_make_without_its_own_names(product):
    found = advice("openai", 3, product=product)
    assert {one.title for one in found} >= {"llama-server", "Lemonade", "vLLM", "SGLang"}
    assert MODEL not in str(found)


@pytest.mark.parametrize("kind", [name for name in SERVER_KINDS if name != "openai"])
@pytest.mark.parametrize("k", [0, 3])
def test_every_kind_that_is_recognised_has_lines_of_its_own(kind, k):
    assert len(advice(kind, k)) == 1
