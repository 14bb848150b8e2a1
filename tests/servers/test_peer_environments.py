"""A peer's virtual environment counts as there once it was set up to its end, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest

from peer_environments import PeerEnvironment, output_of
from wheel_builds import Distribution, SetUpError

SOME = Distribution("some-llama", "1.2.3", ("-DOWN=1",), "py3", "JOBS")


def test_builds_with_other_flags_live_in_environments_of_their_own(tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    plain = PeerEnvironment.of(SOME, cache)
    assert PeerEnvironment.of(SOME, cache) == plain
    assert PeerEnvironment.of(SOME, cache | {"CMAKE_ARGS": "-DGGML_BLAS=ON"}) != plain
    assert tmp_path in plain.folder.parents


class TestProgram:
    def test_is_what_completed_the_set_up(self, tmp_path: Path) -> None:
        program = tmp_path / "llama-server"
        program.touch()
        peer = PeerEnvironment(tmp_path)
        assert peer.program is None
        peer.complete(program)
        assert peer.program == program

    def test_is_none_where_there_is_no_environment(self, tmp_path: Path) -> None:
        assert PeerEnvironment(tmp_path / "missing").program is None

    def test_is_none_where_the_program_has_gone(self, tmp_path: Path) -> None:
        peer = PeerEnvironment(tmp_path)
        peer.complete(tmp_path / "llama-server")
        assert peer.program is None


def test_a_program_that_is_missing_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetUpError, match=r"cannot be started: .*No such file or directory"):
        output_of(tmp_path / "missing", "--info")
