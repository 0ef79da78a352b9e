"""Published claims about the cost of generative AI, each put to the test.

A claim is a ledger file (what is claimed, by whom, with which inputs and their ranges), scenarios that it runs where it
is about serving, and a test function that turns both into a `Finding`.
"""

from sim.study.claims.registry import claim_ids, run_claims

__all__ = ["claim_ids", "run_claims"]
