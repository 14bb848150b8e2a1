"""Which processes are the server: real ones that listen; names of forwarders are pretended."""

from __future__ import annotations

import os
import socket

import psutil
import pytest

from halospec.telemetry.protocol import Missing
from halospec.telemetry.server_finding import family_of, our_children, place_of, processes_at


def reason_at(url: str) -> Missing:
    place = place_of(url)
    assert not isinstance(place, Missing)
    found = processes_at(place)
    assert isinstance(found, Missing)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
def test_a_loopback_address_is_this_machine(host):
    place = place_of(f"http://{host}:8080/v1")
    assert place.port == 8080
    assert {"127.0.0.1", "::1"} <= place.addresses


def test_a_url_without_a_port_means_its_schemes():
    assert place_of("http://127.0.0.1/v1").port == 80
    assert place_of("https://127.0.0.1/v1").port == 443


def test_a_server_on_another_machine_is_told_so():
    # An address that is set aside for documentation.
    missing = place_of("http://192.0.2.1:8080/v1")
    assert isinstance(missing, Missing)
    assert "another machine" in missing.reason


def test_the_process_that_listens_is_found(listen):
    server, _other = listen(), listen()
    found = processes_at(place_of(server.url))
    assert [one.pid for one in found] == [server.process.pid]
    assert [one.pid for one in processes_at(place_of(server.url), among=our_children())] == [server.process.pid]


def test_of_a_family_that_shares_the_socket_the_eldest_is_found_and_all_are_counted(listen):
    server = listen(0, "busy")
    found = processes_at(place_of(server.url))
    assert [one.pid for one in found] == [server.process.pid]
    family = {one.pid for one in family_of(found)}
    assert family == {server.process.pid, *(child.pid for child in server.seen.children())}
    assert len(family) == 2


def test_a_port_where_nothing_listens_is_told_with_a_remedy(listen):
    server = listen()
    server.end()
    missing = reason_at(server.url)
    assert str(server.port) in missing.reason
    assert "--server-pid" in missing.remedy


@pytest.mark.parametrize(
    "name", ["docker-proxy", "rootlessport", "pasta.avx2", "wslrelay.exe", "com.docker.backend.exe", "conmon", "ssh"]
)
def test_what_only_passes_requests_on_is_not_the_server(listen, monkeypatch, name):
    server = listen()
    monkeypatch.setattr(psutil.Process, "name", lambda _self: name)
    missing = reason_at(server.url)
    assert name in missing.reason
    assert "--server-pid" in missing.remedy


def test_a_server_within_the_measuring_process_is_not_counted_as_one():
    with socket.create_server(("127.0.0.1", 0)) as here:
        missing = reason_at(f"http://127.0.0.1:{here.getsockname()[1]}/v1")
    assert "the process that measures" in missing.reason


def test_where_the_system_shows_no_connections_of_others_each_process_is_asked(listen, monkeypatch):
    server = listen()

    def refuse(_kind):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    assert [one.pid for one in processes_at(place_of(server.url))] == [server.process.pid]
    server.end()
    assert "may not see" in reason_at(server.url).reason


def test_the_family_of_an_ancestor_is_without_the_one_that_measures(listen):
    server = listen()
    family = {one.pid for one in family_of((psutil.Process(),))}
    assert os.getpid() not in family
    assert server.process.pid not in family


def test_processes_that_have_ended_have_no_family(listen):
    server = listen()
    seen = server.seen
    server.end()
    assert family_of((seen,)) == ()
