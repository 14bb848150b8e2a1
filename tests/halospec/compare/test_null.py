"""Where nothing differs, a gate on any worsening trips in at most 5 % of cases, over all modes and phases together.

Simulated: blocks and prompts with effects of their own, modes that share a block's drift, and runs that drift apart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from halospec.analysis.loading import requests_of
from halospec.compare.comparison import compare_runs
from halospec.compare.gate import judge, parse_condition
from halospec.compare.metrics import ComparedMetric
from halospec.compare.runs import ComparedRun
from halospec.compare.values import Finding
from halospec.records.schema import Phase
from made_runs import made_manifest, made_records

SIMULATIONS = 200
BLOCKS = 5
COURSE = {
    "modes": ("fixed_0", "fixed_2", "fixed_4"),
    "phases": {Phase.STEADY: 3, Phase.LOAD: 3},
    "blocks": BLOCKS,
    "warmup": 0,
}
TRIPWIRE = parse_condition("tpot_ms > +0%")


def run(name, pairing):
    records = made_records(**COURSE)
    manifest = made_manifest(records, pairing_sha256=pairing)
    return ComparedRun(name=name, path=Path(name), requests=requests_of(records), manifest=manifest)


def measured_again(of: ComparedRun, chance: np.random.Generator, easiness, slower=1.0) -> ComparedRun:
    requests = of.requests
    drift = chance.normal(0, 0.05, BLOCKS)[requests.block - 1]
    trial = chance.normal(0, 0.03, (BLOCKS, len(requests.modes)))[requests.block - 1, requests.mode]
    single = chance.normal(0, 0.1, len(requests))
    tpot_ms = slower * 10 * np.exp(drift + trial + single + easiness[requests.prompt])
    return replace(of, requests=replace(requests, decode_ms=tpot_ms * (requests.tokens - 1)))


def trips_and_findings(pairing, *, slower=1.0, simulations=SIMULATIONS):
    chance = np.random.default_rng(20260301)
    a, b = run("a", "0" * 64), run("b", pairing)
    trips = findings = 0
    for _ in range(simulations):
        easiness = chance.normal(0, 0.2, 3)
        pair = [measured_again(a, chance, easiness), measured_again(b, chance, easiness, slower)]
        whole = compare_runs(pair, [ComparedMetric.TPOT])
        trips += judge(whole, [TRIPWIRE]).is_failed
        findings += any(row.finding in (Finding.BETTER, Finding.WORSE) for row in whole.comparisons[0].rows)
    return trips, findings


@pytest.mark.parametrize("pairing", ["0" * 64, "f" * 64], ids=["paired", "unpaired"])
def test_a_null_pair_trips_the_gate_in_at_most_five_percent(pairing):
    trips, findings = trips_and_findings(pairing)
    assert trips <= 0.05 * SIMULATIONS
    assert findings <= binom.ppf(0.99, SIMULATIONS, 0.05)


@pytest.mark.parametrize("pairing", ["0" * 64, "f" * 64], ids=["paired", "unpaired"])
def test_a_real_worsening_trips_it(pairing):
    trips, _ = trips_and_findings(pairing, slower=1.5, simulations=20)
    assert trips == 20
