"""Which function tests which claim, and the run over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.errors import Fault, UserError, did_you_mean
from sim.study.claims.finding import Finding
from sim.study.claims.ledger import Ledger, ledgers

Test = Callable[[Ledger], Finding]


def tests() -> dict[str, Test]:
    """The test of each claim, by id."""
    from sim.study.claims import blackwell, charging, hardware, passes, prices, serving, spending

    found: dict[str, Test] = {}
    for module in (spending, hardware, prices, charging, serving, blackwell, passes):
        found |= module.TESTS
    return found


def claim_ids() -> tuple[str, ...]:
    """Every claim, in the order of the tests."""
    return tuple(tests())


def run_claims(
    ids: Sequence[str] = (), progress: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Test the claims of these ids, or all of them: one plain object each, ready for JSON.

    progress: called with each id before its test. Raises UserError for an unknown id.
    """
    known = tests()
    for given in ids:
        if given not in known:
            hint = did_you_mean(given, known) or "`simulate claims --list` names them"
            raise UserError(Fault("ID", f'"{given}" is not a claim', hint))
    found = []
    for name in ids or tuple(known):
        progress(name)
        ledger = ledgers()[name]
        found.append(_object(ledger, known[name](ledger)))
    return found


def _object(ledger: Ledger, finding: Finding) -> dict[str, Any]:
    return {
        "id": ledger.id,
        "claim": ledger.claim,
        "source": ledger.source,
        "published": ledger.published if ledger.published is not None else ledger.published_text,
        "unit": ledger.unit,
        "tolerance": ledger.tolerance,
        "simulated": finding.simulated,
        "interval": None if finding.interval is None else list(finding.interval),
        "interval_basis": finding.interval_basis,
        "verdict": finding.verdict,
        "condition": finding.condition if finding.verdict == "holds only if" else "",
        "flips": finding.flips,
        "note": finding.note,
        "figures": dict(finding.figures),
        "inputs": {
            n: {"value": i.value, "low": i.low, "high": i.high, "source": i.source}
            for n, i in ledger.inputs.items()
        },
        "scenarios": list(ledger.scenarios),
    }
