from __future__ import annotations

from dataclasses import replace

import pytest

from sim.cost.coefficients import coefficients
from sim.cost.collectives import all_reduce, all_to_all, point_to_point
from tests.cost.examples import H100

BASE = coefficients("hopper", "vllm-2025", "bf16").coefficients
C = replace(BASE, all_reduce_latency_s=5e-6, link_bandwidth=0.8, scale_out_latency_s=10e-6)


def test_one_rank_sends_nothing():
    assert all_reduce(1, H100, C).time_s(1e9) == 0
    assert all_to_all(1, H100, C).time_s(1e9) == 0


def test_all_reduce_in_a_domain_by_hand():
    # 2 x 3/4 of 36 MB through 450 GB/s x 0.8: 54e6 / 360e9 = 150 us, and 5 us of latency
    assert all_reduce(4, H100, C).time_s(36e6) == pytest.approx(155e-6)


def test_all_reduce_across_two_domains_by_hand():
    # inside: 2 x 7/8 / 360e9 = 4.861e-12 s/B; across: 2 x 1/2 / 8 / (50e9 x 0.8) = 3.125e-12 s/B
    # latency: 5 us inside, one exchange there and back, 20 us
    transfer = all_reduce(16, H100, C)
    assert transfer.byte_s == pytest.approx(4.861e-12 + 3.125e-12, rel=1e-3)
    assert transfer.latency_s == pytest.approx(25e-6)


def test_all_to_all_across_domains_is_paced_by_the_network():
    # of 16 ranks' shares 8 leave the domain: 8/16 / 40e9; inside 7/16 / 360e9 is faster
    assert all_to_all(16, H100, C).byte_s == pytest.approx(0.5 / 40e9)
    assert all_to_all(8, H100, C).byte_s == pytest.approx(7 / 8 / 360e9)


def test_point_to_point_across_domains_is_slower():
    near, far = point_to_point(False, H100, C), point_to_point(True, H100, C)
    assert near.byte_s == pytest.approx(1 / 360e9)
    assert far.byte_s == pytest.approx(1 / 40e9)
    assert far.latency_s > near.latency_s


def test_chips_without_a_scale_up_link_use_the_network():
    alone = replace(H100, domain_size=1)
    assert all_reduce(2, alone, C).byte_s == pytest.approx(2 * 0.5 / 40e9)
