"""A mixture has its classes' shares, quantiles and moments, and keeps a class's lengths together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.catalog.quantiles import mean_tokens, mixed
from sim.catalog.workloads import length_table, length_tables
from sim.metrics.moments import length_moments
from sim.scenario.lengths import MixLengths
from sim.study.scale_demand import with_cached_prompts
from sim.workload.mixture import classes, is_mixture, pairs
from tests.engine.setups import scenario
from tests.workload.test_demand import of

CLIENTS = [n for n, t in length_tables().items() if t.clients]
TWO = {
    "kind": "mix",
    "parts": [
        {"share": 3, "lengths": {"kind": "fixed", "input": 10, "output": 200}},
        {"share": 1, "lengths": {"kind": "uniform", "input": [1000, 2000], "output": [1, 5]}},
    ],
}


def mix(**keys: object) -> MixLengths:
    return MixLengths.model_validate({**TWO, **keys})


def test_zipf_gives_shares_by_rank():
    parts = [{"lengths": "azure-code"}, {"lengths": "azure-conv"}, {"lengths": "mooncake"}]
    assert mix(parts=parts, zipf=1.0).shares() == pytest.approx((6 / 11, 3 / 11, 2 / 11))
    assert mix(parts=parts, zipf=0.0).shares() == pytest.approx((1 / 3,) * 3)


def test_a_request_has_both_lengths_of_its_class():
    _, _, inputs, outputs = of({"arrivals": {"process": "poisson", "rate_per_s": 50}, "lengths": TWO})
    short = inputs == 10
    assert short.mean() == pytest.approx(0.75, abs=0.01)
    assert (outputs[short] == 200).all()
    assert outputs[~short].max() <= 5 and inputs[~short].min() >= 1000
    assert inputs[~short].mean() == pytest.approx(1500, rel=0.01)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=6), st.integers(20, 3000))
def test_every_row_belongs_to_a_class_in_proportion(shares, rows):
    parts = [
        {"share": s, "lengths": {"kind": "fixed", "input": k + 1, "output": k}} for k, s in enumerate(shares)
    ]
    inputs, outputs = pairs(mix(parts=parts), rows)
    assert len(inputs) == len(outputs) == rows
    assert (inputs - outputs == 1).all()
    counts = np.bincount(inputs, minlength=len(shares) + 1)[1:]
    assert np.abs(counts - np.array(shares) / sum(shares) * rows).max() < 1


def test_moments_are_those_of_the_rows():
    lognormal = {"kind": "lognormal", "input": {"mean": 500, "cv": 1}, "output": {"median": 90, "sigma": 0.5}}
    given = mix(
        parts=[*TWO["parts"], {"share": 2, "lengths": lognormal}, {"share": 1, "lengths": CLIENTS[0]}]
    )
    made = scenario([{"lengths": given.model_dump(by_alias=True, exclude_none=True)}])
    moments = length_moments(made.workloads[0], {})
    inputs, outputs = (side.astype(float) for side in pairs(made.workloads[0].lengths))
    assert moments is not None
    assert inputs.mean() == pytest.approx(moments.input, rel=2e-3)
    assert outputs.mean() == pytest.approx(moments.output, rel=2e-3)
    assert (outputs**2).mean() == pytest.approx(moments.output_squared, rel=1e-2)
    assert (inputs * outputs).mean() == pytest.approx(moments.input_output, rel=2e-2)


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_of_the_catalog_reproduce_their_aggregate(name):
    table = length_table(name)
    inputs, outputs = pairs(name)
    for rows, p, tokens in (
        (inputs, table.input_p, table.input_tokens),
        (outputs, table.output_p, table.output_tokens),
    ):
        for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
            assert np.quantile(rows, q) == pytest.approx(np.interp(q, p, tokens), rel=0.02, abs=1.0)
        assert rows.mean() == pytest.approx(mean_tokens(p, tokens), rel=5e-3, abs=0.1)


def test_clients_agree_with_the_older_tables_of_the_same_source():
    """Two ways from the same file: one table over all clients, and classes whose mixture is taken."""
    for name in ("servegen-m-large", "servegen-deepseek-r1"):
        whole, by_client = length_table(name), length_table(f"{name}-clients")
        for side in ("input", "output"):
            old = (getattr(whole, f"{side}_p"), getattr(whole, f"{side}_tokens"))
            new = (getattr(by_client, f"{side}_p"), getattr(by_client, f"{side}_tokens"))
            for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
                assert np.interp(q, *new) == pytest.approx(np.interp(q, *old), rel=0.12, abs=3.0)
            assert mean_tokens(*new) == pytest.approx(mean_tokens(*old), rel=0.02)


def test_one_line_names_a_mixture():
    assert is_mixture(CLIENTS[0]) and not is_mixture("azure-code")
    assert len(classes(CLIENTS[0])) == 6
    assert sum(c.share for c in classes(CLIENTS[0])) == pytest.approx(1)
    _, _, inputs, outputs = of({"arrivals": {"process": "poisson", "rate_per_s": 200}, "lengths": CLIENTS[0]})
    table = length_table(CLIENTS[0])
    assert np.median(inputs) == pytest.approx(np.interp(0.5, table.input_p, table.input_tokens), rel=0.03)
    assert outputs.mean() == pytest.approx(mean_tokens(table.output_p, table.output_tokens), rel=0.03)


def test_prompts_of_a_mixture_can_be_found_in_a_cache():
    for lengths in (TWO, CLIENTS[0]):
        made = scenario([{"lengths": lengths}])
        whole = length_moments(made.workloads[0], {})
        half = length_moments(with_cached_prompts(made, 0.5).workloads[0], {})
        assert whole is not None and half is not None
        assert half.input == pytest.approx(whole.input / 2, rel=0.01)
        assert half.output == pytest.approx(whole.output)


TABLES = st.lists(
    st.tuples(st.floats(0.01, 5), st.lists(st.integers(1, 50), min_size=2, max_size=6).map(sorted)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(TABLES)
def test_a_mixed_table_is_the_mixture(parts):
    shares = [s for s, _ in parts]
    tables = [(np.linspace(0, 1, len(t)).tolist(), [float(x) for x in t]) for _, t in parts]
    p, tokens = mixed(shares, tables)
    assert p[0] == 0 and p[-1] == 1 and all(a < b for a, b in pairwise(p))
    assert all(a <= b for a, b in pairwise(tokens))
    means = [mean_tokens(*t) for t in tables]
    assert mean_tokens(p, tokens) == pytest.approx(np.dot(shares, means) / sum(shares), rel=1e-6)
    u = (np.arange(4000) + 0.5) / 4000
    drawn = np.sort(np.concatenate([np.interp(u, *t) for t in tables]))
    weights = np.concatenate([np.full(4000, s / sum(shares)) for s in shares])
    weights = weights[np.argsort(np.concatenate([np.interp(u, *t) for t in tables]), kind="stable")]
    below = (np.cumsum(weights) - weights / 2) / 4000
    assert np.interp(below, p, tokens) == pytest.approx(drawn, abs=0.1 + 50 * 3 / 4000 * 5)
