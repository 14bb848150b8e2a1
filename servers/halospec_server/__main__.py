"""Start the server: say what will be loaded, load it, then open the socket."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import logging
import sys
from dataclasses import replace

import typer

from halospec_server import llama, options
from halospec_server.assembly import EngineSettings, PairRefused, build_engine
from halospec_server.cores import usable_cores
from halospec_server.decoding.engine import Engine
from halospec_server.devices import DeviceError, PlacementWish, Preset
from halospec_server.http.app import Application, create_app
from halospec_server.http.chat_template import CHATML, ChatTemplate, TemplateRefusal
from halospec_server.http.serving import serve_app
from halospec_server.http.settings import ServerSettings
from halospec_server.lifeline import end_with_input
from halospec_server.llama.devices import available_devices
from halospec_server.logs import configure_logging
from halospec_server.model_card import describe
from halospec_server.model_files.background_hash import BackgroundHash
from halospec_server.model_files.choice import ModelFiles, choose
from halospec_server.model_files.load_plan import DoesNotFit, LoadPlan, LoadWish, plan
from halospec_server.model_files.memory_estimate import Layout, available_memory_bytes
from halospec_server.model_files.model_cache import ModelFileError

_log = logging.getLogger("halospec_server")


def serve(
    pair: options.Pair = None,
    target: options.Target = None,
    draft: options.Draft = None,
    force: options.Force = False,
    draft_length: options.DraftLength = "4",
    pin_draft_length: options.PinDraftLength = None,
    length_policy: options.LengthPolicy = "heuristic",
    drafter: options.Drafter = None,
    p_min: options.PMin = 0.0,
    ctx_size: options.CtxSize = 2048,
    parallel: options.Parallel = 1,
    threads: options.Threads = None,
    threads_batch: options.ThreadsBatch = None,
    draft_threads: options.DraftThreads = None,
    draft_threads_batch: options.DraftThreadsBatch = None,
    batch_size: options.BatchSize = 256,
    prefill_chunk: options.PrefillChunk = 64,
    attention: options.Attention = options.AttentionKind.FAST,
    placement: options.Placement = Preset.AUTO,
    gpu_layers: options.GpuLayers = None,
    device: options.Device = "",
    tensor_split: options.TensorSplit = "",
    draft_gpu_layers: options.DraftGpuLayers = None,
    draft_device: options.DraftDevice = "",
    draft_tensor_split: options.DraftTensorSplit = "",
    host: options.Host = "127.0.0.1",
    port: options.Port = 8123,
    api_key: options.ApiKey = None,
    max_queue: options.MaxQueue = 64,
    max_body_bytes: options.MaxBodyBytes = 2 * 2**20,
    max_prompt_tokens: options.MaxPromptTokens = None,
    deadline: options.Deadline = None,
    shutdown_grace: options.ShutdownGrace = 10.0,
    log_level: options.LogLevelOption = options.LogLevel.INFO,
    log_format: options.LogFormatOption = options.LogFormat.TEXT,
    stop_at_end_of_input: options.StopAtEndOfInput = False,
    list_pairs: options.ListPairs = False,  # noqa: ARG001  # these two print and exit while they are read
    list_devices: options.ListDevices = False,  # noqa: ARG001
) -> None:
    """Serve a model pair with speculative decoding, OpenAI-compatible."""
    configure_logging(log_level, log_format.value)
    if stop_at_end_of_input:
        end_with_input()
    engine_settings = EngineSettings(
        ctx_size=ctx_size,
        parallel=parallel,
        threads=threads or usable_cores(),
        threads_batch=threads_batch,
        draft_threads=draft_threads,
        draft_threads_batch=draft_threads_batch,
        batch_size=batch_size,
        prefill_chunk=prefill_chunk,
        attention=attention.value,
        drafter=drafter,
        length_policy=length_policy,
    )
    settings = ServerSettings(
        draft_length=options.read_draft_length(draft_length),
        pinned_draft_length=pin_draft_length,
        length_policy=length_policy,
        p_min=p_min,
        api_key=api_key,
        max_queue=max_queue,
        max_body_bytes=max_body_bytes,
        max_prompt_tokens=max_prompt_tokens,
        deadline_s=deadline,
        shutdown_grace_s=shutdown_grace,
    )
    try:
        wish = LoadWish(
            choose(pair, target, draft),
            Layout(ctx_size, parallel, exact_attention=attention is options.AttentionKind.EXACT),
            placement,
            PlacementWish(gpu_layers, options.read_names(device), options.read_shares(tensor_split)),
            PlacementWish(draft_gpu_layers, options.read_names(draft_device), options.read_shares(draft_tensor_split)),
            force=force,
        )
        engine, app = load(wish, engine_settings, settings)
    except (ModelFileError, DeviceError, DoesNotFit, llama.LlamaError, PairRefused, TemplateRefusal, OSError) as error:
        sys.exit(f"halospec serve: {error}")
    # What is loaded stays for good: no collection need look at it again, with every thread waiting meanwhile.
    gc.collect()
    gc.freeze()
    if settings.api_key is None and not _is_loopback(host):
        _log.warning("listening on %s without an API key: whoever reaches this address can use the server", host)
    try:
        serve_app(app, host=host, port=port)
    finally:
        engine.close()


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def load(wish: LoadWish, engine_settings: EngineSettings, settings: ServerSettings) -> tuple[Engine, Application]:
    """Say what will be loaded, fetch and load it, and build the application around it.

    Raises
    ------
    ModelFileError, DeviceError, DoesNotFit, LlamaError, PairRefused, TemplateRefusal, OSError
        If it cannot be had or does not work; each says why in one sentence.
    """
    if engine_settings.drafter == options.DrafterName.MODEL and not wish.choice.has_draft_model:
        raise ModelFileError("--drafter model needs a draft model, and there is none; give one with --draft.")
    placed, files = make_ready(wish)
    checksums = BackgroundHash(files.paths)
    engine = build_engine(
        files,
        replace(engine_settings, target_placement=placed.target.placement, draft_placement=placed.draft_placement),
    )
    model = engine.target.model
    if engine.target.n_ctx > model.n_ctx_train:
        _log.warning("the context is longer than the %d tokens of training", model.n_ctx_train)
    template = chat_template(model)
    return engine, create_app(engine, template, describe(engine, files.name, settings, checksums), settings)


def make_ready(wish: LoadWish) -> tuple[LoadPlan, ModelFiles]:
    """Show what is going to be loaded, make sure that it fits, and fetch or make what is not here.

    Raises
    ------
    ModelFileError, DeviceError, DoesNotFit
        If it cannot be had.
    """
    devices = available_devices()
    planned = plan(wish, devices, available_memory_bytes())
    _show(planned)
    files = planned.offer.obtain()
    if not planned.is_complete:
        planned = plan(wish, devices, available_memory_bytes())
        _show(planned)
    return planned, files


def _show(planned: LoadPlan) -> None:
    for line in planned.lines():
        _log.info("%s", line)
    if planned.uses_gpu:
        _log.warning("GPU use is untested: no part of HaloSpec was ever run on one")
    planned.require_memory()


def chat_template(model: llama.Model) -> ChatTemplate:
    """Compile the template of a model file, or ChatML where it has none."""
    if model.chat_template is None:
        _log.warning("%s has no chat template; ChatML is used", model.path.name)
    return ChatTemplate(model.chat_template or CHATML, bos=model.token_text(model.bos), eos=model.token_text(model.eos))


command_line = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
command_line.command()(serve)


def main() -> None:
    """Run the command line, which people know as ``halospec serve``."""
    command_line(prog_name="halospec serve")


if __name__ == "__main__":
    main()
