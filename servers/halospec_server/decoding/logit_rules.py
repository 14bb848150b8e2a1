"""What a request does to logits before a token is chosen: bans, biases, and penalties on what is written already."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from halospec_server.decoding.sampling import Sampling, TokenIds
from halospec_server.llama import Logits


class LogitRules:
    """One request's rules, and how often each token has been generated so far.

    A generated token's logit becomes ``logit + bias − presence · [count > 0] − frequency · count``, OpenAI's formula.
    As in vLLM, ``count`` is of tokens generated so far: the prompt's are not penalised.

    Parameters
    ----------
    sampling
        Holds the penalties and biases; ids in ``logit_bias`` are not negative.
    banned
        Tokens that are never chosen, whatever their bias.
    """

    def __init__(self, sampling: Sampling, banned: TokenIds) -> None:
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        self._bias: dict[int, float] = {}
        for token, bias in sampling.logit_bias:
            self._bias[token] = self._bias.get(token, 0.0) + bias
        self.banned = frozenset(banned.tolist())
        self._bias |= dict.fromkeys(self.banned, -np.inf)
        self._counts: Counter[int] = Counter()
        # Every token whose logit changes, and what is added to it: arrays that numpy can look at, yet that can grow.
        self._tokens = array("q", self._bias)
        self._shifts = array("f", self._bias.values())
        self._places = {token: place for place, token in enumerate(self._tokens)}
        self._largest = max(self._tokens, default=-1)

    @property
    def active(self) -> bool:
        """Whether `apply` and `record` do anything."""
        return bool(self._bias) or self._penalises

    @property
    def _penalises(self) -> bool:
        return self._presence != 0.0 or self._frequency != 0.0

    def record(self, tokens: Sequence[int]) -> None:
        """Count tokens that are now part of the generated text."""
        if not self._penalises:
            return
        self._counts.update(tokens)
        for token in set(tokens):
            place = self._places.setdefault(token, len(self._tokens))
            if place == len(self._tokens):
                self._tokens.append(token)
                self._shifts.append(0.0)
                self._largest = max(self._largest, token)
            self._shifts[place] = self._shift(token, self._counts[token])

    def apply(self, row: Logits, drafted: Sequence[int]) -> None:
        """Shape a row of logits in place, as though ``drafted`` followed the recorded text.

        Parameters
        ----------
        row
            Shape (n_vocab,). A draft model's may be narrower than the target's: tokens beyond it are left out.
        """
        if not self._penalises:
            self._shift_recorded(row)
            return
        upcoming = Counter(drafted)
        # Shifted once, by a sum formed in the same way, a logit is to the last bit what it would be if these tokens
        # were recorded: greedy texts must not depend on what was drafted.
        untouched = {token: row[token] for token in upcoming if token < len(row)}
        self._shift_recorded(row)
        for token, logit in untouched.items():
            row[token] = logit + np.float32(self._shift(token, self._counts[token] + upcoming[token]))

    def _shift_recorded(self, row: Logits) -> None:
        if not self._tokens:
            return
        tokens = np.frombuffer(self._tokens, dtype=np.int64)
        shifts = np.frombuffer(self._shifts, dtype=np.float32)
        if self._largest >= len(row):
            within = tokens < len(row)
            tokens, shifts = tokens[within], shifts[within]
        row[tokens] += shifts

    def _shift(self, token: int, count: int) -> float:
        """Return what is added to the logit of a token that stands in the text ``count`` times, at least once."""
        return self._bias.get(token, 0.0) - self._presence - self._frequency * count
