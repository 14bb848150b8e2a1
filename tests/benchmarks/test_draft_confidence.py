"""What `benchmarks/draft_confidence.py` computes, and that the rule's defaults are of the same form."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from halospec.controllers.per_round import DraftPlace
from halospec.controllers.stops.specdec_pp import SpecDecPpSettings
from halospec.recordings.files import write_recording
from halospec.recordings.types import QUIET, RecordedRounds, Recording, TracedText

ROOT = Path(__file__).resolve().parents[2]
TRUE = SpecDecPpSettings(bias=-0.3, slope=1.8, entropy_slope=0.7)


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draft_confidence", ROOT / "benchmarks" / "draft_confidence.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


program = load_program()


def made_text(prompt_id: str, seed: int, length: int = 400) -> TracedText:
    """A text whose tokens match exactly as often as ``TRUE`` says."""
    random = np.random.default_rng(seed)
    top = random.beta(2.0, 1.0, length).astype(np.float32)
    entropy = random.gamma(2.0, 0.5, length).astype(np.float32)
    chance = [TRUE.acceptance(DraftPlace(float(p), float(h))) for p, h in zip(top, entropy, strict=True)]
    return TracedText(prompt_id, np.zeros(length, np.int32), random.random(length) < chance, top, entropy, top)


@pytest.fixture(scope="module")
def texts() -> list[TracedText]:
    return [made_text(f"prompt-{number}", seed=number) for number in range(20)]


def features(tokens):
    return program.both(tokens.log_odds, tokens.entropy)


def test_the_fit_finds_the_coefficients_that_made_the_texts(texts):
    tokens = program.tokens_of(texts, folds=10)
    found = program.fit(features(tokens), tokens.match)
    errors = program.jackknife_errors(program.without_each_group(tokens, features(tokens)))
    assert np.abs(found - [TRUE.bias, TRUE.slope, TRUE.entropy_slope]).max() < 0.2
    assert (np.abs(found - [TRUE.bias, TRUE.slope, TRUE.entropy_slope]) < 4 * errors).all()


def test_a_fit_with_a_constant_alone_is_the_base_rate(texts):
    tokens = program.tokens_of(texts, folds=10)
    (bias,) = program.fit(np.ones((len(tokens.match), 1)), tokens.match)
    assert 1 / (1 + np.exp(-bias)) == pytest.approx(tokens.match.mean(), abs=1e-6)


def test_the_rule_predicts_what_the_program_fits(texts):
    tokens = program.tokens_of(texts, folds=10)
    log_odds = features(tokens) @ [TRUE.bias, TRUE.slope, TRUE.entropy_slope]
    place = DraftPlace(float(texts[0].top_probability[7]), float(texts[0].entropy[7]))
    assert TRUE.acceptance(place) == pytest.approx(1 / (1 + np.exp(-log_odds[7])))


def test_all_texts_of_a_prompt_are_left_out_together_and_groups_are_of_nearly_the_same_size(texts):
    twice = [*texts, *(made_text(text.prompt_id, seed=100 + i, length=30) for i, text in enumerate(texts))]
    tokens = program.tokens_of(twice, folds=6)
    groups = {text.prompt_id: set() for text in twice}
    for number, text in enumerate(twice):
        groups[text.prompt_id] |= set(tokens.group[tokens.text == number].tolist())
    assert all(len(of_prompt) == 1 for of_prompt in groups.values())
    sizes = np.bincount([group for (group,) in groups.values()])
    assert (len(sizes), sizes.min(), sizes.max()) == (6, 3, 4)


def test_predictions_come_from_fits_that_did_not_see_the_prompt():
    # One prompt where nothing matches among others where all but one token does: its own fit would foresee it.
    calm = [made_text(f"prompt-{number}", seed=number, length=50) for number in range(4)]
    odd = calm[0].match & False
    texts = [TracedText("odd", *(getattr(calm[0], name) for name in ("tokens",)), odd, *_rest(calm[0])), *calm[1:]]
    tokens = program.tokens_of(texts, folds=4)
    constant = program.base_rate(tokens.log_odds, tokens.entropy)
    mine = tokens.text == 0
    assert program.predicted(tokens, constant)[mine] == pytest.approx(tokens.match[~mine].mean(), abs=1e-6)


def _rest(text: TracedText):
    return text.top_probability, text.entropy, text.overlap


def test_log_loss_charges_for_the_probability_of_what_happened():
    assert program.log_loss(np.array([0.8, 0.8]), np.array([True, False])) == pytest.approx(
        -(np.log(0.8) + np.log(0.2)) / 2
    )


def test_drafts_lie_within_one_text(texts):
    tokens = program.tokens_of([made_text("a", 1, length=3), made_text("b", 2, length=4)], folds=2)
    draft = program.drafts(tokens, np.arange(1.0, 8.0), 3)
    assert draft.predicted.tolist() == [1 * 2 * 3, 4 * 5 * 6, 5 * 6 * 7]
    match = tokens.match
    assert draft.kept.tolist() == [match[:3].all(), match[3:6].all(), match[4:7].all()]


def test_too_few_prompts_for_the_groups_are_refused(texts):
    with pytest.raises(SystemExit, match="3 prompts cannot make 10 groups"):
        program.tokens_of(texts[:3], folds=10)


def test_it_prints_coefficients_losses_and_calibration_of_a_recording(tmp_path, monkeypatch, capsys, texts):
    one = np.ones(1, np.int16)
    rounds = RecordedRounds(
        (QUIET,), one * 0, one.astype(np.int32), one, one, one, one, *(np.float32([9000, 0, 30000])[:, None])
    )
    write_recording(Recording("made", tuple(texts), rounds, 1, 1, {}), tmp_path / "made")
    monkeypatch.setattr(sys, "argv", ["draft_confidence.py", str(tmp_path / "made")])
    program.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("made: 8000 tokens of 20 prompts")
    assert any(line.startswith("specdec_pp@bias=") for line in lines)
    losses = {
        line[2:34].strip(): float(line.split()[-1]) for line in lines if "fitted on" in line or "base rate " in line
    }
    assert losses["fitted on both"] < losses["fitted on log odds"] < losses["base rate"] == 1.0
    assert sum("groups of the same size" in line for line in lines) == 4


def test_a_single_group_leaves_nothing_to_fit_to(texts):
    with pytest.raises(SystemExit, match="--folds 1 leaves nothing to fit to"):
        program.tokens_of(texts, folds=1)


def test_a_wrong_certainty_costs_much_and_not_infinitely_much():
    assert program.log_loss(np.array([1.0, 0.0]), np.array([False, True])) == pytest.approx(-np.log(1e-12))


def test_texts_shorter_than_a_draft_hold_none():
    tokens = program.tokens_of([made_text("a", 1, length=3), made_text("b", 2, length=4)], folds=2)
    for length in (5, 8, 16):
        assert len(program.drafts(tokens, np.ones(7), length).kept) == 0


def test_a_directory_without_a_recording_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["draft_confidence.py", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"draft_confidence\.py: There is no recording"):
        program.main()
