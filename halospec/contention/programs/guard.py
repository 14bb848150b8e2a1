"""Runs a command of the user's, and ends all that came of it: ``guard PROGRAM ARGUMENT…``.

The command reads nothing, and what it says is kept only to explain an early end. The guard lasts as long as anything
of the command that it knows of. It ends it all when the lifeline ends, when the level returns to 0, and on SIGTERM: all
are asked first, and killed a little later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from halospec.contention.programs.lifeline import Lifeline
from halospec.contention.programs.tree import Tree, start_tree

SETTLING_S = 0.2
"""A command that is over by then was no load, and what it said tells why."""

GRACE_S = 0.4
"""How long the command and what it started may take to end by themselves."""

KILLING_S = 10.0
"""What cannot be killed for so long hangs in the system or belongs to another user."""

_LOOK_AGAIN_S = 0.02
_KEPT_BYTES = 4096
_KEPT_CHARS = 200


class _LastWords:
    """Takes in all that a command says, so that it never has to wait, and keeps the last of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def line(self) -> str:
        """Return the last line that was said, fit for a sentence; empty if there was none."""
        self._thread.join(_LOOK_AGAIN_S * 5)
        lines = self._kept.decode(errors="replace").strip().splitlines() or [""]
        return "".join(one if one.isprintable() else " " for one in lines[-1]).strip()[:_KEPT_CHARS]

    def _listen(self) -> None:
        while piece := os.read(self._descriptor, _KEPT_BYTES):
            self._kept = (self._kept + piece)[-_KEPT_BYTES:]


class Guard:
    """Watches over a command until it is over, or somebody wants it to be."""

    def __init__(self, name: str, tree: Tree) -> None:
        self._name = name
        self._tree = tree
        self._wanted = True
        # Whose processes are waited for or signalled, by one thread at a time: an id that was waited for is anybody's.
        self._looking = threading.Lock()
        self._last_words = _LastWords(tree.output)

    def ask(self) -> None:
        """Have it all ended soon. For a signal's handler, which must not wait for a lock."""
        self._wanted = False

    def watch(self, lifeline: Lifeline) -> str | None:
        """Return when it is over or no longer wanted; with what went wrong, if the command failed by itself."""
        settled_s = time.monotonic() + SETTLING_S
        ready = was_on = False
        while self._wanted and not (was_on and not lifeline.level):
            with self._looking:
                has_ended = self._tree.has_ended()
            if has_ended:
                # What somebody else has ended did not fail.
                return self._failure(at_once=not ready) if self._wanted else None
            if not ready and time.monotonic() >= settled_s:
                lifeline.say_ready()
                ready = True
            was_on = was_on or lifeline.level > 0
            time.sleep(_LOOK_AGAIN_S)
        return None

    def end_all(self) -> None:
        """End it all and return when it is gone, or cannot be made to go."""
        self._wanted = False
        with self._looking:
            if self._tree.has_ended():
                return
            asked_s = time.monotonic()
            self._tree.ask_to_end()
            while not self._tree.has_ended() and time.monotonic() < asked_s + KILLING_S:
                if time.monotonic() >= asked_s + GRACE_S:
                    self._tree.kill()
                time.sleep(_LOOK_AGAIN_S)

    def _failure(self, *, at_once: bool) -> str | None:
        status = self._tree.status
        if not status and not at_once:
            return None
        how = f"was ended by signal {-status}" if status and status < 0 else f"ended with status {status}"
        said = self._last_words.line()
        return f"{self._name} {how}{' at once' if at_once else ''}" + (f", saying: {said}" if said else "")


def main(command: Sequence[str]) -> None:
    """Run the command given on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        # What ends the parent's whole process group, such as a terminal that closes, would end the guard before it
        # could end the command. The system continues a group that was stopped when its parent dies, and hangs it up.
        os.setpgid(0, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        # Before there are threads, so that nothing can be locked in the copy of this process that becomes the command.
        tree = start_tree(command)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        Lifeline().give_up(f"{command[0]} cannot be started: {reason}")
    guard = Guard(command[0], tree)
    signal.signal(signal.SIGTERM, lambda *_: guard.ask())
    lifeline = Lifeline(before_end=guard.end_all)
    try:
        failure = guard.watch(lifeline)
    finally:
        guard.end_all()
    if failure is None:
        lifeline.end()
    lifeline.give_up(failure)
