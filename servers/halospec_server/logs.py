"""How log lines look: for people, or as one JSON object each."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

_STANDARD = {*RESERVED_ATTRS, "message", "asctime", "taskName", "color_message"}
"""What `logging` itself, or uvicorn, puts into a record."""


class KeyValueFormatter(logging.Formatter):
    """Appends what a record carries besides its message as ``key=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line."""
        pairs = [f"{key}={_plain(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        return " ".join([super().formatMessage(record), *pairs])


def _plain(value: object) -> str:
    """Return a value that cannot be taken for several, nor for another line."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def configure_logging(level: str, form: LogFormat = "text") -> None:
    """Log to standard error.

    Parameters
    ----------
    level
        A name that `logging` knows, in any case.
    """
    formatter: logging.Formatter = KeyValueFormatter()
    if form == "json":
        formatter = JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=sorted(_STANDARD),
            timestamp=True,
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # A client that goes away in the middle of a stream is no news.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    # Their addresses of downloads may be signed.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
