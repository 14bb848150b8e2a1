"""Counters are read from the pages of llama-server, Lemonade, vLLM and the bundled server."""

from __future__ import annotations

import httpx
import pytest

from halospec.endpoints.spec_counters import SpecCounters, read_spec_counters
from lemonade_double import MODEL
from mock_site import Site, recorded


async def read(page: str, model: str | None = None) -> SpecCounters | None:
    async with Site({"/metrics": httpx.Response(200, text=page)}).api() as api:
        return await read_spec_counters(api, model)


def vllm_page(*counts: tuple[str, str, int, int, int]) -> str:
    names = ("num_draft_tokens", "num_accepted_tokens", "num_drafts")
    lines = []
    for name, place in zip(names, range(2, 5), strict=True):
        lines += [f"# HELP vllm:spec_decode_{name}_total Some.", f"# TYPE vllm:spec_decode_{name}_total counter"]
        lines += [
            f'vllm:spec_decode_{name}_total{{engine="{count[0]}",model_name="{count[1]}"}} {float(count[place])}'
            for count in counts
        ]
    return "\n".join(lines) + "\n"


async def test_llama_servers():
    assert await read(recorded("llama_server", "metrics_md_simple_3")) == SpecCounters(144, 142, 48)


async def test_lemonades():
    page = recorded("lemonade", "metrics")

    assert await read(page) == SpecCounters(50, 5, 7)
    assert await read(page, MODEL) == SpecCounters(50, 5, 7)
    assert await read(page, f"user.{MODEL}") == SpecCounters(50, 5, 7)
    assert await read(page, "another") is None


async def test_vllms_are_summed_over_its_engines_and_told_apart_by_model():
    page = vllm_page(("0", "m", 10, 5, 3), ("1", "m", 20, 9, 6), ("0", "n", 400, 200, 100))

    assert await read(page, "m") == SpecCounters(30, 14, 9)
    assert await read(page) == SpecCounters(430, 214, 109)


async def test_the_bundled_servers_are_not_counted_twice():
    page = vllm_page(("0", "m", 10, 5, 3))

    assert await read(
        page + page.replace("vllm:", "llamacpp:").replace('engine="0",model_name="m"', "")
    ) == SpecCounters(10, 5, 3)


async def test_a_page_that_does_not_count_rounds():
    page = vllm_page(("0", "m", 10, 5, 3)).partition("# HELP vllm:spec_decode_num_drafts_total")[0]

    assert await read(page) == SpecCounters(10, 5, None)


@pytest.mark.parametrize(
    "page",
    [
        "",
        "# TYPE python_info gauge\npython_info 1.0\n",
        "<html>",
        "{}",
        "a{b=} c\n",
        'x{y="',
        'x{a="b", ="c"} 5\n',
        vllm_page(),
    ],
)
async def test_a_page_without_them(page):
    assert await read(page) is None


async def test_a_count_that_is_no_number():
    assert await read(vllm_page(("0", "m", 10, 5, 3)).replace(" 10.0", " NaN")) is None


async def test_no_such_page():
    async with Site({}).api() as api:
        assert await read_spec_counters(api) is None


async def test_a_routers_page_is_asked_for_by_model_without_having_it_loaded():
    page = httpx.Response(200, text=recorded("llama_server", "router_metrics"))
    site = Site({"/metrics?model=a%2Fb&autoload=false": page, "/metrics": httpx.Response(400)})
    async with site.api() as api:
        assert await read_spec_counters(api, "a/b") == SpecCounters(174, 168, 22)
        assert await read_spec_counters(api) is None


def test_what_came_since():
    assert SpecCounters(50, 30, 9).delta(SpecCounters(10, 5, 3)) == SpecCounters(40, 25, 6)
    assert SpecCounters(50, 30, 9).delta(SpecCounters(10, 5, None)) == SpecCounters(40, 25, None)


def test_counters_that_went_back_belong_to_another_start():
    assert SpecCounters(2, 1, 1).delta(SpecCounters(10, 5, 3)) is None
