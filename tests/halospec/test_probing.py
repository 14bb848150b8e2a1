"""A probe of a server that is to be started, and what is left of it."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from halospec.config import TargetSettings
from halospec.knobs.types import KnobError
from halospec.probe.settings import ProbeSettings
from halospec.probing import probe_server


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def probe_started_by(program: str) -> None:
    command = f"{program} --port {{port}} {{draft_args}}"
    settings = TargetSettings(server_command=command, knob="restart", draft_args="{k}", no_draft_args="0")
    probe_server(settings, ProbeSettings(), Console(quiet=True))


def test_the_log_that_the_sentence_names_is_there_to_be_read(temporary):
    with pytest.raises(KnobError, match="no such model") as failure:
        probe_started_by(shlex.join([sys.executable, "-c", "import sys; print('more'); sys.exit('no such model')"]))
    (log,) = temporary.glob("*/server.log")
    assert str(log) in str(failure.value)
    assert log.read_text().split() == ["more", "no", "such", "model"]


def test_where_no_log_is_named_nothing_is_left(temporary):
    with pytest.raises(KnobError, match="is not there"):
        probe_started_by("/nowhere/llama-server")
    assert list(temporary.iterdir()) == []
