"""``halospec compare``: a run against a baseline, and the gate for continuous integration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from halospec.analysis.loading import read_run
from halospec.analysis.slo import SloRequest, parse_slo, resolve
from halospec.cli.application import app
from halospec.cli.consoles import output_console
from halospec.cli.sentences import EXIT_FAILED, one_sentence, usage
from halospec.compare.comparison import compare_runs
from halospec.compare.gate import Condition, GatedComparison, judge, parse_condition
from halospec.compare.markdown import comparison_markdown
from halospec.compare.metrics import ComparedMetric
from halospec.compare.runs import ComparedRun, directory_of, unique_names
from halospec.compare.tables import comparison_tables
from halospec.records.classic_csv import looks_like_classic_csv
from halospec.records.store import StoreError
from halospec.tuning.account import tuning_file

_SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="A B [C …]", help="Runs' directories, or their records; A is the baseline.")
    ],
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with 1 if this holds beyond what chance explains (repeatable): [MODE/][PHASE/]METRIC, one of"
            " > < >= <=, and a change in percent or a value. 'tpot_ms > +5%', 'fixed_2/load/ttft_ms > 400'",
        ),
    ] = None,
    point: Annotated[
        bool, typer.Option("--point", help="Hold conditions against the estimates instead of their intervals.")
    ] = False,
    metric: Annotated[
        list[str] | None, typer.Option(help=f"Only this one (repeatable): {', '.join(ComparedMetric)}.")
    ] = None,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="Objectives for attainment (repeatable): ttft_ms=400, tpot_ms=60, e2e_ms=6000, auto (of A)."),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The baseline, if it is not the first.", metavar="RUN")] = None,
    confidence: Annotated[float, typer.Option(help="Of all changes of a metric together.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Of the resampling.", min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print GitHub-flavoured Markdown.")] = False,
    github_summary: Annotated[
        bool, typer.Option("--github-summary", help=f"Append Markdown to the file that ${_SUMMARY_VARIABLE} names.")
    ] = False,
) -> None:
    """Compare runs with a baseline: paired, where they carried out the same plan.

    Exits with 0; with 1 if a condition of --fail-if holds or a run cannot be read; with 2 if an option makes no sense.
    """
    with one_sentence():
        with usage():
            _require_sense(confidence=confidence, both_forms=as_json and as_markdown, point=point and not fail_if)
            summary_file = _summary_file() if github_summary else None
            conditions = [parse_condition(text) for text in fail_if or ()]
            asked_slo = parse_slo(slo) if slo else None
            metrics = _metrics(metric, conditions, asked_slo)
            paths = _with_baseline_first(runs, reference)
            names = unique_names(paths)
        read = [_read(path, name) for path, name in zip(paths, names, strict=True)]
        with usage():
            objectives = resolve(asked_slo, read[0].requests) if asked_slo else None
        comparison = compare_runs(read, metrics, slo=objectives, confidence=confidence, seed=seed)
        with usage():
            gate = judge(comparison, conditions, on_estimates=point) if conditions else None
        _show(GatedComparison(comparison=comparison, gate=gate), as_json=as_json, as_markdown=as_markdown)
        if summary_file is not None:
            _append(summary_file, comparison_markdown(comparison, gate))
    if gate is not None and gate.is_failed:
        raise typer.Exit(EXIT_FAILED)


def _show(result: GatedComparison, *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    elif as_markdown:
        typer.echo(comparison_markdown(result.comparison, result.gate), nl=False)
    else:
        console = output_console()
        for part in comparison_tables(result.comparison, result.gate):
            console.print(part, highlight=False)


def _require_sense(*, confidence: float, both_forms: bool, point: bool) -> None:
    if not 0.5 <= confidence < 1:
        raise ValueError("--confidence is from 0.5 to just under 1, such as 0.95.")
    if both_forms:
        raise ValueError("--json and --markdown cannot both be printed; leave out one of them.")
    if point:
        raise ValueError("--point says how --fail-if judges; give a condition, as in --fail-if 'tpot_ms > +5%'.")


def _metrics(
    names: Sequence[str] | None, conditions: Sequence[Condition], slo: SloRequest | None
) -> tuple[ComparedMetric, ...]:
    """Return the metrics to compare, in their usual order: those asked for, and those that a condition is about."""
    allowed = [metric.value for metric in ComparedMetric]
    unknown = next((name for name in names or () if name not in allowed), None)
    if unknown is not None:
        raise ValueError(f"--metric {unknown} is none; there are {', '.join(allowed)}.")
    wanted = set(names or (metric for metric in allowed if metric != ComparedMetric.ATTAINMENT or slo is not None))
    wanted |= {condition.metric.value for condition in conditions}
    if ComparedMetric.ATTAINMENT in wanted and slo is None:
        raise ValueError("Attainment needs objectives; give --slo, as in --slo ttft_ms=400.")
    return tuple(metric for metric in ComparedMetric if metric in wanted)


def _with_baseline_first(paths: Sequence[Path], reference: str | None) -> list[Path]:
    if len(paths) < 2:
        raise ValueError("There is nothing to compare with: give a baseline and one run or more, as in A B.")
    if reference is None:
        return list(paths)
    names = unique_names(paths)
    asked = directory_of(Path(reference))
    place = next(
        (n for n, path in enumerate(paths) if reference == names[n] or directory_of(path) == asked),
        None,
    )
    if place is None:
        raise ValueError(f"--reference {reference} is none of the runs given; there are {', '.join(names)}.")
    return [paths[place], *paths[:place], *paths[place + 1 :]]


def _read(path: Path, name: str) -> ComparedRun:
    if tuning_file(directory_of(path)).exists():
        raise StoreError(
            f"{path} holds a search of `halospec tune`, in which draft lengths answered different prompts; compare runs"
            " of `halospec run`."
        )
    if path.is_file() and looks_like_classic_csv(path):
        raise StoreError(
            f"{path} is a CSV of the original's form, which does not say what was planned; compare runs' directories"
            " (`halospec summarize` reads such a CSV)."
        )
    run = read_run(path)
    if not len(run.requests.measured):
        raise StoreError(f"{path} holds no measured requests, so there is nothing to compare.")
    return ComparedRun(name=name, path=path, requests=run.requests, manifest=run.manifest, torn=run.torn)


def _summary_file() -> Path:
    named = os.environ.get(_SUMMARY_VARIABLE)
    if not named:
        raise ValueError(
            f"--github-summary appends to the file that ${_SUMMARY_VARIABLE} names, and it names none; GitHub Actions"
            " sets it, and elsewhere --markdown prints the same."
        )
    return Path(named)


def _append(path: Path, markdown: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error.strerror or error}.") from error
