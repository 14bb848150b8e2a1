"""Serve a pair in a process of its own: ``python serve_tiny.py TARGET DRAFT PORT GRACE_S LOG_FORMAT``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import cast

from halospec_server.http.app import ServerSettings, create_app
from halospec_server.http.serving import serve_app
from halospec_server.logs import LogFormat, configure_logging
from tiny_engines import open_engine
from tiny_server import card_of, template_of


def main(target: str, draft: str, port: str, grace_s: str, log_format: str) -> None:
    configure_logging("info", cast(LogFormat, log_format))
    settings = ServerSettings(draft_length=2, shutdown_grace_s=float(grace_s))
    with closing(open_engine((Path(target), Path(draft)), ctx_size=60_000, parallel=2)) as engine:
        app = create_app(engine, template_of(engine), card_of(engine, settings), settings)
        serve_app(app, host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
