"""Whole runs: what goes in comes out, and the same run is the same run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import sim
from sim.errors import Interrupted, ScenarioError, UserError
from sim.run import check, step_costs
from tests.samples import small

STABLE_KEYS = {
    "requests": ("arrived", "completed", "rejected", "in_flight"),
    "tokens": ("input", "output", "prefill_computed"),
    "passes": (),
    "slo": ("attainment", "goodput_rps"),
    "fleet": ("replicas", "accelerators"),
    "utilization": (),
    "power": ("it_w_mean", "it_w_peak", "site_w_mean"),
    "energy": ("it_j", "site_j", "j_per_output_token", "wh_per_request"),
    "carbon": ("kg",),
    "cost": ("usd_total", "usd_per_request", "usd_per_mtok_output", "breakdown"),
    **dict.fromkeys(("revenue", "margin", "simulated_s", "wall_s", "engine", "seed", "scenario_sha256"), ()),
}


@pytest.fixture(scope="module")
def result():
    return sim.run(small(), log_requests=10_000)


@pytest.fixture(scope="module")
def cold():
    """Without a warm-up, so that windows and requests cover the same."""
    return sim.run(small("warmup=0"), log_requests=10_000)


def integral(windows, name):
    return float(np.sum(windows[name] * windows["width_s"]))


def test_the_summary_has_the_stable_keys_as_plain_data(result):
    summary = json.loads(json.dumps(result.summary, allow_nan=False))
    for key, inner in STABLE_KEYS.items():
        assert key in summary
        assert set(inner) <= set(summary[key] if inner else ())
    for latency in ("ttft_s", "tpot_s", "e2e_s", "queue_s"):
        found = summary["latency"][latency]
        assert set(found) == {"mean", "p50", "p90", "p99"}
        assert 0 <= found["p50"] <= found["p90"] <= found["p99"]


def test_every_request_is_accounted_for(result):
    requests = result.summary["requests"]
    assert requests["arrived"] == requests["completed"] + requests["rejected"] + requests["in_flight"] > 500
    assert requests["in_flight"] == 0
    parts = [w["requests"]["arrived"] for w in result.summary["workloads"]]
    assert sum(parts) == requests["arrived"]


def test_tokens_are_conserved(cold):
    summary, requests, windows = cold.summary, cold.requests, cold.windows
    assert summary["tokens"]["input"] == requests["input_tokens"].sum()
    assert summary["tokens"]["output"] == requests["output_tokens"].sum()
    assert all(p["preemptions"] == 0 for p in summary["pools"])
    assert summary["tokens"]["prefill_computed"] == summary["tokens"]["input"]
    assert integral(windows, "prefill_tokens_per_s") == pytest.approx(summary["tokens"]["input"])
    first_tokens = np.count_nonzero(requests["output_tokens"])
    decoded = integral(windows, "decode_tokens_per_s")
    assert decoded + first_tokens == pytest.approx(summary["tokens"]["output"])


def test_joules_are_conserved(result):
    energy, windows = result.summary["energy"], result.windows
    assert math.fsum(energy["parts"].values()) == pytest.approx(energy["site_j"], rel=1e-12)
    assert energy["it_j"] + energy["parts"]["overhead"] == pytest.approx(energy["site_j"], rel=1e-12)
    for column, key in (("accelerator_w", "accelerator_j"), ("it_w", "it_j"), ("site_w", "site_j")):
        assert integral(windows, column) == pytest.approx(energy[key], rel=1e-9)
    span_s = result.summary["span"]["end_s"] - result.summary["span"]["start_s"]
    assert result.summary["power"]["it_w_mean"] * span_s == pytest.approx(energy["it_j"])
    assert sum(p["energy"]["it_j"] for p in result.summary["pools"]) == pytest.approx(energy["it_j"])
    kwh = energy["site_j"] / 3.6e6
    assert result.summary["carbon"]["kg"] == pytest.approx(kwh * result.summary["carbon"]["g_per_kwh"] / 1e3)


def test_the_draw_lies_between_idle_and_nameplate(result):
    for pool in result.summary["pools"]:
        idle_w = small_idle_w(pool["name"])
        assert idle_w < pool["power"]["accelerator_w_mean"] < pool["power"]["it_w_mean"]
        assert pool["power"]["it_w_mean"] < pool["power"]["provisioned_it_w"]
    assert result.summary["power"]["it_w_peak"] >= result.summary["power"]["it_w_mean"]


def small_idle_w(name):
    scenario = small()
    costs = step_costs(scenario, {})
    return next(c.idle_w * p.replicas for c, p in zip(costs, scenario.pools, strict=True) if p.name == name)


def test_dollars_are_conserved(result):
    cost, summary = result.summary["cost"], result.summary
    assert math.fsum(cost["breakdown"].values()) == cost["usd_total"]
    assert cost["usd_per_request"] * summary["requests"]["completed"] == pytest.approx(cost["usd_total"])
    assert cost["usd_per_mtok_output"] * summary["tokens"]["output"] / 1e6 == pytest.approx(cost["usd_total"])
    sold = summary["tokens"]["input"] * 0.5e-6 + summary["tokens"]["output"] * 1.5e-6
    assert summary["revenue"] == pytest.approx(sold)
    assert summary["margin"] == pytest.approx(sold - cost["usd_total"])


def test_littles_law_links_the_windows_to_the_latencies(cold):
    """L = lambda W, for the system and for the queue (J. D. C. Little, Operations Research 9(3), 1961)."""
    outside_s = dict(zip(("a100", "h100"), (c.first_token_s for c in step_costs(small(), {})), strict=True))
    sojourn_s = cold.requests["e2e_s"] - np.array([outside_s[name] for name in cold.requests["pool"]])
    span_s = cold.summary["span"]["end_s"]
    rate = len(sojourn_s) / span_s
    assert integral(cold.windows, "in_system") / span_s == pytest.approx(rate * sojourn_s.mean(), rel=1e-6)
    waits = cold.requests["queue_s"]
    assert integral(cold.windows, "queue") / span_s == pytest.approx(rate * waits.mean(), rel=1e-6)


def test_the_request_table_agrees_with_the_summary(result):
    for w in result.summary["workloads"]:
        mine = result.requests["workload"] == w["name"]
        assert mine.sum() == w["requests"]["completed"]
        for name in ("ttft_s", "tpot_s", "e2e_s", "queue_s"):
            values = result.requests[name][mine]
            values = values[~np.isnan(values)]
            assert values.mean() == pytest.approx(w["latency"][name]["mean"])
            assert np.quantile(values, 0.9) == pytest.approx(w["latency"][name]["p90"], rel=0.02, abs=1e-6)


def test_windows_tile_the_span(result):
    start_s, end_s = result.summary["span"]["start_s"], result.summary["span"]["end_s"]
    assert start_s == 7.0
    for name in ("a100", "h100"):
        mine = result.windows["pool"] == name
        starts, widths = result.windows["start_s"][mine], result.windows["width_s"][mine]
        assert starts[0] == start_s
        assert starts[1:] == pytest.approx((starts + widths)[:-1])
        assert starts[-1] + widths[-1] == pytest.approx(end_s)
        assert (result.windows["utilization"][mine] <= 1 + 1e-9).all()


def test_the_same_seed_gives_the_same_result_whatever_the_threads():
    one, other = (sim.run(small("cells=2", "pool.1.replicas=2"), threads=n) for n in (1, 2))
    assert without_wall(one) == without_wall(other)
    for name, column in one.windows.items():
        assert (column == other.windows[name]).all()


def test_another_seed_gives_another_result(result):
    other = sim.run(small("seed=4"))
    assert other.summary["tokens"] != result.summary["tokens"]


def without_wall(result):
    return {k: v for k, v in result.summary.items() if k not in ("wall_s", "engine")}


def test_both_engines_give_the_same_result():
    """Totals to rounding; within windows the kernel spreads stretches of equal steps evenly."""
    scenario = small("duration=20 s", "warmup=0")
    kernel, reference = (sim.run(scenario, engine=e, log_requests=500) for e in ("kernel", "simpy"))
    peaks = [
        [r.summary["power"].pop(k) for k in ("it_w_peak", "site_w_peak", "p95", "p99", "load_factor")]
        for r in (kernel, reference)
    ]
    assert peaks[0] == pytest.approx(peaks[1], rel=1e-3)
    assert_alike(without_wall(kernel), without_wall(reference))
    for name, column in kernel.requests.items():
        other = reference.requests[name]
        same = pytest.approx(other, rel=1e-9, abs=1e-9, nan_ok=True) if column.dtype.kind == "f" else None
        assert column == same if same is not None else (column == other).all(), name
    for name in ("it_w", "utilization", "in_system", "decode_tokens_per_s"):
        assert kernel.windows[name] == pytest.approx(reference.windows[name], rel=0.02), name


def assert_alike(a, b, path=""):
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_alike(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for i, pair in enumerate(zip(a, b, strict=True)):
            assert_alike(*pair, f"{path}[{i}]")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-9), path
    else:
        assert a == b, path


def test_a_run_without_requests_has_no_figures_per_request():
    quiet = small(
        "workload.0.arrivals.rate_per_s=1e-9", "workload.1.arrivals={process='poisson', rate_per_s=1e-9}"
    )
    summary = json.loads(json.dumps(sim.run(quiet).summary, allow_nan=False))
    assert summary["requests"] == {"arrived": 0, "completed": 0, "rejected": 0, "shed": 0, "in_flight": 0}
    assert summary["latency"]["ttft_s"] == {"mean": None, "p50": None, "p90": None, "p99": None}
    assert summary["slo"]["attainment"] is None
    assert summary["energy"]["j_per_output_token"] is None
    assert summary["cost"]["usd_per_request"] is None
    assert summary["cost"]["usd_total"] > 0
    assert summary["utilization"] == 0
    assert summary["energy"]["parts"]["accelerators_active"] == 0
    assert summary["energy"]["parts"]["accelerators_idle"] > 0


def test_a_trace_is_replayed_token_by_token(tmp_path):
    path = tmp_path / "trace.csv"
    rows = [(0.5 * i, 10 + i, 1 + i % 7) for i in range(40)]
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{a},{i},{o}\n" for a, i, o in rows))
    summary = sim.run(
        small(
            "warmup=0",
            f"workload.0.arrivals={{process='trace', path='{path}'}}",
            "workload.0.lengths=trace",
        )
    ).summary
    traced = summary["workloads"][0]
    assert traced["requests"]["completed"] == 40
    assert traced["tokens"] == {"input": sum(r[1] for r in rows), "output": sum(r[2] for r in rows)}
    assert traced["mean_lengths"]["input"] == pytest.approx(np.mean([r[1] for r in rows]))


def test_the_run_of_a_short_trace_is_judged_while_it_lasts(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{i},9,9\n" for i in range(11)))
    only = small(f"workload.0.arrivals={{process='trace', path='{path}'}}", "workload.0.lengths=trace")
    only = only.model_copy(update={"workloads": only.workloads[:1], "pools": only.pools[:1], "warmup_s": 0.0})
    overload = sim.run(only).summary["overload"]
    assert overload["arrivals_s"] == 10.0
    assert overload["drain_s"] == 50.0


def test_a_model_that_does_not_fit_is_said_with_its_pools_key():
    with pytest.raises(ScenarioError) as caught:
        sim.run(small("pool.1.tensor_parallel=1", "pool.1.precision=bf16", "pool.0.memory_fraction=0.1"))
    assert [f.path for f in caught.value.faults] == ["pool[0].tensor_parallel", "pool[1].tensor_parallel"]
    assert "does not fit" in caught.value.faults[1].message


def test_check_finds_faults_of_memory_and_of_prices_together():
    with pytest.raises(ScenarioError) as caught:
        check(
            small(
                "pool.1.tensor_parallel=1",
                "pool.1.precision=bf16",
                "cost.basis=rent",
                "pool.0.accelerator=Maia-100",
            )
        )
    assert {f.path for f in caught.value.faults} == {"pool[1].tensor_parallel", "pool[0].accelerator"}
    assert len(check(small())) == 2


def test_an_unknown_engine_is_refused():
    with pytest.raises(UserError, match="use one of kernel, simpy"):
        sim.run(small(), engine="warp")


def test_a_batch_that_is_there_at_once_is_no_short_run():
    made = small("warmup=0", "workload.0.arrivals={process='all-at-once', requests=50}")
    made = made.model_copy(update={"workloads": made.workloads[:1], "pools": made.pools[:1]})
    summary = sim.run(made).summary
    assert summary["requests"]["completed"] == 50
    assert summary["overload"]["growing"] is None
    assert summary["overload"]["groups"][0]["load"] is None
    assert not any("the run is short" in text for text in summary["warnings"])


def test_a_trace_that_ends_within_the_warmup_leaves_nothing_to_count(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,9,9\n1,9,9\n")
    made = small(f"workload.0.arrivals={{process='trace', path='{path}'}}", "workload.0.lengths=trace")
    made = made.model_copy(update={"workloads": made.workloads[:1], "pools": made.pools[:1]})
    summary = sim.run(made).summary
    assert summary["requests"]["arrived"] == 0
    assert summary["overload"]["arrivals_s"] == 0
    assert summary["overload"]["drain_s"] == 53


def test_an_interrupted_run_says_how_far_it_got():
    def stop(time_s):
        if time_s > 30:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"stopped at 3\d.* s of simulated time"):
        sim.run(small(), progress=stop)


def test_progress_is_reported_in_simulated_time():
    seen = []
    sim.run(small(), progress=seen.append)
    assert len(seen) > 50
    assert seen == sorted(seen)
    assert seen[-1] >= 60
