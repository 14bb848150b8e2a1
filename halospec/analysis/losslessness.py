"""Whether speculation changed the text: at temperature 0 it must not, up to ties in the logits."""

from __future__ import annotations

from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.observation import Observations, by_mode, successes
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


def losslessness(observations: Observations, temperature: float | None) -> Losslessness | None:
    """Compare texts by their hashes; ``None`` unless the temperature is 0 and ``fixed_0`` left hashes to compare."""
    if temperature != 0:
        return None
    replies = by_mode(successes(observations))
    reference: dict[str, str] = {}
    for seen in replies.get(NO_SPECULATION, ()):
        if seen.prompt_id is not None and seen.text_sha256 is not None:
            reference.setdefault(seen.prompt_id, seen.text_sha256)
    if not reference:
        return None
    return Losslessness(
        reference_mode=NO_SPECULATION,
        modes=tuple(_agreement(mode, seen, reference) for mode, seen in replies.items()),
    )


def _agreement(mode: str, replies: Observations, reference: dict[str, str]) -> TextAgreement:
    same = [
        seen.text_sha256 == reference[seen.prompt_id]
        for seen in replies
        if seen.text_sha256 is not None and seen.prompt_id in reference
    ]
    return TextAgreement(mode=mode, compared=len(same), agreeing=sum(same))
