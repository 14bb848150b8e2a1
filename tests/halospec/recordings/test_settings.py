from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from halospec.contention.loads import Load, MemoryLoad
from halospec.recordings.settings import RecordingSettings
from halospec.recordings.visits import QUIET_MACHINE, Condition, ThreadSetting, burning


def settings(**given: object) -> RecordingSettings:
    return RecordingSettings.model_validate({"out": Path("recording"), **given})


def test_the_pair_is_called_by_its_draft_where_it_has_no_name():
    assert settings().pair_name == "twin"
    assert settings(draft="rough").pair_name == "rough"
    assert settings(target="models/t.gguf", draft="models/small.gguf").pair_name == "small"
    assert settings(pair="qwen2.5").pair_name == "qwen2.5"


def test_models_are_named_to_the_server_as_they_were_here():
    assert settings().model_options == ()
    assert settings(target="t.gguf", draft="rough").model_options == ("--target", "t.gguf", "--draft", "rough")


def test_the_quiet_machine_is_always_measured():
    assert settings(load=("cpu:1",)).conditions() == (QUIET_MACHINE, burning(1))
    assert settings(load=("quiet",)).conditions() == (QUIET_MACHINE,)
    assert settings().conditions()[:2] == (QUIET_MACHINE, burning(1))


def test_a_condition_that_is_asked_for_in_other_words_is_the_same():
    asked = ("cpu:1", "memory:4GB/s", "cpu:100%@workers=1", "memory:4000MB/s", "cpu:1+memory:4GB/s")
    memory = Load(MemoryLoad(4.0))
    assert settings(load=asked).conditions() == (
        QUIET_MACHINE,
        burning(1),
        Condition((memory,)),
        Condition((*burning(1).loads, memory)),
    )


def test_the_servers_own_threads_are_always_measured():
    visits = settings(load=("quiet",), threads=("1:1",), repetitions=1).visits(ThreadSetting(2, 2), prompts=3)
    assert {visit.setting for visit in visits} == {ThreadSetting(2, 2), ThreadSetting(1, 1)}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"load": ("gpu",)}, "gpu"),
        ({"load": ("cpu:1+cpu:1",)}, "asked for twice"),
        ({"load": ("cpu:100000",)}, "workers"),
        ({"threads": ("2",)}, "'2' is no setting of threads"),
    ],
)
def test_words_that_make_no_sense_are_refused_before_anything_starts(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        settings(**given)
