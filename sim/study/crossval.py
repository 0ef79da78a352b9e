"""Cross-validation: how well rows are met that the fit has not seen.

Three ways to leave rows out, each predicted by a fit to the others:

accelerator x model   all rows of one chip and one model (in folds of several such groups)
stack                 all rows of one measured stack; predicted as the family that the stack is like
generation            all rows of one generation; predicted as a generation that nobody has measured

A fold's fit takes predictions as linear in the deviations about the full fit, which what is kept hardly leaves;
rows left out are predicted by the simulator itself, at the fold's coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.cost.calibration import Catalog
from sim.study.fit import Fit, Linear, Problem, base_logs, solve
from sim.study.observe import Observation, Pool
from sim.study.tree import REFERENCE, TYPICAL, Place

FOLDS = 8
_SEED = 7


@dataclass(frozen=True)
class HeldOut:
    """One observation predicted without its group: ln predicted by metric, float64[M].

    seen_stack: other rows of its stack were in the fit.
    """

    observation: Observation
    kind: str
    group: str
    predicted: np.ndarray
    seen_stack: bool


def cross_validate(
    problem: Problem, line: Linear, pool: Pool, catalog: Catalog, progress: Callable[[str], None]
) -> list[HeldOut]:
    """Every observation three times, left out in each of the three ways."""
    found = []
    for kind, folds in (
        ("accelerator x model", _model_folds(problem.seen)),
        ("stack", _folds_by(problem.seen, lambda o: o.place.stack)),
        ("generation", _folds_by(problem.seen, lambda o: o.place.generation)),
    ):
        for name, held in folds:
            found += _fold(problem, line, pool, catalog, kind, name, held)
        progress(f"left out by {kind}: {len(folds)} folds")
    return found


def _fold(
    problem: Problem,
    line: Linear,
    pool: Pool,
    catalog: Catalog,
    kind: str,
    name: str,
    held: np.ndarray,
) -> list[HeldOut]:
    fitted = solve(problem.tree, line, ~held[line.owner])
    which = np.flatnonzero(held)
    if kind == "generation":
        logs = _as_unmeasured(problem, fitted, catalog, which, name)
    else:
        logs = problem.logs(fitted.deviation)[which]
    stacks = {o.place.stack for o, out in zip(problem.seen, held, strict=True) if not out}
    predicted = pool.predict(logs, which.tolist())
    return [
        HeldOut(problem.seen[i], kind, name, p, problem.seen[i].place.stack in stacks)
        for i, p in zip(which, predicted, strict=True)
    ]


def _as_unmeasured(
    problem: Problem, fitted: Fit, catalog: Catalog, which: np.ndarray, generation: str
) -> np.ndarray:
    """ln coefficients of observations as if nothing of their generation were known."""
    places = [problem.places[i] for i in which]
    reference = [Place(REFERENCE, p.stack, p.precision) for p in places]
    base = base_logs(reference, problem.tree.names, catalog)
    selection = problem.tree.selection(reference, catalog)
    others = [g for g in TYPICAL if g != generation]
    factors = [_generation_logs(problem, fitted, catalog, g) for g in others]
    return base + selection @ fitted.deviation + np.mean(factors, axis=0)


def _generation_logs(problem: Problem, fitted: Fit, catalog: Catalog, generation: str) -> np.ndarray:
    """ln of a generation's factors on the reference generation's coefficients. float64[names]"""
    stack = problem.places[0].stack
    pair = [Place(g, stack, "bf16") for g in (generation, REFERENCE)]
    both = base_logs(pair, problem.tree.names, catalog)
    both = both + problem.tree.selection(pair, catalog) @ fitted.deviation
    return both[0] - both[1]


def _model_folds(seen: Sequence[Observation]) -> list[tuple[str, np.ndarray]]:
    groups = [(o.reading.chip.name, o.reading.model.name) for o in seen]
    unique = sorted(set(groups))
    order = np.random.default_rng(_SEED).permutation(len(unique))
    fold_of = {unique[g]: i % FOLDS for i, g in enumerate(order)}
    which = np.array([fold_of[g] for g in groups])
    return [(f"fold {i + 1}", which == i) for i in range(FOLDS) if (which == i).any()]


def _folds_by(seen: Sequence[Observation], key: Callable) -> list[tuple[str, np.ndarray]]:
    names = np.array([key(o) for o in seen])
    return [(str(n), names == n) for n in sorted(set(names))]
