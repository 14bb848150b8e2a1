"""``halospec demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halospec.cli.application import app
from halospec.cli.consoles import progress_console
from halospec.cli.outcome import exit_as, show
from halospec.cli.sentences import one_sentence
from halospec.demo import plain_draft_sentence, run_demo


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory of the run; an earlier one is moved aside.")] = Path("runs/demo"),
) -> None:
    """Measure the embedded model on the bundled server, with load: everything set up by itself."""
    with one_sentence(out):
        result = run_demo(out, progress_console())
    show(result.conclusion, plain_draft_sentence(result.plain_draft_tpot_ms))
    exit_as(result.conclusion)
