"""From the parts of a reply, as they arrive, to one :class:`Completion`; no I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from halospec.endpoints.running_counts import RunningCount, rounds_behind
from halospec.endpoints.types import Completion, CountSource, EndpointError
from halospec.endpoints.wire import LmStudioStats, ReplyPart, Speculation, Timings, Usage, VllmMetrics
from halospec.records.schema import Round


@dataclass(frozen=True)
class _Drafts:
    """One account of what was drafted, and the field to complain of where it contradicts itself."""

    drafted: int | None = None
    accepted: int | None = None
    source: CountSource | None = None
    field: str = ""


class Reply:
    """What has arrived of one reply.

    Text is all that the model produced, reasoning included and in the order of arrival: reasoning tokens are decoded,
    drafted and counted in ``usage`` like all others, so the first of them is the first token, and texts that are
    compared between modes must hold them. An event without text (the role, the ``finish_reason``) is no content event.

    Of ``usage``, ``timings`` and the like the last one counts, since some servers send running totals.

    Parameters
    ----------
    zero_drafts_left_out
        Whether ``timings`` without ``draft_n`` say that nothing was drafted, as llama-server's do. Other servers that
        never report it send the same ``timings``, and one reply cannot tell the two apart.
    """

    def __init__(self, *, zero_drafts_left_out: bool = False) -> None:
        self.event_ns: list[int] = []
        self.ended_ns: int | None = None
        self.finish_reason: str | None = None
        self.malformed: set[str] = set()
        self._zero_drafts_left_out = zero_drafts_left_out
        self._texts: list[str] = []
        self._has_choice = False
        self._usage = Usage()
        self._timings = Timings()
        self._speculation: Speculation | None = None
        self._metrics = VllmMetrics()
        self._stats = LmStudioStats()
        self._running: list[RunningCount | None] = []
        self._counts_run_along = False

    def take(self, part: ReplyPart, received_ns: int | None) -> None:
        """Add a chunk that arrived at ``received_ns``, or a whole reply that was not streamed (``None``)."""
        if part.choices:
            choice = part.choices[0]
            self._has_choice = True
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.text:
                self._texts.append(choice.text)
                if received_ns is not None:
                    self.event_ns.append(received_ns)
                    self._counts_run_along |= part.timings is not None and self.finish_reason is None
        if part.timings:
            self._running.append(_running_count(part.timings))
        self._usage = part.usage or self._usage
        self._timings = part.timings or self._timings
        self._speculation = part.speculation or self._speculation
        self._metrics = part.metrics or self._metrics
        self._stats = part.stats or self._stats

    def completion(self) -> Completion:
        """Return the reply as a whole.

        Raises
        ------
        EndpointError
            If there are no choices, no tokens, or no count of them.
        """
        if not self._has_choice:
            raise EndpointError("The reply holds no choices.", retryable=True)
        usage, timings = self._usage, self._timings
        tokens, tokens_from = self._tokens()
        drafts = self._drafts()
        rounds = self._rounds(tokens, drafts)
        details = usage.prompt_tokens_details
        return Completion(
            text="".join(self._texts),
            finish_reason=self.finish_reason,
            completion_tokens=tokens,
            tokens_from=tokens_from,
            prompt_tokens=_first_known(usage.prompt_tokens, _sum_if_known(timings.cache_n, timings.prompt_n)),
            cached_tokens=_first_known(details.cached_tokens if details else None, timings.cache_n),
            drafted=drafts.drafted,
            accepted=drafts.accepted,
            drafted_from=drafts.source,
            rounds=None if rounds is None else len(rounds),
            round_log=rounds or (),
            decisions=tuple(self._speculation.decisions or ()) if self._speculation else (),
            prompt_ms=timings.prompt_ms,
            predicted_ms=timings.predicted_ms,
            event_ns=tuple(self.event_ns),
            ended_ns=self.ended_ns,
        )

    def _tokens(self) -> tuple[int, CountSource]:
        counts = {CountSource.USAGE: self._usage.completion_tokens, CountSource.TIMINGS: self._timings.predicted_n}
        for source, count in counts.items():
            if count:
                return count, source
        if not any(self._texts):
            raise EndpointError("The reply has 0 tokens.", retryable=True)
        if any(count is not None for count in counts.values()):
            raise EndpointError("The reply has text but counts 0 tokens.", retryable=False)
        if self.event_ns:
            return len(self.event_ns), CountSource.EVENTS
        raise EndpointError(
            "The reply has neither usage nor timings, so how many tokens it has is unknown and nothing can be"
            " measured.",
            retryable=False,
        )

    def _drafts(self) -> _Drafts:
        """Return the first account that does not contradict itself; an empty one, not 0, where the server is silent."""
        for account in self._accounts():
            if account.drafted is not None:
                if account.accepted is None or account.accepted <= account.drafted:
                    return account
                self.malformed.add(account.field)
        return _Drafts()

    def _accounts(self) -> Iterator[_Drafts]:
        timings = self._timings
        if self._zero_drafts_left_out and timings.predicted_n is not None and _leaves_drafts_out(timings):
            yield _Drafts(0, 0, CountSource.TIMINGS)
        yield _Drafts(timings.draft_n, timings.draft_n_accepted, CountSource.TIMINGS, "draft_n_accepted")
        if (rounds := self._logged_rounds()) is not None:
            yield _Drafts(sum(r.k for r in rounds), sum(r.accepted for r in rounds), CountSource.SPECULATION)
        if vllm := self._metrics.speculative_decoding:
            accepted, field = vllm.num_accepted_draft_tokens, "num_accepted_draft_tokens"
            yield _Drafts(vllm.num_draft_tokens, accepted, CountSource.SPECULATION, field)
        accepted, field = self._stats.accepted_draft_tokens_count, "accepted_draft_tokens_count"
        yield _Drafts(self._stats.total_draft_tokens_count, accepted, CountSource.SPECULATION, field)
        if details := self._usage.completion_tokens_details:
            accepted = details.accepted_prediction_tokens
            drafted = _sum_if_known(accepted, details.rejected_prediction_tokens)
            # Two zeros say nothing: many servers that never count drafts fill OpenAI's fields with them.
            yield _Drafts(drafted or None, accepted, CountSource.USAGE)

    def _rounds(self, tokens: int, drafts: _Drafts) -> tuple[Round, ...] | None:
        logged = self._logged_rounds()
        if logged is not None or drafts.source is not CountSource.TIMINGS:
            return logged
        counts = [count for count in self._running if count is not None]
        if not self._counts_run_along or len(counts) < len(self._running):
            return None
        ends_in_totals = counts[-1] == RunningCount(tokens, drafts.drafted or 0, drafts.accepted or 0)
        return rounds_behind(counts) if ends_in_totals else None

    def _logged_rounds(self) -> tuple[Round, ...] | None:
        rounds = self._speculation.rounds if self._speculation else None
        return None if rounds is None else tuple(rounds)


def _running_count(timings: Timings) -> RunningCount | None:
    """Return what the server had counted so far; ``None`` if it says so only in part."""
    if timings.predicted_n is None:
        return None
    if _leaves_drafts_out(timings):
        return RunningCount(timings.predicted_n, 0, 0)
    if timings.draft_n is None or timings.draft_n_accepted is None:
        return None
    return RunningCount(timings.predicted_n, timings.draft_n, timings.draft_n_accepted)


def _leaves_drafts_out(timings: Timings) -> bool:
    """Tell whether the draft counts were not sent at all; what was sent and made no sense is ``None`` as well."""
    return timings.model_fields_set.isdisjoint({"draft_n", "draft_n_accepted"})


def _first_known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _sum_if_known(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
