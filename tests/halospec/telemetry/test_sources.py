"""What is asked of telemetry, and the names that it goes by."""

from __future__ import annotations

import subprocess

import pytest
from pydantic import ValidationError

from halospec.config import RunSettings
from halospec.telemetry.samplers import SOURCES
from halospec.telemetry.sources import Source, sources_in


def test_each_source_has_what_opens_it():
    assert set(SOURCES) == set(Source)


def test_names_are_read_in_any_order_and_once():
    assert sources_in(" server,host, host") == (Source.HOST, Source.SERVER)
    assert sources_in("off") == ()


@pytest.mark.parametrize("text", ["hosts", "host,off", "", ","])
def test_what_is_no_source_is_refused_with_those_that_there_are(text):
    with pytest.raises(ValueError, match="host, server, gpu, energy, bandwidth"):
        sources_in(text)


def settings(tmp_path, **given: object) -> RunSettings:
    return RunSettings.model_validate({"url": "http://127.0.0.1:1", "out": tmp_path, **given})


def test_everything_is_read_by_default_ten_times_a_second(tmp_path):
    asked = settings(tmp_path)
    assert (asked.telemetry, asked.telemetry_hz, asked.server_pid) == (tuple(Source), 10.0, None)


def test_a_server_process_has_to_be_there(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(ValidationError, match=f"no process {ended.pid}"):
        settings(tmp_path, server_pid=ended.pid)


def test_a_server_process_is_no_use_without_telemetry_of_it(tmp_path):
    with pytest.raises(ValidationError, match="--telemetry leaves out"):
        settings(tmp_path, server_pid=1, telemetry=())


def test_its_number_is_not_kept_for_when_a_run_goes_on(tmp_path):
    assert "server_pid" not in settings(tmp_path, server_pid=1).model_dump()
