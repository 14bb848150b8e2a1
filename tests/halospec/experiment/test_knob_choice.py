"""Which knob a run uses, and when it does not start."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from halospec.experiment.knob_choice import PlaceboRefused, choose_knob, unprobed_knob
from halospec.knobs.types import KnobKind
from halospec.records.probe import Basis, KnobReport, LengthEvidence, ProbedServer, ProbeReport, Verdict
from stand_in_knobs import StandInKnob

OBEYED, IGNORED, CANNOT_TELL = Verdict.OBEYED, Verdict.IGNORED, Verdict.CANNOT_TELL


def report(kind: str = "request_field", **verdicts: Verdict) -> ProbeReport:
    return ProbeReport(
        halospec="0",
        probed_at=datetime.now(UTC),
        seconds=1.0,
        canaries=9,
        server=ProbedServer(base_url="http://x/v1", model="m", kind="openai", title="x", recognised_by="nothing"),
        knobs=tuple(
            KnobReport(
                knob=name, kind=kind, per_request=True, verdict=verdict, basis=Basis.COUNTS,
                reason="Nothing was drafted at any k.",
            )
            for name, verdict in verdicts.items()
        ),
        advice="Start it with a draft model.",
    )  # fmt: skip


def choose(allow_placebo: bool = False, **verdicts: Verdict):
    knobs = [StandInKnob(name=name) for name in verdicts]
    return choose_knob(report(**verdicts), knobs, {0, 4}, allow_placebo=allow_placebo)


def test_the_first_knob_that_was_obeyed_is_used():
    choice = choose(a=IGNORED, b=CANNOT_TELL, c=OBEYED, d=OBEYED)
    assert (choice.knob.name, choice.report.verdict, choice.placebo) == ("c", OBEYED, False)


def test_where_none_was_obeyed_for_certain_the_first_that_may_have_been_is():
    choice = choose(a=IGNORED, b=CANNOT_TELL)
    assert (choice.knob.name, choice.placebo) == ("b", False)


def test_where_all_are_ignored_there_is_no_run_but_what_to_do():
    with pytest.raises(PlaceboRefused) as refused:
        choose(a=IGNORED, b=IGNORED)
    said = str(refused.value)
    assert "Nothing was drafted at any k; tried: a, b" in said
    assert "Start it with a draft model." in said
    assert "--allow-placebo" in said


def test_where_no_draft_length_is_to_be_sent_the_server_is_not_blamed():
    with pytest.raises(PlaceboRefused, match=r"With --knob none no draft length is sent, .*--allow-placebo") as refused:
        choose_knob(
            report("none", none=IGNORED), [StandInKnob(KnobKind.NONE, name="none")], {0, 4}, allow_placebo=False
        )
    assert "ignores" not in str(refused.value)


def test_a_placebo_run_is_allowed_by_name_and_says_what_it_is():
    choice = choose(allow_placebo=True, a=IGNORED)
    assert (choice.knob.name, choice.placebo) == ("a", True)


def test_allowing_a_placebo_does_not_make_one_of_a_server_that_obeys():
    assert not choose(allow_placebo=True, a=OBEYED).placebo


def test_a_server_that_could_not_be_probed_is_a_placebo_until_shown_otherwise():
    choice = unprobed_knob([StandInKnob(name="a"), StandInKnob(name="b")])
    assert (choice.knob.name, choice.report, choice.placebo) == ("a", None, True)


def plain(drafted: int | None) -> ProbeReport:
    found = report(a=IGNORED)
    at_zero = LengthEvidence(draft_length=0, canaries=3, failures=0, drafted=drafted)
    return found.model_copy(update={"knobs": (found.knobs[0].model_copy(update={"by_length": (at_zero,)}),)})


def test_plain_decoding_alone_needs_only_a_server_that_drafts_nothing():
    choice = choose_knob(plain(drafted=0), [StandInKnob(name="a")], {0}, allow_placebo=False)
    assert (choice.knob.name, choice.placebo) == ("a", False)


@pytest.mark.parametrize(("drafted", "lengths"), [(0, {0, 4}), (7, {0}), (None, {0})])
def test_a_server_that_drafts_at_zero_or_may_do_so_decodes_nothing_plainly(drafted, lengths):
    with pytest.raises(PlaceboRefused):
        choose_knob(plain(drafted), [StandInKnob(name="a")], lengths, allow_placebo=False)


def test_whoever_cannot_go_on_all_the_same_is_not_told_that_it_could_be_done():
    with pytest.raises(PlaceboRefused) as refused:
        choose_knob(report(a=IGNORED), [StandInKnob(name="a")], {0, 4}, allow_placebo=False, offer_placebo=False)
    assert "Start it with a draft model." in str(refused.value)
    assert "--allow-placebo" not in str(refused.value)
