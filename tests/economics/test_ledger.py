"""The ledger by hand-worked numbers, and its identities: every division sums to the total."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.economics.ledger import SPLIT, YEAR_S, money, sold_of
from sim.economics.lines import cost_lines
from sim.economics.prices import Price, Prices
from sim.economics.split import AXES, NOBODY, entries, sums
from sim.economics.usage import PoolUsage, Usage, Work, usage_of
from sim.scenario.money import Cost
from sim.scenario.revenue import Revenue
from sim.scenario.site import Site

KWH_J = 3.6e6
A = PoolUsage("a", "big", 16, 2.0, 20_000.0, 0.75, 60_000 * KWH_J, 6_000 * KWH_J, 1e-5, 4e-4)
B = PoolUsage("b", "small", 4, 0.5, 5_000.0, 0.5, 20_000 * KWH_J, 5_000 * KWH_J, 1e-6, 1e-5)
YEAR = Usage(
    span_s=YEAR_S,
    pools=(A, B),
    work=(
        Work("chat", "draft", "big", 800e6, 200e6),
        Work("chat", "check", "small", 900e6, 90e6),
        Work("code", "request", "big", 1200e6, 300e6),
    ),
    site_j=100_000 * KWH_J,
    requests=1_000_000,
    input_tokens=2_000_000_000,
    output_tokens=500_000_000,
)
SERVERS = {"a": Price(100_000.0, "test"), "b": Price(400_000.0, "test")}


def prices(revenue=None, residual=0.0, **cost):
    terms = {"depreciation_years": 4.0, "cost_of_capital": 0.1, "network_storage_fraction": 0.25, **cost}
    site = Site(electricity_usd_per_kwh=0.1, colocation_usd_per_kw_month=200.0)
    made = Cost(**terms)
    return Prices(site, made, revenue, SERVERS, {}, residual, made.age_years or 0.0)


def breakdown(**cost):
    return money(YEAR, prices(**cost))["cost"]["breakdown"]


def test_a_year_of_owning_worked_by_hand():
    """Servers of $400,000 (2 x 100,000 and half of 400,000), network and storage of $100,000."""
    found = money(YEAR, prices(maintenance_fraction_per_year=0.02, staff_usd_per_year=7_000.0))
    lines = found["cost"]["breakdown"]
    assert lines["server_depreciation"] == pytest.approx(100_000)
    assert lines["network_storage_depreciation"] == pytest.approx(25_000)
    assert lines["cost_of_capital"] == pytest.approx(500_000 * 0.3154708 - 125_000, rel=1e-6)
    assert lines["maintenance"] == pytest.approx(10_000)
    assert lines["colocation"] == pytest.approx(25 * 200 * 12)
    assert lines["electricity"] == pytest.approx(10_000)
    assert lines["staff"] == pytest.approx(7_000)
    assert found["cost"]["capex_usd"] == 500_000


def test_installation_spares_and_software_by_hand():
    lines = breakdown(installation_fraction=0.1, spares_fraction=0.05, software_usd_per_accelerator_year=4500)
    assert lines["installation_depreciation"] == pytest.approx(50_000 / 4)
    assert lines["spares_depreciation"] == pytest.approx(20_000 / 4)
    assert lines["software"] == pytest.approx(20 * 4500)
    assert lines["cost_of_capital"] == pytest.approx(570_000 * (0.3154708 - 0.25), rel=1e-6)


def test_an_own_building_replaces_colocation():
    """25 kW at $12 M/MW is $300,000, over 20 years at 10 %: 0.11746 a year."""
    found = money(YEAR, prices(building="own", building_usd_per_mw=12e6))["cost"]
    lines = found["breakdown"]
    assert "colocation" not in lines
    assert lines["building_depreciation"] == pytest.approx(15_000)
    assert lines["building_depreciation"] + lines["building_capital"] == pytest.approx(
        300_000 * 0.1174596, rel=1e-6
    )
    assert found["capex_usd"] == pytest.approx(800_000)


def test_what_is_left_at_the_end_is_not_written_off():
    lines = money(YEAR, prices(residual=0.2))["cost"]["breakdown"]
    assert lines["server_depreciation"] == pytest.approx(80_000)
    level = 500_000 * (0.8 * 0.3154708 + 0.2 * 0.1)
    assert lines["cost_of_capital"] == pytest.approx(level - 100_000, rel=1e-6)


@pytest.mark.parametrize(
    ("depreciation", "share"),
    [
        ("straight-line", 0.25),
        ("declining-balance", 0.25),  # half of what is left: 0.5 at age 1
        ("half-in-three-years", 0.5 ** (1 / 3) - 0.5 ** (2 / 3)),
        ("macrs", 0.64 - 0.384),  # from the middle of the second tax year to that of the third
    ],
)
def test_the_second_year_on_each_schedule(depreciation, share):
    lines = breakdown(depreciation=depreciation, age_years=0.0)
    first = lines["server_depreciation"]
    second = breakdown(depreciation=depreciation, age_years=1.0)["server_depreciation"]
    assert second == pytest.approx(400_000 * share)
    assert first >= second - 1e-6


def test_hardware_that_works_wears():
    """A life of 35,040 busy hours: at 75 % busy a pool loses 0.75 x 8,760 of them in the year."""
    each = cost_lines(YEAR, prices(depreciation="units-of-production"))["server_depreciation"]
    assert each == pytest.approx((200_000 * 0.75 / 4, 200_000 * 0.5 / 4))


def test_training_is_borne_by_tokens_or_by_time():
    """$78 M over 12 months of 1e12 tokens: 6.5e-6 each, and 2.5e9 tokens were served."""
    by_tokens = breakdown(training_usd=78e6, training_life_months=12, training_tokens_per_month=1e12)
    assert by_tokens["training"] == pytest.approx(16_250)
    assert breakdown(training_usd=78e6, training_life_months=24)["training"] == pytest.approx(39e6)


def test_the_tax_shield_is_no_line():
    plain, taxed = (money(YEAR, prices(tax_rate=rate))["cost"] for rate in (0.0, 0.21))
    assert plain["tax_shield_usd"] is None
    assert taxed["tax_shield_usd"] == pytest.approx(500_000 * 0.21 * 0.77326 * 1.1**0.5, rel=1e-4)
    assert taxed["usd_total"] == plain["usd_total"]


def test_the_lines_sum_to_the_total_and_to_its_shares():
    cost = money(YEAR, prices())["cost"]
    assert math.fsum(cost["breakdown"].values()) == cost["usd_total"]
    assert cost["usd_per_request"] == pytest.approx(cost["usd_total"] / 1e6)
    assert cost["usd_per_mtok_output"] == pytest.approx(cost["usd_total"] / 500)
    assert cost["usd_per_mtok"] == pytest.approx(cost["usd_total"] / 2500)
    assert cost["usd_per_hour"] == pytest.approx(cost["usd_total"] / 8760)


POOLS = st.builds(
    PoolUsage,
    name=st.sampled_from(["a", "b"]),
    model=st.sampled_from(["big", "small", "other"]),
    accelerators=st.floats(1, 1e4),
    servers=st.floats(0.1, 1e3),
    provisioned_it_w=st.floats(1, 1e7),
    busy=st.floats(0, 1),
    it_j=st.floats(1.0, 1e15),
    idle_j=st.just(0.5),
    prefill_s=st.floats(1e-8, 1e-2),
    decode_s=st.floats(1e-8, 1e-2),
)
WORK = st.builds(
    Work,
    workload=st.sampled_from(["chat", "code"]),
    stage=st.sampled_from(["draft", "check"]),
    model=st.sampled_from(["big", "small"]),
    prefilled=st.floats(0, 1e12),
    output=st.floats(0, 1e12),
)
COSTS = st.fixed_dictionaries(
    {},
    optional={
        "depreciation": st.sampled_from(
            ["straight-line", "half-in-three-years", "macrs", "units-of-production"]
        ),
        "age_years": st.floats(0, 9),
        "building": st.sampled_from(["own", "colocation"]),
        "staff_usd_per_year": st.floats(0, 1e7),
        "training_usd": st.floats(0, 1e9),
        "installation_fraction": st.floats(0, 1),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(POOLS, min_size=1, max_size=3), st.lists(WORK, max_size=5), COSTS)
def test_every_division_of_any_ledger_sums_to_its_total(pools, work, cost):
    usage = replace(YEAR, pools=tuple(pools), work=tuple(work))
    found = money(usage, prices(**cost))["cost"]
    total = found["usd_total"]
    for axis in SPLIT:
        assert math.fsum(found["by"][axis].values()) == pytest.approx(total, rel=1e-9)
    divided = entries(cost_lines(usage, prices(**cost)), usage)
    by_line = sums(divided, "line")
    for line, usd in found["breakdown"].items():
        assert by_line.get(line, 0.0) == pytest.approx(usd, rel=1e-9, abs=1e-12)
    assert {math.isclose(math.fsum(sums(divided, a).values()), total, rel_tol=1e-9) for a in AXES} == {True}


def test_a_pool_is_divided_by_the_time_of_its_tokens():
    """Of pool a: chat drafts weigh 800e6 x 1e-5 + 200e6 x 4e-4 = 88,000 s and code 132,000 s; a quarter is idle."""
    divided = entries({"server_depreciation": (1000.0, 0.0)}, YEAR)
    assert sums(divided, "phase") == pytest.approx(
        {"prefill": 750 * 20 / 220, "decode": 750 * 200 / 220, "idle": 250}
    )
    assert sums(divided, "workload") == pytest.approx({"chat": 400, "code": 600})
    assert sums(divided, "pass") == pytest.approx({"chat/draft": 400, "code/request": 600})


def test_electricity_is_idle_by_its_idle_energy():
    phases = sums(entries({"electricity": (1000.0, 0.0)}, YEAR), "phase")
    assert phases["idle"] == pytest.approx(100)


def test_each_stage_costs_where_its_model_runs():
    by = sums(entries(cost_lines(YEAR, prices()), YEAR), "pass")
    alone = sums(entries(cost_lines(YEAR, prices()), YEAR), "pool")
    assert by["chat/check"] == pytest.approx(alone["b"])


def test_a_pool_that_did_nothing_is_nobodys():
    idle = replace(YEAR, work=())
    by = money(idle, prices())["cost"]["by"]
    assert set(by["workload"]) == set(by["pass"]) == {NOBODY}
    assert set(by["phase"]) == {"idle"}


def test_half_the_time_and_energy_cost_half():
    half = replace(YEAR, span_s=YEAR_S / 2, site_j=YEAR.site_j / 2)
    assert money(half, prices())["cost"]["usd_total"] == pytest.approx(
        money(YEAR, prices())["cost"]["usd_total"] / 2
    )


def test_renting_pays_by_the_accelerator_hour_and_for_staff():
    rents = {"a": Price(2.0, "test"), "b": Price(3.0, "test")}
    rented = Prices(Site(), Cost(basis="rent", staff_usd_per_year=1000.0), None, {}, rents)
    found = money(YEAR, rented)["cost"]
    assert {k: v for k, v in found["breakdown"].items() if v} == pytest.approx(
        {"rent": 8760 * (16 * 2 + 4 * 3), "staff": 1000}
    )
    assert found["capex_usd"] is None
    assert found["prices"]["a"] == {"accelerator_usd_per_hour": 2.0, "source": "test"}


def test_tokens_sell_at_their_prices():
    found = money(YEAR, prices(Revenue(usd_per_mtok_input=0.5, usd_per_mtok_output=2.0)))
    assert found["revenue"] == pytest.approx(2000 * 0.5 + 500 * 2.0)
    assert found["margin"] == pytest.approx(found["revenue"] - found["cost"]["usd_total"])
    assert found["margin_fraction"] == pytest.approx(found["margin"] / found["revenue"])


def test_nothing_sold_and_nothing_completed_is_none():
    idle = replace(YEAR, work=(), requests=0, input_tokens=0, output_tokens=0)
    found = money(idle, prices())
    assert (found["revenue"], found["margin"], found["margin_fraction"]) == (None, None, None)
    assert found["cost"]["usd_per_request"] is None
    assert found["cost"]["usd_per_mtok_output"] is None
    free = money(idle, prices(Revenue(usd_per_mtok_input=1.0, usd_per_mtok_output=1.0)))
    assert (free["revenue"], free["margin_fraction"]) == (0.0, None)


SUMMARY = {
    "span": {"start_s": 300.0, "end_s": 3900.0},
    "pools": [
        {
            "name": "a",
            "model": "big",
            "accelerators": 8,
            "servers": 1.0,
            "utilization": 0.8,
            "power": {"provisioned_it_w": 10_200.0},
            "energy": {"accelerator_j": 60.0, "accelerators_idle_j": 5.0, "it_j": 100.0},
            "token_time_s": {"prefill": 1e-5, "decode": 1e-3},
        },
    ],
    "workloads": [{"name": "chat", "model": "big", "tokens": {"input": 70, "output": 30}}],
    "energy": {"site_j": 120.0},
    "requests": {"completed": 7},
    "tokens": {"input": 70, "output": 30},
}


def test_usage_is_read_from_a_summary():
    """Idle energy: 5 J of the accelerators, and a fifth of the 40 J that hosts draw at all times."""
    found = usage_of(SUMMARY)
    assert found.pools == (
        PoolUsage("a", "big", 8, 1.0, 10_200.0, 0.8, 100.0, pytest.approx(13.0), 1e-5, 1e-3),
    )
    assert found.work == (Work("chat", "request", "big", 70, 30),)
    assert (found.span_s, found.site_j, found.requests) == (3600.0, 120.0, 7)


def test_passes_are_read_where_a_summary_counts_them():
    stages = [
        {"name": "draft", "passes": 7, "input": 90, "output": 30, "prefilled": 70, "cached": 20},
        {
            "name": "check",
            "model": "small",
            "passes": 7,
            "input": 50,
            "output": 7,
            "prefilled": 50,
            "cached": 0,
        },
    ]
    workload = {**SUMMARY["workloads"][0], "stages": stages}
    found = usage_of({**SUMMARY, "workloads": [workload]})
    assert found.work == (
        Work("chat", "draft", "big", 70, 30),
        Work("chat", "check", "small", 50, 7),
    )
    assert found.cached_tokens == 0  # shared among the passes of one request: nothing a user sent twice


def test_users_pay_for_what_they_sent_and_for_the_answer():
    """Ten times the tokens computed, the same sold; a result without the users' own sells what was computed."""
    computed = {"input": 700, "output": 300, "user_input": 70, "user_output": 30}
    found = usage_of({**SUMMARY, "tokens": computed})
    assert (found.input_tokens, found.output_tokens) == (700, 300)
    sold = sold_of(found, prices())
    assert (sold.input_tokens, sold.output_tokens) == (70, 30)
    old = sold_of(usage_of(SUMMARY), prices())
    assert (old.input_tokens, old.output_tokens) == (70, 30)


def test_cached_input_sells_cheaper_for_plain_requests_alone():
    """25 tokens found, 5 of them by passes of a program beside the plain workload."""
    (pool,) = SUMMARY["pools"]
    plain = SUMMARY["workloads"][0]
    stage = {"name": "draft", "passes": 1, "input": 9, "output": 3, "prefilled": 4, "cached": 5}
    program = {**plain, "name": "research", "stages": [stage]}
    summary = {**SUMMARY, "pools": [{**pool, "tokens": {"cached": 25.0}}]}
    assert usage_of({**summary, "workloads": [plain, program]}).cached_tokens == 20
    assert usage_of({**summary, "workloads": [program]}).cached_tokens == 0
    assert usage_of(SUMMARY).cached_tokens == 0


RENTED = {"b": Price(2.0, "test")}


def mixed(usage, kind):
    """Pool a is bought, pool b rented at $2 an accelerator-hour."""
    own = prices()
    return money(usage, replace(own, servers={"a": SERVERS["a"]}, rents=RENTED, kinds={"b": kind}))["cost"]


def test_owned_and_rented_pools_in_one_ledger_by_hand():
    """Servers of $200,000 and an eighth of the energy less: 20 of 80 MWh are drawn at the landlord's."""
    found = mixed(YEAR, "on-demand")
    lines = found["breakdown"]
    assert found["basis"] == "mixed"
    assert lines["server_depreciation"] == pytest.approx(50_000)
    assert lines["colocation"] == pytest.approx(20 * 200 * 12)
    assert lines["electricity"] == pytest.approx(10_000 * 60 / 80)
    assert lines["rent"] == pytest.approx(4 * 8760 * 2)
    assert found["capex_usd"] == pytest.approx(250_000)
    assert sum(found["by"]["pool"].values()) == pytest.approx(found["usd_total"])
    assert found["by"]["pool"]["b"] == pytest.approx(lines["rent"])


@pytest.mark.parametrize(("kind", "hours"), [("on-demand", 9_000), ("spot", 9_000), ("reserved", 4 * 8760)])
def test_what_is_rented_by_the_hour_costs_while_it_is_on(kind, hours):
    usage = replace(YEAR, pools=(A, replace(B, powered_h=9_000.0)))
    assert mixed(usage, kind)["breakdown"]["rent"] == pytest.approx(2 * hours)


def test_what_is_owned_costs_all_the_time():
    usage = replace(YEAR, pools=(replace(A, powered_h=1.0), B))
    assert money(usage, prices())["cost"]["usd_total"] == money(YEAR, prices())["cost"]["usd_total"]
