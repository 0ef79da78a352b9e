"""The conventional service: reuse rises with use, tiers add up, and without both its cost is proportional."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.study.conventional import Service, day, egress_usd, hit_rate


@given(st.floats(1e-4, 1e6), st.floats(1.5, 100))
def test_more_use_finds_more_answers_ready(rate, factor):
    low, high = hit_rate(rate, Service()), hit_rate(rate * factor, Service())
    assert 0 <= low < high <= 1


def test_the_sum_over_bins_is_the_sum_over_pages():
    s = Service(items=20_000, zipf=0.8, fresh_s=3600)
    ranks = np.arange(1, 20_001.0)
    share = ranks**-0.8 / (ranks**-0.8).sum()
    for rate in (0.01, 1.0, 100.0):
        asked = rate * share * 3600
        assert hit_rate(rate, s) == pytest.approx(float((share * asked / (1 + asked)).sum()), rel=0.02)


def test_one_page_is_computed_once_in_a_lifetime_and_a_wait():
    assert hit_rate(2.0, Service(items=1, fresh_s=10)) == pytest.approx(20 / 21)


@pytest.mark.parametrize(
    ("tb", "usd_per_gb"), [(1, 0.085), (10, 0.085), (100, 0.0705), (1000, 0.039), (1e5, 0.0204)]
)
def test_egress_by_tiers(tb, usd_per_gb):
    assert egress_usd(tb) / (tb * 1000) == pytest.approx(usd_per_gb, rel=0.03)


def test_egress_has_no_jumps():
    for edge in (10, 50, 150, 500, 1024, 5120):
        assert egress_usd(edge + 1e-9) == pytest.approx(egress_usd(edge), rel=1e-6)


def test_without_reuse_and_tiers_cost_is_proportional():
    service = Service(code_usd_per_year=0.0)
    small, large = (day(n, service=service, reuse=False, tiers=False) for n in (1e9, 1e10))
    assert large.usd == pytest.approx(10 * small.usd, rel=0.01)
    reused = day(1e10, service=service)
    assert reused.usd < large.usd and reused.hit_rate > 0.5


def test_a_day_is_the_sum_of_its_parts():
    d = day(1e6)
    assert d.usd == d.compute_usd + d.egress_usd + d.code_usd
