"""What the training runs that share a site cost: their hardware, their room and their share of the electricity.

They stand beside the ledger of serving, not in it, so that costs per request stay those of serving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sim.economics.electricity import Meter, bill
from sim.economics.lines import cost_lines
from sim.economics.prices import Prices
from sim.economics.usage import PoolUsage, Usage

NOT_HERE = ("staff", "training", "electricity")
"""Lines that are the fleet's alone, or that are divided by energy instead."""
EXAFLOP = 1e18


def training_costs(usage: Usage, prices: Prices) -> list[dict[str, Any]]:
    """Cost of each training run over the span [$]: `usd_total`, its `lines`, and per exaFLOP of useful work.

    Lines are those of the ledger for the same hardware; electricity is the site's bill times the run's share of its
    energy. The hardware is paid for all the span, also while it idles.
    """
    return (
        []
        if usage.meter is None
        else [_one(block, usage, usage.meter, prices) for block in usage.meter.training]
    )


def _one(block: Mapping[str, Any], usage: Usage, meter: Meter, prices: Prices) -> dict[str, Any]:
    hardware = PoolUsage(
        name=block["name"],
        model="",
        accelerators=block["accelerators"],
        servers=block["servers"],
        provisioned_it_w=block["provisioned_it_w"],
        busy=min(block["active_s"] / usage.span_s, 1.0),
        it_j=block["it_j"],
        idle_j=0.0,
        prefill_s=0.0,
        decode_s=0.0,
    )
    alone = Usage(usage.span_s, (hardware,), (), 0.0, 0, 0, 0)
    lines = {line: usd[0] for line, usd in cost_lines(alone, prices).items() if line not in NOT_HERE}
    if block["name"] in prices.servers:
        share = block["site_j"] / meter.site_j if meter.site_j else 0.0
        lines["electricity"] = bill(meter, prices.site).usd * share
    total = math.fsum(lines.values())
    flops = block["flops"]
    return {
        "name": block["name"],
        "usd_total": total,
        "usd_per_exaflop": total / (flops / EXAFLOP) if flops else None,
        "lines": lines,
    }
