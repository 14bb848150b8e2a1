"""How fit a machine is to measure on: the findings of ``halospec doctor``, which every manifest keeps."""

from __future__ import annotations

from enum import StrEnum

from halospec.records.manifest_part import ManifestPart


class State(StrEnum):
    """How a finding bears on measurements."""

    GOOD = "good"
    WARNING = "warning"
    """Numbers may be noisier than they need to be, or something cannot be measured."""
    BAD = "bad"
    """Numbers are likely wrong, or runs are likely to die."""
    UNKNOWN = "unknown"
    """It cannot be seen here."""
    NOTE = "note"
    """Neither good nor bad, but a reader of the numbers should know it."""


class Finding(ManifestPart):
    """One line of the doctor's.

    Attributes
    ----------
    name
        What was looked at, such as ``governor``; one or two words.
    found
        What it is, as a short sentence without a full stop.
    remedy
        What to do about it, likewise; ``None`` where nothing needs doing or nothing can be done.
    """

    name: str
    state: State
    found: str
    remedy: str | None = None
