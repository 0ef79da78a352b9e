"""The summary of a run: every figure of a result, as plain data for JSON.

All figures cover the span from the end of the warm-up to the end of the run, which is the later of the scenario's
duration and the last completion. Latencies, tokens and requests are those of the requests that arrive in it. What
is not known (no request completed, no target given) is None. Times are in seconds, powers in watts, energies in
joules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.engine import state as S
from sim.metrics.fleet import fleet_section
from sim.metrics.flops import flops_section
from sim.metrics.jobs import denoising_steps, text_pools, text_workloads
from sim.metrics.latency import latency_section, requests_section, slo_section, workload_target_shares
from sim.metrics.observed import Observed
from sim.metrics.overload import backlog
from sim.metrics.passes import Calls, stage_sections
from sim.metrics.pools import pool_capacity, pool_section
from sim.metrics.site_section import (
    carbon_section,
    energy_section,
    power_section,
    site_section,
    water_section,
)
from sim.metrics.warnings import warnings_of
from sim.scenario.workload import Workload


def summarise(observed: Observed) -> dict[str, Any]:
    """The summary, but for money and for the circumstances of the run.

    energy: j_per_output_token and wh_per_request count the site's energy without training, `parts` sum to `site_j`.
    carbon: kg is of the electricity that the site draws, embodied_kg of making the hardware.
    tokens.prefill_computed: prompt tokens that replicas computed in the span, recomputation included.
    utilization: share of time that accelerators had calls to run.
    """
    scenario, metrics, span = observed.scenario, observed.metrics, observed.span
    every = range(len(scenario.workloads))
    requests = requests_section(metrics, every, scenario.workloads)
    text, of_text = text_workloads(observed), text_pools(observed)
    output = int(metrics.counters[text, S.OUTPUT].sum())
    accelerators = sum(hall.accelerators for hall in observed.halls)
    made = accelerators + sum(hall.spare_servers * hall.server.accelerators for hall in observed.halls)
    made += sum(block.accelerators for block in observed.blocks)
    summary: dict[str, Any] = {
        "requests": requests,
        "tokens": {
            "input": int(metrics.counters[text, S.INPUT].sum()),
            "output": output,
            "prefill_computed": round(float(observed.pool_columns[of_text, S.PREFILLED].sum())),
            "recomputed": round(float(observed.pool_columns[of_text, S.RECOMPUTED].sum())),
            **_user_tokens(observed),
        },
        "passes": _passes(observed),
        "flops": flops_section(observed),
        "latency": latency_section(metrics, every),
        "slo": slo_section(metrics, every, [w.slo for w in scenario.workloads], span.length_s),
        "fleet": {
            "replicas": sum(pool.replicas for pool in scenario.pools),
            "accelerators": accelerators,
            "servers": sum(hall.servers for hall in observed.halls),
            "spare_servers": sum(hall.spare_servers for hall in observed.halls),
            **fleet_section(observed),
        },
        "utilization": _utilization(observed),
        "power": power_section(observed),
        "energy": energy_section(observed, output, requests["completed"]),
        "carbon": carbon_section(observed, made),
        "water": water_section(observed),
        "site": site_section(observed),
        "span": {"start_s": span.start_s, "end_s": span.end_s, "duration_s": scenario.duration_s},
        "prefix_cache": _prefix_cache(observed),
        "workloads": [_workload(observed, w) for w in every],
        "pools": [pool_section(observed, i) for i in range(len(scenario.pools))],
        "overload": _overload(observed),
    }
    return {**summary, "warnings": warnings_of(summary, governed=scenario.governor is not None)}


def _passes(observed: Observed) -> int:
    """Calls of completed requests: one each, or those of their programs."""
    counters = observed.metrics.counters
    return sum(
        int(row[S.COMPLETED if program.passes_are_requests else S.PASSED])
        for program, row in zip(observed.programs, counters, strict=True)
    )


def _user_tokens(observed: Observed) -> dict[str, int]:
    """Tokens that users sent and of the answers meant for them, whatever passes it took.

    With each turn of a session the user's client sends all that came before it.
    """
    sent = answered = 0
    for w in text_workloads(observed):
        program, row = observed.programs[w], observed.metrics.counters[w]
        sent += int(row[S.INPUT if program.passes_are_requests else S.ASKED])
        answered += int(row[S.OUTPUT if program.passes_are_requests else S.ANSWERED])
    return {"user_input": sent, "user_output": answered}


def _prefix_cache(observed: Observed) -> dict[str, float | int | None]:
    """Prompt tokens that pools with a prefix cache admitted, and the part of them that was found in it."""
    asked, hit = (float(observed.pool_columns[:, c].sum()) for c in (S.CACHE_ASKED, S.CACHE_HIT))
    return {
        "asked_tokens": round(asked),
        "hit_tokens": round(hit),
        "hit_rate": hit / asked if asked else None,
    }


def _utilization(observed: Observed) -> float:
    busy_s = sum(
        float(columns[S.BUSY_S]) * pool.accelerators_per_replica
        for columns, pool in zip(observed.pool_columns, observed.scenario.pools, strict=True)
    )
    return busy_s / (sum(hall.accelerators for hall in observed.halls) * observed.span.length_s)


def _spilled(workload: Workload, counters: np.ndarray) -> dict[str, Any]:
    """Tokens that another service computed, and its prices; no key where there is none."""
    if workload.spill is None:
        return {}
    return {
        "spill": {
            "requests": int(counters[S.SPILLED]),
            "input": int(counters[S.SPILLED_INPUT]),
            "output": int(counters[S.SPILLED_OUTPUT]),
            "usd_per_mtok_input": workload.spill.usd_per_mtok_input,
            "usd_per_mtok_output": workload.spill.usd_per_mtok_output,
        }
    }


def _workload(observed: Observed, w: int) -> dict[str, Any]:
    workload, metrics = observed.scenario.workloads[w], observed.metrics
    counters, lengths = metrics.counters[w], observed.lengths[w]
    slo = slo_section(metrics, [w], [workload.slo], observed.span.length_s)
    tokens = {"input": int(counters[S.INPUT]), "output": int(counters[S.OUTPUT])}
    made = {}
    if workload.job is not None:
        tokens, made = {"input": 0, "output": 0}, {"denoising_steps": denoising_steps(observed, w)}
    return {
        "name": workload.name,
        "model": workload.model,
        "arrivals": workload.arrivals.process,
        "requests": requests_section(metrics, [w], [workload]),
        "technique": observed.programs[w].name,
        "tokens": tokens,
        **made,
        **_spilled(workload, counters),
        "passes_per_request": _per_request(observed, w),
        "stages": _stages(observed, w),
        "mean_lengths": {"input": lengths.input, "output": lengths.output},
        "latency": latency_section(metrics, [w]),
        "slo": {
            **slo,
            **workload_target_shares(metrics, w),
            "targets": {k: getattr(workload.slo, k) for k in ("ttft_s", "tpot_s", "e2e_s")},
        },
        **_sessions(observed, w),
    }


def _sessions(observed: Observed, w: int) -> dict[str, Any]:
    """Of a workload that holds sessions, those that began after the warm-up, by how they ended.

    ended: of themselves; failed: a turn was rejected; cut: the next question would have come after the duration.
    turns_mean, length_s_mean: of those that ended of themselves, so that long ones are missing where the duration is
    not much longer than a session.
    """
    if not observed.programs[w].session:
        return {}
    counters = observed.metrics.counters[w]
    row = _first_stage(observed, w)
    ended, failed, cut = (int(counters[c]) for c in (S.SESSIONS_ENDED, S.SESSIONS_FAILED, S.SESSIONS_CUT))
    read, found = (int(observed.metrics.stage_counters[row, c]) for c in (S.STAGE_INPUT, S.STAGE_CACHED))
    return {
        "sessions": {
            "started": ended + failed + cut,
            "ended": ended,
            "failed": failed,
            "cut": cut,
            "turns_mean": int(counters[S.SESSION_TURNS]) / ended if ended else None,
            "length_s_mean": float(observed.metrics.stage_times[row, S.SESSION_S]) / ended if ended else None,
            "input_found": found / read if read else None,
        }
    }


def _overload(observed: Observed) -> dict[str, Any]:
    """Whether each router's backlog grows; `growing` is None where a run has too few windows to tell."""
    models = dict.fromkeys(pool.model for pool in observed.scenario.pools)
    groups = [_group(observed, model) for model in models]
    grows = [g["backlog_grows_per_s"] for g in groups]
    arrivals_end_s = max(observed.arrivals_end_s, observed.span.start_s)
    return {
        "growing": True if any(grows) else None if None in grows else False,
        "arrivals_s": arrivals_end_s - observed.span.start_s,
        "drain_s": observed.span.end_s - arrivals_end_s,
        "groups": groups,
    }


def _per_request(observed: Observed, w: int) -> float | None:
    counters = observed.metrics.counters[w]
    completed = int(counters[S.COMPLETED])
    if observed.programs[w].passes_are_requests or not completed:
        return 1.0 if completed else None
    return int(counters[S.PASSED]) / completed


def _stages(observed: Observed, w: int) -> list[dict[str, Any]]:
    """Figures of the stages of the program that workload `w` runs; none where passes are requests."""
    if observed.programs[w].passes_are_requests or observed.scenario.workloads[w].job is not None:
        return []
    return stage_sections(observed.programs[w], observed.metrics, _first_stage(observed, w))


def _first_stage(observed: Observed, w: int) -> int:
    """Row of the first stage of workload `w` among the stages of all programs."""
    return sum(len(program.stages) for program in observed.programs[:w] if not program.is_plain)


def _group(observed: Observed, model: str) -> dict[str, Any]:
    """The queues of the pools that serve `model`, while requests arrive; of programs, their passes."""
    span, pools, calls = observed.span, observed.pools_of(model), observed.calls_for(model)
    inside = span.window_start_s + span.width_s <= observed.arrivals_end_s + 1e-9
    columns = span.columns[pools].sum(axis=0)[inside]
    arrived = sum(c.count for c in calls)
    service_s = _service_s(observed, calls)
    window_s = observed.metrics.window_s
    found = backlog(
        columns[:, S.WAITING_S] / window_s, window_s=window_s, arrived=arrived, service_s=service_s
    )
    most = _capacity_rps(observed, pools)
    return {
        "model": model,
        "arrived": arrived,
        "offered_rps": found.offered_rps,
        "capacity_rps": most,
        "load": found.offered_rps / most if most and found.offered_rps else None,
        "backlog_grows_per_s": found.grows_rps,
        "waiting_at_end": found.waiting_at_end,
        "service_s": service_s,
        "settled": found.settled,
        "counted": "requests"
        if all(observed.programs[c.workload].passes_are_requests for c in calls)
        else "passes",
    }


def _service_s(observed: Observed, calls: Sequence[Calls]) -> float:
    """Mean time between admission and completion of these calls [s]; 0 if none completed."""
    ended = 0
    for c in calls:
        plain = observed.programs[c.workload].is_plain
        ended += int(observed.metrics.counters[c.workload, S.COMPLETED]) if plain else c.count
    return sum(c.service_s for c in calls) / ended if ended else 0.0


def _capacity_rps(observed: Observed, pools: Sequence[int]) -> float | None:
    from_pools = {i: pool_capacity(observed, i) for i in pools}
    known = {i: c["requests_per_s"] for i, c in from_pools.items() if c is not None}
    return observed.together(known) if len(known) == len(pools) else None
