"""Start the server: load the models, then open the socket."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from enum import StrEnum
from typing import Annotated

import psutil
import typer
import uvicorn

from halospec_server import llama, schema
from halospec_server.app import ServerSettings, create_app
from halospec_server.chat_template import CHATML, ChatTemplate, TemplateRefusal
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.prompt_lookup import PromptLookupDrafter
from halospec_server.drafters.protocol import Drafter
from halospec_server.engine import MAX_DRAFT_LENGTH, Engine
from halospec_server.models import EMBEDDED, ModelFileError, ModelFiles, file_sha256, resolve

_log = logging.getLogger("halospec_server")


class LogLevel(StrEnum):
    """What `logging` and uvicorn both understand."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class PairRefused(RuntimeError):
    """Two models that cannot work together; the message says why."""


def build_engine(files: ModelFiles, *, ctx_size: int, threads: int) -> Engine:
    """Load a target and what drafts for it.

    Raises
    ------
    llama.LlamaError
        If a file cannot be loaded.
    PairRefused
        If the vocabularies differ.
    """
    target = llama.Model(files.target)
    context = llama.Context(target, n_ctx=ctx_size, n_threads=threads, max_outputs=MAX_DRAFT_LENGTH + 1)
    return Engine(context, _build_drafter(files, context, threads))


def _build_drafter(files: ModelFiles, target: llama.Context, threads: int) -> Drafter | None:
    if files.draft is None:
        return None
    if files.draft == "ngram":
        return PromptLookupDrafter()
    draft = llama.Model(files.draft)
    difference = llama.vocabulary_difference(target.model, draft)
    if difference is not None:
        raise PairRefused(
            f"{files.draft.name} cannot draft for {files.target.name}: {difference}. Choose a draft of the same "
            "family, or --draft ngram."
        )
    return ModelDrafter(
        llama.Context(draft, n_ctx=target.n_ctx, n_threads=threads, max_outputs=1), target.model.n_vocab
    )


def describe(engine: Engine, files: ModelFiles, *, threads: int, draft_length: int) -> schema.ModelCard:
    """Say what is loaded, for ``GET /v1/models``."""
    return schema.ModelCard(
        id=files.name,
        meta=schema.ModelMeta(
            target=_loaded(engine.target.model),
            draft=_loaded(engine.drafter.model) if isinstance(engine.drafter, ModelDrafter) else None,
            drafter=engine.drafter_name,
            ctx_size=engine.target.n_ctx,
            threads=threads,
            draft_length=draft_length,
            llama_cpp=llama.version(),
        ),
    )


def _loaded(model: llama.Model) -> schema.LoadedModel:
    path = model.path
    return schema.LoadedModel(
        name=path.stem,
        file=path.name,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        n_params=model.n_params,
    )


def chat_template(model: llama.Model) -> ChatTemplate:
    """Compile the template of a model file, or ChatML where it has none."""
    if model.chat_template is None:
        _log.warning("%s has no chat template; ChatML is used", model.path.name)
    return ChatTemplate(model.chat_template or CHATML, bos=model.token_text(model.bos), eos=model.token_text(model.eos))


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8123,
    target: Annotated[
        str | None, typer.Option(help=f"GGUF file of the target; the embedded {EMBEDDED} (F32) if left out.")
    ] = None,
    draft: Annotated[
        str | None,
        typer.Option(
            help="GGUF file of the draft, or: twin (the embedded Q4_1), rough (the embedded Q4_0), ngram (prompt "
            "lookup), none. Default: twin beside the embedded target, ngram beside any other."
        ),
    ] = None,
    draft_length: Annotated[
        int, typer.Option(help="Draft length of requests that give none.", min=0, max=MAX_DRAFT_LENGTH)
    ] = 4,
    ctx_size: Annotated[int, typer.Option(help="Positions in the context.", min=32)] = 2048,
    threads: Annotated[int | None, typer.Option(help="Threads for both models; all cores if left out.", min=1)] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="HALOSPEC_SERVER_API_KEY", help="Demand this key from clients.")
    ] = None,
    max_queue: Annotated[int, typer.Option(help="Requests that may wait; more get a 429.", min=0)] = 64,
    max_body_bytes: Annotated[int, typer.Option(help="Largest request body.", min=1024)] = 2 * 2**20,
    log_level: Annotated[LogLevel, typer.Option(help="How much to log.")] = LogLevel.INFO,
    stop_at_end_of_input: Annotated[
        bool, typer.Option(hidden=True, help="Stop when standard input ends: a parent holds the other end.")
    ] = False,
) -> None:
    """Serve a model pair with speculative decoding, OpenAI-compatible."""
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # A client that goes away in the middle of a stream is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if stop_at_end_of_input:
        threading.Thread(target=_interrupt_at_end_of_input, name="parent", daemon=True).start()
    threads = threads or _usable_cores()
    try:
        files = resolve(target, draft)
        engine = build_engine(files, ctx_size=ctx_size, threads=threads)
        template = chat_template(engine.target.model)
    except (ModelFileError, llama.LlamaError, PairRefused, TemplateRefusal) as error:
        sys.exit(f"halospec serve: {error}")
    if engine.target.n_ctx > engine.target.model.n_ctx_train:
        _log.warning("the context is longer than the %d tokens of training", engine.target.model.n_ctx_train)
    card = describe(engine, files, threads=threads, draft_length=draft_length)
    draft_name = card.meta.draft.file if card.meta.draft else engine.drafter_name
    _log.info("%s drafted by %s, %d threads, context %d", files.target.name, draft_name, threads, card.meta.ctx_size)
    settings = ServerSettings(
        draft_length=draft_length, api_key=api_key, max_queue=max_queue, max_body_bytes=max_body_bytes
    )
    try:
        uvicorn.run(
            create_app(engine, template, card, settings),
            host=host,
            port=port,
            log_level=log_level,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    finally:
        engine.close()


def _interrupt_at_end_of_input() -> None:
    # Not through sys.stdin's buffer: a thread that waits inside its lock aborts Python when another signal ends it.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    signal.raise_signal(signal.SIGINT)


def _usable_cores() -> int:
    """Physical cores this process may run on: hyper-threads slow these kernels down."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def main() -> None:
    """Run the command line, which people know as ``halospec serve``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serve)
    app(prog_name="halospec serve")


if __name__ == "__main__":
    main()
