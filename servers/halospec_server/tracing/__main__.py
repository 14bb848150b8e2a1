"""Load a pair, trace the target's texts for a file of prompts, and print a line a prompt; a last line says of whom."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import anyio
import typer
from pydantic import BaseModel

from halospec_server import llama, options
from halospec_server.__main__ import chat_template, make_ready
from halospec_server.assembly import EngineSettings, PairRefused, build_engine
from halospec_server.cores import usable_cores
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH, Generation
from halospec_server.devices import NO_WISH, DeviceError, Preset
from halospec_server.http.chat_request import ChatCompletionRequest, ChatMessage
from halospec_server.http.chat_template import TemplateRefusal
from halospec_server.http.errors import ApiError
from halospec_server.http.intake import Intake
from halospec_server.http.settings import ServerSettings
from halospec_server.lifeline import end_with_input
from halospec_server.logs import configure_logging
from halospec_server.model_card import describe
from halospec_server.model_files.background_hash import BackgroundHash
from halospec_server.model_files.choice import choose
from halospec_server.model_files.load_plan import DoesNotFit, LoadWish
from halospec_server.model_files.memory_estimate import Layout
from halospec_server.model_files.model_cache import ModelFileError
from halospec_server.tracing.lines import AskedPrompt, LastLine, line_of, read_prompts
from halospec_server.tracing.opinions import Untraceable
from halospec_server.tracing.tracer import Tracer, Witness

_log = logging.getLogger("halospec_server.tracing")

_REFUSALS = (
    DeviceError, DoesNotFit, llama.LlamaError, ModelFileError, OSError, PairRefused, TemplateRefusal, Untraceable,
)  # fmt: skip


def trace(
    prompts: Annotated[Path, typer.Option(help='JSON lines {"id", "text"}.')],
    pair: options.Pair = None,
    target: options.Target = None,
    draft: options.Draft = None,
    force: options.Force = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a text.")] = 128,
    check_width: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_DRAFT_LENGTH + 1, help="Count where a pass this wide chooses another token; 0: do not look."
        ),
    ] = 9,
    ctx_size: options.CtxSize = 2048,
    threads: options.Threads = None,
    batch_size: options.BatchSize = 256,
    attention: options.Attention = options.AttentionKind.FAST,
    placement: options.Placement = Preset.AUTO,
    stop_with_parent: Annotated[bool, typer.Option("--stop-at-end-of-input", hidden=True)] = False,
) -> None:
    """Write down what the draft model would have proposed at every place of the target's own greedy texts."""
    configure_logging("info")
    if stop_with_parent:
        end_with_input()
    settings = EngineSettings(
        ctx_size=ctx_size, threads=threads or usable_cores(), batch_size=batch_size, attention=attention.value
    )
    try:
        asked = read_prompts(prompts)
        layout = Layout(ctx_size, 1, exact_attention=attention is options.AttentionKind.EXACT)
        wish = LoadWish(choose(pair, target, draft), layout, placement, NO_WISH, NO_WISH, force=force)
        for line in _lines(wish, settings, asked, max_tokens, check_width):
            sys.stdout.write(f"{line.model_dump_json()}\n")
            sys.stdout.flush()
    except _REFUSALS as error:
        sys.exit(f"halospec_server.tracing: {error}")


def _lines(
    wish: LoadWish, settings: EngineSettings, asked: Sequence[AskedPrompt], max_tokens: int, check_width: int
) -> Iterator[BaseModel]:
    """Yield a line for each prompt, then the last one."""
    placed, files = make_ready(wish)
    checksums = BackgroundHash(files.paths)
    settings = replace(settings, target_placement=placed.target.placement, draft_placement=placed.draft_placement)
    witness = Witness()
    with closing(build_engine(files, settings, witness)) as engine:
        server = ServerSettings()
        intake = Intake(engine, chat_template(engine.target.model), server)
        tracer = Tracer(engine, witness, check_width)
        for number, prompt in enumerate(asked, start=1):
            try:
                traced = tracer.trace(_generation(intake, prompt.text, max_tokens))
            except ApiError as error:
                raise Untraceable(f"prompt {prompt.id}: {error.body.message}") from error
            except Untraceable as error:
                raise Untraceable(f"prompt {prompt.id}: {error}.") from error
            _log.info("prompt %d of %d: %d tokens", number, len(asked), len(traced.tokens))
            yield line_of(prompt.id, traced)
        yield LastLine(model=describe(engine, files.name, server, checksums))


def _generation(intake: Intake, text: str, max_tokens: int) -> Generation:
    """Return what the server would generate for a plain greedy request."""
    body = ChatCompletionRequest(
        messages=[ChatMessage(role="user", content=text)],
        max_tokens=max_tokens,
        temperature=0.0,
        draft_length=0,
        cache_prompt=False,
    )
    (generation,) = anyio.run(intake.generations, body)
    return generation


command_line = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
command_line.command()(trace)

if __name__ == "__main__":
    command_line(prog_name="python -m halospec_server.tracing")
