"""Temperature above 0: rejection sampling that keeps the target's distribution.

Leviathan, Kalman and Matias 2023 (arXiv 2211.17192), algorithm 1; Chen et al. 2023 (arXiv 2302.01318): a token x
drawn from the draft's q is kept with probability min(1, p(x) / q(x)); the first one refused is replaced by a draw from
the normalised positive part of p − q. What comes out is distributed as p, whatever q is.
"""

from __future__ import annotations

import numpy as np

from halospec_server.decoding.sampling import Probabilities, Sampling, draw
from halospec_server.drafters.protocol import Draft
from halospec_server.llama import Logits
from halospec_server.verifiers.protocol import Verdict


class RejectionVerifier:
    """Keeps drafted tokens at random so that the text is distributed as the target's own.

    Parameters
    ----------
    sampling
        The request's setting; its temperature is above 0.
    rng
        The request's own source of randomness.
    """

    def __init__(self, sampling: Sampling, rng: np.random.Generator) -> None:
        self._sampling = sampling
        self._rng = rng

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        """Judge a draft; the token after the kept prefix comes from the residual, or after a full run from p.

        Rows after the first refusal are not looked at.
        """
        for i, proposed in enumerate(draft.tokens):
            target = self._sampling.distribution(rows[i])
            proposal = None if draft.distributions is None else draft.distributions[i]
            drafted_probability = 1.0 if proposal is None else float(proposal[proposed])
            # float(), here too: beside single precision, numpy would round the random number itself to it.
            if self._rng.random() * drafted_probability < float(target[proposed]):
                continue
            residual = _residual(target, proposal, proposed)
            return Verdict(accepted=i, token=draw(residual, self._rng))
        last = self._sampling.distribution(rows[len(draft.tokens)])
        return Verdict(accepted=len(draft.tokens), token=draw(last, self._rng))


def _residual(target: Probabilities, proposal: Probabilities | None, proposed: int) -> Probabilities:
    """Return (p − q)₊, not normalised; without a distribution q is a point mass on the proposed token.

    q may belong to a smaller vocabulary: it gives no probability to the rest.
    """
    residual = target.copy()
    if proposal is None:
        residual[proposed] = 0.0
    else:
        shared = residual[: len(proposal)]
        shared -= proposal
        np.maximum(shared, 0.0, out=shared)
    # With p = q up to rounding nothing may be left; then p itself is the right distribution.
    return residual if residual.max() > 0.0 else target
