"""How the parts write what they have found."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.analysis.printable import printable
from halospec.telemetry.host import host_facts


def machine() -> str:
    """Return which machine this is."""
    host = host_facts()
    return (
        f"{printable(host.cpu)}, {host.usable_cores} usable cores, {host.memory_bytes / 2**30:.0f} GiB, {host.system}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a Markdown table; the first columns are texts, the others numbers."""
    rule = ["---" if place < texts else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def signed(percent: float) -> str:
    """Return a percentage with its sign."""
    return f"{percent:+.1f}".replace("-", "−")
