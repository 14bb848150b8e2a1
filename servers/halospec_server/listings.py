"""What ``halospec serve`` can list instead of serving: pairs and devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from halospec_server.devices import Device
from halospec_server.model_files import embedded
from halospec_server.model_files.pairs import EMBEDDED_PAIR, HubModel, HubPair

_EMBEDDED_PARAMS_MILLIONS = 135


def pairs_table(pairs: Iterable[HubPair]) -> Table:
    """Return the pairs that ``--pair`` takes, the embedded one first."""
    table = Table("pair", "family", "model", "millions", "MB", "KV kB/position", "licence", "file", box=None)
    table.caption = (
        "Only the embedded pair was ever run; figures are rounded. Before a file is fetched, its size, licence and "
        "SHA-256 are asked of the hub."
    )
    f32, q4_1 = embedded.EmbeddedFile("F32"), embedded.EmbeddedFile("Q4_1")
    for role, file in (("target", f32), ("draft", q4_1)):
        first = role == "target"
        table.add_row(
            EMBEDDED_PAIR if first else "",
            "SmolLM2" if first else "",
            role,
            f"{_EMBEDDED_PARAMS_MILLIONS}",
            f"{file.size_bytes / 1e6:.0f}",
            f"{embedded.SHAPE.kv_bytes_per_position / 1e3:.0f}",
            embedded.LICENCE,
            f"{file.path.name}, from {embedded.PACKAGE}",
        )
    for pair in pairs:
        table.add_row(pair.name, pair.family, "target", *_figures(pair.target))
        table.add_row("", "", "draft", *_figures(pair.draft))
    return table


def devices_table(devices: Sequence[Device]) -> Table:
    """Return what llama.cpp can compute on."""
    table = Table("device", "kind", "free GB", "of GB", "description", box=None)
    for device in devices:
        table.add_row(
            device.name,
            device.kind,
            f"{device.free_bytes / 1e9:.1f}",
            f"{device.total_bytes / 1e9:.1f}",
            device.description,
        )
    return table


def _figures(model: HubModel) -> tuple[str, ...]:
    return (
        f"{model.params_millions}",
        f"{model.size_mb}",
        f"{model.attention.kv_bytes_per_position / 1e3:.0f}",
        f"{model.licence}{' (gated)' if model.gated else ''}",
        str(model.source),
    )
