"""Results of benchmarks/engine.py as a test wants them."""

from __future__ import annotations

from engine_peers.records import Measurement, Memory, Reply, Session, SystemName
from halospec.telemetry.host import HostFacts

MIB = 2**20


def measurement(
    system: SystemName = "halospec",
    draft_length: int = 0,
    clients: int = 1,
    repetition: int = 0,
    *,
    attempt: int = 1,
    ms_per_token: float = 10.0,
    first_token_ms: float = 50.0,
    tokens: int = 11,
    texts: tuple[str, ...] = (),
    resident_mib: int = 900,
    outside_decode: float | None = None,
) -> Measurement:
    """Return a measurement of replies that all took the same time; the wall time is theirs."""
    ended_ms = first_token_ms + ms_per_token * (tokens - 1)
    replies = tuple(
        Reply(
            prompt_id=f"prompt-{i}",
            text=texts[i] if texts else "the text",
            tokens=tokens,
            prompt_tokens=20,
            drafted=10 * draft_length,
            accepted=8 * draft_length,
            first_token_ms=first_token_ms,
            ended_ms=ended_ms,
        )
        for i in range(clients)
    )
    return Measurement(
        repetition=repetition,
        attempt=attempt,
        system=system,
        draft_length=draft_length,
        clients=clients,
        replies=replies,
        wall_ms=ended_ms,
        outside_decode=outside_decode,
        foreign_load=0.01,
        memory=Memory(resident_bytes=resident_mib * MIB, private_bytes=100 * MIB, peak_bytes=resident_mib * MIB),
    )


def session() -> Session:
    """Return a session on a made-up machine."""
    host = HostFacts(
        system="TestOS",
        machine="x86_64",
        python="3.11.0",
        cpu="Some CPU",
        physical_cores=2,
        logical_cores=2,
        usable_cores=2,
        memory_bytes=8 * 2**30,
        gpus=(),
        load_average_1m=0.0,
    )
    return Session(
        host=host,
        command="python benchmarks/engine.py",
        versions={"halospec": "0.1.0"},
        target="target.gguf",
        draft="draft.gguf",
        threads=2,
        ctx_size=1024,
        parallel=4,
        tokens=11,
        seed=1,
    )
