"""One request on the decode thread: tokens from the engine, text and a report of what they cost out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from halospec_server.engine import Engine, Generation, Prefill, Round
from halospec_server.schema import FinishReason, PromptTokensDetails, RoundReport, Speculation, Timings, Usage
from halospec_server.text import TextAssembler


@dataclass(frozen=True)
class Report:
    """How a reply ended and what it cost."""

    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    speculation: Speculation


@dataclass
class _Tally:
    """Running counts of one request."""

    completion_tokens: int = 0
    prefill: Prefill = field(default_factory=lambda: Prefill(0, 0, 0))
    rounds: list[Round] = field(default_factory=list)

    def add(self, cost: Prefill | Round) -> None:
        if isinstance(cost, Prefill):
            self.prefill = cost
        else:
            self.rounds.append(cost)


def complete(
    engine: Engine, generation: Generation, stops: tuple[str, ...], cancelled: Callable[[], bool]
) -> Iterator[str | Report]:
    """Generate a reply: pieces of text as they become certain, then one `Report`.

    The report is the last item; a cancelled request yields what it has and then its report.
    """
    assembler = TextAssembler(stops)
    tally = _Tally()
    ended = False
    for step in engine.generate(generation, cancelled):
        tally.add(step.cost)
        text = ""
        for token in step.tokens:
            tally.completion_tokens += 1
            text += assembler.push(engine.target.model.piece(token))
            if assembler.stopped:
                break
        if text:
            yield text
        ended = step.ended or assembler.stopped
        if ended:
            break
    if rest := assembler.finish():
        yield rest
    yield _report(engine, generation, tally, "stop" if ended or assembler.stopped else "length")


def _report(engine: Engine, generation: Generation, tally: _Tally, finish_reason: FinishReason) -> Report:
    prefill, rounds = tally.prefill, tally.rounds
    prompt_n = len(generation.prompt)
    return Report(
        finish_reason=finish_reason,
        usage=Usage(
            prompt_tokens=prompt_n,
            completion_tokens=tally.completion_tokens,
            total_tokens=prompt_n + tally.completion_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=0),
        ),
        timings=Timings(
            cache_n=0,
            prompt_n=prompt_n,
            prompt_ms=_ms(prefill.target_ns + prefill.draft_ns + prefill.sample_ns),
            predicted_n=tally.completion_tokens,
            predicted_ms=_ms(sum(r.draft_ns + r.verify_ns + r.sample_ns for r in rounds)),
            draft_n=sum(r.k for r in rounds),
            draft_n_accepted=sum(r.accepted for r in rounds),
        ),
        speculation=Speculation(
            draft_length=generation.draft_length if engine.drafter is not None else 0,
            drafter=engine.drafter_name,
            draft_prompt_ms=_ms(prefill.draft_ns),
            rounds=[
                RoundReport(
                    k=r.k,
                    accepted=r.accepted,
                    draft_us=_us(r.draft_ns),
                    verify_us=_us(r.verify_ns),
                    sample_us=_us(r.sample_ns),
                )
                for r in rounds
            ],
        ),
    )


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)


def _us(duration_ns: int) -> float:
    return round(duration_ns / 1e3, 1)
