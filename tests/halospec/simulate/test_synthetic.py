"""Recordings made of stated parameters have what was stated."""

from __future__ import annotations

from inspect import getdoc

import numpy as np
import pytest

from halospec.recordings.files import read_recording, write_recording
from halospec.simulate import synthetic
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.synthetic import SyntheticSettings, read_synthetic, synthetic_recording


def made(**parameters):
    return synthetic_recording(SyntheticSettings.model_validate(parameters))


def matches(recording, name: str):
    return np.concatenate([text.match for text in recording.texts if text.prompt_id.startswith(name)])


def test_the_draft_agrees_as_often_as_stated():
    recording = made(texts=30, tokens=2000, acceptance={"easy": 0.9, "middling": 0.75, "hard": 0.5})
    for name, rate in (("easy", 0.9), ("middling", 0.75), ("hard", 0.5)):
        assert matches(recording, name).mean() == pytest.approx(rate, abs=0.015)


def test_hazards_hang_on_the_matches_since_the_last_mistake():
    recording = made(texts=3, tokens=20_000, acceptance={"easy": [0.5, 0.9, 0.7]})
    match = matches(recording, "easy")
    run = 0
    seen: dict[int, list[bool]] = {0: [], 1: [], 2: []}
    for one in match.tolist():
        seen[min(run, 2)].append(one)
        run = run + 1 if one else 0
    assert [np.mean(seen[j]) for j in range(3)] == pytest.approx([0.5, 0.9, 0.7], abs=0.03)


def test_the_drafts_probabilities_are_calibrated():
    recording = made(texts=30, tokens=2000)
    match = np.concatenate([text.match for text in recording.texts])
    top = np.concatenate([text.top_probability for text in recording.texts])
    for low in (0.2, 0.4, 0.6, 0.8):
        within = (top >= low) & (top < low + 0.2)
        assert match[within].mean() == pytest.approx(top[within].mean(), abs=0.03)


def test_an_unsure_draft_has_the_higher_entropy():
    (text, *_) = made().texts
    order = np.argsort(text.top_probability)
    assert text.entropy[order[5]] > text.entropy[order[-5]]


def test_certain_acceptance_is_allowed():
    assert matches(made(acceptance={"easy": 1.0, "hard": 0.0}), "easy").all()


def test_costs_are_those_stated():
    recording = made(
        rounds=20_000,
        costs={"pass_ms": 30, "slope_ms": 3, "draft_ms": 6, "cv": 0.2, "correlation": 0.4},
        states=[{"load": "cpu:2", "pass": 4, "slope": 0.5, "draft": 2}],
    )
    rounds = recording.rounds
    assert rounds.conditions == ("quiet", "cpu:2")
    for condition, (whole, slope, draft) in enumerate(((30, 3, 6), (120, 1.5, 12))):
        for k in (1, 4, 8):
            chosen = (rounds.condition == condition) & (rounds.k == k)
            assert rounds.verify_us[chosen].mean() / 1e3 == pytest.approx(whole + slope * k, rel=0.03)
            drafting_us = rounds.draft_us[chosen] - rounds.catch_up_us[chosen]
            assert drafting_us.mean() / 1e3 == pytest.approx(draft * k, rel=0.03)


def test_noise_has_the_stated_spread_and_memory():
    rounds = made(rounds=30_000, costs={"cv": 0.3, "correlation": 0.6, "slope_ms": 0}, states=[]).rounds
    noise = rounds.verify_us.astype(np.float64)
    assert noise.std() / noise.mean() == pytest.approx(0.3, abs=0.02)
    logs = np.log(noise)
    assert np.corrcoef(logs[1:], logs[:-1])[0, 1] == pytest.approx(0.6, abs=0.03)


def test_threads_are_a_state_like_load():
    rounds = made(states=[{"load": "cpu:2"}, {"load": "cpu:2", "threads": 1, "draft_threads": 1, "pass": 0.5}]).rounds
    states = set(zip(rounds.condition.tolist(), rounds.threads.tolist(), rounds.draft_threads.tolist(), strict=True))
    assert states == {(0, 2, 2), (1, 2, 2), (1, 1, 1)}


def test_a_made_up_recording_can_be_kept_like_a_measured_one(tmp_path):
    recording = made(rounds=200)
    write_recording(recording, tmp_path / "made-up")
    read = read_recording(tmp_path / "made-up")
    assert read.about == recording.about
    np.testing.assert_array_equal(read.rounds.verify_us, recording.rounds.verify_us)
    assert [text.prompt_id for text in read.texts] == [text.prompt_id for text in recording.texts]


def test_the_documented_example_can_be_read(tmp_path):
    path = tmp_path / "pair.toml"
    lines = getdoc(synthetic).split("A file of them::\n", 1)[1].splitlines()
    path.write_text("\n".join(line.strip() for line in lines), "utf-8")
    settings = read_synthetic(path)
    assert settings.acceptance.hard == 0.6
    assert [settings.name_of(state) for state in settings.all_states] == [
        ("quiet", 2, 2),
        ("cpu:2", 2, 2),
        ("cpu:2", 1, 1),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[acceptance]\neasy = 1.5", "acceptance.easy"),
        ("[costs]\nfriction = 1", "costs.friction: Extra inputs are not permitted."),
        ('[[states]]\nload = "storm"', "states.1.load: String should match pattern"),
        (
            '[[states]]\nload = "cpu:2"\n[[states]]\nload = "cpu:2"\nthreads = 2',
            "cpu:2 with 2/2 threads is described twice.",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path, text, said):
    path = tmp_path / "pair.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(CannotSimulate) as refused:
        read_synthetic(path)
    assert said in str(refused.value)
