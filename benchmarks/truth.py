"""Is the kernel right? Random scenarios against the reference engine, and queues against theory.

python -m benchmarks.truth [SCENARIOS]        SCENARIOS defaults to 2,000
"""

from __future__ import annotations

import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.report import Table, machine, write
from tests.engine.test_differential import TOLERANCE, compare, setups
from tests.theory import queues as Q

LOADS = (0.5, 0.8, 0.95)
REQUESTS = 600_000


def differential(scenarios: int) -> dict:
    """Compare both engines on random scenarios; raises AssertionError where they differ by more than `TOLERANCE`."""
    found = {"scenarios": 0, "requests": 0, "worst": 0.0}

    @seed(2026)
    @settings(
        max_examples=scenarios,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(setups())
    def one(setup):
        requests, worst = compare(*setup)
        found["scenarios"] += 1
        found["requests"] += requests
        found["worst"] = max(found["worst"], worst)

    begin = time.perf_counter()
    one()
    return {**found, "wall_s": time.perf_counter() - begin}


def theory() -> list[tuple[str, float, str, float, Q.Estimate]]:
    """(queue, load, quantity, expected, simulated) for each queue and load."""
    rows = []
    for load in LOADS:
        waits = (
            ("M/M/1", Q.exponential_tokens(), 1, Q.mmc_wait_s(1, load)),
            ("M/D/1", Q.fixed_tokens(), 1, Q.mg1_wait_s(load, 1.0)),
            ("M/G/1, cv^2 = 2.25", Q.two_point_tokens(), 1, Q.mg1_wait_s(load, 3.25)),
            # a call that finds the replica at work joins at the next step: half a step more on average
            ("M/M/8", Q.exponential_tokens(), 8, Q.mmc_wait_s(8, load) + Q.STEP_S / 2),
        )
        for name, lengths, servers, expected in waits:
            wait, _ = Q.measure(lengths, load, servers=servers, requests=REQUESTS)
            rows.append((name, load, "mean wait", expected, wait))
        for name, lengths in (("M/M/1-PS", Q.exponential_tokens()), ("M/G/1-PS", Q.two_point_tokens())):
            _, stay = Q.measure(lengths, load, sharing=True, requests=REQUESTS // 2)
            rows.append((name, load, "mean time in system", Q.sharing_time_s(load), stay))
    return rows


def main(scenarios: int = 2000) -> None:
    found = differential(scenarios)
    table = Table("queue", "load", "quantity", "theory s", "simulated s", "99.9 % interval", "inside")
    for name, load, quantity, expected, got in theory():
        low, high = got.mean - got.half_width, got.mean + got.half_width
        inside = "yes" if got.holds(expected) else "NO"
        table.add(
            name, load, quantity, f"{expected:.4f}", f"{got.mean:.4f}", f"{low:.4f} to {high:.4f}", inside
        )
    text = [
        "# Is the kernel right?",
        f"Command: `python -m benchmarks.truth {scenarios}`. {machine()}",
        f"**Two engines.** {found['scenarios']:,} random scenarios, {found['requests']:,} requests: both engines agree "
        f"on every request's admission, first token and completion, on replica, order, tokens and energy; the worst "
        f"relative difference of a time is {found['worst']:.1e} (tolerance {TOLERANCE:g}).",
        "**Theory.** Step costs set so that a replica is the textbook server (`tests/theory/queues.py`), mean service "
        "1 s, ten replications.",
        table.markdown(),
    ]
    write("truth", {"differential": found, "theory": [list(map(str, row)) for row in table.rows]}, text)


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:2]))
