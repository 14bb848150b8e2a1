"""What `benchmarks/speedup_formula.py` computes, and that docs/theory.md says the same."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("speedup_formula", ROOT / "benchmarks" / "speedup_formula.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


formula = load_program()

TABLE = """
what stands before is passed over
ms at b = 1, then relative to it    b = 2    b = 5
                  F32    10.0 ms     1.50     2.00
                 Q4_1     2.0 ms     2.00     4.00

    9 ms 1.00 is no row of it
"""
FLAT = formula.PassCosts(10.0, dict.fromkeys(range(1, 17), 1.0))
alphas = st.floats(min_value=0.0, max_value=0.99)
draft_lengths = st.integers(min_value=1, max_value=15)


def simulated_round(alpha: float, k: int, rounds: int) -> tuple[float, float]:
    """Return tokens per round, and accepted over drafted, of drafts kept token by token with probability alpha."""
    kept = np.random.default_rng(3).random((rounds, k)) < alpha
    accepted = np.cumprod(kept, axis=1).sum(axis=1)
    return float(accepted.mean()) + 1, float(accepted.mean()) / k


def test_the_table_is_found_among_other_text() -> None:
    costs = formula.read_pass_costs(TABLE)
    assert list(costs) == ["F32", "Q4_1"]
    assert costs["F32"].ms(1) == 10.0
    assert costs["F32"].ms(5) == 20.0
    assert costs["Q4_1"].ms(2) == 4.0
    assert costs["F32"].draft_lengths == (1, 4)


def test_text_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pass_cost\.py"):
        formula.read_pass_costs("b = 2 but no table")


@pytest.mark.parametrize("alpha", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("k", [1, 4, 8])
def test_expected_tokens_and_shown_acceptance_are_those_of_simulated_rounds(alpha: float, k: int) -> None:
    tokens, shown = simulated_round(alpha, k, rounds=200_000)
    assert formula.expected_tokens(alpha, k) == pytest.approx(tokens, rel=0.01)
    assert formula.shown_acceptance(alpha, k) == pytest.approx(shown, rel=0.02)


@given(alphas, draft_lengths)
def test_expected_tokens_agree_with_the_closed_form(alpha: float, k: int) -> None:
    assert formula.expected_tokens(alpha, k) == pytest.approx((1 - alpha ** (k + 1)) / (1 - alpha))


@given(alphas, draft_lengths)
def test_acceptance_shows_at_most_alpha(alpha: float, k: int) -> None:
    assert formula.shown_acceptance(alpha, k) <= alpha + 1e-12


@given(alphas, draft_lengths)
def test_with_flat_passes_the_speed_up_is_the_textbook_one(alpha: float, k: int) -> None:
    pair = formula.Pair(FLAT, formula.PassCosts(2.0, {1: 1.0, 2: 1.0}))
    assert pair.speed_up(alpha, k) == pytest.approx(pair.textbook_speed_up(alpha, k))
    assert pair.textbook_speed_up(alpha, k) == pytest.approx(formula.expected_tokens(alpha, k) / (1 + 0.2 * k))


def test_a_round_costs_its_draft_its_wide_pass_and_its_share_of_catching_up() -> None:
    costs = formula.read_pass_costs(TABLE)
    pair = formula.Pair(costs["F32"], costs["Q4_1"])
    assert pair.round_ms(0.5, 4) == pytest.approx(20.0 + 4 * 2.0 + 0.5**4 * 2.0)
    assert formula.Pair(costs["F32"], None).round_ms(0.5, 4) == 20.0


def test_the_least_alpha_breaks_even() -> None:
    costs = formula.read_pass_costs(TABLE)
    pair = formula.Pair(costs["F32"], costs["Q4_1"])
    alpha = pair.least_alpha(4)
    assert alpha is not None
    assert pair.speed_up(alpha, 4) == pytest.approx(1.0)
    assert pair.speed_up(alpha - 0.01, 4) < 1 < pair.speed_up(alpha + 0.01, 4)


def test_where_not_even_full_acceptance_pays_there_is_no_least_alpha() -> None:
    pair = formula.Pair(formula.PassCosts(10.0, {1: 1.0, 2: 2.0}), None)
    assert pair.least_alpha(1) == 1.0
    assert formula.Pair(formula.PassCosts(10.0, {1: 1.0, 2: 2.1}), None).least_alpha(1) is None


def test_one_sequence_is_a_batch_of_one() -> None:
    costs = formula.read_pass_costs(TABLE)
    pair = formula.Pair(costs["F32"], None)
    assert pair.batch_speed_up(0.7, 4, 1) == pytest.approx(pair.speed_up(0.7, 4))


def test_the_document_shows_what_the_program_prints_for_the_table_in_it() -> None:
    document = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
    costs = formula.read_pass_costs(document)
    for block in formula.report(costs["F32"], costs["Q4_1"], costs, "F32", "Q4_1"):
        assert block in document
