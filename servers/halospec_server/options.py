"""The options of ``halospec serve``: what each means, and what is refused before anything is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from halospec.controllers import per_round
from halospec.controllers.rules import server_rules
from halospec.controllers.spelling import round_rule
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH
from halospec_server.devices import Preset
from halospec_server.listings import devices_table, pairs_table
from halospec_server.llama.devices import available_devices
from halospec_server.model_files.embedded import EMBEDDED
from halospec_server.model_files.pairs import HUB_PAIRS


class LogLevel(StrEnum):
    """What `logging` and uvicorn both understand."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class DrafterName(StrEnum):
    """What can draft."""

    MODEL = "model"
    PROMPT_LOOKUP = "prompt_lookup"
    NGRAM_STORE = "ngram_store"
    NONE = "none"


class AttentionKind(StrEnum):
    """How precisely attention is computed."""

    FAST = "fast"
    EXACT = "exact"


def _sound_key(key: str | None) -> str | None:
    if key is not None and (not key or key != key.strip()):
        raise typer.BadParameter("an API key is not empty, and neither begins nor ends with a blank")
    return key


def read_draft_length(text: str) -> int | Literal["auto"]:
    """Read a draft length."""
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) > MAX_DRAFT_LENGTH:
        raise typer.BadParameter(f"{text!r} is neither a number from 0 to {MAX_DRAFT_LENGTH} nor auto.")
    return int(text)


def read_names(text: str) -> tuple[str, ...]:
    """Read names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def read_shares(text: str) -> tuple[float, ...]:
    """Read numbers separated by commas, none negative and not all 0."""
    try:
        shares = tuple(float(share) for share in read_names(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no list of numbers such as 3,1.") from error
    if shares and not (min(shares) >= 0 and 0 < sum(shares) < float("inf")):
        raise typer.BadParameter(f"{text!r} are no shares: give numbers from 0 up, one for each device, not all 0.")
    return shares


def _check_policy(text: str) -> None:
    try:
        round_rule(text, per_round.Threads(((1, 1),)))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _checked_by(read: Callable[[str], object]) -> Callable[[str], str]:
    """Return a callback that refuses what cannot be read, and leaves what can as it was written."""

    def check(text: str) -> str:
        read(text)
        return text

    return check


def _print_and_exit(table: Table) -> None:
    # Into a pipe the whole line goes, however long.
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    raise typer.Exit


def _list_pairs(wanted: bool) -> None:
    if wanted:
        _print_and_exit(pairs_table(HUB_PAIRS.values()))


def _list_devices(wanted: bool) -> None:
    if wanted:
        _print_and_exit(devices_table(available_devices()))


_WIDE = 240
_MODELS, _SPECULATION, _DEVICES = "Models", "Speculation", "Devices (GPU use is untested)"
_ENGINE, _SERVER = "Engine", "Server"

# ---- which models -----------------------------------------------------------------------------------------------
Pair = Annotated[
    str | None,
    typer.Option(help="A pair by name, see --list-pairs; embedded if left out.", rich_help_panel=_MODELS),
]
Target = Annotated[
    str | None,
    typer.Option(
        help=f"GGUF file of the target: a path, hf:OWNER/REPO/FILE.gguf, {EMBEDDED} (F32), {EMBEDDED}-q4_1 or "
        f"{EMBEDDED}-q4_0. Instead of --pair.",
        rich_help_panel=_MODELS,
    ),
]
Draft = Annotated[
    str | None,
    typer.Option(
        help="GGUF file of the draft: a path, hf:OWNER/REPO/FILE.gguf, twin (the embedded Q4_1) or rough (the embedded "
        "Q4_0); or ngram or none for no draft model. Default: the pair's, or ngram beside any other target.",
        rich_help_panel=_MODELS,
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Load models that do not fit into memory.", rich_help_panel=_MODELS)
]

ListPairs = Annotated[
    bool,
    typer.Option(
        "--list-pairs", callback=_list_pairs, is_eager=True, help="List the pairs and exit.", rich_help_panel=_MODELS
    ),
]

# ---- speculation ------------------------------------------------------------------------------------------------
DraftLength = Annotated[
    str,
    typer.Option(
        callback=_checked_by(read_draft_length),
        metavar=f"0..{MAX_DRAFT_LENGTH}|auto",
        help="Draft length of requests that give none; auto leaves it to --length-policy.",
        rich_help_panel=_SPECULATION,
    ),
]
PinDraftLength = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_DRAFT_LENGTH,
        help="For null experiments: decode every request with this draft length, whatever it asks for.",
        rich_help_panel=_SPECULATION,
    ),
]
LengthPolicy = Annotated[
    str,
    typer.Option(
        callback=_checked_by(_check_policy),
        metavar="NAME[@SETTING=VALUE]...",
        help=f"Rule for draft length auto, for requests that name none: {', '.join(server_rules())}. Settings follow "
        "its name: heuristic@start_length=3.",
        rich_help_panel=_SPECULATION,
    ),
]
Drafter = Annotated[
    DrafterName | None,
    typer.Option(
        help="Drafter of requests that name none. Default: model if there is a draft model, prompt_lookup with --draft "
        "ngram, none with --draft none.",
        rich_help_panel=_SPECULATION,
    ),
]
PMin = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="End a draft where the draft model's likeliest token is less likely than this.",
        rich_help_panel=_SPECULATION,
    ),
]

# ---- the engine -------------------------------------------------------------------------------------------------
CtxSize = Annotated[int, typer.Option(min=32, help="Positions for one sequence.", rich_help_panel=_ENGINE)]
Parallel = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        help="Sequences decoded together. 1 keeps requests from disturbing each other, which is what measuring wants; "
        "several users want more.",
        rich_help_panel=_ENGINE,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1, help="Threads of the target's passes; all physical cores if left out.", rich_help_panel=_ENGINE
    ),
]
ThreadsBatch = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of its passes over several positions; --threads.", rich_help_panel=_ENGINE),
]
DraftThreads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of the draft model's passes; --threads.", rich_help_panel=_ENGINE),
]
DraftThreadsBatch = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of its passes over several positions; --draft-threads.", rich_help_panel=_ENGINE),
]
BatchSize = Annotated[int, typer.Option(min=32, help="Most tokens in one pass.", rich_help_panel=_ENGINE)]
PrefillChunk = Annotated[
    int,
    typer.Option(
        min=1,
        help="Tokens of new prompts that a step reads while other sequences wait for their next round.",
        rich_help_panel=_ENGINE,
    ),
]
Attention = Annotated[
    AttentionKind,
    typer.Option(
        help="exact: the target's attention in single precision, so that a greedy text does not depend on what is "
        "decoded beside it; a little slower, and twice the memory for keys and values.",
        rich_help_panel=_ENGINE,
    ),
]

# ---- devices ----------------------------------------------------------------------------------------------------
Placement = Annotated[
    Preset,
    typer.Option(
        help="same: both models on the first GPU. separate: the draft on the second, or on the CPU. ratio: the target "
        "over all GPUs by free memory, or by --tensor-split. auto: GPUs if both fit, or else the CPU.",
        rich_help_panel=_DEVICES,
    ),
]
GpuLayers = Annotated[
    int | None,
    typer.Option(min=-1, help="The target's layers on GPUs: -1 all, 0 none.", rich_help_panel=_DEVICES),
]
Device = Annotated[
    str,
    typer.Option(metavar="NAMES", help="GPUs of the target, see --list-devices.", rich_help_panel=_DEVICES),
]
TensorSplit = Annotated[
    str,
    typer.Option(
        callback=_checked_by(read_shares),
        metavar="SHARES",
        help="The target's share of each GPU, such as 3,1.",
        rich_help_panel=_DEVICES,
    ),
]
DraftGpuLayers = Annotated[
    int | None, typer.Option(min=-1, help="The draft model's layers on GPUs.", rich_help_panel=_DEVICES)
]
DraftDevice = Annotated[str, typer.Option(metavar="NAMES", help="GPUs of the draft model.", rich_help_panel=_DEVICES)]
DraftTensorSplit = Annotated[
    str,
    typer.Option(
        callback=_checked_by(read_shares),
        metavar="SHARES",
        help="The draft model's share of each GPU.",
        rich_help_panel=_DEVICES,
    ),
]

ListDevices = Annotated[
    bool,
    typer.Option(
        "--list-devices",
        callback=_list_devices,
        is_eager=True,
        help="List what llama.cpp can compute on and exit.",
        rich_help_panel=_DEVICES,
    ),
]

# ---- the server -------------------------------------------------------------------------------------------------
Host = Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=_SERVER)]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.", rich_help_panel=_SERVER)]
ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="HALOSPEC_SERVER_API_KEY",
        callback=_sound_key,
        help="Demand this key from clients.",
        rich_help_panel=_SERVER,
    ),
]
MaxQueue = Annotated[int, typer.Option(min=0, help="Requests that may wait; more get a 429.", rich_help_panel=_SERVER)]
MaxBodyBytes = Annotated[int, typer.Option(min=1024, help="Largest request body.", rich_help_panel=_SERVER)]
MaxPromptTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Longest prompt; what the context holds if left out.", rich_help_panel=_SERVER),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        min=0.001, metavar="SECONDS", help="For requests that give none, from arrival.", rich_help_panel=_SERVER
    ),
]
ShutdownGrace = Annotated[
    float,
    typer.Option(
        min=0.0, metavar="SECONDS", help="How long running requests may go on at shutdown.", rich_help_panel=_SERVER
    ),
]
LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="How much to log.", rich_help_panel=_SERVER)]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Log lines as text or JSON.", rich_help_panel=_SERVER)
]
StopAtEndOfInput = Annotated[
    bool, typer.Option(hidden=True, help="Stop when standard input ends: a parent holds the other end.")
]
