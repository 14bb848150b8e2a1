"""From the parts of a reply, as they arrive, to one :class:`Completion`; no I/O here."""

from __future__ import annotations

from halospec.endpoints.types import Completion, EndpointError
from halospec.endpoints.wire import ReplyPart, Speculation, Timings, Usage


class Reply:
    """What has arrived of one reply.

    Text is all that the model produced, reasoning included and in the order of arrival: reasoning tokens are decoded,
    drafted and counted in ``usage`` like all others, so the first of them is the first token, and texts that are
    compared between modes must hold them. An event without text (the role, the ``finish_reason``) is no content event.

    Of ``usage``, ``timings`` and ``speculation`` the last one counts, since some servers send running totals.
    """

    def __init__(self) -> None:
        self.event_ns: list[int] = []
        self.ended_ns: int | None = None
        self.finish_reason: str | None = None
        self.malformed: set[str] = set()
        self._texts: list[str] = []
        self._has_choice = False
        self._usage: Usage | None = None
        self._timings: Timings | None = None
        self._speculation: Speculation | None = None

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
        self._usage = part.usage or self._usage
        self._timings = part.timings or self._timings
        self._speculation = part.speculation or self._speculation

    def completion(self) -> Completion:
        """Return the reply as a whole.

        ``drafted`` and ``accepted`` are the server's totals (``timings.draft_n``), else the sums over its rounds.
        Where it gives neither they are ``None``, not 0: llama-server leaves ``draft_n`` out when nothing was drafted,
        but servers that never report it send the same ``timings``, and one reply cannot tell the two apart. Ratios of
        sums lose nothing by it, since such a request would add 0 to both.

        Raises
        ------
        EndpointError
            If there are no choices, no tokens, or no count of them.
        """
        if not self._has_choice:
            raise EndpointError("The reply holds no choices.", retryable=True)
        text = "".join(self._texts)
        usage, timings = self._usage or Usage(), self._timings or Timings()
        drafted, accepted = self._draft_counts(timings)
        rounds = self._speculation.rounds if self._speculation else None
        details = usage.prompt_tokens_details
        return Completion(
            text=text,
            finish_reason=self.finish_reason,
            completion_tokens=_token_count(text, usage, timings),
            prompt_tokens=_first_known(usage.prompt_tokens, _sum_if_known(timings.cache_n, timings.prompt_n)),
            cached_tokens=_first_known(details.cached_tokens if details else None, timings.cache_n),
            drafted=drafted,
            accepted=accepted,
            rounds=None if rounds is None else len(rounds),
            round_log=tuple(rounds or ()),
            prompt_ms=timings.prompt_ms,
            predicted_ms=timings.predicted_ms,
            event_ns=tuple(self.event_ns),
            ended_ns=self.ended_ns,
        )

    def _draft_counts(self, timings: Timings) -> tuple[int | None, int | None]:
        rounds = self._speculation.rounds if self._speculation else None
        drafted = _first_known(timings.draft_n, None if rounds is None else sum(r.k for r in rounds))
        accepted = _first_known(timings.draft_n_accepted, None if rounds is None else sum(r.accepted for r in rounds))
        if drafted is not None and accepted is not None and accepted > drafted:
            self.malformed.add("draft_n_accepted")
            return None, None
        return drafted, accepted


def _token_count(text: str, usage: Usage, timings: Timings) -> int:
    counts = [n for n in (usage.completion_tokens, timings.predicted_n) if n is not None]
    for count in counts:
        if count > 0:
            return count
    if not text:
        raise EndpointError("The reply has 0 tokens.", retryable=True)
    if counts:
        raise EndpointError("The reply has text but counts 0 tokens.", retryable=False)
    raise EndpointError(
        "The reply has neither usage nor timings, so how many tokens it has is unknown and nothing can be measured.",
        retryable=False,
    )


def _first_known(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _sum_if_known(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second
