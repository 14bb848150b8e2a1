"""In which order things are measured, and on which prompts."""

from __future__ import annotations

from itertools import groupby

from engine_peers.plan import Cell, Plan
from halospec.workloads.prompts import shipped_prompts

PLAN = Plan(("bare", "halospec", "llama-server"), (0, 2, 4), (1, 4), repetitions=3, seed=5)


def test_every_repetition_measures_everything_once() -> None:
    everything = {Cell(s, k, n) for s in PLAN.systems for k in PLAN.draft_lengths for n in PLAN.clients}
    cells = list(PLAN.cells())
    for repetition in range(3):
        found = [cell for r, cell in cells if r == repetition]
        assert len(found) == len(everything)
        assert set(found) == everything


def test_what_is_compared_is_measured_next_to_each_other() -> None:
    places = [(repetition, cell.draft_length, cell.clients) for repetition, cell in PLAN.cells()]
    runs = [len(list(group)) for _, group in groupby(places)]
    assert runs == [len(PLAN.systems)] * (3 * 3 * 2)


def test_the_order_is_random_but_the_seeds_own() -> None:
    assert list(PLAN.cells()) == list(PLAN.cells())
    other = Plan(PLAN.systems, PLAN.draft_lengths, PLAN.clients, PLAN.repetitions, seed=6)
    assert list(other.cells()) != list(PLAN.cells())
    firsts = {cell.system for i, (_, cell) in enumerate(PLAN.cells()) if i % 3 == 0}
    assert len(firsts) > 1


def test_no_prompt_comes_twice_within_a_repetition_and_repetitions_differ() -> None:
    known = shipped_prompts()
    asked = [[prompt.prompt_id for n in PLAN.clients for prompt in PLAN.prompts(r, n, known)] for r in range(2)]
    assert all(len(set(ids)) == 5 for ids in asked)
    assert not set(asked[0]) & set(asked[1])
