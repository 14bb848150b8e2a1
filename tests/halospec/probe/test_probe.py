"""The whole probe against pretended servers, each with one way of answering."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.server_kind import SpeculationFacts
from halospec.knobs.no_knob import NoKnob
from halospec.knobs.request_field import RequestField
from halospec.probe.errors import ProbeError
from halospec.probe.probe import probe
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import Basis, Untried, Verdict
from pretended_server import PretendedServer
from stand_in_knobs import StandInKnob, aliases, restarting

FIELDS = ("draft_length", "speculative.n_max", "$.speculative.n_max")
QUICK = ProbeSettings(traits=False)


async def probed(server: PretendedServer, *knobs, settings=QUICK, dialect=None, speculation=None, **options):
    facts = server.facts(dialect, speculation)
    knobs = knobs or (RequestField("draft_length"),)
    return await probe(server, knobs, facts, server.api(), server.clock, settings=settings, sleep=no_sleep, **options)


async def no_sleep(_seconds: float) -> None:
    return None


def lengths_asked(server: PretendedServer, field: str = "draft_length") -> Counter[int]:
    return Counter(change.fields[field] for _, change in server.asked if field in change.fields)


async def test_where_only_the_aliases_are_loaded_the_model_behind_them_is_never_asked_for():
    server = PretendedServer(reads="draft_length", only_models=frozenset({"m-k0", "m-k1", "m-k8"}))
    report = await probed(server, aliases(0, 1, 8), settings=ProbeSettings())

    assert [knob.verdict for knob in report.knobs] == [Verdict.OBEYED]
    assert {change.model for _, change in server.asked} == {"m-k0", "m-k1", "m-k8"}
    assert report.traits.greedy_repeats


async def test_a_server_that_obeys_and_counts_needs_three_canaries_a_k():
    server = PretendedServer(reads="draft_length")
    report = await probed(server)

    [knob] = report.knobs
    assert (knob.verdict, knob.basis, knob.counts_from) == (Verdict.OBEYED, Basis.COUNTS, "speculation")
    assert lengths_asked(server) == {0: 3, 1: 3, 8: 3}
    assert report.canaries == len(server.asked) == 1 + 9
    assert report.advice == "Use --knob draft_length; k can change with every request."
    assert report.best == knob


async def test_the_canaries_of_a_block_differ_in_nothing_but_k():
    server = PretendedServer(reads="draft_length")
    await probed(server, dialect=Dialect(ignore_eos=True, timings_per_token=True))

    canaries = [(request, change) for request, change in server.asked if change.fields]
    by_request = Counter(request for request, _ in canaries)
    assert sorted(by_request.values()) == [3, 3, 3]
    assert len({request.seed for request in by_request}) == 3, "what a server draws at random differs between blocks"
    assert all(request.temperature == 0 and request.ignore_eos and request.running_counts for request, _ in canaries)
    assert not any(request.reuse_prompt for request, _ in canaries)
    prompts = [request.messages for request, _ in canaries]
    assert all(one != following for one, following in itertools.pairwise(prompts))


async def test_a_server_that_drafts_the_same_whatever_is_asked_ignores_k():
    report = await probed(PretendedServer(default=3))

    assert report.knobs[0].verdict is Verdict.IGNORED
    assert report.best is None
    assert "vLLM and SGLang take a draft length only when they start" in report.advice


async def test_fields_that_are_all_ignored_cost_one_request_and_not_one_each():
    server = PretendedServer(default=3)
    report = await probed(server, *map(RequestField, FIELDS))

    assert [knob.verdict for knob in report.knobs] == [Verdict.IGNORED] * 3
    assert report.canaries == 1 + 9
    assert report.knobs[0].together_with == FIELDS[1:]
    assert server.asked[-1][1].fields.keys() == {"draft_length", "speculative.n_max", "speculative"}


async def test_where_one_of_several_fields_works_each_is_tried_by_itself():
    server = PretendedServer(reads="speculative.n_max", default=3)
    report = await probed(server, *map(RequestField, FIELDS))

    assert [knob.verdict for knob in report.knobs] == [Verdict.IGNORED, Verdict.OBEYED, Verdict.IGNORED]
    assert all(not knob.together_with for knob in report.knobs)
    assert report.advice.startswith("Use --knob speculative.n_max;")


async def test_where_time_shows_that_one_of_several_fields_works_each_is_tried_by_itself_too():
    report = await probed(PretendedServer(reads="draft_length", counts=False), *map(RequestField, FIELDS))

    assert [knob.verdict for knob in report.knobs] == [Verdict.OBEYED, Verdict.IGNORED, Verdict.IGNORED]
    assert {knob.basis for knob in report.knobs} == {Basis.TIME}


async def test_a_server_that_is_busy_refuses_no_field():
    server = PretendedServer(reads="draft_length", busy_at=frozenset({4, 7}))
    report = await probed(server, settings=ProbeSettings(traits=False, blocks=5))

    assert report.knobs[0].verdict is Verdict.OBEYED
    assert "refused" not in report.knobs[0].reason
    assert sum(evidence.canaries for evidence in report.knobs[0].by_length) == 15


async def test_a_field_that_is_refused_is_refused_and_the_others_are_still_tried():
    server = PretendedServer(reads="draft_length", refuses=frozenset({"speculative.n_max"}))
    report = await probed(server, *map(RequestField, FIELDS))

    assert [knob.verdict for knob in report.knobs] == [Verdict.OBEYED, Verdict.IGNORED, Verdict.IGNORED]
    refused = report.knobs[1]
    assert refused.basis is Basis.REFUSAL
    assert refused.reason == 'refused: HTTP 400: "Extra inputs are not permitted"'
    assert [evidence.canaries for evidence in refused.by_length] == [1, 1, 1], "what is refused once is not sent again"


async def test_a_k_that_is_refused_is_left_out_and_named():
    report = await probed(PretendedServer(reads="draft_length", refuses=frozenset({8})))

    assert report.knobs[0].verdict is Verdict.OBEYED
    assert '; k = 8 is refused (HTTP 400: "Extra inputs are not permitted")' in report.knobs[0].reason
    assert report.knobs[0].reason.endswith(")")


async def test_without_counts_in_replies_the_servers_own_totals_decide():
    server = PretendedServer(reads="draft_length", counts=False, meters=True)
    report = await probed(server)

    [knob] = report.knobs
    assert (knob.verdict, knob.basis, knob.counts_from) == (Verdict.OBEYED, Basis.COUNTS, "metrics")
    assert report.canaries == 1 + 9


class Shared(PretendedServer):
    """A server whose totals hold a stranger's rounds as well, at a draft length of 3."""

    def _add(self, rounds):
        super()._add(rounds)
        self.drafted_total += 300
        self.accepted_total += 100
        self.rounds_total += 100


@pytest.mark.parametrize("reads", ["draft_length", None])
async def test_totals_that_a_stranger_adds_to_are_left_out_and_time_decides(reads):
    report = await probed(Shared(reads=reads, default=3, counts=False, meters=True))

    [knob] = report.knobs
    assert (knob.verdict, knob.basis) == (Verdict.OBEYED if reads else Verdict.IGNORED, Basis.TIME)
    assert knob.counts_from is None
    assert "somebody else uses it" in knob.reason


class Scattering(PretendedServer):
    """A server that drafts as much as it likes, whatever is asked for."""

    chance = random.Random(14)

    def _reply(self, request, k, start_ns):
        return super()._reply(request, self.chance.randint(1, 5), start_ns)


async def test_drafts_that_scatter_are_asked_for_again_before_anything_is_said_of_them():
    server = Scattering()
    report = await probed(server)

    assert lengths_asked(server) == {0: 11, 1: 3, 8: 11}
    assert report.knobs[0].verdict is not Verdict.OBEYED


@pytest.mark.parametrize(
    ("fields", "reads", "counts", "requests"),
    [
        (1, "draft_length", True, 18),
        (1, "draft_length", False, 34),
        (4, None, True, 18),
        (4, None, False, 38),
        (4, "draft_length", True, 54),
        (4, "draft_length", False, 154),
    ],
)
async def test_a_probe_takes_as_many_requests_as_its_page_says(fields, reads, counts, requests):
    knobs = map(RequestField, (*FIELDS, "speculative_draft_length")[:fields])
    server = PretendedServer(reads=reads, default=3, counts=counts)
    report = await probed(server, *knobs, settings=ProbeSettings())

    assert report.canaries == requests


async def test_where_nothing_can_be_told_the_advice_says_so_first():
    report = await probed(PretendedServer(breaks_on=frozenset({"draft_length"})))

    assert report.advice.startswith("It cannot be told yet whether draft_length works; the reason is given above. vLLM")


async def test_without_any_counts_more_canaries_of_the_shortest_and_longest_k_decide_by_time():
    server = PretendedServer(reads="draft_length", counts=False)
    report = await probed(server)

    [knob] = report.knobs
    assert (knob.verdict, knob.basis, knob.counts_from) == (Verdict.OBEYED, Basis.TIME, None)
    assert lengths_asked(server) == {0: 11, 1: 3, 8: 11}
    assert {test.pairs for test in knob.tests} == {11}


async def test_without_any_counts_a_deaf_server_is_found_out_by_time():
    report = await probed(PretendedServer(default=3, counts=False), *map(RequestField, FIELDS))

    assert {(knob.verdict, knob.basis) for knob in report.knobs} == {(Verdict.IGNORED, Basis.TIME)}


async def test_a_server_that_says_that_it_has_no_draft_is_quoted():
    says = SpeculationFacts(configured=False, says="/slots: speculative is false")
    report = await probed(PretendedServer(), speculation=says)

    assert report.knobs[0].verdict is Verdict.IGNORED
    assert "no draft is configured on the server (/slots: speculative is false)" in report.knobs[0].reason
    assert report.server.speculation == "/slots: speculative is false"


async def test_with_no_knob_nothing_is_sent():
    server = PretendedServer()
    report = await probed(server, NoKnob())

    [knob] = report.knobs
    assert (knob.verdict, knob.basis, knob.by_length) == (Verdict.IGNORED, Basis.NOTHING, ())
    assert knob.reason == "with this knob no draft length is sent"
    assert report.canaries == 1


async def test_a_knob_that_starts_the_server_anew_is_tried_last_and_switched_once_a_k_and_block():
    server = PretendedServer(reads="draft_length")
    knob = restarting()
    report = await probed(server, knob, RequestField("speculative.n_max"))

    assert [found.knob for found in report.knobs] == ["restart", "speculative.n_max"]
    assert report.knobs[0].verdict is Verdict.OBEYED
    assert report.knobs[0].switch_ms == 500.0
    assert report.advice == "Use --knob restart; k changes only by loading or starting the server anew."
    fields = [set(change.fields) for _, change in server.asked if change.fields]
    first_restart = fields.index({"draft_length"})
    assert {"speculative.n_max"} not in fields[first_restart:]
    # After each switch one short request that counts for nothing, then the canary.
    assert 7 <= len(knob.switched_to) <= 9
    assert report.canaries == 1 + 9 + 9 + len(knob.switched_to)


async def test_a_knob_that_cannot_be_turned_is_not_judged_and_ends_nothing():
    broken = StandInKnob(name="restart", per_request=False, breaks_at=8)
    report = await probed(PretendedServer(reads="draft_length"), RequestField("speculative.n_max"), broken)

    assert report.knobs[0].verdict is Verdict.IGNORED
    assert report.knobs[1].verdict is Verdict.CANNOT_TELL
    assert report.knobs[1].reason == "k could not be set: The server did not start with k = 8"


async def test_a_knob_with_lengths_of_its_own_is_asked_for_those():
    server = PretendedServer(reads="draft_length")
    report = await probed(server, aliases(0, 2, 4, 6))

    assert [evidence.draft_length for evidence in report.knobs[0].by_length] == [0, 2, 6]
    assert report.knobs[0].verdict is Verdict.OBEYED


async def test_each_alias_answers_once_before_it_counts():
    server = PretendedServer(reads="draft_length")
    report = await probed(server, aliases(0, 1, 8))

    assert report.canaries == 1 + 3 + 9


async def test_a_knob_with_a_single_length_cannot_be_judged():
    report = await probed(PretendedServer(reads="draft_length"), aliases(4))

    assert report.knobs[0].verdict is Verdict.CANNOT_TELL
    assert report.knobs[0].reason == "only k = 4 can be set, and a comparison needs two"


async def test_single_failures_are_counted_and_end_nothing():
    server = PretendedServer(reads="draft_length", fails_at=frozenset({4, 7}))
    report = await probed(server, settings=ProbeSettings(traits=False, blocks=5))

    assert report.knobs[0].verdict is Verdict.OBEYED
    assert report.knobs[0].reason.endswith("; 2 of 15 canaries failed, the last with: The stream ended early")
    assert sum(evidence.failures for evidence in report.knobs[0].by_length) == 2
    assert sum(evidence.canaries for evidence in report.knobs[0].by_length) == 15


async def test_a_server_that_dies_ends_the_probe_with_the_reason():
    with pytest.raises(
        ProbeError, match=r"no longer completes requests, so the probe was given up: .*connection refused"
    ):
        await probed(PretendedServer(reads="draft_length", dies_after=5))


async def test_a_server_that_never_answers_is_said_so_at_once():
    with pytest.raises(ProbeError, match=r"does not complete a plain request: No server answers"):
        await probed(PretendedServer(dies_after=0))


async def test_a_field_that_breaks_every_reply_is_not_taken_for_a_dead_server():
    report = await probed(PretendedServer(breaks_on=frozenset({"draft_length"})))

    [knob] = report.knobs
    assert (knob.verdict, knob.basis) == (Verdict.CANNOT_TELL, Basis.NOTHING)
    assert knob.reason == "too few canaries came back to compare two draft lengths: The stream ended early"


async def test_the_same_seed_sends_the_same_requests():
    one, same, other = (PretendedServer(reads="draft_length") for _ in range(3))
    await probed(one)
    await probed(same)
    await probed(other, settings=ProbeSettings(traits=False, seed=2))

    assert one.asked == same.asked != other.asked


async def test_what_was_not_tried_is_passed_on():
    untried = Untried(knob="reload", reason="it would load the model anew for all who use the server.")
    report = await probed(PretendedServer(), untried=(untried,))

    assert report.untried == (untried,)


async def test_texts_are_compared_between_draft_lengths_only_where_k_does_something():
    obedient = await probed(PretendedServer(reads="draft_length"), settings=ProbeSettings())
    deaf = await probed(PretendedServer(default=3), settings=ProbeSettings())

    assert obedient.traits is not None
    assert "Greedy texts at k = 0 and k = 8 were the same in 3 of 3 pairs." in obedient.traits.notes
    assert deaf.traits is not None
    assert not any("Greedy texts" in note for note in deaf.traits.notes)


async def test_a_report_survives_its_journey_as_json():
    report = await probed(PretendedServer(reads="draft_length"), settings=ProbeSettings())

    assert type(report).model_validate_json(report.model_dump_json()) == report


class Watching:
    """Notes what an observer is told."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.sent: list[str] = []
        self.ended: list[str] = []

    def canaries_planned(self, total: int) -> None:
        self.totals.append(total)

    def canary_sent(self, purpose: str) -> None:
        self.sent.append(purpose)

    def canary_ended(self, error: str) -> None:
        self.ended.append(error)


@pytest.mark.parametrize(
    "server",
    [
        PretendedServer(reads="draft_length"),
        PretendedServer(counts=False),
        PretendedServer(reads="draft_length", refuses=frozenset({8})),
        PretendedServer(breaks_on=frozenset({"draft_length"})),
    ],
    ids=["obedient", "uncounted", "refusing", "breaking"],
)
async def test_the_observer_sees_every_request_and_the_plan_comes_true(server):
    watching = Watching()
    report = await probed(server, restarting(), *map(RequestField, FIELDS), settings=ProbeSettings(), observer=watching)

    assert watching.totals[-1] == report.canaries == len(watching.sent) == len(watching.ended) == len(server.asked)
    assert "two at once" in watching.sent
