"""What a llama-server's command line says of speculation: Lemonade and llama-server's router show those they start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_TYPE = "--spec-type"
_DEFAULT_CONFIGURATION = "--spec-default"
_DRAFT_MODEL = ("-md", "--model-draft", "--spec-draft-model", "-hfd", "-hfrd", "--hf-repo-draft", "--spec-draft-hf")
_NO_TYPE = "none"
# Each drafter has a flag of its own for its longest draft; those with a draft model share one.
_LENGTH = {
    "ngram-simple": "--spec-ngram-simple-size-m",
    "ngram-map-k": "--spec-ngram-map-k-size-m",
    "ngram-map-k4v": "--spec-ngram-map-k4v-size-m",
    "ngram-mod": "--spec-ngram-mod-n-max",
}
_DRAFT_MODEL_LENGTH = "--spec-draft-n-max"
_MOST_DIGITS = 9


@dataclass(frozen=True)
class LaunchedSpeculation:
    """Speculation as a command line sets it up.

    Attributes
    ----------
    says
        The arguments that it rests on, or that there are none.
    draft_length
        The longest draft, where the command line names one.
    """

    configured: bool
    says: str
    draft_length: int | None = None


def speculation_of(arguments: Sequence[str]) -> LaunchedSpeculation:
    """Read a llama-server's arguments; a draft model alone switches nothing on there."""
    types = [kind for kind in (_value_of(_TYPE, arguments) or _NO_TYPE).split(",") if kind != _NO_TYPE]
    if types:
        flags = dict.fromkeys(_LENGTH.get(kind, _DRAFT_MODEL_LENGTH) for kind in types)
        lengths = {flag: value for flag in flags if (value := _value_of(flag, arguments)) is not None}
        named = " ".join(f"{flag} {value}" for flag, value in lengths.items())
        longest = [int(value) for value in lengths.values() if value.isdecimal() and len(value) <= _MOST_DIGITS]
        return LaunchedSpeculation(
            configured=True,
            says=f"started with {_TYPE} {','.join(types)} {named}".rstrip(),
            draft_length=max(longest, default=None),
        )
    if _DEFAULT_CONFIGURATION in arguments:
        return LaunchedSpeculation(configured=True, says=f"started with {_DEFAULT_CONFIGURATION}")
    draft_model = next((flag for flag in _DRAFT_MODEL if flag in arguments), None)
    if draft_model is not None:
        return LaunchedSpeculation(
            configured=False,
            says=f"started with a draft model ({draft_model}) but without {_TYPE}, so it drafts nothing",
        )
    return LaunchedSpeculation(configured=False, says=f"started without {_TYPE}")


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """Return the last value given: of repeated flags the last one counts."""
    values = [value for name, value in pairwise(arguments) if name == flag]
    return values[-1] if values else None
