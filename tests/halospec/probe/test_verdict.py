"""One knob, judged by all that is known of it."""

from __future__ import annotations

import pytest

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.knobs.request_field import RequestField
from halospec.probe.verdict import KnobEvidence, judge
from halospec.records.probe import Basis, Verdict


@pytest.fixture
def uncounted(make_canary):
    """Canaries of a server that counts nothing, too few for a test of time."""
    return tuple(make_canary(k, block) for block in (1, 2) for k in (0, 8))


@pytest.mark.parametrize("spelling", ["draft_length", "speculative.n_max", "$.speculative.n_max"])
def test_what_time_cannot_tell_the_servers_own_list_of_fields_does(uncounted, spelling):
    facts = SpeculationFacts(known_fields=frozenset({"model", "messages", "n_max"}))
    found = judge(KnobEvidence(RequestField(spelling), uncounted), (), facts, seed=1)
    assert (found.verdict, found.basis) == (Verdict.IGNORED, Basis.DESCRIPTION)
    assert "drops fields that its own description does not list" in found.reason


@pytest.mark.parametrize("known", [None, frozenset({"draft_length"})])
def test_a_field_that_is_listed_or_no_list_at_all_tells_nothing(uncounted, known):
    found = judge(KnobEvidence(RequestField("draft_length"), uncounted), (), SpeculationFacts(known_fields=known), 1)
    assert found.verdict is Verdict.CANNOT_TELL


def test_counts_are_believed_before_a_description(make_canary):
    canaries = tuple(make_canary(k, block, counted=(3 * k, k)) for block in (1, 2, 3) for k in (0, 1, 8))
    facts = SpeculationFacts(known_fields=frozenset({"model"}))
    assert judge(KnobEvidence(RequestField("draft_length"), canaries), (), facts, 1).basis is Basis.COUNTS
