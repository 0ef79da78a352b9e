"""The summary on made-up step costs, where every figure can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim.catalog.servers import server, wall_power_w
from sim.engine import state as S
from sim.metrics.summary import summarise
from sim.metrics.tables import requests_table, windows_table
from sim.metrics.warnings import warnings_of
from tests.engine.setups import cost, scenario
from tests.samples import observe

BURST = {"process": "all-at-once", "requests": 4}
FIXED = {"kind": "fixed", "input": 100, "output": 5}


def one_batch(**rest):
    """Four requests at once on one replica: a prefill step of 400 tokens, then four decode steps."""
    made = scenario([{"arrivals": BURST, "lengths": FIXED, **rest}], duration=10.0)
    step = cost(token_s=0.0, floor_s=0.1, kv_s=0.0, attention_s=0.0, joules=0.0, max_batch=256)
    return summarise(observe(made, [step]))


def test_latencies_of_a_batch_worked_by_hand():
    latency = one_batch()["latency"]
    assert latency["ttft_s"]["mean"] == pytest.approx(0.1)
    assert latency["tpot_s"]["mean"] == pytest.approx(0.1)
    assert latency["e2e_s"]["mean"] == pytest.approx(0.5)
    assert latency["queue_s"]["mean"] == 0
    assert latency["ttft_s"]["p99"] == pytest.approx(0.1, rel=0.01)


def test_use_of_a_batch_worked_by_hand():
    summary = one_batch()
    pool = summary["pools"][0]
    assert summary["span"] == {"start_s": 0.0, "end_s": 10.0, "duration_s": 10.0}
    assert summary["utilization"] == pool["utilization"] == pytest.approx(0.05)
    assert pool["mean_batch"] == pytest.approx(4 * 4 / 5)  # four decode steps of four, one of prefill alone
    assert pool["steps"] == pytest.approx(5)
    tokens = {"input": 400, "output": 20, "prefill_computed": 400, "recomputed": 0}
    assert summary["tokens"] == {**tokens, "user_input": 400, "user_output": 20}
    assert summary["passes"] == 4


@pytest.mark.parametrize(
    ("slo", "attainment", "ttft", "tpot"),
    [
        ({}, None, 1.0, 1.0),
        ({"ttft": 0.1, "tpot": 0.1}, 1.0, 1.0, 1.0),
        ({"ttft": 0.09, "tpot": 0.1}, 0.0, 0.0, 1.0),
        ({"e2e": 0.4}, 0.0, 1.0, 1.0),
    ],
)
def test_targets_are_met_or_missed(slo, attainment, ttft, tpot):
    summary = one_batch(slo=slo)
    assert summary["slo"]["attainment"] == attainment
    assert summary["slo"]["goodput_rps"] == pytest.approx(0.4 * (1.0 if attainment is None else attainment))
    assert summary["workloads"][0]["slo"]["ttft_share"] == ttft
    assert summary["workloads"][0]["slo"]["tpot_share"] == tpot


def test_energy_worked_by_hand():
    """One replica of one accelerator, an eighth of a server, busy half a second of ten."""
    made = scenario([{"arrivals": BURST, "lengths": FIXED}], duration=10.0, site={"pue": 1.5})
    step = cost(token_s=0.0, floor_s=0.1, kv_s=0.0, attention_s=0.0, max_batch=256)
    observed = observe(made, [step])
    energy = summarise(observed)["energy"]
    contexts = sum(4 * (100 + done) for done in range(1, 5))
    active_j = 100.0 * 0.5  # static draw
    active_j += (1 + 0.1 * 400) + 4 * (1 + 0.1 * 4)  # by tokens of a step
    active_j += 0.01 * 4 * 4 + 1e-4 * contexts + 1e-6 * 4 * 100**2 / 2
    idle_j = 50.0 * 9.5
    dgx = server("DGX-H100")
    it_j = wall_power_w(dgx, 8 * (active_j + idle_j) / 10) / 8 * 10
    it_j += 10 * (0.117 * 400 + 10)  # network by its 400 Gb/s, and storage
    assert energy["parts"]["accelerators_active"] == pytest.approx(active_j)
    assert energy["parts"]["accelerators_idle"] == pytest.approx(idle_j)
    assert energy["it_j"] == pytest.approx(it_j)
    assert energy["site_j"] == pytest.approx(1.5 * it_j)
    assert energy["j_per_output_token"] == pytest.approx(1.5 * it_j / 20)
    assert energy["wh_per_request"] == pytest.approx(1.5 * it_j / 4 / 3600)


def test_only_requests_after_the_warmup_count():
    made = scenario(
        [{"arrivals": {"process": "deterministic", "rate_per_s": 1.0}}], duration=20.0, warmup=10.0
    )
    observed = observe(made)
    summary = summarise(observed)
    arrived = int(observed.metrics.counters[0, S.ARRIVED])
    assert summary["requests"]["arrived"] == arrived in (10, 11)
    assert summary["span"]["start_s"] == 10.0
    assert windows_table(observed)["start_s"].min() == 10.0


def test_long_prompts_are_rejected_and_said():
    lengths = {"kind": "quantiles", "input": [[0, 100], [0.5, 100], [1, 5000]], "output": [[0, 5], [1, 5]]}
    made = scenario([{"lengths": lengths, "slo": {"ttft": 1000.0}}], duration=60.0)
    summary = summarise(observe(made, [cost(kv_capacity=1000, max_batch=256)]))
    requests = summary["requests"]
    assert 0 < requests["rejected"] < requests["arrived"] == requests["completed"] + requests["rejected"]
    assert summary["slo"]["attainment"] == pytest.approx(requests["completed"] / requests["arrived"])
    assert any("longer than a replica's KV room" in text for text in summary["warnings"])


def test_a_full_queue_rejects_and_is_said():
    scheduler = {"kind": "chunked-prefill", "queue_limit": 1, "max_batch": 2}
    made = scenario(
        [{"arrivals": {"process": "poisson", "rate_per_s": 100.0}}], [{"scheduler": scheduler}], duration=20.0
    )
    summary = summarise(observe(made))
    assert summary["requests"]["rejected"] > 0
    assert any("their queue was full" in text for text in summary["warnings"])
    assert summary["overload"]["growing"] is False


def test_preemption_is_said_when_it_costs():
    made = scenario(
        [
            {
                "arrivals": {"process": "poisson", "rate_per_s": 10.0},
                "lengths": {"kind": "fixed", "input": 50, "output": 300},
            }
        ],
        duration=60.0,
    )
    summary = summarise(observe(made, [cost(kv_capacity=2000, max_batch=256)]))
    pool = summary["pools"][0]
    assert pool["preemptions"] > 0
    assert pool["tokens"]["recomputed"] > 0.05 * pool["tokens"]["prefilled"]
    assert any("ran out of KV room" in text for text in summary["warnings"])
    ample = summarise(observe(made))
    assert ample["pools"][0]["preemptions"] == 0
    assert not any("ran out of KV room" in text for text in ample["warnings"])


def test_warnings_of_the_step_cost_are_passed_on():
    made = scenario()
    step = cost(max_batch=256)
    told = type(step)(**{**step.__dict__, "warnings": ("nobody measured this",)})
    assert "pool H100-SXM-80GB-0: nobody measured this" in summarise(observe(made, [told]))["warnings"]


def test_what_a_governor_did_is_not_put_on_others():
    summary = one_batch()
    over = {**summary, "power": {**summary["power"], "limit_w": 1000.0, "headroom_w": -50.0}}
    assert any("nothing in this run holds it back" in text for text in warnings_of(over))
    (told,) = (text for text in warnings_of(over, governed=True) if "above its limit" in text)
    assert told.endswith("its governor did not hold it below")
    requests = {**summary["workloads"][0]["requests"], "arrived": 10, "rejected": 5, "shed": 5}
    turned = {**summary, "workloads": [{**summary["workloads"][0], "requests": requests}]}
    (told,) = (text for text in warnings_of(turned) if "rejected" in text)
    assert "(5 turned away by the power governor)" in told
    requests["shed"] = 2
    (told,) = (text for text in warnings_of(turned) if "rejected" in text)
    assert "(2 turned away by the power governor, 3: longer than a replica's KV room)" in told


def test_pool_figures_tell_the_room_and_the_knowledge():
    pool = summarise(observe(scenario(), [cost(max_batch=256, kv_capacity=50_000)]))["pools"][0]
    assert pool["kv"]["capacity_tokens"] == 50_000
    assert pool["kv"]["mean_context_tokens"] == pytest.approx(110)
    assert pool["kv"]["limited_batch"] == pytest.approx(50_000 / 110)
    assert pool["step_cost"]["basis"] == "measured"
    assert pool["step_cost"]["tpot_error"] is None
    assert pool["memory"]["total_bytes"] == 80e9


def test_windows_with_nobody_running_have_an_empty_batch():
    table = windows_table(observe(scenario([{"arrivals": BURST, "lengths": FIXED}], duration=10.0)))
    assert table["mean_batch"][-1] == 0
    assert np.isfinite(table["mean_batch"]).all()
    assert table["pool"].tolist() == ["H100-SXM-80GB-0"] * len(table["start_s"])


def test_a_group_that_programs_ask_counts_passes():
    made = scenario([{"arrivals": BURST, "lengths": FIXED, "mitigation": "self-consistency"}], duration=10.0)
    summary = summarise(observe(made))
    (group,) = summary["overload"]["groups"]
    assert group["counted"] == "passes"
    assert group["arrived"] == summary["passes"] == 5 * summary["requests"]["completed"]
    plain = summarise(observe(scenario([{"arrivals": BURST, "lengths": FIXED}], duration=10.0)))
    assert plain["overload"]["groups"][0]["counted"] == "requests"


SESSION = {"turns": {"kind": "fixed", "turns": 4}, "think": 1.0, "question": {"mean": 30, "cv": 0}}


def test_sessions_worked_by_hand():
    """One session of four turns of 100, 150, 200 and 250 tokens in and 5 out, a second apart."""
    made = scenario(
        [{"arrivals": {"process": "all-at-once", "requests": 1}, "lengths": FIXED, "session": SESSION}],
        [{"prefix_cache": {"block_tokens": 1}}],
        duration=10.0,
    )
    step = cost(token_s=0.0, floor_s=0.1, kv_s=0.0, attention_s=0.0, max_batch=256)
    observed = observe(made, [step], log=10)
    summary = summarise(observed)
    read = 100 + 135 + 170 + 205
    assert summary["requests"]["arrived"] == summary["requests"]["completed"] == summary["passes"] == 4
    assert summary["tokens"]["input"] == summary["tokens"]["user_input"] == read
    assert summary["tokens"]["output"] == summary["tokens"]["user_output"] == 20
    assert summary["tokens"]["prefill_computed"] == 100 + 3 * 30
    assert summary["overload"]["groups"][0]["counted"] == "requests"
    workload = summary["workloads"][0]
    assert workload["stages"] == [] and workload["passes_per_request"] == 1
    sessions = workload["sessions"]
    assert {k: sessions[k] for k in ("started", "ended", "failed", "cut")} == {
        "started": 1,
        "ended": 1,
        "failed": 0,
        "cut": 0,
    }
    assert sessions["turns_mean"] == 4
    assert sessions["length_s_mean"] == pytest.approx(4 * 0.5 + 3)
    assert sessions["input_found"] == pytest.approx((read - 190) / read)
    table = requests_table(observed, np.zeros(1, np.int64), 10)
    assert table["turn"].tolist() == [1, 2, 3, 4]
    assert table["request"].tolist() == [0] * 4
    assert table["tpot_s"] == pytest.approx([0.1] * 4)


def test_what_is_not_asked_for_is_not_there():
    summary = one_batch()
    assert "sessions" not in summary["workloads"][0] and "adapters" not in summary["pools"][0]


def test_adapters_worked_by_hand():
    made = scenario(
        [{"arrivals": BURST, "lengths": FIXED}], [{"adapters": {"count": 1, "resident": 1}}], duration=10.0
    )
    step = cost(token_s=0.0, floor_s=0.1, kv_s=0.0, attention_s=0.0, max_batch=256, adapter_load_s=0.05)
    summary = summarise(observe(made, [step]))
    found = summary["pools"][0]["adapters"]
    assert found == {"count": 1, "resident": 1, "load_s": 0.05, "asked": 4, "loads": 1, "hit_rate": 0.75}
    assert summary["latency"]["ttft_s"]["mean"] == pytest.approx(0.15)
