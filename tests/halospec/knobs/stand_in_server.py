"""A stand-in for a user's server: it answers its health page, notes how it was started, and misbehaves if told to.

Run by path. It stands for llama-server where only starting and ending matter; it decodes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--notes", type=Path, required=True, help="one JSON line a start goes here")
parser.add_argument("--say", help="a last word, followed by an end with status 3")
parser.add_argument("--die-of", help="a signal's name")
parser.add_argument("--busy-looks", type=int, default=0, help="so many looks at its health are told that it loads")
parser.add_argument("--health-status", type=int, default=200)
parser.add_argument("--models-status", type=int, default=404)
parser.add_argument("--mute", action="store_true", help="never listens")
parser.add_argument("--stubborn", action="store_true", help="does not end when asked to")
parser.add_argument("--with-child", action="store_true", help="starts a process of its own")
parser.add_argument("--api-key")
options, unknown = parser.parse_known_args()

if options.stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = None
if options.with_child:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
note = {
    "draft": unknown,
    "pid": os.getpid(),
    "child": child.pid if child else None,
    "variables": sorted(name for name in os.environ if name.startswith(("HALOSPEC", "LLAMA"))),
}
with options.notes.open("a") as notes:
    notes.write(json.dumps(note) + "\n")
if options.say:
    sys.stderr.write(f"an earlier line\n\n{options.say}\n")
    sys.exit(3)
if options.die_of:
    os.kill(os.getpid(), getattr(signal, options.die_of))
if options.mute:
    threading.Event().wait()


class Handler(BaseHTTPRequestHandler):
    looks = 0

    def do_GET(self) -> None:
        if self.path == "/health":
            Handler.looks += 1
            self.send_response(503 if Handler.looks <= options.busy_looks else options.health_status)
        elif self.path == "/v1/models":
            self.send_response(options.models_status)
        else:
            self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Die in the middle of a request, as llama-server does with --spec-draft-n-max 0."""
        os._exit(134)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
