"""Coefficients elsewhere in their calibration intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace

from sim.cost.coefficients import NAMES, Coefficients, Fitted, bounded

ENERGY = ("base_power", "flop_power", "irregular_power", "byte_power", "resident_power")
"""Coefficients of power; all others are of time and memory."""
STEP_COST = tuple(name for name in NAMES if name not in ENERGY)


def at(fitted: Fitted, z: Mapping[str, float]) -> Fitted:
    """`fitted` with each coefficient named in `z` moved to value x exp(z sigma), held within its bounds.

    z: standard normal deviates by name of coefficient; z = -1.645 and 1.645 are the ends of the 90 % interval.
    Coefficients move each on its own: the calibration file carries no covariances.
    """
    values = asdict(fitted.coefficients)
    moved = {name: values[name] * math.exp(deviate * fitted.sigma[name]) for name, deviate in z.items()}
    return replace(fitted, coefficients=Coefficients(**bounded({**values, **moved})))
