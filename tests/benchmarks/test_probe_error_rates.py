"""How often the probe's verdict by time errs: the simulation of the benchmark, with bounds."""

from __future__ import annotations

import pytest

from halospec.records.probe import Verdict
from probe_error_rates import PAIRS, Step, deaf_and_drafting, drafting, drafting_in_vain, plain, verdicts


@pytest.mark.parametrize("wander", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("step", [plain, deaf_and_drafting])
def test_a_deaf_server_is_called_obedient_in_no_more_than_one_probe_of_a_hundred(step: Step, wander: float):
    obeyed = verdicts(step, wander=wander, probes=400)[Verdict.OBEYED]

    # A true rate of 1 % gives more than 11 of 400 with a probability below 0.2 %.
    assert obeyed <= 11


@pytest.mark.parametrize("step", [plain, deaf_and_drafting])
def test_a_deaf_server_on_a_quiet_machine_is_found_out(step: Step):
    found = verdicts(step, wander=0.05, probes=200, pairs=PAIRS + 2)

    assert found[Verdict.IGNORED] > (0.95 if step is plain else 0.4) * 200
    assert found[Verdict.OBEYED] <= 7


@pytest.mark.parametrize("wander", [0.05, 0.3])
def test_an_obedient_server_is_found_by_its_bursts(wander: float):
    assert verdicts(drafting, wander=wander, probes=200)[Verdict.OBEYED] > 0.9 * 200


def test_an_obedient_server_whose_drafts_are_all_rejected_is_found_by_its_time():
    assert verdicts(drafting_in_vain, wander=0.1, probes=200)[Verdict.OBEYED] > 0.9 * 200


@pytest.mark.parametrize("wander", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("step", [drafting, drafting_in_vain])
def test_an_obedient_server_is_hardly_ever_called_deaf(step: Step, wander: float):
    assert verdicts(step, wander=wander, probes=200)[Verdict.IGNORED] <= 2


def test_noise_is_not_taken_for_ignorance():
    """On a machine whose speed doubles and halves, nothing can be shown; the verdict has to say so."""
    assert verdicts(plain, wander=0.8, probes=200)[Verdict.CANNOT_TELL] > 0.9 * 200
