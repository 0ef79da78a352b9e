"""The tables of a result, as columns: time windows by pool, and the requests that were logged."""

from __future__ import annotations

import numpy as np

from sim.engine import state as S
from sim.engine.kernel.ident import NUMBER_BITS, PASS_BITS
from sim.metrics.observed import Observed

Table = dict[str, np.ndarray]


def windows_table(observed: Observed) -> Table:
    """One row per pool and window of the span, pool by pool, and then by training run, which has only its draw.

    width_s is shorter for the last window. accelerator_w, it_w, site_w: mean draw [W]. utilization: busy share of
    the replicas. mean_batch: sequences that a busy replica decodes at once. queue, in_system: mean requests waiting,
    and waiting or running. decode_tokens_per_s, prefill_tokens_per_s: what replicas computed; the first token of an
    answer comes with its prefill. preemptions: a count. Where the fleet changes: replicas_open, replicas_powered,
    replicas_out.
    """
    pools = range(len(observed.scenario.pools))
    parts = [_pool_windows(observed, i) for i in pools]
    parts += [_training_windows(observed, i, parts[0]) for i in range(len(observed.blocks))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _pool_windows(observed: Observed, i: int) -> Table:
    span, pool, energy = observed.span, observed.scenario.pools[i], observed.energies[i]
    columns, width_s = span.columns[i], span.width_s
    busy_s = columns[:, S.BUSY_S]
    return {
        "pool": np.full(len(width_s), pool.name, dtype=object),
        "start_s": span.window_start_s,
        "width_s": width_s,
        "accelerator_w": energy.accelerator_j / width_s,
        "it_w": energy.it_j / width_s,
        "site_w": energy.site_j / width_s,
        "utilization": busy_s / (pool.replicas * width_s),
        "mean_batch": np.divide(columns[:, S.BATCH_S], busy_s, out=np.zeros_like(busy_s), where=busy_s > 0),
        "queue": columns[:, S.WAITING_S] / width_s,
        "in_system": columns[:, S.SYSTEM_S] / width_s,
        "decode_tokens_per_s": columns[:, S.DECODED] / width_s,
        "prefill_tokens_per_s": columns[:, S.PREFILLED] / width_s,
        "preemptions": np.round(columns[:, S.PREEMPTED]).astype(np.int64),
        **_replicas(observed, i),
    }


def _replicas(observed: Observed, i: int) -> Table:
    """Mean replicas that were open, powered and in an outage; none of these columns where nothing changes the fleet."""
    if not observed.fleet:
        return {}
    series, width_s = observed.fleet[i], observed.span.width_s
    return {
        "replicas_open": series.open / width_s,
        "replicas_powered": series.powered / width_s,
        "replicas_out": series.out / width_s,
    }


def _training_windows(observed: Observed, i: int, like: Table) -> Table:
    """The draw of a training run; what it has no figure for is 0."""
    power, width_s = observed.site_power, observed.span.width_s
    it_j = power.training_j[i]
    none = {name: np.zeros(len(width_s), column.dtype) for name, column in like.items() if name != "pool"}
    return {
        **{"pool": np.full(len(width_s), observed.blocks[i].name, dtype=object)},
        **none,
        "start_s": observed.span.window_start_s,
        "width_s": width_s,
        "it_w": power.slots.by_window(it_j) / width_s,
        "site_w": power.slots.by_window(it_j * power.per_it) / width_s,
    }


def requests_table(observed: Observed, pool_of_replica: np.ndarray, most: int) -> Table:
    """The first `most` requests that completed, one row each, in order of completion.

    pool_of_replica: int32[R] of one cell; replica numbers are those within a cell.
    request: number within its workload; of a turn, the session's, and `turn`, which is there where any workload holds
    sessions, counts from 1 in it (0 for other requests). tpot_s is nan where there is no second output token, and of
    programs of passes; of these, tokens are the user's prompt and the answer, and pool and replica those of the last
    pass. ttft_s and e2e_s hold what passes outside the engine, as the summary's latencies do.
    """
    calls, scenario = observed.metrics.calls[:most], observed.scenario
    workload, pool = calls["id"] >> (PASS_BITS + NUMBER_BITS), pool_of_replica[calls["replica"]]
    outside_s = np.array([cost.first_token_s for cost in observed.costs])[pool]
    decoding_s = calls["finish_s"] - calls["first_s"]
    programs = observed.programs
    plain = np.array([program.passes_are_requests for program in programs])[workload]
    turns = {"turn": calls["id"] & ((1 << PASS_BITS) - 1)} if any(p.session for p in programs) else {}
    tokens = np.where(plain, calls["output"] - 1, 0)
    return {
        "workload": _names(scenario.workloads, workload),
        "request": (calls["id"] >> PASS_BITS) & ((1 << NUMBER_BITS) - 1),
        **turns,
        "pool": _names(scenario.pools, pool),
        "replica": calls["replica"],
        "input_tokens": calls["input"],
        "output_tokens": calls["output"],
        "arrival_s": calls["arrive_s"],
        "queue_s": np.maximum(calls["admit_s"] - calls["arrive_s"], 0.0),
        "ttft_s": calls["first_s"] - calls["arrive_s"] + outside_s,
        "tpot_s": np.divide(decoding_s, tokens, out=np.full(len(calls), np.nan), where=tokens > 0),
        "e2e_s": calls["finish_s"] - calls["arrive_s"] + outside_s,
    }


def _names(entries, numbers: np.ndarray) -> np.ndarray:
    return np.array([entry.name for entry in entries], dtype=object)[numbers]
