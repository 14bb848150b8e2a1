"""The command line where no server is needed."""

from __future__ import annotations

import os
import subprocess

import pytest
from typer.testing import CliRunner

import halospec
from command_line import command
from halospec.cli import app
from halospec.records.store import RecordJournal, RunFiles


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def finished_run(tmp_path, make_record):
    with RecordJournal(RunFiles(tmp_path).records) as journal:
        for step in (1, 2):
            journal.append(
                make_record(
                    mode="fixed_0",
                    draft_length=0,
                    step=step,
                    global_step=step,
                    latency_ms=100.0 * step,
                    completion_tokens=5,
                )
            )
    return tmp_path


def test_it_tells_its_version(invoke):
    assert invoke("--version").stdout == f"halospec {halospec.__version__}\n"


def test_every_command_explains_itself(invoke):
    for name in ("probe", "run", "aliases", "demo", "summarize", "plot", "export"):
        assert invoke(name, "--help").exit_code == 0


def test_summarize_prints_a_run(invoke, finished_run):
    result = invoke("summarize", finished_run)
    assert result.exit_code == 0
    assert "fixed_0" in result.stdout


def test_summarize_takes_the_journal_itself_and_a_csv_under_any_name(invoke, finished_run, tmp_path):
    assert "fixed_0" in invoke("summarize", RunFiles(finished_run).records).stdout
    exported = tmp_path / "old numbers"
    assert invoke("export", finished_run, "--out", exported).exit_code == 0
    assert "fixed_0" in invoke("summarize", exported).stdout


def test_export_writes_the_classic_columns(invoke, finished_run):
    assert invoke("export", finished_run).stdout == (
        "global_step,step,mode,phase,draft_length,success,latency_ms,tokens\n"
        "1,1,fixed_0,steady,0,true,100,5\n"
        "2,2,fixed_0,steady,0,true,200,5\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("summarize", "/nowhere"), 1, "/nowhere"),
        (("summarize", "/nowhere.csv"), 1, "/nowhere.csv"),
        (("plot", "/nowhere"), 1, "/nowhere"),
        (("export", "/nowhere"), 1, "/nowhere"),
        (("run", "--url", "http://127.0.0.1:9", "--modes", "magic"), 2, "magic"),
        (("run", "--url", "http://127.0.0.1:9", "--modes", ","), 2, "at least one mode"),
        (("run", "--url", "http://127.0.0.1:9", "--preset", "classic", "--blocks", "2"), 2, "--blocks"),
        (("run", "--url", "http://127.0.0.1:9", "--load", "--load-percent", "0"), 2, "--load-percent"),
        (("run", "--url", "http://127.0.0.1:9", "--timeout", "0"), 2, "--timeout"),
        (("run", "--url", "http://127.0.0.1:9", "--load", "--phases", "steady:2"), 2, "load phase"),
        (("run", "--url", "http://127.0.0.1:9", "--load-seconds", "3"), 2, "need --load"),
        (("run", "--url", "http://127.0.0.1:9", "--inject", "cpu:75%", "--phases", "steady:2"), 2, "load phase"),
        (("run", "--url", "http://127.0.0.1:9", "--inject", "gravity:9.81"), 2, "no load 'gravity'"),
        (("run", "--url", "http://127.0.0.1:9", "--inject", "cpu:1@workers=100000"), 2, "workers"),
        (("run", "--url", "http://127.0.0.1:9", "--inject", "memory:4GB/s@buffer=90000GB"), 2, "memory"),
        (("run", "--resume", "/nowhere", "--inject", "memory:4GB/s"), 2, "decides what --inject would"),
        (("tune", "http://127.0.0.1:9", "--inject", "gravity:9.81"), 2, "no load 'gravity'"),
        (("tune", "http://127.0.0.1:9", "--inject", "cpu:100000"), 2, "workers"),
        (("record-traces", "/nowhere/here", "--load", "cpu:1+memory:4"), 2, "memory cannot have the amount"),
        (("run", "--url", "http://127.0.0.1:9", "--out", "x" * 400), 1, "name too long"),
        (("run", "--url", "http://127.0.0.1:9", "--out", f"{__file__}/run"), 1, "Nothing can be written below"),
        (("run", "--url", "http://127.0.0.1:9", "--knob", "banana"), 2, "banana"),
        (("run", "--url", "http://127.0.0.1:9", "--knob", "restart"), 2, "--server-command"),
        (("run", "--url", "http://127.0.0.1:9", "--draft-args", "--n {k}"), 2, "--server-command"),
        (("run", "--url", "http://127.0.0.1:9", "--server", "lemonad"), 2, "there are auto, bundled"),
        (("run", "--url", "http://127.0.0.1:9", "--ca-bundle", "/nowhere.pem"), 1, "No server answers"),
        (("run", "--url", "https://127.0.0.1:9", "--ca-bundle", "/nowhere.pem"), 1, "/nowhere.pem"),
        (("run", "--server-command", "llama-server -m t -md d"), 2, "{draft_args}"),
        (("run", "--server-command", "llama-server -m t {draft_args}"), 2, "draft model"),
        (("probe", "--server-command", "llama-server -m 't -md d {draft_args}"), 2, "quotation mark"),
        (("probe", "--knob", "reload", "--draft-args", "--spec-type ngram-mod"), 2, "hold no {k}"),
        (("run", "--server-command", "/nowhere/llama-server -md d --port {port} {draft_args}"), 1, "/nowhere"),
        (
            ("probe", "--server-command", "llama-server -md d {draft_args}", "--api-key", "schlüssel"),
            1,
            "No request can",
        ),
        (("probe", "http://127.0.0.1:9"), 1, "No server answers"),
        (("probe", "not a url"), 1, "http://"),
        (("probe", "http://127.0.0.1:9", "--knob", "field:messages"), 2, "messages"),
        (("aliases", "create", "http://127.0.0.1:9", "--model", "m"), 1, "No server answers"),
        (("aliases", "create", "http://127.0.0.1:9", "--model", "m", "--lengths", "3-1"), 2, "backwards"),
        (("aliases", "create", "http://127.0.0.1:9", "--model", "m", "--lengths", "many"), 2, "many"),
        (("aliases", "remove", "http://127.0.0.1:9", "--model", "m"), 1, "No server answers"),
        (("summarize", "x" * 400), 1, "name too long"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(invoke, arguments, code, says):
    result = invoke(*arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_reader_that_has_seen_enough_gets_no_complaint(finished_run):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command("export", finished_run), stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)
    assert done.stderr == ""


def test_an_unknown_chart_or_format_is_refused_with_those_that_exist(invoke, finished_run):
    assert "score_by_mode" in invoke("plot", finished_run, "--chart", "pie").stderr
    assert "classic-csv" in invoke("export", finished_run, "--format", "xml").stderr
