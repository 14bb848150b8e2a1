"""What to put into a server's configuration so that it uses a draft length.

Where each line comes from:

- llama-server: ``llama-server --help`` of b11434, which refuses ``--draft-max`` and names ``--spec-draft-n-max`` in its
  place. ``--spec-type`` is needed too: with ``-md`` alone nothing is drafted, and ``--spec-draft-n-max 0`` starts and
  aborts at the first request (docs/servers.md).
- llama-server's router: an option's name without its dashes is a key of a section of the preset file (docs/servers.md).
- Lemonade: ``POST /load`` of 11.7.0 with ``llamacpp_args`` and ``save_options``, as recorded from a live one.
  ``-md`` is refused there: the draft is registered with the model.
- vLLM: docs/features/speculative_decoding/draft_model.md of vllm-project/vllm.
- SGLang: docs/advanced_features/speculative_decoding.md of sgl-project/sglang, which wants the three numbers to be set
  together; with a top-k of 1 a verification holds one token more than there are draft steps.
- llama-cpp-python: the options of ``python -m llama_cpp.server`` in 0.3.36.
- The bundled server: servers/halospec_server/options.py.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping

from halospec.analysis.value import Value
from halospec.knobs.arguments import shown_arguments
from halospec.knobs.draft_args import DraftArgs

_TARGET, _DRAFT, _MODEL = "TARGET", "DRAFT", "MODEL"


class Advice(Value):
    """Lines for one kind of server.

    Attributes
    ----------
    title
        Where they belong.
    lines
        To be copied; what the user has to fill in is in capitals.
    note
        What else there is to know, a sentence; empty if nothing.
    """

    title: str
    lines: tuple[str, ...]
    note: str = ""


def advice_for(
    kind: str,
    draft_length: int,
    *,
    base_url: str,
    model: str,
    product: str | None = None,
    started_with: DraftArgs | None = None,
    alias: str | None = None,
) -> tuple[Advice, ...]:
    """Return what to configure for a draft length; for a server of unknown make, that of every make.

    Parameters
    ----------
    kind
        As in halospec.endpoints.detection.
    base_url, model
        Of the server that was measured.
    product
        What the server calls itself, where its kind stands for several.
    started_with
        The arguments by which k was set, where a command or a reload set it: what was measured is exactly that.
    alias
        The model name that stands for this draft length, where each has one.
    """
    if started_with is not None and kind != "lemonade":
        return (_started(started_with, draft_length),)
    if kind == "lemonade":
        return (_lemonade(draft_length, base_url, model, started_with or DraftArgs()),)
    if kind == "llama_server" and alias is not None:
        return (_router(draft_length, alias),)
    make = _MAKES.get(product or kind)
    if make is not None:
        return (make(draft_length),)
    return tuple(make(draft_length) for make in _MAKES.values())


def _started(arguments: DraftArgs, k: int) -> Advice:
    shown = shown_arguments(arguments.expand(k))
    where = "Instead of {draft_args} in the server's command line"
    if shown:
        return Advice(title=where, lines=(shown,))
    return Advice(title=where, lines=(), note="Nothing: with k = 0 the command line needs no argument there.")


def _bundled(k: int) -> Advice:
    return Advice(title="HaloSpec's bundled server", lines=(f"halospec serve --draft-length {k}",))


def _llama_server(k: int) -> Advice:
    if k == 0:
        return Advice(
            title="llama-server",
            lines=(f"llama-server -m {_TARGET}.gguf --spec-type none",),
            note="Without -md DRAFT.gguf no memory goes to a draft model either.",
        )
    return Advice(
        title="llama-server",
        lines=(f"llama-server -m {_TARGET}.gguf -md {_DRAFT}.gguf {_llama_arguments(k)}",),
        note=f"Builds that do not know --spec-draft-n-max call it --draft-max {k}, and need no --spec-type.",
    )


def _router(k: int, alias: str) -> Advice:
    options = ("spec-type = none",) if k == 0 else ("spec-type = draft-simple", f"spec-draft-n-max = {k}")
    return Advice(
        title="llama-server's router, in the model's section of the preset file",
        lines=options,
        note=f"The model name {alias} is loaded with that already.",
    )


def _any_lemonade(k: int) -> Advice:
    return _lemonade(k, "http://127.0.0.1:13305/api/v1", _MODEL, DraftArgs())


def _lemonade(k: int, base_url: str, model: str, drafting: DraftArgs) -> Advice:
    arguments = shown_arguments(drafting.expand(k))
    body = json.dumps({"model_name": model, "llamacpp_args": arguments, "save_options": True})
    url = f"{base_url}/load"
    return Advice(
        title="Lemonade",
        lines=(f"curl -X POST {shlex.quote(url)} -H 'Content-Type: application/json' -d {shlex.quote(body)}",),
        note="llamacpp_args replaces the model's saved arguments: add those that it needs besides. Its draft model is"
        " registered with it (checkpoints: main and draft).",
    )


def _llama_cpp_python(k: int) -> Advice:
    start = f"python -m llama_cpp.server --model {_TARGET}.gguf"
    drafting = f" --draft_model prompt-lookup-decoding --draft_model_num_pred_tokens {k}" if k else ""
    return Advice(title="llama-cpp-python's server", lines=(start + drafting,))


def _vllm(k: int) -> Advice:
    start = f"vllm serve {_TARGET}"
    if k == 0:
        return Advice(title="vLLM", lines=(start,), note="That is, without --speculative-config.")
    config = json.dumps({"method": "draft_model", "model": _DRAFT, "num_speculative_tokens": k})
    return Advice(
        title="vLLM",
        lines=(f"{start} --speculative-config {shlex.quote(config)}",),
        note="With another method than a draft model, keep its own fields and set num_speculative_tokens alone.",
    )


def _sglang(k: int) -> Advice:
    start = f"python -m sglang.launch_server --model-path {_TARGET}"
    if k == 0:
        return Advice(title="SGLang", lines=(start,), note="That is, without --speculative-algorithm.")
    numbers = f"--speculative-num-steps {k} --speculative-eagle-topk 1 --speculative-num-draft-tokens {k + 1}"
    drafting = f"--speculative-algorithm STANDALONE --speculative-draft-model-path {_DRAFT}"
    return Advice(
        title="SGLang",
        lines=(f"{start} {drafting} {numbers}",),
        note="With another algorithm than STANDALONE, keep it and set the three numbers.",
    )


def _llama_arguments(k: int) -> str:
    return " ".join(DraftArgs().expand(k))


_MAKES: Mapping[str, Callable[[int], Advice]] = {
    "bundled": _bundled,
    "llama_server": _llama_server,
    "lemonade": _any_lemonade,
    "llama_cpp_python": _llama_cpp_python,
    "vLLM": _vllm,
    "SGLang": _sglang,
}
"""By the name of the kind (halospec.endpoints.detection), or of the product that a kind of several stands for."""
