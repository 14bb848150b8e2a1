import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halospec.analysis.cells import Metric
from halospec.analysis.comparisons import Best, Comparisons, Difference, Family, ModeInPhase, comparisons
from halospec.analysis.design import Support, declared_design, design_of
from halospec.analysis.loading import read_run
from halospec.analysis.modes import fixed_length, in_order
from halospec.analysis.verdicts import NO_TIME_PER_TOKEN, ONE_BLOCK, ONE_MODE, PLACEBO, verdicts
from halospec.inference.types import Method
from halospec.records.schema import Phase
from simulated_requests import simulated

DEMO = Path(__file__).parents[3] / "plots" / "demo"
DESIGN = design_of(simulated(), declared="blocked")


def difference(percent, low, high, *, detectable=4.0, found=None):
    return Difference(
        percent=percent,
        low_percent=low,
        high_percent=high,
        smallest_detectable_percent=detectable,
        blocks=6,
        method=Method.T_ON_BLOCKS,
        found=low > 0 or high < 0 if found is None else found,
    )


FASTER = difference(-18.2, -21.7, -14.4)
SLIGHTLY_FASTER = difference(-12.0, -16.0, -8.0)
SLOWER = difference(30.4, 20.2, 41.3)
ALIKE = difference(1.0, -2.0, 4.0)


def concluded(rows, *, best=(), to_best_fixed=None, **fields):
    """Comparisons in which modes compare with fixed_0 as given: ``{(mode, phase): Difference}``."""
    phases = dict.fromkeys(phase for _, phase in rows)
    modes = in_order({"fixed_0", *(mode for mode, _ in rows)})
    family = Family(
        metric=Metric.TPOT,
        comparisons=len(rows),
        best=best,
        rows=tuple(
            ModeInPhase(
                mode=mode,
                phase=phase,
                value_ms=20.0,
                low_ms=18.0,
                high_ms=22.0,
                blocks=6,
                method=Method.T_ON_BLOCKS,
                to_reference=rows.get((mode, phase)),
                to_best_fixed=(to_best_fixed or {}).get((mode, phase)),
            )
            for mode in modes
            for phase in phases
        ),
    )
    given_fields = {
        "reference": "fixed_0",
        "modes": modes,
        "confidence": 0.95,
        "seed": 1,
        "blocks": 6,
        "placebo": False,
        "primary": family,
        "secondary": (),
    }
    return Comparisons(**(given_fields | fields))


def best_of(modes, candidates, phase=Phase.STEADY):
    winner = candidates[0] if len(candidates) == 1 else None
    return Best(phase=phase, modes=modes, candidates=candidates, winner=winner)


def said(*args, **kwargs):
    return verdicts(concluded(*args, **kwargs), DESIGN)


def test_one_faster_mode_is_named_with_its_difference_and_interval():
    assert said({("fixed_3", Phase.STEADY): FASTER}) == (
        "fixed_3 is 18 % faster per token than fixed_0 in steady [14, 22].",
    )


def test_one_slower_mode_is_named_alike():
    assert said({("fixed_1", Phase.LOAD): SLOWER}) == (
        "fixed_1 is 30 % slower per token than fixed_0 in load [20, 41].",
    )


def test_few_modes_share_a_sentence_with_their_numbers():
    rows = {("fixed_2", Phase.STEADY): SLIGHTLY_FASTER, ("fixed_4", Phase.STEADY): FASTER}
    assert said(rows) == (
        "fixed_2 and fixed_4 are faster per token than fixed_0 in steady: by 12 % [8, 16] and 18 % [14, 22].",
    )


def test_many_modes_share_one_with_the_range_of_their_estimates():
    rows = {(f"fixed_{k}", Phase.STEADY): SLIGHTLY_FASTER for k in range(1, 5)} | {("adaptive", Phase.STEADY): FASTER}
    assert said(rows)[0] == (
        "fixed_1 to fixed_4 and adaptive are faster per token than fixed_0 in steady: by 12 to 18 % (estimates)."
    )


def test_what_was_not_found_is_said_with_what_could_have_been():
    rows = {
        ("fixed_2", Phase.STEADY): FASTER,
        ("fixed_4", Phase.STEADY): ALIKE,
        ("fixed_2", Phase.LOAD): difference(1.0, -6.0, 9.0, detectable=11.0),
        ("fixed_4", Phase.LOAD): difference(1.0, -3.0, 5.0, detectable=5.0),
    }
    assert said(rows) == (
        "fixed_2 is 18 % faster per token than fixed_0 in steady [14, 22].",
        "fixed_4 cannot be told apart from fixed_0 in steady (smallest detectable: 4 %).",
        "No difference to fixed_0 was found in load (smallest detectable: 11 %).",
    )


def test_nothing_found_anywhere_is_one_sentence_with_the_smallest_detectable_difference_of_each_phase():
    rows = {
        ("fixed_2", Phase.STEADY): ALIKE,
        ("fixed_4", Phase.STEADY): difference(1.0, -3.0, 5.0, detectable=5.4),
        ("fixed_2", Phase.LOAD): difference(1.0, -6.0, 9.0, detectable=11.0),
    }
    assert said(rows)[0] == (
        "No detectable effect of draft_length on the time per token (smallest detectable: 5 % in steady, 11 % in load)."
    )


def test_where_a_controller_ran_too_it_is_no_effect_of_the_mode():
    assert said({("adaptive", Phase.STEADY): ALIKE})[0].startswith("No detectable effect of the mode on")


@pytest.mark.parametrize(
    ("candidates", "sentence"),
    [
        (("fixed_4",), "fixed_4 is the best of 3 modes in steady."),
        (("fixed_2", "fixed_4"), "fixed_2 and fixed_4 cannot be told apart as the best of 3 modes in steady."),
        (("fixed_0", "fixed_2", "fixed_4"), "Which is the best of 3 modes in steady cannot be told."),
    ],
)
def test_the_best_is_named_only_where_it_is_one(candidates, sentence):
    rows = {("fixed_2", Phase.STEADY): FASTER, ("fixed_4", Phase.STEADY): FASTER}
    assert said(rows, best=(best_of(("fixed_0", "fixed_2", "fixed_4"), candidates),))[-1] == sentence


def test_nothing_is_said_of_the_best_in_a_phase_in_which_nothing_was_found():
    rows = {("fixed_2", Phase.STEADY): FASTER, ("fixed_2", Phase.LOAD): ALIKE}
    best = (best_of(("fixed_0", "fixed_2"), ("fixed_0", "fixed_2"), Phase.LOAD),)
    assert not any("best" in sentence for sentence in said(rows, best=best))


@pytest.mark.parametrize(
    ("against", "sentence"),
    [
        (
            difference(1.4, -2.2, 5.3),
            "adaptive cannot be told apart from the best fixed k (difference: [-2, +5] % in load).",
        ),
        (SLOWER, "adaptive is 20 to 41 % slower per token than the best fixed k in load."),
        (FASTER, "adaptive is 14 to 22 % faster per token than the best fixed k in load."),
    ],
)
def test_a_controller_is_set_beside_the_best_fixed_k(against, sentence):
    assert said({("adaptive", Phase.LOAD): FASTER}, to_best_fixed={("adaptive", Phase.LOAD): against})[-1] == sentence


def test_a_difference_to_the_best_fixed_k_is_not_claimed_where_it_may_not_be():
    closed = difference(5.0, 2.0, 8.0, found=False)
    sentences = said({("adaptive", Phase.LOAD): ALIKE}, to_best_fixed={("adaptive", Phase.LOAD): closed})
    assert not any("best fixed" in sentence for sentence in sentences)


def test_a_mode_that_shares_too_few_blocks_is_said_to_have_no_interval():
    lone = Difference(
        percent=-40.0,
        low_percent=None,
        high_percent=None,
        smallest_detectable_percent=None,
        blocks=1,
        method=None,
        found=False,
    )
    rows = {("fixed_2", Phase.STEADY): FASTER, ("fixed_4", Phase.STEADY): lone}
    assert said(rows)[-1] == (
        "No interval for fixed_4 in steady: fewer than two blocks hold the same prompts of it and of fixed_0."
    )


def test_what_a_placebo_run_finds_is_said_after_what_that_means():
    found = said({("fixed_3", Phase.STEADY): FASTER})
    assert found
    assert said({("fixed_3", Phase.STEADY): FASTER}, placebo=True) == (PLACEBO, *found)


def test_one_block_cannot_tell():
    assert said({("fixed_3", Phase.STEADY): FASTER}, blocks=1) == (ONE_BLOCK,)


def test_the_recorded_run_of_one_block_cannot_tell():
    run = read_run(DEMO)
    design = design_of(run.requests, declared=declared_design(run.manifest))
    assert design.support is Support.ESTIMATE
    assert verdicts(comparisons(run.requests), design) == (ONE_BLOCK,)


def test_a_file_without_times_of_tokens_says_so():
    assert said({("fixed_3", Phase.STEADY): FASTER}, primary=None) == (NO_TIME_PER_TOKEN,)


def test_a_design_that_supports_no_comparison_gets_no_verdict():
    design = design_of(simulated(), declared="classic")
    assert verdicts(concluded({("fixed_3", Phase.STEADY): FASTER}), design) == ()


def test_one_mode_alone_gets_no_verdict():
    assert verdicts(None, design_of(simulated(modes=("fixed_2",)))) == ()


def test_modes_of_which_one_alone_answered_are_said_not_to_be_comparable():
    assert verdicts(None, DESIGN) == (ONE_MODE,)


def test_a_controller_not_told_apart_in_several_phases_is_one_sentence():
    undecided = {("adaptive", phase): difference(1.4, -2.2, 5.3) for phase in (Phase.STEADY, Phase.LOAD)}
    found = {("adaptive", phase): FASTER for phase in (Phase.STEADY, Phase.LOAD)}
    assert said(found, to_best_fixed=undecided)[-1] == (
        "adaptive cannot be told apart from the best fixed k (difference: [-2, +5] % in steady and [-2, +5] % in load)."
    )


CLAIMS = re.compile(r"faster|slower|is the best|told apart as the best")


@pytest.mark.parametrize("seed", range(6))
def test_a_run_in_which_nothing_was_found_claims_nothing(seed):
    requests = simulated(seed=seed, blocks=4)
    result = comparisons(requests)
    assert result is not None
    assert result.primary is not None
    assert not result.primary.finds_anything
    assert not any(CLAIMS.search(sentence) for sentence in verdicts(result, design_of(requests)))


logs = st.floats(-0.7, 0.7)


@settings(max_examples=200)
@given(
    ends=st.lists(st.tuples(logs, logs, st.floats(0, 1)), min_size=1, max_size=9),
    names=st.permutations([f"fixed_{k}" for k in range(1, 9)] + ["adaptive"]),
)
def test_every_claim_has_a_sign_and_numbers_that_the_comparison_has(ends, names):
    rows = {}
    for (one, other, place), mode in zip(ends, names, strict=False):
        low, high = sorted((100 * one, 100 * other))
        rows[mode, Phase.STEADY] = difference(low + place * (high - low), low, high)
    for sentence in said(rows):
        assert not re.search(r"(?<![\d.])0 % (faster|slower)", sentence)
        assert "nan" not in sentence
        match = re.fullmatch(
            r"(\w+) is ([\d.]+) % (faster|slower) per token than fixed_0 in steady \[([\d.]+), ([\d.]+)\]\.", sentence
        )
        if match:
            mode, value, word, low, high = match.groups()
            truth = rows[mode, Phase.STEADY]
            assert truth.found
            assert (word == "faster") == (truth.percent < 0)
            assert float(value) == pytest.approx(abs(truth.percent), abs=0.5)
            assert 0 < float(low) <= float(value) <= float(high)
        if "faster" in sentence or "slower" in sentence:
            sign = -1 if "faster" in sentence else 1
            spoken_of = {mode for mode, _ in rows if re.search(rf"\b{mode}\b", sentence.split(" per token")[0])}
            assert all(rows[mode, Phase.STEADY].percent * sign > 0 for mode in spoken_of)
            assert all(rows[mode, Phase.STEADY].found for mode in spoken_of)


def test_every_mode_that_differs_is_in_a_sentence():
    requests = simulated(effects={"fixed_1": 0.5, "fixed_2": -0.7}, mode_in_block_sd=0.01)
    result = comparisons(requests)
    assert result is not None
    assert result.primary is not None
    text = " ".join(verdicts(result, design_of(requests)))
    for row in result.primary.rows:
        if row.is_found and fixed_length(row.mode) is not None:
            assert re.search(rf"{row.mode}\b[^.]* (faster|slower) per token than fixed_0 in {row.phase}", text)
