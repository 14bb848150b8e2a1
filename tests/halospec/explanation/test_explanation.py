"""Decisions beside what came of them, from files made for it: no rule decided anything here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from halospec.cli import app
from halospec.explanation.decisions import decisions_in, of
from halospec.explanation.overview import overview
from halospec.records.decisions import ChosenSetting, DecisionRecord, WeighedSetting
from halospec.records.schema import Phase, Round
from halospec.records.store import RecordJournal, RunFiles, StoreError


def decision(k: int, *, threads: int | None = None, predicted: float = 20.0, **place) -> DecisionRecord:
    setting = {"draft_length": k, "threads": threads, "draft_threads": threads}
    weighed = tuple(
        WeighedSetting(**(setting | {"draft_length": each}), tokens_per_round=2.0, round_ms=2 * ms)
        for each, ms in ((0, 50.0), (k, predicted))
    )
    told = {
        "mode": "cost_model",
        "block": 1,
        "step": 1,
        "reason": "moved",
        "candidates": weighed,
        "acceptance": (0.9, 0.7),
    }
    return DecisionRecord(chosen=ChosenSetting(**setting), **(told | place))


def rounds(*made: tuple[int, int, float]) -> tuple[Round, ...]:
    return tuple(Round(k=k, accepted=kept, verify_us=ms * 1000) for k, kept, ms in made)


@pytest.fixture
def run_of(tmp_path):
    """Writes a run's records and decisions."""

    def write(records, decisions) -> Path:
        files = RunFiles(tmp_path)
        for path, lines in ((files.records, records), (files.decisions, decisions)):
            with RecordJournal(path) as journal:
                for line in lines:
                    journal.append(line)
        return tmp_path

    return write


@pytest.fixture
def in_client(run_of, make_record):
    """Three steps of a rule in the client; the third was chosen for, and the run did not live to see it end."""
    timed = {"mode": "cost_model", "first_token_ns": 38_000_000, "drafted": 20, "accepted": 15, "rounds": 16}
    records = [make_record(step=step, **timed) for step in (1, 2)]
    return run_of(records, [decision(4, step=1), decision(2, step=2, alarms=("costs +30%",)), decision(3, step=3)])


@pytest.fixture
def in_server(run_of, make_record):
    log = rounds((2, 2, 30.0), (2, 0, 30.0), (4, 3, 40.0))
    records = [make_record(mode="auto:cost_model", phase=Phase.LOAD, draft_length=None, rounds=3, round_log=log)]
    made = [
        decision(2, mode="auto:cost_model", round=0, threads=2),
        decision(4, mode="auto:cost_model", round=2, threads=1),
    ]
    return run_of(records, made)


@pytest.fixture
def invoke():
    return lambda *arguments: CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_a_decision_in_the_client_stands_beside_its_whole_request(in_client):
    first, second = decisions_in(in_client)
    assert (first.decision.chosen.draft_length, second.decision.chosen.draft_length) == (4, 2)
    assert first.ms_per_token == pytest.approx(62 / 31)
    assert (first.predicted_ms_per_token, first.acceptance, first.rounds) == (20.0, 0.75, 16)


def test_one_inside_the_server_stands_beside_the_rounds_that_it_held_for(in_server):
    first, second = decisions_in(in_server)
    assert (first.rounds, first.ms_per_token, first.acceptance) == (2, pytest.approx(60 / 4), 0.5)
    assert (second.rounds, second.ms_per_token, second.acceptance) == (1, pytest.approx(10.0), 0.75)


def test_decisions_of_trials_that_were_begun_anew_are_left_out(run_of, make_record):
    records = [make_record(mode="cost_model", trial_id="t", trial_attempt=n, void=n == 1) for n in (1, 2)]
    made = [decision(k, trial_id="t", trial_attempt=k) for k in (1, 2)]
    assert [told.decision.chosen.draft_length for told in decisions_in(run_of(records, made))] == [2]


def test_of_several_the_ones_that_are_asked_for_are_given(in_client):
    found = decisions_in(in_client)
    assert [told.decision.step for told in of(found, step=2, mode="cost_model", block=1)] == [2]
    with pytest.raises(ValueError, match=r"some of cost_model, in steps 1 to 2 of blocks 1 to 1"):
        of(found, step=3)
    with pytest.raises(ValueError, match="No decision"):
        of(found, mode="adaptive")


def test_the_overview_counts_by_rounds_and_takes_alarms_together_whatever_their_numbers(in_server, in_client):
    by_mode = {row.mode: row for row in overview(decisions_in(in_client))}
    inside, client = by_mode["auto:cost_model"], by_mode["cost_model"]
    assert (inside.phase, [(one.setting.draft_length, one.share) for one in inside.settings]) == (
        Phase.LOAD, [(2, pytest.approx(2 / 3)), (4, pytest.approx(1 / 3))],
    )  # fmt: skip
    assert [(one.alarm, one.decisions) for one in client.alarms] == [("costs …", 1)]
    assert sum(one.share for one in client.settings) == pytest.approx(1.0)


def test_a_run_without_decisions_says_who_explains_itself(run_of, make_record, invoke):
    directory = run_of([make_record(), make_record(mode="adaptive")], [])
    with pytest.raises(StoreError, match=r"holds no decisions: fixed_2 and adaptive ran there, .* are cost_model and"):
        decisions_in(directory)
    result = invoke(directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no decisions" in result.stderr


def test_the_command_shows_prediction_outcome_reason_and_what_was_weighed_best_first(invoke, in_server):
    result = invoke(in_server, "--step", 1)
    assert result.exit_code == 0, result.output
    assert "auto:cost_model, block 1, step 1 (load)" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    row = next(number for number, cells in enumerate(lines) if cells[:2] == ["0", "k=2"])
    assert lines[row] == [
        "0",
        "k=2",
        "on",
        "2+2",
        "20.00",
        "2",
        "50.0",
        "moved",
        "90",
        "70",
        "k=2",
        "on",
        "2+2:",
        "20.00",
    ]
    assert lines[row + 1] == ["15.00", "k=0", "on", "2+2:", "50.00"]


def test_the_command_gives_an_overview_or_json(invoke, in_server):
    assert "k=2 on 2+2: 67 %, k=4 on 1+1: 33 %" in invoke(in_server).stdout
    (first, second) = json.loads(invoke(in_server, "--step", 1, "--json").stdout)
    assert (first["decision"]["round"], second["decision"]["chosen"]["threads"]) == (0, 1)
    assert len(first["decision"]["candidates"]) == 2
    assert json.loads(invoke(in_server, "--json").stdout)[0]["decisions"] == 2


def test_a_step_without_a_decision_and_a_text_that_steers_a_terminal_do_no_harm(invoke, run_of, make_record):
    directory = run_of([make_record(mode="cost_model")], [decision(2, reason="\x1b[31m[bold]red")])
    assert invoke(directory, "--step", 9).exit_code == 2
    shown = invoke(directory, "--step", 1).stdout
    assert "\x1b" not in shown
    assert "[bold]red" in shown


def test_the_last_decision_that_a_server_told_is_not_held_to_account_for_what_it_chose_later(run_of, make_record):
    ran = ((2, 30), (2, 30), (4, 90))
    log = tuple(Round(k=k, accepted=0, verify_us=ms * 1000, limit=k, threads=2) for k, ms in ran)
    record = make_record(mode="auto:cost_model", draft_length=None, rounds=3, round_log=log)
    (told,) = decisions_in(run_of([record], [decision(2, mode="auto:cost_model", round=0)]))
    assert (told.rounds, told.ms_per_token) == (2, pytest.approx(30.0))


def test_a_rule_that_explains_itself_and_left_nothing_is_no_riddle(run_of, make_record):
    failed = make_record(mode="auto:cost_model@joint=true", success=False, error="Gone.", draft_length=None)
    with pytest.raises(StoreError, match="auto:cost_model@joint=true ran there, but its requests failed"):
        decisions_in(run_of([failed], []))


def test_shares_where_no_rounds_are_logged_are_of_the_decisions_and_said_to_be(invoke, run_of, make_record):
    records = [make_record(mode="cost_model", step=step, rounds=None) for step in (1, 2)]
    shown = invoke(run_of(records, [decision(4, step=1), decision(2, step=2)])).stdout
    assert "k=4: 50 %, k=2: 50 %" in shown
    assert "where the server logs none, of the decisions" in " ".join(shown.split())


def test_settings_that_hardly_ever_held_are_counted_and_not_listed(invoke, run_of, make_record):
    log = tuple(Round(k=0, accepted=0, verify_us=1000, limit=k) for k in (*[0] * 300, 1, 2))
    record = make_record(mode="auto:cost_model", draft_length=None, rounds=302, round_log=log)
    made = [decision(k, mode="auto:cost_model", round=begin) for k, begin in ((0, 0), (1, 300), (2, 301))]
    assert "k=0: 99 %, 2 more" in invoke(run_of([record], made)).stdout
