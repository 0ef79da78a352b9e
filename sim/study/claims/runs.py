"""Runs of the claims' scenarios, and the figures that tests read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sim.study.claims.ledger import folder

if TYPE_CHECKING:
    from sim.run import Result

Summary = Mapping[str, Any]
HOUR_S = 3600.0
UNMEASURED_ERROR = 0.40
"""Expected error of throughput where nothing alike was measured (expected_error of the step cost's coefficients)."""


@dataclass(frozen=True)
class Steady:
    """What a fleet does while requests arrive, after the warm-up, from the windows of a run.

    token_s: time between the tokens of one answer [s].  error: expected of throughput, from the step cost [1].
    """

    requests_per_s: float
    input_per_s: float
    output_per_s: float
    token_s: float
    batch: float
    site_w: float
    accelerators: int
    usd_per_hour: float
    error: float

    @property
    def j_per_output_token(self) -> float:
        return self.site_w / self.output_per_s

    @property
    def usd_per_request(self) -> float:
        return self.usd_per_hour / HOUR_S / self.requests_per_s

    @property
    def usd_per_mtok_output(self) -> float:
        return self.usd_per_hour / HOUR_S / self.output_per_s * 1e6


def run_file(name: str, *changes: str) -> Summary:
    """The summary of a scenario of the claims' folder, with ``key=value`` changes; run once for each."""
    return _run(name, changes).summary


def steady(name: str, *changes: str) -> Steady:
    """Steady figures of a scenario of one workload and one pool; the drain after the last arrival is left out."""
    result = _run(name, changes)
    summary, windows, duration_s = result.summary, result.windows, result.scenario.duration_s
    inside = (windows["start_s"] + windows["width_s"] <= duration_s + 1e-6) & (
        windows["prefill_tokens_per_s"] >= 0
    )
    inside &= windows["pool"] == summary["pools"][0]["name"]

    def mean(column: str) -> float:
        return float((windows[column] * windows["width_s"])[inside].sum() / windows["width_s"][inside].sum())

    prefill, decode, batch = mean("prefill_tokens_per_s"), mean("decode_tokens_per_s"), mean("mean_batch")
    requests = prefill / summary["workloads"][0]["mean_lengths"]["input"]
    replicas = summary["pools"][0]["replicas"]
    return Steady(
        requests_per_s=requests,
        input_per_s=prefill,
        output_per_s=decode + requests,
        token_s=batch * replicas / decode if decode else math.inf,
        batch=batch,
        site_w=mean("site_w"),
        accelerators=summary["fleet"]["accelerators"],
        usd_per_hour=summary["cost"]["usd_per_hour"],
        error=throughput_error(summary),
    )


def throughput_error(summary: Summary) -> float:
    """Expected error of the step cost's throughput [1]; that of the unmeasured where a warning says so."""
    known = summary["pools"][0]["step_cost"]
    unmeasured = any(text.startswith("no measurement behind") for text in known["warnings"])
    found = known["throughput_error"]
    return UNMEASURED_ERROR if unmeasured or found is None else found


def requests_per_replica_s(summary: Summary) -> float:
    """Mean-field capacity of one replica of the first pool [requests/s]."""
    pool = summary["pools"][0]
    return pool["capacity"]["requests_per_s"] / pool["replicas"]


@lru_cache(maxsize=512)
def _run(name: str, changes: tuple[str, ...]) -> Result:
    from sim.run import run
    from sim.scenario import load

    return run(load(folder() / name, changes))
