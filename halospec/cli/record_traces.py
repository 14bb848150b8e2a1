"""``halospec record-traces``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from halospec.cli.application import app
from halospec.cli.consoles import progress_console
from halospec.cli.sentences import EXIT_FAILED, EXIT_INTERRUPTED, fail, one_sentence, usage
from halospec.contention.protocol import ContentionError
from halospec.recordings.costs import CostsFailed
from halospec.recordings.progress import RecordingProgress
from halospec.recordings.recorder import record
from halospec.recordings.rounds import UnusableRounds
from halospec.recordings.settings import RecordingSettings
from halospec.recordings.types import Recording


@app.command("record-traces")
def record_traces(
    directory: Annotated[Path, typer.Argument(help="Where the recording goes; it appears when all is measured.")],
    pair: Annotated[str | None, typer.Option(help="A pair by name, as `halospec serve` has them.")] = None,
    target: Annotated[str | None, typer.Option(help="GGUF file of the target, as `halospec serve` takes it.")] = None,
    draft: Annotated[str | None, typer.Option(help="GGUF file of the draft model: twin, rough, or a path.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help='JSON lines {"id", "text"}, or one prompt a line; the shipped set if left out.')
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of a traced text.")] = 128,
    check_width: Annotated[
        int, typer.Option(help="Count where a target's pass this wide would choose another token; 0: do not look.")
    ] = 9,
    costs: Annotated[bool, typer.Option("--costs/--no-costs", help="Time rounds, too.")] = True,
    max_length: Annotated[int, typer.Option(help="Time draft lengths from 0 to this.")] = 8,
    timed_tokens: Annotated[int, typer.Option(help="Tokens of each text whose rounds are timed.")] = 64,
    load: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOAD|quiet",
            help="Time beside this load, too (repeatable), such as cpu:2 (burners), memory:4GB/s, or both at once:"
            " cpu:2+memory:4GB/s. quiet: only on the quiet machine, which always is one. Default: cpu:1 and as many as"
            " cores.",
        ),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET:DRAFT",
            help="Time with so many threads, too (repeatable), beside the server's own numbers. Default: the own number"
            " and 1, and 1 and 1.",
        ),
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Texts timed under each load with each setting of threads.")] = 30,
    seed: Annotated[int, typer.Option(help="Fixes the order of all that is timed, and the draft lengths.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording that is there.")] = False,
) -> None:
    """Record what a model pair accepts and what its rounds cost here, for `halospec simulate`.

    Starts the bundled server by itself. First the target writes a text for each prompt, and the draft model says at
    each place what it would have proposed. Then texts are written with every draft length in turn, quiet and under
    load, with several numbers of threads, all in random order, and every round is timed. Texts are kept as token
    numbers only.
    """
    with usage():
        settings = RecordingSettings.model_validate(
            {
                "out": directory,
                "pair": pair,
                "target": target,
                "draft": draft,
                "prompts": prompts,
                "max_tokens": max_tokens,
                "check_width": check_width,
                "costs": costs,
                "max_length": max_length,
                "timed_tokens": timed_tokens,
                "load": tuple(load or ()),
                "threads": tuple(threads or ()),
                "repetitions": repetitions,
                "seed": seed,
                "force": force,
            }
        )
        prompt_set = settings.prompt_set()
    command = shlex.join(["halospec", *sys.argv[1:]])
    with one_sentence(), RecordingProgress(progress_console()) as progress:
        try:
            recording = record(settings, prompt_set, command, progress)
        except KeyboardInterrupt:
            fail("Interrupted; nothing was recorded.", EXIT_INTERRUPTED)
        except (ContentionError, CostsFailed) as reason:
            fail(str(reason), EXIT_FAILED)
        except UnusableRounds as reason:
            fail(f"Nothing was recorded: {reason}.", EXIT_FAILED)
    typer.echo(_summary(recording))
    typer.echo(f"Recording: {directory}")


def _summary(recording: Recording) -> str:
    tokens = sum(len(text) for text in recording.texts)
    agreed = np.mean(np.concatenate([text.match for text in recording.texts]))
    traced = (
        f"{len(recording.texts)} texts of {tokens} tokens; the draft would have proposed {agreed:.1%} of them"
        f" ({recording.about['wide_passes']})."
    )
    rounds = recording.rounds
    if not len(rounds):
        return f"{traced} No rounds were timed."
    return f"{traced} {len(rounds)} rounds timed: {', '.join(rounds.conditions)}."
