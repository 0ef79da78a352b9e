"""[revenue]: the keys of old still work, and the mistakes that plans invite are named."""

from __future__ import annotations

import pytest

from sim.errors import ScenarioError
from sim.scenario import loads
from tests.samples import SMALL

BARE = SMALL.replace("revenue = { usd_per_mtok_input = 0.5, usd_per_mtok_output = 1.5 }\n", "")


def revenue(text: str):
    found = loads(BARE + text).revenue
    assert found is not None
    return found


def test_prices_per_token_alone():
    found = revenue("[revenue]\nusd_per_mtok_input = 0.5\nusd_per_mtok_output = 1.5\n")
    assert (found.usd_per_mtok_cached_input, found.plans, found.peak) == (0.5, (), None)


def test_plans_share_out_what_is_left():
    found = revenue(
        "[revenue]\nusd_per_mtok_input = 0\nusd_per_mtok_output = 2\n"
        '[[revenue.plan]]\nname = "free"\nusd_per_month = 0\nrequests_per_month = 40\nshare = 0.6\n'
        '[[revenue.plan]]\nname = "plus"\nusd_per_month = "$20"\nrequests_per_month = 600\nsigma = 0.9\n'
    )
    assert [p.share for p in found.plans] == pytest.approx([0.6, 0.4])
    assert found.plans[1].beyond_cap == "blocked"


PLAN = '[revenue]\n[[revenue.plan]]\nname = "a"\nusd_per_month = 10\nrequests_per_month = 40\n'


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("[revenue]\n", "revenue", "names no price"),
        ("[revenue]\nusd_per_mtok_output = 1\n", "revenue.usd_per_mtok_input", "is required"),
        (PLAN + "sigma = 1\ntail = 2\n", "revenue.plan[0].tail", "not by both"),
        (PLAN + "overage_usd_per_request = 1\n", "revenue.plan[0].overage_usd_per_request", "cap_requests"),
        (PLAN + 'cap_requests = 1\nbeyond_cap = "metered"\n', "overage_usd_per_request", "is required"),
        (
            PLAN + "share = 0.9\n" + PLAN.replace("[revenue]\n", "") + "share = 0.2\n",
            "revenue.plan",
            "sum to 1.1",
        ),
        (PLAN + PLAN.replace("[revenue]\n", ""), "revenue.plan", "one name"),
        (PLAN + "capp = 3\n", "revenue.plan[0].capp", "cap_requests"),
        (
            "[revenue]\nusd_per_mtok_input = 1\nusd_per_mtok_output = 2\npeak = { hours = [[5, 3]], multiplier = 2 }\n",
            "peak.hours",
            "rise",
        ),
        (
            "[revenue]\nusd_per_mtok_input = 1\nusd_per_mtok_output = 2\npeak = { hours = 5, multiplier = 2 }\n",
            "peak.hours",
            "pairs",
        ),
    ],
)
def test_mistakes_are_named(text, path, words):
    with pytest.raises(ScenarioError) as error:
        loads(BARE + text)
    said = "\n".join(map(str, error.value.faults))
    assert path in said
    assert words in said
