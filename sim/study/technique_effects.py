"""What an error avoided costs, where the published effect of a technique lets it be computed.

Benchmarks, models and years differ from the simulated demand and from one another: these are prices of effects as they
were reported, not predictions, and do not rank techniques.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sim.study.technique_setup import Trial

_SETTING = re.compile(r"(\w+)\s*=\s*([0-9.]+)")


def avoided_errors(trial: Trial, row: Mapping[str, Any], base: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry for each published effect with a before and an after: errors avoided per answer (or fact) judged,
    and the extra dollars per request over them.

    Dollars are those of the resized fleet, or at capacity where there is none. An effect reported under parameters
    that are not the trial's has no price (`usd_per_error_avoided` None).
    """
    if trial.form is None:
        return []
    view = "resized" if row["resized"] and base["resized"] else "saturated"
    extra_usd = row[view]["usd"] - base[view]["usd"]
    found = []
    for effect in trial.form.effects:
        avoided = effect.errors_avoided
        if not avoided or avoided <= 0:
            continue
        alike = _same(effect.with_parameters, trial.mitigation.parameters)
        found.append(
            {
                "benchmark": effect.benchmark,
                "model": effect.model,
                "metric": effect.metric,
                "before": effect.before,
                "after": effect.after,
                "reported_with": effect.with_parameters,
                "errors_avoided": avoided,
                "extra_usd_per_request": extra_usd,
                "usd_per_error_avoided": extra_usd / avoided if alike else None,
                "view": view,
                "source": effect.source,
                "confidence": effect.confidence,
            }
        )
    return found


def _same(reported: str, parameters: Mapping[str, float]) -> bool:
    """Whether no parameter that the report names differs from the trial's."""
    named = {k: float(v) for k, v in _SETTING.findall(reported)}
    return all(parameters.get(k, v) == v for k, v in named.items())
