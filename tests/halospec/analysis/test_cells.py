import numpy as np
import pytest

from halospec.analysis.cells import MOST_BLOCK_CELLS, MOST_PROMPT_CELLS, Metric, cells_of
from halospec.analysis.loading import requests_of
from halospec.analysis.statistics import tpot_ms
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import Phase
from simulated_requests import simulated


def replied(make_record, *, decode_ms=310.0, tokens=32, **fields):
    """A streamed reply that took ``decode_ms`` from its first token to its end."""
    return make_record(
        first_token_ns=50_000_000,
        ended_ns=50_000_000 + int(decode_ms * 1e6),
        latency_ms=50 + decode_ms,
        ttft_ms=50.0,
        completion_tokens=tokens,
        **fields,
    )


def test_a_cell_holds_the_sums_of_its_requests(make_record):
    records = [
        replied(make_record, mode="fixed_0", decode_ms=310, tokens=32),
        replied(make_record, mode="fixed_0", decode_ms=110, tokens=12),
        replied(make_record, mode="fixed_2", decode_ms=40, tokens=3, phase=Phase.LOAD, prompt_id="p2", block=2),
    ]
    cells = cells_of(requests_of(records), Metric.TPOT)
    assert cells.modes == ("fixed_0", "fixed_2")
    assert cells.phases == (Phase.STEADY, Phase.LOAD)
    assert cells.sums.numerator.shape == (2, 2, 2, 2)
    assert cells.sums.numerator[0, 0, 0, 0] == pytest.approx(420)
    assert cells.sums.denominator[0, 0, 0, 0] == 42
    assert cells.sums.numerator[1, 1, 1, 1] == pytest.approx(40)
    assert cells.sums.denominator[1, 1, 1, 1] == 2
    assert cells.sums.denominator.sum() == 44


@pytest.mark.parametrize(
    ("metric", "above", "below"),
    [(Metric.TTFT, 100, 2), (Metric.LATENCY, 520, 2), (Metric.ACCEPTANCE, 30, 60)],
)
def test_other_metrics_are_ratios_of_sums_too(make_record, metric, above, below):
    records = [
        replied(make_record, decode_ms=310, drafted=40, accepted=25),
        replied(make_record, decode_ms=110, drafted=20, accepted=5),
    ]
    sums = cells_of(requests_of(records), metric).sums
    assert sums.numerator.sum() == pytest.approx(above)
    assert sums.denominator.sum() == below


def test_failures_warm_ups_and_void_records_are_in_no_cell(make_record):
    records = [
        replied(make_record),
        replied(make_record, success=False, error="HTTP 500"),
        replied(make_record, phase=Phase.WARMUP, global_step=0),
        replied(make_record, void=True),
    ]
    assert cells_of(requests_of(records), Metric.LATENCY).sums.denominator.sum() == 1


def test_a_reply_of_one_token_says_nothing_about_time_per_token(make_record):
    cells = cells_of(requests_of([replied(make_record, tokens=1)]), Metric.TPOT)
    assert cells.is_empty
    assert cells.modes == ("fixed_2",)


def test_all_cells_together_are_the_tpot_of_the_whole():
    requests = simulated()
    sums = cells_of(requests, Metric.TPOT).sums
    assert sums.numerator.sum() / sums.denominator.sum() == pytest.approx(tpot_ms(requests))


def test_requests_whose_prompt_is_not_known_share_one():
    rows = [ClassicRow(n, n, mode, Phase.STEADY, 1, True, 100 + n, 10) for n, mode in enumerate(["fixed_1", "fixed_2"])]
    cells = cells_of(requests_of(rows), Metric.LATENCY)
    assert cells.sums.numerator.shape == (1, 1, 1, 2)
    assert cells.sums.numerator.ravel().tolist() == [100, 101]
    assert cells_of(requests_of(rows), Metric.TPOT).is_empty


def test_very_many_blocks_and_prompts_share_cells_and_nothing_is_lost():
    requests = simulated(blocks=250, prompts=450, steps=2, modes=("fixed_0", "fixed_2"))
    sums = cells_of(requests, Metric.TPOT).sums
    assert sums.denominator.shape == (MOST_BLOCK_CELLS, MOST_PROMPT_CELLS, 3, 2)
    assert sums.denominator.sum() == 31 * len(requests)
    assert (sums.denominator.sum(axis=(1, 2, 3)) > 0).all()


def test_modes_keep_their_order_whatever_is_left_of_them():
    requests = simulated(modes=("fixed_0", "fixed_2", "adaptive"))
    some = requests.where(requests.mode != requests.modes.index("fixed_2"))
    cells = cells_of(some, Metric.TPOT)
    assert cells.modes == ("fixed_0", "adaptive")
    assert (cells.sums.denominator.sum(axis=(0, 1, 2)) == [31 * np.count_nonzero(some.mode == m) for m in (0, 2)]).all()


def test_no_requests_have_no_cells():
    requests = simulated()
    assert cells_of(requests.where(np.zeros(len(requests), dtype=np.bool_)), Metric.TPOT).is_empty
