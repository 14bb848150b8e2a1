from __future__ import annotations

from datetime import UTC, datetime

import pytest

from halospec.analysis.tables import WIDTH
from halospec.probe.tables import probe_text
from halospec.records.probe import (
    Basis,
    KnobReport,
    LengthEvidence,
    PairedTest,
    PositionEvidence,
    ProbedServer,
    ProbeReport,
    Traits,
    Untried,
    Verdict,
)

HOSTILE = "\x1b[31mred\x1b[0m [bold]x[/bold]\n\x00second line " + "w" * 300


def evidence(k, **fields):
    return LengthEvidence(draft_length=k, canaries=3, failures=0, completion_tokens=96, **fields)


def knob(name="draft_length", verdict=Verdict.OBEYED, **fields):
    defaults = {
        "kind": "request_field",
        "per_request": True,
        "basis": Basis.COUNTS,
        "reason": "what is drafted follows k",
        "by_length": tuple(
            evidence(k, drafted=40 * k, accepted=20 * k, drafted_per_round=float(k), tpot_ms=12.345) for k in (0, 1, 8)
        ),
    }
    return KnobReport(knob=name, verdict=verdict, **(defaults | fields))


@pytest.fixture
def report():
    def make(*knobs, **fields):
        defaults = {
            "halospec": "0.1.0",
            "probed_at": datetime(2026, 1, 1, tzinfo=UTC),
            "seconds": 12.34,
            "canaries": 10,
            "server": ProbedServer(
                base_url="http://127.0.0.1:8080/v1",
                model="smol",
                kind="llama_server",
                title="llama-server",
                version="b11434",
                recognised_by="/props names build b11434",
            ),
            "advice": "Use --knob draft_length.",
        }
        return ProbeReport(knobs=knobs or (knob(),), **(defaults | fields))

    return make


def test_a_verdict_stands_beside_its_evidence(report):
    text = probe_text(report())

    assert "llama-server b11434 at http://127.0.0.1:8080/v1, model smol" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["draft_length", "obeyed", "counts", "0", "3", "0", "0.00", "-", "-", "12.35", "-"] in rows
    assert ["8", "3", "0", "8.00", "-", "50.0", "12.35", "-"] in rows
    assert "draft_length: obeyed: what is drafted follows k." in text
    assert "10 requests in 12.3 s." in text
    assert text.rstrip().endswith("Use --knob draft_length.")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [(Verdict.OBEYED, "obeyed"), (Verdict.IGNORED, "ignored"), (Verdict.CANNOT_TELL, "cannot tell")],
)
def test_verdicts_in_words(report, verdict, words):
    assert f"draft_length: {words}: what" in probe_text(report(knob(verdict=verdict)))


def test_fields_that_went_together_share_their_rows_and_their_reason(report):
    names = ("draft_length", "speculative.n_max", "a", "b")
    knobs = [
        knob(name, Verdict.IGNORED, together_with=tuple(other for other in names if other != name)) for name in names
    ]
    text = probe_text(report(*knobs))

    assert text.count("12.35") == 3
    assert all(any(line.startswith(name) for line in text.splitlines()) for name in names)
    assert "draft_length, speculative.n_max, a, b (all in one request): ignored: what is drafted" in text


def test_the_account_that_counts_drafts_is_named_once(report):
    counted = {"counts_from": "timings"}
    text = probe_text(report(knob(**counted), knob("alias", **counted), knob("restart", counts_from="metrics")))

    assert text.count("Drafts are counted by the timings in its replies and the totals in its /metrics.") == 1
    assert "Drafts are counted" not in probe_text(report())


def test_a_knob_without_canaries_has_a_row_all_the_same(report):
    text = probe_text(report(knob("none", Verdict.IGNORED, basis=Basis.NOTHING, by_length=())))

    assert ["none", "ignored", "nothing"] in [line.split() for line in text.splitlines()]


def test_tests_positions_switches_and_what_was_not_tried(report):
    positions = tuple(PositionEvidence(position=n, drafted=100, accepted=90 - 10 * n) for n in range(1, 13))
    test = PairedTest(
        quantity="tokens per burst",
        shorter=0,
        longer=8,
        pairs=12,
        ratio=2.514,
        low=1.82,
        high=3.46,
        p_value=0.001,
        p_adjusted=0.002,
    )
    text = probe_text(
        report(
            knob("restart", tests=(test,), switch_ms=465.4, by_length=(evidence(8, accepted_by_position=positions),)),
            untried=(Untried(knob="reload", reason="it loads the model anew."),),
        )
    )

    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "restart tokens per burst 8 : 0 12 2.514 1.82 to 3.46 0.002" in rows
    assert "restart 8 80 70 60 50 40 30 20 10" in rows
    assert "Changing k took 465 ms (median)." in text
    assert "Not tried: reload: it loads the model anew." in text


def test_traits_are_listed_as_far_as_they_are_known(report):
    traits = Traits(streams=True, caches_prompts=False, two_at_once="one_after_the_other", notes=("Mind the gap.",))
    text = probe_text(report(traits=traits))

    assert "streams its replies" in text
    assert "one after the other" in text
    assert "Mind the gap." in text
    assert "greedy output repeats" not in text


def test_nothing_a_server_says_can_style_the_terminal_or_break_the_frame(report):
    hostile = ProbedServer(
        base_url="http://127.0.0.1:1/v1",
        model=HOSTILE,
        kind="openai",
        title=HOSTILE,
        version=HOSTILE,
        recognised_by=HOSTILE,
        speculation=HOSTILE,
    )
    test = PairedTest(
        quantity=HOSTILE, shorter=0, longer=8, pairs=12, ratio=1.0, low=None, high=None, p_value=1.0, p_adjusted=1.0
    )
    text = probe_text(
        report(
            knob(HOSTILE, reason=HOSTILE, tests=(test,)),
            server=hostile,
            traits=Traits(notes=(HOSTILE,), two_at_once=HOSTILE),
            untried=(Untried(knob=HOSTILE, reason=HOSTILE),),
            advice=HOSTILE,
        )
    )

    assert "\x1b" not in text
    assert "\x00" not in text
    assert "[bold]x[/bold]" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_widest_numbers_fit_a_hundred_columns(report):
    positions = tuple(PositionEvidence(position=n, drafted=9, accepted=9) for n in range(1, 17))
    wide = evidence(
        16,
        drafted=10**6,
        accepted=10**6,
        drafted_per_round=15.99,
        most_drafted_in_a_round=16,
        tpot_ms=12345.67,
        tokens_per_burst=16.99,
        accepted_by_position=positions,
    )
    test = PairedTest(
        quantity="decode time per token",
        shorter=10,
        longer=16,
        pairs=200,
        ratio=123.456,
        low=100.12,
        high=150.34,
        p_value=1.23e-5,
        p_adjusted=1.23e-4,
    )
    text = probe_text(
        report(knob("alias:" + "n" * 60, Verdict.CANNOT_TELL, basis=Basis.REFUSAL, by_length=(wide,), tests=(test,)))
    )

    assert "12345.67" in text
    assert "100.12 to 150.34" in text
    assert "0.00012" in text
    assert max(map(len, text.splitlines())) <= WIDTH
