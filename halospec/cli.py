"""The command line: parse, call, print."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

import halospec
from halospec.analysis.summary import summarize
from halospec.analysis.tables import WIDTH, several_runs_note, summary_tables
from halospec.charts import CHARTS, DrawnCharts, draw_charts
from halospec.config import DEFAULT_MODES, Preset, RunSettings, debug_json_wanted
from halospec.cores import available_cores
from halospec.demo import plain_draft_sentence, run_demo
from halospec.endpoints.preflight import PreflightError
from halospec.execution import Conclusion, execute, show_summary, temperature_of, title_of
from halospec.experiment.phases import DEFAULT_PHASES
from halospec.records.classic_csv import looks_like_classic_csv, read_classic_csv, write_classic_csv
from halospec.records.manifest import Status, read_manifest
from halospec.records.store import RunFiles, StoreError, read_records
from halospec.server_process import ServerProcessError, require_server_package, server_command
from halospec.workloads.prompts import PromptFileError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_OPTIONS = {
    "timeout_s": "timeout",
    "start_step": "load-start",
    "seconds": "load-seconds",
    "workers": "load-workers",
    "percent": "load-percent",
}
"""Settings that are called otherwise on the command line."""

app = typer.Typer(
    name="halospec",
    help="Measure what a draft length costs and gains in speculative decoding, quiet and under load.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    # A polite kill ends a run as Ctrl-C does: recorded, summarised, nothing left behind.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app()


@app.callback(invoke_without_command=True)
def _global(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"halospec {halospec.__version__}")
        raise typer.Exit
    if debug_json_wanted():
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("halospec.debug").setLevel(logging.DEBUG)


@app.command()
def run(
    url: Annotated[str, typer.Option(help="The server, such as http://127.0.0.1:8080 (with or without /v1).")],
    model: Annotated[str | None, typer.Option(help="The model to ask for; the server's first if left out.")] = None,
    modes: Annotated[
        str | None,
        typer.Option(help=f"What chooses k: fixed_0 … fixed_16, adaptive. Default: {','.join(DEFAULT_MODES)}."),
    ] = None,
    preset: Annotated[
        Preset | None, typer.Option(help="classic: the original HaloSpec's experiment, to the letter.")
    ] = None,
    warmup: Annotated[int, typer.Option(help="Requests before each trial that enter no statistic.", min=0)] = 5,
    phases: Annotated[
        str | None,
        typer.Option(
            help=f"Measured steps a phase, or seconds: steady:20s,load:30s,recovery:20s. Default: {DEFAULT_PHASES}."
        ),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Trials of each mode; every block has its own random order. Default: 1.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Fixes the order of trials and sampled tokens.", min=0)] = 1,
    max_tokens: Annotated[int, typer.Option(help="Most tokens a reply.", min=1)] = 64,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0, max=2)] = 0.0,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Ask for exactly --max-tokens, where the server can.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds a try may take.")] = 60.0,
    prompts: Annotated[
        Path | None, typer.Option(help='JSON lines {"id", "text"}, or one prompt a line; the shipped set if left out.')
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the run; runs/TIME if left out.")] = None,
    load: Annotated[
        bool | None,
        typer.Option(envvar="HALOSPEC_LOAD", help="Put CPU load on this machine in each trial's load phase."),
    ] = None,
    load_start: Annotated[
        int | None, typer.Option(help="Measured step at which the load starts, instead of the plan's.", min=1)
    ] = None,
    load_seconds: Annotated[float | None, typer.Option(help="How long it stays on, instead of the plan's.")] = None,
    load_workers: Annotated[
        int | None, typer.Option(help=f"Burner processes; all cores ({available_cores()}) if left out.", min=1)
    ] = None,
    load_percent: Annotated[float, typer.Option(help="CPU share that each burner asks for.")] = 100.0,
    api_key: Annotated[str | None, typer.Option(envvar="HALOSPEC_API_KEY", help="Sent as a bearer token.")] = None,
    max_failures: Annotated[int, typer.Option(help="Failures in a row that end the run.", min=1)] = 20,
) -> None:
    """Measure a running server: every mode through the same phases, into a directory."""
    with _usage():
        settings = RunSettings.model_validate(
            {
                "url": url,
                "out": out or Path("runs") / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S"),
                "model": model,
                "api_key": api_key,
                "modes": None if modes is None else tuple(name.strip() for name in modes.split(",") if name.strip()),
                "preset": preset,
                "phases": phases,
                "blocks": blocks,
                "warmup": warmup,
                "seed": seed,
                "prompts": prompts,
                "max_tokens": max_tokens,
                "temperature": temperature,
                "ignore_eos": ignore_eos,
                "timeout_s": timeout,
                "max_failures": max_failures,
                "load": {
                    "enabled": load,
                    "start_step": load_start,
                    "seconds": load_seconds,
                    "workers": load_workers,
                    "percent": load_percent,
                },
            }
        )
        plan = settings.plan()
        cpu_load = settings.cpu_load()
    with _one_sentence(settings.out):
        conclusion = execute(settings, plan, cpu_load, _progress_console())
    _show(conclusion)
    _exit_as(conclusion)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Directory of the run; an earlier one is moved aside.")] = Path("runs/demo"),
) -> None:
    """Measure the embedded model on the bundled server, with load: everything set up by itself."""
    with _one_sentence(out):
        result = run_demo(out, _progress_console())
    _show(result.conclusion, plain_draft_sentence(result.plain_draft_tpot_ms))
    _exit_as(result.conclusion)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def serve(context: typer.Context) -> None:
    """Start the bundled speculative server; `halospec serve --help` lists its options."""
    with _one_sentence():
        require_server_package()
    command = server_command(context.args)
    if sys.platform == "win32":
        raise typer.Exit(subprocess.call(command))
    os.execv(command[0], command)  # noqa: S606  # the server takes this process's place and gets its signals


@app.command("summarize")
def summarize_path(
    path: Annotated[Path, typer.Argument(help="A run's directory, or a CSV of the original tool.")],
) -> None:
    """Print a run's tables."""
    with _one_sentence():
        if looks_like_classic_csv(path):
            _summarize_csv(path)
            return
        manifest = read_manifest(RunFiles(path if path.is_dir() else path.parent).manifest)
        journal = read_records(path)
        summary = summarize(journal.records, temperature=temperature_of(manifest), torn=journal.torn)
    for part in summary_tables(summary, title=title_of(manifest)):
        _output_console().print(part)


@app.command()
def plot(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    chart: Annotated[list[str] | None, typer.Option(help=f"Only this one (repeatable): {', '.join(CHARTS)}.")] = None,
) -> None:
    """Draw a run's charts, PNG and SVG, into its charts folder."""
    with _one_sentence(), _usage():
        files = RunFiles(directory)
        records = read_records(directory).records
        drawn = draw_charts(records, title_of(read_manifest(files.manifest)), files.charts, chart or None)
    for drawing in drawn.paths:
        _print(str(drawing))
    _tell_skipped(drawn)


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(help="A run's directory.")],
    form: Annotated[str, typer.Option("--format", help="classic-csv: the original tool's columns.")] = "classic-csv",
    out: Annotated[Path | None, typer.Option(help="A file; standard output if left out.")] = None,
) -> None:
    """Write a run's records in another format."""
    with _one_sentence():
        if form != "classic-csv":
            raise typer.BadParameter(f"{form!r} is not a format; there is classic-csv")
        records = read_records(directory).records
        if out is None:
            write_classic_csv(records, sys.stdout)
            return
        try:
            with out.open("w", encoding="utf-8", newline="") as file:
                write_classic_csv(records, file)
        except OSError as error:
            raise StoreError(f"Cannot write {out}: {error.strerror or error}.") from error


def _summarize_csv(path: Path) -> None:
    runs = read_classic_csv(path)
    console = _output_console()
    note = several_runs_note(runs)
    if note is not None:
        console.print(note, markup=False)
        console.print()
    for number, rows in enumerate(runs, start=1):
        title = f"{path.name}, run {number} of {len(runs)}" if len(runs) > 1 else path.name
        for part in summary_tables(summarize(rows.rows), title=title):
            console.print(part)


def _show(conclusion: Conclusion, note: str = "") -> None:
    console = _output_console()
    show_summary(conclusion, console)
    if note:
        console.print(note, markup=False, highlight=False)
    console.print()
    _print(f"Records, manifest and summary: {conclusion.directory}")
    if conclusion.charts.paths:
        _print(f"Charts: {RunFiles(conclusion.directory).charts}")
    _tell_skipped(conclusion.charts)


def _tell_skipped(drawn: DrawnCharts) -> None:
    for chart in drawn.skipped:
        _print(f"No chart {chart.name}: {chart.reason}")


def _exit_as(conclusion: Conclusion) -> None:
    if conclusion.status is Status.INTERRUPTED:
        _print("Interrupted: this is what was measured until then.")
        raise typer.Exit(EXIT_INTERRUPTED)
    if conclusion.status is Status.FAILED:
        raise typer.Exit(EXIT_FAILED)
    if not conclusion.any_success:
        _fail("No request succeeded; the reasons are in the table above.", EXIT_FAILED)


@contextmanager
def _one_sentence(out: Path | None = None) -> Iterator[None]:
    """Turn what can go wrong outside this program into one sentence and an exit code."""
    try:
        yield
    except (PreflightError, StoreError, ServerProcessError) as error:
        _fail(str(error), EXIT_FAILED)
    except BrokenPipeError:
        # Whoever reads the output has seen enough; click ends the command without a word.
        raise
    except OSError as error:
        _fail(f"{error.filename or 'The system'}: {error.strerror or error}.", EXIT_FAILED)
    except KeyboardInterrupt:
        if out is None or not RunFiles(out).records.exists():
            _fail("Interrupted before anything was measured.", EXIT_INTERRUPTED)
        _fail(
            f"Interrupted. The records in {out} are kept; `halospec summarize` and `halospec plot` read them.",
            EXIT_INTERRUPTED,
        )


@contextmanager
def _usage() -> Iterator[None]:
    """Turn an option that makes no sense into one sentence."""
    try:
        yield
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        option = _OPTIONS.get(str(problem["loc"][-1]), str(problem["loc"][-1])) if problem["loc"] else ""
        message = str(problem["msg"]).removeprefix("Value error, ").removesuffix(".")
        _fail(f"--{option.replace('_', '-')}: {message}." if option else f"{message}.", EXIT_USAGE)
    except (ValueError, PromptFileError) as error:
        _fail(str(error), EXIT_USAGE)


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(f"halospec: {sentence}", err=True)
    raise typer.Exit(code)


def _print(text: str) -> None:
    typer.echo(text)


def _output_console() -> Console:
    """Tables are never cut: on a narrower terminal their lines wrap."""
    console = Console()
    return Console(width=max(console.width, WIDTH)) if console.is_terminal else Console(width=WIDTH)


def _progress_console() -> Console:
    return Console(stderr=True)
