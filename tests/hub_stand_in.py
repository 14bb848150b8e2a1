"""A stand-in for the Hugging Face hub on the loopback: enough of its HTTP interface for the real client.

It knows one repository with some files, says of them what the hub says (size, SHA-256, commit), and fails in the ways
that the hub and networks fail, when told to.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

REPO = "tiny/pair-GGUF"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LICENCE = "apache-2.0"


@dataclass
class HubStandIn:
    """What the stand-in serves and how it behaves.

    Attributes
    ----------
    files
        The repository's files by name.
    corrupt
        Whether it sends other bytes than it says.
    broken_off
        Whether a download breaks off halfway.
    refusal
        A status and the hub's own word for the error, answered to everything that is for accepted accounts.
    token
        Of the account whose owner accepted the licence, where the repository is gated.
    requests
        ``METHOD path`` of every request that came.
    """

    files: Mapping[str, Path]
    url: str = ""
    gated: bool = False
    token: str | None = None
    corrupt: bool = False
    broken_off: bool = False
    without_checksums: bool = False
    refusal: tuple[int, str] | None = None
    requests: list[str] = field(default_factory=list)

    @property
    def downloads(self) -> list[str]:
        """Names of the files that were asked for, in order."""
        return [line.rsplit("/", 1)[-1] for line in self.requests if line.startswith("GET") and "/resolve/" in line]


@contextmanager
def serving_hub(files: Mapping[str, Path]) -> Iterator[HubStandIn]:
    """Serve files as the hub would, on a free port of the loopback."""
    hub = HubStandIn(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_arguments: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.refusal is not None:
            self._refuse(*self.hub.refusal)
        elif path in (
            f"/api/models/{REPO}",
            f"/api/models/{REPO}/revision/main",
            f"/api/models/{REPO}/revision/{COMMIT}",
        ):
            self._describe()
        elif path.startswith(f"/api/models/{REPO}/revision/"):
            self._refuse(404, "RevisionNotFound")
        elif path.startswith(f"/{REPO}/resolve/"):
            self._resolve(path.removeprefix(f"/{REPO}/resolve/").split("/", 1)[1])
        else:
            self._refuse(401, "RepoNotFound")

    def _describe(self) -> None:
        body = json.dumps(
            {
                "id": REPO,
                "sha": COMMIT,
                "gated": "manual" if self.hub.gated else False,
                "cardData": {"license": LICENCE},
                "siblings": [self._sibling(name, path) for name, path in self.hub.files.items()],
            }
        ).encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _sibling(self, name: str, path: Path) -> dict[str, Any]:
        size = path.stat().st_size
        plain = {"rfilename": name, "size": size, "blobId": "0" * 40}
        if self.hub.without_checksums:
            return plain
        return plain | {"lfs": {"size": size, "sha256": sha256(path), "pointerSize": 130}}

    def _resolve(self, name: str) -> None:
        if self.hub.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._refuse(403, "GatedRepo")
            return
        path = self.hub.files[name]
        content = path.read_bytes()
        headers = {
            "ETag": f'"{sha256(path)}"',
            "X-Linked-Etag": f'"{sha256(path)}"',
            "X-Linked-Size": str(len(content)),
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(content)),
        }
        self._head(200, headers)
        if self.command == "HEAD":
            return
        if self.hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if self.hub.broken_off:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            # Closed without lingering, a connection is reset: what a client sees when a network goes away.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.wfile.write(content)

    def _refuse(self, status: int, word: str) -> None:
        self._head(status, {"X-Error-Code": word, "Content-Length": "0"})

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def sha256(path: Path) -> str:
    """Return a file's checksum."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
