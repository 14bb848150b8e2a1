"""Whether speculation changed the text: at temperature 0 it must not, up to ties in the logits."""

from __future__ import annotations

import numpy as np

from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.requests import Ints, Requests
from halospec.analysis.value import Value


class TextAgreement(Value):
    """How many of a mode's texts equal the reference's text for the same prompt.

    Attributes
    ----------
    compared
        Successful requests whose text is known and whose prompt the reference answered.
    """

    mode: str
    compared: int
    agreeing: int


class Losslessness(Value):
    """Agreement of every mode with plain decoding.

    The reference for a prompt is the first successful reply of ``fixed_0``. ``fixed_0`` itself is among the modes:
    where it disagrees with itself the server is not deterministic and the other rows say little.
    """

    reference_mode: str
    modes: tuple[TextAgreement, ...]


def losslessness(requests: Requests, temperature: float | None) -> Losslessness | None:
    """Compare texts by their hashes; ``None`` unless the temperature is 0 and ``fixed_0`` left hashes to compare.

    Requests whose prompt had a nonce before it are left out: no other one sent the same words.
    """
    if temperature != 0:
        return None
    successes = requests.successes
    comparable = successes.where(~successes.nonce & (successes.prompt >= 0) & (successes.text >= 0))
    plain = comparable.of_mode(NO_SPECULATION)
    if not len(plain):
        return None
    prompts, first = np.unique(plain.prompt, return_index=True)
    reference = np.full(len(requests.prompts), -1)
    reference[prompts] = plain.text[first]
    return Losslessness(
        reference_mode=NO_SPECULATION,
        modes=tuple(_agreement(mode, comparable.of_mode(mode), reference) for mode in successes.modes_here),
    )


def _agreement(mode: str, replies: Requests, reference: Ints) -> TextAgreement:
    expected = reference[replies.prompt]
    return TextAgreement(
        mode=mode,
        compared=int(np.count_nonzero(expected >= 0)),
        agreeing=int(np.count_nonzero(replies.text == expected)),
    )
