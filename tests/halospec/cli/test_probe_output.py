"""What ``halospec probe`` prints, whatever a server calls itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

import halospec.cli.probe
from halospec.cli import app
from halospec.endpoints.preflight import PreflightError
from halospec.records.probe import Basis, KnobReport, ProbedServer, ProbeReport, Verdict

STEERING = "\x1b]0;mine\x07 \x9b31m\u202eé"


@pytest.fixture
def probe_finds(monkeypatch):
    def finds(outcome: ProbeReport | Exception) -> None:
        def probe_server(*_: object) -> ProbeReport:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(halospec.cli.probe, "probe_server", probe_server)

    return finds


def report_on(model: str) -> ProbeReport:
    knob = KnobReport(
        knob=f"alias:{model}-k{{k}}", kind="model_alias", per_request=True, verdict=Verdict.IGNORED,
        basis=Basis.COUNTS, reason="Nothing.",
    )  # fmt: skip
    return ProbeReport(
        halospec="0",
        probed_at=datetime.now(UTC),
        seconds=1.0,
        canaries=9,
        server=ProbedServer(base_url="http://x/v1", model=model, kind="openai", title=model, recognised_by=model),
        knobs=(knob,),
        advice="None.",
    )


def probe(*arguments: str):
    return CliRunner().invoke(app, ["probe", "http://127.0.0.1:9", *arguments])


def test_json_is_ascii_and_says_it_all(probe_finds):
    probe_finds(report_on(STEERING))
    printed = probe("--json").stdout
    assert printed.isascii()
    assert "\x1b" not in printed
    assert ProbeReport.model_validate(json.loads(printed)).server.model == STEERING


def test_tables_steer_no_terminal(probe_finds):
    probe_finds(report_on(STEERING))
    printed = probe().stdout
    assert "mine" in printed
    assert all(line.isprintable() for line in printed.splitlines())


def test_a_failure_steers_no_terminal_and_is_one_line(probe_finds):
    probe_finds(PreflightError(f"It has no model {STEERING}\nat all."))
    done = probe()
    assert done.exit_code == 1
    assert done.stderr.startswith("halospec: It has no model")
    assert done.stderr.rstrip("\n").isprintable()
