"""Clock and power cap: what a step takes and draws when the cores run slower than they could.

At a share f of the clock that boards reach under their TDP, the core's voltage is  v = max(0.7, 1 - 0.75 (1 - f))  of
what it was, and

    arithmetic             takes 1/f as long, and v^2 of the energy
    memory                 takes as long; a byte takes 0.35 + 0.65 v^2 of the energy: the rest is spent on its way
                           through the chip, which the core's voltage feeds
    draw while serving     idle + (base - idle) f v^2: idle remains, the clocks of a busy chip do not
    launches, links, host  unchanged

A decode step that waits for memory barely slows; a prefill slows with the clock. That energy per operation goes with
voltage squared and that static power remains: Mei, Wang & Chu, "A survey and measurement study of GPU DVFS on energy
conservation", Digital Communications and Networks 3 (2017), doi:10.1016/j.dcan.2016.10.001. The figures of the law
are from general knowledge of voltage curves and of HBM's energy per bit, not fitted: no file of measurements has
clocks. docs/power.md holds it against published points.

A cap is met by the clock that brings a step's draw down to what the cap's soft limit leaves. The limit at TDP is part
of measured times already: under a cap of TDP the clock is 1 and the tables are those of `power_limited`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.cost.limit import TypicalSteps, power_limited, typical_steps, with_token_j
from sim.cost.power import Energy, soft_limit_w
from sim.cost.setting import Setting
from sim.cost.types import StepCost

VOLTAGE_SLOPE = 0.75
"""Fall of voltage, as a share of nominal, for a fall of the whole clock."""
VOLTAGE_FLOOR = 0.7
"""Voltage below which chips do not go, as a share of nominal."""
BOARD_SHARE = 0.35
"""Share of a memory byte's energy that is spent in the memory, which has its own clock."""
SLOW_CLOCK = 0.5
"""Clock of the second set of tables that `capped` asks for."""
LEAST_CLOCK = 0.25
"""Clock below which no cap brings a board."""
_HALVINGS = 30


def voltage(clock):
    """Core voltage over nominal at a share `clock` of full core clock [1]; arrays give arrays."""
    return np.maximum(VOLTAGE_FLOOR, 1.0 - VOLTAGE_SLOPE * (1.0 - clock))


def slowed(s: Setting, clock: float) -> Setting:
    """`s` with the cores at a share `clock` of their speed: as much less arithmetic."""
    peaks = {name: peak * clock for name, peak in s.accelerator.peak_flops.items()}
    return replace(s, accelerator=replace(s.accelerator, peak_flops=peaks))


def scaled(e: Energy, clock: float, idle_w: float) -> Energy:
    """`e` with the cores at a share `clock` of their speed; idle_w: what the board draws at rest [W]."""
    core = float(voltage(clock)) ** 2
    rest_w = min(idle_w, e.serving_w)
    return replace(
        e,
        serving_w=rest_w + (e.serving_w - rest_w) * clock * core,
        linear_flop_j=e.linear_flop_j * core,
        attention_flop_j=e.attention_flop_j * core,
        byte_j=e.byte_j * (BOARD_SHARE + (1.0 - BOARD_SHARE) * core),
    )


_SLOWED = (
    "token_s",
    "token_s_beyond",
    "sequence_s",
    "kv_s",
    "attention_s",
    "host_s",
    "host_prefill_s",
    "admit_s",
)
_SCALED = ("token_j", "token_j_beyond", "sequence_j", "kv_j", "attention_j", "static_w")


def slowed_like(cost: StepCost, full: StepCost, slow: StepCost) -> StepCost:
    """Tables at `SLOW_CLOCK` for a step cost that has none of its own (measured kernels): `cost` times the ratio of
    `slow` to `full`, entry by entry. All three are of one deployment and have tables of equal length."""

    def ratio(name: str):
        above, below = np.asarray(getattr(slow, name)), np.asarray(getattr(full, name))
        return np.divide(above, below, out=np.ones_like(below, dtype=np.float64), where=below != 0)

    changed = {name: getattr(cost, name) * ratio(name) for name in (*_SLOWED, *_SCALED)}
    return replace(cost, **{n: v if np.ndim(v) else float(v) for n, v in changed.items()})


def capped(
    cost: StepCost,
    cap_w_per_accelerator: float,
    *,
    slow: StepCost,
    tdp_w: float,
    typical_context: float,
) -> StepCost:
    """`cost` with every accelerator held to `cap_w_per_accelerator` [W] by its clock.

    cost: the tables at full clock, before `power_limited`.  slow: the same deployment's at `SLOW_CLOCK`, from
        `step_cost(..., clock=SLOW_CLOCK)`; of measured kernels, from `slowed_like`.
    typical_context: context per sequence of the steps that the cap is met for [tokens].
    Each of `limit.typical_steps` draws soft_limit_w(what its work asks for, cap) and lasts as long as the clock
    that this takes; a cap at or above TDP gives `power_limited(cost, tdp_w, typical_context)`. Where the cap is
    below what `LEAST_CLOCK` draws, the step draws that, and a warning says so.
    """
    ladder = _ladder(cost, slow, tdp_w, typical_context)
    asked_w = (
        cost.static_w / cost.accelerators + ladder.asked_j / ladder.steps.step_s(cost) / cost.accelerators
    )
    lowered = soft_limit_w(asked_w, min(cap_w_per_accelerator, tdp_w)) / soft_limit_w(asked_w, tdp_w)
    clock = ladder.clock(ladder.drawn_w(np.ones(len(asked_w))) * lowered)
    found = ladder.tables(clock)
    if (ladder.drawn_w(clock) > cap_w_per_accelerator * (1 + 1e-6)).any():
        text = f"a cap of {cap_w_per_accelerator:g} W is below what some steps draw at the lowest clock"
        found = replace(found, warnings=(*found.warnings, text))
    return found


def locked(cost: StepCost, clock: float, *, slow: StepCost, tdp_w: float, typical_context: float) -> StepCost:
    """`cost` with the clock of all accelerators locked at a share `clock` of what they reach under TDP, held to
    it as by `power_limited`; the other arguments are those of `capped`. clock in [LEAST_CLOCK, 1]."""
    ladder = _ladder(cost, slow, tdp_w, typical_context)
    return ladder.tables(np.full(len(cost.token_j), clock))


@dataclass(frozen=True)
class _Ladder:
    """Times and draws of typical steps between two sets of tables: times linear in 1 / clock, energies in
    voltage^2, the draw of a busy chip in clock x voltage^2. Clocks are float64[len(token_j)], one per step.

    asked_j: what the steps' work asks for at full clock [J].  left: share of it that the soft limit at TDP leaves.
    """

    full: StepCost
    slow: StepCost
    steps: TypicalSteps
    asked_j: np.ndarray
    left: np.ndarray

    def step_s(self, clock: np.ndarray) -> np.ndarray:
        return _between(self.steps.step_s(self.full), self.steps.step_s(self.slow), _time_share(clock))

    def drawn_w(self, clock: np.ndarray) -> np.ndarray:
        """What one accelerator draws over the steps [W]."""
        static_w = _between(self.full.static_w, self.slow.static_w, _busy_share(clock))
        return (static_w + self.work_j(clock) / self.step_s(clock)) / self.full.accelerators

    def work_j(self, clock: np.ndarray) -> np.ndarray:
        """Energy of the steps above the draw while serving [J]."""
        return self.left * _between(self.asked_j, self.steps.work_j(self.slow), _energy_share(clock))

    def clock(self, most_w: np.ndarray) -> np.ndarray:
        """The highest clocks at which the steps draw no more than `most_w`, by bisection."""
        low, high = np.full(len(most_w), LEAST_CLOCK), np.ones(len(most_w))
        free = self.drawn_w(high) <= most_w * (1 + 1e-9)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            fits = self.drawn_w(middle) <= most_w
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        return np.where(free, 1.0, low)

    def tables(self, clock: np.ndarray) -> StepCost:
        """Tables whose entries run at the clocks of the steps that they stand for; what has no entry of its own
        runs at that of the largest batch (energies of sequences) or of the last step (prompts). The draw while
        serving is that of the fastest step; what others draw less is taken off their entries."""
        a, b = self.full, self.slow
        of_batch = clock[np.minimum(np.arange(len(a.kv_s)) * a.width, len(clock) - 1)]
        last, decode, prompt = _time_share(clock[-1]), _energy_share(of_batch[-1]), _energy_share(clock[-1])
        found = replace(
            a,
            token_s=_between(a.token_s, b.token_s, _time_share(clock)),
            token_s_beyond=float(_between(a.token_s_beyond, b.token_s_beyond, last)),
            sequence_s=_between(a.sequence_s, b.sequence_s, _time_share(of_batch)),
            kv_s=_between(a.kv_s, b.kv_s, _time_share(of_batch)),
            attention_s=float(_between(a.attention_s, b.attention_s, last)),
            sequence_j=float(_between(a.sequence_j, b.sequence_j, decode)),
            kv_j=float(_between(a.kv_j, b.kv_j, decode)),
            attention_j=float(_between(a.attention_j, b.attention_j, prompt)),
            token_j_beyond=float(_between(a.token_j_beyond, b.token_j_beyond, prompt)),
            static_w=float(_between(a.static_w, b.static_w, _busy_share(clock.max()))),
        )
        drawn_j = self.drawn_w(clock) * self.full.accelerators * self.steps.step_s(found)
        steady_j = found.static_w * self.steps.step_s(found) + self.steps.rest_j(found)
        return with_token_j(found, drawn_j - steady_j)


def _ladder(cost: StepCost, slow: StepCost, tdp_w: float, typical_context: float) -> _Ladder:
    steps = typical_steps(cost, typical_context)
    asked_j = steps.work_j(cost)
    limited_j = steps.work_j(power_limited(cost, tdp_w, typical_context))
    return _Ladder(cost, slow, steps, asked_j, limited_j / np.maximum(asked_j, 1e-30))


def _between(full, slow, share):
    return full + (slow - full) * share


def _time_share(clock):
    return (1.0 / clock - 1.0) / (1.0 / SLOW_CLOCK - 1.0)


def _energy_share(clock):
    return (1.0 - voltage(clock) ** 2) / (1.0 - voltage(SLOW_CLOCK) ** 2)


def _busy_share(clock):
    return (1.0 - clock * voltage(clock) ** 2) / (1.0 - SLOW_CLOCK * voltage(SLOW_CLOCK) ** 2)
