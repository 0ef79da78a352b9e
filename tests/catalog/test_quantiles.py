"""Quantile tables: look-ups and moments against closed forms."""

from __future__ import annotations

import math
import random

import pytest

from sim.catalog.quantiles import mean_tokens, sd_tokens, tokens_at


def test_uniform_distribution():
    p, tokens = (0.0, 1.0), (100.0, 300.0)
    assert mean_tokens(p, tokens) == pytest.approx(200.0)
    assert sd_tokens(p, tokens) == pytest.approx(200.0 / math.sqrt(12))
    assert [tokens_at(p, tokens, u) for u in (0.0, 0.25, 0.5, 1.0)] == [100, 150, 200, 300]


def test_constant_distribution():
    assert mean_tokens((0.0, 0.5, 1.0), (7.0, 7.0, 7.0)) == 7.0
    assert sd_tokens((0.0, 0.5, 1.0), (7.0, 7.0, 7.0)) == 0.0


def test_lookup_at_and_between_points_rounds_and_is_at_least_one():
    p, tokens = (0.0, 0.5, 1.0), (0.0, 10.0, 11.0)
    assert tokens_at(p, tokens, 0.0) == 1
    assert tokens_at(p, tokens, 0.5) == 10
    assert tokens_at(p, tokens, 0.74) == 10
    assert tokens_at(p, tokens, 0.76) == 11


def test_moments_are_those_of_samples():
    p, tokens = (0.0, 0.3, 0.9, 1.0), (10.0, 50.0, 400.0, 5000.0)
    rng = random.Random(1)
    drawn = [tokens_at(p, tokens, rng.random()) for _ in range(40_000)]
    mean = sum(drawn) / len(drawn)
    assert mean == pytest.approx(mean_tokens(p, tokens), rel=0.03)
    sd = math.sqrt(sum((x - mean) ** 2 for x in drawn) / len(drawn))
    assert sd == pytest.approx(sd_tokens(p, tokens), rel=0.03)
