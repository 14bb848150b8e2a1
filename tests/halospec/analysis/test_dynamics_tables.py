import io
import re
from pathlib import Path

from rich.console import Console

from halospec.analysis.dynamics import Dynamics, ModeDynamics, dynamics
from halospec.analysis.dynamics_tables import dynamics_tables, regret_tables
from halospec.analysis.loading import read_run, requests_of
from halospec.analysis.regret import regret
from halospec.records.schema import Phase
from made_runs import made_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def printed(parts):
    """What 100 columns show."""
    file = io.StringIO()
    console = Console(file=file, width=100, color_system=None, highlight=False)
    for part in parts:
        console.print(part)
    return file.getvalue()


def row_of(mode, **fields):
    """The cells that a mode with these medians gets."""
    medians = {
        "mode": mode, "trials": 4, "overshoot": 0.25, "overshoot_trials": 4, "recovery_requests": 3.0,
        "recovery_s": 2.5, "recovered": 3, "recovery_trials": 4, "draft_changes": 6.5,
    }  # fmt: skip
    found = Dynamics(prompts_evened=True, trials=(), modes=(ModeDynamics(**(medians | fields)),))
    return next(line.split() for line in printed(dynamics_tables(found)).splitlines() if line.startswith(mode))


def test_a_mode_has_the_medians_of_its_trials():
    assert row_of("adaptive") == ["adaptive", "4", "25", "3/4", "2.5", "3.0", "6.5"]


def test_what_was_not_seen_is_told_from_what_did_not_happen():
    lost = row_of("adaptive", recovered=1, recovery_s=None, recovery_requests=None)
    assert lost == ["adaptive", "4", "25", "1/4", "never", "never", "6.5"]
    unseen = row_of("auto:ema", overshoot=None, recovered=0, recovery_trials=0, recovery_s=None, draft_changes=None)
    assert unseen == ["auto:ema", "4", "n", "<", "5", "-", "-", "-", "-"]


def test_the_captions_define_every_column():
    run = read_run(DEMO)
    shown = " ".join(printed(dynamics_tables(dynamics(run.requests))).split())
    for explained in (
        "overshoot:",
        "recovered:",
        "recovery:",
        "never:",
        "draft changes:",
        "without a test",
        "within 5 %",
    ):
        assert explained in shown


def test_regret_stands_against_both_references_with_what_they_were():
    shown = printed(regret_tables(regret(read_run(DEMO).requests)))
    lines = [line.split() for line in shown.splitlines()]
    assert ["fixed_8", "best", "fixed", "+0.00", "+0.0"] in lines
    flat = " ".join(shown.split())
    assert re.search(r"best fixed: fixed_8 \(\d\d\.\d\d ms\), the lowest over all phases together", flat)
    assert re.search(r"oracle: fixed_8 \([\d.]+ ms\) in steady, fixed_\d \([\d.]+ ms\) in load, fixed_8", flat)
    assert "Below 0: faster than every constant k" in flat
    assert "on 11 of 11 places" in flat


def test_regret_has_its_intervals_where_there_are_blocks_for_them():
    cost = {"fixed_0": 20.0, "adaptive": 15.0}
    records = made_records(modes=tuple(cost), tpot_ms=lambda cell: cost[cell.mode] * (1 + 0.1 * cell.block))
    shown = printed(regret_tables(regret(requests_of(records))))
    # The blocks are exactly alike, so that nothing is uncertain: 25 % less than 25 ms.
    assert "-6.25 [-6.25, -6.25]" in shown
    assert "-25.0 [-25.0, -25.0]" in shown


def test_a_lonely_fixed_mode_has_no_regret_of_its_own():
    shown = printed(regret_tables(regret(requests_of(made_records(modes=("fixed_2", "adaptive"))))))
    assert ["fixed_2", "best", "fixed", "-", "-"] in [line.split() for line in shown.splitlines()]


def test_no_line_is_cut_at_100_columns_however_slow_a_server_is():
    modes = ("fixed_0", "fixed_1", "a_controller_with_a_long_name")
    records = made_records(
        modes=modes,
        phases={Phase.STEADY: 3, Phase.LOAD: 5, Phase.RECOVERY: 3},
        tpot_ms=lambda cell: 20_000.0 * (1 + modes.index(cell.mode)) * (1 + 0.3 * cell.block) ** modes.index(cell.mode),
    )
    requests = requests_of(records)
    shown = printed([*dynamics_tables(dynamics(requests)), *regret_tables(regret(requests))])
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100
