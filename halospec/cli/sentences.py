"""What goes wrong, as one sentence and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from pydantic import ValidationError

from halospec.aliases.errors import AliasError
from halospec.analysis.printable import printable
from halospec.endpoints.preflight import PreflightError
from halospec.experiment.feasibility import PlanRefused
from halospec.experiment.knob_choice import PlaceboRefused
from halospec.knobs.types import KnobError
from halospec.probe.errors import ProbeError
from halospec.records.store import RunFiles, StoreError
from halospec.server_process import ServerProcessError
from halospec.workloads.prompts import PromptFileError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_REASONS = (
    AliasError,
    KnobError,
    PlaceboRefused,
    PlanRefused,
    PreflightError,
    ProbeError,
    ServerProcessError,
    StoreError,
)
_OPTIONS = {
    "timeout_s": "timeout",
    "cool_down_s": "cool-down",
    "start_step": "load-start",
    "seconds": "load-seconds",
    "workers": "load-workers",
    "percent": "load-percent",
}
"""Settings that are called otherwise on the command line."""


@contextmanager
def one_sentence(out: Path | None = None) -> Iterator[None]:
    """Turn what can go wrong outside this program into one sentence and an exit code."""
    try:
        yield
    except _REASONS as error:
        fail(str(error), EXIT_FAILED)
    except BrokenPipeError:
        # Whoever reads the output has seen enough; click ends the command without a word.
        raise
    except OSError as error:
        fail(f"{error.filename or 'The system'}: {error.strerror or error}.", EXIT_FAILED)
    except KeyboardInterrupt:
        if out is None or not RunFiles(out).records.exists():
            fail("Interrupted before anything was measured.", EXIT_INTERRUPTED)
        fail(
            f"Interrupted. The records in {out} are kept; `halospec summarize` and `halospec plot` read them.",
            EXIT_INTERRUPTED,
        )


@contextmanager
def usage() -> Iterator[None]:
    """Turn an option that makes no sense into one sentence."""
    try:
        yield
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        option = _OPTIONS.get(str(problem["loc"][-1]), str(problem["loc"][-1])) if problem["loc"] else ""
        message = str(problem["msg"]).removeprefix("Value error, ").removesuffix(".")
        fail(f"--{option.replace('_', '-')}: {message}." if option else f"{message}.", EXIT_USAGE)
    except (ValueError, PromptFileError) as error:
        fail(str(error), EXIT_USAGE)


def fail(sentence: str, code: int) -> NoReturn:
    """Say what went wrong and end with an exit code. What a server contributed to the sentence steers no terminal."""
    typer.echo(f"halospec: {printable(sentence)}", err=True)
    raise typer.Exit(code)
