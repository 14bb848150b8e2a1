"""From a request's body to what the engine is to do, or a refusal."""

from __future__ import annotations

import anyio

from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.sampling import Sampling
from halospec_server.http.chat_request import ChatCompletionRequest
from halospec_server.http.chat_template import ChatTemplate, TemplateRefusal
from halospec_server.http.errors import ApiError
from halospec_server.http.settings import ServerSettings

_LONG = 20_000
"""Characters from which on a prompt is turned into tokens beside the event loop, which can serve others meanwhile."""


class Intake:
    """Reads requests for one engine."""

    def __init__(self, engine: Engine, template: ChatTemplate, settings: ServerSettings) -> None:
        self._engine = engine
        self._template = template
        self._settings = settings
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def generations(self, body: ChatCompletionRequest) -> tuple[Generation, ...]:
        """Return what is to be generated for each choice.

        Raises
        ------
        ApiError
            If the request cannot be met.
        """
        sampling = self._sampling(body)
        self._check_threads(body)
        prompt = (
            self._prompt(body)
            if body.size < _LONG
            else await anyio.to_thread.run_sync(self._prompt, body, limiter=self._one_at_a_time)
        )
        room = self._engine.target.n_ctx - len(prompt)
        limit = body.token_limit
        length, policy = self._obeyed_draft_length(body)
        choices = tuple(
            Generation(
                prompt=prompt,
                max_tokens=room if limit is None else min(limit, room),
                sampling=sampling,
                draft_length=length,
                length_policy=policy,
                drafter="prompt_lookup" if body.drafter == "ngram" else body.drafter,
                p_min=self._settings.p_min if body.p_min is None else body.p_min,
                # numpy's seeds are not negative; OpenAI's may be.
                seed=None if body.seed is None else (body.seed + choice) % 2**64,
                ignore_eos=bool(body.ignore_eos),
                threads=body.threads,
                draft_threads=body.draft_threads,
                cache_prompt=body.cache_prompt is not False,
                top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
                explain=bool(body.explain),
            )
            for choice in range(body.n or 1)
        )
        self._check_names(choices[0])
        return choices

    def _prompt(self, body: ChatCompletionRequest) -> tuple[int, ...]:
        model = self._engine.target.model
        try:
            text = self._template.render([{"role": m.role, "content": m.text} for m in body.messages])
        except TemplateRefusal as refusal:
            raise ApiError(400, f"{refusal}.", param="messages") from refusal
        # A template that writes the bos token itself must not get a second one from the tokeniser.
        add_bos = model.adds_bos and not (self._template.bos and text.startswith(self._template.bos))
        prompt = tuple(model.tokenize(text, add_bos=add_bos))
        if not prompt:
            raise ApiError(400, "The messages render to an empty prompt.", param="messages")
        self._check_length(len(prompt))
        return prompt

    def _check_length(self, n: int) -> None:
        n_ctx, most = self._engine.target.n_ctx, self._settings.max_prompt_tokens
        if n >= n_ctx:
            sentence = f"The prompt has {n} tokens and the context holds {n_ctx}, the reply included."
        elif most is not None and n > most:
            sentence = f"The prompt has {n} tokens and this server takes at most {most}."
        else:
            return
        raise ApiError(400, sentence, param="messages", code="context_length_exceeded")

    def _sampling(self, body: ChatCompletionRequest) -> Sampling:
        return Sampling(
            temperature=1.0 if body.temperature is None else body.temperature,
            top_p=1.0 if body.top_p is None else body.top_p,
            top_k=max(body.top_k or 0, 0),
            min_p=body.min_p or 0.0,
            presence_penalty=body.presence_penalty or 0.0,
            frequency_penalty=body.frequency_penalty or 0.0,
            logit_bias=self._biases(body),
        )

    def _biases(self, body: ChatCompletionRequest) -> tuple[tuple[int, float], ...]:
        biases = tuple((int(token), bias) for token, bias in (body.logit_bias or {}).items())
        n_vocab = self._engine.target.model.n_vocab
        for token, _ in biases:
            if token >= n_vocab:
                raise ApiError(
                    400, f"logit_bias: there is no token {token}, they go from 0 to {n_vocab - 1}.", param="logit_bias"
                )
        return biases

    def _check_threads(self, body: ChatCompletionRequest) -> None:
        most = self._settings.max_threads
        for name, threads in (("threads", body.threads), ("draft_threads", body.draft_threads)):
            if threads is not None and threads > most:
                raise ApiError(400, f"{name}: this server uses at most {most} threads.", param=name)

    def _draft_length(self, body: ChatCompletionRequest) -> tuple[int | None, str | None]:
        """Return the draft length, or None and the name of the policy that chooses it."""
        wanted = body.draft_length
        if wanted is None:
            wanted = self._settings.draft_length if body.length_policy is None else "auto"
        if wanted == "auto":
            return None, self._settings.length_policy if body.length_policy is None else body.length_policy
        if body.length_policy is not None:
            raise ApiError(
                400, f'length_policy: it chooses nothing when draft_length is {wanted}; make that "auto".',
                param="length_policy",
            )  # fmt: skip
        return wanted, None

    def _obeyed_draft_length(self, body: ChatCompletionRequest) -> tuple[int | None, str | None]:
        """Return the draft length that is asked for, or the one that all requests are decoded with."""
        asked = self._draft_length(body)
        pinned = self._settings.pinned_draft_length
        return asked if pinned is None else (pinned, None)

    def _check_names(self, generation: Generation) -> None:
        known = (*self._engine.drafters, "none")
        if generation.drafter is not None and generation.drafter not in known:
            raise ApiError(
                400, f"drafter: this server has no {generation.drafter}, but {', '.join(known)}.", param="drafter"
            )
        try:
            self._engine.check(generation)
        except ValueError as error:
            raise ApiError(400, f"length_policy: {error}", param="length_policy") from error
