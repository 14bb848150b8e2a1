"""The search from round to round, and what is concluded, with a server that is only pretended."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from halospec.analysis.slo import Slo
from halospec.tuning.evidence import Basis, standings
from halospec.tuning.halving import round_sizes
from halospec.tuning.result import Aim, result_of, shown_to_miss
from halospec.tuning.schedule import schedule
from halospec.tuning.search import NothingAnswered, search
from halospec.tuning.verdict import Finding
from halospec.workloads.prompts import Prompt

pytestmark = pytest.mark.anyio

PROMPTS = tuple(Prompt(f"p{number}", f"Say {number}.") for number in range(30))
TpotOf = Callable[[int, int], float | None]


@pytest.fixture
def anyio_backend():
    return "asyncio"


def curve(best: int) -> TpotOf:
    """A time per token that is lowest at one k, on prompts that differ in length and a little in what k does."""

    def tpot_ms(k: int, prompt: int) -> float:
        return (10 + prompt) * (1 + 0.1 * abs(k - best)) * (1 + 0.01 * math.sin(7 * k + 3 * prompt))

    return tpot_ms


class Ledger:
    """Keeps what the search reports."""

    def __init__(self):
        self.begun, self.ended = [], []

    def round_begun(self, size, lengths):
        self.begun.append(tuple(lengths))

    def round_ended(self, done):
        self.ended.append(done)


class Bench:
    """A search on a pretended server: no request is sent, the plans are answered from a table of times."""

    def __init__(self, answer_of, tpot_of: TpotOf, *, switching=False, slo=None, basis=Basis.TPOT, prompts=PROMPTS):
        self.answer_of, self.tpot_of = answer_of, tpot_of
        self.sizes = round_sizes(8, warmup=1, switching=switching)
        self.schedule = schedule(prompts, self.sizes, switching=switching, seed=1)
        self.aim = Aim(basis, slo, 0.95, seed=1)
        self.records, self.ledger = [], Ledger()

    async def carry_out(self, plan):
        for trial in plan.trials:
            for step in range(1, trial.phases.steps + 1):
                prompt = plan.prompt_at(trial.block, step).prompt_id
                for mode in plan.order_at(trial, step):
                    k = int(mode.removeprefix("fixed_"))
                    tpot_ms = self.tpot_of(k, int(prompt[1:]))
                    self.records.append(self.answer_of(k, trial.block, step, tpot_ms, prompt_id=prompt))

    async def run(self):
        def rank(records, challengers):
            return standings(records, challengers, self.aim.basis, shown_to_miss(records, self.aim))

        return await search(self.carry_out, self.records, range(9), self.sizes, self.schedule, rank, self.ledger)

    async def result(self):
        rounds = await self.run()
        return result_of(self.records, rounds, self.aim, is_fresh=self.schedule.is_fresh)


async def test_the_worse_half_is_dropped_each_time_and_k_0_stays(answer_of):
    bench = Bench(answer_of, curve(best=3))
    rounds = await bench.run()
    assert bench.ledger.begun == [done.lengths for done in rounds]
    assert all(done.lengths[0] == 0 for done in rounds)
    assert [len(done.lengths) for done in rounds] == [9, 5, 3]
    assert all(set(later.lengths) < set(earlier.lengths) for earlier, later in pairwise(rounds))
    assert bench.ledger.ended == list(rounds)
    assert 3 in rounds[-1].kept


async def test_each_request_is_one_of_the_rounds_that_were_planned(answer_of):
    bench = Bench(answer_of, curve(best=3))
    rounds = await bench.run()
    measured = sum((size.challengers + 1) * size.prompts for size in bench.sizes)
    assert len(bench.records) == measured
    assert [(done.first_block, done.last_block) for done in rounds] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("switching", [False, True])
async def test_the_best_is_found_and_by_how_much(answer_of, switching):
    result = await Bench(answer_of, curve(best=4), switching=switching).result()
    assert (result.verdict.finding, result.verdict.recommended) == (Finding.FASTER, 4)
    best = next(at for at in result.lengths if at.draft_length == 4)
    assert best.against_plain.low < -100 * (1 - 1 / 1.4) < best.against_plain.high
    assert best.dropped_in is None
    assert result.units == (6 if switching else 20)


async def test_one_that_was_dropped_has_an_estimate_and_no_interval(answer_of):
    result = await Bench(answer_of, curve(best=8)).result()
    dropped = next(at for at in result.lengths if at.draft_length == 1)
    assert dropped.dropped_in == 1
    assert dropped.against_plain.percent == pytest.approx(-100 * (1 - 1.7 / 1.8), abs=1.5)
    assert (dropped.against_plain.low, dropped.against_plain.high) == (None, None)
    assert dropped.requests == 6
    assert dropped.acceptance == 0.75


async def test_k_0_is_said_to_be_best_where_it_is(answer_of):
    result = await Bench(answer_of, curve(best=0)).result()
    assert (result.verdict.finding, result.verdict.recommended) == (Finding.PLAIN_IS_BEST, 0)


async def test_one_that_fails_is_dropped_and_counted(answer_of):
    def tpot_ms(k, prompt):
        return None if k == 4 else curve(best=4)(k, prompt)

    result = await Bench(answer_of, tpot_ms).result()
    failing = next(at for at in result.lengths if at.draft_length == 4)
    assert failing.dropped_in == 1
    assert failing.failures == failing.requests == 6
    assert failing.tpot_ms is None
    assert result.verdict.recommended in (3, 5)


async def test_where_only_k_0_answers_there_is_nothing_to_choose_from(answer_of):
    with pytest.raises(NothingAnswered, match=r"no draft length above 0 .*: no answer"):
        await Bench(answer_of, lambda k, _: 10.0 if k == 0 else None).run()


async def test_where_k_0_fails_there_is_nothing_to_compare_with(answer_of):
    with pytest.raises(NothingAnswered, match=r"Every request with k = 0 failed.*: no answer"):
        await Bench(answer_of, lambda k, _: None if k == 0 else 10.0).run()


async def test_the_fastest_per_token_is_passed_over_where_it_misses_the_objectives(answer_of):
    """The latency of k = 4 is far too high on every prompt but the first: k = 3 is next."""

    def slow_at_times(k, block, step, tpot_ms, **fields):
        record = answer_of(k, block, step, tpot_ms, **fields)
        return record.model_copy(update={"ttft_ms": 900.0}) if k == 4 else record

    result = await Bench(slow_at_times, curve(best=4), slo=Slo(ttft_ms=400.0)).result()
    assert result.verdict.recommended in (3, 5)
    missing = next(at for at in result.lengths if at.draft_length == 4)
    assert missing.dropped_in is not None
    assert missing.attainment.high < 0.95


async def test_latency_can_decide_instead_of_time_per_token(answer_of):
    """A first token that comes 60 ms later for each drafted token is more than drafting gains."""

    def late(k, block, step, tpot_ms, **fields):
        record = answer_of(k, block, step, tpot_ms, **fields)
        return record.model_copy(update={"latency_ms": record.latency_ms + 60 * k})

    by_token = await Bench(late, curve(best=2)).result()
    by_reply = await Bench(late, curve(best=2), basis=Basis.LATENCY).result()
    assert by_token.verdict.recommended == 2
    assert by_token.lengths[2].latency_against_plain.percent > 0
    assert by_reply.verdict.recommended == 0


async def test_too_few_prompts_for_fresh_ones_are_said_to_be(answer_of):
    result = await Bench(answer_of, curve(best=4), prompts=PROMPTS[:3]).result()
    assert not result.is_fresh
    assert result.units == 22, "then steps are what conclusions are about, not prompts"
