"""Which processes of this machine are the server that is measured: those that listen where it is reached."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from halospec.telemetry.protocol import Missing

SOURCE = "server"
NAME_IT = "give its process with --server-pid"

FORWARDERS = frozenset(
    (
        *("docker-proxy", "rootlessport", "slirp4netns", "pasta", "passt", "conmon", "com.docker.backend", "gvproxy"),
        *("wslrelay", "ssh", "sshd", "kubectl", "socat", "haproxy", "nginx", "envoy", "traefik", "caddy"),
    )
)
"""Programs that hold a port and pass on what comes: what they use is not what the server uses."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ANY_ADDRESS = frozenset(("0.0.0.0", "::"))  # noqa: S104  (looked for, not bound)


@dataclass(frozen=True)
class Place:
    """Where a server listens on this machine.

    Attributes
    ----------
    addresses
        Under any of which it is reached.
    """

    port: int
    addresses: frozenset[str]

    def is_held_by(self, connection: object) -> bool:
        """Tell whether one of psutil's connections is a socket that listens here."""
        local = getattr(connection, "laddr", ())
        if getattr(connection, "status", "") != psutil.CONN_LISTEN or not local or local.port != self.port:
            return False
        address = local.ip.removeprefix("::ffff:")
        return address in self.addresses or address in _ANY_ADDRESS


def place_of(url: str) -> Place | Missing:
    """Return where the server of a URL listens, if that is on this machine."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    try:
        asked = {str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        return Missing(SOURCE, f"the address of {host} is not known ({error.strerror or error})")
    if asked & _ANY_ADDRESS or any(ipaddress.ip_address(_without_zone(address)).is_loopback for address in asked):
        return Place(port, frozenset((*asked, "127.0.0.1", "::1")))
    own = {_without_zone(at.address) for interface in psutil.net_if_addrs().values() for at in interface}
    here = frozenset(address for address in asked if _without_zone(address) in own)
    if here:
        return Place(port, here)
    return Missing(SOURCE, f"it runs on another machine ({host})", "run halospec on the server's own machine")


def processes_at(place: Place, *, among: Iterable[psutil.Process] | None = None) -> Sequence[psutil.Process] | Missing:
    """Return the processes that listen at a place; of a family that shares a socket the eldest.

    Parameters
    ----------
    among
        Where to look; all processes of this machine by default, which takes tens of milliseconds.
    """
    seen = _all_listeners(place) if among is None else _Listeners([one for one in among if _listens(one, place)])
    others = [one for one in seen.processes if one.pid != os.getpid()]
    if seen.processes and not others:
        return Missing(SOURCE, "it is a part of the process that measures")
    if not others and seen.may_be_hidden:
        reason = f"port {place.port} is held by a process that this user may not see"
        return Missing(SOURCE, reason, f"measure as a user who may see it, or {NAME_IT}")
    if not others:
        return Missing(SOURCE, f"no process of this machine listens on port {place.port}", NAME_IT)
    for one in others:
        forwarder = _forwarder(one)
        if forwarder is not None:
            reason = f"port {place.port} is held by {forwarder}, which only passes requests on to it"
            return Missing(SOURCE, reason, NAME_IT)
    eldest = {one.pid: one for one in (_eldest_of(other, place) for other in others)}
    return tuple(eldest.values())


def family_of(roots: Iterable[psutil.Process]) -> tuple[psutil.Process, ...]:
    """Return processes and all their descendants, each once, without the one that measures and its own.

    Those that have ended are left out. Takes a millisecond or more: the system keeps parents, not children.
    """
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            found.update((one.pid, one) for one in (root, *root.children(recursive=True)))
        except psutil.Error:
            continue
    if os.getpid() in found:
        ours = psutil.Process()
        for one in (ours, *ours.children(recursive=True)):
            found.pop(one.pid, None)
    return tuple(found.values())


def our_children() -> Sequence[psutil.Process]:
    """Return all descendants of this process: a server that we started is one of them."""
    try:
        return psutil.Process().children(recursive=True)
    except psutil.Error:
        return ()


@dataclass(frozen=True)
class _Listeners:
    """Processes that listen at a place.

    Attributes
    ----------
    may_be_hidden
        Whether one may that the system does not show to us.
    """

    processes: Sequence[psutil.Process]
    may_be_hidden: bool = False


def _all_listeners(place: Place) -> _Listeners:
    try:
        connections = [one for one in psutil.net_connections("tcp") if place.is_held_by(one)]
    except psutil.AccessDenied:
        # macOS tells nobody of all connections, but everybody of their own processes'.
        return _Listeners([one for one in psutil.process_iter() if _listens(one, place)], may_be_hidden=True)
    found = []
    for pid in sorted({connection.pid for connection in connections if connection.pid}):
        try:
            found.append(psutil.Process(pid))
        except psutil.Error:
            continue
    return _Listeners(found, may_be_hidden=bool(connections))


def _listens(process: psutil.Process, place: Place) -> bool:
    try:
        return any(map(place.is_held_by, process.net_connections("tcp")))
    except (psutil.Error, OSError):
        return False


def _forwarder(process: psutil.Process) -> str | None:
    """Return the name of a program that only passes on what it gets; None if it is not one."""
    try:
        names = [process.name(), *(os.path.basename(part) for part in process.cmdline()[:1])]  # noqa: PTH119
    except psutil.Error:
        return None
    return next((name for name in names if _is_forwarder(name.lower().removesuffix(".exe"))), None)


def _is_forwarder(name: str) -> bool:
    # One program may be built for several instruction sets: pasta.avx2.
    return name in FORWARDERS or name.partition(".")[0] in FORWARDERS


def _eldest_of(process: psutil.Process, place: Place) -> psutil.Process:
    """Return the first of a line of parents that all hold the socket; the system names any of them as its holder."""
    with suppress(psutil.Error):
        for above in process.parents():
            if above.pid == os.getpid() or not _listens(above, place):
                break
            process = above
    return process


def _without_zone(address: str) -> str:
    return address.partition("%")[0]
