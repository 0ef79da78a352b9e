"""Hand-overs of KV, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sim.catalog.accelerators import accelerator
from sim.catalog.models import model
from sim.cost.deployment import Deployment
from sim.cost.transfer import Side, handover, link_bytes_per_s

LLAMA = model("Llama-3.1-70B")
TOKEN_BYTES = 2 * 80 * 8 * 128 * 2
"""K and V of 80 layers, 8 heads of 128, 2 bytes each."""


def sides(sender: int, receiver: int, bytes_per_s: float = 40e9, **kind) -> list[Side]:
    return [Side(Deployment(tensor_parallel=n, **kind), bytes_per_s) for n in (sender, receiver)]


def given(sender: Side, receiver: Side, **kind) -> tuple[float, float]:
    settings: dict[str, Any] = {"latency_s": 0.005, "overlap": 0.0, "typical_context": 1024.0, **kind}
    return handover(LLAMA, sender, receiver, **settings)


def test_every_accelerator_sends_its_share():
    assert given(*sides(4, 4)) == (0.005, pytest.approx(TOKEN_BYTES / 4 / 40e9))
    assert given(*sides(8, 8))[1] == pytest.approx(TOKEN_BYTES / 8 / 40e9)


def test_the_side_with_the_larger_shares_and_the_slower_link_sets_the_pace():
    assert given(*sides(4, 2))[1] == given(*sides(2, 4))[1] == pytest.approx(TOKEN_BYTES / 2 / 40e9)
    fast, slow = sides(4, 4)[0], sides(4, 4, 10e9)[1]
    assert given(fast, slow)[1] == given(slow, fast)[1] == pytest.approx(TOKEN_BYTES / 4 / 10e9)


def test_what_is_sent_while_the_prompt_is_computed_takes_no_time():
    assert given(*sides(4, 4), overlap=0.75)[1] == pytest.approx(0.25 * TOKEN_BYTES / 4 / 40e9)
    assert given(*sides(4, 4), overlap=1.0) == (0.005, 0.0)


def test_an_fp8_cache_is_half():
    assert given(*sides(4, 4, kv_precision="fp8"))[1] == pytest.approx(TOKEN_BYTES / 8 / 40e9)


def test_a_window_is_sent_whatever_the_prompt():
    gemma = model("Gemma-3-27B")
    per_prompt, _ = handover(gemma, *sides(1, 1), latency_s=0.0, overlap=0.0, typical_context=4096.0)
    assert per_prompt > 0


def test_links_are_those_of_the_catalog():
    chip = accelerator("H100-SXM-80GB")
    assert link_bytes_per_s(chip, "scale-out", 0.8) == pytest.approx(0.8 * 50e9)
    assert link_bytes_per_s(chip, "scale-up", 0.8) == pytest.approx(0.8 * 450e9)
