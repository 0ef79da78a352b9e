"""The parts of the summary that are the site's: power, energy, carbon, water, and what its bill is made from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from sim.catalog.grids import carbon, embodied_kg
from sim.metrics.energy_split import active_split
from sim.metrics.hall import TrainingBlock
from sim.metrics.jobs import text_energy_j
from sim.metrics.observed import Observed
from sim.metrics.power import IT_PARTS
from sim.metrics.site_calendar import HOUR_S
from sim.metrics.site_limit import idle_site_w, provisioned_site_w
from sim.metrics.site_overhead import PARTS as OVERHEAD_PARTS
from sim.metrics.site_power import SitePower, rated_it_w, training_w
from sim.scenario.site import Site

KWH_J = 3.6e6
WH_J = 3600.0
YEAR_S = 8760 * HOUR_S
EMBODIED_SERVER_ACCELERATORS = 8
"""Accelerators of the server whose making the catalog's server_kg is."""


def power_section(observed: Observed) -> dict[str, Any]:
    """Draw over the windows of the span [W]. p95, p99: of the site's, by time; load_factor: mean over peak."""
    site, span = observed.site_power, observed.span
    it_w, site_w = site.window_it_w, site.window_w
    mean_w = float(site.site_j.sum()) / span.length_s
    peak_w = float(site_w.max())
    provisioned_w = sum(h.provisioned_it_w for h in observed.halls)
    provisioned_w += sum(b.provisioned_it_w for b in observed.blocks)
    return {
        "it_w_mean": float(site.it_j.sum()) / span.length_s,
        "it_w_peak": float(it_w.max()),
        "site_w_mean": mean_w,
        "site_w_peak": peak_w,
        "p95": site.quantile_w(0.95),
        "p99": site.quantile_w(0.99),
        "load_factor": mean_w / peak_w if peak_w else None,
        "provisioned_it_w": provisioned_w,
        "window_s": observed.metrics.window_s,
        **_against_limit(observed, peak_w, provisioned_w),
    }


def _against_limit(observed: Observed, peak_w: float, provisioned_it_w: float) -> dict[str, Any]:
    """Provisioned and idle power at the meter; against the limit, what is left and how far the site is oversold."""
    scenario = observed.scenario
    limit_w = scenario.site.power_limit_w
    provisioned_w = provisioned_site_w(scenario.site, provisioned_it_w)
    return {
        "provisioned_site_w": provisioned_w,
        "idle_site_w": idle_site_w(scenario, [c.idle_w for c in observed.costs]),
        "limit_w": limit_w,
        "headroom_w": None if limit_w is None else limit_w - peak_w,
        "oversubscription": None if limit_w is None else provisioned_w / limit_w,
    }


def energy_section(observed: Observed, output: int, completed: int) -> dict[str, Any]:
    """Energy of the span [J]; `parts` sum to site_j, and so does by_phase.

    j_per_output_token and wh_per_request count the site's energy but for what training draws (serving_j).
    """
    site = observed.site_power
    site_j = float(site.site_j.sum())
    training_it_j = float(site.training_j.sum())
    serving_j = site_j - float(site.training_site_j.sum())
    parts = {part: _total(observed, part) for part in IT_PARTS}
    parts |= {"training": training_it_j, "overhead": float(site.overhead.total.sum())}
    split = active_split(observed)
    by_phase = {phase: sum(v for k, v in split.items() if k[1] == phase) for phase in ("prefill", "decode")}
    rows = _by_workload(observed, split, serving_j)
    by_phase["idle"] = parts["accelerators_idle"] + split.get(("", "other"), 0.0)
    by_phase |= {name: parts[name] for name in (*IT_PARTS[2:], "training", "overhead")}
    return {
        "it_j": float(site.it_j.sum()),
        "site_j": site_j,
        "serving_j": serving_j,
        "accelerator_j": _total(observed, "accelerator_j"),
        "parts": parts,
        "overhead_parts": {name: float(getattr(site.overhead, name).sum()) for name in OVERHEAD_PARTS},
        "by_phase": by_phase,
        "by_workload": rows,
        "j_per_output_token": text_energy_j(rows, observed, serving_j) / output if output else None,
        "wh_per_request": serving_j / WH_J / completed if completed else None,
    }


def _by_workload(observed: Observed, split: Any, serving_j: float) -> list[dict[str, Any]]:
    """Busy accelerators' energy by workload and phase [J], and all of the serving site's energy in that proportion."""
    total = sum(v for k, v in split.items() if k[0])
    rows = []
    for workload in observed.scenario.workloads:
        prefill_j, decode_j = split[workload.name, "prefill"], split[workload.name, "decode"]
        share = (prefill_j + decode_j) / total if total else None
        site_j = None if share is None else share * serving_j
        rows.append({"name": workload.name, "prefill_j": prefill_j, "decode_j": decode_j, "site_j": site_j})
    return rows


def _total(observed: Observed, name: str) -> float:
    """Sum over pools and windows of a series of `EnergySeries` [J]."""
    return float(sum(getattr(energy, name).sum() for energy in observed.energies))


def carbon_section(observed: Observed, accelerators: int) -> dict[str, Any]:
    """Carbon [kg CO2e]. kg, operational_kg: of the electricity;  g_per_kwh: its mean over the energy drawn.

    embodied_kg: of making accelerators and servers, in a straight line over cost.depreciation_years, for the span;
    accelerators: all of them, training and spares too.
    """
    scenario, site = observed.scenario, observed.site_power
    grams = observed.carbon_g_per_kwh * np.asarray(carbon_shape(scenario.site))[site.slots.hour_of_day()]
    kwh = site.site_j / KWH_J
    operational_kg = float((kwh * grams).sum()) / 1e3
    embodied = accelerators * embodied_per_accelerator_kg()
    embodied *= observed.span.length_s / (scenario.cost.depreciation_years * YEAR_S)
    total_kwh = float(kwh.sum())
    return {
        "kg": operational_kg,
        "g_per_kwh": operational_kg * 1e3 / total_kwh if total_kwh else observed.carbon_g_per_kwh,
        "operational_kg": operational_kg,
        "embodied_kg": embodied,
        "total_kg": operational_kg + embodied,
    }


def carbon_shape(site: Site) -> tuple[float, ...]:
    """Relative carbon intensity by hour of the day, of mean 1: as given, else the grid's, else even."""
    if site.carbon_hourly is not None:
        return tuple(24 * v / sum(site.carbon_hourly) for v in site.carbon_hourly)
    known = carbon(site.carbon_g_per_kwh).hourly if isinstance(site.carbon_g_per_kwh, str) else ()
    return known or (1.0,) * 24


def embodied_per_accelerator_kg() -> float:
    """Carbon of making one accelerator and its share of a server [kg CO2e]."""
    values, _ = embodied_kg()
    return values["accelerator_kg"] + values["server_kg"] / EMBODIED_SERVER_ACCELERATORS


def water_section(observed: Observed) -> dict[str, Any]:
    """Water [L]. litres: evaporated by cooling on site;  grid_litres: by making the electricity, None if not known."""
    site = observed.scenario.site
    power = observed.site_power
    grid = site.grid_water_l_per_kwh
    return {
        "litres": site.wue_l_per_kwh * float(power.it_j.sum()) / KWH_J,
        "grid_litres": None if grid is None else grid * float(power.site_j.sum()) / KWH_J,
        "wue_l_per_kwh": site.wue_l_per_kwh,
    }


def site_section(observed: Observed) -> dict[str, Any]:
    """The site's circumstances, its training, and `meter`: what its electricity can be priced from again."""
    site, power = observed.scenario.site, observed.site_power
    it_j = float(power.it_j.sum())
    weather = power.outdoor_c[~np.isnan(power.outdoor_c)]
    return {
        "region": site.region,
        "start": site.start,
        "pue_mean": float(power.site_j.sum()) / it_j if it_j else None,
        "outdoor_c": [float(weather.min()), float(weather.max())] if len(weather) else None,
        "rated_it_w": rated_it_w(observed.halls, observed.blocks),
        "training": [_training(power, i, block) for i, block in enumerate(observed.blocks)],
        "meter": meter(power),
    }


def _training(power: SitePower, i: int, block: TrainingBlock) -> dict[str, Any]:
    span_s = power.span.length_s
    active_s = float(power.slots.width_s[training_w(block, power.slots) == block.active_w].sum())
    return {
        "name": block.name,
        "accelerator": block.accelerator,
        "accelerators": block.accelerators,
        "servers": block.servers,
        "active_s": active_s,
        "flops": block.flops_per_s * active_s,
        "provisioned_it_w": block.provisioned_it_w,
        "it_w_mean": float(power.training_j[i].sum()) / span_s,
        "it_j": float(power.training_j[i].sum()),
        "site_j": float(power.training_site_j[i]),
    }


def meter(power: SitePower) -> dict[str, Any]:
    """What a bill needs: energy by hour of the clock, and the highest 15 minutes by month, kind of day and hour.

    start: the full hour in which the span begins.  hour_j: energy of each hour from there [J].
    months: [month, seconds of the span in it].  demand: [month, "weekday" or "weekend", hour of the day, W].
    """
    slots = power.slots
    hour_j = np.bincount(slots.hour, weights=power.site_j)
    hour_s = np.bincount(slots.hour, weights=slots.width_s)
    months: dict[str, float] = {}
    for hour, seconds in enumerate(hour_s):
        month = f"{slots.moment(hour):%Y-%m}"
        months[month] = months.get(month, 0.0) + float(seconds)
    highest: dict[tuple[str, str, int], float] = {}
    for quarter, watts in zip(*power.quarters(), strict=True):
        moment = slots.first_hour + timedelta(hours=int(quarter) // 4)
        kind = "weekend" if moment.weekday() >= 5 else "weekday"
        key = (f"{moment:%Y-%m}", kind, moment.hour)
        highest[key] = max(highest.get(key, 0.0), float(watts))
    return {
        "start": slots.first_hour.isoformat(timespec="minutes"),
        "hour_j": hour_j.tolist(),
        "months": [[month, seconds] for month, seconds in months.items()],
        "demand": [[*key, watts] for key, watts in highest.items()],
    }
