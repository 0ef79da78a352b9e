"""Workloads: published moments and quantiles, and the script that made the tables."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import pytest

from sim.catalog._fit_lengths import FINE, MIXED, fit_published, from_clients, from_samples
from sim.catalog.quantiles import mean_tokens, sd_tokens, tokens_at
from sim.catalog.workloads import length_table, length_tables, shape, shapes
from sim.errors import CatalogError


def moments(table):
    return (
        mean_tokens(table.input_p, table.input_tokens),
        sd_tokens(table.input_p, table.input_tokens),
        mean_tokens(table.output_p, table.output_tokens),
        sd_tokens(table.output_p, table.output_tokens),
    )


def test_azure_conversation_has_the_published_moments_and_quantiles():
    table = length_table("azure-2023-conversation")
    assert moments(table) == pytest.approx((1155, 1109, 211, 163), rel=0.01)
    at = {q: tokens_at(table.input_p, table.input_tokens, q) for q in (0.5, 0.9, 0.99)}
    assert at == {0.5: 1020, 0.9: 2734, 0.99: 4142}
    at = {q: tokens_at(table.output_p, table.output_tokens, q) for q in (0.5, 0.9, 0.99)}
    assert at == {0.5: 129, 0.9: 424, 0.99: 601}


def test_azure_code_has_the_traces_moments_and_quantiles():
    table = length_table("azure-2023-code")
    mean_in, sd_in, mean_out, sd_out = moments(table)
    assert (mean_in, mean_out) == pytest.approx((2047.85, 27.88), rel=0.005)
    assert (sd_in, sd_out) == pytest.approx((1973.9, 59.86), rel=0.01)
    assert len(table.input_p) >= 200
    for q, tokens_in, tokens_out in ((0.5, 1469, 13), (0.9, 5188, 55), (0.99, 7436, 251)):
        assert tokens_at(table.input_p, table.input_tokens, q) == pytest.approx(tokens_in, rel=0.01)
        assert tokens_at(table.output_p, table.output_tokens, q) == pytest.approx(tokens_out, rel=0.02)


def test_mooncake_and_servegen_have_their_sources_means():
    assert moments(length_table("mooncake"))[::2] == pytest.approx((15325, 149.1), rel=0.005)
    assert moments(length_table("servegen-m-large"))[::2] == pytest.approx((1023, 162), rel=0.01)
    assert moments(length_table("servegen-deepseek-r1"))[::2] == pytest.approx((1377, 1502), rel=0.03)


@pytest.mark.parametrize("table", length_tables().values(), ids=length_tables())
def test_tables_rise_from_0_to_1(table):
    for p, tokens in ((table.input_p, table.input_tokens), (table.output_p, table.output_tokens)):
        assert (p[0], p[-1]) == (0.0, 1.0)
        assert all(a < b for a, b in pairwise(p))
        assert all(a <= b for a, b in pairwise(tokens))
        assert tokens[0] >= 1.0


@pytest.mark.parametrize("entry", shapes().values(), ids=shapes())
def test_shapes_are_hourly_of_mean_one(entry):
    assert len(entry.hourly) in (24, 168)
    assert statistics.fmean(entry.hourly) == pytest.approx(1.0)
    assert min(entry.hourly) > 0.0


def test_diurnal_peak_and_trough():
    day = shape("diurnal")
    assert day.index(max(day)) == 14
    assert day.index(min(day)) == 7
    assert max(day) / min(day) == pytest.approx(11.72, rel=0.01)


def test_names():
    assert length_table("azure-conv") is length_table("Azure 2023 Conversation")
    with pytest.raises(CatalogError, match='did you mean "diurnal"'):
        shape("diurnl")
    with pytest.raises(CatalogError, match="unknown length table"):
        length_table("azure-2030")


def test_fit_of_published_quantiles_is_the_table():
    known = {0.5: 129.0, 0.9: 424.0, 0.99: 601.0}
    fitted = fit_published(known, 211.0, 163.0, 3.0, 19366)
    table = length_table("azure-2023-conversation").output_tokens
    assert list(fitted) == pytest.approx(table, rel=0.03, abs=2.0)


def test_table_of_samples_keeps_their_moments():
    rng = random.Random(7)
    drawn = [max(1, round(rng.lognormvariate(5.0, 1.0))) for _ in range(5000)]
    tokens = list(from_samples(drawn))
    assert mean_tokens(FINE, tokens) == pytest.approx(statistics.fmean(drawn), rel=0.005)
    assert sd_tokens(FINE, tokens) == pytest.approx(statistics.pstdev(drawn), rel=0.02)
    assert (tokens[0], tokens[-1]) == (min(drawn), max(drawn))


def test_mixture_of_clients_keeps_their_mean():
    clients = [(3.0, 100.0, 80.0, 200.0, 400.0), (1.0, 1000.0, 900.0, 1800.0, 2500.0)]
    assert mean_tokens(MIXED, list(from_clients(clients))) == pytest.approx((3 * 100 + 1000) / 4, rel=0.01)
