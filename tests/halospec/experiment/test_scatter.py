"""How far comparisons scatter from block to block, from many blocks or from one."""

from __future__ import annotations

import numpy as np
import pytest

from halospec.analysis.loading import requests_of
from halospec.analysis.requests import Requests
from halospec.experiment.scatter import scatter_of
from halospec.records.schema import Phase

MODES = ("fixed_0", "fixed_2", "fixed_4")


@pytest.fixture
def simulated(make_record):
    """A run whose modes' times per token differ by 10 % a mode, with scatter between blocks and between requests."""

    def make(blocks: int, steps: int, *, between: float, within: float, seed: int = 1, modes=MODES) -> Requests:
        chance = np.random.default_rng(seed)
        records = []
        for block in range(1, blocks + 1):
            prompts = chance.normal(0, 0.5, steps)
            for place, mode in enumerate(modes):
                own = chance.normal(0, between) if place else 0.0
                for step in range(1, steps + 1):
                    noise = chance.normal(0, within) if place else 0.0
                    tpot_ms = 20 * np.exp(prompts[step - 1] - 0.1 * place + own + noise)
                    records.append(
                        make_record(
                            mode=mode,
                            block=block,
                            step=step,
                            prompt_id=f"p{step}",
                            completion_tokens=65,
                            first_token_ns=0,
                            ended_ns=int(64 * tpot_ms * 1e6),
                            phase=Phase.STEADY if step <= steps // 2 else Phase.LOAD,
                        )
                    )
        return requests_of(records)

    return make


def test_two_blocks_or_more_show_their_own_spread_whatever_prompts_take(simulated):
    found = scatter_of(simulated(200, 8, between=0.06, within=0.0))
    assert [one.phase for one in found] == [Phase.STEADY, Phase.LOAD]
    assert [one.blocks for one in found] == [200, 200]
    assert [one.sd for one in found] == pytest.approx([0.06, 0.06], rel=0.15)
    (few, _) = scatter_of(simulated(90, 8, between=0.06, within=0.0))
    assert few.sd == pytest.approx(0.06, rel=0.15)


def test_one_block_predicts_it_from_the_requests_within(simulated):
    steady, load = scatter_of(simulated(1, 800, between=0.0, within=0.2))
    assert (steady.blocks, load.blocks) == (1, 1)
    assert steady.sd == pytest.approx(0.2 / np.sqrt(400), rel=0.1)


def test_one_block_predicts_it_for_blocks_of_another_length(simulated):
    pilot = simulated(1, 800, between=0.0, within=0.2)
    steady, load = scatter_of(pilot, {Phase.STEADY: 100})
    assert steady.sd == pytest.approx(2 * load.sd, rel=0.1)


def test_nothing_can_be_told_of_one_mode_or_of_one_request_each(simulated):
    assert scatter_of(simulated(3, 4, between=0.1, within=0.1, modes=("fixed_0",))) == ()
    assert scatter_of(simulated(1, 2, between=0.1, within=0.1)) == ()
    assert scatter_of(requests_of([])) == ()
