"""What a reader of a result must be told before he uses its figures; read off the summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.units import format_power

RECOMPUTED_SHARE = 0.05
"""Of prefill that preemption made necessary: beyond it, KV room is what a pool lacks."""
STILL_WAITING_SHARE = 0.03
"""Of all requests in queues as the last arrived, without a steady growth: a burst or peak cut the run off."""


def warnings_of(summary: Mapping[str, Any], *, governed: bool = False) -> list[str]:
    """Sentences, the gravest first: overload, rejections, runs too short, preemption, unmeasured step costs.

    governed: whether a governor held the site's power down.
    """
    return [
        *_overloads(summary),
        *_rejections(summary),
        *_over_limit(summary, governed),
        *_unsettled(summary),
        *_preemptions(summary),
        *_step_costs(summary),
    ]


def _overloads(summary: Mapping[str, Any]) -> Iterator[str]:
    for group in summary["overload"]["groups"]:
        grows, offered, counted = group["backlog_grows_per_s"], group["offered_rps"], group["counted"]
        if grows:
            yield (
                f"offered load above capacity: of {offered:.3g} {counted}/s for {group['model']} the fleet serves "
                f"{offered - grows:.3g}; the backlog grows by {grows:.3g} {counted}/s; these percentiles depend on "
                "the run's length"
            )
        elif group["waiting_at_end"] > STILL_WAITING_SHARE * group["arrived"]:
            yield (
                f"{group['waiting_at_end']:,.0f} {counted} for {group['model']} still waited when arrivals ended: "
                "a burst or a peak stood at the end of the run, and its percentiles depend on where it ends"
            )


def _rejections(summary: Mapping[str, Any]) -> Iterator[str]:
    limited = {p["model"] for p in summary["pools"] if p["scheduler"]["queue_limit"] is not None}
    for workload in summary["workloads"]:
        rejected, arrived = workload["requests"]["rejected"], workload["requests"]["arrived"]
        if not rejected:
            continue
        longer = "longer than a replica's KV room"
        why = f"their queue was full, or they were {longer}" if workload["model"] in limited else f"{longer}"
        told = {
            "limited": "beyond their limit",
            "expired": "given up while waiting",
            "shed": "turned away by the power governor",
        }
        known = {key: workload["requests"][key] for key in told if workload["requests"].get(key)}
        if known:
            others = rejected - sum(known.values())
            why = ", ".join(
                [
                    *(f"{count:,} {told[key]}" for key, count in known.items()),
                    *([f"{others:,}: {why}"] if others else ()),
                ]
            )
        yield (
            f"{rejected:,} of {arrived:,} requests of workload {workload['name']} were rejected ({why}); "
            "latencies are those of the others"
        )


def _over_limit(summary: Mapping[str, Any], governed: bool) -> Iterator[str]:
    power = summary["power"]
    held = "its governor did not hold it below" if governed else "nothing in this run holds it back"
    if power["limit_w"] is not None and power["headroom_w"] < 0:
        yield (
            f"the site draws {format_power(power['site_w_peak'])} at its peak, above its limit of "
            f"{format_power(power['limit_w'])}; {held}"
        )


def _unsettled(summary: Mapping[str, Any]) -> Iterator[str]:
    for group in summary["overload"]["groups"]:
        if not group["settled"] and not group["backlog_grows_per_s"]:
            yield (
                f"the run is short for {group['model']}: a request spends {group['service_s']:.3g} s on a replica, "
                f"and requests arrive for {summary['overload']['arrivals_s']:.3g} s only, so that batches never "
                "settle; raise the duration, and set a warmup"
            )


def _preemptions(summary: Mapping[str, Any]) -> Iterator[str]:
    for pool in summary["pools"]:
        prefilled, recomputed = pool["tokens"]["prefilled"], pool["tokens"]["recomputed"]
        if prefilled and recomputed > RECOMPUTED_SHARE * prefilled:
            yield (
                f"pool {pool['name']} ran out of KV room {pool['preemptions']:,} times: "
                f"{100 * recomputed / prefilled:.0f} % of its prefill is work done again"
            )


def _step_costs(summary: Mapping[str, Any]) -> Iterator[str]:
    for pool in summary["pools"]:
        for text in pool["step_cost"]["warnings"]:
            yield f"pool {pool['name']}: {text}"
