"""Which sources there are, and what opens them."""

from __future__ import annotations

from collections.abc import Mapping

from halospec.telemetry.bandwidth import open_bandwidth
from halospec.telemetry.energy import open_energy
from halospec.telemetry.gpus import open_gpus
from halospec.telemetry.host_sampler import open_host
from halospec.telemetry.protocol import Opener
from halospec.telemetry.server_sampler import open_server
from halospec.telemetry.sources import Source

SOURCES: Mapping[Source, Opener] = {
    Source.HOST: open_host,
    Source.SERVER: open_server,
    Source.GPU: open_gpus,
    Source.ENERGY: open_energy,
    Source.BANDWIDTH: open_bandwidth,
}
