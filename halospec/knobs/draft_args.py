"""What ``{draft_args}`` stands for: the arguments with which a server is started for a draft length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from halospec.knobs.arguments import flags_in, split_arguments

PLACEHOLDER = "{draft_args}"
LENGTH = "{k}"
NO_SPECULATION = "--spec-type none"
NGRAM_EXAMPLE = (
    "--draft-args '--spec-type ngram-simple --spec-ngram-simple-size-n 3 --spec-ngram-simple-size-m {k}' (which drafts"
    " nothing at a k below size-n)"
)
"""A way to speculate without a draft model, for a sentence to a user who has none."""


@dataclass(frozen=True)
class DraftArgs:
    """Arguments for k of 1 and more, and for k = 0; the default is llama-server's with a draft model.

    ``--spec-draft-n-max 0`` is no way to say k = 0: llama-server then starts and aborts at the first request.

    Attributes
    ----------
    with_k
        Holds ``{k}``.

    Raises
    ------
    ValueError
        If ``{k}`` is not there, or a quotation mark is not closed.
    """

    with_k: str = "--spec-type draft-simple --spec-draft-n-max {k}"
    without: str = NO_SPECULATION

    def __post_init__(self) -> None:
        if LENGTH not in self.with_k:
            raise ValueError(
                f"The draft arguments '{self.with_k}' hold no {LENGTH}, the place where the draft length goes."
            )
        split_arguments(self.with_k)
        split_arguments(self.without)

    @classmethod
    def given(cls, with_k: str | None, without: str | None) -> Self:
        """Return what a user gave, each part by default llama-server's; raises ValueError like the class."""
        default = cls()
        return cls(default.with_k if with_k is None else with_k, default.without if without is None else without)

    @classmethod
    def drafting(cls, spec_type: str) -> Self:
        """Return llama-server's arguments for one of its drafts, such as ``draft-mtp``."""
        return cls(f"--spec-type {spec_type} --spec-draft-n-max {LENGTH}")

    def expand(self, draft_length: int) -> tuple[str, ...]:
        """Return the arguments for a draft length."""
        template = self.with_k if draft_length > 0 else self.without
        return tuple(argument.replace(LENGTH, str(draft_length)) for argument in split_arguments(template))

    def replaced_flags(self, draft_length: int) -> frozenset[str]:
        """Return the flags that must not come from elsewhere too at this draft length.

        At k = 0 those of k > 0 are among them: without them a server would go on drafting.
        """
        flags = flags_in(split_arguments(self.with_k))
        return flags if draft_length > 0 else flags | flags_in(split_arguments(self.without))

    @property
    def flags(self) -> frozenset[str]:
        """All flags in either part."""
        return self.replaced_flags(0)
