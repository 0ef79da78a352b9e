"""How near the kernel is to the machine: the same inner loop in C, on the same plan and state arrays.

`floor.c` takes the path of the speed benchmark. The structs and constants it needs are written from the Python
definitions when it is compiled, so the two cannot drift; `compare` runs both on one plan and checks that they agree.
Run as `python -m benchmarks.floor`.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import fleet
from benchmarks.report import Table, machine
from sim.engine import plan as P
from sim.engine import state as S
from sim.engine.dataplane import grown
from sim.engine.kernel import clock, ident
from sim.engine.kernel.advance import NEED_CALLS, NEED_WINDOWS, REACHED, start
from sim.engine.kernel.advance import advance as kernel_advance
from sim.engine.kernel.preempt import CALL_BITS
from sim.engine.kernel.rng import DRAWS
from sim.engine.plan import Plan
from sim.engine.room import new_state
from sim.engine.state import State
from sim.metrics import histogram

Advance = Callable[[Plan, State, int], int]

SOURCE = Path(__file__).with_name("floor.c")
FLAGS = (
    "-std=gnu11",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-split-paths",
    "-Wall",
    "-Wextra",
)
"""Contraction is off because LLVM does not contract numba's code either: the results are to be the same."""
TOLERANCE = 1e-12
ROUNDS = 5
SIZES = {16: 1_000_000, 128: 1_000_000, 1024: 2_000_000, 4096: 4_000_000}
"""Requests to simulate, by replicas: enough that filling the fleet does not weigh."""

_C_TYPES = {"i4": "int32_t", "i8": "int64_t", "u8": "uint64_t", "f8": "double"}
_RECORDS = {
    "Pool": P.POOL,
    "Rate": P.RATE,
    "Group": P.GROUP,
    "Length": P.LENGTH,
    "Amount": P.AMOUNT,
    "Read": P.READ,
    "Stage": P.STAGE,
    "Workload": P.WORKLOAD,
    "Replica": S.REPLICA,
    "Call": S.CALL,
    "Request": S.REQUEST,
    "RequestStage": S.REQUEST_STAGE,
    "Node": S.NODE,
    "Prefix": S.PREFIX,
    "Lane": S.LANE,
    "Adapter": S.ADAPTER,
    "Stream": S.STREAM,
    "Log": S.LOG,
}
_PLAN_NAMES = ("CHUNKED_PREFILL", "LEAST_OUTSTANDING", "POISSON", "AT_ONCE", "FIXED", "TABLE", "GUIDE")
_STATE_NAMES = (
    *("NONE", "ARRIVED", "COMPLETED", "REJECTED", "INPUT", "OUTPUT", "GOOD", "GOOD_TTFT", "GOOD_TPOT"),
    *("WITH_TPOT", "WORKLOAD_COUNTERS", "TTFT", "TPOT", "E2E", "QUEUE", "LATENCIES", "ENERGY_J", "BUSY_S"),
    *("BATCH_S", "DECODED", "PREFILLED", "WAITING_S", "SYSTEM_S", "STEPS", "PREEMPTED", "RECOMPUTED"),
    *("PAIRS", "READ_KV", "WINDOW_COLUMNS", "FREE_HEAD", "LOGGED", "NEXT_STREAM", "NEXT_TICK", "SEGMENTS"),
)


def compiler() -> str | None:
    """The C compiler, or None if there is none."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def available() -> bool:
    """Whether `floor.c` can be compiled here."""
    return compiler() is not None


def advance(plan: Plan, state: State, until_tick: int) -> int:
    """As the kernel's `advance`, in C. Raises ValueError for a plan off the path that `floor.c` takes."""
    return advance_of(plan, state)(plan, state, until_tick)


def advance_of(plan: Plan, state: State, *extra_flags: str) -> Advance:
    """`advance` compiled with more flags, for states like this one. Raises ValueError as `advance` does."""
    _check(plan)
    library = _compiled(_header(plan, state), extra_flags)
    library.floor_advance.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    library.floor_advance.restype = ctypes.c_int64

    def run(plan: Plan, state: State, until_tick: int) -> int:
        given, changed = _mirror(plan), _mirror(state)
        return library.floor_advance(ctypes.addressof(given), ctypes.addressof(changed), until_tick)

    return run


def _check(plan: Plan) -> None:
    off = []
    if not np.isin(plan.workloads["process"], (P.POISSON, P.AT_ONCE)).all():
        off.append("an arrival process other than Poisson or all at once")
    if plan.workloads["stages"].any():
        off.append("a program")
    if plan.pools["prefix_block"].any():
        off.append("a prefix cache")
    if plan.classes > 1 or plan.patience or plan.chains.shape[1] > 1:
        off.append("priorities, patience, or pools that overflow")
    if plan.workloads["most_in_flight"].any() or plan.workloads["interval_tick"].any():
        off.append("a tenant's limit")
    if (plan.workloads["spill_ttft_s"] >= 0).any() or (plan.workloads["attempts"] > 1).any():
        off.append("retries or spill")
    if plan.pools["role"].any() or (plan.pools["width"] > 1).any() or plan.pools["adapters"].any():
        off.append("a role, drafts or adapters")
    if plan.network_s.any():
        off.append("a way between regions")
    if plan.workloads["warp_count"].any():
        off.append("a rate shape")
    if not np.isin(plan.lengths["law"], (P.FIXED, P.TABLE)).all():
        off.append("a law of lengths other than fixed or a table")
    if (plan.groups["router"] != P.LEAST_OUTSTANDING).any():
        off.append("a router other than least outstanding")
    if (plan.pools["scheduler"] != P.CHUNKED_PREFILL).any():
        off.append("a scheduler other than chunked prefill")
    if plan.cells > 1 and (plan.workloads["process"] != P.POISSON).any():
        off.append("several cells with a process that they must share by draws")
    if off:
        raise ValueError("floor.c does not know " + ", ".join(off))


# ---- the C side's layout, from the Python definitions ----


def _header(plan: Plan, state: State) -> str:
    """Text of layout.h: records, the plan, the state, and every constant that `floor.c` uses."""
    lines = ["#define ARRAY(type) struct { type *at; int64_t size[3]; }"]
    for name, dtype in _RECORDS.items():
        fields = (f"{_c_type(dtype[field])} {field};" for field in dtype.names or ())
        lines.append(f"typedef struct {{ {' '.join(fields)} }} {name};")
        lines.append(f'_Static_assert(sizeof({name}) == {dtype.itemsize}, "{name}");')
    for name, arrays in (("Plan", plan), ("State", state)):
        fields = (f"{_c_field(value)} {field};" for field, value in zip(arrays._fields, arrays, strict=True))
        lines.append(f"typedef struct {{ {' '.join(fields)} }} {name};")
        lines.append(f'_Static_assert(sizeof({name}) == {ctypes.sizeof(_mirror(arrays))}, "{name}");')
    constants = {
        **{name: getattr(P, name) for name in _PLAN_NAMES},
        **{name: getattr(S, name) for name in _STATE_NAMES},
        **{
            name: getattr(clock, name)
            for name in ("NEVER", "NEVER_TICK", "TICKS_PER_S", "END", "ARRIVE", "BEGIN")
        },
        **{name: getattr(ident, name) for name in ("PASS_BITS", "NUMBER_BITS")},
        **{"REACHED": REACHED, "NEED_CALLS": NEED_CALLS, "NEED_WINDOWS": NEED_WINDOWS},
        **{"CALL_BITS": CALL_BITS, "CALL_MASK": (1 << CALL_BITS) - 1, "DRAWS": DRAWS},
        "BUCKETS": histogram.BUCKETS,
        "HISTOGRAM_SHIFT": 52 - histogram.SUB_BITS,
        "HISTOGRAM_OFFSET": (1023 + histogram.LOWEST_EXPONENT) << histogram.SUB_BITS,
    }
    return "\n".join([*lines, *(f"#define {name} ({value!r})" for name, value in constants.items())]) + "\n"


def _c_type(dtype: np.dtype) -> str:
    names = (name for name, record in _RECORDS.items() if record == dtype)
    return next(names, None) or _C_TYPES[dtype.str[1:]]


def _c_field(value: np.ndarray | int | float) -> str:
    if isinstance(value, np.ndarray):
        return f"ARRAY({_c_type(value.dtype)})"
    return "double" if isinstance(value, float) else "int64_t"


class _Array(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("size", ctypes.c_int64 * 3))


def _mirror(arrays: NamedTuple) -> ctypes.Structure:
    """The plan or the state as a C struct that points into its arrays; valid while they live."""
    values = []
    for value in arrays:
        if isinstance(value, np.ndarray):
            if not value.flags.c_contiguous:
                raise ValueError("an array of the plan or the state is not contiguous")
            values.append(_Array(value.ctypes.data, (ctypes.c_int64 * 3)(*value.shape)))
        else:
            values.append(ctypes.c_double(value) if isinstance(value, float) else ctypes.c_int64(value))
    fields = [(name, type(value)) for name, value in zip(arrays._fields, values, strict=True)]
    return type("Mirror", (ctypes.Structure,), {"_fields_": fields})(*values)


@cache
def _compiled(header: str, extra_flags: tuple[str, ...]) -> ctypes.CDLL:
    """Raises RuntimeError if there is no compiler, CalledProcessError if it refuses the source."""
    cc = compiler()
    if cc is None:
        raise RuntimeError("no C compiler found: looked for cc, gcc and clang")
    build = Path(tempfile.mkdtemp(prefix="floor-", dir=folder().name))
    (build / "layout.h").write_text(header)
    library = build / "floor.so"
    where = ["-I", str(build), "-o", str(library), str(SOURCE), "-lm"]
    subprocess.run([cc, *FLAGS, *extra_flags, "-shared", "-fPIC", *where], check=True)
    return ctypes.CDLL(str(library))


@cache
def folder() -> tempfile.TemporaryDirectory:
    """Kept until the process ends: the profiler reads the library's symbols."""
    return tempfile.TemporaryDirectory(prefix="floor-")


# ---- running both ----


def run(plan: Plan, step: Advance, log_requests: int = 0) -> tuple[State, float]:
    """Simulate one cell to its end with `step`: its state then, and the seconds inside the data plane."""
    state = new_state(plan, log_requests)
    start(plan, state)
    begun_s = time.perf_counter()
    while (outcome := step(plan, state, clock.NEVER_TICK)) != REACHED:
        state = grown(state, outcome)
    return state, time.perf_counter() - begun_s


def difference(a: State, b: State) -> float:
    """Largest relative difference of the books of two runs; infinite if a counter or a bucket differs.

    The difference of a window, a sum or a logged time is taken relative to the largest entry of its column.
    """
    exact = ("counters", "histograms")
    if any(not np.array_equal(getattr(a, name), getattr(b, name)) for name in exact):
        return np.inf
    if a.scalars[S.SEGMENTS] != b.scalars[S.SEGMENTS] or a.log.size != b.log.size:
        return np.inf
    pairs = [(a.sums, b.sums), (a.windows, b.windows)]
    if a.log.size:
        pairs += [(a.log[name][:, None], b.log[name][:, None]) for name in S.LOG.names or ()]
    return max(_apart(x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1])) for x, y in pairs)


def _apart(x: np.ndarray, y: np.ndarray) -> float:
    if x.shape != y.shape:
        return np.inf
    scale = np.maximum(np.abs(x).max(axis=0), 1e-300)
    return float((np.abs(x - y) / scale).max())


def compare(plan: Plan, rounds: int = ROUNDS) -> dict[str, float]:
    """Run the numba kernel and the C loop alternately, `rounds` times each, on one plan.

    Returns `replicas`, `requests`, `numba_s` and `c_s` (medians), `numba_rps` and `c_rps` [requests/s], `ratio`
    (kernel time over C time: median of the ratios of neighbouring runs) and `difference` (see there).
    Raises RuntimeError if the books of two runs differ by more than `TOLERANCE`.
    """
    times_s: list[tuple[float, float]] = []
    worst = 0.0
    in_c = advance_of(plan, new_state(plan))
    first = run(plan, kernel_advance)[0]  # compiles, and warms the memory
    requests = int(first.counters[:, S.ARRIVED].sum())
    for i in range(rounds):
        order = (kernel_advance, in_c) if i % 2 == 0 else (in_c, kernel_advance)
        runs = {step: run(plan, step) for step in order}
        times_s.append((runs[kernel_advance][1], runs[in_c][1]))
        worst = max(worst, difference(runs[kernel_advance][0], runs[in_c][0]))
        if worst > TOLERANCE:
            raise RuntimeError(f"the C loop and the kernel differ by {worst:.3g}")
    numba_s, c_s = (statistics.median(column) for column in zip(*times_s, strict=True))
    return {
        "replicas": int(plan.groups["replicas"].sum()),
        "requests": requests,
        "numba_s": numba_s,
        "c_s": c_s,
        "numba_rps": requests / numba_s,
        "c_rps": requests / c_s,
        "ratio": statistics.median(a / b for a, b in times_s),
        "difference": worst,
    }


def sized_plans(replicas: Sequence[int]) -> list[Plan]:
    """The benchmark's plan for each size of fleet."""
    return [fleet.plans(r, SIZES.get(r, max(1_000_000, 1000 * r)))[0] for r in replicas]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("replicas", type=int, nargs="*", default=[*SIZES], help="fleets to run [replicas]")
    options = parser.parse_args()
    if not available():
        sys.exit("no C compiler found")
    table = Table("replicas", "requests", "kernel requests/s", "C requests/s", "kernel / C", "difference")
    for plan in sized_plans(options.replicas):
        pair = compare(plan)
        names = ("replicas", "requests", "numba_rps", "c_rps", "ratio", "difference")
        table.add(*(pair[name] for name in names))
    print(f"{machine()}\n\n{table.markdown()}")


if __name__ == "__main__":
    main()
