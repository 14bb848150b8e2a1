"""The tables that benchmarks/engine.py prints, and how it judges its goals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_results import measurement, session
from engine_peers.goals import Goal, goals
from engine_peers.ratios import Measured
from engine_peers.records import Measurement, Results, ResultsFile
from engine_peers.tables import report

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "engine.py"


def judged(*measurements: Measurement) -> dict[str, Goal]:
    """Every goal that has figures, by its first words."""
    found = goals(Measured(measurements))
    return {" ".join(goal.text.split()[:3]): goal for goal in found if goal.figures}


def lines_of(*measurements: Measurement) -> list[str]:
    return report(Results(session(), measurements)).splitlines()


class TestGoals:
    def test_one_client_is_held_against_the_bare_loop_by_the_time_per_token(self) -> None:
        slow_start = measurement("halospec", 4, ms_per_token=10.4, first_token_ms=500)
        (goal,) = judged(slow_start, measurement("bare", 4, ms_per_token=10.0)).values()
        assert goal.missed == []
        assert goal.figures[0].value.value == pytest.approx(1.04)

    def test_several_clients_by_the_rate_of_them_all(self) -> None:
        ours = measurement("halospec", 4, clients=4, ms_per_token=10.0, first_token_ms=120)
        (goal,) = judged(ours, measurement("bare", 4, clients=4, ms_per_token=10.0, first_token_ms=100)).values()
        assert [figure.place for figure in goal.missed] == ["k = 4, 4 clients"]
        assert goal.figures[0].value.value == pytest.approx(220 / 200)

    def test_llama_server_need_only_be_reached_at_0_and_must_be_outrun_from_2_on(self) -> None:
        measurements = [
            measurement(system, k, ms_per_token=ms)
            for k in (0, 1, 2)
            for system, ms in (("halospec", 10.0), ("llama-server", 10.0))
        ]
        found = judged(*measurements)
        assert found["at least 0.97"].missed == []
        assert [figure.place for figure in found["at least 0.97"].figures] == ["k = 0, 1 client"]
        assert [figure.place for figure in found["at least 1.1"].missed] == ["k = 2, 1 client"]

    def test_memory_is_compared_where_both_hold_a_draft_model(self) -> None:
        found = judged(
            measurement("halospec", 0, resident_mib=900),
            measurement("llama-server", 0, resident_mib=600),
            measurement("halospec", 4, resident_mib=900),
            measurement("llama-server", 4, resident_mib=850),
        )["memory within 1.1"]
        assert [figure.place for figure in found.figures] == ["resident, k = 4, 1 client"]
        assert found.missed == []

    def test_clients_together_are_compared_with_one_alone(self) -> None:
        alone = measurement("halospec", 0, ms_per_token=10, first_token_ms=0)
        together = measurement("halospec", 0, clients=4, ms_per_token=28, first_token_ms=0)
        (goal,) = judged(alone, together).values()
        assert [figure.place for figure in goal.missed] == ["4 clients"]
        assert goal.figures[0].value.value == pytest.approx(4 / 2.8)

    def test_the_share_outside_decode_is_judged_at_4_alone(self) -> None:
        shares = ((0, 0.5), (4, 0.02), (8, 0.5))
        (goal,) = judged(*(measurement("engine", k, outside_decode=share) for k, share in shares)).values()
        assert [(figure.place, figure.met) for figure in goal.figures] == [("1 at once", True)]

    def test_what_was_not_measured_has_no_figures(self) -> None:
        assert judged(measurement("bare", 0), measurement("llama-server", 0)) == {}


class TestReport:
    def test_names_the_machine_the_command_and_what_others_took(self) -> None:
        text = "\n".join(lines_of(measurement("bare", 0)))
        assert "Some CPU, 2 cores" in text
        assert "`python benchmarks/engine.py`" in text
        assert "others took 1% while a cell was measured, 1% at worst; 0 of 1 were measured again" in text

    def test_shows_a_ratio_with_its_interval(self) -> None:
        measurements = [
            measurement(system, 4, repetition=repetition, ms_per_token=ms, first_token_ms=0)
            for repetition, ours in enumerate((9.0, 9.5, 10.0, 10.5, 11.0))
            for system, ms in (("halospec", ours), ("bare", 10.0))
        ]
        assert "| 4 | 10.0 | 10.0 | 1.00 [0.90, 1.10] |" in lines_of(*measurements)

    def test_counts_a_repeated_cell_once(self) -> None:
        lines = lines_of(measurement("bare", 0, ms_per_token=30), measurement("bare", 0, attempt=2, first_token_ms=10))
        assert "| 0 | 100.0 |" in lines
        assert "1 of 1 were measured again" in "\n".join(lines)

    def test_leaves_a_dash_where_nothing_was_measured(self) -> None:
        lines = lines_of(
            measurement("bare", 0, ms_per_token=10, first_token_ms=10),
            measurement("bare", 4),
            measurement("halospec", 4),
        )
        assert "| 0 | 10.0 | – | – |" in lines

    def test_says_that_one_peer_drafts_otherwise_wherever_it_drafts(self) -> None:
        note = "llama-cpp-python's server cannot use a draft model"
        assert note in "\n".join(lines_of(measurement("llama-cpp-python", 4)))
        assert note not in "\n".join(lines_of(measurement("llama-cpp-python", 0)))

    def test_does_not_hide_texts_that_differ(self) -> None:
        lines = lines_of(measurement("bare", 0, texts=("a b c",)), measurement("halospec", 4, texts=("a b x",)))
        assert "| HaloSpec | 1 | 0 of 1 | prompt-0 at k = 4: character 4 |" in lines

    def test_says_which_goals_were_missed_and_where(self) -> None:
        lines = lines_of(measurement("bare", 4), measurement("halospec", 4, ms_per_token=12.0))
        goal = "within 5 % of the bare loop, served over HTTP"
        assert f"| {goal} | missed at 1 of 1 | k = 4, 1 client: 1.20 |" in lines


class TestProgram:
    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, PROGRAM, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def test_prints_the_tables_of_an_earlier_run_again(self, tmp_path: Path) -> None:
        path = tmp_path / "results.jsonl"
        file = ResultsFile(path)
        file.add(session())
        file.add(measurement("bare", 4))
        file.close()
        done = self.run("--from", path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == report(Results(session(), [measurement("bare", 4)])).strip()

    def test_says_in_one_sentence_why_it_cannot(self, tmp_path: Path) -> None:
        done = self.run("--from", tmp_path / "missing")
        assert done.returncode == 1
        assert done.stderr == f"engine.py: {tmp_path / 'missing'} cannot be read: No such file or directory.\n"
