"""Whether a run met its targets, and trials that grow until the answer is clear."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.errors import Fault, UserError
from sim.run import run
from sim.scenario.schema import Scenario
from sim.study.replications import probability_above
from sim.study.sizing_demand import lone, shortened

ATTAINMENT = 0.99
TRIALS = (6_000, 24_000, 96_000)
"""Requests of a trial, the first that decides it."""
VERIFYING_REQUESTS = 60_000
CLEAR = 3.0
"""Standard errors between a trial's attainment and the target that decide it."""
CLUSTERED = 2.0
"""By how much requests that miss together widen the standard error of independent ones."""


class Unreachable(UserError):
    """No fleet of this kind meets the targets, however large."""


@dataclass(frozen=True)
class Verdict:
    """How one run stands to the targets. attainment: of the workload that does worst, None without targets.

    growing: whether more came than was served. requests: that were counted.
    """

    met: bool
    attainment: float | None
    growing: bool
    requests: int


def meeting_probability(verdicts: tuple[Verdict, ...], attainment: float) -> float:
    """Probability that one further run meets the targets: that its attainment suffices, times the share of runs
    without a growing backlog."""
    steady = sum(not v.growing for v in verdicts) / len(verdicts)
    shares = [v.attainment for v in verdicts if v.attainment is not None]
    return steady * (probability_above(shares, attainment) if shares else 1.0)


def judge(summary: Mapping[str, Any], attainment: float = ATTAINMENT) -> Verdict:
    """Whether a run met its targets: each workload's, and that no backlog grew."""
    shares = [w["slo"]["attainment"] for w in summary["workloads"] if w["slo"]["attainment"] is not None]
    for w in summary["workloads"]:
        arrived, rejected = w["requests"]["arrived"], w["requests"]["rejected"]
        if w["slo"]["attainment"] is None and arrived and rejected:
            shares.append(1 - rejected / arrived)
    worst = min(shares) if shares else None
    growing = bool(summary["overload"]["growing"])
    met = not growing and (worst is None or worst >= attainment)
    return Verdict(met, worst, growing, summary["requests"]["arrived"])


def judge_passes(summary: Mapping[str, Any], attainment: float = ATTAINMENT) -> Verdict:
    """Whether passes met the TTFT and TPOT targets, as an operator sees them who serves passes; of plain requests,
    requests. The share is of all passes of a workload, rejected ones included."""
    whole = judge(summary, attainment)
    shares = [_good_passes(w) if w["stages"] else w["slo"]["attainment"] for w in summary["workloads"]]
    known = [s for s in shares if s is not None]
    worst = min(known) if known else None
    return Verdict(
        not whole.growing and (worst is None or worst >= attainment), worst, whole.growing, whole.requests
    )


def _good_passes(workload: Mapping[str, Any]) -> float | None:
    tried = sum(s["passes"] + s["rejected"] for s in workload["stages"])
    return sum((s["good"] or 0.0) * s["passes"] for s in workload["stages"]) / tried if tried else None


@dataclass(frozen=True)
class Rule:
    """How a run is judged; how many requests trials have, the first that decides being the last; and how many the
    runs have that verify the answer."""

    judge: Callable[[Mapping[str, Any], float], Verdict]
    trials: tuple[int, ...]
    verifying: int


REQUESTS = Rule(judge, TRIALS, VERIFYING_REQUESTS)
"""Users' targets: of whole requests, whatever passes they take."""
PASSES = Rule(judge_passes, TRIALS, VERIFYING_REQUESTS)
"""The same targets for each pass: what an operator can provision to where a technique answers only at its end."""


def try_fleet(
    scenario: Scenario, attainment: float, seen: Callable[[], None], rule: Rule = REQUESTS
) -> Verdict:
    """Judge a fleet by runs that grow until the answer is clear; `seen` is called at each."""
    verdict = None
    for requests in rule.trials:
        made = shortened(scenario, requests)
        verdict = rule.judge(run(made, threads=1).summary, attainment)
        seen()
        if verdict.growing or verdict.attainment is None or made is scenario:
            break
        error = CLUSTERED * math.sqrt(attainment * (1 - attainment) / max(1, verdict.requests))
        if abs(verdict.attainment - attainment) > CLEAR * error:
            break
    assert verdict is not None
    return verdict


def check_reachable(scenario: Scenario, attainment: float, rule: Rule = REQUESTS) -> None:
    """A request alone is the best case: raises Unreachable where it misses its targets too often (one run)."""
    aimed = [w for w in scenario.workloads if any((w.slo.ttft_s, w.slo.tpot_s, w.slo.e2e_s))]
    if not aimed:
        return
    summary = run(lone(scenario), threads=1).summary
    verdict = rule.judge(summary, attainment)
    if verdict.attainment is not None and verdict.attainment < attainment:
        share = 100 * verdict.attainment
        raise Unreachable(
            _unreachable(summary, attainment)
            if rule is REQUESTS
            else Fault("slo", f"{share:.3g} % of the passes of a request alone on a replica meet its targets")
        )


def _unreachable(summary: Mapping[str, Any], attainment: float) -> list[Fault]:
    """What a request alone gets, beside what it should."""
    faults = []
    for i, w in enumerate(summary["workloads"]):
        share = w["slo"]["attainment"]
        if share is None or share >= attainment:
            continue
        latency, targets = w["latency"], w["slo"]["targets"]
        got = ", ".join(
            f"{name[:-2].upper()} p99 {latency[name]['p99']:.3g} s against {targets[name]:g} s"
            for name in ("ttft_s", "tpot_s", "e2e_s")
            if targets[name] is not None and latency[name]["p99"] is not None
        )
        rejected = w["requests"]["rejected"]
        text = f"a request alone on a replica meets its targets in {100 * share:.3g} % of cases ({got}"
        text += f"; {rejected:,} of {w['requests']['arrived']:,} do not fit its KV room)" if rejected else ")"
        faults.append(
            Fault(f"workload[{i}].slo", text, "more replicas do not help: faster ones, or other targets")
        )
    return faults
